package jpeg

// cursor walks through the MCUs of one scan.
type cursor struct {
	entropy
	file    []byte
	buf     []byte // the loaded data, unstuffed
	from    int    // file offset of the loaded data
	after   int    // file offset behind them
	mcu     int    // the MCU that comes next
	stop    int    // the first MCU that the loaded data do not reach
	total   int
	restart int // MCUs between restart markers, 0 without
	turn    int // number of the next restart marker
	store   [maxBlocks]block
}

// open starts the scan that d has read the header of.
func (c *cursor) open(d *Decoder) error {
	h, s := &d.header, &d.scan
	*c = cursor{file: d.data, buf: c.buf, restart: h.Restart}
	c.asm = haveSIMD && !d.plain
	c.blocks = c.store[:0]
	for i := range s.n {
		k := &h.Components[s.comp[i]]
		n := k.H * k.V
		if s.n == 1 {
			n = 1
		}
		if len(c.blocks)+n > maxBlocks {
			return unsupported("an MCU of more than %d blocks", maxBlocks)
		}
		for range n {
			c.blocks = append(c.blocks, block{comp: s.comp[i], dc: d.dc[s.td[i]], ac: d.ac[s.ta[i]]})
		}
	}
	if c.total = h.Cols * h.Rows; s.n == 1 {
		w, v := h.blocks(s.comp[0])
		c.total = w * v
	}
	if c.stop = c.total; c.restart > 0 {
		c.stop = min(c.restart, c.total)
	}
	c.after = s.at
	return nil
}

// load takes the coded data from off to end, or to a marker before that.
func (c *cursor) load(off, end int, bit uint) {
	var n int
	c.buf, n = unstuff(c.buf[:0], c.file[off:end])
	c.start(c.buf, bit)
	c.from, c.after = off, off+n
}

// seek moves forward to MCU t, over restart markers where that is shorter.
func (c *cursor) seek(t int) error {
	if c.data == nil && t < c.stop {
		c.load(c.after, len(c.file), 0)
	}
	for t >= c.stop {
		at := nextMarker(c.file, c.after)
		if want := byte(rst0 + c.turn&7); at < 0 || c.file[at] != want {
			return broken(c.after, "no restart marker FF%02X after %d MCUs", want, c.stop)
		}
		c.turn++
		c.mcu, c.stop, c.after = c.stop, min(c.stop+c.restart, c.total), at+1
		if t < c.stop {
			c.load(c.after, len(c.file), 0)
			c.pred = [3]int32{}
		}
	}
	for c.mcu < t {
		n := min(t-c.mcu, 64)
		c.skip(n)
		if c.mcu += n; c.bad != 0 || c.ended() {
			return c.fail()
		}
	}
	return nil
}

// fail is the error of the flags and the position.
func (c *cursor) fail() error {
	what := "a Huffman code that is none"
	switch {
	case c.ended():
		return broken(c.after, "the coded data end before MCU %d of %d is whole", c.mcu, c.total)
	case c.bad&badRun != 0:
		what = "a run of zeros past its block's end"
	case c.bad&badCode == 0:
		what = "a DC coefficient of more than 16 bits"
	}
	return broken(c.offset(c.bit()>>3), "%s, in or before MCU %d of %d", what, c.mcu, c.total)
}

// offset is the file's offset of a position in the loaded data: a stuffed zero
// lies behind each 0xFF before it.
func (c *cursor) offset(pos int) int {
	n := min(pos, len(c.data)-pad)
	off := c.from + n
	for _, b := range c.data[:n] {
		if b == 0xFF {
			off++
		}
	}
	return off
}
