//go:build unix

package engine

import "golang.org/x/sys/unix"

// exists tells whether there is a process.
func exists(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }
