package loader

import (
	"fmt"
	"math"
	"math/bits"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
)

const (
	defaultBatchSize = 256
	defaultAhead     = 3
	aheadBytes       = 128 << 20 // of batches with defaultAhead, above which it is one less
)

// plan is what New works out of dataset and options. It is immutable.
type plan struct {
	ds       Dataset
	name     string
	total    int // samples in the dataset
	fields   []ffcv.Field
	rowSize  int
	table    []byte   // all metadata rows, when the dataset lends them as one
	lends    bool     // all bytes
	loaner   Loaner   // nil: it lends nothing else
	reads    bool     // rows are read for each batch: some output needs them whole
	columns  []column // where fixed-size values are gathered from; of a dataset that doesn't lend only the offsets count
	columnOf []int    // by field
	marker   Marker   // nil: the dataset keeps no marks
	verifier Verifier // nil: values are taken as they are
	verified []int    // fields to compare that may have no output

	rowHinter   RowHinter   // nil: not told of rows
	marksHinter MarksHinter // nil: not told of marks
	sized       bool        // sizes of regions are looked up
	scouted     int         // batches that are announced behind those in flight

	outputs []output
	prepare bool // some output needs its regions before the batch can be filled
	run     int  // samples that a worker takes at a time
	pieces  bool // runs are filled piece by piece

	recorder  *recorder
	sel       Selection
	order     Plan
	repeats   Repeater // nil: no sample has random numbers of several times
	dealing   dealOptions
	whole     deal // of an epoch that is not resumed
	batchSize int
	allocator Allocator // nil: anonymous memory
	workers   int
	ahead     int
	posBits   int // a batch's positions fit in so many bits

	policies

	marksMemory int    // bytes for marks made here
	maxPixels   int    // of a picture that is decoded, 0 any
	marksFile   string // side file of marks, "" none
	identity    ffcv.Identity
	warn        func(msg string)
}

// Lender is the ability of a Dataset whose bytes all lie in memory (a mapped
// file, *ffcv.File over one). Borrow returns n bytes at offset off of the file
// without copying, valid until the dataset is closed, or false. A dataset that
// lends its first byte lends them all: its Rows and Bytes then return borrowed
// slices, however long.
type Lender interface {
	Borrow(off, n int64) ([]byte, bool)
}

// Loaner is the ability of a Dataset that reads through a cache in memory to lend a
// value as it lies there, instead of copying it: Lend waits for the bytes that Bytes
// would return, which are read only, and valid until done is called, once. A nil done
// without an error lends nothing: then Bytes reads it. *ffcv.File has it. A type that
// embeds such a dataset and has Bytes of its own needs Lend of its own too.
type Loaner interface {
	Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error)
}

func newPlan(ds Dataset, opts *Options) (p *plan, err error) {
	if opts == nil {
		opts = &Options{}
	}
	p = &plan{ds: ds, name: ds.Name(), total: ds.Len(), fields: ds.Fields(), recorder: new(recorder)}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer guard(p.name, &err)
	if err := p.setNumbers(opts); err != nil {
		return nil, fmt.Errorf("loader: %w", err)
	}
	if err := p.openRows(); err != nil {
		return nil, err
	}
	if err := p.setPolicies(opts); err != nil {
		return nil, err
	}
	if err := p.selectSamples(opts); err != nil {
		return nil, err
	}
	if err := p.setOrder(opts); err != nil {
		return nil, err
	}
	if err := p.setVerify(opts); err != nil {
		return nil, err
	}
	p.marker, _ = ds.(Marker)
	return p, p.bindAll(opts)
}

// bindAll sets what depends on the outputs.
func (p *plan) bindAll(opts *Options) error {
	if err := p.bind(opts); err != nil {
		return err
	}
	if err := p.setMarksFile(opts); err != nil {
		return err
	}
	p.setAhead()
	p.setRun()
	p.setPieces()
	p.setAnnounce()
	p.setScout()
	return nil
}

// setNumbers takes over and checks what is independent of the dataset.
func (p *plan) setNumbers(opts *Options) error {
	for _, v := range []struct {
		name  string
		value int
	}{
		{"BatchSize", opts.BatchSize}, {"Workers", opts.Workers}, {"BatchesAhead", opts.BatchesAhead},
		{"Rank", opts.Rank}, {"WorldSize", opts.WorldSize}, {"MaxPixels", opts.MaxPixels},
	} {
		if v.value < 0 {
			return fmt.Errorf("%s %d is negative", v.name, v.value)
		}
	}
	p.batchSize, p.workers, p.ahead, p.allocator = opts.BatchSize, opts.Workers, opts.BatchesAhead, opts.Allocator
	if p.batchSize == 0 {
		p.batchSize = defaultBatchSize
	}
	if p.workers == 0 {
		p.workers = runtime.GOMAXPROCS(0)
	}
	p.batchSize = min(p.batchSize, math.MaxInt32)
	p.maxPixels = opts.MaxPixels
	if p.marksMemory = max(opts.MarksMemory, 0); opts.MarksMemory == 0 {
		p.marksMemory = defaultMarksMemory
	}
	p.sel = Selection{Dataset: p.ds, Len: p.total, Seed: opts.Seed, Warn: opts.Warn}
	p.dealing = dealOptions{
		rank: opts.Rank, world: max(opts.WorldSize, 1), batch: p.batchSize,
		exactlyOnce: opts.ExactlyOnce, dropLast: opts.DropLast,
	}
	return p.dealing.check()
}

// openRows finds out how metadata rows are reached.
func (p *plan) openRows() error {
	p.columnOf = make([]int, len(p.fields))
	if p.total == 0 {
		return nil
	}
	row, err := p.ds.Rows(0, 1, nil)
	if err != nil {
		return err
	}
	p.rowSize = len(row)
	for i := range p.fields {
		f := &p.fields[i]
		if f.Offset < 0 || f.Size < 0 || f.Offset > p.rowSize-f.Size {
			return fmt.Errorf("%s: field %q: bytes %d to %d of a metadata row of %d", p.name, f.Name, f.Offset, f.Offset+f.Size, p.rowSize)
		}
	}
	if l, ok := p.ds.(Lender); ok {
		_, p.lends = l.Borrow(0, 1)
	}
	if !p.lends {
		p.loaner, _ = p.ds.(Loaner)
	}
	if t, ok := p.ds.(Tabler); ok {
		if list, ok := t.Tables(); ok && p.lends {
			return p.setColumns(list)
		}
		p.lends = false
	}
	if p.lends {
		p.table, err = p.ds.Rows(0, p.total, nil)
		if err == nil && len(p.table) != p.total*p.rowSize {
			err = fmt.Errorf("%s: %d bytes of metadata, want %d rows of %d", p.name, len(p.table), p.total, p.rowSize)
		}
	}
	p.columns = []column{p.oneTable()}
	return err
}

// selectSamples applies Indices and Filter.
func (p *plan) selectSamples(opts *Options) error {
	if opts.Indices != nil {
		for i, v := range opts.Indices {
			if v < 0 || v >= p.total {
				return fmt.Errorf("loader: Indices[%d] is %d, %s has %d samples", i, v, p.name, p.total)
			}
		}
		p.sel.Samples = slices.Clone(opts.Indices)
		p.sel.Len = len(p.sel.Samples)
	}
	if opts.Filter == nil {
		return nil
	}
	kept := make([]int, 0)
	s := &Sample{plan: p}
	for i := range p.sel.Len {
		s.index = p.sel.Sample(i)
		if p.quarantine.has(s.index) {
			continue
		}
		keep, err := opts.Filter(s)
		if err != nil {
			return fmt.Errorf("loader: filter sample %d of %s: %w", s.index, p.name, err)
		}
		if keep {
			kept = append(kept, s.index)
		}
	}
	p.sel.Samples = slices.Clip(kept)
	p.sel.Len = len(kept)
	return nil
}

// setOrder makes the order's plan and counts the epoch's batches.
func (p *plan) setOrder(opts *Options) error {
	order := opts.Order
	if order == nil {
		order = Sequential
	}
	var err error
	if p.order, err = order.Plan(p.sel); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	p.repeats, _ = p.order.(Repeater)
	total := p.order.Len()
	if err := p.dealing.checkTotal(total); err != nil {
		return fmt.Errorf("loader: %w", err)
	}
	p.whole = newDeal(0, total, &p.dealing)
	if opts.DropLast && p.whole.batches == 0 {
		return fmt.Errorf("loader: BatchSize %d with DropLast gives no batch: an epoch of %s has %d samples", p.batchSize, p.name, p.whole.share)
	}
	p.batchSize = max(1, min(p.batchSize, p.whole.share)) // no memory for more
	p.posBits = bits.Len(uint(p.batchSize - 1))
	return nil
}

// setAhead chooses how many batches are prepared, unless the caller did.
func (p *plan) setAhead() {
	if p.ahead != 0 {
		return
	}
	size := 0
	for i := range p.outputs {
		size += p.outputs[i].widest
	}
	if p.ahead = defaultAhead; size > aheadBytes/(defaultAhead+1)/p.batchSize {
		p.ahead--
	}
}

// setRun chooses how many samples a worker takes at a time: few where a sample
// takes long, so that workers share a batch, and enough otherwise that taking
// them costs nothing beside filling them.
func (p *plan) setRun() {
	const target = 1 << 20 // bytes of a run of plain copies
	slow, size := false, p.rowSize
	for i := range p.outputs {
		o := &p.outputs[i]
		slow = slow || o.perSample()
		size += o.rowBytes
		if o.varies() {
			size += 4 << 10 // a guess
		}
		if o.kind == kindPacked {
			size += 12 << 10 // what it takes to unpack as much
		}
	}
	share := max(1, p.batchSize/(4*p.workers))
	switch {
	case slow:
		p.run = min(share, 16)
	case !p.lends:
		p.run = min(share, 64)
	default:
		p.run = min(p.batchSize, max(target/max(size, 1), 16))
	}
}

// sequence returns the order of an epoch.
func (p *plan) sequence(s Start) (seq Sequence, err error) {
	defer guard(p.name, &err)
	if seq, err = p.order.Epoch(s); err == nil && seq == nil {
		err = fmt.Errorf("%T gives no sequence", p.order)
	}
	return seq, err
}

// guard is deferred around code of a dataset or a program: it turns a panic
// into an error, and a fault on the dataset's mapped bytes into that of a file
// cut short, where debug.SetPanicOnFault is on.
func guard(name string, err *error) {
	r := recover()
	if r == nil {
		return
	}
	if fault := mmap.Fault(r); fault != nil {
		e := &ffcv.FormatError{File: name, Sample: -1, Offset: fault.Offset, What: fault.Reason()}
		if fault.Name != "" {
			e.File = fault.Name
		}
		*err = e
		return
	}
	*err = &PanicError{Value: r, Stack: debug.Stack()}
}
