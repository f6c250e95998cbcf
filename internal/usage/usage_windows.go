package usage

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// processTimes returns when the process began and the processor time that it
// has used.
func processTimes() (start time.Time, cpu time.Duration, err error) {
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(windows.CurrentProcess(), &created, &exited, &kernel, &user); err != nil {
		return start, 0, fmt.Errorf("GetProcessTimes: %w", err)
	}
	// Durations are in units of 100 ns; Filetime.Nanoseconds is for dates.
	ticks := func(t windows.Filetime) time.Duration {
		return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
	}
	return time.Unix(0, created.Nanoseconds()), ticks(kernel) + ticks(user), nil
}

// CPU returns the user and system time that the process has used.
func CPU() (time.Duration, error) {
	_, cpu, err := processTimes()
	return cpu, err
}

// Start returns when the process began.
func Start() time.Time {
	if start, _, err := processTimes(); err == nil {
		return start
	}
	return begun
}

// Own returns -1: the system does not tell anonymous memory apart.
func Own() int64 { return -1 }

// Mapped returns -1, as Own does.
func Mapped() int64 { return -1 }

// memoryCounters is PROCESS_MEMORY_COUNTERS.
type memoryCounters struct {
	size           uint32
	pageFaults     uint32
	peakWorkingSet uintptr
	others         [7]uintptr
}

var getProcessMemoryInfo = windows.NewLazySystemDLL("kernel32.dll").NewProc("K32GetProcessMemoryInfo")

// PeakRSS returns the highest working set in bytes, -1 if it can't be read.
func PeakRSS() int64 {
	var c memoryCounters
	c.size = uint32(unsafe.Sizeof(c))
	if getProcessMemoryInfo.Find() != nil {
		return -1
	}
	ok, _, _ := getProcessMemoryInfo.Call(uintptr(windows.CurrentProcess()), uintptr(unsafe.Pointer(&c)), uintptr(c.size))
	if ok == 0 {
		return -1
	}
	return int64(c.peakWorkingSet)
}

// MajorFaults is not known here.
func MajorFaults() int64 { return 0 }

// DropCached is not possible here.
func DropCached(path string) error {
	return &os.PathError{Op: "drop from the system's cache", Path: path, Err: errors.ErrUnsupported}
}
