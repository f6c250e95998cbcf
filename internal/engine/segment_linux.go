package engine

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// newSegment makes memory that another process can map: a file that has no
// name, of a size that nobody can change, since to touch what a file has lost is
// the death of who does.
func newSegment(size int) ([]byte, *os.File, error) {
	fd, err := unix.MemfdCreate("betongo", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // Linux before 6.3
		fd, err = unix.MemfdCreate("betongo", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "shared memory")
	err = os.NewSyscallError("ftruncate", unix.Ftruncate(fd, int64(size)))
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		err = os.NewSyscallError("fcntl", err)
	}
	huge := size >= hugeSegment && hugePages()
	b, f, err := mapShared(f, size, huge, err)
	if err == nil && huge {
		collapse(b)
	}
	return b, f, err
}

const (
	hugePage    = 2 << 20
	hugeSegment = 2 * hugePage // what is smaller would hold one at most
)

// hugePages tells whether the system has pages of that size, and gives them to
// programs that ask for them.
var hugePages = sync.OnceValue(func() bool {
	const dir = "/sys/kernel/mm/transparent_hugepage/"
	size, err := os.ReadFile(dir + "hpage_pmd_size")
	if err != nil || string(bytes.TrimSpace(size)) != strconv.Itoa(hugePage) {
		return false
	}
	enabled, err := os.ReadFile(dir + "enabled")
	return err == nil && !bytes.Contains(enabled, []byte("[never]"))
})

// collapses tells whether collapse has a use: Linux has it from 6.1 on.
var collapses atomic.Bool

func init() { collapses.Store(true) }

// collapse lays a new segment out in huge pages. Shared memory gets these when
// it is touched only where the system's shmem_enabled says so, which by default
// it does not; asked to collapse what is there Linux does it unless that setting
// is "deny". A page must be there: one byte is touched of each. What can't be
// done is left in small pages.
func collapse(b []byte) {
	unix.Madvise(b, unix.MADV_HUGEPAGE)
	if !collapses.Load() {
		return
	}
	for at := 0; at+hugePage <= len(b); at += hugePage {
		b[at] = 0
	}
	if err := unix.Madvise(b[:len(b)&^(hugePage-1)], unix.MADV_COLLAPSE); err == unix.EINVAL {
		collapses.Store(false)
	}
}

// reserve finds room for size bytes of which the first begins a huge page.
func reserve(size int) (unsafe.Pointer, error) {
	room := uintptr(size + hugePage)
	p, err := unix.MmapPtr(-1, 0, nil, room, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, err
	}
	before := -uintptr(p) & (hugePage - 1)
	if before > 0 {
		err = unix.MunmapPtr(p, before)
	}
	if err == nil {
		err = unix.MunmapPtr(unsafe.Add(p, before+uintptr(size)), hugePage-before) // never nothing: before is less
	}
	return unsafe.Add(p, before), err
}

// discards tells whether discard does anything.
const discards = true

// discard gives the memory of b back to the system; it reads as zeros then.
func discard(b []byte) { unix.Madvise(b, unix.MADV_REMOVE) }
