package engine

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// WithParent calls died, once, when the process pid has ended, at once if there
// is none; by a goroutine that the function it returns ends and waits for.
func WithParent(pid int, died func()) (stop func()) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	if err == unix.EINVAL { // Linux before 5.10 knows no flag
		if fd, err = unix.PidfdOpen(pid, 0); err == nil {
			unix.SetNonblock(fd, true)
		}
	}
	if err == unix.ESRCH {
		died()
		return func() {}
	}
	if err != nil {
		return pollParent(pid, died)
	}
	f := os.NewFile(uintptr(fd), "parent")
	raw, err := f.SyscallConn()
	if err == nil {
		err = f.SetReadDeadline(time.Time{}) // fails where it can't be waited for
	}
	if err != nil {
		f.Close()
		return pollParent(pid, died)
	}
	var ended sync.WaitGroup
	ended.Add(1)
	go func() { // ends with the process, or when f is closed
		defer ended.Done()
		asked := false
		err := raw.Read(func(uintptr) bool { // a pidfd becomes readable when the process ends
			first := !asked
			asked = true
			return !first || dead(fd)
		})
		if err == nil {
			died()
		}
	}()
	return func() {
		f.Close()
		ended.Wait()
	}
}

// dead tells whether a pidfd's process has ended.
func dead(fd int) bool {
	list := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(list, 0)
	return err == nil && n == 1
}
