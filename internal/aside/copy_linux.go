package aside

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// copyRange copies as far as the system does it. That it doesn't, for these
// files or at all, is no error.
func copyRange(to *os.File, at int64, from *os.File, off, n int64) (done int64, err error) {
	in, err := from.SyscallConn()
	if err != nil {
		return 0, err
	}
	out, err := to.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = in.Control(func(rfd uintptr) {
		failed = out.Control(func(wfd uintptr) {
			for done < n {
				r, w := off+done, at+done
				k, err := unix.CopyFileRange(int(rfd), &r, int(wfd), &w, int(min(n-done, 1<<30)), 0)
				if errors.Is(err, unix.EINTR) {
					continue
				}
				if err != nil || k <= 0 {
					return // an error that stays is found by reading and writing
				}
				done += int64(k)
			}
		})
	})
	return done, errors.Join(err, failed)
}

// begin has the system begin to bring n bytes of a file to disk, so that the
// sync at the end has less to wait for. It may do nothing.
func begin(f *os.File, at, n int64) {
	if c, err := f.SyscallConn(); err == nil {
		c.Control(func(fd uintptr) { unix.SyncFileRange(int(fd), at, n, unix.SYNC_FILE_RANGE_WRITE) })
	}
}
