package mmap

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives f its size and takes the space on disk. A file system that
// can't do that gets a file with holes.
func reserve(f *os.File, size int64) error {
	err := unix.FcntlFstore(f.Fd(), unix.F_PREALLOCATE, &unix.Fstore_t{
		Flags:   unix.F_ALLOCATEALL,
		Posmode: unix.F_PEOFPOSMODE,
		Length:  size,
	})
	if errors.Is(err, unix.ENOSPC) {
		return err
	}
	return f.Truncate(size)
}
