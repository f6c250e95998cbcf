package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// forget asks the system to drop what it has of a file in memory.
func forget(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// cpuTime returns the user and system time of this process.
func cpuTime() time.Duration {
	var r unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// onDisk returns how many bytes of the disk a file takes, -1 if that isn't known.
func onDisk(path string) int64 {
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return -1
	}
	return s.Blocks * 512
}
