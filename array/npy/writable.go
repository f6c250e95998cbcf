package npy

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/mmap"
)

// Map is a .npy file mapped for reading and writing. What is written to its
// bytes is in the file. It is safe for concurrent use as far as the writes are
// the caller's own affair.
type Map struct {
	m *mmap.Writable
	a array.Strided
}

// OpenMap maps an array of any order that exists, as numpy.load does with
// mmap_mode="r+".
func OpenMap(path string) (*Map, error) {
	m, err := mmap.OpenWritable(path)
	if err != nil {
		return nil, err
	}
	a, err := ParseStrided(m.Bytes())
	if err != nil {
		return nil, errors.Join(named(err, path, "", 0), m.Close())
	}
	return &Map{m: m, a: a}, nil
}

// CreateMap writes a file of zeros, which takes no space on disk where the
// system has sparse files, and maps it. The file stands when CreateMap returns.
// One that is there already is refused unless overwrite is set.
func CreateMap(path string, spec array.Spec, fortran, overwrite bool) (*Map, error) {
	size, err := spec.Bytes()
	if err != nil {
		return nil, err
	}
	header, err := formatHeader(spec, fortran && !spec.Flat())
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	f, err := aside.Create(path, overwrite)
	if err != nil {
		return nil, err
	}
	defer f.Abort()
	if _, err := f.Write(header); err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(len(header)) + int64(size)); err != nil {
		return nil, err
	}
	if err := f.Commit(); err != nil {
		return nil, err
	}
	return OpenMap(path)
}

// Array returns the array. Its bytes are the file's, to read and to write, and
// valid until Close.
func (m *Map) Array() array.Strided { return m.a }

// Flush returns once what was written is on disk.
func (m *Map) Flush() error { return m.m.Flush() }

// Close unmaps the file; without a Flush before, the system puts the last
// writes on disk when it likes. A second Close does nothing.
func (m *Map) Close() error { return m.m.Close() }
