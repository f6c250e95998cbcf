//go:build unix

package engine

import (
	"errors"

	"golang.org/x/sys/unix"
)

// exists tells whether there is a process.
func exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }

// exhausted tells errors for want of descriptors, which pass.
func exhausted(err error) bool { return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) }
