package mmap

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// reserve gives f its size and takes the space on disk. A file system that
// can't do that gets a file with holes.
func reserve(f *os.File, size int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), 0, 0, size)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
			return f.Truncate(size)
		}
		return err
	}
}
