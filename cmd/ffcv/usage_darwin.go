package main

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// processStart returns about when the process began: when its packages were
// initialised.
func processStart() time.Time { return begun }

// ownMemory returns -1: the system does not tell cheaply.
func ownMemory() int64 { return -1 }

// peakRSS returns the highest resident size in MiB.
func peakRSS() *float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return nil
	}
	return inMiB(u.Maxrss)
}

// dropCached is not possible here.
func dropCached(path string) error {
	return &os.PathError{Op: "drop from the system's cache", Path: path, Err: errors.ErrUnsupported}
}
