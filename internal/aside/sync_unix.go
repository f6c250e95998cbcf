//go:build unix

package aside

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// SyncDir makes a rename in dir outlive a crash of the machine. A file system
// that can't sync a folder has nothing to sync.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, os.ErrPermission) {
		return nil // a folder that may be written, but not read
	}
	if err != nil {
		return err
	}
	defer d.Close()
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EBADF) {
		return nil
	}
	return err
}
