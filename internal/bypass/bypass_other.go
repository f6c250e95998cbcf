//go:build !amd64 || purego

package bypass

// There is no assembly here: copy and clear do it.
const (
	fast      = false
	lineBytes = 1
)

func toLine(*byte) int { return 0 }

func copyLines(dst, src []byte) { copy(dst, src) }

func clearLines(dst []byte) { clear(dst) }
