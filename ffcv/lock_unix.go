//go:build linux || darwin

package ffcv

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockDir keeps other processes that call it for the same folder out until
// unlock, without leaving a file. Where that can't be had (some network file
// systems), or takes longer than such a hold can, it does nothing.
func lockDir(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
			return func() { d.Close() } // with the last descriptor goes the lock
		}
	}
}
