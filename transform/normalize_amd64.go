//go:build amd64 && !purego

package transform

import (
	"golang.org/x/sys/cpu"

	"github.com/betongo/betongo/rgb"
)

// fast says that the assembly can run. Every processor with AVX2 that was built
// has conversions to 16-bit floats too; asking costs little.
var fast = cpu.X86.HasAVX2 && f16c()

// f16c is the processor's word on 16-bit floats.
func f16c() bool

// The kernels make n numbers, a multiple of 24, by the line at l.
//
//go:noescape
func lineFloat32AVX2(dst, src *byte, n int, l *line)

//go:noescape
func lineFloat16AVX2(dst, src *byte, n int, l *line)

//go:noescape
func lineBFloat16AVX2(dst, src *byte, n int, l *line)

// write makes numbers of values, a multiple of 24 of them and not none.
func (l *line) write(kind rgb.PixelType, dst, src []byte) {
	_ = dst[kind.Size()*len(src)-1]
	switch kind {
	case rgb.Float32:
		lineFloat32AVX2(&dst[0], &src[0], len(src), l)
	case rgb.Float16:
		lineFloat16AVX2(&dst[0], &src[0], len(src), l)
	default:
		lineBFloat16AVX2(&dst[0], &src[0], len(src), l)
	}
}
