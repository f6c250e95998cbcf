//go:build linux || darwin

package engine

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestSegmentSizes: a segment of any number of pages is whole, zero and shared,
// around the sizes from which it is laid out in huge pages.
func TestSegmentSizes(t *testing.T) {
	const huge = 2 << 20
	for _, size := range []int{pageSize, huge, 2*huge - pageSize, 2 * huge, 2*huge + pageSize, 5*huge - pageSize, 9 * huge} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			b, f, err := newSegment(size)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if len(b) != size || len(bytes.TrimLeft(b, "\x00")) != 0 {
				t.Fatalf("%d bytes, want %d zeros", len(b), size)
			}
			at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
			if runtime.GOOS == "linux" && size >= 2*huge && hugeAsked() && at%huge != 0 {
				t.Errorf("it lies at %#x, where no huge page begins", at)
			}
			other, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Munmap(other)
			for i := range b {
				b[i] = byte(i>>12) | 1
			}
			if !bytes.Equal(b, other) {
				t.Error("who else maps it sees something else")
			}
			if err := unmap(b); err != nil {
				t.Error(err)
			}
			if other[size-1] == 0 {
				t.Error("it is gone with the engine's part")
			}
		})
	}
}

// hugeAsked tells whether the system gives huge pages of 2 MiB to who asks.
func hugeAsked() bool {
	const dir = "/sys/kernel/mm/transparent_hugepage/"
	size, _ := os.ReadFile(dir + "hpage_pmd_size")
	enabled, _ := os.ReadFile(dir + "enabled")
	return string(bytes.TrimSpace(size)) == "2097152" && len(enabled) > 0 && !bytes.Contains(enabled, []byte("[never]"))
}
