//go:build linux || darwin

package engine

import (
	"fmt"
	"os"
	"syscall"
)

// served tells whether there is an engine on this system.
const served = true

// fileOf is what tells a file from others of its name.
func fileOf(info os.FileInfo) string {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	}
	return ""
}
