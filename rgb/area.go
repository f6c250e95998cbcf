package rgb

import (
	"encoding/binary"
	"math"
)

// PlaceArea writes src to dst as p says, each pixel of the outcome the mean of
// what it covers of the source and, where it covers none, of fill (one number a
// channel, zeros for nil), rounded to even. It is for pictures and depth maps;
// class numbers want [Scratch.PlaceNearest].
//
// One crop of whole pixels that is resized, then perhaps mirrored, is OpenCV's
// INTER_AREA bit for bit: [ResizeArea] for any number of channels, of bytes or of
// two bytes. Whole pixels that are only moved stay as they are.
//
// dst is p.Height x p.Width x src.Channels numbers of src.Depth bytes; it must
// not overlap src.Pix. Nothing is written when the numbers do not fit together,
// which is an error.
func (s *Scratch) PlaceArea(dst []byte, src Raster, p *Placement, fill []uint16) error {
	if err := src.checkPlace(dst, p, fill); err != nil {
		return err
	}
	if p.X.moves() && p.Y.moves() {
		return s.PlaceNearest(dst, src, p, fill)
	}
	x, w, plainX := p.X.crop(p.Width)
	y, h, plainY := p.Y.crop(p.Height)
	crop := Rect{x, y, w, h}
	if !plainX || !plainY || !crop.within(src.Width, src.Height) {
		s.place.cover(dst, &src, p, fill)
		return nil
	}
	out := Raster{Width: p.Width, Height: p.Height, Channels: src.Channels, Depth: src.Depth, Pix: dst}
	if src.size() == 3 && src.Depth == 1 {
		s.ResizeArea(&Image{Pix: dst[:0:len(dst)]}, Image{src.Width, src.Height, src.Pix}, crop, p.Width, p.Height)
	} else {
		s.resizeRaster(&out, &src, crop)
	}
	if p.X.Scale < 0 {
		for y := range out.Height {
			reverse(out.line(y), out.size())
		}
	}
	if p.Y.Scale < 0 {
		reverse(out.Pix, out.Width*out.size())
	}
	return nil
}

// moves says whether an axis moves whole pixels and no more.
func (a *Axis) moves() bool {
	return math.Abs(math.Abs(a.Scale)-1) < 1e-12 && math.Abs(a.Shift-math.Round(a.Shift)) < 1e-6
}

// crop gives the whole pixels of the source that are all of an axis of n pixels.
func (a *Axis) crop(n int) (origin, size int, ok bool) {
	if a.Lo > 1e-6 || a.Hi < float64(n)-1e-6 {
		return 0, 0, false
	}
	lo, hi := a.source(0), a.source(float64(n))
	lo, hi = min(lo, hi), max(lo, hi)
	return int(lo), int(hi - lo), lo == math.Trunc(lo) && hi == math.Trunc(hi)
}

// reverse turns the order of items of size bytes round.
func reverse(b []byte, size int) {
	for i, k := 0, len(b)-size; i < k; i, k = i+size, k-size {
		p, q := b[i:i+size], b[k:k+size]
		for c, v := range p {
			p[c], q[c] = q[c], v
		}
	}
}

// resizeRaster is ResizeArea for any raster, dst's size.
func (s *Scratch) resizeRaster(dst, src *Raster, crop Rect) {
	v := window{src, crop, &s.place}
	xInv, yInv := float64(dst.Width)/float64(crop.W), float64(dst.Height)/float64(crop.H)
	xScale, yScale := 1/xInv, 1/yInv
	if xScale < 1 || yScale < 1 {
		if r := &s.resize; src.Depth == 1 {
			r.linearBytes(dst, v, xInv, yInv)
		} else {
			r.linearWords(dst, v, xInv, yInv)
		}
		return
	}
	const epsilon = 0x1p-52
	kx, ky := math.RoundToEven(xScale), math.RoundToEven(yScale)
	switch {
	case math.Abs(xScale-kx) >= epsilon || math.Abs(yScale-ky) >= epsilon:
		s.resize.areaRaster(dst, v, xScale, yScale)
	case kx == 2 && ky == 2 && src.Channels != 2:
		v.boxes2(dst)
	default:
		v.boxes(dst, int(kx), int(ky))
	}
}

// window is a region of a raster, with memory for its rows.
type window struct {
	src  *Raster
	crop Rect
	z    *placeScratch
}

func (v window) line(y int) []byte {
	size := v.src.size()
	return v.src.line(v.crop.Y + y)[v.crop.X*size:][:v.crop.W*size]
}

// numbers gives row y, in memory that the next one takes.
func (v window) numbers(y int) []int32 {
	row := v.line(y)
	v.z.numbers = grow(v.z.numbers, v.crop.W*v.src.Channels)
	if v.src.Depth == 1 {
		for i, b := range row {
			v.z.numbers[i] = int32(b)
		}
	} else {
		for i := range v.z.numbers {
			v.z.numbers[i] = int32(binary.LittleEndian.Uint16(row[2*i:]))
		}
	}
	return v.z.numbers
}

// floats is numbers in float32, which holds them exactly.
func (v window) floats(y int) []float32 {
	v.z.line = grow(v.z.line, v.crop.W*v.src.Channels)
	widen(v.z.line, v.line(y), v.src.Depth)
	return v.z.line
}

func widen(line []float32, row []byte, depth int) {
	if depth == 1 {
		for i, b := range row[:len(line)] {
			line[i] = float32(b)
		}
		return
	}
	for i := range line {
		line[i] = float32(binary.LittleEndian.Uint16(row[2*i:]))
	}
}

// put writes number i of a row.
func put(out []byte, depth, i int, v int32) {
	if depth == 1 {
		out[i] = byte(v)
	} else {
		binary.LittleEndian.PutUint16(out[2*i:], uint16(v))
	}
}

// round rounds f, half to even, and holds it to what depth bytes hold.
func round(f float32, depth int) int32 {
	i := int32(math.Float32bits(f+0x1.8p23)) - 0x4B400000
	return min(max(i, 0), 1<<(8*depth)-1)
}

// narrowRow rounds sums to a row of the outcome.
func narrowRow(out []byte, sums []float32, depth int) {
	if depth == 1 {
		out = out[:len(sums)]
		for i, f := range sums {
			out[i] = saturate(f)
		}
		return
	}
	for i, f := range sums {
		binary.LittleEndian.PutUint16(out[2*i:], uint16(round(f, depth)))
	}
}

// boxes2 averages boxes of 2x2, halves rounded up. OpenCV does so for one, three
// and four channels.
func (v window) boxes2(dst *Raster) {
	n := dst.Channels
	v.z.row = grow(v.z.row, dst.Width*n)
	for y := range dst.Height {
		p := v.numbers(2 * y)
		for x := range dst.Width {
			for c := range n {
				v.z.row[x*n+c] = float32(p[2*x*n+c] + p[2*x*n+n+c])
			}
		}
		p = v.numbers(2*y + 1)
		out := dst.line(y)
		for x := range dst.Width {
			for c := range n {
				put(out, dst.Depth, x*n+c, (int32(v.z.row[x*n+c])+p[2*x*n+c]+p[2*x*n+n+c]+2)>>2)
			}
		}
	}
}

// boxes averages boxes of kx x ky pixels. OpenCV sums bytes in integers, and
// numbers of two bytes in float32, four at a time.
func (v window) boxes(dst *Raster, kx, ky int) {
	n, depth := dst.Channels, dst.Depth
	scale := 1 / float32(kx*ky)
	for y := range dst.Height {
		out := dst.line(y)
		for x := range dst.Width {
			for c := range n {
				var f float32
				if depth == 1 {
					f = float32(v.sumBytes(kx*x, ky*y, kx, ky, c))
				} else {
					f = v.sumWords(kx*x, ky*y, kx, ky, c)
				}
				put(out, depth, x*n+c, round(float32(f*scale), depth))
			}
		}
	}
}

func (v window) sumBytes(x, y, kx, ky, c int) (sum int) {
	n := v.src.Channels
	for j := range ky {
		row := v.line(y + j)[x*n+c:]
		for i := 0; i < kx*n; i += n {
			sum += int(row[i])
		}
	}
	return sum
}

func (v window) sumWords(x, y, kx, ky, c int) (sum float32) {
	n, four, have := v.src.Channels, int32(0), 0
	left := kx * ky
	for j := range ky {
		row := v.line(y + j)[2*(x*n+c):]
		for i := range kx {
			w := int32(binary.LittleEndian.Uint16(row[2*i*n:]))
			if left < 4 && have == 0 {
				sum += float32(w)
				left--
				continue
			}
			four += w
			if have++; have == 4 {
				sum += float32(four)
				four, have, left = 0, 0, left-4
			}
		}
	}
	return sum
}

// areaRaster is area for any raster.
func (r *resizeScratch) areaRaster(dst *Raster, v window, xScale, yScale float64) {
	r.xArea.build(v.crop.W, dst.Width, xScale)
	r.yArea.build(v.crop.H, dst.Height, yScale)
	n := dst.Channels * dst.Width
	r.row, r.sum = grow(r.row, n), grow(r.sum, n)
	have := -1
	yt := &r.yArea
	for y := range dst.Height {
		for i, beta := range yt.weight[yt.at[y]:yt.at[y+1]] {
			if sy := int(yt.first[y]) + i; sy != have {
				r.xArea.acrossRaster(r.row, v.floats(sy), dst.Channels)
				have = sy
			}
			if i == 0 {
				scaleRow(r.sum, r.row, beta)
			} else {
				addRow(r.sum, r.row, beta)
			}
		}
		narrowRow(dst.line(y), r.sum, dst.Depth)
	}
}

// acrossRaster weighs one source row into row.
func (t *areaTable) acrossRaster(row, src []float32, channels int) {
	for d, first := range t.first {
		weight := t.weight[t.at[d]:t.at[d+1]]
		weigh(row[channels*d:][:channels], src[channels*int(first):], weight)
	}
}

// weigh adds a few pixels up, as many channels as o has.
func weigh(o, p, weight []float32) {
	p = p[:len(o)*len(weight)]
	var a, b, c, d float32
	switch len(o) {
	case 1:
		for k, w := range weight {
			a += float32(p[k] * w)
		}
		o[0] = a
	case 2:
		for _, w := range weight {
			a += float32(p[0] * w)
			b += float32(p[1] * w)
			p = p[2:]
		}
		o[0], o[1] = a, b
	case 3:
		for _, w := range weight {
			a += float32(p[0] * w)
			b += float32(p[1] * w)
			c += float32(p[2] * w)
			p = p[3:]
		}
		o[0], o[1], o[2] = a, b, c
	case 4:
		for _, w := range weight {
			a += float32(p[0] * w)
			b += float32(p[1] * w)
			c += float32(p[2] * w)
			d += float32(p[3] * w)
			p = p[4:]
		}
		o[0], o[1], o[2], o[3] = a, b, c, d
	}
}

// linearBytes is linear for rasters of bytes.
func (r *resizeScratch) linearBytes(dst *Raster, v window, xInv, yInv float64) {
	n := dst.Channels
	r.xLinear.build(v.crop.W, dst.Width, n, xInv)
	r.yLinear.build(v.crop.H, dst.Height, 1, yInv)
	for i := range r.lines {
		r.lines[i] = grow(r.lines[i], n*dst.Width)
	}
	have := [2]int32{-1, -1}
	for y, t := range r.yLinear.taps {
		if have[0] != t.a && have[1] == t.a {
			r.lines[0], r.lines[1] = r.lines[1], r.lines[0]
			have[0], have[1] = have[1], have[0]
		}
		for i, sy := range [2]int32{t.a, t.b} {
			if have[i] == sy {
				continue
			}
			src, line := v.line(int(sy)), r.lines[i]
			for d, tap := range r.xLinear.taps {
				p, q, o := src[tap.a:][:n], src[tap.b:][:n], line[n*d:][:n]
				for c := range o {
					o[c] = int32(p[c])*tap.wa + int32(q[c])*tap.wb
				}
			}
			have[i] = sy
		}
		blend(dst.line(y), r.lines[0], r.lines[1], t.wa, t.wb)
	}
}

// linearWords is linear for rasters of two bytes a number, which OpenCV blends
// in float32.
func (r *resizeScratch) linearWords(dst *Raster, v window, xInv, yInv float64) {
	n, z := dst.Channels, v.z
	r.xLinear.build(v.crop.W, dst.Width, n, xInv)
	r.yLinear.build(v.crop.H, dst.Height, 1, yInv)
	lines := [2][]float32{grow(z.first, n*dst.Width), grow(z.second, n*dst.Width)}
	z.first, z.second = lines[0], lines[1]
	z.row = grow(z.row, n*dst.Width)
	have := [2]int32{-1, -1}
	for y, t := range r.yLinear.taps {
		if have[0] != t.a && have[1] == t.a {
			lines[0], lines[1] = lines[1], lines[0]
			have[0], have[1] = have[1], have[0]
		}
		for i, sy := range [2]int32{t.a, t.b} {
			if have[i] == sy {
				continue
			}
			src := v.floats(int(sy))
			for d, tap := range r.xLinear.taps {
				p, q, o := src[tap.a:][:n], src[tap.b:][:n], lines[i][n*d:][:n]
				f := r.xLinear.part[d]
				for c := range o {
					o[c] = float32(p[c]*(1-f)) + float32(q[c]*f)
				}
			}
			have[i] = sy
		}
		f := r.yLinear.part[y]
		for i := range z.row {
			z.row[i] = float32(lines[0][i]*(1-f)) + float32(lines[1][i]*f)
		}
		narrowRow(dst.line(y), z.row, dst.Depth)
	}
}
