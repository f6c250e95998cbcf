// Package npy reads and writes NumPy's .npy files, one array each, and .npz
// files, ZIP archives of them.
//
// Format versions 1 to 3 are read, all types but objects, and both orders;
// nothing in a file is ever run. What is written is byte for byte what
// numpy.save writes.
//
// Open, Parse and Read serve the rows of arrays in C order as they lie in the
// file. OpenArchive opens .npy and .npz alike, lists arrays, gives them whole
// or streams their rows, Fortran order included. An Appender adds rows to a
// file. OpenMap maps an array for writing.
package npy

import (
	"bytes"
	"errors"
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
		return nil, errors.Join(named(err, path, "", 0), m.Close())
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
	h, err := parseHeader(file)
	if err == nil {
		err = h.rows()
	}
	if err == nil {
		err = h.check(int64(len(file)))
	}
	if err != nil {
		return array.Array{}, fmt.Errorf("npy: %w", err)
	}
	return array.New(h.spec, file[h.off:len(file):len(file)])
}

// ParseStrided is Parse for arrays in Fortran order too.
func ParseStrided(file []byte) (array.Strided, error) {
	h, err := parseHeader(file)
	if err == nil {
		err = h.check(int64(len(file)))
	}
	if err != nil {
		return array.Strided{}, fmt.Errorf("npy: %w", err)
	}
	return h.strided(file[h.off:len(file):len(file)])
}

// check compares a file's size with what its header tells.
func (h *head) check(file int64) error {
	size, err := h.spec.Bytes()
	if err != nil {
		return err
	}
	if have := file - int64(h.off); have != int64(size) {
		return bad(h.off+int(min(max(have, 0), int64(size))), "%d bytes of data behind the header, want %d for an array %v", have, size, h.spec)
	}
	return nil
}

// Read reads one array from r, up to its last byte and no further. Memory is
// taken as data arrive, whatever size the header tells.
func Read(r io.Reader) (array.Array, error) {
	var buf bytes.Buffer
	h, err := readHeader(r, &buf)
	if err == nil {
		err = h.rows()
	}
	if err != nil {
		return array.Array{}, fmt.Errorf("npy: %w", err)
	}
	size, err := h.spec.Bytes()
	if err != nil || size > math.MaxInt-h.off {
		return array.Array{}, fmt.Errorf("npy: array %v is too large", h.spec)
	}
	buf.Next(h.off)
	if err := fill(&buf, r, int64(size)); err != nil {
		return array.Array{}, fmt.Errorf("npy: read data: %d of %d bytes: %w", buf.Len(), size, err)
	}
	return array.New(h.spec, slices.Clip(buf.Bytes()))
}

// fill reads up to n bytes in all into buf.
func fill(buf *bytes.Buffer, r io.Reader, n int64) error {
	got, err := io.CopyN(buf, r, n-int64(buf.Len()))
	if err == io.EOF && got+int64(buf.Len()) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// readHeader reads from r what lies before the data, into buf, and no more.
func readHeader(r io.Reader, buf *bytes.Buffer) (head, error) {
	if err := fill(buf, r, prefixSize); err != nil {
		return head{}, fmt.Errorf("read header: %w", err)
	}
	for {
		need, err := headerSize(buf.Bytes())
		if err != nil {
			return head{}, err
		}
		if need <= buf.Len() {
			return parseHeader(buf.Bytes())
		}
		if err := fill(buf, r, int64(need)); err != nil {
			return head{}, fmt.Errorf("read header: %w", err)
		}
	}
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
