package roll

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// TestDiskFull writes to a device that is always full.
func TestDiskFull(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no device that is full")
	}
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := Numbers{roll: roll{file: f, gone: true}}
	for range 2 * most / numberSize {
		l.Append(1)
	}
	for _, err := range []error{l.Err(), l.Seal()} {
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "temporary folder "+os.TempDir()) {
			t.Errorf("got %v, want no space left in the temporary folder", err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
