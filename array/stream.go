package array

import (
	"errors"
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

// StreamFunc gives the rows of an array, about chunk bytes at once (0 is
// DefaultChunk) and at least one row, that fill puts into a buffer: rows from
// first on, all bytes of buf. It asks for them from front to back, once each. end
// is called once, by Close; nil is nothing to do. The errors of both are given as
// they are; where names the array in the others. The buffer has the size of one
// chunk: that there are so many bytes must be known.
func StreamFunc(where string, spec Spec, chunk int, fill func(buf []byte, first, rows int) error, end func() error) (Stream, error) {
	s, err := newFuncStream(where, spec, chunk)
	if err != nil {
		return nil, err
	}
	s.fill, s.end = fill, end
	return s, nil
}

type funcStream struct {
	pace
	where  string
	fill   func(buf []byte, first, rows int) error
	end    func() error
	buf    []byte
	closed bool
}

func newFuncStream(where string, spec Spec, chunk int) (*funcStream, error) {
	p, err := newPace(spec, chunk)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return &funcStream{pace: p, where: where}, nil
}

func (s *funcStream) state() error {
	if s.closed {
		return fmt.Errorf("%s: the stream is closed: %w", s.where, os.ErrClosed)
	}
	return nil
}

func (s *funcStream) Next() (Array, error) {
	if err := s.state(); err != nil {
		return Array{}, err
	}
	first, spec, err := s.step(s.most)
	if err != nil {
		return Array{}, err
	}
	n := rowsOf(spec)
	a := Array{Spec: spec, Data: buffer(&s.buf, n*s.row)}
	if err := s.fill(a.Data, first, n); err != nil {
		return Array{}, err
	}
	return a, nil
}

func (s *funcStream) Close() error {
	if s.closed {
		return nil
	}
	s.closed, s.buf = true, nil
	if s.end != nil {
		return s.end()
	}
	return nil
}

// buffer returns n bytes of a buffer that is made, or grows, when first used.
func buffer(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	return (*b)[:n]
}

// StreamOf gives the rows of an array in memory, about chunk bytes at once (0
// is DefaultChunk), in C order: over the same bytes where they lie so, else
// gathered in a buffer of its own. The array must stay as it is until Close.
func StreamOf(s Strided, chunk int) Stream {
	f, err := newFuncStream("array", s.Spec, chunk)
	if err != nil {
		panic("array: " + err.Error()) // no array has such a shape
	}
	if s.IsContiguous() {
		return &memoryStream{f, s.AsContiguous().Data}
	}
	f.fill = func(buf []byte, first, rows int) error {
		s.part(first, rows).CopyTo(buf)
		return nil
	}
	if s.IsFortran() {
		return &fortranStream{f, func(spec Spec) (Stream, error) {
			return StreamOf(Array{Spec: spec, Data: s.Transpose().AsContiguous().Data}.Strided(), min(chunk, DefaultChunk)), nil
		}}
	}
	return f
}

// part is some rows; of a scalar all there is.
func (s Strided) part(first, rows int) Strided {
	if len(s.Shape) == 0 {
		return s
	}
	return s.Slice(0, first, first+rows, 1)
}

// memoryStream gives the very bytes.
type memoryStream struct {
	*funcStream
	data []byte
}

func (m *memoryStream) Next() (Array, error) {
	if err := m.state(); err != nil {
		return Array{}, err
	}
	first, spec, err := m.step(m.most)
	if err != nil {
		return Array{}, err
	}
	lo, hi := first*m.row, (first+rowsOf(spec))*m.row
	return Array{Spec: spec, Data: m.data[lo:hi:hi]}, nil
}

// StreamExtent gives the rows of the array name, which lie in a file, about
// chunk bytes at a time (0 is DefaultChunk) and at least one row. It reads them
// into one buffer of its own. That the file has them must be known: the buffer
// is made before they are read. The Stream is an ExtentStream.
func StreamExtent(name string, e Extent, chunk int) (Stream, error) {
	f, err := newFuncStream(Place(e.File.Name(), name, "", -1)+"read", e.Spec, chunk)
	if err != nil {
		return nil, err
	}
	f.fill = func(buf []byte, first, _ int) error {
		return readAt(e.File, buf, e.Offset+int64(first)*int64(f.row), name)
	}
	return &extentStream{f, e}, nil
}

type extentStream struct {
	*funcStream
	e Extent
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

// readAt fills b from byte off of a file on.
func readAt(f *os.File, b []byte, off int64, name string) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case err == io.EOF:
		return &FormatError{File: f.Name(), Array: name, Offset: off + int64(n), Msg: "the file ends within the array's data"}
	case errors.Is(err, os.ErrClosed):
		return fmt.Errorf("%s: array %q: %w", f.Name(), name, os.ErrClosed)
	}
	return &FormatError{File: f.Name(), Array: name, Offset: off + int64(n), Msg: err.Error()}
}

// fortranStream may give its elements as they lie.
type fortranStream struct {
	*funcStream
	elements func(Spec) (Stream, error) // all, as an array of one dimension
}

func (s *fortranStream) Fortran() (Stream, int) {
	if s.closed || s.next > 0 || s.row == 0 || len(s.spec.Shape) < 2 {
		return nil, 0
	}
	count, err := s.spec.Count()
	if err != nil || count == 0 {
		return nil, 0
	}
	elements, err := s.elements(Spec{DType: s.spec.DType, Shape: []int{count}})
	if err != nil {
		return nil, 0 // the rows say why
	}
	return elements, count / s.spec.Shape[0]
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
	f, err := newFuncStream(Place(e.File.Name(), name, "", -1)+"read", e.Spec, chunk)
	if err != nil {
		return nil, err
	}
	var block []byte
	f.fill = func(buf []byte, first, rows int) error {
		run := rows * e.DType.ItemSize()
		if len(e.Shape) == 0 || run < minRun {
			if _, err := e.File.Stat(); err != nil { // closed, and the map with it
				return err
			}
			whole.part(first, rows).CopyTo(buf)
			return nil
		}
		part, err := e.columns(buffer(&block, len(buf)), name, first, rows)
		if err == nil {
			part.CopyTo(buf)
		}
		return err
	}
	return &fortranStream{f, func(spec Spec) (Stream, error) {
		return StreamExtent(name, Extent{Spec: spec, File: e.File, Offset: e.Offset}, min(chunk, DefaultChunk))
	}}, nil
}

// columns brings each column's run into memory, and so no more of the file than
// the chunk.
func (e Extent) columns(block []byte, name string, first, rows int) (Strided, error) {
	item := int64(e.DType.ItemSize())
	run := rows * int(item)
	at := e.Offset + int64(first)*item
	for c := block; len(c) > 0; c = c[run:] {
		if err := readAt(e.File, c[:run], at, name); err != nil {
			return Strided{}, err
		}
		at += int64(e.Shape[0]) * item
	}
	return FortranOf(Spec{DType: e.DType, Shape: append([]int{rows}, e.Shape[1:]...)}, block)
}

// CastStream gives the rows of a stream, which it closes with itself, as
// elements of another type, with Cast's values.
func CastStream(s Stream, t DType) Stream { return &castStream{Stream: s, t: t} }

type castStream struct {
	Stream
	t   DType
	buf []byte
}

func (c *castStream) Fortran() (Stream, int) {
	in, ok := c.Stream.(FortranStream)
	if !ok {
		return nil, 0
	}
	elements, each := in.Fortran()
	if elements == nil {
		return nil, 0
	}
	return CastStream(elements, c.t), each
}

func (c *castStream) Next() (Array, error) {
	a, err := c.Stream.Next()
	if err != nil || a.DType == c.t {
		return a, err
	}
	if a, err = CastInto(c.buf, a, c.t); err == nil {
		c.buf = a.Data
	}
	return a, err
}
