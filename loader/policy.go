package loader

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/rgb"
)

// Policy is what becomes of samples that can't be loaded: Fail, Skip,
// SubstituteSample or SubstituteValue.
type Policy interface {
	policy() policy
}

var (
	// Fail ends the epoch with the error of the first sample that can't be loaded.
	Fail Policy = policy{}
	// Skip puts in the row of a sample that can't be loaded that of a good one of
	// its batch: the nearest before it, or else the nearest after it. A batch
	// without a good sample is filled with the first good one of those selected
	// after its last. So all ranks keep having the same number of batches of the
	// same sizes, and the rows depend on nothing but the batch's samples. With
	// Options.ExactlyOnce nothing is repeated: such a batch is short instead, and
	// may be empty.
	Skip Policy = policy{kind: policySkip}
)

// SubstituteSample puts one sample, by its number in the dataset, in the row of
// every sample that can't be loaded. If it can't be loaded itself, that ends the
// epoch.
func SubstituteSample(sample int) Policy {
	return policy{kind: policySample, sample: sample}
}

// SubstituteValue has fill make the rows of every sample that can't be loaded,
// each output's in turn. row has the output's type and shape, before the first
// BatchOp, and is all zeros, as it stays where fill is nil. Rows of outputs that
// differ in length are empty and fill isn't asked. Batch.Samples has -1 there.
// fill is called by many goroutines at once; its error ends the epoch.
func SubstituteValue(fill func(output string, sample int, row array.Array) error) Policy {
	return policy{kind: policyValue, fill: fill}
}

// policy is the only Policy.
type policy struct {
	kind   policyKind
	sample int
	fill   func(output string, sample int, row array.Array) error
}

func (p policy) policy() policy { return p }

type policyKind uint8

const (
	policyFail policyKind = iota
	policySkip
	policySample
	policyValue
)

// defaultMaxFailures is what Options.MaxFailures 0 means.
const defaultMaxFailures = 100

// policies is what a plan has of Options.OnError and its neighbours.
type policies struct {
	onError     policy
	passes      bool // failing samples are passed over
	short       bool // and leave no row
	maxFailures int  // -1: any number
	quarantine  *quarantine
	collate     func(*Batch) error
}

// setPolicies takes over and checks what is to be done about bad samples.
func (p *plan) setPolicies(opts *Options) error {
	if opts.OnError != nil {
		p.onError = opts.OnError.policy()
	}
	p.passes, p.short = p.onError.kind != policyFail, opts.ExactlyOnce
	if p.maxFailures = opts.MaxFailures; p.maxFailures == 0 {
		p.maxFailures = defaultMaxFailures
	}
	p.collate = opts.Collate
	var err error
	if p.quarantine, err = newQuarantine(opts.Quarantine, p.total); err != nil {
		return fmt.Errorf("loader: Quarantine of %s: %w", p.name, err)
	}
	if p.onError.kind != policySample {
		return nil
	}
	switch k := p.onError.sample; {
	case k < 0 || k >= p.total:
		return fmt.Errorf("loader: SubstituteSample(%d): %s has %d samples", k, p.name, p.total)
	case p.quarantine.has(k):
		return fmt.Errorf("loader: SubstituteSample(%d): that sample is in quarantine", k)
	}
	return nil
}

// gaps are the positions of a flight that have no sample of their own. Workers
// mark those that they fill, and count them together under mu.
type gaps struct {
	state    []gap // by position; nil: there can be none
	passes   bool  // over failing samples
	none     bool  // no sample of the batch may be touched
	hopeless atomic.Bool
	damaged  atomic.Int64 // values that OnDamage was told of
	due      int          // samples that the order gave
	mu       sync.Mutex
}

type gap uint8

const (
	gapFailed gap = 1 + iota
	gapQuarantined
)

// mayGap prepares a flight of up to n samples for gaps.
func (p *plan) mayGap(f *flight, n int) {
	if p.passes || p.quarantine != nil {
		f.state, f.passes = make([]gap, n), p.passes
	}
}

// passed tells whether nothing is to be made of a position.
func (g *gaps) passed(pos int) bool { return g.state != nil && g.state[pos] != 0 }

// pass notes that the sample of a position can't be loaded. The first error of
// a sample counts.
func (f *flight) pass(pos int, err error) {
	if f.state[pos] != 0 {
		return
	}
	f.state[pos] = gapFailed
	f.gaps.mu.Lock()
	defer f.gaps.mu.Unlock()
	b := f.batch
	b.skipped = append(b.skipped, Skipped{Batch: b.index, Row: pos, Sample: b.ids[pos], By: -1, Err: err})
}

// setAside clears a flight's gaps, and opens one for each sample in quarantine.
// The nearest other sample stands there until the gap is closed, so that what is
// done with all rows at once touches none of them.
func (p *plan) setAside(f *flight) {
	f.none, f.due = false, len(f.batch.ids)
	if f.hopeless.Load() { // a store costs more than the look
		f.hopeless.Store(false)
	}
	if f.damaged.Load() != 0 {
		f.damaged.Store(0)
	}
	clear(f.state)
	if p.quarantine == nil {
		return
	}
	b := f.batch
	for pos, id := range b.ids {
		if p.quarantine.has(id) {
			f.state[pos] = gapQuarantined
			b.skipped = append(b.skipped, Skipped{Batch: b.index, Row: pos, Sample: id, By: -1, Quarantined: true})
		}
	}
	if f.none = len(b.skipped) == len(b.ids); f.none {
		return
	}
	last := f.firstGood()
	for pos := range b.ids {
		if f.state[pos] == 0 {
			last = pos
		}
		b.ids[pos] = b.ids[last]
	}
}

// firstGood is the first position with a sample of its own; there is one.
func (f *flight) firstGood() int { return slices.Index(f.state, 0) }

// toFill is how many positions workers are to fill.
func (f *flight) toFill() int {
	if f.none {
		return 0
	}
	return len(f.batch.ids)
}

// What lies in a row that has no sample of its own, see worker.from.
const (
	fromAlone = -1 // the sample that was loaded by itself
	fromValue = -2 // what SubstituteValue makes
)

// mend closes the gaps of a batch.
func (w *worker) mend(f *flight) error {
	b, p := f.batch, w.plan
	if len(b.skipped) == 0 || f.hopeless.Load() {
		return nil
	}
	slices.SortFunc(b.skipped, func(x, y Skipped) int { return x.Row - y.Row })
	n := len(b.ids)
	w.from = w.from[:0]
	var err error
	switch k := p.onError.kind; {
	case p.short:
		for pos := range n {
			if f.state[pos] == 0 {
				w.from = append(w.from, pos)
			}
		}
	case k == policyValue:
		w.fromGood(f, fromValue)
	case k == policySample:
		w.fromGood(f, fromAlone)
		if err = w.load(f, p.onError.sample); err != nil {
			return fmt.Errorf("the substitute of other samples: %w", err)
		}
	case len(b.skipped) == n:
		w.fromGood(f, fromAlone)
		if err := w.loadNext(f); err != nil {
			return err
		}
	default:
		last := f.firstGood()
		for pos := range n {
			if f.state[pos] == 0 {
				last = pos
			}
			w.from = append(w.from, last)
		}
	}
	return w.closeGaps(f)
}

// fromGood leaves good rows where they are; the others come from elsewhere.
func (w *worker) fromGood(f *flight, other int) {
	for pos := range f.batch.ids {
		if f.state[pos] == 0 {
			w.from = append(w.from, pos)
		} else {
			w.from = append(w.from, other)
		}
	}
}

// loadNext loads the first good sample of those selected after the batch's last.
func (w *worker) loadNext(f *flight) error {
	p, list := w.plan, f.batch.skipped
	last := list[len(list)-1].Sample
	at := last
	if p.sel.Samples != nil {
		at = slices.Index(p.sel.Samples, last)
	}
	many := &TooManyError{name: p.name}
	for range p.sel.Len {
		if at++; at >= p.sel.Len {
			at = 0
		}
		id := p.sel.Sample(at)
		if p.quarantine.has(id) {
			continue
		}
		err := w.load(f, id)
		if err == nil {
			return nil
		}
		many.Last = Skipped{Batch: f.batch.index, Row: -1, Sample: id, By: -1, Err: err}
		if many.Count++; many.Count == 1 {
			many.First = many.Last
		}
		if many.Count == p.maxFailures {
			return many // those of the batch are not counted
		}
	}
	err := errors.New("no sample of the batch can be loaded, nor any other that is selected")
	if many.Count > 0 {
		err = fmt.Errorf("%w: the last: %w", err, many.Last.Err)
	}
	return err
}

// load makes the rows of one sample by itself, in w.alone.
func (w *worker) load(f *flight, id int) error {
	if w.alone == nil {
		one, err := w.plan.singleFlight(id)
		if err != nil {
			return err
		}
		w.plan.mayGap(one, 1)
		w.alone = one
		runtime.AddCleanup(w, func(m *memory) { m.release() }, one.batch.mem)
	}
	one := w.alone
	one.batch.reset(f.batch.index, 1, w.plan.outputs)
	one.batch.ids[0], one.err, one.limit = id, nil, 1
	clear(one.state)
	if w.plan.prepare {
		w.prepare(one)
	}
	if one.limit == 1 && one.err == nil {
		w.fill(one, 0, 1)
	}
	if one.err == nil && len(one.batch.skipped) > 0 {
		return one.batch.skipped[0].Err
	}
	return one.err
}

// closeGaps gives every position the row that w.from says.
func (w *worker) closeGaps(f *flight) error {
	b := f.batch
	for i := range w.plan.outputs {
		o := &w.plan.outputs[i]
		w.out = i
		var err error
		if o.varies() {
			err = w.closeVarying(f, o)
		} else {
			err = w.closeFixed(f, o)
		}
		if err != nil {
			return err
		}
	}
	w.out = -1
	for pos, from := range w.from {
		switch from {
		case fromAlone:
			b.ids[pos] = w.alone.batch.ids[0]
		case fromValue:
			b.ids[pos] = -1
		default:
			b.ids[pos] = b.ids[from]
		}
	}
	if !w.plan.short {
		for i := range b.skipped {
			b.skipped[i].By = b.ids[b.skipped[i].Row]
		}
	}
	b.ids = b.ids[:len(w.from)]
	return nil
}

// closeFixed does it for an output whose rows have one size.
func (w *worker) closeFixed(f *flight, o *output) error {
	c, size := &f.batch.columns[w.out], o.filledBytes
	skipped := f.batch.skipped
	for pos, from := range w.from {
		if from == pos {
			continue
		}
		dst := c.Data[pos*size : (pos+1)*size : (pos+1)*size]
		switch from {
		case fromAlone:
			copy(dst, w.alone.batch.columns[w.out].Data)
		case fromValue:
			clear(dst)
			for skipped[0].Row != pos {
				skipped = skipped[1:]
			}
			if err := w.substitute(f, o, skipped[0].Sample, dst); err != nil {
				return err
			}
		default:
			copy(dst, c.Data[from*size:(from+1)*size])
		}
	}
	n := len(w.from)
	c.Shape[0], c.Data = n, c.Data[:n*size:n*size]
	return nil
}

// substitute asks for an output's row in place of a sample.
func (w *worker) substitute(f *flight, o *output, sample int, dst []byte) error {
	if w.plan.onError.fill == nil {
		return nil
	}
	row := array.Array{Data: dst}
	row.DType, row.Shape = o.filledSpec().DType, slices.Clone(o.filledSpec().Shape)
	if err := w.plan.onError.fill(o.name, sample, row); err != nil {
		return w.lost(f, fmt.Errorf("value in place of sample %d: %w", sample, err))
	}
	return nil
}

// filledSpec is the type and shape of a row before the first BatchOp.
func (o *output) filledSpec() array.Spec {
	if len(o.tail) > 0 {
		return o.tail[0].in
	}
	return o.spec
}

// target is where output i is rendered to; its OnDamage is told of which sample
// it is.
func (w *worker) target(i int) *rgb.Target {
	o := &w.plan.outputs[i]
	if o.target.OnDamage == nil {
		return &o.target
	}
	for len(w.targets) <= i {
		w.targets = append(w.targets, nil)
	}
	if w.targets[i] == nil {
		t, tell := o.target, o.target.OnDamage
		t.OnDamage = func(err error) {
			w.flight.damaged.Add(1)
			tell(w.sampleError(w.flight, w.at, i, err))
		}
		w.targets[i] = &t
	}
	return w.targets[i]
}

// SampleError is an error of one sample: what Fail ends an epoch with, a Report
// lists, and OnDamage of a decoder is told (but for a transform.RandomCrop that
// pads, which tells the cause alone). Err says what is wrong: a
// *ffcv.FormatError, an *rgb.InvalidError, a *PanicError, or what a decoder or an
// operation returned.
type SampleError struct {
	File       string // the dataset, or that file of it that has the sample
	FileSample int    // the sample's number in File
	Sample     int    // its number in the dataset
	Output     string // "" for the metadata row
	Field      string // of the output
	Offset     int64  // in File, of the field's value; -1 unknown
	Err        error

	name string // of the dataset
}

func (e *SampleError) Error() string {
	output, whole, row := "", "", e.FileSample
	if e.Output != "" {
		output = fmt.Sprintf("output %q: ", e.Output)
	}
	if e.name == "" { // made elsewhere
		row = e.Sample
	} else if e.name != e.File || row != e.Sample {
		whole = fmt.Sprintf("; it is sample %d of %s", e.Sample, e.name)
	}
	var format *ffcv.FormatError
	if errors.As(e.Err, &format) && format.Sample == row && format.File == e.File {
		return output + e.Err.Error() + whole
	}
	place := ""
	if e.Offset >= 0 {
		place = fmt.Sprintf(" (a value at byte %d)", e.Offset)
	}
	return fmt.Sprintf("%s: sample %d: %s%v%s%s", e.File, row, output, e.Err, place, whole)
}

// Unwrap returns the cause.
func (e *SampleError) Unwrap() error { return e.Err }

// wrap says of which sample and output an error is.
func (w *worker) wrap(f *flight, pos int, err error) error {
	return w.sampleError(f, pos, w.out, err)
}

func (w *worker) sampleError(f *flight, pos, out int, err error) *SampleError {
	p, id := w.plan, f.batch.ids[pos]
	e := &SampleError{File: p.name, FileSample: id, Sample: id, Offset: -1, Err: err, name: p.name}
	field, ptr := 0, uint64(math.MaxUint64)
	if out >= 0 {
		o := &p.outputs[out]
		e.Output, e.Field, field = o.name, o.src.Name, o.field
		if out < len(f.regions) && pos < len(f.regions[out]) && f.regions[out][pos].ptr <= math.MaxInt64 {
			ptr = f.regions[out][pos].ptr
			e.Offset = int64(ptr)
		}
	}
	if l, ok := p.ds.(Locator); ok {
		e.File, e.FileSample = l.Locate(id, field)
		e.Offset = -1
		if l, ok := p.ds.(PointerLocator); ok && ptr != math.MaxUint64 {
			e.Offset = l.LocatePointer(id, field, ptr)
		}
	}
	var format *ffcv.FormatError
	if errors.As(err, &format) && format.Offset >= 0 {
		e.Offset = format.Offset
	}
	return e
}
