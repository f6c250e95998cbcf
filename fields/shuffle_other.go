//go:build !amd64 || purego

package fields

// unshuffleMost does nothing: there is no assembly here.
func unshuffleMost(dst, src []byte, width int) int { return 0 }
