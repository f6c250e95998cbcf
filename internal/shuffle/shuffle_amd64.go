//go:build !purego

package shuffle

import "golang.org/x/sys/cpu"

// fast says whether the processor has AVX2. SSE2 all of them have.
var fast = cpu.X86.HasAVX2

// The assembly takes the first n elements, not none: a multiple of 32 the one that
// is called AVX2, of 16 the others, which AVX2 makes no faster once the bytes come
// from beyond the first cache. The bytes of each kind lie plane bytes apart.
//
//go:noescape
func apart4AVX2(dst, src *byte, n, plane int)

//go:noescape
func together2SSE(dst, src *byte, n, plane int)

//go:noescape
func together4SSE(dst, src *byte, n, plane int)

//go:noescape
func together8SSE(dst, src *byte, n, plane int)

// apartMost takes as many of n elements apart as the assembly does, and returns
// their number.
func apartMost(dst, src []byte, size, n int) int {
	most := n &^ 31
	if size != 4 || most == 0 || !fast {
		return 0
	}
	_, _ = dst[:n*size], src[:n*size]
	apart4AVX2(&dst[0], &src[0], most, n)
	return most
}

// togetherMost puts as many of n elements together as the assembly does, and
// returns their number.
func togetherMost(dst, src []byte, size, n int) int {
	most := n &^ 15
	if most == 0 {
		return 0
	}
	_, _ = dst[:n*size], src[:n*size]
	switch size {
	case 2:
		together2SSE(&dst[0], &src[0], most, n)
	case 4:
		together4SSE(&dst[0], &src[0], most, n)
	case 8:
		together8SSE(&dst[0], &src[0], most, n)
	default:
		return 0
	}
	return most
}
