package pagecache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sector is what the places, lengths and addresses of direct reads are multiples
// of. A file system that wants more refuses such reads.
const sector = 4096

// fileVector reads into the pieces with one system call.
func fileVector(r io.ReaderAt, direct bool) vector {
	switch r := r.(type) {
	case *os.File:
		return oneVector(r, direct)
	case Files:
		return newFiles(r)
	}
	return nil
}

// oneVector is of one file.
func oneVector(f *os.File, direct bool) vector {
	if direct {
		if v := directVector(f); v != nil {
			return v
		}
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	return &preadv{conn: conn}
}

// directVector opens the file a second time; nil when it can't be read directly.
func directVector(f *os.File) vector {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil
	}
	v := &preadv{}
	err = conn.Control(func(fd uintptr) { // the very file, whatever its name is now
		v.direct, err = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_RDONLY|unix.O_DIRECT, 0)
	})
	if err != nil || v.direct == nil {
		return nil
	}
	if v.conn, err = v.direct.SyscallConn(); err != nil {
		v.direct.Close()
		return nil
	}
	return v
}

// files are several, one after another.
type files struct {
	list []vector
	at   FileList
}

func newFiles(r Files) vector {
	v := &files{at: r.Files()}
	for _, f := range v.at.List {
		v.list = append(v.list, oneVector(f, v.at.Direct))
	}
	return v
}

// read reads from the one file that the pieces are of, and makes the zeros behind
// it.
func (v *files) read(l *load, off int64) (int64, error) {
	total := int64(0)
	for _, p := range l.pieces[:l.n] {
		total += int64(len(p))
	}
	k := sort.Search(len(v.list), func(k int) bool { return v.at.Bases[k] > off }) - 1
	if k < 0 || v.list[k] == nil || k+1 < len(v.list) && off+total > v.at.Bases[k+1] {
		return 0, errors.ErrUnsupported
	}
	inside := v.at.Sizes[k] - (off - v.at.Bases[k])
	if inside <= 0 {
		return 0, errors.ErrUnsupported
	}
	n, err := v.list[k].read(l, off-v.at.Bases[k])
	if err != nil || n < min(inside, total) {
		return n, err
	}
	for _, p := range l.pieces[:l.n] {
		clear(p[min(max(inside, 0), int64(len(p))):])
		inside -= int64(len(p))
	}
	return total, nil
}

func (v *files) single() bool { return v.at.Direct }

func (v *files) close() error {
	var errs []error
	for _, of := range v.list {
		if of != nil {
			errs = append(errs, of.close())
		}
	}
	return errors.Join(errs...)
}

type preadv struct {
	conn    syscall.RawConn
	direct  *os.File    // what is read directly; nil: the cache's file is read as usual
	refused atomic.Bool // the file system does not like our places
}

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
	if v.refused.Load() {
		return 0, errors.ErrUnsupported
	}
	for k, p := range l.pieces[:l.n] {
		n := len(p)
		if v.direct != nil {
			n = min(cap(p), (n+sector-1)&^(sector-1)) // the file's end comes first
		}
		l.list[k].Base = &p[0]
		l.list[k].SetLen(n)
	}
	l.used, l.off = l.n, off
	if err := v.conn.Control(l.call); err != nil { // not Read: one at a time
		return 0, err
	}
	clear(l.list[:l.n])
	if l.errs != 0 {
		v.refused.Store(v.direct != nil && l.errs == unix.EINVAL)
		return 0, l.errs
	}
	return int64(l.got), nil
}

func (v *preadv) single() bool { return v.direct != nil }

func (v *preadv) close() error {
	if v.direct == nil {
		return nil
	}
	return v.direct.Close()
}
