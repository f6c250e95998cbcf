package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
)

// stream is the loader of a connection, and the batches that the client has of
// it.
type stream struct {
	files *set
	slots *slots
	tells describer
	opts  loader.Options // without Outputs, which change

	mu      sync.Mutex
	loader  *loader.Loader
	loaders []*loader.Loader // it and those before it
	outputs []loader.Output  // of epochs that begin from now on
	specs   []outputSpec     // what they give
	given   *given           // the order, if it is the client's
	resumed *loader.State
	warned  []string

	// The client's batches, by the numbers that they were sent with.
	next uint32
	held map[uint32]*loader.Batch

	// Of the goroutine that sends.
	data     [][]byte
	shipment shipment
	object   []byte
	payload  []byte
}

// loaderRequest is the description of a loader.
type loaderRequest struct {
	Do          string                   `json:"do"`
	Paths       []string                 `json:"paths"`
	BatchSize   int                      `json:"batch_size"`
	Workers     int                      `json:"workers"`
	Order       json.RawMessage          `json:"order"`
	Seed        uint64                   `json:"seed"`
	Indices     *int                     `json:"indices"` // so many in the payload
	DropLast    bool                     `json:"drop_last"`
	Ahead       int                      `json:"batches_ahead"`
	Rank        int                      `json:"rank"`
	World       int                      `json:"world"`
	ExactlyOnce bool                     `json:"exactly_once"`
	Memory      int64                    `json:"memory"`
	Direct      bool                     `json:"direct"`
	MarksFile   string                   `json:"marks_file"`
	MarksMemory int                      `json:"marks_memory"`
	StatsFile   string                   `json:"stats_file"`
	OnError     *policyRequest           `json:"on_error"`
	MaxFailures int                      `json:"max_failures"`
	Quarantine  []int                    `json:"quarantine"`
	Verify      string                   `json:"verify"`        // "first_read"; "" and "never": no
	VerifyToo   []string                 `json:"verify_fields"` // those that the client reads by itself
	Outputs     []outputRequest          `json:"outputs"`
	Custom      map[string]customRequest `json:"custom"` // fields that only the program knows
	State       json.RawMessage          `json:"state"`
	MaxPixels   int                      `json:"max_pixels"`
	Storage     json.RawMessage          `json:"storage"`
}

type policyRequest struct {
	Policy string `json:"policy"`
	Sample *int   `json:"sample"` // for substitute; without one rows are zeros
}

// outputRequest is a loader.Output.
type outputRequest struct {
	Name     string            `json:"name"`
	Field    string            `json:"field"`
	Decoder  json.RawMessage   `json:"decoder"`
	Ops      []json.RawMessage `json:"ops"`
	Disabled bool              `json:"disabled"`
	Ragged   bool              `json:"ragged"`
	Follow   string            `json:"follow"`
	Item     *itemRequest      `json:"item"`
	Width    int               `json:"width"`
}

type itemRequest struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
}

// outputSpec is what an output gives.
type outputSpec struct {
	Name    string `json:"name"`
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`   // of a row, or of an item of a ragged output; null where rows are of a batch's width
	Lengths bool   `json:"lengths"` // these come with each batch
	Offsets bool   `json:"offsets"`
	Item    []int  `json:"item,omitempty"` // shape of what the width counts, where that isn't one number
}

type loaderAnswer struct {
	Batches int               `json:"batches"`
	Samples int               `json:"samples"`
	Outputs []outputSpec      `json:"outputs"`
	Explain []loader.Pipeline `json:"explain"`
	Warned  []string          `json:"warnings,omitempty"`
}

// loader makes the connection's loader.
func (c *conn) loader(r *request) error {
	if c.stream.Load() != nil {
		return statef("loader: the connection has one already")
	}
	var q loaderRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	s := &stream{slots: newSlots(), tells: c.engine.tells, held: map[uint32]*loader.Batch{}}
	if err := s.set(c.engine, &q, r.payload); err != nil {
		s.close()
		return err
	}
	c.stream.Store(s)
	l := s.loader
	return c.answer(loaderAnswer{l.Len(), l.Samples(), s.specs, l.Explain(), s.warnings()}, nil)
}

// set makes the loader that is asked for.
func (s *stream) set(e *engine, q *loaderRequest, payload []byte) error {
	rest := &numbers{bytes: payload}
	if err := s.setOptions(q, rest); err != nil {
		return err
	}
	if len(rest.bytes) > 0 {
		return &protocolError{fmt.Sprintf("loader: %d bytes of the payload are left over", len(rest.bytes))}
	}
	list, err := outputs(q.Outputs)
	if err != nil {
		return err
	}
	if q.Memory < 0 {
		s.opts.Order = windowed(s.opts.Order)
	}
	if s.files, err = e.files.openFor(q, s.opts.Order); err != nil {
		return err
	}
	return s.load(list, q.State)
}

// setOptions takes over what is independent of files and outputs.
func (s *stream) setOptions(q *loaderRequest, rest *numbers) error {
	if len(q.Paths) == 0 {
		return optionf("loader: no paths")
	}
	s.opts = loader.Options{
		BatchSize: q.BatchSize, Workers: q.Workers, Seed: q.Seed, DropLast: q.DropLast, BatchesAhead: q.Ahead,
		Allocator: s.slots, MarksFile: q.MarksFile, MarksMemory: q.MarksMemory, Rank: q.Rank, WorldSize: q.World,
		ExactlyOnce: q.ExactlyOnce, MaxFailures: q.MaxFailures, Quarantine: q.Quarantine, VerifyFields: q.VerifyToo,
		Warn: s.warn, OutputsAt: s.outputsAt, MaxPixels: q.MaxPixels, StatsFile: q.StatsFile,
	}
	var err error
	if q.Indices != nil {
		if s.opts.Indices, err = rest.ints(*q.Indices); err != nil {
			return err
		}
	}
	if s.opts.Order, err = order(q.Order, rest.floats); err != nil {
		return err
	}
	s.given, _ = s.opts.Order.(*given)
	if s.opts.OnError, err = policy(q.OnError); err != nil {
		return err
	}
	s.opts.Verify, err = verifying(q.Verify)
	return err
}

// policy is what becomes of samples that can't be loaded.
func policy(q *policyRequest) (loader.Policy, error) {
	switch {
	case q == nil || q.Policy == "" || q.Policy == "fail":
		return loader.Fail, nil
	case q.Policy == "skip":
		return loader.Skip, nil
	case q.Policy == "substitute" && q.Sample != nil:
		return loader.SubstituteSample(*q.Sample), nil
	case q.Policy == "substitute":
		return loader.SubstituteValue(nil), nil
	}
	return nil, unknown("on_error: policy", q.Policy, []string{"fail", "skip", "substitute"})
}

// outputs makes the loader's outputs.
func outputs(list []outputRequest) ([]loader.Output, error) {
	outs := make([]loader.Output, len(list))
	for i, q := range list {
		o := loader.Output{Name: q.Name, Field: q.Field, Follow: q.Follow, Ragged: q.Ragged, Width: q.Width, Disabled: q.Disabled}
		var err error
		if o.Decoder, err = operation(q.Decoder); err != nil {
			return nil, fmt.Errorf("output %q: decoder: %w", q.Name, err)
		}
		for k, text := range q.Ops {
			op, err := operation(text)
			if err == nil && op == nil {
				err = optionf("null is no operation")
			}
			if err != nil {
				return nil, fmt.Errorf("output %q: operation %d: %w", q.Name, k, err)
			}
			o.Ops = append(o.Ops, op)
		}
		if q.Item != nil {
			o.Item.Shape = q.Item.Shape
			if o.Item.DType, err = array.ParseDType(q.Item.DType); err != nil {
				return nil, optionf("output %q: item: %v", q.Name, err)
			}
		}
		outs[i] = o
	}
	return outs, nil
}

// load makes the loader with outputs, where it has none or they change what an
// epoch's options are.
func (s *stream) load(list []loader.Output, state json.RawMessage) error {
	s.outputs = list
	var l *loader.Loader
	var err error
	if len(state) > 0 && string(state) != "null" {
		s.resumed = new(loader.State)
		if err := json.Unmarshal(state, s.resumed); err != nil {
			return statef("loader: the state is none: %v", err)
		}
		l, err = loader.Resume(s.files.data, &s.opts, s.resumed)
		if err != nil && strings.HasPrefix(err.Error(), "loader: resume: ") {
			return statef("%v", err)
		}
	} else {
		l, err = loader.New(s.files.data, &s.opts)
	}
	if err != nil {
		return s.tells.asOption(err)
	}
	s.loader, s.loaders, s.specs = l, []*loader.Loader{l}, specs(l.Explain(), list)
	return nil
}

// specs tells what outputs give.
func specs(list []loader.Pipeline, outs []loader.Output) []outputSpec {
	result := make([]outputSpec, len(list))
	for i, p := range list {
		ragged, item := false, []int(nil)
		for _, o := range outs {
			if o.Name == p.Output && !o.Disabled {
				ragged, item = o.Ragged, o.Item.Shape
			}
		}
		result[i] = outputSpec{Name: p.Output, DType: p.DType, Shape: p.Shape, Lengths: p.Shape == nil && !ragged, Offsets: ragged}
		if ragged {
			result[i].Shape = append([]int{}, item...)
		} else if p.Shape == nil {
			result[i].Item = item
		}
	}
	return result
}

// outputsAt is loader.Options.OutputsAt.
func (s *stream) outputsAt(int) []loader.Output {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.outputs
}

// warn is loader.Options.Warn.
func (s *stream) warn(msg string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.warned) < 100 {
		s.warned = append(s.warned, msg)
	}
}

// warnings are those that were not told yet.
func (s *stream) warnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.warned
	s.warned = nil
	return w
}

// now returns the loader.
func (s *stream) now() *loader.Loader {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loader
}

// close ends all. No epoch runs any more. Batches that the client has not
// released are given up: their memory is the client's alone.
func (s *stream) close() {
	s.slots.close() // first: what is freed from here on is not written to
	for _, b := range s.held {
		b.Release()
	}
	s.held = nil
	for _, l := range s.loaders {
		l.Close()
	}
	if s.files != nil {
		s.files.leave()
	}
}

// openFor opens a loader's files.
func (l *library) openFor(q *loaderRequest, order loader.Order) (*set, error) {
	how := access{memory: q.Memory, direct: q.Direct, custom: q.Custom, storage: q.Storage}
	if q.Memory < -1 {
		return nil, optionf("loader: memory is %d; want bytes, 0 to map the files, or -1", q.Memory)
	}
	if q.Memory >= 0 {
		return l.open(q.Paths, how)
	}
	// What a loader that looks into the files has open is shared, and enough for
	// most; files that are mapped are mapped to see how large they are.
	how.memory = 0
	first, err := l.open(q.Paths, how)
	if err != nil {
		return nil, err
	}
	want, bytes := budget(first.data, order, q.BatchSize, q.Ahead)
	if first.memory > 0 && want <= first.memory {
		return first, nil
	}
	defer first.leave()
	how.memory, how.as = bytes, fmt.Sprintf("need %d", want)
	return l.open(q.Paths, how)
}

// batchesOf is how many batches an epoch has.
func (s *stream) batchesOf(epoch int) (int, error) {
	l := s.now()
	if s.resumed == nil || s.resumed.Epoch != epoch {
		return l.Len(), nil
	}
	if _, err := l.StateAt(epoch, 0); err != nil {
		return 0, err
	}
	return sort.Search(l.Len(), func(n int) bool {
		_, err := l.StateAt(epoch, n+1)
		return err != nil
	}), nil
}

// numbers are what a payload consists of.
type numbers struct{ bytes []byte }

// take cuts n numbers of 8 bytes off.
func (p *numbers) take(n int) ([]byte, error) {
	if n < 0 || n > len(p.bytes)/8 {
		return nil, &protocolError{fmt.Sprintf("%d numbers of 8 bytes are said to be in a payload that has %d bytes left", n, len(p.bytes))}
	}
	b := p.bytes[:8*n]
	p.bytes = p.bytes[8*n:]
	return b, nil
}

func (p *numbers) ints(n int) ([]int, error) {
	b, err := p.take(n)
	list := make([]int, len(b)/8)
	for i := range list {
		list[i] = int(int64(binary.LittleEndian.Uint64(b[8*i:])))
	}
	return list, err
}

func (p *numbers) floats(n int) ([]float64, error) {
	b, err := p.take(n)
	if err != nil {
		return nil, err
	}
	return array.Values[float64](array.Array{Spec: array.Spec{DType: array.Float64, Shape: []int{n}}, Data: b})
}
