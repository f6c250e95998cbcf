package usage

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Start returns about when the process began: when its packages were
// initialised.
func Start() time.Time { return begun }

// Own returns -1: the system does not tell cheaply.
func Own() int64 { return -1 }

// Mapped returns -1, as Own does.
func Mapped() int64 { return -1 }

// PeakRSS returns the highest resident size in bytes.
func PeakRSS() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return -1
	}
	return u.Maxrss
}

// DropCached is not possible here.
func DropCached(path string) error {
	return &os.PathError{Op: "drop from the system's cache", Path: path, Err: errors.ErrUnsupported}
}
