package rgb

import "math"

// Resizing as Pillow's BILINEAR does it (libImaging/Resample.c), bit for bit:
// along rows first, then along columns, each rounded to 8 bits, with weights of
// 22 bits that make a triangle as wide as the result's pixels are far apart.

// bilinearBits is the precision of the weights.
const bilinearBits = 22

// taps says for each pixel of a result which source pixels weigh how much.
type taps struct {
	first  []int   // of the source pixels
	end    []int   // of the weights; they begin where those of the pixel before end
	weight []int32 // all of them
	line   []float64
}

// build makes the taps for n source pixels that become d.
func (t *taps) build(n, d int) {
	scale := float64(n) / float64(d)
	wide := max(scale, 1)
	t.first, t.end, t.weight = grow(t.first, d), grow(t.end, d), t.weight[:0]
	for i := range d {
		centre := (float64(i) + 0.5) * scale
		lo := max(int(centre-wide+0.5), 0)
		hi := min(int(centre+wide+0.5), n)
		t.line = t.line[:0]
		sum := 0.0
		for x := lo; x < hi; x++ {
			w := max(0, 1-math.Abs((float64(x)-centre+0.5)*(1/wide)))
			t.line = append(t.line, w)
			sum += w
		}
		for _, w := range t.line {
			t.weight = append(t.weight, int32(0.5+float64(w/sum*(1<<bilinearBits))))
		}
		t.first[i], t.end[i] = lo, len(t.weight)
	}
}

// resizeBilinear resizes a region of src to w x h pixels into dst. The arguments
// have been checked as those of ResizeArea are.
func (s *Scratch) resizeBilinear(dst *Image, src Image, crop Rect, w, h int) {
	dst.setSize(w, h)
	v := view{pix: src.Pix[3*(crop.Y*src.Width+crop.X):], stride: 3 * src.Width, w: crop.W, h: crop.H}
	r := &s.resize
	if v.w != w {
		r.taps.build(v.w, w)
		out := dst.Pix
		if v.h != h {
			r.narrow = grow(r.narrow, 3*w*v.h)
			out = r.narrow
		}
		for y := range v.h {
			r.taps.across(out[3*w*y:3*w*(y+1)], v.line(y))
		}
		v = view{pix: out, stride: 3 * w, w: w, h: v.h}
	}
	if v.h != h {
		r.taps.build(v.h, h)
		for y := range h {
			r.taps.down(dst.row(y), v, y)
		}
	} else if crop.W == w {
		for y := range h {
			copy(dst.row(y), v.line(y))
		}
	}
}

// across resizes a row.
func (t *taps) across(out, in []byte) {
	begin := 0
	for i, end := range t.end {
		const half = 1 << (bilinearBits - 1)
		a, b, c := int32(half), int32(half), int32(half)
		p := in[3*t.first[i]:]
		for k, w := range t.weight[begin:end] {
			q := p[3*k:][:3]
			a += w * int32(q[0])
			b += w * int32(q[1])
			c += w * int32(q[2])
		}
		out[3*i], out[3*i+1], out[3*i+2] = clamp(a>>bilinearBits), clamp(b>>bilinearBits), clamp(c>>bilinearBits)
		begin = end
	}
}

// down makes row i of a result.
func (t *taps) down(out []byte, v view, i int) {
	begin := 0
	if i > 0 {
		begin = t.end[i-1]
	}
	weights := t.weight[begin:t.end[i]]
	for x := range out {
		sum := int32(1 << (bilinearBits - 1))
		at := t.first[i]*v.stride + x
		for _, w := range weights {
			sum += w * int32(v.pix[at])
			at += v.stride
		}
		out[x] = clamp(sum >> bilinearBits)
	}
}
