package rgb

import (
	"math"
	"unsafe"
)

// PlaceNearest writes src to dst as p says, each pixel of the outcome the one of
// the source that lies under its centre: no number comes out that doesn't go in,
// as masks of classes need it, and the outcome lies where the area-resized image
// does, not half a pixel beside it as with OpenCV's INTER_NEAREST. A centre on the
// edge between two pixels takes the latter; mirroring is done after that, so that
// it commutes. Pixels whose centre shows none of the source are fill: one number
// a channel, zeros for nil.
//
// dst is p.Height x p.Width x src.Channels numbers of src.Depth bytes; it must
// not overlap src.Pix. Nothing is written when the numbers do not fit together,
// which is an error.
func (s *Scratch) PlaceNearest(dst []byte, src Raster, p *Placement, fill []uint16) error {
	if err := src.checkPlace(dst, p, fill); err != nil {
		return err
	}
	z := &s.place
	z.columns.build(p.X, p.Width, src.Width)
	z.rows.build(p.Y, p.Height, src.Height)
	x, y := &z.columns, &z.rows
	n, size := p.Width*src.size(), src.size()
	if x.end-x.first < p.Width || y.end-y.first < p.Height {
		z.bareRow(&src, p.Width, fill)
	}
	for i := range p.Height {
		out := dst[i*n:][:n]
		switch {
		case i < y.first || i >= y.end:
			copy(out, z.bare)
			continue
		case i > y.first && y.from[i] == y.from[i-1]:
			copy(out, dst[(i-1)*n:])
			continue
		}
		if x.first > 0 {
			copy(out[:x.first*size], z.bare)
		}
		if x.end < p.Width {
			copy(out[x.end*size:], z.bare)
		}
		x.gather(out[x.first*size:x.end*size], src.line(int(y.from[i])), size)
	}
	return nil
}

// places says for each pixel along an axis of the outcome which one of the
// source it is. Those before first and from end on are bare.
type places struct {
	first, end int
	from       []int32
	run        bool // they follow each other
}

// build finds the places of n pixels in a source of limit pixels.
func (t *places) build(a Axis, n, limit int) {
	mirrored := a.Scale < 0
	if mirrored {
		a.flip(n)
	}
	t.from = grow(t.from, n)
	t.first, t.end = centres(a.Lo), centres(a.Hi)
	t.run = !mirrored
	for i := t.first; i < t.end; i++ {
		at := min(max(int(math.Floor(a.source(float64(i)+0.5))), 0), limit-1)
		t.from[i] = int32(at)
		t.run = t.run && (i == t.first || at == int(t.from[i-1])+1)
	}
	if mirrored {
		for i, k := t.first, t.end-1; i < k; i, k = i+1, k-1 {
			t.from[i], t.from[k] = t.from[k], t.from[i]
		}
		copy(t.from[n-t.end:], t.from[t.first:t.end])
		t.first, t.end = n-t.end, n-t.first
	}
}

// centres is the number of pixels whose centres lie before v, which has been
// rounded.
func centres(v float64) int { return max(int(math.Ceil(v-0.5-1e-6)), 0) }

// gather takes a row's pixels, size bytes each, to their places.
func (t *places) gather(out, row []byte, size int) {
	from := t.from[t.first:t.end]
	switch {
	case len(from) == 0:
	case t.run:
		copy(out, row[int(from[0])*size:])
	case size == 1:
		pick(out, row, from)
	case size == 2 && aligned(out, row, size):
		pick(items[uint16](out), items[uint16](row), from)
	case size == 4 && aligned(out, row, size):
		pick(items[uint32](out), items[uint32](row), from)
	case size == 8 && aligned(out, row, size):
		pick(items[uint64](out), items[uint64](row), from)
	case size == 3:
		for i, at := range from {
			c, b, a := row[3*at+2], row[3*at+1], row[3*at]
			out[3*i+2], out[3*i+1], out[3*i] = c, b, a
		}
	default:
		for i, at := range from {
			copy(out[size*i:][:size], row[size*int(at):])
		}
	}
}

func pick[T any](out, row []T, from []int32) {
	out = out[:len(from)]
	for i, at := range from {
		out[i] = row[at]
	}
}

// aligned says whether whole pixels can be moved at once.
func aligned(out, row []byte, size int) bool {
	return uintptr(unsafe.Pointer(&out[0]))%uintptr(size) == 0 && uintptr(unsafe.Pointer(&row[0]))%uintptr(size) == 0
}

// items is b as numbers that are only moved, so that their order of bytes
// doesn't matter. It isn't empty.
func items[T any](b []byte) []T {
	var v T
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), len(b)/int(unsafe.Sizeof(v)))
}
