//go:build amd64 && !purego

package zarr

import "golang.org/x/sys/cpu"

var fast = cpu.X86.HasAVX2

// They take n elements, a multiple of 32 and not none, of planes of plane bytes.
//
//go:noescape
func shuffle4AVX2(dst, src *byte, n, plane int)

//go:noescape
func unshuffle4AVX2(dst, src *byte, n, plane int)

// lanes4 shuffles as many of n elements of four bytes as the assembly takes, and
// returns how many those are.
func lanes4(dst, src []byte, n int, back bool) int {
	k := n &^ 31
	switch {
	case !fast || k == 0:
		return 0
	case back:
		unshuffle4AVX2(&dst[0], &src[0], k, n)
	default:
		shuffle4AVX2(&dst[0], &src[0], k, n)
	}
	return k
}
