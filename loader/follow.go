package loader

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// RasterFollower makes a value of the shape of another output's picture out of
// a raster, as that picture lies there: a mask, a depth map. It is the Decoder
// of an Output with Follow. transform.Mask and transform.Area are such.
type RasterFollower interface {
	// BindFollowRaster is called once, by New, with the channels of all rasters,
	// the bytes of a number, and the size of the followed output's pictures. It
	// returns the value's type and shape and the function that makes it in dst
	// (spec.Bytes() long, contents undefined): p says where the raster, of the
	// size of the followed picture, lies. The function is called by many
	// goroutines at once, each with a scratch of its own; it keeps nothing that it
	// is given, and writes to dst and s only.
	BindFollowRaster(channels, depth, width, height int) (spec array.Spec, apply func(dst []byte, src rgb.Raster, p *rgb.Placement, s *rgb.Scratch) error, err error)
}

// ArrayFollower makes a value of an array, or of bytes, in which places in
// another output's picture are written: boxes, points. It is the Decoder of an
// Output with Follow. transform.Boxes is one.
type ArrayFollower interface {
	// BindFollowArray is called once, by New, with the type and shape of the
	// field's values, (0,) |u1 for a Bytes field, whose values have any length,
	// and the size of the followed output's pictures. It returns the value's type
	// and shape and the function that makes it in dst (spec.Bytes() long, contents
	// undefined). The function is called by many goroutines at once; it keeps
	// nothing that it is given, and writes to dst only.
	BindFollowArray(in array.Spec, width, height int) (spec array.Spec, apply func(dst, src []byte, p *rgb.Placement) error, err error)
}

// Mover is the ability of an operation that moves pixels to say where they go:
// it adds that to p, with the draws of apply. in is the type and shape that the
// operation was bound to, (height, width, channels). A decoder of pictures that
// is no Viewer can have it too; in is the stored picture then, and p the picture
// as it is. Move is called by many goroutines at once and doesn't keep in's
// shape.
type Mover interface {
	Move(in array.Spec, p *rgb.Placement, rng *rand.Rand)
}

// lead is what followers need of the output that they follow.
type lead struct {
	name          string
	size          func(row []byte) (width, height int, err error) // of the stored picture
	width, height int                                             // of the outcome

	view   func(width, height int, draw func(op int) *rand.Rand) (rgb.Rect, bool, error)
	keys   []uint64 // of the view
	w, h   int      // of what the view becomes
	mover  Mover    // without a view: the decoder
	stored int      // channels of the stored picture
	key    uint64   // of the decoder

	moves []move
}

// move is an operation that moves pixels.
type move struct {
	op  Mover
	in  array.Spec
	key uint64
}

// bindOutputs binds outputs, each from one of the sources, and returns those
// that are not disabled, in order. An output that another follows is bound even
// when it is disabled: it gives the geometry.
func (p *plan) bindOutputs(list []*Output, sources []int, seed uint64) ([]output, error) {
	followed := make(map[string]bool)
	for _, o := range list {
		if o.Follow != "" && !o.Disabled {
			followed[o.Follow] = true
		}
	}
	bound := make([]output, len(list))
	leads := make(map[string]*lead)
	for _, following := range []bool{false, true} {
		for i, o := range list {
			if o.Disabled && (following || !followed[o.Name]) || following != (o.Follow != "") {
				continue
			}
			l, err := follow(o, list, leads)
			if err == nil {
				bound[i], err = p.bindOutput(o, sources[i], seed, l)
			}
			if err == nil && followed[o.Name] && !following {
				leads[o.Name], err = p.leadOf(&bound[i])
			}
			if err != nil {
				return nil, fmt.Errorf("loader: output %q of %s: %w", o.Name, p.name, err)
			}
		}
	}
	outputs := make([]output, 0, len(list))
	for i, o := range list {
		if !o.Disabled {
			outputs = append(outputs, bound[i])
		}
	}
	shareDecodes(outputs)
	return outputs, nil
}

// follow finds the output that o follows, nil for none.
func follow(o *Output, list []*Output, leads map[string]*lead) (*lead, error) {
	if o.Follow == "" {
		return nil, nil
	}
	if l := leads[o.Follow]; l != nil {
		return l, nil
	}
	names := make([]string, 0, len(list))
	for _, other := range list {
		switch {
		case other.Name == o.Follow && other.Follow != "":
			return nil, fmt.Errorf("it follows %q, which follows %q: follow that one", other.Name, other.Follow)
		case other.Follow == "":
			names = append(names, fmt.Sprintf("%q", other.Name))
		}
	}
	return nil, fmt.Errorf("it follows %q, which is no output; there are %s", o.Follow, strings.Join(names, ", "))
}

// follows tells whether a decoder is one that follows.
func follows(decoder any) bool {
	switch decoder.(type) {
	case RasterFollower, ArrayFollower:
		return true
	}
	return false
}

// bindFollower finds how the value of an output that follows another is reached.
func (p *plan) bindFollower(b *output, o *Output) (err error) {
	l := b.lead
	f := b.src
	_, isRaster := rasterField(f)
	raster, takesRaster := o.Decoder.(RasterFollower)
	arr, takesArray := o.Decoder.(ArrayFollower)
	switch {
	case takesRaster && (isRaster || !takesArray):
		if err := bindRasterField(b, o.Decoder); err != nil {
			return err
		}
		r := b.raster
		b.value, r.follow, err = raster.BindFollowRaster(r.channels, r.depth, l.width, l.height)
		if err == nil && r.follow == nil {
			err = fmt.Errorf("%T gives no function", o.Decoder)
		}
	case takesArray:
		in, ok := arraySpec(f.Field)
		if f.Type == fields.TypeBytes {
			in, ok = array.Spec{DType: array.Uint8, Shape: []int{0}}, true
		}
		if packed, is := packedField(f); is {
			b.packed = packed
			in, ok = arraySpec(packed.Plain())
			if packed.Plain().TypeID() == fields.TypeBytes {
				in, ok = array.Spec{DType: array.Uint8, Shape: []int{0}}, true
			}
		}
		if !ok {
			return fmt.Errorf("%T takes arrays and bytes, field %q is of type %d (%T)", o.Decoder, f.Name, f.Type, f.Field)
		}
		b.kind = kindFollower
		b.value, b.follow, err = arr.BindFollowArray(in, l.width, l.height)
		if err == nil && b.follow == nil {
			err = fmt.Errorf("%T gives no function", o.Decoder)
		}
	default:
		return fmt.Errorf("it follows %q, so its decoder must be a RasterFollower (transform.Mask, transform.Area) or an ArrayFollower (transform.Boxes), not %T", o.Follow, o.Decoder)
	}
	b.what = fmt.Sprintf("%s as %q lies", typeName(o.Decoder), o.Follow)
	return err
}

// leadOf finds what followers need of a bound output.
func (p *plan) leadOf(b *output) (*lead, error) {
	l := &lead{name: b.name}
	channelsFirst := false
	switch {
	case b.kind == kindImage && b.view != nil:
		l.view, l.keys, l.w, l.h = b.view, b.keys, b.target.Width, b.target.Height
		channelsFirst = b.target.Layout == rgb.CHW
	case b.kind == kindRaster && b.lead == nil || b.kind == kindImage:
		l.key = b.key
		if err := l.byDecoder(b); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("another output follows it, but it is no picture")
	}
	off, end := b.src.Offset, b.src.Offset+b.src.Size
	if r := b.raster; r != nil {
		l.size = func(row []byte) (int, int, error) { return r.field.Size(row[off:end:end]) }
	} else {
		l.size = func(row []byte) (int, int, error) {
			v, err := imageInfo(row[off:end])
			return v.Width, v.Height, err
		}
	}
	return l, l.trace(b, channelsFirst)
}

// byDecoder asks a decoder that has not been asked for its view.
func (l *lead) byDecoder(b *output) error {
	l.stored = 3
	if b.raster != nil {
		l.stored = b.raster.channels
	}
	d := b.of.Decoder
	if d == nil {
		l.mover = still{}
		return nil
	}
	var ok bool
	if l.mover, ok = d.(Mover); ok {
		return nil
	}
	if v, ok := d.(Viewer); ok && b.raster != nil {
		_, _, target, view, _, err := v.BindView(0, 0, nil)
		if err == nil && view != nil && target != nil {
			l.view, l.keys, l.w, l.h = view, b.streams[:1], target.Width, target.Height
			return nil
		}
	}
	return fmt.Errorf("another output follows it, but its decoder %T doesn't say where pixels go: it is neither a Viewer nor a Mover", d)
}

// still is the Mover of what leaves pictures as they are.
type still struct{}

func (still) Move(array.Spec, *rgb.Placement, *rand.Rand) {}

// trace goes through the operations after the decoder: which of them move
// pixels, and how large the outcome is.
func (l *lead) trace(b *output, channelsFirst bool) error {
	for i := range b.tail {
		if b.tail[i].batch != nil {
			return fmt.Errorf("another output follows it, but operation %d (%s) mixes samples", b.tail[i].op, b.tail[i].name)
		}
	}
	for i := range b.stages {
		s := &b.stages[i]
		out := b.spec
		if i+1 < len(b.stages) {
			out = b.stages[i+1].in
		}
		if len(s.in.Shape) != 3 || len(out.Shape) != 3 {
			return fmt.Errorf("another output follows it, but operation %d (%s) makes %v of %v: no picture any more", s.op, s.name, out, s.in)
		}
		m, moves := b.of.Ops[s.op].(Mover)
		switch {
		case moves && channelsFirst:
			return fmt.Errorf("another output follows it, but operation %d (%s) moves pixels and comes after the channels are first, where its axes are others: put it before", s.op, s.name)
		case moves:
			l.moves = append(l.moves, move{op: m, in: s.in, key: s.key})
		case sides(s.in, channelsFirst) == sides(out, channelsFirst):
		case !channelsFirst && sides(s.in, false) == sides(out, true):
			channelsFirst = true
		default:
			return fmt.Errorf("another output follows it, but operation %d (%s) makes %v of %v and has no method Move to say where pixels go", s.op, s.name, out, s.in)
		}
	}
	if len(b.spec.Shape) != 3 {
		return fmt.Errorf("another output follows it, but its values are %v: no picture", b.spec)
	}
	side := sides(b.spec, channelsFirst)
	l.width, l.height = side[0], side[1]
	return nil
}

// sides are width and height of a picture, whose channels may come first.
func sides(s array.Spec, channelsFirst bool) [2]int {
	if channelsFirst {
		return [2]int{s.Shape[2], s.Shape[1]}
	}
	return [2]int{s.Shape[1], s.Shape[0]}
}

// lie finds where the picture of a sample lies in an output, in w.place.
func (w *worker) lie(l *lead, row []byte, id int) error {
	width, height, err := l.size(row)
	if err != nil {
		return fmt.Errorf("output %q, which it follows: %w", l.name, err)
	}
	epoch := uint32(w.epoch.number)
	w.place = rgb.Place(width, height)
	if l.mover != nil {
		w.shape = [3]int{height, width, l.stored}
		w.source.rekey(l.key, epoch, uint64(id))
		l.mover.Move(array.Spec{DType: array.Uint8, Shape: w.shape[:]}, &w.place, w.rng)
	} else {
		w.keys, w.id = l.keys, id
		crop, flip, err := l.view(width, height, w.draw)
		if err != nil {
			return fmt.Errorf("output %q, which it follows: %w", l.name, err)
		}
		if crop.W < 1 || crop.H < 1 {
			return fmt.Errorf("output %q, which it follows, takes the crop %v", l.name, crop)
		}
		w.place.Crop(crop, l.w, l.h)
		if flip {
			w.place.FlipX()
		}
	}
	for i := range l.moves {
		m := &l.moves[i]
		w.source.rekey(m.key, epoch, uint64(id))
		m.op.Move(m.in, &w.place, w.rng)
	}
	if w.place.Width != l.width || w.place.Height != l.height {
		return fmt.Errorf("output %q, which it follows, says its picture lies in %dx%d pixels, but has %dx%d", l.name, w.place.Width, w.place.Height, l.width, l.height)
	}
	return nil
}
