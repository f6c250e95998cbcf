//go:build amd64 && !purego

package bypass

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// fast says that the assembly can run.
var fast = cpu.X86.HasAVX2

// lineBytes is what the assembly writes at a time: two of the processor's
// lines.
const lineBytes = 128

// toLine is the number of bytes from p to where the assembly can begin.
func toLine(p *byte) int { return int(-uintptr(unsafe.Pointer(p)) & 63) }

//go:noescape
func copyAVX2(dst, src *byte, n int)

//go:noescape
func clearAVX2(dst *byte, n int)

// copyLines copies a multiple of lineBytes, not none, to where a line begins.
func copyLines(dst, src []byte) {
	_ = src[len(dst)-1]
	copyAVX2(&dst[0], &src[0], len(dst))
}

// clearLines clears a multiple of lineBytes, not none, from where a line begins.
func clearLines(dst []byte) { clearAVX2(&dst[0], len(dst)) }
