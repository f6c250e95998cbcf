//go:build !purego

package hdf5

// unshuffle4x16 puts elements of four bytes together, whose first bytes are in
// a, second in b and so on, n of each, a multiple of 16. SSE2 is enough for it,
// which all of these processors have.
//
//go:noescape
func unshuffle4x16(dst, a, b, c, d *byte, n int)

// unshuffle4 puts as many elements together as it is fast for, and tells how
// many.
func unshuffle4(dst, a, b, c, d []byte) int {
	n := len(a) &^ 15
	if n == 0 {
		return 0
	}
	_, _, _, _, _ = dst[4*n-1], a[n-1], b[n-1], c[n-1], d[n-1] // all are as long
	unshuffle4x16(&dst[0], &a[0], &b[0], &c[0], &d[0], n)
	return n
}
