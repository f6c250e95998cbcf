package hdf5

import "encoding/binary"

const (
	adlerMod = 65521
	// As many words of eight bytes as sums of sums of bytes fit 16 bits for.
	adlerWords = 22
	evenBytes  = 0x00ff00ff00ff00ff
)

// adler32 is zlib's sum of b, four times as fast as hash/adler32: bytes are
// added in four lanes of a word at a time. It is most of what gzip takes besides
// packing.
func adler32(b []byte) uint32 {
	s1, s2 := uint64(1), uint64(0)
	for len(b) >= 8*adlerWords {
		// Even and odd bytes by themselves: their sums, and the sums of those
		// sums before each word, which say how often a word counts for s2.
		var even, odd, evens, odds uint64
		block := b[:8*adlerWords]
		for i := 0; i < len(block); i += 8 {
			v := binary.LittleEndian.Uint64(block[i:])
			evens += even
			odds += odd
			even += v & evenBytes
			odd += v >> 8 & evenBytes
		}
		s2 += 8 * adlerWords * s1
		var sum, sums uint64
		for lane := range uint64(4) {
			e, o := even>>(16*lane)&0xffff, odd>>(16*lane)&0xffff
			sum += e + o
			sums += evens>>(16*lane)&0xffff + odds>>(16*lane)&0xffff
			s2 += (8-2*lane)*e + (7-2*lane)*o
		}
		s1 = (s1 + sum) % adlerMod
		s2 = (s2 + 8*sums) % adlerMod
		b = b[len(block):]
	}
	for _, c := range b {
		s1 += uint64(c)
		s2 += s1
	}
	return uint32(s2%adlerMod<<16 | s1%adlerMod)
}
