package engine

import (
	"os"

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
	b, f, err := mapShared(f, size, err)
	if err == nil && size >= 2<<20 {
		unix.Madvise(b, unix.MADV_HUGEPAGE) // where the system lets shared memory have them
	}
	return b, f, err
}

// discards tells whether discard does anything.
const discards = true

// discard gives the memory of b back to the system; it reads as zeros then.
func discard(b []byte) { unix.Madvise(b, unix.MADV_REMOVE) }
