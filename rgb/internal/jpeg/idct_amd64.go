//go:build !purego

package jpeg

import "golang.org/x/sys/cpu"

var haveSIMD = cpu.X86.HasAVX2 && cpu.X86.HasBMI1 && cpu.X86.HasBMI2

// basisPairs holds what idct_amd64.s multiplies with: basis's constants as
// the 16-bit pairs of pmaddwd, eight times over, then the two passes' rounding
// terms and the bias of the pixels.
//
//lint:ignore U1000 the assembly reads it
var basisPairs = func() (t [15][16]int16) {
	pairs := [12][2]int16{
		{8192, 8192}, {8192, -8192}, // inputs 0, 4
		{10703, 4433}, {4433, -10704}, // 2, 6
		{11363, 9633}, {6437, 2260}, // 1, 3 and 5, 7, for each odd sum
		{9633, -2259}, {-11362, -6436},
		{6437, -11362}, {2261, 9633},
		{2260, -6436}, {9633, -11363},
	}
	for i, p := range pairs {
		for j := 0; j < 16; j += 2 {
			t[i][j], t[i][j+1] = p[0], p[1]
		}
	}
	for j := 0; j < 16; j += 2 { // little-endian 32-bit
		t[12][j] = 1 << (constBits - passBits - 1)
		t[13][j+1] = 1 << (constBits + passBits + 3 - 1 - 16)
	}
	for j := range 16 {
		t[14][j] = -0x7F80 // bytes 0x80
	}
	return t
}()

// idctPair dequantises and transforms two blocks.
//
//go:noescape
func idctPair(coefs *[2][64]int16, quant *quantPair, dst0 *byte, stride0 int, dst1 *byte, stride1 int)
