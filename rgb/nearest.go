package rgb

import (
	"encoding/binary"
	"math"
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
	z.columns.build(p.X, p.Width, src.Width, src.size())
	z.rows.build(p.Y, p.Height, src.Height, 1)
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
	from       []int32 // offset in the source's row
	run        bool    // they follow each other
}

// build finds the places of n pixels in a source of limit pixels, step bytes
// each.
func (t *places) build(a Axis, n, limit, step int) {
	mirrored := a.Scale < 0
	if mirrored {
		a.flip(n)
	}
	t.from = grow(t.from, n)
	t.first, t.end = centres(a.Lo), centres(a.Hi)
	t.run = !mirrored
	for i := t.first; i < t.end; i++ {
		at := step * min(max(int(math.Floor(a.source(float64(i)+0.5))), 0), limit-1)
		t.from[i] = int32(at)
		t.run = t.run && (i == t.first || at == int(t.from[i-1])+step)
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
	if len(from) == 0 {
		return
	}
	if t.run {
		copy(out, row[from[0]:])
		return
	}
	switch size {
	case 1:
		out = out[:len(from)]
		for i, at := range from {
			out[i] = row[at]
		}
	case 2:
		for i, at := range from {
			binary.LittleEndian.PutUint16(out[2*i:], binary.LittleEndian.Uint16(row[at:]))
		}
	case 3:
		for i, at := range from {
			p, o := row[at:][:3], out[3*i:][:3]
			o[0], o[1], o[2] = p[0], p[1], p[2]
		}
	case 4:
		for i, at := range from {
			binary.LittleEndian.PutUint32(out[4*i:], binary.LittleEndian.Uint32(row[at:]))
		}
	case 8:
		for i, at := range from {
			binary.LittleEndian.PutUint64(out[8*i:], binary.LittleEndian.Uint64(row[at:]))
		}
	default:
		for i, at := range from {
			copy(out[size*i:][:size], row[at:])
		}
	}
}
