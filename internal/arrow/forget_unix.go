//go:build unix

package arrow

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forget gives back the whole pages within bytes of a file's read-only map. It is
// a hint: nothing read depends on it.
func forget(b []byte) {
	page := uintptr(os.Getpagesize())
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	skip := int(-at & (page - 1))
	if skip >= len(b) {
		return
	}
	b = b[skip:]
	if n := len(b) &^ int(page-1); n > 0 {
		_ = unix.Madvise(b[:n], unix.MADV_DONTNEED)
	}
}
