//go:build !amd64 || purego

package shuffle

// They do nothing: there is no assembly here.
func apartMost(dst, src []byte, size, n int) int    { return 0 }
func togetherMost(dst, src []byte, size, n int) int { return 0 }
