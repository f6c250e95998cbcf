//go:build unix

package regular

import (
	"os"

	"golang.org/x/sys/unix"
)

// noWait keeps an open from waiting for a pipe's writer, and from making a
// terminal the process's own. Regular files know neither.
const noWait = unix.O_NONBLOCK | unix.O_NOCTTY

// look says that there is a regular file, with nothing allocated but its name's
// copy: images are opened by the million.
func look(path string) bool {
	var s unix.Stat_t
	return unix.Stat(path, &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFREG
}

// isRegular says it of an open file.
func isRegular(f *os.File) bool {
	var s unix.Stat_t
	return unix.Fstat(int(f.Fd()), &s) == nil && s.Mode&unix.S_IFMT == unix.S_IFREG
}
