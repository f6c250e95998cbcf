//go:build unix

package main

import (
	"math"

	"golang.org/x/sys/unix"
)

// freeIn is how many bytes there is room for in a folder, 0 where the system doesn't
// tell.
func freeIn(dir string) int64 {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return 0
	}
	size, blocks := uint64(s.Bsize), uint64(s.Bavail)
	if size == 0 || blocks > math.MaxInt64/size {
		return 0
	}
	return int64(size * blocks)
}
