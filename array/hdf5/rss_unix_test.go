//go:build unix

package hdf5_test

import (
	"runtime"
	"syscall"
)

// maxRSS is the most memory that the process had.
func maxRSS() int64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(r.Maxrss)
	}
	return int64(r.Maxrss) << 10
}
