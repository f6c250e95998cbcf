package rgb

import (
	"fmt"
	"math"
)

// Resizing as OpenCV's INTER_AREA does it (modules/imgproc/src/resize.cpp),
// bit for bit. It is three algorithms under one name:
//
//   - both axes shrink by whole factors: box sums in integers,
//   - both axes shrink or stay: separable weights in float32,
//   - an axis grows: bilinear in 11-bit fixed point, on area coordinates.
//
// Float sums are written so that no compiler may fuse a product into them:
// float32(a*b) is rounded before it is added, on every architecture.

// resizeScratch holds the tables and rows of one resize; it is used again by
// the next.
type resizeScratch struct {
	xArea, yArea     areaTable
	xLinear, yLinear linearTable
	shrink           shrinker
	row, sum         []float32
	lines            [2][]int32
	taps             taps
	narrow           []byte
	plain            bool // no assembly, for tests
}

// ResizeArea is the package's [ResizeArea] with this scratch memory.
func (s *Scratch) ResizeArea(dst *Image, src Image, crop Rect, w, h int) {
	if !crop.within(src.Width, src.Height) || w < 1 || h < 1 || len(src.Pix) < 3*src.Width*src.Height {
		panic(fmt.Sprintf("rgb: resize of region %v of %dx%d (%d bytes) to %dx%d",
			crop, src.Width, src.Height, len(src.Pix), w, h))
	}
	dst.setSize(w, h)
	v := view{pix: src.Pix[3*(crop.Y*src.Width+crop.X):], stride: 3 * src.Width, w: crop.W, h: crop.H}
	if v.w == w && v.h == h {
		for y := range h {
			copy(dst.Pix[3*w*y:3*w*(y+1)], v.line(y))
		}
		return
	}
	// OpenCV goes by way of the inverse: 1/(w/W) is not always W/w.
	xInv, yInv := float64(w)/float64(v.w), float64(h)/float64(v.h)
	xScale, yScale := 1/xInv, 1/yInv
	if xScale < 1 || yScale < 1 {
		s.resize.linear(dst, v, xInv, yInv)
		return
	}
	const epsilon = 0x1p-52
	kx, ky := math.RoundToEven(xScale), math.RoundToEven(yScale)
	if math.Abs(xScale-kx) < epsilon && math.Abs(yScale-ky) < epsilon {
		if kx == 2 && ky == 2 {
			boxes2(dst, v)
		} else {
			boxes(dst, v, int(kx), int(ky))
		}
		return
	}
	s.resize.area(dst, v, xScale, yScale)
}

// view is a region of a picture: w x h pixels, rows stride bytes apart.
type view struct {
	pix    []byte
	stride int
	w, h   int
}

func (v view) line(y int) []byte { return v.pix[y*v.stride:][:3*v.w] }

// boxes2 averages boxes of 2x2, halves rounded up.
func boxes2(dst *Image, v view) {
	for y := range dst.Height {
		a, b := v.line(2*y), v.line(2*y+1)
		out := dst.Pix[3*dst.Width*y:][:3*dst.Width]
		for len(out) >= 3 && len(a) >= 6 && len(b) >= 6 {
			out[0] = byte((int(a[0]) + int(a[3]) + int(b[0]) + int(b[3]) + 2) >> 2)
			out[1] = byte((int(a[1]) + int(a[4]) + int(b[1]) + int(b[4]) + 2) >> 2)
			out[2] = byte((int(a[2]) + int(a[5]) + int(b[2]) + int(b[5]) + 2) >> 2)
			out, a, b = out[3:], a[6:], b[6:]
		}
	}
}

// boxes averages boxes of kx x ky pixels.
func boxes(dst *Image, v view, kx, ky int) {
	scale := 1 / float32(kx*ky)
	for y := range dst.Height {
		out := dst.Pix[3*dst.Width*y:][:3*dst.Width]
		for x := range dst.Width {
			var r, g, b int
			for j := range ky {
				p := v.line(ky*y + j)[3*kx*x:][:3*kx]
				for ; len(p) >= 3; p = p[3:] {
					r += int(p[0])
					g += int(p[1])
					b += int(p[2])
				}
			}
			o := out[3*x:][:3]
			o[0] = saturate(float32(float32(r) * scale))
			o[1] = saturate(float32(float32(g) * scale))
			o[2] = saturate(float32(float32(b) * scale))
		}
	}
}

// saturate rounds half to even and clamps to a byte. Adding 1.5*2^23 leaves
// the rounded value in the low bits.
func saturate(f float32) byte {
	i := int32(math.Float32bits(f+0x1.8p23)) - 0x4B400000
	return byte(min(max(i, 0), 255))
}

// areaTable says for each place on a shrinking axis which source places it
// covers and with what weights: [first[d], first[d]+len) with weights
// weight[at[d]:at[d+1]].
type areaTable struct {
	n      int // source places, 0: not built
	first  []int32
	at     []int32
	weight []float32
}

// build makes the table for n source places and d results, unless it is there.
func (t *areaTable) build(n, d int, scale float64) {
	if t.n == n && len(t.first) == d {
		return
	}
	t.n = n
	t.first, t.at, t.weight = grow(t.first, d), grow(t.at, d+1), t.weight[:0]
	for i := range d {
		from := float64(float64(i) * scale)
		to := from + scale
		cell := min(scale, float64(n)-from)
		hi := min(int(math.Floor(to)), n-1)
		lo := min(int(math.Ceil(from)), hi)
		t.at[i], t.first[i] = int32(len(t.weight)), int32(lo)
		if left := float64(lo) - from; left > 1e-3 {
			t.first[i]--
			t.weight = append(t.weight, float32(left/cell))
		}
		for range hi - lo {
			t.weight = append(t.weight, float32(1/cell))
		}
		if right := to - float64(hi); right > 1e-3 {
			t.weight = append(t.weight, float32(min(right, 1, cell)/cell))
		}
	}
	t.at[d] = int32(len(t.weight))
}

// area shrinks by weights: each source row across into row, rows down into sum.
func (r *resizeScratch) area(dst *Image, v view, xScale, yScale float64) {
	r.xArea.build(v.w, dst.Width, xScale)
	r.yArea.build(v.h, dst.Height, yScale)
	if haveAVX2 && !r.plain && dst.Width >= minShrink {
		r.areaFast(dst, v)
		return
	}
	n := 3 * dst.Width
	r.row, r.sum = grow(r.row, n), grow(r.sum, n)
	have := -1 // the source row that r.row holds: neighbours share one
	yt := &r.yArea
	for y := range dst.Height {
		for i, beta := range yt.weight[yt.at[y]:yt.at[y+1]] {
			if sy := int(yt.first[y]) + i; sy != have {
				r.xArea.across(r.row, v.line(sy))
				have = sy
			}
			if i == 0 {
				scaleRow(r.sum, r.row, beta)
			} else {
				addRow(r.sum, r.row, beta)
			}
		}
		out := dst.Pix[n*y:][:n]
		for i, f := range r.sum[:len(out)] {
			out[i] = saturate(f)
		}
	}
}

// across weighs one source row into row, three values a pixel. Two and three
// source places, the usual shrink of a photo, are written out.
func (t *areaTable) across(row []float32, src []byte) {
	for d, first := range t.first {
		weight := t.weight[t.at[d]:t.at[d+1]]
		o := row[3*d:][:3]
		switch len(weight) {
		case 2:
			p, a, b := src[3*int(first):][:6], weight[0], weight[1]
			o[0] = float32(float32(p[0])*a) + float32(float32(p[3])*b)
			o[1] = float32(float32(p[1])*a) + float32(float32(p[4])*b)
			o[2] = float32(float32(p[2])*a) + float32(float32(p[5])*b)
		case 3:
			p, a, b, c := src[3*int(first):][:9], weight[0], weight[1], weight[2]
			o[0] = float32(float32(p[0])*a) + float32(float32(p[3])*b) + float32(float32(p[6])*c)
			o[1] = float32(float32(p[1])*a) + float32(float32(p[4])*b) + float32(float32(p[7])*c)
			o[2] = float32(float32(p[2])*a) + float32(float32(p[5])*b) + float32(float32(p[8])*c)
		default:
			p := src[3*int(first):][:3*len(weight)]
			var r, g, b float32
			for _, a := range weight {
				r += float32(float32(p[0]) * a)
				g += float32(float32(p[1]) * a)
				b += float32(float32(p[2]) * a)
				p = p[3:]
			}
			o[0], o[1], o[2] = r, g, b
		}
	}
}

func scaleRow(sum, row []float32, beta float32) {
	sum = sum[:len(row)]
	for i, f := range row {
		sum[i] = float32(f * beta)
	}
}

func addRow(sum, row []float32, beta float32) {
	sum = sum[:len(row)]
	for i, f := range row {
		sum[i] += float32(f * beta)
	}
}

// linearTable says for each place on an axis between which two source places
// it lies: a and b, with weights that add up to 2048 (11 bits).
type linearTable struct {
	n, step int // source places, 0: not built; their distance in memory
	taps    []linearTap
	part    []float32 // b's weight, not rounded
}

type linearTap struct {
	a, b   int32 // source places, times the table's step
	wa, wb int32
}

// build makes the table for n source places, step apart in memory, and d results.
func (t *linearTable) build(n, d, step int, inv float64) {
	if t.n == n && t.step == step && len(t.taps) == d {
		return
	}
	t.n, t.step, t.taps, t.part = n, step, grow(t.taps, d), grow(t.part, d)
	scale := 1 / inv
	for i := range t.taps {
		s := int(math.Floor(float64(i) * scale))
		f := float32(float64(i+1) - float64(float64(s+1)*inv))
		if f <= 0 {
			f = 0
		} else {
			f -= float32(math.Floor(float64(f)))
		}
		if s >= n-1 {
			s, f = n-1, 0
		}
		t.part[i] = f
		t.taps[i] = linearTap{
			a:  int32(step * s),
			b:  int32(step * min(s+1, n-1)),
			wa: int32(math.RoundToEven(float64((1 - f) * 2048))),
			wb: int32(math.RoundToEven(float64(f * 2048))),
		}
	}
}

// linear resizes where an axis grows: two source rows are blended across into
// lines, then down into the result.
func (r *resizeScratch) linear(dst *Image, v view, xInv, yInv float64) {
	r.xLinear.build(v.w, dst.Width, 3, xInv)
	r.yLinear.build(v.h, dst.Height, 1, yInv)
	n := 3 * dst.Width
	r.lines[0], r.lines[1] = grow(r.lines[0], n), grow(r.lines[1], n)
	have := [2]int32{-1, -1} // the source rows that lines hold
	for y, t := range r.yLinear.taps {
		if have[0] != t.a && have[1] == t.a {
			r.lines[0], r.lines[1] = r.lines[1], r.lines[0]
			have[0], have[1] = have[1], have[0]
		}
		for i, sy := range [2]int32{t.a, t.b} {
			if have[i] != sy {
				r.xLinear.across(r.lines[i], v.line(int(sy)))
				have[i] = sy
			}
		}
		blend(dst.Pix[n*y:][:n], r.lines[0], r.lines[1], t.wa, t.wb)
	}
}

// across blends neighbours of one source row into line, 11 bits up.
func (t *linearTable) across(line []int32, src []byte) {
	for d, tap := range t.taps {
		p, q := src[tap.a:][:3], src[tap.b:][:3]
		o := line[3*d:][:3]
		o[0] = int32(p[0])*tap.wa + int32(q[0])*tap.wb
		o[1] = int32(p[1])*tap.wa + int32(q[1])*tap.wb
		o[2] = int32(p[2])*tap.wa + int32(q[2])*tap.wb
	}
}

// blend mixes two lines down; the shifts drop bits where OpenCV drops them.
func blend(out []byte, a, b []int32, wa, wb int32) {
	a, b = a[:len(out)], b[:len(out)]
	for i := range out {
		out[i] = byte((wa*(a[i]>>4)>>16 + wb*(b[i]>>4)>>16 + 2) >> 2)
	}
}
