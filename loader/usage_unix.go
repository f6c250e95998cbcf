//go:build unix

package loader

import (
	"time"

	"golang.org/x/sys/unix"
)

// processUsage is what the process has taken so far.
func processUsage() usage {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return usage{}
	}
	return usage{
		known: true,
		cpu:   time.Duration(u.Utime.Nano() + u.Stime.Nano()),
		major: int64(u.Majflt),
		minor: int64(u.Minflt),
	}
}
