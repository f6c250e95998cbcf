package resize

// A Resizer keeps the tables of the last picture and scratch memory, so that
// nothing is allocated a picture once the sizes have been seen. The zero value
// is ready. It is for one goroutine at a time.
type Resizer struct {
	plain bool // do without assembly

	xKey, yKey             axisKey
	lumaX, lumaY           axis
	chromaX, chromaY       axis
	lumaComb, chromaComb   comb
	pixels                 pixelComb
	lumaStrip, chromaStrip strip
	chromaDown             *axis

	sum       []int16
	narrow    []byte
	acc       []uint32
	y, cb, cr []int16
	out       sink
}

// slack is how many samples the horizontal kernels may read past a row: of
// those after the crop's last, all of which weigh nothing.
const slack = 4 * (manyTaps + 16)

// axisKey is all that an axis and what is derived from it depend on.
type axisKey struct {
	span           span
	n              int
	kind           kind
	mirrored       bool
	samples, ratio int // of the chroma planes; samples is 0 for packed pictures
	smooth         bool
	plain          bool
}

// strip is the part of a plane that a horizontal axis reads.
type strip struct {
	x          *axis
	comb       *comb
	first, end int
}

// Planar resizes crop c of p to t by filter f and writes it to dst, which is
// t.Size() bytes and may be any part of a batch. Nothing is written outside of
// dst, and on an error nothing at all.
func (z *Resizer) Planar(dst []byte, p *Photo, c Crop, t *Target, f Filter) error {
	if err := t.check(len(dst), f); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	if err := c.check(&p.Y); err != nil {
		return err
	}
	z.planarTables(p, c, t, f)
	n := (t.Width + block - 1) / block * block
	z.y, z.cb, z.cr = grow(z.y, n), grow(z.cb, n), grow(z.cr, n)
	fast := z.fast()
	out := &z.out
	out.open(dst, t, fast)
	for i := range t.Height {
		r, g, b := out.rows(i)
		z.line(z.y, &p.Y, &z.lumaStrip, &z.lumaY, i)
		if p.Gray {
			z.round(r, z.y, t.Width)
			out.planes(i, r, r, r)
			continue
		}
		z.line(z.cb, &p.Cb, &z.chromaStrip, z.chromaDown, i)
		z.line(z.cr, &p.Cr, &z.chromaStrip, z.chromaDown, i)
		switch {
		case p.RGB:
			z.round(r, z.y, t.Width)
			z.round(g, z.cb, t.Width)
			z.round(b, z.cr, t.Width)
		case fast:
			colourAVX2(&r[0], &g[0], &b[0], &z.y[0], &z.cb[0], &z.cr[0], n/block)
		default:
			colour(r, g, b, z.y[:t.Width], z.cb, z.cr)
		}
		out.planes(i, r, g, b)
	}
	out.close()
	return nil
}

// Packed is [Resizer.Planar] for a plane of pixels: p's rows are W times red,
// green, blue.
func (z *Resizer) Packed(dst []byte, p *Plane, c Crop, t *Target, f Filter) error {
	if err := t.check(len(dst), f); err != nil {
		return err
	}
	if err := p.check("the picture", 3); err != nil {
		return err
	}
	if err := c.check(p); err != nil {
		return err
	}
	z.packedTables(p, c, t, f)
	first, end := z.lumaStrip.first, z.lumaStrip.end
	fast := z.fast() && !z.lumaX.long()
	out := &z.out
	out.open(dst, t, z.fast())
	for i := range t.Height {
		sum := z.vertical(p, 3*first, 3*end, &z.lumaY, i)
		row := out.interleaved(i)
		if fast {
			q := &z.pixels
			hpixelAVX2(&row[0], &sum[0], &q.offset[0], &q.weight[0], (t.Width+7)/8, q.pairs)
		} else {
			hpixel(row, sum, &z.lumaX, first)
		}
		out.pixels(i, row)
	}
	out.close()
	return nil
}

func (z *Resizer) fast() bool { return fast && !z.plain }

// planarTables prepares the taps of both resolutions.
func (z *Resizer) planarTables(p *Photo, c Crop, t *Target, f Filter) {
	h, v := max(p.H, 1), max(p.V, 1)
	if p.Gray {
		h, v = 1, 1
	}
	// libjpeg repeats the samples of planes too narrow for its filter.
	smooth := h <= 2 && v <= 2 && (h == 1 || p.Cb.W > 2)
	kind := kindOf(f, c, t)
	x := axisKey{span{c.X, c.W, p.Y.W}, t.Width, kind, c.Flip, p.Cb.W, h, smooth, z.plain}
	if x.samples = max(x.samples, 1); x != z.xKey {
		z.xKey = x
		z.lumaX.build(x.span, x.n, kind, c.Flip)
		chroma := &z.lumaX
		if h > 1 {
			chroma = &z.chromaX
			chroma.carry(&z.lumaX, h, smooth, p.Cb.W)
		}
		z.columns(&z.lumaStrip, &z.lumaX, &z.lumaComb, p.Y.W)
		z.chromaStrip = z.lumaStrip
		if h > 1 {
			z.columns(&z.chromaStrip, chroma, &z.chromaComb, p.Cb.W)
		}
	}
	y := axisKey{span{c.Y, c.H, p.Y.H}, t.Height, kind, false, p.Cb.H, v, smooth, z.plain}
	if y.samples = max(y.samples, 1); y != z.yKey {
		z.yKey = y
		z.lumaY.build(y.span, y.n, kind, false)
		z.chromaDown = &z.lumaY
		if v > 1 {
			z.chromaDown = &z.chromaY
			z.chromaY.carry(&z.lumaY, v, smooth, p.Cb.H)
		}
	}
}

// columns lays out a horizontal axis over a plane of so many samples.
func (z *Resizer) columns(s *strip, x *axis, c *comb, samples int) {
	s.x, s.comb = x, c
	s.first, s.end = x.extent(samples)
	if z.fast() {
		c.lay(x, s.first)
	} else {
		x.narrow()
	}
}

func (z *Resizer) packedTables(p *Plane, c Crop, t *Target, f Filter) {
	kind := kindOf(f, c, t)
	x := axisKey{span: span{c.X, c.W, p.W}, n: t.Width, kind: kind, mirrored: c.Flip, plain: z.plain}
	if x != z.xKey {
		z.xKey = x
		z.lumaX.build(x.span, x.n, kind, c.Flip)
		s := &z.lumaStrip
		s.first, s.end = z.lumaX.extent(p.W)
		if z.fast() && !z.lumaX.long() {
			z.pixels.lay(&z.lumaX, int32(s.first))
		} else {
			z.lumaX.narrow()
		}
	}
	y := axisKey{span: span{c.Y, c.H, p.H}, n: t.Height, kind: kind, plain: z.plain}
	if y != z.yKey {
		z.yKey = y
		z.lumaY.build(y.span, y.n, kind, false)
	}
}

// line makes row i of a plane's result.
func (z *Resizer) line(dst []int16, p *Plane, s *strip, y *axis, i int) {
	sum := z.vertical(p, s.first, s.end, y, i)
	n := len(s.x.start)
	if !z.fast() {
		hpass(dst, sum, s.x, s.first)
		return
	}
	switch c := s.comb; c.form {
	case near:
		hnearAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+15)/16)
	case tight:
		hpassAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+15)/16, c.steps)
	case wide:
		hwideAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+7)/8, c.steps)
	default:
		hpass(dst, sum, s.x, s.first)
	}
}

// vertical sums the rows of output row i, of the plane's bytes from first to
// end in a row. Past the sum lies memory that may be read.
func (z *Resizer) vertical(p *Plane, first, end int, y *axis, i int) []int16 {
	n := end - first
	z.sum = grow(z.sum, max(n, block)+slack)
	w := y.at(i)
	src := p.Pix[int(y.start[i])*p.Stride+first:]
	src = src[:(len(w)-1)*p.Stride+n]
	switch {
	case y.long():
		z.acc = grow(z.acc, n)
		vlong(z.sum[:n], z.acc, src, p.Stride, w)
	case !z.fast():
		vpass8(z.sum[:n], src, p.Stride, w)
	case n >= block:
		vpass8AVX2(&z.sum[0], &src[0], p.Stride, n, &w[0], len(w))
	default: // the kernel wants more columns than there are
		z.narrow = grow(z.narrow, manyTaps*block)
		for k := range w {
			copy(z.narrow[k*block:][:n], src[k*p.Stride:])
		}
		vpass8AVX2(&z.sum[0], &z.narrow[0], block, block, &w[0], len(w))
	}
	return z.sum
}

// round makes n bytes of a plane's result.
func (z *Resizer) round(dst []byte, src []int16, n int) {
	if z.fast() {
		roundAVX2(&dst[0], &src[0], (n+block-1)/block)
	} else {
		round(dst, src[:n])
	}
}
