package ffcv

import (
	"io"
	"os"
	"sync"

	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// Range is a run of bytes of a file. It has no name of its own, so that a Source
// need not import this package.
type Range = struct{ Off, Len int64 }

// Source is where a file's bytes come from. It is safe for concurrent use.
type Source interface {
	// Name names the file in errors.
	Name() string

	// Size is the file's length in bytes. It does not change.
	Size() int64

	// Borrow returns n bytes at off without copying, to be read only, valid
	// until Close; false when the source cannot, or when they are not all there.
	Borrow(off, n int64) ([]byte, bool)

	// ReadAt is io.ReaderAt.
	ReadAt(p []byte, off int64) (int, error)

	// WillNeed tells which bytes will be asked for soon. It is a hint and does
	// not wait, nor keep the list. An empty one takes back what was told before.
	WillNeed(ranges []Range)

	// Close ends every slice that Borrow gave out. It is idempotent.
	Close() error
}

// MapSource maps the regular file at path read-only. All of it can be
// borrowed. If another process cuts the file short meanwhile, touching the
// lost bytes faults: File's accessors, run under debug.SetPanicOnFault, turn
// that into an error.
func MapSource(path string) (Source, error) {
	before, _ := os.Stat(path)
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	s := &mapSource{m: m}
	if after, err := os.Stat(path); err == nil && before != nil && os.SameFile(before, after) {
		s.info = after
	}
	return s, nil
}

type mapSource struct {
	m    *mmap.Map
	info os.FileInfo // of the file that is mapped; nil when it is not known to be
}

// open opens the file once more, for what a map cannot do; false when there is
// another one under its name, or none.
func (s *mapSource) open() (*os.File, bool) {
	if s.info == nil {
		return nil, false
	}
	f, err := regular.Open(s.Name())
	if err != nil {
		return nil, false
	}
	if info, err := f.Stat(); err != nil || !os.SameFile(info, s.info) {
		f.Close()
		return nil, false
	}
	return f, true
}

func (s *mapSource) Name() string { return s.m.Name() }
func (s *mapSource) Size() int64  { return s.m.Size() }
func (s *mapSource) Close() error { return s.m.Close() }

func (s *mapSource) Borrow(off, n int64) ([]byte, bool) {
	b := s.m.Bytes()
	if off < 0 || n < 0 || n > int64(len(b)) || off > int64(len(b))-n {
		return nil, false
	}
	return b[off : off+n : off+n], true
}

func (s *mapSource) ReadAt(p []byte, off int64) (int, error) {
	b := s.m.Bytes()
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *mapSource) WillNeed(ranges []Range) {
	for _, r := range ranges {
		s.m.WillNeed(r.Off, r.Len)
	}
}

// scatter implements scatterer.
func (s *mapSource) scatter(off, n int64, on bool) {
	if on {
		s.m.Random(off, n)
	} else {
		s.m.Normal(off, n)
	}
}

// ReaderAtSource reads the size bytes of r, which must be safe for concurrent
// use. Nothing can be borrowed. Close closes r if it is an io.Closer.
func ReaderAtSource(name string, r io.ReaderAt, size int64) Source {
	return &readerSource{name: name, r: r, size: size}
}

type readerSource struct {
	name  string
	r     io.ReaderAt
	size  int64
	close sync.Once
}

func (s *readerSource) Name() string                       { return s.name }
func (s *readerSource) Size() int64                        { return s.size }
func (s *readerSource) Borrow(off, n int64) ([]byte, bool) { return nil, false }
func (s *readerSource) WillNeed(ranges []Range)            {}

func (s *readerSource) ReadAt(p []byte, off int64) (int, error) { return s.r.ReadAt(p, off) }

func (s *readerSource) Close() (err error) {
	if c, ok := s.r.(io.Closer); ok {
		s.close.Do(func() { err = c.Close() })
	}
	return err
}
