//go:build !purego

package rgb

import "golang.org/x/sys/cpu"

var haveAVX2 = cpu.X86.HasAVX2

// colourWords holds what colourRow works with: six vectors of words, then for
// each 16 of 48 bytes the places of red, green and blue.
//
//lint:ignore U1000 the assembly reads it
var colourWords = func() (t [192 + 144]byte) {
	for i, w := range [6][2]int32{{128, 128}, {26345, 26345}, {-14942, -14942}, {-22554, 18734}, {-1 << 15, 0}, {1, 1}} {
		for j := 0; j < 32; j += 4 {
			t[32*i+j], t[32*i+j+1] = byte(w[0]), byte(w[0]>>8)
			t[32*i+j+2], t[32*i+j+3] = byte(w[1]), byte(w[1]>>8)
		}
	}
	for i := range 3 { // 16 bytes of the result
		for c := range 3 {
			for j := range 16 {
				at := byte(0x80) // nothing
				if k := 16*i + j; k%3 == c {
					at = byte(k / 3)
				}
				t[192+48*i+16*c+j] = at
			}
		}
	}
	return t
}()

// These take rows of n samples, 16 or more.

//go:noescape
func sumRows(dst *uint16, near, far *byte, n int)

//go:noescape
func widenRow(dst *uint16, src *byte, n int)

//go:noescape
func doubleRow(dst *byte, src *uint16, n int, even, odd uint16, shift uint64)

//go:noescape
func colourRow(dst, y, cb, cr *byte, n int)
