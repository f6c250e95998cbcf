//go:build unix

package regular

import "golang.org/x/sys/unix"

// noWait keeps an open from waiting for a pipe's writer, and from making a
// terminal the process's own. Regular files know neither.
const noWait = unix.O_NONBLOCK | unix.O_NOCTTY
