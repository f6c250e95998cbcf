//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package aside

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// openLock opens the lock file, and makes it. Neither a link is followed nor a
// pipe waited for.
func openLock(name string) (*os.File, error) {
	const flags = unix.O_NOFOLLOW | unix.O_NONBLOCK
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|flags, 0o666)
	if errors.Is(err, fs.ErrPermission) {
		// Another user's: enough to see whether he lives. If not, it goes away.
		old, err2 := os.OpenFile(name, os.O_RDONLY|flags, 0)
		if err2 != nil {
			return nil, err
		}
		if errors.Is(tryLock(old), ErrHeld) {
			return old, nil
		}
		err2 = os.Remove(name)
		old.Close()
		if err2 != nil {
			return nil, err
		}
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|flags, 0o666)
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, &fs.PathError{Op: "lock", Path: name, Err: errors.Join(errors.New("not a regular file"), err)}
	}
	return f, nil
}

// tryLock is ErrHeld where another has the lock, errors.ErrUnsupported where
// the file system has none.
func tryLock(f *os.File) error {
	for {
		switch err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EINVAL):
			return errors.ErrUnsupported
		default:
			return err
		}
	}
}

// release removes the name while the lock is held: who has the old file open
// finds that it has no name, and who comes later makes a new one.
func release(f *os.File) error {
	name := f.Name()
	var err error
	if named(f, name) {
		err = os.Remove(name)
	}
	return errors.Join(err, f.Close())
}
