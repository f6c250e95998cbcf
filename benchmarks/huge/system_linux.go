package main

import "golang.org/x/sys/unix"

// onDisk returns how many bytes of the disk a file takes, -1 if that isn't known.
func onDisk(path string) int64 {
	var s unix.Stat_t
	if unix.Stat(path, &s) != nil {
		return -1
	}
	return s.Blocks * 512
}
