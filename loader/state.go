package loader

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/hash"
)

// stateVersion counts the changes of State's meaning.
const stateVersion = 1

// State says how far a training has come: what Resume goes on from. It is small
// JSON, the same on all ranks after as many batches, and good for any number of
// ranks, workers and samples in a batch. It belongs to a dataset and to the
// options that say which samples come, in which order and how they are made.
type State struct {
	Version int `json:"version"`

	Epoch    int `json:"epoch"`
	Batches  int `json:"batches"`  // of the epoch, that each rank was handed
	Consumed int `json:"consumed"` // positions of the epoch's order, over all ranks
	Length   int `json:"length"`   // of the epoch's order

	// As the epoch began: some orders depend on them.
	WorldSize int `json:"world_size"`
	BatchSize int `json:"batch_size"`

	Seed          uint64 `json:"seed"`
	Order         string `json:"order"` // with its settings
	OrderVersion  int    `json:"order_version"`
	StreamVersion int    `json:"stream_version"`
	ExactlyOnce   bool   `json:"exactly_once,omitempty"`
	DropLast      bool   `json:"drop_last,omitempty"`

	Dataset   StateDataset  `json:"dataset"`
	Selection string        `json:"selection,omitempty"` // a hash of Indices and what Filter left; "": all samples
	Outputs   []StateOutput `json:"outputs,omitempty"`   // without any, Resume doesn't compare them
}

// StateDataset tells a dataset from others. Size and Sum are 0 where it has no
// Identity. The name, without its folder, is for people: a file may move.
type StateDataset struct {
	Name    string `json:"name"`
	Samples int    `json:"samples"`
	Size    int64  `json:"size,omitempty"`
	Sum     uint32 `json:"sum,omitempty"`
}

// StateOutput describes an output: its field, decoder and operations by their
// types and exported settings. Functions among those are not told apart.
type StateOutput struct {
	Name     string `json:"name"`
	Pipeline string `json:"pipeline"`
}

// StateError says why a state does not belong to a loader.
type StateError struct{ Differences []StateDifference }

// StateDifference is a value of a state that is another in the loader.
type StateDifference struct{ What, State, Loader string }

func (e *StateError) Error() string {
	list := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		list[i] = fmt.Sprintf("%s is %s in the state, %s here", d.What, d.State, d.Loader)
	}
	return "loader: resume: the state is of something else: " + strings.Join(list, "; ")
}

// Resume returns a loader that goes on where a state was taken: its Epoch of
// State.Epoch gives the batches that were not handed out, as often as it is
// asked for, and every other epoch is whole. Where the state was taken after an
// epoch's last batch, there are none left.
//
// With the same WorldSize and BatchSize the batches are those of an epoch that
// was not interrupted, bit for bit. With others what is left of the epoch's order
// is dealt out anew: over all ranks the samples are the same, and so are their
// augmentations, other than by operations on whole batches. Workers,
// BatchesAhead, Rank and where checkpoints come from may change in any case; if
// anything else differs the error is a *StateError.
func Resume(ds Dataset, opts *Options, s *State) (*Loader, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("loader: resume: %w", err)
	}
	l, err := New(ds, opts)
	if err != nil {
		return nil, err
	}
	here, err := l.describe(s.Epoch)
	if err != nil {
		return nil, err
	}
	if list := s.compare(here); len(list) > 0 {
		for i := range list {
			if d := &list[i]; d.What == orderDiffers {
				d.Loader += noteOf(l.plan.order, s.Order)
			}
		}
		return nil, &StateError{list}
	}
	own := *s
	own.Outputs = nil
	l.resume = &own
	return l, nil
}

// check looks at the numbers of a state that anyone may have written.
func (s *State) check() error {
	switch {
	case s == nil:
		return fmt.Errorf("the state is nil")
	case s.Version != stateVersion:
		return fmt.Errorf("the state has version %d, this is %d", s.Version, stateVersion)
	case s.Epoch < 0 || s.Length < 0:
		return fmt.Errorf("the state is of epoch %d with %d samples", s.Epoch, s.Length)
	case s.Consumed < 0 || s.Consumed > s.Length:
		return fmt.Errorf("the state has consumed %d of %d samples", s.Consumed, s.Length)
	case s.Batches < 0 || s.Batches > s.Consumed:
		return fmt.Errorf("the state has consumed %d samples in %d batches", s.Consumed, s.Batches)
	case s.WorldSize < 1 || s.BatchSize < 1 || s.BatchSize > math.MaxInt32:
		return fmt.Errorf("the state has %d ranks with batches of %d", s.WorldSize, s.BatchSize)
	}
	return nil
}

const orderDiffers = "the order" // a StateDifference's What

// compare lists what differs from a loader.
func (s *State) compare(here *State) (list []StateDifference) {
	add := func(what string, state, loader any) {
		if state != loader {
			list = append(list, StateDifference{what, fmt.Sprint(state), fmt.Sprint(loader)})
		}
	}
	add("the dataset's number of samples", s.Dataset.Samples, here.Dataset.Samples)
	if s.Dataset.Size != 0 && here.Dataset.Size != 0 {
		add("the dataset's size", s.Dataset.Size, here.Dataset.Size)
		add("the dataset's sum", s.Dataset.Sum, here.Dataset.Sum)
	}
	add("the selection", quoted(s.Selection), quoted(here.Selection))
	add("the seed", s.Seed, here.Seed)
	add(orderDiffers, quoted(s.Order), quoted(here.Order))
	add("the version of orders", s.OrderVersion, here.OrderVersion)
	add("the version of random streams", s.StreamVersion, here.StreamVersion)
	add("the epoch's length", s.Length, here.Length)
	add("exactly-once", s.ExactlyOnce, here.ExactlyOnce)
	add("drop-last", s.DropLast, here.DropLast)
	if s.Outputs == nil {
		return list
	}
	for _, o := range here.Outputs {
		was := "missing"
		if i := slices.IndexFunc(s.Outputs, func(p StateOutput) bool { return p.Name == o.Name }); i >= 0 {
			was = s.Outputs[i].Pipeline
		}
		add(fmt.Sprintf("output %q", o.Name), was, o.Pipeline)
	}
	for _, o := range s.Outputs {
		if !slices.ContainsFunc(here.Outputs, func(p StateOutput) bool { return p.Name == o.Name }) {
			add(fmt.Sprintf("output %q", o.Name), o.Pipeline, "missing")
		}
	}
	return list
}

func quoted(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// State returns how far the epoch that began last has come: what was handed out
// of it counts, also the batch that the loop over it has in hand, not what is
// prepared. Before any epoch it is the beginning of epoch 0, or where the loader
// was resumed. It is safe for concurrent use; an error is of the dataset.
func (l *Loader) State() (*State, error) {
	g := l.given.Load()
	if g == nil {
		epoch := 0
		if l.resume != nil {
			epoch = l.resume.Epoch
		}
		g = new(given)
		g.start, g.deal = l.starts(epoch)
		g.none = true
	}
	s, err := l.describe(g.start.Epoch)
	if err != nil {
		return nil, err
	}
	n := int(g.batches.Load())
	s.Batches, s.Consumed = g.deal.first+n, g.deal.start
	if !g.none {
		s.Consumed = g.deal.consumed(n)
	}
	s.WorldSize, s.BatchSize = g.start.WorldSize, g.start.BatchSize
	return s, nil
}

// StateAt returns the state as State does when so many batches of an epoch have
// been handed out: of the one that the loader was resumed in, of those that were
// left. It needs no epoch to be under way, and is safe for concurrent use.
func (l *Loader) StateAt(epoch, batches int) (*State, error) {
	if epoch < 0 {
		return nil, fmt.Errorf("loader: state of epoch %d: it is negative", epoch)
	}
	start, d := l.starts(epoch)
	if batches < 0 || batches > d.batches {
		return nil, fmt.Errorf("loader: state of epoch %d after %d batches: it has %d", epoch, batches, d.batches)
	}
	s, err := l.describe(epoch)
	if err != nil {
		return nil, err
	}
	s.Batches, s.Consumed = d.first+batches, d.consumed(batches)
	s.WorldSize, s.BatchSize = start.WorldSize, start.BatchSize
	return s, nil
}

// given counts the batches of an epoch that were handed out.
type given struct {
	start   Start
	deal    deal
	batches atomic.Int64
	none    bool // it has not begun

	mu      sync.Mutex // held where what is missing changes
	missing int        // samples that batches are shorter by than they were dealt
}

// hand counts a batch that lacks so many samples.
func (g *given) hand(missing int) {
	if missing == 0 {
		g.batches.Add(1)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.missing += missing
	g.batches.Add(1)
}

// handed returns how many batches, and samples in them, were handed out.
func (g *given) handed() (batches, samples int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := int(g.batches.Load())
	return n, g.deal.samplesOf(n) - g.missing
}

// starts says how an epoch begins, and which of its positions come.
func (l *Loader) starts(epoch int) (Start, deal) {
	o := l.plan.dealing
	if s := l.resume; s != nil && s.Epoch == epoch {
		d := newDeal(s.Consumed, s.Length, &o)
		d.first = s.Batches
		return Start{Epoch: epoch, WorldSize: s.WorldSize, BatchSize: s.BatchSize}, d
	}
	return Start{Epoch: epoch, WorldSize: o.world, BatchSize: o.batch}, l.plan.whole
}

// begun makes an epoch the one that State tells of.
func (l *Loader) begun(start Start, d deal) *given {
	g := &given{start: start, deal: d}
	l.given.Store(g)
	return g
}

// stateOf keeps what states of a loader have in common.
type stateOf struct {
	once  sync.Once
	state State
	err   error
}

// describe is a state of an epoch's beginning.
func (l *Loader) describe(epoch int) (*State, error) {
	c := &l.common
	c.once.Do(func() { c.state, c.err = l.plan.state() })
	if c.err != nil {
		return nil, c.err
	}
	p, err := l.planAt(epoch)
	if err != nil {
		return nil, err
	}
	s := c.state
	s.Epoch = epoch
	s.Outputs = make([]StateOutput, len(p.outputs))
	for i := range p.outputs {
		s.Outputs[i] = StateOutput{p.outputs[i].name, p.outputs[i].pipeline()}
	}
	return &s, nil
}

// state is what no epoch changes.
func (p *plan) state() (s State, err error) {
	defer guard(p.name, &err)
	s = State{
		Version: stateVersion, Length: p.whole.total,
		WorldSize: p.dealing.world, BatchSize: p.dealing.batch,
		Seed: p.sel.Seed, Order: planName(p.order), OrderVersion: OrderVersion, StreamVersion: StreamVersion,
		ExactlyOnce: p.dealing.exactlyOnce, DropLast: p.dealing.dropLast,
		Dataset: StateDataset{Name: filepath.Base(p.name), Samples: p.total},
	}
	if ds, ok := p.ds.(Identifier); ok {
		var id ffcv.Identity
		if id, err = ds.Identity(); err != nil {
			return s, fmt.Errorf("loader: state: %w", err)
		}
		s.Dataset.Size, s.Dataset.Sum = id.Size, id.Sum
	}
	if p.sel.Samples != nil {
		h := uint64(len(p.sel.Samples))
		for _, v := range p.sel.Samples {
			h = hash.Mix(h + hash.Mix(uint64(v)+hash.Weyl))
		}
		s.Selection = fmt.Sprintf("%d samples, %016x", len(p.sel.Samples), h)
	}
	return s, nil
}

// planName names an order in a state.
func planName(p Plan) string {
	if s, ok := p.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", p)
}

// turn makes a position of the batch the one that is worked on.
func (w *worker) turn(f *flight, pos int) {
	w.at = pos
	if w.plan.repeats != nil {
		w.repeat(f, pos)
	}
}

// repeat gives the random numbers what they need of a position beside its
// sample: see Repeater.
func (w *worker) repeat(f *flight, pos int) {
	e := w.epoch
	if r := w.plan.repeats; r != nil && e.seq != nil { // nil: one sample apart from epochs
		w.source.again(r.Repeat(e.deal.position(f.batch.index-e.deal.first, pos)))
	}
}
