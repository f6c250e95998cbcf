//go:build amd64 && !purego

package fields

//go:noescape
func unshuffle2SSE(dst, src *byte, n, stride int)

//go:noescape
func unshuffle4SSE(dst, src *byte, n, stride int)

//go:noescape
func unshuffle8SSE(dst, src *byte, n, stride int)

// unshuffleMost puts as many elements together as the assembly takes, and returns
// their number. dst and src are as long as each other, a multiple of width.
func unshuffleMost(dst, src []byte, width int) int {
	n := len(src) / width
	most := n &^ 15
	if most == 0 {
		return 0
	}
	_ = dst[:n*width]
	switch width {
	case 2:
		unshuffle2SSE(&dst[0], &src[0], most, n)
	case 4:
		unshuffle4SSE(&dst[0], &src[0], most, n)
	default:
		unshuffle8SSE(&dst[0], &src[0], most, n)
	}
	return most
}
