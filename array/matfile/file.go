package matfile

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// ErrHDF5 is what Open gives for a file of level 7.3.
var ErrHDF5 = errors.New("a MATLAB file of level 7.3, which is HDF5: open it as such, by its extension .h5 or package hdf5")

// OpenOptions say how Open reads. There is nothing to say yet; nil and the
// zero value are the defaults.
type OpenOptions struct{}

// File is a MATLAB file that is open for reading. Its methods are safe for
// concurrent use, except for Close; a stream is for one goroutine.
type File struct {
	file    *os.File
	m       *mmap.Map
	leaves  []*leaf
	index   map[string]*leaf
	refused []error
}

// Open reads the headers of all arrays and none of the data, but what of a
// compressed variable lies before a header.
func Open(path string, _ *OpenOptions) (*File, error) {
	file, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	m, err := mmap.File(file)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	f := &File{file: file, m: m, index: map[string]*leaf{}}
	p := parser{file: path, seen: map[string]bool{}}
	if err := p.parse(m.Bytes()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.refused = p.refused
	for _, l := range p.leaves {
		if f.index[l.Name] != nil {
			err := &FormatError{File: path, Array: l.Name, Offset: l.v.at, Msg: "a second array of that name"}
			return nil, errors.Join(err, f.Close())
		}
		f.index[l.Name] = l
	}
	f.leaves = p.leaves
	return f, nil
}

// Name returns the file's path as Open got it.
func (f *File) Name() string { return f.m.Name() }

// Header returns the text at the file's begin, in which MATLAB tells when and
// on what machine the file was made; "" in level 4.
func (f *File) Header() string {
	b := f.m.Bytes()
	if len(b) < headerSize || strings.IndexByte(string(b[:4]), 0) >= 0 {
		return ""
	}
	return strings.TrimRight(string(b[:textSize]), " \x00")
}

// Members returns the arrays in file order.
func (f *File) Members() []array.Member {
	list := make([]array.Member, len(f.leaves))
	for i, l := range f.leaves {
		list[i] = l.Member
		list[i].Spec.Shape = slices.Clone(l.Spec.Shape)
	}
	return list
}

// Refused returns why arrays of the file aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error { return errors.Join(f.refused...) }

// Attrs returns nil: the format has no attributes of a file.
func (f *File) Attrs() map[string]any { return nil }

func (f *File) find(name string) (*leaf, error) {
	if f.file == nil {
		return nil, fmt.Errorf("%s: array %q: %w", f.m.Name(), name, os.ErrClosed)
	}
	l := f.index[name]
	if l == nil {
		for _, err := range f.refused {
			if strings.Contains(err.Error(), fmt.Sprintf("array %q:", name)) {
				return nil, err
			}
		}
		return nil, fmt.Errorf("%s: no array %q", f.m.Name(), name)
	}
	return l, nil
}

// Array returns a whole array. Where the file has its elements as they are
// served, neither compressed, nor complex, nor in a smaller type, it is a view
// of the file: read-only, valid until Close. Else it is in memory.
func (f *File) Array(name string) (array.Strided, error) {
	l, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	return f.array(l)
}

func (f *File) array(l *leaf) (array.Strided, error) {
	re, im, err := f.parts(l)
	if err != nil {
		return array.Strided{}, err
	}
	switch {
	case l.text:
		return f.text(l, re.Data)
	case l.cplx:
		return joined(l, re, im)
	case re.DType == l.Spec.DType:
		return re, nil
	}
	// The bytes as a row have no order to keep.
	flat := array.Array{Spec: array.Spec{DType: re.DType, Shape: []int{l.re.n}}, Data: re.Data}
	a, err := array.Cast(flat, l.Spec.DType)
	if err != nil {
		return array.Strided{}, err
	}
	return array.FortranOf(l.Spec, a.Data)
}

// parts returns the stored numbers of an array; of text, which may have more
// bytes than characters, in one dimension.
func (f *File) parts(l *leaf) (re, im array.Strided, err error) {
	c, err := l.v.cursor(f.m.Name(), f.m.Bytes())
	if err != nil {
		return re, im, err
	}
	get := func(p part) (array.Strided, error) {
		t := p.dtype(l.v)
		n := int64(p.n) * int64(t.ItemSize())
		if n > c.end-p.pos { // before it sizes anything
			return array.Strided{}, c.short(n)
		}
		if err := c.to(p.pos); err != nil {
			return array.Strided{}, err
		}
		var b []byte
		if c.r == nil {
			b = c.b[p.pos : p.pos+n : p.pos+n]
			c.pos += n
		} else if b = make([]byte, n); c.read(b) != nil {
			return array.Strided{}, c.fail("array %q: its data can't be inflated: damaged, or cut off", l.Name)
		}
		if l.text {
			return array.FortranOf(array.Spec{DType: t, Shape: []int{p.n}}, b)
		}
		return array.FortranOf(array.Spec{DType: t, Shape: l.dims}, b)
	}
	if re, err = get(l.re); err != nil {
		return re, im, err
	}
	if l.cplx {
		if im, err = get(l.im); err != nil {
			return re, im, err
		}
	}
	return re, im, c.finish()
}

// joined returns complex numbers of their two parts.
func joined(l *leaf, re, im array.Strided) (array.Strided, error) {
	whole := make([]byte, l.re.n*l.Spec.DType.ItemSize())
	if err := interleave(whole, re.Data, im.Data, re.DType, im.DType, l.Spec.DType); err != nil {
		return array.Strided{}, err
	}
	return array.FortranOf(l.Spec, whole)
}

// interleave writes complex numbers of type t to dst.
func interleave(dst, re, im []byte, reType, imType, t array.DType) error {
	half := array.Float64
	if t.ItemSize() == 8 {
		half = array.Float32
	}
	size := half.ItemSize()
	for i, p := range []struct {
		b []byte
		t array.DType
	}{{re, reType}, {im, imType}} {
		a := array.Array{Spec: array.Spec{DType: p.t, Shape: []int{len(p.b) / p.t.ItemSize()}}, Data: p.b}
		if p.t != half {
			var err error
			if a, err = array.Cast(a, half); err != nil {
				return err
			}
		}
		for j, at := 0, i*size; j < len(a.Data); j, at = j+size, at+2*size {
			copy(dst[at:at+size], a.Data[j:j+size])
		}
	}
	return nil
}

// columnChunk is how many bytes of an array in columns are given at a time where
// nothing else is asked for: of each column then some rows lie together, and
// fewer small pieces are read.
const columnChunk = 8 << 20

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is 8 MiB, and array.DefaultChunk for one column or row) and at least one row. A
// compressed variable, and text,
// are brought into memory as a whole; of any other it needs memory for two
// chunks.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	l, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if l.text || l.v.compressed && !l.cplx {
		s, err := f.array(l)
		if err != nil {
			return nil, err
		}
		return array.StreamOf(s, chunk), nil
	}
	re, im, err := f.parts(l)
	if err != nil {
		return nil, err
	}
	rows, err := f.rows(l, l.re, re, chunk)
	if err != nil {
		return nil, err
	}
	if l.cplx {
		other, err := f.rows(l, l.im, im, chunk)
		return &complexStream{t: l.Spec.DType, re: rows, im: other}, err
	}
	if re.DType == l.Spec.DType {
		return rows, nil
	}
	return array.CastStream(rows, l.Spec.DType), nil
}

// rows streams one part.
func (f *File) rows(l *leaf, p part, whole array.Strided, chunk int) (array.Stream, error) {
	if l.v.compressed {
		return array.StreamOf(whole, chunk), nil
	}
	e := array.Extent{Spec: whole.Spec, File: f.file, Offset: l.v.at + p.pos}
	if whole.Spec.Flat() {
		return array.StreamExtent(l.Name, e, chunk)
	}
	if chunk <= 0 {
		chunk = columnChunk
	}
	return array.StreamFortran(l.Name, e, whole, chunk)
}

// complexStream joins the rows of two parts.
type complexStream struct {
	t      array.DType
	re, im array.Stream
	held   [2]array.Array // of each part, what the other had not yet
	buf    []byte
}

func (s *complexStream) Next() (array.Array, error) {
	for i, from := range []array.Stream{s.re, s.im} {
		if len(s.held[i].Data) > 0 {
			continue
		}
		var err error
		if s.held[i], err = from.Next(); err != nil {
			return array.Array{}, err
		}
	}
	n := min(s.held[0].Shape[0], s.held[1].Shape[0]) // the parts may differ in type, and so in rows at a time
	var part [2]array.Array
	for i, a := range s.held {
		part[i], s.held[i] = cut(a, n)
	}
	count, err := part[0].Count()
	if err != nil {
		return array.Array{}, err
	}
	s.buf = slices.Grow(s.buf[:0], count*s.t.ItemSize())[:count*s.t.ItemSize()]
	err = interleave(s.buf, part[0].Data, part[1].Data, part[0].DType, part[1].DType, s.t)
	return array.Array{Spec: array.Spec{DType: s.t, Shape: part[0].Shape}, Data: s.buf}, err
}

// Fortran returns both parts' elements as they lie, joined.
func (s *complexStream) Fortran() (array.Stream, int) {
	var parts [2]array.Stream
	each := 0
	for i, from := range []array.Stream{s.re, s.im} {
		in, ok := from.(array.FortranStream)
		if !ok {
			return nil, 0
		}
		if parts[i], each = in.Fortran(); parts[i] == nil {
			return nil, 0
		}
	}
	return &complexStream{t: s.t, re: parts[0], im: parts[1]}, each
}

// cut divides some rows before row n.
func cut(a array.Array, n int) (head, tail array.Array) {
	rows := a.Shape[0]
	at := len(a.Data) / rows * n
	head, tail = a, a
	head.Shape = append([]int{n}, a.Shape[1:]...)
	tail.Shape = append([]int{rows - n}, a.Shape[1:]...)
	head.Data, tail.Data = a.Data[:at], a.Data[at:]
	return head, tail
}

// Close ends both.
func (s *complexStream) Close() error { return errors.Join(s.re.Close(), s.im.Close()) }

// Close unmaps and closes the file. A second Close does nothing.
func (f *File) Close() error {
	var err error
	if f.file != nil {
		err = f.file.Close()
		f.file = nil
	}
	return errors.Join(err, f.m.Close())
}
