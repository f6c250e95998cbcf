package ffcv

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// insertRange shifts the file's bytes from off on by n without copying them,
// on file systems that can (ext4, XFS). done is false when nothing happened.
func insertRange(f file, off, n int64) (done bool, err error) {
	osFile, ok := f.(*os.File)
	if !ok {
		return false, nil
	}
	conn, err := osFile.SyscallConn()
	if err != nil {
		return false, err
	}
	ctlErr := conn.Control(func(fd uintptr) {
		for {
			if err = unix.Fallocate(int(fd), unix.FALLOC_FL_INSERT_RANGE, off, n); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	})
	switch {
	case ctlErr != nil:
		return false, ctlErr
	case err == nil:
		return true, nil
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM):
		return false, nil
	}
	return false, &os.PathError{Op: "insert a range into", Path: osFile.Name(), Err: err}
}
