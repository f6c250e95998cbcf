//go:build unix

package build

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// mine is an error for a file of another user's, which root could use all the same.
func mine(info fs.FileInfo) error {
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d, want %d", s.Uid, os.Geteuid())
	}
	return nil
}
