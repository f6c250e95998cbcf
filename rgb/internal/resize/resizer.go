package resize

// A Resizer keeps the tables of the last picture and scratch memory, so that
// nothing is allocated a picture once the sizes have been seen. The zero value
// is ready. It is for one goroutine at a time.
type Resizer struct {
	plain bool // do without assembly

	x, y   tables
	pixels pixelComb
	fast   bool // the picture at hand is for the assembly
	laid   laid // how its horizontal tables are laid out

	sum       []uint32 // of rows, for Go's loops
	twin      []uint64 // of two planes' rows
	sums      []int16  // for the assembly
	lent      []byte   // rows shorter than the assembly wants them
	l, cb, cr []int16  // rows of the result
	out       sink
}

// tables is all of one direction.
type tables struct {
	key          tablesKey
	luma, chroma axis
	of           [2]strip // of luma and chroma, or of both
}

// tablesKey is all that tables depend on.
type tablesKey struct {
	span           span
	n              int
	kind           kind
	mirrored       bool
	ratio, samples int // of chroma to luma, of the chroma plane
	smooth         bool
}

// strip is the part of a plane that an axis reads, and for a horizontal one
// how its kernels are laid out.
type strip struct {
	axis       *axis
	first, end int
	comb       comb
	quads      []quad
}

// laid says what horizontal tables are laid out for.
type laid uint8

const (
	nothing laid = iota
	planar
	packed
)

// slack is how many samples the horizontal kernels may read past a row: of
// those after the crop's last, all of which weigh nothing.
const slack = 4 * (manyTaps + 16)

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
	z.prepare(p, c, t, f)
	if z.laid != planar {
		z.laid = planar
		z.lay(&z.x.of[0])
		if z.x.key.ratio > 1 {
			z.lay(&z.x.of[1])
		}
	}
	n := (t.Width + block - 1) / block * block
	z.l, z.cb, z.cr = grow(z.l, n), grow(z.cb, n), grow(z.cr, n)
	z.out.open(dst, t, z.fast)
	for i := range t.Height {
		z.planarRow(p, i, n)
	}
	z.out.close()
	return nil
}

// planarRow makes row i, n samples of it with what fills up the last block.
func (z *Resizer) planarRow(p *Photo, i, n int) {
	out := &z.out
	r, g, b := out.rows(i)
	w := out.t.Width
	luma := &z.x.of[0]
	z.line(z.l, &p.Y, luma, &z.y.luma, i)
	if p.Gray {
		z.bytes(r, z.l, w)
		out.planes(i, r, r, r)
		return
	}
	chroma, down := luma, &z.y.luma
	if z.x.key.ratio > 1 {
		chroma = &z.x.of[1]
	}
	if z.y.key.ratio > 1 {
		down = &z.y.chroma
	}
	if !z.fast && len(chroma.quads) > 0 && !down.long() {
		z.twins(p, chroma, down, i)
	} else {
		z.line(z.cb, &p.Cb, chroma, down, i)
		z.line(z.cr, &p.Cr, chroma, down, i)
	}
	switch {
	case p.RGB:
		z.bytes(r, z.l, w)
		z.bytes(g, z.cb, w)
		z.bytes(b, z.cr, w)
	case z.fast:
		colourAVX2(&r[0], &g[0], &b[0], &z.l[0], &z.cb[0], &z.cr[0], n/block)
	case out.t.Layout == CHW:
		colours(r, g, b, z.l[:w], z.cb, z.cr)
	default:
		row := out.interleaved(i)
		pixels(row, z.l[:w], z.cb, z.cr)
		out.pixels(i, row)
		return
	}
	out.planes(i, r, g, b)
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
	z.prepare(&Photo{Y: *p, Gray: true}, c, t, f)
	x := &z.x.of[0]
	if z.fast && z.laid != packed {
		z.laid = packed
		z.pixels.lay(x.axis, x.first)
	}
	z.out.open(dst, t, z.fast)
	for i := range t.Height {
		row := z.out.interleaved(i)
		if z.fast {
			sum := z.verticalFast(p, 3*x.first, 3*x.end, &z.y.luma, i)
			q := &z.pixels
			hpixelAVX2(&row[0], &sum[0], &q.offset[0], &q.weight[0], (t.Width+7)/8, q.pairs)
		} else {
			sum := z.vertical(p, 3*x.first, 3*x.end, &z.y.luma, i)
			hpixel(row, sum, x.axis, x.first)
		}
		z.out.pixels(i, row)
	}
	z.out.close()
	return nil
}

// prepare builds the taps of both directions and resolutions that the last
// picture did not leave.
func (z *Resizer) prepare(p *Photo, c Crop, t *Target, f Filter) {
	h, v, samples := max(p.H, 1), max(p.V, 1), [2]int{p.Cb.W, p.Cb.H}
	if p.Gray {
		h, v, samples = 1, 1, [2]int{}
	}
	// libjpeg repeats the samples of planes too narrow for its filter.
	smooth := h <= 2 && v <= 2 && (h == 1 || p.Cb.W > 2)
	kind := kindOf(f, c, t)
	if z.x.build(tablesKey{span{c.X, c.W, p.Y.W}, t.Width, kind, c.Flip, h, samples[0], smooth}) {
		z.laid = nothing
		z.x.luma.narrow()
		if h > 1 {
			z.x.chroma.narrow()
		}
	}
	z.y.build(tablesKey{span{c.Y, c.H, p.Y.H}, t.Height, kind, false, v, samples[1], smooth})
	if now := fast && !z.plain && !z.x.luma.long() && !z.y.luma.long(); now != z.fast {
		z.fast, z.laid = now, nothing
	}
}

// build makes the tables for a key and reports whether it had to.
func (b *tables) build(key tablesKey) bool {
	if key == b.key {
		return false
	}
	b.key = key
	b.luma.build(key.span, key.n, key.kind, key.mirrored)
	b.of[0].reach(&b.luma, key.span.limit)
	if key.ratio > 1 {
		b.chroma.carry(&b.luma, key.ratio, key.smooth, key.samples)
		b.of[1].reach(&b.chroma, key.samples)
	}
	return true
}

// reach sets s to what a reads of a plane of so many samples.
func (s *strip) reach(a *axis, samples int) {
	s.axis = a
	s.first, s.end = a.extent(samples)
}

// lay lays a horizontal strip out for the kernels to use.
func (z *Resizer) lay(s *strip) {
	if z.fast {
		s.comb.lay(s.axis, s.first)
	} else {
		s.quads = quads(s.quads, s.axis, s.first)
	}
}

// line makes row i of a plane's result.
func (z *Resizer) line(dst []int16, p *Plane, s *strip, y *axis, i int) {
	if !z.fast {
		sum := z.vertical(p, s.first, s.end, y, i)
		if len(s.quads) > 0 {
			hquads(dst, sum, s.quads)
		} else {
			hpass(dst, sum, s.axis, s.first)
		}
		return
	}
	sum := z.verticalFast(p, s.first, s.end, y, i)
	n := len(s.axis.start)
	switch c := &s.comb; c.form {
	case near:
		hnearAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+15)/16)
	case tight:
		hpassAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+15)/16, c.steps)
	case wide:
		hwideAVX2(&dst[0], &sum[0], &c.offset[0], &c.prog[0], (n+7)/8, c.steps)
	}
}

// twins makes row i of both chroma planes' results.
func (z *Resizer) twins(p *Photo, s *strip, y *axis, i int) {
	n := s.end - s.first
	z.twin = grow(z.twin, n+slack)
	cb, w := p.Cb.rows(s.first, s.end, y, i)
	cr, _ := p.Cr.rows(s.first, s.end, y, i)
	vtwins(z.twin[:n], cb, cr, p.Cb.Stride, p.Cr.Stride, w)
	htwins(z.cb, z.cr, z.twin, s.quads)
}

// rows are the bytes that output row i is made of, from first to end of each
// row, and their weights.
func (p *Plane) rows(first, end int, y *axis, i int) ([]byte, []int32) {
	w := y.at(i)
	src := p.Pix[int(y.start[i])*p.Stride+first:]
	return src[:(len(w)-1)*p.Stride+end-first], w
}

// vertical sums the rows of output row i, of the plane's bytes from first to
// end in a row. Past the sum lies memory that may be read.
func (z *Resizer) vertical(p *Plane, first, end int, y *axis, i int) []uint32 {
	n := end - first
	z.sum = grow(z.sum, n+slack)
	src, w := p.rows(first, end, y, i)
	if y.long() {
		vlong(z.sum[:n], src, p.Stride, w)
	} else {
		vpass8(z.sum[:n], src, p.Stride, w)
	}
	return z.sum
}

// verticalFast is vertical for the assembly.
func (z *Resizer) verticalFast(p *Plane, first, end int, y *axis, i int) []int16 {
	n := end - first
	z.sums = grow(z.sums, max(n, block)+slack)
	src, w := p.rows(first, end, y, i)
	if n >= block {
		vpass8AVX2(&z.sums[0], &src[0], p.Stride, n, &w[0], len(w))
		return z.sums
	}
	// The kernel wants more columns than there are.
	z.lent = grow(z.lent, manyTaps*block)
	for k := range w {
		copy(z.lent[k*block:][:n], src[k*p.Stride:])
	}
	vpass8AVX2(&z.sums[0], &z.lent[0], block, block, &w[0], len(w))
	return z.sums
}

// bytes makes n bytes of a plane's result.
func (z *Resizer) bytes(dst []byte, src []int16, n int) {
	if z.fast {
		roundAVX2(&dst[0], &src[0], (n+block-1)/block)
	} else {
		round(dst, src[:n])
	}
}
