package usage

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Start returns when the process began.
func Start() time.Time {
	stat, err := os.ReadFile("/proc/self/stat")
	// The command's name, in parentheses, may hold anything; the start time
	// is the 20th word behind it, in hundredths of a second since the boot.
	if at := bytes.LastIndexByte(stat, ')'); err == nil && at >= 0 {
		words := bytes.Fields(stat[at+1:])
		var now unix.Timespec
		if len(words) > 19 && unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) == nil {
			if ticks, err := strconv.ParseInt(string(words[19]), 10, 64); err == nil {
				return time.Now().Add(-time.Duration(now.Nano() - ticks*1e7))
			}
		}
	}
	return begun
}

// Own returns how many bytes of memory are the process's own, anonymous and
// shared, not pages of mapped files, which the system can take back; -1 if they
// can't be read.
func Own() int64 {
	anon, shared := status("RssAnon:"), status("RssShmem:")
	if anon < 0 || shared < 0 {
		return -1
	}
	return anon + shared
}

// Mapped returns how many bytes of mapped files are in memory, -1 if it can't be
// read.
func Mapped() int64 { return status("RssFile:") }

// PeakRSS returns the highest resident size in bytes, -1 if it can't be read.
func PeakRSS() int64 { return status("VmHWM:") }

// status reads one line of /proc/self/status in bytes, -1 if it can't.
func status(key string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != key {
			continue
		}
		if n, err := strconv.ParseInt(string(words[1]), 10, 64); err == nil {
			return n << 10
		}
	}
	return -1
}

// DropCached drops the pages of a file that the system has in memory, but for
// those that are mapped or not written yet.
func DropCached(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return &os.PathError{Op: "drop from the system's cache", Path: path, Err: err}
	}
	return nil
}
