//go:build linux || darwin

package engine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

var pageSize = os.Getpagesize()

// mapShared maps a file of that size, unless there is an error already. Where
// there is one it closes the file.
func mapShared(f *os.File, size int, err error) ([]byte, *os.File, error) {
	var b []byte
	if err == nil {
		b, err = unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		err = os.NewSyscallError("mmap", err)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("engine: %d bytes of shared memory: %w", size, err)
	}
	return b, f, nil
}

// unmap undoes the map of newSegment.
func unmap(b []byte) error { return os.NewSyscallError("munmap", unix.Munmap(b)) }
