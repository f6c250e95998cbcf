package npy

import (
	"errors"
	"fmt"
	"io"

	"github.com/betongo/betongo/array"
)

// DefaultChunk is how many bytes a stream gives at a time where nothing else
// is asked for.
const DefaultChunk = 1 << 20

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is DefaultChunk) and at least one row. It needs memory for one chunk, for an
// array in Fortran order two, whatever the array's size. Compressed arrays in
// Fortran order are read whole.
func (a *Archive) Stream(name string, chunk int) (array.Stream, error) {
	m, err := a.find(name)
	if err != nil {
		return nil, err
	}
	if chunk <= 0 {
		chunk = DefaultChunk
	}
	size, err := m.spec.Bytes()
	if err != nil {
		return nil, err
	}
	if len(m.spec.Shape) == 0 {
		s := &rowStream{archive: a, m: m, spec: m.spec, left: 1, row: size, most: 1, scalar: true}
		return s, s.open()
	}
	rows := m.spec.Shape[0]
	s := &rowStream{archive: a, m: m, spec: m.spec, left: rows, most: max(rows, 1)}
	if rows > 0 && size > 0 {
		s.row = size / rows
		s.most = max(1, chunk/s.row)
	}
	if m.fortran {
		return a.streamFortran(m, s)
	}
	return s, s.open()
}

// rowStream reads an array in C order from front to back.
type rowStream struct {
	archive *Archive
	m       *member
	spec    array.Spec
	left    int // rows
	row     int // bytes of one
	most    int // rows at a time
	scalar  bool
	at      int64
	r       io.ReadCloser // of a compressed array
	buf     []byte
	closed  bool
}

func (s *rowStream) open() (err error) {
	s.at = s.m.data
	if s.at < 0 {
		s.r, err = s.archive.data(s.m)
	}
	return err
}

// Next returns the next rows.
func (s *rowStream) Next() (array.Array, error) {
	if s.closed {
		return array.Array{}, errClosed
	}
	if s.left == 0 {
		return array.Array{}, io.EOF
	}
	n := min(s.left, s.most)
	size := n * s.row
	if cap(s.buf) < size {
		s.buf = make([]byte, min(s.left, s.most)*s.row)
	}
	s.buf = s.buf[:size]
	if s.r != nil {
		if got, err := io.ReadFull(s.r, s.buf); err != nil {
			return array.Array{}, s.archive.inflate(s.m, s.at+int64(got), noEOF(err))
		}
	} else if got, err := s.archive.file.ReadAt(s.buf, s.at); got < size {
		return array.Array{}, &FormatError{File: s.archive.Name(), Array: s.m.Name, Offset: s.at + int64(got), Msg: noEOF(err).Error()}
	}
	s.at += int64(size)
	if s.left -= n; s.left == 0 && s.r != nil {
		if err := s.archive.end(s.m, s.r); err != nil {
			return array.Array{}, err
		}
	}
	return s.rows(n, s.buf), nil
}

// rows is the array of a chunk.
func (s *rowStream) rows(n int, data []byte) array.Array {
	spec := s.spec
	if !s.scalar {
		spec.Shape = append([]int{n}, s.spec.Shape[1:]...)
	}
	return array.Array{Spec: spec, Data: data}
}

// Close ends the stream.
func (s *rowStream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	if s.r != nil {
		return s.r.Close()
	}
	return nil
}

var errClosed = errors.New("npy: the stream is closed")

func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// minRun is how many bytes of a column must lie together for them to be read
// one by one; shorter ones are gathered from the map.
const minRun = 512

// fortranStream gathers rows of an array in Fortran order: of each column, that
// is each index of all axes but the first, those of a chunk lie together.
type fortranStream struct {
	*rowStream
	whole   array.Strided
	columns int
	next    int // row
	block   []byte
}

func (a *Archive) streamFortran(m *member, s *rowStream) (array.Stream, error) {
	whole, err := a.Array(m.Name)
	if err != nil {
		return nil, err
	}
	f := &fortranStream{rowStream: s, whole: whole}
	f.columns = s.row / max(s.spec.DType.ItemSize(), 1)
	return f, nil
}

// Next returns the next rows.
func (f *fortranStream) Next() (array.Array, error) {
	if f.closed {
		return array.Array{}, errClosed
	}
	if f.left == 0 {
		return array.Array{}, io.EOF
	}
	n := min(f.left, f.most)
	size := n * f.row
	if cap(f.buf) < size {
		f.buf = make([]byte, size)
	}
	f.buf = f.buf[:size]
	part := f.whole.Slice(0, f.next, f.next+n, 1)
	if run := n * f.spec.DType.ItemSize(); f.m.data >= 0 && run >= minRun {
		var err error
		if part, err = f.read(n, run); err != nil {
			return array.Array{}, err
		}
	}
	part.CopyTo(f.buf)
	f.next, f.left = f.next+n, f.left-n
	return f.rows(n, f.buf), nil
}

// read brings each column's run into memory, and so no more of the file than
// the chunk.
func (f *fortranStream) read(n, run int) (array.Strided, error) {
	if cap(f.block) < n*f.row {
		f.block = make([]byte, n*f.row)
	}
	block := f.block[:n*f.row]
	item := int64(f.spec.DType.ItemSize())
	for c := range f.columns {
		at := f.m.data + (int64(c)*int64(f.spec.Shape[0])+int64(f.next))*item
		if got, err := f.archive.file.ReadAt(block[c*run:(c+1)*run], at); got < run {
			return array.Strided{}, &FormatError{File: f.archive.Name(), Array: f.m.Name, Offset: at, Msg: fmt.Sprint(noEOF(err))}
		}
	}
	return array.FortranOf(f.rows(n, block).Spec, block)
}
