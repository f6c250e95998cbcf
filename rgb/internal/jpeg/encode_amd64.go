//go:build !purego

package jpeg

// encodeWords holds what encode_amd64.s works with, in vectors of 32 bytes
// that are two of 16. First the colours' weights, for words that are red and
// green and such that are blue and green, and their rounding terms; then the
// transform's; then the bytes of each row of coefficients that make up 8 in
// coding order, rows that have none left out.
//
//lint:ignore U1000 the assembly reads it
var encodeWords = func() (t [14 + 14 + 36][32]byte) {
	words := func(at int, list ...int16) {
		for j := range 16 {
			v := uint16(list[j%len(list)])
			t[at][2*j], t[at][2*j+1] = byte(v), byte(v>>8)
		}
	}
	for i, list := range [][]int16{
		{19595, 22086}, {7471, 16384}, // luma
		{11059, 21709}, {-32768, 0}, // 128 less blue's difference
		{-32768, 27439}, {5329, 0}, // 128 less red's
		{-32768, 0}, {32767, 128}, // a half; the middle and almost a half
		{1, 1}, {1, 0, 2, 0},
	} {
		words(i, list...)
	}
	// From bytes of 8 pixels, 0 to 15 of 24, to words of the first 4; from 8 to
	// 23 of 24 to those of the last 4.
	for lane := 0; lane < 32; lane += 16 {
		for px := range 4 {
			for i, from := range [4]int{0, 4, 2, 6} {
				to := t[10+i][lane+4*px:][:4]
				to[0], to[1], to[2], to[3] = byte(from+3*px), 0x80, byte(from+3*px+1), 0x80
				if i >= 2 { // blue, then green
					to[2] = byte(from + 3*px - 1)
				}
			}
		}
	}
	for i, list := range [][]int16{
		{10703, 4433}, {4433, -10704},
		{2260, 6437}, {9633, 11363},
		{-6436, -11362}, {-2259, 9633},
		{9633, 2261}, {-11362, 6437},
		{-11363, 9633}, {-6436, 2260},
		{1 << (constBits - passBits - 1), 0}, {1 << (constBits + passBits - 1), 0},
		{1 << (passBits - 1)}, {128},
	} {
		words(14+i, list...)
	}
	at := 28
	for k := 0; k < 64; k += 8 {
		for row := range 8 {
			some := false
			for j := range 32 {
				n := int(zigzag[k+j%16/2])
				t[at][j] = 0x80
				if n/8 == row {
					t[at][j], some = byte(2*(n%8)+j%2), true
				}
			}
			if some {
				at++
			}
		}
	}
	return t
}()

// convertRows converts n times 16x2 pixels, see convertGo.
//
//go:noescape
func convertRows(luma *byte, stride int, chroma, upper, lower *byte, n int)

// fdctPair is fdctGo for two blocks whose rows lie beside each other.
//
//go:noescape
func fdctPair(src *byte, stride int, q *quantiser, dst *[2][64]int16, some *[2]uint64)

// emitUnit is coder.block for each block of an MCU.
//
//go:noescape
func emitUnit(w *coder, dst *byte, u *unit) int
