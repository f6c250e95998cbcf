package array

import (
	"fmt"
	"io"
	"os"
)

// pace divides an array into steps of whole rows.
type pace struct {
	spec  Spec
	row   int // bytes of one
	next  int // row
	left  int // rows
	most  int // rows at a time
	shape []int
}

func newPace(spec Spec, chunk int) (pace, error) {
	if chunk <= 0 {
		chunk = DefaultChunk
	}
	size, err := spec.Bytes()
	if err != nil {
		return pace{}, err
	}
	p := pace{spec: spec, row: size, left: rowsOf(spec)}
	if len(spec.Shape) > 0 && p.left > 0 {
		p.row /= p.left
	}
	p.most = p.rows(chunk)
	return p, nil
}

// rows is how many rows of those that are left some bytes are; at least one,
// and rows without bytes all at once.
func (p *pace) rows(bytes int) int {
	if p.row == 0 {
		return max(p.left, 1)
	}
	return max(1, min(p.left, bytes/p.row))
}

// step passes n rows, or fewer at the end, and returns their spec.
func (p *pace) step(n int) (first int, _ Spec, err error) {
	if p.left == 0 {
		return 0, Spec{}, io.EOF
	}
	n = min(n, p.left)
	spec := p.spec
	if len(spec.Shape) > 0 {
		if len(p.shape) == 0 || p.shape[0] != n {
			p.shape = append([]int{n}, spec.Shape[1:]...)
		}
		spec.Shape = p.shape
	}
	first = p.next
	p.next, p.left = p.next+n, p.left-n
	return first, spec, nil
}

// closer is the end of a stream.
type closer struct {
	what   string
	closed bool
}

func (c *closer) state() error {
	if c.closed {
		return fmt.Errorf("%s: the stream is closed: %w", c.what, os.ErrClosed)
	}
	return nil
}

// Close ends the stream.
func (c *closer) Close() error {
	c.closed = true
	return nil
}

// StreamOf gives the rows of an array in memory, about chunk bytes at once (0
// is DefaultChunk), in C order: over the same bytes where they lie so, else
// gathered in a buffer of its own. The array must stay as it is until Close.
func StreamOf(s Strided, chunk int) Stream {
	p, err := newPace(s.Spec, chunk)
	if err != nil {
		panic("array: " + err.Error()) // no array has such a shape
	}
	return &memoryStream{closer: closer{what: "array"}, pace: p, s: s, whole: s.IsContiguous()}
}

type memoryStream struct {
	closer
	pace
	s     Strided
	whole bool // its rows lie one behind the other
	buf   []byte
}

func (m *memoryStream) Next() (Array, error) {
	if err := m.state(); err != nil {
		return Array{}, err
	}
	first, spec, err := m.step(m.most)
	if err != nil {
		return Array{}, err
	}
	part := m.s
	if len(spec.Shape) > 0 {
		part = part.Slice(0, first, first+spec.Shape[0], 1)
	}
	if m.whole {
		return part.AsContiguous(), nil
	}
	a := Array{Spec: spec, Data: buffer(&m.buf, rowsOf(spec)*m.row)}
	part.CopyTo(a.Data)
	return a, nil
}

// buffer returns n bytes of a buffer that is made, or grows, when first used.
func buffer(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}

// StreamExtent gives the rows of the array name, which lie in a file, about
// chunk bytes at a time (0 is DefaultChunk) and at least one row. It reads them
// into one buffer of its own. That the file has them must be known: only memory
// for rows that the file was found to have may be taken. The Stream is an
// ExtentStream.
func StreamExtent(name string, e Extent, chunk int) (Stream, error) {
	p, err := newPace(e.Spec, chunk)
	if err != nil {
		return nil, &FormatError{File: e.File.Name(), Array: name, Offset: e.Offset, Msg: err.Error()}
	}
	return &extentStream{closer: closer{what: Place(e.File.Name(), name, "", -1) + "read"}, pace: p, name: name, e: e}, nil
}

type extentStream struct {
	closer
	pace
	name string
	e    Extent
	buf  []byte
}

func (s *extentStream) Extents() bool { return true }

func (s *extentStream) NextExtent(bytes int) (Extent, error) {
	if err := s.state(); err != nil {
		return Extent{}, err
	}
	first, spec, err := s.step(s.rows(bytes))
	if err != nil {
		return Extent{}, err
	}
	return Extent{Spec: spec, File: s.e.File, Offset: s.e.Offset + int64(first)*int64(s.row)}, nil
}

func (s *extentStream) Next() (Array, error) {
	if err := s.state(); err != nil {
		return Array{}, err
	}
	first, spec, err := s.step(s.most)
	if err != nil {
		return Array{}, err
	}
	a := Array{Spec: spec, Data: buffer(&s.buf, rowsOf(spec)*s.row)}
	return a, readAt(s.e.File, a.Data, s.e.Offset+int64(first)*int64(s.row), s.name)
}

// readAt fills b from byte off of a file on.
func readAt(f *os.File, b []byte, off int64, name string) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return &FormatError{File: f.Name(), Array: name, Offset: off + int64(n), Msg: "the file ends within the array's data"}
	}
	return &FormatError{File: f.Name(), Array: name, Offset: off + int64(n), Msg: err.Error()}
}

// minRun is how many bytes of a column must lie together for them to be read
// one by one; shorter ones are gathered from the map.
const minRun = 512

// StreamFortran is StreamExtent of an array whose elements lie in Fortran order.
// Of each column, that is each index of all axes but the first, the rows of a
// chunk lie together and are read so, into a second buffer; where they are very
// short, and of a scalar, they are taken from whole, the same array in memory by
// a map.
func StreamFortran(name string, e Extent, whole Strided, chunk int) (Stream, error) {
	p, err := newPace(e.Spec, chunk)
	if err != nil {
		return nil, &FormatError{File: e.File.Name(), Array: name, Offset: e.Offset, Msg: err.Error()}
	}
	return &fortranStream{closer: closer{what: Place(e.File.Name(), name, "", -1) + "read"}, pace: p, name: name, e: e, whole: whole}, nil
}

type fortranStream struct {
	closer
	pace
	name       string
	e          Extent
	whole      Strided
	buf, block []byte
}

func (s *fortranStream) Next() (Array, error) {
	if err := s.state(); err != nil {
		return Array{}, err
	}
	first, spec, err := s.step(s.most)
	if err != nil {
		return Array{}, err
	}
	part := s.whole
	if len(spec.Shape) > 0 {
		n := spec.Shape[0]
		part = part.Slice(0, first, first+n, 1)
		if run := n * spec.DType.ItemSize(); run >= minRun {
			if part, err = s.read(spec, first, run); err != nil {
				return Array{}, err
			}
		}
	}
	a := Array{Spec: spec, Data: buffer(&s.buf, rowsOf(spec)*s.row)}
	part.CopyTo(a.Data)
	return a, nil
}

// read brings each column's run into memory, and so no more of the file than
// the chunk.
func (s *fortranStream) read(spec Spec, first, run int) (Strided, error) {
	block := buffer(&s.block, spec.Shape[0]*s.row)
	item := int64(spec.DType.ItemSize())
	at := s.e.Offset + int64(first)*item
	for c := block; len(c) > 0; c = c[run:] {
		if err := readAt(s.e.File, c[:run], at, s.name); err != nil {
			return Strided{}, err
		}
		at += int64(s.spec.Shape[0]) * item
	}
	return FortranOf(spec, block)
}

// CastStream gives the rows of a stream, which it closes with itself, as
// elements of another type, with Cast's values.
func CastStream(s Stream, t DType) Stream { return &castStream{s, t} }

type castStream struct {
	Stream
	t DType
}

func (c *castStream) Next() (Array, error) {
	a, err := c.Stream.Next()
	if err != nil || a.DType == c.t {
		return a, err
	}
	return Cast(a, c.t)
}
