//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package aside

import (
	"errors"
	"os"
)

func openLock(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
}

// tryLock has no locks on this system.
func tryLock(*os.File) error { return errors.ErrUnsupported }

func release(f *os.File) error { return f.Close() }
