package jpeg

import (
	"encoding/binary"
	"math/bits"
)

// codeTable has the codes of one of the standard's tables, with room for the
// value that follows one: by run and by how many of 32 bits the value leaves
// free, code<<(6+bits of the value) | bits of both. The value can be ored in
// once the length is shifted out.
type codeTable [16][64]uint32

// The codes by class, luma and chroma.
var dcCodes, acCodes = codeTables(usualDC), codeTables(usualAC)

func codeTables(defs [2]string) (t [2]codeTable) {
	for i, def := range defs {
		code, at := uint32(0), 16
		for length, n := range []byte(def[:16]) {
			for range n {
				run, size := def[at]>>4, uint32(def[at]&15)
				t[i][run][32-size] = code<<(6+size) | (uint32(length) + 1 + size)
				code, at = code+1, at+1
			}
			code <<= 1
		}
	}
	return t
}

// coder writes Huffman codes. The word's lowest 64-free bits are still to be
// written, the latest lowest; what is above them is done with.
type coder struct {
	word uint64
	free int64
	pred [3]int32 // DC values before
}

// unitComp is the component of each of an MCU's blocks.
var unitComp = [unitBlocks]uint8{0, 0, 0, 0, 1, 2}

func (w *coder) start() { *w = coder{free: 64} }

// emit writes an MCU to dst, which has worstUnit bytes, and returns how many it
// took.
func (w *coder) emit(dst []byte, u *unit, plain bool) int {
	if haveSIMD && !plain {
		return emitUnit(w, &dst[:worstUnit][0], u)
	}
	n := 0
	for i := range u.coefs {
		n += w.block(dst[n:], &u.coefs[i], u.some[i], unitComp[i])
	}
	return n
}

// block writes one block and returns how many bytes went to dst.
func (w *coder) block(dst []byte, coefs *[64]int16, some uint64, comp uint8) int {
	n, t := 0, min(comp, 1)
	v := int32(coefs[0])
	n += w.put(dst, &dcCodes[t], 0, v-w.pred[comp])
	w.pred[comp] = v
	next := 1
	for some &^= 1; some != 0; some &= some - 1 {
		k := bits.TrailingZeros64(some)
		run := k - next
		for ; run > 15; run -= 16 {
			n += w.put(dst[n:], &acCodes[t], 15, 0)
		}
		n += w.put(dst[n:], &acCodes[t], run, int32(coefs[k]))
		next = k + 1
	}
	if next < 64 {
		n += w.put(dst[n:], &acCodes[t], 0, 0)
	}
	return n
}

// put writes a run's and a value's code and the value; 0 has no bits.
func (w *coder) put(dst []byte, t *codeTable, run int, v int32) int {
	// Negative values are written less 1: so their highest bit is 0.
	v += v >> 31
	lead := bits.LeadingZeros32(uint32(v ^ v>>31))
	e := t[run][lead]
	sym := uint64(e>>6 | uint32(v)&(1<<(32-lead)-1))
	n := int64(e & 63)
	if w.free -= n; w.free >= 0 {
		w.word = w.word<<n | sym
		return 0
	}
	over := -w.free
	full := w.word<<(n-over) | sym>>over
	w.word, w.free = sym, 64-over
	return putWord(dst, full)
}

// putWord writes 8 bytes, a zero after each 0xFF.
func putWord(dst []byte, word uint64) int {
	if (word&^(word+0x0101010101010101))&0x8080808080808080 == 0 {
		binary.BigEndian.PutUint64(dst, word)
		return 8
	}
	n := 0
	for range 8 {
		dst[n] = byte(word >> 56)
		if n++; dst[n-1] == 0xFF {
			dst[n] = 0
			n++
		}
		word <<= 8
	}
	return n
}

// end fills the last byte up with ones and appends what is left.
func (w *coder) end(dst []byte) []byte {
	left := uint(64 - w.free)
	fill := -left & 7
	word := w.word<<fill | (1<<fill - 1)
	for left += fill; left > 0; {
		left -= 8
		b := byte(word >> left)
		if dst = append(dst, b); b == 0xFF {
			dst = append(dst, 0)
		}
	}
	return dst
}
