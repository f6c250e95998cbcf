package gnz

import (
	"errors"
	"fmt"
	"os"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// OpenOptions say how Open reads. There is nothing to say yet; nil and the
// zero value are the defaults.
type OpenOptions struct{}

// File is a GNZ1 file that is open for reading. Its methods are safe for
// concurrent use, except for Close; a stream is for one goroutine.
type File struct {
	name string
	file *os.File
	m    *mmap.Map
	h    *header
}

// Open reads the header of a file and none of its data. Arrays must lie within
// the file, behind the header, and beside one another.
func Open(path string, _ *OpenOptions) (*File, error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := mmap.File(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f := &File{name: path, file: file, m: m}
	if f.h, err = parseHeader(path, m.Bytes()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Name returns the file's path as Open got it.
func (f *File) Name() string { return f.name }

// Members returns the arrays in the order in which they lie in the file.
func (f *File) Members() []array.Member {
	list := make([]array.Member, len(f.h.entries))
	for i, e := range f.h.entries {
		list[i] = e.member()
	}
	return list
}

// Keys returns the arrays' names in the order of Members.
func (f *File) Keys() []string {
	keys := make([]string, len(f.h.entries))
	for i, e := range f.h.entries {
		keys[i] = e.name
	}
	return keys
}

// Attrs returns the file's metadata: nil, bool, int, float64, string, []any
// and map[string]any, and json.Number for whole numbers that an int doesn't
// hold. The map is the file's own.
func (f *File) Attrs() map[string]any { return f.h.metadata }

func (h *header) find(file, name string) (*entry, error) {
	for _, e := range h.entries {
		if e.name == name {
			return e, nil
		}
	}
	return nil, fmt.Errorf("%s: no array %q", file, name)
}

// Array returns a whole array. Its bytes are the file's: read-only, and valid
// until Close.
func (f *File) Array(name string) (array.Strided, error) {
	e, err := f.h.find(f.name, name)
	if err != nil {
		return array.Strided{}, err
	}
	return e.over(f.m.Bytes())
}

// over is the array in the bytes of its file.
func (e *entry) over(file []byte) (array.Strided, error) {
	if e.size == 0 {
		return e.strided(nil)
	}
	end := e.offset + e.size // checked against the file's size
	if end > int64(len(file)) {
		return array.Strided{}, os.ErrClosed
	}
	return e.strided(file[e.offset:end:end])
}

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is array.DefaultChunk) and at least one row. It needs memory for one chunk,
// for an array in Fortran order two, whatever the array's size.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	e, err := f.h.find(f.name, name)
	if err != nil {
		return nil, err
	}
	if f.file == nil {
		return nil, fmt.Errorf("%s: array %q: %w", f.name, name, os.ErrClosed)
	}
	extent := array.Extent{Spec: e.spec, File: f.file, Offset: e.offset}
	if !e.fortran {
		return array.StreamExtent(name, extent, chunk)
	}
	whole, err := f.Array(name)
	if err != nil {
		return nil, err
	}
	return array.StreamFortran(name, extent, whole, chunk)
}

// Close unmaps and closes the file. A second Close does nothing.
func (f *File) Close() error {
	var err error
	if f.file != nil {
		err = f.file.Close()
		f.file = nil
	}
	return errors.Join(err, f.m.Close())
}
