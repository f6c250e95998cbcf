// Package mmap maps files and anonymous memory, the same on every system.
//
// # Lifetime
//
// The bytes of a Map or Scratch are valid until its Close, those of Anon until
// Free: a use after that is a fault that ends the program, or reads what has
// been mapped there since. Whoever hands such bytes on hands on this rule;
// what must live longer is copied.
//
// A Map shows the file, not a copy of it. If another process writes into the
// file, the bytes change; if it truncates the file, reading past the new end
// raises a fault (SIGBUS) that Go reports as a fatal error, or as a panic
// where debug.SetPanicOnFault is on. The bytes are read-only: writing to them
// is a fault too.
package mmap

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"sync"

	mmapgo "github.com/edsrzf/mmap-go"

	"github.com/betongo/betongo/internal/regular"
)

// Map is a read-only map of a whole regular file. Its methods are safe for
// concurrent use, except that nobody may use the bytes during or after Close.
type Map struct {
	place

	mu   sync.RWMutex // held for reading while a hint uses data, for writing by Close
	data mmapgo.MMap  // nil when the file is empty or the map is closed
}

// Open maps the file as it is now; a file that grows afterwards is seen up to
// its old size. The file itself is closed again, the map keeps it alive. An
// empty file gives empty Bytes. Anything but a regular file is refused.
func Open(path string) (*Map, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return File(f)
}

// File is Open for an open file, which may have no name any more; the caller
// closes it, at once if he likes: the map keeps what is in it alive.
func File(f *os.File) (*Map, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	path := f.Name()
	if err := regular.Check(path, info); err != nil {
		return nil, err
	}
	m := &Map{place: place{name: path, size: info.Size()}}
	if m.size == 0 {
		return m, nil // no system maps zero bytes
	}
	if m.size > math.MaxInt {
		return nil, &fs.PathError{Op: "map", Path: path, Err: fmt.Errorf("%d bytes do not fit the address space", m.size)}
	}
	m.data, err = mmapgo.MapRegion(f, int(m.size), mmapgo.RDONLY, 0, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: path, Err: err}
	}
	m.base, m.end = span(m.data)
	m.show()
	return m, nil
}

// Bytes returns the file's bytes, read-only and valid until Close; nil after.
func (m *Map) Bytes() []byte { return m.data }

// Size returns the length of the file when it was opened, in bytes.
func (m *Map) Size() int64 { return m.size }

// Name returns the path given to Open, or the file's name.
func (m *Map) Name() string { return m.name }

// WillNeed asks the system to read n bytes from off ahead. It does not wait
// and may do nothing; what lies outside of the file is left out.
func (m *Map) WillNeed(off, n int64) { m.hint(off, n, adviseWillNeed) }

// Sequential says that the whole file will be read from front to back, so
// that the system reads far ahead. It may do nothing.
func (m *Map) Sequential() { m.hint(0, m.size, adviseSequential) }

// Random says that n bytes from off will be read in no order, so that the
// system brings no more of them into memory than is touched. It may do nothing.
func (m *Map) Random(off, n int64) { m.hint(off, n, adviseRandom) }

// Normal takes back Sequential and Random for n bytes from off.
func (m *Map) Normal(off, n int64) { m.hint(off, n, adviseNormal) }

// hint advises on the pages that the range touches. A hint that the system
// does not know or take is no error: nothing read depends on it.
func (m *Map) hint(off, n int64, advice int) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off < 0 {
		n, off = n+off, 0
	}
	size := int64(len(m.data))
	if n <= 0 || off >= size {
		return
	}
	end := size
	if n < size-off {
		end = off + n
	}
	advise(m.data[off&^int64(os.Getpagesize()-1):end], advice)
}

// Close gives the memory back. A second Close does nothing.
func (m *Map) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.data == nil {
		return nil
	}
	m.hide()
	if err := m.data.Unmap(); err != nil {
		return &fs.PathError{Op: "unmap", Path: m.name, Err: err}
	}
	return nil
}

// Anon returns n zeroed bytes outside of the Go heap: the collector neither
// scans, moves nor frees them. They take memory when first touched, and whole
// pages of it (the slice's capacity). Free gives them back. Anon(0) is an
// empty slice.
func Anon(n int) ([]byte, error) {
	if n == 0 {
		return []byte{}, nil
	}
	page := os.Getpagesize()
	if n < 0 || n > math.MaxInt-page {
		return nil, fmt.Errorf("anonymous memory of %d bytes: want 0 to %d", n, math.MaxInt-page)
	}
	b, err := mmapgo.MapRegion(nil, (n+page-1)&^(page-1), anonProt, mmapgo.ANON, 0)
	if err != nil {
		return nil, fmt.Errorf("anonymous memory of %d bytes: %w", n, err)
	}
	return b[:n], nil
}

// Free gives back what Anon returned: that very slice, or a shorter one of
// the same beginning and capacity. Freeing an empty slice of no capacity does
// nothing.
func Free(b []byte) error {
	if cap(b) == 0 {
		return nil
	}
	m := mmapgo.MMap(b[:cap(b)])
	if err := m.Unmap(); err != nil {
		return fmt.Errorf("free %d bytes of anonymous memory: %w", cap(b), err)
	}
	return nil
}

// Scratch is a temporary file mapped for reading and writing. The system may
// write its pages out and drop them, so that a table larger than the memory
// can be filled in any order. It is not safe to use Bytes during Close.
type Scratch struct {
	file *os.File
	gone bool // the name is removed already

	mu   sync.Mutex
	data mmapgo.MMap
}

// Create makes the file, which must not exist, with size zeroed bytes, and
// maps it. Its space on disk is taken at once where the system can do that,
// so that a full disk is an error here and no fault at a later write. The
// name is removed at once where the system allows that, else by Close.
func Create(path string, size int64) (*Scratch, error) {
	if size < 0 || size > math.MaxInt {
		return nil, &fs.PathError{Op: "create", Path: path, Err: fmt.Errorf("size %d: want 0 to %d", size, math.MaxInt)}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	s := &Scratch{file: f}
	s.gone = removeOpen && os.Remove(path) == nil
	if size == 0 {
		return s, nil
	}
	if err := reserve(f, size); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "reserve space for", Path: path, Err: err}, s.Close())
	}
	s.data, err = mmapgo.MapRegion(f, int(size), mmapgo.RDWR, 0, 0)
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "map", Path: path, Err: err}, s.Close())
	}
	return s, nil
}

// Bytes returns the file's bytes, to read and to write, valid until Close;
// nil after it.
func (s *Scratch) Bytes() []byte { return s.data }

// Close gives the memory and the space on disk back: what was written is
// gone. A second Close does nothing.
func (s *Scratch) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	var errs []error
	if s.data != nil {
		errs = append(errs, s.data.Unmap()) // before the file: the unmap may flush to it
	}
	errs = append(errs, s.file.Close())
	if !s.gone {
		errs = append(errs, os.Remove(s.file.Name()))
	}
	s.file = nil
	return errors.Join(errs...)
}
