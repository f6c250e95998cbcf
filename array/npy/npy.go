// Package npy reads and writes NumPy's .npy files: one array each.
//
// Format versions 1 to 3 are read. Arrays of two dimensions or more in Fortran
// order, and object and structured dtypes, are refused with the reason
// (*array.UnsupportedError for a dtype): rows of the first axis are served as
// they lie in the file, and nothing in a file is ever run.
package npy

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
)

// File is a .npy file in memory by a map. It is safe for concurrent use until
// Close.
type File struct {
	m *mmap.Map
	a array.Array
}

// Open maps a file and reads its header. The file must hold exactly the
// array that the header tells, not a byte more or less.
func Open(path string) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	a, err := Parse(m.Bytes())
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &File{m: m, a: a}, nil
}

// Name returns the file's path as Open got it.
func (f *File) Name() string { return f.m.Name() }

// Array returns the whole array. Its bytes are the file's: read-only, and
// valid until Close.
func (f *File) Array() array.Array { return f.a }

// Row returns element i of the first axis, under Array's terms. Like an index
// expression it panics out of range and on an array without dimensions.
func (f *File) Row(i int) array.Array { return f.a.Row(i) }

// Close unmaps the file. A second Close does nothing.
func (f *File) Close() error { return f.m.Close() }

// Parse returns the array of a whole .npy file, whose bytes it borrows.
func Parse(file []byte) (array.Array, error) {
	spec, off, err := parseHeader(file)
	if err != nil {
		return array.Array{}, fmt.Errorf("npy: %w", err)
	}
	size, err := spec.Bytes()
	if err != nil {
		return array.Array{}, fmt.Errorf("npy: %w", err)
	}
	if have := len(file) - off; have != size {
		return array.Array{}, fmt.Errorf("npy: %d bytes of data behind the header, want %d for an array %v", have, size, spec)
	}
	return array.New(spec, file[off:len(file):len(file)])
}

// Read reads one array from r, up to its last byte and no further. Memory is
// taken as data arrive, whatever size the header tells.
func Read(r io.Reader) (array.Array, error) {
	var buf bytes.Buffer
	fill := func(n int64) error { // up to n bytes in all
		got, err := io.CopyN(&buf, r, n-int64(buf.Len()))
		if err == io.EOF && got+int64(buf.Len()) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	if err := fill(prefixSize); err != nil {
		return array.Array{}, fmt.Errorf("npy: read header: %w", err)
	}
	for {
		need, err := headerSize(buf.Bytes())
		if err != nil {
			return array.Array{}, fmt.Errorf("npy: %w", err)
		}
		if need <= buf.Len() {
			break
		}
		if err := fill(int64(need)); err != nil {
			return array.Array{}, fmt.Errorf("npy: read header: %w", err)
		}
	}
	spec, off, err := parseHeader(buf.Bytes())
	if err != nil {
		return array.Array{}, fmt.Errorf("npy: %w", err)
	}
	size, err := spec.Bytes()
	if err != nil || size > math.MaxInt-off {
		return array.Array{}, fmt.Errorf("npy: array %v is too large", spec)
	}
	buf.Next(off)
	if err := fill(int64(size)); err != nil {
		return array.Array{}, fmt.Errorf("npy: read data: %d of %d bytes: %w", buf.Len(), size, err)
	}
	return array.New(spec, slices.Clip(buf.Bytes()))
}

// Write writes a as numpy.save does, byte for byte.
func Write(w io.Writer, a array.Array) error {
	if _, err := array.New(a.Spec, a.Data); err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	header, err := formatHeader(a.Spec, false)
	if err != nil {
		return fmt.Errorf("npy: %w", err)
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	_, err = w.Write(a.Data)
	return err
}
