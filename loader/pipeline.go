package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// ImageDecoder decodes stored images into values of one shape. The decoders
// of package transform are such.
type ImageDecoder interface {
	// BindImage is called once, by New, with the size that all images of the
	// field have, or 0, 0 when they differ; only the first 2²⁰ are asked, so a
	// decoder that relies on it looks at each. It returns the value's type and
	// shape and the function that decodes one image into dst (spec.Bytes()
	// long, contents undefined). The function is called by many goroutines at
	// once, each with a generator and a scratch of its own; it keeps neither
	// them nor src.Data, which is read-only.
	BindImage(width, height int) (spec array.Spec, decode func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error, err error)
}

// Decoder decodes any kind of field, a program's own among them.
type Decoder interface {
	// BindField is called once, by New. It returns the value's type and shape
	// and the function that decodes one sample into dst (spec.Bytes() long,
	// contents undefined): meta is the field's member of the metadata row, data
	// the bytes of each region that it points at; both are read-only and the
	// function doesn't keep them. It is called by many goroutines at once.
	BindField(f ffcv.Field) (spec array.Spec, decode func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, err error)
}

// Op is an operation on one sample's value. The operations of package
// transform are such.
type Op interface {
	// Bind is called once, by New, with the type and shape of the incoming
	// value. It returns those of the outcome and the function that makes it.
	// With inPlace the function is called with dst and src the same slice and
	// out is as long as in; otherwise they don't overlap, and src is read-only.
	// It is called by many goroutines at once.
	Bind(in array.Spec) (out array.Spec, apply func(dst, src []byte, rng *rand.Rand) error, inPlace bool, err error)
}

// Raw is a Decoder value for Output: the field's bytes as they are stored. An
// image gives its JPEG or pixels, (B, longest) |u1 with lengths and, by
// Column.Image, kind and size; JSON keeps its final NUL; a number or an array
// is as by default; a custom field gives its metadata.
type Raw struct{}

// kind is how the value of an output is reached.
type kind uint8

const (
	kindMember   kind = iota // the bytes of the metadata member itself
	kindRegion               // one region, of a size known beforehand
	kindBlob                 // a region whose pointer and size the member holds
	kindPacked               // bytes of any length through fields.Packed
	kindRawImage             // an image as stored
	kindImage                // an image through an ImageDecoder
	kindDecoder              // member and regions through a Decoder
	kindRaster               // a raster through a RasterDecoder or RasterFollower
	kindFollower             // bytes through an ArrayFollower
)

// output is an Output bound to its field.
type output struct {
	name   string
	field  int
	column int // of the plan's
	src    *ffcv.Field
	kind   kind
	ptr    int // offset of the data pointer in a metadata row
	text   bool

	value      array.Spec // before the operations
	valueBytes int
	spec       array.Spec // of a sample, as the batch holds it; rows of a varying output are (0) |u1
	rowBytes   int

	image  func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error
	decode func(dst, meta []byte, data [][]byte, rng *rand.Rand) error
	packed fields.Packed // of a packed field: what unpacks
	key    uint64        // of the decoder's random numbers
	what   string        // the decoder's work, for Explain
	marked bool          // images are decoded with the help of marks

	// Of a decoder whose pictures are rendered here, the first operations too:
	view     func(width, height int, draw func(op int) *rand.Rand) (rgb.Rect, bool, error)
	target   rgb.Target
	fusedOps int
	keys     []uint64 // of the decoder's random numbers and of theirs

	into   int // where the decoded value goes: see stage.into
	stages []stage

	of      *Output                                       // what it is bound from
	streams []uint64                                      // keys of the random numbers of the decoder and all operations
	shared  []int                                         // outputs whose pictures come from one decode, this one's among them; nil: none
	lead    *lead                                         // what it follows
	raster  *rasterBinding                                // of rasters
	follow  func(dst, src []byte, p *rgb.Placement) error // of arrays

	ragged    bool  // rows lie one after another
	itemBytes int   // what rows that differ in length are made of
	least     int64 // bytes of a padded row: Output.Width

	tail        []stage // from the first BatchOp on
	filledBytes int     // of a row before the tail
	widest      int     // of a row before, in and after the tail
}

// stage is an operation bound to its place in a pipeline.
type stage struct {
	// One of these is set:
	apply   func(dst, src []byte, rng *rand.Rand) error
	indexed func(dst, src []byte, sample int, rng *rand.Rand) error
	batch   func(dst, src []byte, samples []int, rng *rand.Rand) error

	name    string
	in      array.Spec
	op      int // its place among the output's operations
	inPlace bool
	key     uint64
	into    int // 0: the row in the batch; 1, 2: the worker's buffers
	bytes   int // of the outcome
}

// varies tells whether rows differ in length.
func (o *output) varies() bool {
	return o.kind == kindBlob || o.kind == kindPacked || o.kind == kindRawImage
}

// perSample tells whether samples are worked on one by one.
func (o *output) perSample() bool {
	return o.kind >= kindImage || len(o.stages) > 0
}

// prepared tells whether the regions are looked up before the batch is filled.
func (o *output) prepared() bool {
	return o.varies() || o.kind == kindImage || o.hinted()
}

// memberBytes returns how much of its metadata member the output reads.
func (o *output) memberBytes() int {
	switch o.kind {
	case kindMember:
		return o.valueBytes
	case kindRegion:
		return 8
	case kindBlob:
		return 16
	case kindImage, kindRawImage:
		return imagePtr + 8
	}
	return 0
}

// hinted tells whether the output's regions are large enough that telling the
// system of them costs nothing beside reading them.
func (o *output) hinted() bool { return o.kind == kindRegion && o.valueBytes >= hintSize }

// bind resolves the options' outputs and those of fields that they don't name.
func (p *plan) bind(opts *Options) error {
	list := make([]*Output, len(p.fields), len(p.fields)+len(opts.Outputs))
	sources := make([]int, len(p.fields))
	for i := range p.fields {
		list[i], sources[i] = &Output{Name: p.fields[i].Name}, i
	}
	seen := make(map[string]bool)
	for i := range opts.Outputs {
		o := &opts.Outputs[i]
		if seen[o.Name] {
			return fmt.Errorf("loader: two outputs %q", o.Name)
		}
		seen[o.Name] = true
		source := o.Field
		if source == "" {
			source = o.Name
		}
		field := p.fieldIndex(source)
		if field < 0 {
			return fmt.Errorf("loader: output %q: no field %q in %s, it has %s", o.Name, source, p.name, p.fieldNames())
		}
		at := p.fieldIndex(o.Name)
		if at < 0 {
			at = len(list)
			list, sources = append(list, nil), append(sources, 0)
		}
		list[at], sources[at] = o, field
	}
	outputs, err := p.bindOutputs(list, sources, opts.Seed)
	if err != nil {
		return err
	}
	p.outputs = outputs
	whole := func(o output) bool { return o.perSample() || o.prepared() }
	p.reads = p.total > 0 && p.table == nil && (!p.lends || slices.ContainsFunc(outputs, whole))
	p.prepare = p.reads || slices.ContainsFunc(outputs, func(o output) bool { return o.prepared() })
	return nil
}

func (p *plan) fieldIndex(name string) int {
	return slices.IndexFunc(p.fields, func(f ffcv.Field) bool { return f.Name == name })
}

func (p *plan) fieldNames() string {
	names := make([]string, len(p.fields))
	for i := range p.fields {
		names[i] = fmt.Sprintf("%q", p.fields[i].Name)
	}
	return strings.Join(names, ", ")
}

// bindOutput makes the pipeline of one output; l is the output that it follows,
// nil for none.
func (p *plan) bindOutput(o *Output, field int, seed uint64, l *lead) (b output, err error) {
	defer guard(p.name, &err)
	f := &p.fields[field]
	streams := streamKeys(seed, o)
	of := *o
	of.Ops = slices.Clone(o.Ops)
	b = output{name: o.Name, field: field, column: p.columnOf[field], src: f, key: streams[0], of: &of, streams: streams, lead: l}
	if l != nil {
		err = p.bindFollower(&b, o)
	} else {
		err = p.bindDecoder(&b, o, streams)
	}
	if err != nil {
		return b, err
	}
	if err := b.bindRows(o); err != nil {
		return b, err
	}
	if b.varies() && len(o.Ops) > 0 {
		return b, errors.New("operations need values of one shape, these rows differ in length")
	}
	if !b.varies() && !b.value.DType.Valid() {
		return b, errors.New("the decoder gives no dtype")
	}
	if b.valueBytes, err = b.value.Bytes(); err != nil {
		return b, err
	}
	if need := b.memberBytes(); f.Size < need {
		return b, fmt.Errorf("field of type %d: its member has %d bytes, want %d", f.Type, f.Size, need)
	}
	b.spec = b.value
	for i := b.fusedOps; i < len(o.Ops); i++ {
		op := o.Ops[i]
		s := stage{name: typeName(op), op: i, key: streams[1+i], in: b.spec}
		out, err := s.bindOp(op, b.spec)
		if err == nil {
			s.bytes, err = out.Bytes()
		}
		if err != nil {
			return b, fmt.Errorf("operation %d (%T): %w", i, op, err)
		}
		if before, _ := b.spec.Bytes(); s.inPlace && s.bytes != before {
			return b, fmt.Errorf("operation %d (%T): works in place, but makes %d bytes of %d", i, op, s.bytes, before)
		}
		b.spec = array.Spec{DType: out.DType, Shape: slices.Clone(out.Shape)}
		b.stages = append(b.stages, s)
	}
	batch := array.Spec{DType: b.spec.DType, Shape: append([]int{p.batchSize}, b.spec.Shape...)}
	if _, err := batch.Bytes(); err != nil {
		return b, err
	}
	b.rowBytes, err = b.spec.Bytes()
	b.divide()
	b.place()
	return b, err
}

// place decides where each step of the pipeline writes: the last one that
// doesn't work in place into the batch, the ones before it into two buffers in
// turn.
func (o *output) place() {
	into := 0
	for i := len(o.stages) - 1; i >= 0; i-- {
		s := &o.stages[i]
		s.into = into
		if !s.inPlace {
			into = 1 + into%2
		}
	}
	o.into = into
}

// bindDecoder finds how the value is reached, its kind and spec.
func (p *plan) bindDecoder(b *output, o *Output, streams []uint64) (err error) {
	f := b.src
	switch d := o.Decoder.(type) {
	case nil:
		return p.bindDefault(b, false)
	case Raw, *Raw:
		return p.bindDefault(b, true)
	case ImageDecoder:
		if r, ok := o.Decoder.(RasterDecoder); ok && f.Type != fields.TypeRGBImage {
			return p.bindRaster(b, r)
		}
		if f.Type != fields.TypeRGBImage {
			return fmt.Errorf("%T decodes images, field %q is of type %d", d, f.Name, f.Type)
		}
		return p.bindImage(b, d, o.Ops, streams)
	case RasterDecoder:
		return p.bindRaster(b, d)
	case Decoder:
		if f.Field == nil {
			return fmt.Errorf("field %q: %w", f.Name, ffcv.ErrUnknownField)
		}
		b.kind, b.what = kindDecoder, typeName(d)
		b.value, b.decode, err = d.BindField(*f)
		if err == nil && b.decode == nil {
			err = fmt.Errorf("%T gives no function", d)
		}
		return err
	}
	if follows(o.Decoder) {
		return fmt.Errorf("decoder %T follows another output and needs Follow, its name", o.Decoder)
	}
	switch o.Decoder.(type) {
	case Op, IndexedOp, BatchOp:
		return fmt.Errorf("decoder %T is an operation: it may stand among Ops", o.Decoder)
	}
	return fmt.Errorf("decoder %T is none of ImageDecoder, RasterDecoder, Decoder, Raw", o.Decoder)
}

// decodes says whether a value could be the Decoder of some output.
func decodes(v any) bool {
	switch v.(type) {
	case Raw, *Raw, ImageDecoder, RasterDecoder, Decoder:
		return true
	}
	return follows(v)
}

func (p *plan) bindImage(b *output, d ImageDecoder, ops []any, streams []uint64) (err error) {
	width, height, err := p.imageSize(b.src)
	if err != nil {
		return err
	}
	b.kind, b.ptr, b.what = kindImage, b.src.Offset+imagePtr, typeName(d)
	if m, ok := d.(interface{ UsesMarks() bool }); ok {
		b.marked = m.UsesMarks()
	}
	if done, err := p.bindView(b, d, width, height, ops, streams); done || err != nil {
		return err
	}
	b.value, b.image, err = d.BindImage(width, height)
	if err == nil && b.image == nil {
		err = fmt.Errorf("%T gives no function", d)
	}
	return err
}

// bindDefault gives a field its default pipeline, or the raw one.
func (p *plan) bindDefault(b *output, raw bool) error {
	f := b.src
	bytes := array.Spec{DType: array.Uint8, Shape: []int{0}}
	switch f.Type {
	case fields.TypeFloat:
		b.kind, b.value, b.what = kindMember, array.Spec{DType: array.Float64, Shape: []int{1}}, "copy of the metadata"
	case fields.TypeInt:
		b.kind, b.value, b.what = kindMember, array.Spec{DType: array.Int64, Shape: []int{1}}, "copy of the metadata"
	case fields.TypeBytes, fields.TypeJSON:
		b.kind, b.value, b.ptr, b.what = kindBlob, bytes, f.Offset, "copy, padded to the longest of the batch"
		b.text = f.Type == fields.TypeJSON && !raw
	case fields.TypeRGBImage:
		if raw {
			b.kind, b.value, b.ptr, b.what = kindRawImage, bytes, f.Offset+imagePtr, "copy as stored, padded to the longest of the batch"
			return nil
		}
		if err := p.bindImage(b, whole{empty: p.total == 0}, nil, nil); err != nil {
			return err
		}
		b.what = "whole image"
		return nil
	case fields.TypeNDArray, fields.TypeTorchTensor:
		spec, ok := arraySpec(f.Field)
		if !ok {
			return fmt.Errorf("field of type %d is a %T", f.Type, f.Field)
		}
		b.kind, b.value, b.ptr, b.what = kindRegion, spec, f.Offset, "copy"
	default:
		if f.Size < 0 {
			return fmt.Errorf("field %q: %w", f.Name, ffcv.ErrUnknownField)
		}
		if _, ok := rasterField(f); ok && !raw {
			err := p.bindRaster(b, wholeRaster{empty: p.total == 0})
			b.what = "whole raster"
			return err
		}
		if packed, ok := packedField(f); ok && !raw {
			b.bindPacked(packed)
			return nil
		}
		b.kind, b.value, b.what = kindMember, array.Spec{DType: array.Uint8, Shape: []int{f.Size}}, "copy of the metadata"
	}
	return nil
}

func arraySpec(f fields.Field) (array.Spec, bool) {
	switch f := f.(type) {
	case fields.NDArray:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	case *fields.NDArray:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	case fields.TorchTensor:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	case *fields.TorchTensor:
		return array.Spec{DType: f.DType, Shape: f.Shape}, true
	}
	return array.Spec{}, false
}
