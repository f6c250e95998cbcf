package jpeg

import "encoding/binary"

// maxBlocks is how many blocks an MCU may have, by the standard and libjpeg.
const maxBlocks = 10

// mcu holds the quantised coefficients of one MCU, block after block, in
// natural order, with one block to spare so that the transform may always work
// on pairs.
type mcu [maxBlocks + 1][64]int16

// block is one block of the MCU as the entropy decoder sees it.
type block struct {
	comp int
	dc   *dcTable
	ac   *acTable
}

// entropy decodes MCUs in order. What is wrong with them is gathered in bad,
// which costs the inner loops nothing; the callers look at it once an MCU or
// row.
type entropy struct {
	reader
	blocks []block
	pred   [3]int32 // DC predictors
	bad    uint
	asm    bool
}

const (
	badRun  = 64 // last coefficients at 64 to 78 have this bit
	badCode = 256
	badDC   = 512 // and higher bits
)

// skip decodes n MCUs for the reader's and the predictors' sake only.
func (d *entropy) skip(n int) {
	for range n {
		for i := range d.blocks {
			b := &d.blocks[i]
			d.nextDC(b)
			d.skipAC(b.ac)
		}
	}
}

// next decodes one MCU into m. lasts receives, for each block, at least the
// coding position of its last coefficient, 0 if there is only DC.
func (d *entropy) next(m *mcu, lasts *[maxBlocks + 1]uint8) {
	if d.asm {
		d.nextAsm(m, lasts)
		return
	}
	for i := range d.blocks {
		b := &d.blocks[i]
		m[i] = [64]int16{}
		m[i][0] = d.nextDC(b)
		d.finish(m, lasts, i, d.acGo(b.ac, &m[i]))
	}
}

// finish notes a block's last coefficient.
func (d *entropy) finish(m *mcu, lasts *[maxBlocks + 1]uint8, i int, last uint) {
	d.bad |= last & badRun
	if last == 1 && m[i][1] == 0 {
		last = 0
	}
	lasts[i] = uint8(last)
}

// nextAsm is next with its loops in assembly, but for the rarest codes.
func (d *entropy) nextAsm(m *mcu, lasts *[maxBlocks + 1]uint8) {
	i, k, last := uint(0), uint(0), uint(0)
	for {
		i, k, last = mcuLoop(d, m, lasts, i, k, last)
		if i >= uint(len(d.blocks)) {
			return
		}
		b := &d.blocks[i]
		if k == 0 {
			m[i][0] = d.nextDC(b)
			k = 1
			continue
		}
		if k, last = d.symbolAC(b.ac, &m[i], k, last); k < 64 {
			continue
		}
		d.finish(m, lasts, int(i), last)
		if i, k, last = i+1, 0, 0; i == uint(len(d.blocks)) {
			return
		}
	}
}

// symbolAC decodes one symbol at k the long way; k comes back as 64 or more at
// the block's end.
func (d *entropy) symbolAC(t *acTable, coefs *[64]int16, k, last uint) (kOut, lastOut uint) {
	l, sym := t.symbol(d.word)
	size := uint(sym & 15)
	v := extend(d.word<<(l&63), size)
	d.word <<= (l + size) & 63
	d.n -= l + size
	if sym == 0 {
		if l == 0 {
			d.bad |= badCode
		}
		return 64, last
	}
	if k += uint(sym >> 4); k < 64 {
		coefs[zigzag[k]&63] = int16(v)
	}
	return k + 1, k
}

// nextDC reads a block's DC coefficient. One that leaves 16 bits is bad.
func (d *entropy) nextDC(b *block) int16 {
	d.fill()
	e := b.dc.fast[d.word>>(64-dcLookup)]
	var diff int32
	if e&dcSlow == 0 {
		d.word <<= e & 63
		d.n -= uint(e & 63)
		diff = int32(e) >> 16
	} else {
		l, size := uint(e&63), uint(e>>16)
		if l == 0 {
			var sym byte
			l, sym = b.dc.symbol(d.word)
			if size = uint(sym & 15); l == 0 {
				d.bad |= badCode
			}
		}
		diff = extend(d.word<<(l&63), size)
		d.word <<= (l + size) & 63
		d.n -= l + size
	}
	v := d.pred[b.comp] + diff
	d.pred[b.comp] = v
	d.bad |= uint(uint32(v+1<<15)>>16) << 9
	return int16(v)
}

// acGo decodes a block's other coefficients and returns where the last one is.
// The state lives in locals: this loop is half of the decoder's time: a chain
// of shift, load, shift.
func (d *entropy) acGo(t *acTable, coefs *[64]int16) uint {
	data, pos, word, n := d.data, d.pos, d.word, d.n
	end := len(data) - 8
	k, last := uint(1), uint(0)
	for k < 64 {
		if n < 32 {
			if pos > end {
				pos = end
			}
			word |= binary.BigEndian.Uint64(data[pos:]) >> (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e := t.fast[word>>(64-lookup)]
		need := uint(e>>8) & 255
		if k+need < 64 {
			word <<= e & 63
			n -= uint(e & 63)
			k1 := k + uint(e>>16)&255
			last = k1 + uint(e>>24)&255
			coefs[zigzag[k1&127]&63] = int16(e >> 32)
			coefs[zigzag[last&127]&63] = int16(e >> 48)
			k += need + 1 + uint(e&eob)
			continue
		}
		l, run, size := t.long(word, e)
		if run|size == 0 {
			if l == 0 {
				d.bad |= badCode
			}
			word <<= l & 63
			n -= l
			break
		}
		k += run
		last = k
		if k < 64 {
			coefs[zigzag[k&63]&63] = int16(extend(word<<(l&63), size))
		}
		word <<= (l + size) & 63
		n -= l + size
		k++
	}
	d.pos, d.word, d.n = pos, word, n
	return last
}

// skipAC is acGo without the coefficients.
func (d *entropy) skipAC(t *acTable) {
	data, pos, word, n := d.data, d.pos, d.word, d.n
	end := len(data) - 8
	for k := uint(1); k < 64; {
		if n < 32 {
			if pos > end {
				pos = end
			}
			word |= binary.BigEndian.Uint64(data[pos:]) >> (n & 63)
			pos += int((63 - n) >> 3)
			n |= 56
		}
		e := t.fast[word>>(64-lookup)]
		need := uint(e>>8) & 255
		if k+need < 64 {
			word <<= e & 63
			n -= uint(e & 63)
			k += need + 1 + uint(e&eob)
			continue
		}
		l, run, size := t.long(word, e)
		word <<= (l + size) & 63
		n -= l + size
		if run|size == 0 {
			if l == 0 {
				d.bad |= badCode
			}
			break
		}
		k += run
		d.bad |= k & badRun
		k++
	}
	d.pos, d.word, d.n = pos, word, n
}
