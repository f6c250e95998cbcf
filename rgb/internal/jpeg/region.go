package jpeg

import (
	"fmt"
	"image"
)

// Decode decodes the whole of the open picture into out.
func (d *Decoder) Decode(out *Planes) error {
	return d.Region(image.Rect(0, 0, d.header.Width, d.header.Height), 1, nil, out)
}

// Region decodes the part r of the open picture into out, grown to whole MCUs
// and by so much that smooth upsampling of the smaller planes finds its
// neighbours: what is upsampled from it is, inside r, what it would be from the
// whole. out.Rect tells what came; it may be all of the picture.
//
// A scale of 2, 4 or 8 halves the resolution that often, as libjpeg does it:
// planes that are sampled less keep more of theirs.
//
// marks, from [AppendMarks] of the same file or nil, says where decoding may
// start. Marks of another file give an error or wrong samples, no worse.
// An [*Error] leaves in out the whole rows of MCUs before the one where it was
// noticed, and mid-gray samples from there on; out.Rect is empty when nothing can
// be said about the picture.
func (d *Decoder) Region(r image.Rectangle, scale int, marks []byte, out *Planes) error {
	out.Rect, d.done = image.Rectangle{}, [3]int{}
	err := d.region(r, scale, marks, out)
	if err != nil && !out.Rect.Empty() {
		for c, p := range out.Pix {
			for i := d.done[c]; i < len(p); i++ {
				p[i] = 128
			}
		}
	}
	return err
}

func (d *Decoder) region(r image.Rectangle, scale int, marks []byte, out *Planes) error {
	h := &d.header
	if d.data == nil {
		return fmt.Errorf("jpeg: no picture is open")
	}
	if scale != 1 && scale != 2 && scale != 4 && scale != 8 {
		return fmt.Errorf("jpeg: scale %d, want 1, 2, 4 or 8", scale)
	}
	bounds := image.Rect(0, 0, h.Width, h.Height)
	if r = r.Intersect(bounds); r.Empty() {
		return fmt.Errorf("jpeg: the region is empty, or outside %dx%d", h.Width, h.Height)
	}
	if d.scan.n != len(h.Components) {
		return d.scans(scale, out)
	}
	if err := d.cur.open(d); err != nil {
		return err
	}
	m := h.mcus(r, scale)
	out.reset(h, m, scale)
	d.placeBlocks(out)
	if len(marks) > 0 && h.Restart == 0 {
		return d.fromMarks(marks, m)
	}
	for row := m.Min.Y; row < m.Max.Y; row++ {
		if err := d.run(row*h.Cols+m.Min.X, m.Dx()); err != nil {
			return err
		}
	}
	return nil
}

// scans decodes a picture of several scans, each of which holds some of the
// components whole. There is nothing to gain from a region's borders.
func (d *Decoder) scans(scale int, out *Planes) error {
	if _, err := d.Open(d.data); err != nil { // an earlier call has gone on to later scans
		return err
	}
	h := &d.header
	out.reset(h, image.Rect(0, 0, h.Cols, h.Rows), scale)
	for have := 0; ; {
		if err := d.cur.open(d); err != nil {
			return err
		}
		for _, c := range d.scan.comp[:d.scan.n] {
			if have&(1<<c) != 0 {
				return broken(d.scan.at, "a second scan of component %d", c)
			}
			have |= 1 << c
		}
		d.placeBlocks(out)
		cols, rows := h.Cols, h.Rows
		if d.scan.n == 1 {
			cols, rows = h.blocks(d.scan.comp[0])
		}
		for row := range rows {
			if err := d.run(row*cols, cols); err != nil {
				return err
			}
		}
		if have == 1<<len(h.Components)-1 {
			return nil
		}
		if err := d.markers(d.cur.after); err != nil {
			return err
		}
	}
}

// withContext grows r by one sample of each plane that is to be upsampled, and
// keeps three across: planes of fewer are upsampled another way.
func (h *Header) withContext(r image.Rectangle, scale int) image.Rectangle {
	x, y := 0, 0
	for c := range h.Components {
		subX, subY := h.sub(c, scale)
		if subX > 1 {
			x = max(x, subX*scale)
		}
		if subY > 1 {
			y = max(y, subY*scale)
		}
	}
	return image.Rect(min(r.Min.X-x, h.Width-3*x), r.Min.Y-y, r.Max.X+x, r.Max.Y+y)
}

// blockSize is how many samples across a block of component c becomes. As in
// libjpeg, scaling leaves a plane that is sampled less its resolution as long
// as it is no finer than the finest.
func (h *Header) blockSize(c, scale int) int {
	k, least := &h.Components[c], 8/scale
	size := least
	for size < 8 && h.maxH*least%(2*k.H*size) == 0 && h.maxV*least%(2*k.V*size) == 0 {
		size *= 2
	}
	return size
}

// sub is how many samples of the finest plane one of component c stands for.
func (h *Header) sub(c, scale int) (x, y int) {
	k, size := &h.Components[c], h.blockSize(c, scale)
	return h.maxH * 8 / scale / (k.H * size), h.maxV * 8 / scale / (k.V * size)
}

// reset sizes the planes for the MCUs m.
func (p *Planes) reset(h *Header, m image.Rectangle, scale int) {
	p.Rect = image.Rect(m.Min.X*h.MCUWidth, m.Min.Y*h.MCUHeight,
		min(m.Max.X*h.MCUWidth, h.Width), min(m.Max.Y*h.MCUHeight, h.Height))
	p.Scale = scale
	p.Stride, p.W, p.H, p.SubX, p.SubY = [3]int{}, [3]int{}, [3]int{}, [3]int{}, [3]int{}
	for c := range p.Pix {
		n := 0
		if c < len(h.Components) {
			k, size := &h.Components[c], h.blockSize(c, scale)
			p.SubX[c], p.SubY[c] = h.sub(c, scale)
			w, v := k.H*size, k.V*size // of an MCU
			p.Stride[c] = w * m.Dx()
			p.W[c] = min(p.Stride[c], ceil(h.Width*w, 8*h.maxH)-w*m.Min.X)
			p.H[c] = min(v*m.Dy(), ceil(h.Height*v, 8*h.maxV)-v*m.Min.Y)
			n = p.Stride[c] * v * m.Dy()
		}
		if cap(p.Pix[c]) < n {
			p.Pix[c] = make([]byte, n)
		}
		p.Pix[c] = p.Pix[c][:n]
	}
}

// place says where a block's samples go.
type place struct {
	pix    []byte
	row    int // offset in the row of MCUs that is next
	step   int // from one MCU to the next
	down   int // from one row of MCUs to the next
	stride int
	size   int // samples across
	quant  *[64]int16
}

// placeBlocks finds the places of the scan's blocks in out.
func (d *Decoder) placeBlocks(out *Planes) {
	h, n := &d.header, 0
	for _, c := range d.scan.comp[:d.scan.n] {
		k, size, stride := h.Components[c], h.blockSize(c, out.Scale), out.Stride[c]
		if d.scan.n == 1 {
			k.H, k.V = 1, 1 // alone in its scan: an MCU is one block
		}
		for i := range k.H * k.V {
			d.places[n] = place{
				pix: out.Pix[c], row: i/k.H*size*stride + i%k.H*size,
				step: k.H * size, down: k.V * size * stride, stride: stride, size: size,
				quant: &d.quant[k.quant],
			}
			for y := range 8 {
				d.pairs[n/2][y][n%2] = [8]int16(d.quant[k.quant][8*y:])
			}
			n++
		}
	}
	d.places[n] = place{pix: d.spare[:], stride: 8, size: d.places[n-1].size, quant: &d.quant[0]}
}

// run decodes n MCUs from t on, a row of the region.
func (d *Decoder) run(t, n int) error {
	c := &d.cur
	var at [maxBlocks + 1]int
	for i := range c.blocks {
		at[i] = d.places[i].row
		d.places[i].row += d.places[i].down
	}
	for n > 0 {
		if err := c.seek(t); err != nil {
			return err
		}
		k := min(n, c.stop-t)
		for range k {
			c.next(&d.mcu, &d.last)
			if c.mcu++; c.bad != 0 {
				return c.fail()
			}
			if c.asm {
				d.pixels(&at)
			} else {
				d.pixelsGo(&at)
			}
		}
		if c.ended() {
			return c.fail()
		}
		t, n = t+k, n-k
	}
	for i := len(c.blocks) - 1; i >= 0; i-- { // the first of a component has the last word
		d.done[c.blocks[i].comp] = d.places[i].row
	}
	return nil
}

// pixelsGo transforms the MCU's blocks one by one.
func (d *Decoder) pixelsGo(at *[maxBlocks + 1]int) {
	for i := range d.cur.blocks {
		d.single(i, at[i])
		at[i] += d.places[i].step
	}
}

func (d *Decoder) single(i, at int) {
	p := &d.places[i]
	dst := p.pix[at:]
	switch {
	case p.size < 8:
		idctScaled(&d.mcu[i], p.quant, dst, p.stride, p.size)
	case d.last[i] == 0:
		idctDC(d.mcu[i][0], p.quant[0], dst, p.stride)
	default:
		idctGo(&d.mcu[i], p.quant, dst, p.stride)
	}
}

// pixels transforms the MCU's blocks two by two.
func (d *Decoder) pixels(at *[maxBlocks + 1]int) {
	n := len(d.cur.blocks)
	d.last[n] = 0
	for i := 0; i < n; i += 2 {
		p, q := &d.places[i], &d.places[i+1]
		a, b := at[i], at[i+1]
		at[i], at[i+1] = a+p.step, b+q.step
		if p.size != q.size || p.size < 4 {
			if d.single(i, a); i+1 < n {
				d.single(i+1, b)
			}
			continue
		}
		if d.last[i]|d.last[i+1] == 0 && p.size == 8 {
			idctDC(d.mcu[i][0], p.quant[0], p.pix[a:], p.stride)
			idctDC(d.mcu[i+1][0], q.quant[0], q.pix[b:], q.stride)
			continue
		}
		last := p.size - 1
		_, _ = p.pix[a+last*p.stride+last], q.pix[b+last*q.stride+last] // the assembly trusts us
		blocks := (*[2][64]int16)(d.mcu[i:])
		if last == 7 {
			idctPair(blocks, &d.pairs[i/2], &p.pix[a], p.stride, &q.pix[b], q.stride)
		} else {
			idctHalfPair(blocks, &d.pairs[i/2], &p.pix[a], p.stride, &q.pix[b], q.stride)
		}
	}
}
