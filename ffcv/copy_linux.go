package ffcv

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// copyFileRange copies up to n bytes inside the kernel, which shares them where
// the file system can. 0 says that it cannot, or that there are none.
func copyFileRange(to *os.File, toOff int64, from *os.File, fromOff, n int64) (done int64, err error) {
	toConn, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	fromConn, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	ctlErr := toConn.Control(func(toFd uintptr) {
		fromErr := fromConn.Control(func(fromFd uintptr) {
			for {
				var m int
				m, err = unix.CopyFileRange(int(fromFd), &fromOff, int(toFd), &toOff, int(min(n, math.MaxInt32)), 0)
				if done = int64(max(m, 0)); !errors.Is(err, unix.EINTR) {
					return
				}
			}
		})
		err = errors.Join(err, fromErr)
	})
	switch {
	case ctlErr != nil:
		return 0, ctlErr
	case err == nil:
		return done, nil
	}
	// What the call is not for, by kernel and file system; a failing disk tells
	// itself when the bytes are copied otherwise.
	for _, cannot := range []error{unix.ENOSYS, unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP, unix.EPERM, unix.EIO, unix.EISDIR, unix.ETXTBSY} {
		if errors.Is(err, cannot) {
			return 0, nil
		}
	}
	return 0, err
}
