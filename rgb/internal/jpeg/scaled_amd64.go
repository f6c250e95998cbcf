//go:build !purego

package jpeg

// halfPairs holds what scaled_amd64.s works with: half's constants as the 16-bit
// pairs of pmaddwd, the two passes' rounding terms, with the pixels' 128 in the
// second, and two orders of bytes.
//
//lint:ignore U1000 the assembly reads it
var halfPairs = func() (t [10][16]int16) {
	pairs := [6][2]int16{
		{1 << (constBits + 1), 0}, {15137, -6270},
		{20995, 7373}, {-4926, -4176}, // inputs 1, 3 and 5, 7, for outputs 0 and 3
		{8697, -17799}, {11893, -1730}, // for outputs 1 and 2
	}
	for i, p := range pairs {
		for j := 0; j < 16; j += 2 {
			t[i][j], t[i][j+1] = p[0], p[1]
		}
	}
	const round = 1<<(constBits+passBits+3) + 128<<(constBits+passBits+4)
	for j := 0; j < 16; j += 2 { // little-endian 32-bit
		t[6][j] = 1 << (constBits - passBits)
		t[7][j], t[7][j+1] = round&0xFFFF, round>>16
	}
	for i, word := range [8]int16{0, 0, 2, 6, 1, 3, 5, 7} {
		t[8][i] = (2*word+1)<<8 | 2*word
	}
	for i := range int16(8) { // bytes 0 4 8 12, 1 5 9 13, ...
		first := 8*(i%2) + i/2
		t[9][i] = (first+4)<<8 | first
	}
	for i := 8; i < 16; i++ {
		t[8][i], t[9][i] = t[8][i-8], t[9][i-8]
	}
	return t
}()

// idctHalfPair is idctHalf for two blocks.
//
//go:noescape
func idctHalfPair(coefs *[2][64]int16, quant *quantPair, dst0 *byte, stride0 int, dst1 *byte, stride1 int)
