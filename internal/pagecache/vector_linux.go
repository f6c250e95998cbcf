package pagecache

import (
	"io"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fileVector reads into the pieces with one system call.
func fileVector(r io.ReaderAt) vector {
	f, ok := r.(*os.File)
	if !ok {
		return nil
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	return &preadv{conn}
}

type preadv struct{ conn syscall.RawConn }

// vectorState is what a call needs.
type vectorState struct {
	list [runFrames]unix.Iovec
	used int // of list
	off  int64
	got  int
	errs syscall.Errno
	call func(fd uintptr)
}

func (s *vectorState) init() { s.call = s.do }

// do is the call, as RawConn wants it: the file stays open meanwhile.
func (s *vectorState) do(fd uintptr) {
	for {
		n, _, errs := unix.Syscall6(unix.SYS_PREADV, fd, uintptr(unsafe.Pointer(&s.list[0])), uintptr(s.used), uintptr(s.off), uintptr(s.off>>32), 0)
		if errs == unix.EINTR {
			continue
		}
		if s.got, s.errs = int(n), errs; errs != 0 {
			s.got = 0
		}
		return
	}
}

func (v *preadv) read(l *load, off int64) (int64, error) {
	for k, p := range l.pieces[:l.n] {
		l.list[k].Base = &p[0]
		l.list[k].SetLen(len(p))
	}
	l.used, l.off = l.n, off
	if err := v.conn.Control(l.call); err != nil { // not Read: one at a time
		return 0, err
	}
	clear(l.list[:l.n])
	if l.errs != 0 {
		return 0, l.errs
	}
	return int64(l.got), nil
}
