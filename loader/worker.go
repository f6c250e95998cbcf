package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// PanicError is a panic in a decoder, an operation, an order or a filter.
type PanicError = ffcv.PanicError

// worker is what one goroutine needs to fill batches, all its own.
type worker struct {
	epoch  *epoch
	plan   *plan
	flight *flight // being filled
	meter  meter

	at  int // position worked on, -1: some of the run
	out int // output worked on

	source     philox
	rng        *rand.Rand
	draw       func(op int) *rand.Rand // for a view: generators by keys
	keys       []uint64
	id         int
	made       []byte // marks being made
	entry      []byte // a side file's entry being made
	scratch    rgb.Scratch
	temp       [3][]byte // of pipelines; temp[0] is unused
	wide       *memory   // of outputs with a tail; nil: not needed
	bufs       [][]byte  // what a dataset that doesn't lend reads into
	loans      []func()  // what of the dataset's memory is lent for this sample, to give it back
	verifyBuf  []byte    // the same, for what is compared with checksums
	data       [][]byte
	regions    []fields.Region
	visit      []uint64 // rows of the run in file order: row<<posBits | position
	spare      []uint64 // for sorting visit
	segments   []segment
	ordered    orderedRun
	piece      piece
	rowNumbers []int
	own        table // the flight's rows
	ptrs       []uint64
	ranges     []ffcv.Range
	sink       byte

	views  []rgb.View // of outputs that share a decode
	held   [][]byte   // their values before the operations, by output
	pixels rgb.Raster // a raster as stored
	plain  []byte     // a packed value that an output follows with
	place  rgb.Placement
	shape  [3]int

	targets []*rgb.Target // by output, see target
	alone   *flight       // of one sample, to fill gaps with; nil: not needed so far
	from    []int         // see mend
	sizes   []region      // see closeVarying, as the next three
	lengths []int
	infos   []ImageInfo
	offsets []int64
}

func newWorker(e *epoch) *worker {
	w := &worker{epoch: e, plan: e.plan}
	w.rng = rand.New(&w.source)
	w.draw = func(op int) *rand.Rand {
		w.source.rekey(w.keys[op], uint32(w.epoch.number), uint64(w.id))
		return w.rng
	}
	for i := range e.plan.outputs {
		o := &e.plan.outputs[i]
		w.grow(o.into, o.valueBytes)
		for k := range o.stages {
			w.grow(o.stages[k].into, o.stages[k].bytes)
		}
	}
	w.meter.mute(len(e.plan.outputs) + 2)
	w.makeWide()
	w.visit = make([]uint64, 0, e.plan.run)
	w.spare = make([]uint64, e.plan.run)
	w.ptrs = make([]uint64, e.plan.run)
	return w
}

func (w *worker) grow(into, n int) {
	if into > 0 && len(w.temp[into]) < n {
		w.temp[into] = make([]byte, n)
	}
}

// fill makes positions [lo, hi) of the batch, output by output. Where failing
// samples are not passed over, the other outputs go on before one, so that the
// first is found.
func (w *worker) fill(f *flight, lo, hi int) {
	w.flight, w.ordered = f, orderedRun{} // it may have had another batch
	if w.plan.verifier != nil {
		hi = w.verify(f, lo, hi)
	}
	if w.inPieces(f, lo, hi) && w.fillPieces(f, lo, hi) {
		return
	}
	for i := range w.plan.outputs {
		if o := &w.plan.outputs[i]; o.shared != nil && o.shared[0] != i {
			continue // made with that one
		}
		for from, row := lo, 0; from < hi; {
			pos, err := w.try(f, i, from, hi)
			if err == nil {
				break
			}
			if !f.passes {
				f.fail(pos, err)
				hi = pos
				break
			}
			if pos > from {
				row = 0
			}
			f.pass(pos, err)
			if row++; row == w.plan.maxFailures {
				f.hopeless.Store(true) // epoch.count finds them too
				return
			}
			from = pos + 1
		}
	}
}

// try fills [lo, hi) of an output and returns the lowest position that fails,
// with its error.
func (w *worker) try(f *flight, out, lo, hi int) (pos int, err error) {
	w.at, w.out = -1, out
	finished := false
	defer func() {
		w.giveBack()
		if finished {
			return
		}
		switch r := recover(); {
		case r == nil: // runtime.Goexit: record it before the goroutine ends
			f.fail(max(w.at, lo), w.wrap(f, max(w.at, lo), errors.New("a decoder or operation ended its goroutine")))
		case w.at < 0 && hi-lo > 1 && w.piece == (piece{}):
			pos, err = w.singly(f, out, lo, hi, r)
		default:
			pos = max(w.at, lo)
			err = w.panicked(f, pos, r)
		}
	}()
	if pos, err = w.output(f, &w.plan.outputs[out], lo, hi); err != nil {
		err = w.wrap(f, pos, err)
	}
	finished = true
	return pos, err
}

// singly finds which sample of a run made it panic.
func (w *worker) singly(f *flight, out, lo, hi int, r any) (int, error) {
	for i := lo; i < hi; i++ {
		if pos, err := w.try(f, out, i, i+1); err != nil {
			return pos, err
		}
	}
	if f.passes {
		return 0, nil
	}
	return lo, w.panicked(f, lo, r) // the fault did not come again
}

// panicked makes the error of a panic while working on position pos.
func (w *worker) panicked(f *flight, pos int, r any) error {
	if fault := mmap.Fault(r); fault != nil {
		return w.wrap(f, pos, w.gone(f.batch.ids[pos], fault))
	}
	return w.wrap(f, pos, newPanic(r))
}

// gone is the error of a sample whose bytes are gone.
func (w *worker) gone(id int, fault *mmap.FaultError) error {
	e := &ffcv.FormatError{File: w.plan.name, Sample: id, Offset: fault.Offset, What: fault.Reason()}
	l, ok := w.plan.ds.(Locator)
	if !ok {
		return e
	}
	field := 0
	if w.out >= 0 {
		field = w.plan.outputs[w.out].field
	}
	e.File, e.Sample = l.Locate(id, field)
	return e
}

func newPanic(r any) error { return &PanicError{Value: r, Stack: debug.Stack()} }

func (w *worker) output(f *flight, o *output, lo, hi int) (pos int, err error) {
	switch {
	case o.shared != nil:
		return w.together(f, o.shared, lo, hi)
	case o.perSample():
		return w.each(f, o, lo, hi)
	}
	w.meter.open(w.out)
	switch {
	case o.kind == kindPacked:
		pos, err = w.unpack(f, o, lo, hi)
	case o.varies():
		pos, err = w.blobs(f, o, lo, hi)
	case o.kind == kindRegion:
		pos, err = w.gather(f, o, lo, hi)
	default:
		w.members(f, o, lo, hi)
	}
	n := hi - lo
	if p := w.piece; p.hi > 0 {
		n = p.hi - p.lo
	}
	w.meter.close(w.out, n)
	return pos, err
}

// each runs a pipeline for one sample after another.
func (w *worker) each(f *flight, o *output, lo, hi int) (int, error) {
	c := &f.batch.columns[w.out]
	next := w.meter.first(w.out, lo)
	for pos := lo; pos < hi; pos++ {
		if f.passed(pos) {
			continue
		}
		w.turn(f, pos)
		if pos == next {
			w.meter.begin(w.out)
		}
		dst := c.Data[pos*o.filledBytes : (pos+1)*o.filledBytes : (pos+1)*o.filledBytes]
		if err := w.sample(f, o, pos, dst); err != nil {
			return pos, err
		}
		w.giveBack()
		if pos == next {
			next += w.meter.end(w.out)
		}
	}
	w.meter.until(w.out, next-hi, hi-lo)
	return 0, nil
}

// sample decodes one sample and applies the operations.
func (w *worker) sample(f *flight, o *output, pos int, dst []byte) error {
	id := f.batch.ids[pos]
	src := dst
	if o.into > 0 {
		src = w.temp[o.into]
	}
	src = src[:o.valueBytes:o.valueBytes]
	src, err := w.decode(f, o, pos, id, src)
	if err != nil {
		return err
	}
	if w.meter.on {
		w.meter.lap(w.out, stageDecode, 1)
	}
	return w.stages(o, id, dst, src)
}

// stages applies the operations to a decoded value src; the last outcome comes
// to lie in dst, which src may be already.
func (w *worker) stages(o *output, id int, dst, src []byte) error {
	for i := range o.stages {
		s := &o.stages[i]
		to := src
		if !s.inPlace {
			if to = dst; s.into > 0 {
				to = w.temp[s.into]
			}
			to = to[:s.bytes:s.bytes]
		}
		if err := w.run(s, to, src, id); err != nil {
			return err
		}
		if w.meter.on {
			w.meter.lap(w.out, stageOps+i, 1)
		}
		src = to
	}
	return nil
}

// decode makes a sample's value in dst, or returns the dataset's own bytes
// where the first operation only reads them.
func (w *worker) decode(f *flight, o *output, pos, id int, dst []byte) ([]byte, error) {
	row := w.row(f, pos, id)
	member := row[o.src.Offset : o.src.Offset+o.src.Size : o.src.Offset+o.src.Size]
	borrow := len(o.stages) > 0 && !o.stages[0].inPlace
	switch o.kind {
	case kindMember:
		copy(dst, member)
		return dst, nil
	case kindRegion:
		b, err := w.bytes(0, id, le64(row[o.ptr:]), int64(o.valueBytes))
		if err != nil || borrow {
			return b, err
		}
		copy(dst, b)
		return dst, nil
	case kindImage:
		src, err := w.stored(f, o, pos, id, member)
		if err != nil {
			return nil, err
		}
		if o.view != nil {
			w.keys, w.id = o.keys, id
			crop, flip, err := o.view(src.Width, src.Height, w.draw)
			if err != nil {
				return nil, err
			}
			return dst, w.scratch.Render(dst, src, crop, flip, w.target(w.out))
		}
		w.source.rekey(o.key, uint32(w.epoch.number), uint64(id))
		return dst, o.image(dst, src, w.rng, &w.scratch)
	}
	data, err := w.all(o, id, member)
	if err != nil {
		return nil, err
	}
	if o.kind != kindDecoder {
		return dst, w.picture(o, id, row, dst, member, data)
	}
	w.source.rekey(o.key, uint32(w.epoch.number), uint64(id))
	return dst, o.decode(dst, member, data, w.rng)
}

// stored returns the picture of an output as it is stored.
func (w *worker) stored(f *flight, o *output, pos, id int, member []byte) (src rgb.Encoded, err error) {
	v, err := imageInfo(member)
	if err != nil {
		return src, err
	}
	if most := w.plan.maxPixels; most > 0 && v.Height > 0 && v.Width > most/v.Height {
		return src, fmt.Errorf("a picture of %dx%d pixels, at most %d are decoded", v.Width, v.Height, most)
	}
	r := f.regions[w.out][pos]
	b, err := w.bytes(0, id, r.ptr, r.size)
	if err != nil {
		return src, err
	}
	src = rgb.Encoded{JPEG: v.JPEG, Width: v.Width, Height: v.Height, Data: b}
	if v.JPEG {
		src.Marks = w.marks(o, id, b)
	}
	return src, nil
}

// all returns the bytes of all regions of a member.
func (w *worker) all(o *output, id int, member []byte) ([][]byte, error) {
	var err error
	if w.regions, err = o.src.Field.Regions(w.regions[:0], member); err != nil {
		return nil, err
	}
	w.data = w.data[:0]
	for k, r := range w.regions {
		if r.Size < 0 {
			if r.Size, err = w.plan.ds.RegionSize(id, o.field, r.Ptr); err != nil {
				return nil, err
			}
		}
		b, err := w.bytes(k, id, r.Ptr, r.Size)
		if err != nil {
			return nil, err
		}
		w.data = append(w.data, b)
	}
	return w.data, nil
}

// bytes returns a region, borrowed or in the worker's k-th buffer.
func (w *worker) bytes(k, id int, ptr uint64, size int64) ([]byte, error) {
	b, err := w.obtain(k, id, ptr, size)
	w.meter.bytes += int64(len(b))
	if w.meter.on {
		w.meter.touch(b)
		w.meter.lap(w.out, stageRead, 1)
	}
	return b, err
}

func (w *worker) obtain(k, id int, ptr uint64, size int64) ([]byte, error) {
	if w.plan.lends {
		return w.plan.ds.Bytes(id, ptr, size, nil)
	}
	if w.plan.loaner != nil {
		b, done, err := w.plan.loaner.Lend(id, ptr, size)
		if done != nil {
			w.loans = append(w.loans, done)
		}
		if done != nil || err != nil {
			return b, err
		}
	}
	for len(w.bufs) <= k {
		w.bufs = append(w.bufs, nil)
	}
	if err := w.plan.probe(id, ptr, size); err != nil {
		return nil, err
	}
	if int64(cap(w.bufs[k])) < size {
		w.bufs[k] = make([]byte, size+size/4)
	}
	return w.plan.ds.Bytes(id, ptr, size, w.bufs[k])
}

// giveBack ends the loans of the sample that is done.
func (w *worker) giveBack() {
	for i, done := range w.loans {
		done()
		w.loans[i] = nil
	}
	w.loans = w.loans[:0]
}
