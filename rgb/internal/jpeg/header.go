package jpeg

import "bytes"

// Markers, the byte after 0xFF.
const (
	tem   = 0x01
	sof0  = 0xC0 // baseline
	sof1  = 0xC1 // extended sequential
	dht   = 0xC4
	jpg   = 0xC8
	dac   = 0xCC
	rst0  = 0xD0
	soi   = 0xD8
	eoi   = 0xD9
	sos   = 0xDA
	dqt   = 0xDB
	dri   = 0xDD
	dhp   = 0xDE
	app0  = 0xE0
	app14 = 0xEE
)

func be16(p []byte) int { return int(p[0])<<8 | int(p[1]) }

// nextMarker gives the offset of the next marker's second byte at or after p,
// -1 without one. Like libjpeg it steps over whatever lies before it.
func nextMarker(data []byte, p int) int {
	for p < len(data) {
		i := bytes.IndexByte(data[p:], 0xFF)
		if i < 0 {
			return -1
		}
		for p += i + 1; p < len(data) && data[p] == 0xFF; p++ {
		}
		if p < len(data) && data[p] != 0 {
			return p
		}
	}
	return -1
}

// markers reads segments from p on to the end of a scan's header.
func (d *Decoder) markers(p int) error {
	for {
		at := nextMarker(d.data, p)
		if at < 0 {
			return broken(len(d.data), "the data end before a scan of every component")
		}
		marker := d.data[at]
		p = at + 1
		switch {
		case marker == eoi:
			return broken(at-1, "EOI before a scan of every component")
		case marker == soi:
			return broken(at-1, "a second SOI marker")
		case marker == tem || marker&^7 == rst0:
			continue // nothing follows
		}
		if p+2 > len(d.data) {
			return broken(at-1, "segment FF%02X has no length", marker)
		}
		n := be16(d.data[p:])
		if n < 2 || n > len(d.data)-p {
			return broken(at-1, "segment FF%02X of %d bytes, %d are left", marker, n, len(d.data)-p)
		}
		if err := d.segment(marker, at-1, d.data[p+2:p+n]); err != nil {
			return err
		}
		if p += n; marker == sos {
			d.scan.at = p
			return d.startScan(at - 1)
		}
	}
}

// segment reads one segment's payload; at is the marker's offset.
func (d *Decoder) segment(marker byte, at int, s []byte) error {
	switch {
	case marker == dqt:
		return d.defineQuant(at, s)
	case marker == dht:
		return d.defineHuffman(at, s)
	case marker == sos:
		return d.scanHeader(at, s)
	case marker == sof0 || marker == sof1:
		return d.frame(at, s)
	case marker == dhp || marker > sof1 && marker <= 0xCF && marker != jpg:
		return unsupported("frames of kind FF%02X", marker)
	case marker == dri:
		if len(s) != 2 {
			return broken(at, "restart interval of %d bytes, want 2", len(s))
		}
		d.header.Restart = be16(s)
	case marker == app0:
		d.header.jfif = d.header.jfif || len(s) >= 5 && string(s[:5]) == "JFIF\x00"
	case marker == app14 && len(s) >= 12 && string(s[:5]) == "Adobe":
		d.header.adobe = int(s[11])
	}
	return nil
}

// defineQuant reads quantisers. Zeros are taken as they are and make flat
// blocks, as in libjpeg.
func (d *Decoder) defineQuant(at int, s []byte) error {
	for len(s) > 0 {
		slot, size := s[0]&15, 1+int(s[0]>>4)
		if slot > 3 || size > 2 {
			return broken(at, "quantiser table %d of %d bytes an entry", slot, size)
		}
		if len(s) < 1+64*size {
			return broken(at, "quantiser table %d has %d bytes, want %d", slot, len(s)-1, 64*size)
		}
		q := &d.quant[slot]
		for k := range 64 {
			if size == 1 {
				q[zigzag[k]] = int16(s[1+k])
			} else {
				q[zigzag[k]] = int16(be16(s[1+2*k:]))
			}
		}
		d.haveQ[slot] = true
		s = s[1+64*size:]
	}
	return nil
}

// defineHuffman reads Huffman tables, which come from the cache where it has
// them: most files share a few.
func (d *Decoder) defineHuffman(at int, s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 {
			return broken(at, "Huffman table of %d bytes, want 17 or more", len(s))
		}
		n := 17
		for _, c := range s[1:17] {
			n += int(c)
		}
		if n > len(s) || n > 17+256 {
			return broken(at, "Huffman table of %d codes in %d bytes", n-17, len(s))
		}
		class, slot := s[0]>>4, s[0]&15
		if class > 1 || slot > 3 {
			return broken(at, "Huffman table of class %d, slot %d", class, slot)
		}
		var what string
		if class == 0 {
			d.dc[slot], what = dcCache.get(s[1:n], &d.ownDC[slot])
		} else {
			d.ac[slot], what = acCache.get(s[1:n], &d.ownAC[slot])
		}
		if what != "" {
			return broken(at, "Huffman table of class %d, slot %d: %s", class, slot, what)
		}
		s = s[n:]
	}
	return nil
}

// frame reads a frame header.
func (d *Decoder) frame(at int, s []byte) error {
	h := &d.header
	switch {
	case h.Width != 0:
		return broken(at, "a second frame header")
	case len(s) < 6 || s[5] == 0 || len(s) != 6+3*int(s[5]):
		return broken(at, "frame header of %d bytes doesn't fit its number of components", len(s))
	case s[0] != 8:
		return unsupported("%d bits a sample", s[0])
	case s[5] != 1 && s[5] != 3:
		return unsupported("%d components", s[5])
	}
	h.Height, h.Width = be16(s[1:]), be16(s[3:])
	if h.Width == 0 {
		return broken(at, "width is 0")
	}
	if h.Height == 0 {
		return unsupported("the height is told later, by a DNL marker")
	}
	h.Components = h.comps[:s[5]]
	for i := range h.Components {
		q := s[6+3*i:]
		c := Component{H: int(q[1] >> 4), V: int(q[1] & 15), id: q[0], quant: q[2]}
		if c.H < 1 || c.H > 4 || c.V < 1 || c.V > 4 || c.quant > 3 {
			return broken(at, "component %d: sampling %dx%d, quantiser table %d", i, c.H, c.V, c.quant)
		}
		for _, o := range h.Components[:i] {
			if o.id == c.id {
				return broken(at, "two components have the id %d", c.id)
			}
		}
		h.Components[i] = c
	}
	return h.layout()
}

// layout works out the MCU.
func (h *Header) layout() error {
	if len(h.Components) == 1 {
		h.comps[0].H, h.comps[0].V = 1, 1 // a block is the MCU, whatever the factors
	}
	h.maxH, h.maxV = 1, 1
	for _, c := range h.Components {
		h.maxH, h.maxV = max(h.maxH, c.H), max(h.maxV, c.V)
	}
	for _, c := range h.Components {
		if h.maxH%c.H != 0 || h.maxV%c.V != 0 {
			return unsupported("sampling factors %dx%d beside %dx%d", c.H, c.V, h.maxH, h.maxV)
		}
	}
	h.MCUWidth, h.MCUHeight = 8*h.maxH, 8*h.maxV
	h.Cols, h.Rows = ceil(h.Width, h.MCUWidth), ceil(h.Height, h.MCUHeight)
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

// blocks is the size of a component's plane in blocks, without those that
// only fill up an MCU.
func (h *Header) blocks(c int) (w, v int) {
	k := &h.Components[c]
	return ceil(ceil(h.Width*k.H, h.maxH), 8), ceil(ceil(h.Height*k.V, h.maxV), 8)
}

// transform follows libjpeg's rules.
func (h *Header) transform() Transform {
	c := &h.comps
	switch {
	case len(h.Components) == 1:
		return Gray
	case h.jfif:
		return YCbCr
	case h.adobe == 0:
		return RGB
	case h.adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return RGB
	}
	return YCbCr
}

// scanHeader reads an SOS segment.
func (d *Decoder) scanHeader(at int, s []byte) error {
	h := &d.header
	if h.Width == 0 {
		return broken(at, "a scan before the frame header")
	}
	if len(s) < 1 || s[0] < 1 || s[0] > 4 || len(s) != 4+2*int(s[0]) {
		return broken(at, "scan header of %d bytes doesn't fit its number of components", len(s))
	}
	if int(s[0]) > len(h.Components) {
		return broken(at, "a scan of %d components, the frame has %d", s[0], len(h.Components))
	}
	d.scan = scanHeader{n: int(s[0])}
	last := -1
	for i := range d.scan.n {
		id, slots := s[1+2*i], s[2+2*i]
		c := last + 1 // components come in the frame's order
		for c < len(h.Components) && h.Components[c].id != id {
			c++
		}
		if c == len(h.Components) {
			return broken(at, "a scan of component id %d, unknown or out of turn", id)
		}
		last = c
		d.scan.comp[i], d.scan.td[i], d.scan.ta[i] = c, slots>>4, slots&15
		if slots>>4 > 3 || slots&15 > 3 || !d.haveHuffman(slots>>4, slots&15) {
			return broken(at, "component id %d wants Huffman tables %d and %d, which are not defined", id, slots>>4, slots&15)
		}
		if q := h.Components[c].quant; !d.haveQ[q] {
			return broken(at, "component id %d wants quantiser table %d, which is not defined", id, q)
		}
	}
	return nil
}

// haveHuffman says whether a scan's tables are there. As in libjpeg, those of
// slots 0 and 1 that no segment defines are the standard's examples: frames of
// Motion JPEG come without.
func (d *Decoder) haveHuffman(td, ta byte) bool {
	if td < 2 && d.dc[td] == nil {
		d.dc[td], _ = dcCache.get([]byte(usualDC[td]), &d.ownDC[td])
	}
	if ta < 2 && d.ac[ta] == nil {
		d.ac[ta], _ = acCache.get([]byte(usualAC[ta]), &d.ownAC[ta])
	}
	return d.dc[td] != nil && d.ac[ta] != nil
}

// startScan holds the first scan's data to the least that the picture takes:
// every block has two codes of a bit or more. So no small file makes anyone
// allocate for a large picture.
func (d *Decoder) startScan(at int) error {
	h := &d.header
	if h.scanned {
		return nil
	}
	h.scanned = true
	h.Transform = h.transform()
	blocks := 0
	for c := range h.Components {
		w, v := h.blocks(c)
		blocks += w * v
	}
	if left := len(d.data) - d.scan.at; blocks > 4*left {
		return broken(at, "%d bytes of coded data are too few for %dx%d", left, h.Width, h.Height)
	}
	return nil
}
