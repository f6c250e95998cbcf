package safetensors

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// OpenOptions say how Open reads; there is nothing to choose yet.
type OpenOptions struct{}

// File is a SafeTensors file in memory by a map. Its methods are safe for
// concurrent use, except for Close; a stream is for one goroutine.
type File struct {
	m    *mmap.Map
	file *os.File
	h    *Header
}

// ReadHeader reads and checks what lies before the data, and nothing else of
// the file.
func ReadHeader(path string) (*Header, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	prefix := make([]byte, prefixSize)
	n, err := f.ReadAt(prefix, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	size, err := headerSize(prefix[:n], info.Size())
	if err != nil {
		return nil, named(err, path)
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, prefixSize); err != nil {
		return nil, fmt.Errorf("%s: read the header: %w", path, err)
	}
	h, err := parse(b, info.Size())
	return h, named(err, path)
}

// Parse reads and checks the header of a whole file, which it doesn't borrow.
func Parse(file []byte) (*Header, error) {
	size, err := headerSize(file[:min(prefixSize, len(file))], int64(len(file)))
	if err != nil {
		return nil, err
	}
	return parse(file[prefixSize:prefixSize+size], int64(len(file)))
}

// named adds the file's name to a FormatError.
func named(err error, path string) error {
	var e *FormatError
	if errors.As(err, &e) {
		e.File = path
	}
	return err
}

// Open maps a file, and reads and checks its header.
func Open(path string, opts *OpenOptions) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{m: m}
	if f.h, err = Parse(m.Bytes()); err == nil {
		f.file, err = regular.Open(path)
	}
	if err != nil {
		return nil, errors.Join(named(err, path), m.Close())
	}
	return f, nil
}

// Name returns the file's path as Open got it.
func (f *File) Name() string { return f.m.Name() }

// Header returns what lies before the data, shared by all callers, who must not
// change it.
func (f *File) Header() *Header { return f.h }

// Members returns the tensors that are served, as their data lie in the file.
func (f *File) Members() []array.Member {
	list := make([]array.Member, 0, len(f.h.Tensors))
	for i := range f.h.Tensors {
		if m, err := f.h.Tensors[i].member(); err == nil {
			m.Spec.Shape = slices.Clone(m.Spec.Shape)
			list = append(list, m)
		}
	}
	return list
}

// Refused returns why tensors of the file aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error {
	var errs []error
	for i := range f.h.Tensors {
		if _, err := f.h.Tensors[i].member(); err != nil {
			errs = append(errs, fmt.Errorf("%s: array %q: %w", f.Name(), f.h.Tensors[i].Name, err))
		}
	}
	return errors.Join(errs...)
}

// Attrs returns the file's metadata, whose values are strings; nil for none.
func (f *File) Attrs() map[string]any {
	if f.h.Metadata == nil {
		return nil
	}
	attrs := make(map[string]any, len(f.h.Metadata))
	for k, v := range f.h.Metadata {
		attrs[k] = v
	}
	return attrs
}

// find returns a tensor by name; "" is the only one.
func (f *File) find(name string) (*Info, array.Member, error) {
	i, ok := f.h.index[name]
	if !ok && name == "" && len(f.h.Tensors) == 1 {
		i, ok = 0, true
	}
	if !ok {
		return nil, array.Member{}, fmt.Errorf("%s: no array %q", f.Name(), name)
	}
	t := &f.h.Tensors[i]
	m, err := t.member()
	if err != nil {
		return nil, array.Member{}, fmt.Errorf("%s: array %q: %w", f.Name(), name, err)
	}
	return t, m, nil
}

// view is a tensor's place in the map.
func (f *File) view(t *Info, m array.Member) array.Array {
	begin, end := f.h.Data+t.Begin, f.h.Data+t.End
	return array.Array{Spec: m.Spec, Data: f.m.Bytes()[begin:end:end]}
}

// Array returns a whole tensor, a view of the file: read-only, valid until
// Close.
func (f *File) Array(name string) (array.Strided, error) {
	t, m, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	return f.view(t, m).Strided(), nil
}

// Rows returns the rows lo up to but without hi of a tensor's first axis, under
// Array's terms; the rest of the tensor isn't touched.
func (f *File) Rows(name string, lo, hi int) (array.Array, error) {
	t, m, err := f.find(name)
	if err != nil {
		return array.Array{}, err
	}
	if len(m.Spec.Shape) == 0 {
		return array.Array{}, fmt.Errorf("%s: array %q: rows of a scalar", f.Name(), t.Name)
	}
	rows := m.Spec.Shape[0]
	if lo < 0 || hi < lo || hi > rows {
		return array.Array{}, fmt.Errorf("%s: array %q: rows %d to %d, of %d", f.Name(), t.Name, lo, hi, rows)
	}
	a := f.view(t, m)
	row := 0
	if rows > 0 {
		row = len(a.Data) / rows
	}
	a.Shape = append([]int{hi - lo}, a.Shape[1:]...)
	a.Data = a.Data[lo*row : hi*row : hi*row]
	return a, nil
}

// All gives each tensor that is served with its name, as their data lie in the
// file, under Array's terms.
func (f *File) All() iter.Seq2[string, array.Strided] {
	return func(yield func(string, array.Strided) bool) {
		for i := range f.h.Tensors {
			t := &f.h.Tensors[i]
			if m, err := t.member(); err == nil && !yield(t.Name, f.view(t, m).Strided()) {
				return
			}
		}
	}
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

// Stream gives the rows of a tensor, about chunk bytes at a time (0 is
// array.DefaultChunk) and at least one row. It reads them into one buffer of its
// own and leaves the map alone, so that memory stays bounded.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	t, m, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return array.StreamExtent(t.Name, array.Extent{Spec: m.Spec, File: f.file, Offset: f.h.Data + t.Begin}, chunk)
}
