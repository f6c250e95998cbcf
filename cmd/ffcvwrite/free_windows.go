package main

import (
	"math"

	"golang.org/x/sys/windows"
)

// freeIn is how many bytes there is room for in a folder, 0 where the system doesn't
// tell.
func freeIn(dir string) int64 {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0
	}
	var here, all, total uint64
	if windows.GetDiskFreeSpaceEx(name, &here, &all, &total) != nil || here > math.MaxInt64 {
		return 0
	}
	return int64(here)
}
