//go:build unix

package npk

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes a pack for editing: its folder is locked, which ends with the
// process at the latest. A pack that is locked is errBusy.
func lock(dir string) (unlock func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return nil, errors.Join(errBusy, d.Close())
	case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EINVAL):
		// A file system without locks.
	case err != nil:
		return nil, errors.Join(err, d.Close())
	}
	mine, err := d.Stat()
	if err == nil {
		var there fs.FileInfo
		if there, err = os.Stat(dir); errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(mine, there) {
			err = errBusy // another pack took its place meanwhile
		}
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d.Close, nil
}

// syncDir makes changes of names in a folder outlive a crash of the machine,
// where the file system can.
func syncDir(dir string) error {
	d, err := os.Open(dir)
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
