// Package bypass moves bytes past the processor's caches, where it can: to
// memory that nobody reads soon. A store through the caches reads the line that
// it overwrites and drives out another; these do neither, but what they wrote
// comes from memory when it is read.
package bypass

// Least is the size below which the caches are as good: the lines at both ends,
// written in part only, and the fence cost more than the rest gains.
const Least = 4 << 10

// Copy is copy for many bytes: dst and src don't overlap. What it wrote is seen
// by other goroutines under the same rules as what copy wrote. A fault of src is
// a panic where one of copy is.
func Copy(dst, src []byte) int {
	n := min(len(dst), len(src))
	if !fast || n < Least {
		return copy(dst, src)
	}
	head := toLine(&dst[0])
	copy(dst[:head], src)
	lines := (n - head) &^ (lineBytes - 1)
	copyLines(dst[head:head+lines], src[head:head+lines])
	copy(dst[head+lines:n], src[head+lines:n])
	return n
}

// Clear is clear for many bytes.
func Clear(dst []byte) {
	if !fast || len(dst) < Least {
		clear(dst)
		return
	}
	head := toLine(&dst[0])
	clear(dst[:head])
	lines := (len(dst) - head) &^ (lineBytes - 1)
	clearLines(dst[head : head+lines])
	clear(dst[head+lines:])
}
