package main

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processStart returns when the process began.
func processStart() time.Time {
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

// ownMemory returns RssAnon + RssShmem in bytes, -1 if they can't be read.
func ownMemory() int64 {
	anon, shared := status("RssAnon:"), status("RssShmem:")
	if anon < 0 || shared < 0 {
		return -1
	}
	return anon + shared
}

// peakRSS returns the highest resident size in MiB.
func peakRSS() *float64 { return inMiB(status("VmHWM:")) }

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

// dropCached drops the pages of a file that the system has in memory, but for
// those that are mapped or not written yet.
func dropCached(path string) error {
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
