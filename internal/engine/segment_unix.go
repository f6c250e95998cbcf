//go:build linux || darwin

package engine

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

var pageSize = os.Getpagesize()

// mapShared maps a file of that size, huge from where a huge page begins, unless
// there is an error already. Where there is one it closes the file.
func mapShared(f *os.File, size int, huge bool, err error) ([]byte, *os.File, error) {
	var at, p unsafe.Pointer
	flags := unix.MAP_SHARED
	if err == nil && huge {
		if room, e := reserve(size); e == nil { // else it lies anywhere
			at, flags = room, flags|unix.MAP_FIXED
		}
	}
	if err == nil {
		p, err = unix.MmapPtr(int(f.Fd()), 0, at, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, flags)
		err = os.NewSyscallError("mmap", err)
	}
	if err != nil {
		if at != nil {
			unix.MunmapPtr(at, uintptr(size))
		}
		f.Close()
		return nil, nil, fmt.Errorf("engine: %d bytes of shared memory: %w", size, err)
	}
	return unsafe.Slice((*byte)(p), size), f, nil
}

// unmap undoes the map of newSegment.
func unmap(b []byte) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(b)), uintptr(len(b))))
}
