package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"

	"github.com/betongo/betongo/array"
)

// Drawer is the ability of an operation, or a decoder, to say what it draws
// from a generator in the state in which apply gets it: the settings of this
// sample by their names, such as {"flip": true}, of types that package
// encoding/json writes. in is the type and shape that comes in, a decoder's
// that of the stored picture.
type Drawer interface {
	Drawn(in array.Spec, rng *rand.Rand) map[string]any
}

// Keyer is the ability of a Dataset to name a sample: the path that it was made
// from, or a key; "" when it has none. *ffcv.File is one.
type Keyer interface {
	Key(sample int) (string, error)
}

// Replayed is a sample as it was in an epoch, see Loader.Replay.
type Replayed struct {
	Sample        int              `json:"sample"` // its number in the dataset
	Epoch         int              `json:"epoch"`
	Seed          uint64           `json:"seed"`
	StreamVersion int              `json:"stream_version"`
	Repeat        uint64           `json:"repeat,omitempty"` // which of the times that the sample comes, as the order's Repeater counts them
	Source        string           `json:"source,omitempty"` // the path that it was made from, or a key, where the dataset knows it
	Outputs       []ReplayedOutput `json:"outputs"`
}

// ReplayedOutput is a sample's row of an output, and how it came about.
type ReplayedOutput struct {
	Output string `json:"output"`
	Field  string `json:"field"`
	// Value is the row, without the axis of the batch; rows that differ in length
	// have no padding. Its memory is the caller's. JSON has type and shape only.
	Value array.Array `json:"-"`
	DType string      `json:"dtype"`
	Shape []int       `json:"shape"`

	Stored *StoredSize `json:"stored,omitempty"` // of a picture
	// Crop is the region of the stored picture that was cut out, Flip whether it
	// was mirrored then, by the decoder and the operations that are one pass with
	// it; nil where a decoder doesn't tell.
	Crop *Box  `json:"crop,omitempty"`
	Flip *bool `json:"flip,omitempty"`
	// Placement is where the stored picture lies in the row, after all operations;
	// nil where one doesn't tell. That of an output which follows another is that
	// one's.
	Placement *Placement `json:"placement,omitempty"`
	Follow    string     `json:"follow,omitempty"`

	Decoder string         `json:"decoder"`         // its type; "" for the default
	Drawn   map[string]any `json:"drawn,omitempty"` // by the decoder
	Ops     []ReplayedOp   `json:"ops"`
	// Partial is set where the row is what came before a BatchOp: that, and what
	// follows it, is of the whole batch and is not done again.
	Partial bool `json:"partial,omitempty"`
}

// ReplayedOp is an operation on a row.
type ReplayedOp struct {
	Op      string         `json:"op"`              // its type
	Drawn   map[string]any `json:"drawn,omitempty"` // see Drawer
	Applied bool           `json:"applied"`         // not: it is a BatchOp, or comes after one
}

// StoredSize is the size of a stored picture.
type StoredSize struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// Box is an rgb.Rect for JSON.
type Box struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

// Placement is an rgb.Placement for JSON.
type Placement struct {
	Width  int  `json:"width"`
	Height int  `json:"height"`
	X      Axis `json:"x"`
	Y      Axis `json:"y"`
}

// Axis is an rgb.Axis for JSON.
type Axis struct {
	Scale float64 `json:"scale"`
	Shift float64 `json:"shift"`
	Lo    float64 `json:"lo"`
	Hi    float64 `json:"hi"`
}

// Replay makes the rows of one sample, by its number in the dataset, as they
// are in an epoch of this loader, bit for bit, and says what was drawn for
// them. The sample need not be among those that the loader selects. Operations
// on whole batches are not replayed: see ReplayedOutput.Partial. Where the order
// gives a sample several times (Repeated, and what draws with replacement), this is
// how it would be if it came once, for Repeated its first time; ReplayRow tells
// them apart. Safe for concurrent use; it is made for looking at samples, not for
// loading many.
func (l *Loader) Replay(sample, epoch int) (*Replayed, error) {
	return l.replay(sample, epoch, 0)
}

// ReplayRow is Replay of the sample that this loader's order gives to a row of a
// batch, by its Batch.Index, of an epoch: of that time, where it comes several
// times. Where the batch has another sample in that row (see Batch.Skipped) it is
// still that one. The order is made for it.
func (l *Loader) ReplayRow(epoch, batch, row int) (*Replayed, error) {
	if epoch < 0 {
		return nil, fmt.Errorf("loader: replay epoch %d: it is negative", epoch)
	}
	start, d := l.starts(epoch)
	k := batch - d.first
	if k < 0 || k >= d.batches {
		return nil, fmt.Errorf("loader: replay batch %d of epoch %d: it has batches %d to %d", batch, epoch, d.first, d.first+d.batches-1)
	}
	if n := d.size(k); row < 0 || row >= n {
		return nil, fmt.Errorf("loader: replay row %d of batch %d of epoch %d: it has %d", row, batch, epoch, n)
	}
	at := d.position(k, row)
	sample, repeat, err := l.plan.given(start, at)
	if err != nil {
		return nil, fmt.Errorf("loader: replay row %d of batch %d of epoch %d: %w", row, batch, epoch, err)
	}
	return l.replay(sample, epoch, repeat)
}

// given is the sample at a position of an epoch's order, and which time it comes.
func (p *plan) given(s Start, position int) (sample int, repeat uint64, err error) {
	seq, err := p.sequence(s)
	if err != nil {
		return 0, 0, err
	}
	defer guard(p.name, &err)
	defer seq.Close()
	var one [1]int
	if err := seq.Fill(one[:], position, 1); err != nil {
		return 0, 0, err
	}
	if p.repeats != nil {
		repeat = p.repeats.Repeat(position)
	}
	return one[0], repeat, nil
}

func (l *Loader) replay(sample, epoch int, repeat uint64) (*Replayed, error) {
	if epoch < 0 {
		return nil, fmt.Errorf("loader: replay epoch %d: it is negative", epoch)
	}
	p, err := l.planAt(epoch)
	if err != nil {
		return nil, err
	}
	if sample < 0 || sample >= p.total {
		return nil, fmt.Errorf("loader: replay sample %d, %s has %d", sample, p.name, p.total)
	}
	r := &Replayed{Sample: sample, Epoch: epoch, Seed: p.sel.Seed, StreamVersion: StreamVersion, Repeat: repeat}
	err = fmt.Errorf("loader: replay sample %d of %s: %w", sample, p.name, errors.New("a decoder or operation ended its goroutine"))
	done := make(chan struct{})
	// A goroutine of its own, since what it calls may end it.
	go func() {
		defer close(done)
		err = r.make(p, l.pool)
	}()
	<-done
	if err != nil {
		return nil, err
	}
	return r, nil
}

// make fills r.
func (r *Replayed) make(whole *plan, mem *pool) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer guard(whole.name, &err)
	if k, ok := whole.ds.(Keyer); ok {
		if r.Source, err = k.Key(r.Sample); err != nil {
			return err
		}
	}
	p := whole.single()
	w := newWorker(&epoch{plan: p, pool: mem, number: r.Epoch})
	w.source.again(r.Repeat)
	f, err := p.singleFlight(r.Sample)
	if err != nil {
		return err
	}
	defer f.batch.mem.release()
	if f.limit = 1; p.prepare {
		w.prepare(f)
	}
	if f.limit == 1 {
		w.fill(f, 0, 1)
	}
	if f.err != nil {
		return f.err
	}
	row := w.row(f, 0, r.Sample)
	for i := range p.outputs {
		o, err := w.replayed(&p.outputs[i], &whole.outputs[i], f.batch.columns[i], row, r.Sample)
		if err != nil {
			return fmt.Errorf("%s: sample %d: output %q: %w", p.name, r.Sample, p.outputs[i].name, err)
		}
		r.Outputs = append(r.Outputs, o)
	}
	return nil
}

// single is the plan for one sample at a time, whose outputs end before what
// is done with whole batches.
func (p *plan) single() *plan {
	one := *p
	one.batchSize, one.run, one.posBits, one.workers = 1, 1, 0, 1
	one.reads = p.table == nil // the row is looked at, whatever the outputs need
	one.prepare = p.prepare || one.reads
	one.outputs = make([]output, len(p.outputs))
	for i := range one.outputs {
		o := &one.outputs[i]
		*o = p.outputs[i]
		if len(o.tail) > 0 {
			o.spec, o.tail = o.tail[0].in, nil
			o.rowBytes, o.widest = o.filledBytes, o.filledBytes
		}
	}
	return &one
}

// singleFlight is a batch of one sample, to be filled.
func (p *plan) singleFlight(sample int) (*flight, error) {
	b := &Batch{
		ids:     []int{sample},
		columns: make([]Column, len(p.outputs)),
		mem:     newMemory(nil, len(p.outputs)), // never a consumer's
	}
	f := &flight{batch: b, regions: make([][]region, len(p.outputs))}
	for i := range p.outputs {
		o, c := &p.outputs[i], &b.columns[i]
		f.regions[i] = make([]region, 1)
		c.Name, c.batch, c.DType = o.name, b, o.spec.DType
		c.Shape, c.item = o.columnShape(), o.itemBytes
		if o.ragged {
			c.Offsets = make([]int64, 2)
		}
		if o.varies() {
			c.Lengths = make([]int, 1)
			if o.kind == kindRawImage {
				c.Images = make([]ImageInfo, 1)
			}
		} else if err := b.mem.ensure(i, o.widest); err != nil {
			return nil, errors.Join(err, b.mem.release())
		}
	}
	b.reset(0, 1, p.outputs)
	return f, nil
}

// replayed describes a row that was made; whole is its output in the loader,
// o the part of that which was done.
func (w *worker) replayed(o, whole *output, c Column, row []byte, id int) (ReplayedOutput, error) {
	r := ReplayedOutput{Output: o.name, Field: o.src.Name, DType: c.DType.String(), Follow: o.of.Follow, Partial: len(whole.tail) > 0}
	r.Value.Data = append([]byte{}, c.Value(0)...)
	r.Value.DType, r.Value.Shape = c.DType, append([]int{}, c.Shape[1:]...)
	if o.varies() {
		r.Value.Shape = append([]int{len(r.Value.Data) / o.itemBytes}, o.spec.Shape[1:]...)
	}
	r.Shape = r.Value.Shape
	if o.of.Decoder != nil {
		r.Decoder = typeName(o.of.Decoder)
	}
	in := o.value
	member := row[o.src.Offset : o.src.Offset+o.src.Size]
	switch {
	case o.kind == kindImage || o.kind == kindRawImage:
		v, err := imageInfo(member)
		if err != nil {
			return r, err
		}
		r.Stored = &StoredSize{v.Width, v.Height}
		in = array.Spec{DType: array.Uint8, Shape: []int{v.Height, v.Width, 3}}
	case o.kind == kindRaster:
		width, height, err := o.raster.field.Size(member)
		if err != nil {
			return r, err
		}
		r.Stored = &StoredSize{width, height}
		in = rasterSpec(width, height, o.raster.channels, o.raster.depth)
	}
	r.Drawn = w.drawn(o.of.Decoder, in, o.streams[0], id)
	r.Ops = w.replayedOps(o, whole, id)
	return r, w.geometry(&r, o, row, id)
}

// drawn asks a decoder or an operation what it drew.
func (w *worker) drawn(of any, in array.Spec, key uint64, id int) map[string]any {
	d, ok := of.(Drawer)
	if !ok {
		return nil
	}
	w.source.rekey(key, uint32(w.epoch.number), uint64(id))
	return d.Drawn(in, w.rng)
}

// replayedOps describes the operations.
func (w *worker) replayedOps(o, whole *output, id int) []ReplayedOp {
	list := make([]ReplayedOp, len(o.of.Ops))
	in := array.Spec{DType: array.Uint8, Shape: []int{o.target.Height, o.target.Width, 3}} // of those in the decoder's pass
	for i, op := range o.of.Ops {
		r := &list[i]
		r.Op = typeName(op)
		if i < o.fusedOps {
			r.Applied, r.Drawn = true, w.drawn(op, in, o.streams[1+i], id)
			if b, ok := op.(Op); ok {
				if out, _, _, err := b.Bind(in); err == nil {
					in = out
				}
			}
			continue
		}
		k := i - o.fusedOps
		if k < len(o.stages) {
			r.Applied, r.Drawn = true, w.drawn(op, o.stages[k].in, o.streams[1+i], id)
			continue
		}
		if s := &whole.tail[k-len(o.stages)]; s.batch == nil {
			r.Drawn = w.drawn(op, s.in, o.streams[1+i], id)
		}
	}
	return list
}

// geometry says where the stored picture went.
func (w *worker) geometry(r *ReplayedOutput, o *output, row []byte, id int) error {
	if o.kind == kindImage && o.view != nil {
		w.keys, w.id = o.keys, id
		crop, flip, err := o.view(r.Stored.Width, r.Stored.Height, w.draw)
		if err != nil {
			return err
		}
		box := Box(crop)
		r.Crop, r.Flip = &box, &flip
	}
	l := o.lead
	if l == nil {
		var err error
		if l, err = w.plan.leadOf(o); err != nil {
			return nil // an operation doesn't tell
		}
	}
	if err := w.lie(l, row, id); err != nil {
		return err
	}
	p := &w.place
	r.Placement = &Placement{p.Width, p.Height, Axis(p.X), Axis(p.Y)}
	return nil
}
