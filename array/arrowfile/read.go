package arrowfile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
)

// broken is an error within a batch.
func (f *File) broken(c *column, k *batch, err error) error {
	var e *FormatError
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &FormatError{File: f.name, Array: c.Field.Name, Offset: k.at, Msg: err.Error()}
}

// verify checks that all rows of a column lie in the file.
func (f *File) verify(c *column) error {
	for _, k := range f.batches {
		for i := range c.Leaves {
			if _, err := f.leaf(k, c, &c.Leaves[i]); err != nil {
				return f.broken(c, k, err)
			}
		}
	}
	return nil
}

// measure finds the longest text of each leaf that is text.
func (f *File) measure(c *column) ([]int, error) {
	widths := []int{}
	for _, i := range c.Texts() {
		l := &c.Leaves[i]
		longest := 0
		take := func(_ int, text []byte) error { return l.Longer(text, &longest, f.opts.MaxText) }
		var err error
		if l.Type.Dict != nil {
			err = f.eachDict(c, l, 0, len(f.dicts), func(r *leaf, _ bool) error { return measured(r, take) })
		} else {
			for _, k := range f.batches {
				var r *leaf
				if r, err = f.leaf(k, c, l); err == nil {
					err = measured(r, take)
					r.close()
				}
				if err = refusedOr(err, func(err error) error { return f.broken(c, k, err) }); err != nil {
					break
				}
			}
		}
		if err != nil {
			return nil, err
		}
		widths = append(widths, longest)
	}
	return widths, nil
}

// refusedOr leaves it at an error that says what isn't served, and makes another
// of any other.
func refusedOr(err error, other func(error) error) error {
	var refused *array.UnsupportedError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return other(err)
}

// measured gives all texts of a leaf, some rows at a time.
func measured(r *leaf, take func(int, []byte) error) error {
	if r.Count == 0 {
		return nil
	}
	step := max(1, 1<<15/r.Count)
	for lo := 0; lo < r.k.rows; lo += step {
		n := min(step, r.k.rows-lo)
		missing, err := r.missing(lo, n)
		if err != nil {
			return err
		}
		if err := r.texts(int64(lo)*int64(r.Count), int64(lo+n)*int64(r.Count), missing, take); err != nil {
			return err
		}
	}
	return nil
}

// eachDict gives the messages of a leaf's dictionary among those from number from
// up to but without to.
func (f *File) eachDict(c *column, l *arrow.Leaf, from, to int, do func(r *leaf, delta bool) error) error {
	field := *l.Type
	field.Dict = nil
	own := *l
	own.Path, own.Type, own.Offset, own.Dims, own.Count = nil, &field, 0, nil, 1
	for _, d := range f.dicts[from:to] {
		if d.id != l.Type.Dict.ID {
			continue
		}
		r, err := f.leafAt(d.batch, &field, arrow.Layout{}, &own)
		if err == nil {
			err = do(r, d.delta)
			r.close()
		}
		if err = refusedOr(err, func(err error) error {
			return f.broken(c, d.batch, fmt.Errorf("dictionary %d: %w", d.id, err))
		}); err != nil {
			return err
		}
	}
	return nil
}

// update brings a leaf's dictionary to where it is behind the first n messages.
func (f *File) update(c *column, l *arrow.Leaf, v *values, n int) error {
	from := v.seen
	v.seen = n
	return f.eachDict(c, l, from, n, func(r *leaf, delta bool) error {
		if !delta {
			*v = values{seen: n, left: f.opts.MaxArray}
		}
		return v.add(r)
	})
}

// add puts a message's values behind those that are there.
func (v *values) add(r *leaf) error {
	rows, size := r.k.rows, r.DType.ItemSize()
	if rows > math.MaxInt32-v.n || int64(rows) > v.left/int64(size+32) {
		return fmt.Errorf("%d values behind %d are too many", rows, v.n)
	}
	v.left -= int64(rows) * int64(size+32)
	missing, err := r.missing(0, rows)
	if err != nil {
		return err
	}
	if missing != nil || v.missing != nil {
		v.missing = append(v.missing, make([]bool, v.n-len(v.missing))...)
		v.missing = append(v.missing, missing...)
		v.missing = append(v.missing, make([]bool, rows-len(missing))...)
	}
	if r.Type.Type.Text() {
		v.texts = append(v.texts, make([][]byte, v.n+rows-len(v.texts))...)
		err = r.texts(0, int64(rows), missing, func(i int, text []byte) error {
			if v.left -= int64(len(text)); v.left < 0 {
				return errors.New("its values are too large")
			}
			v.texts[v.n+i] = slices.Clone(text)
			return nil
		})
	} else {
		items := make([]byte, rows*size)
		r.levels = nil // told by missing
		if err = r.read(items, 0, rows, nil); err == nil {
			v.items = append(v.items, items...)
		}
	}
	v.n += rows
	return err
}

// reader reads a column's rows in one batch, from front to back.
type reader struct {
	f      *File
	c      *column
	k      *batch
	leaves []*leaf
	tmp    []byte
}

// reader begins to read a batch. The dictionaries of the leaves are those of the
// batch before, nil at first.
func (f *File) reader(c *column, k *batch, dicts []*values) (*reader, error) {
	r := &reader{f: f, c: c, k: k}
	for i := range c.Leaves {
		l, err := f.leaf(k, c, &c.Leaves[i])
		if err == nil && l.Type.Dict != nil {
			if dicts[i] == nil {
				dicts[i] = &values{left: f.opts.MaxArray}
			}
			l.dict = dicts[i]
			err = f.update(c, l.Leaf, l.dict, k.dicts)
		}
		if err != nil {
			return nil, f.broken(c, k, err)
		}
		r.leaves = append(r.leaves, l)
	}
	return r, nil
}

func (r *reader) close() {
	for _, l := range r.leaves {
		l.close()
	}
}

// view returns the batch's rows where they lie as they are in the array.
func (r *reader) view() ([]byte, bool) {
	if len(r.leaves) != 1 {
		return nil, false
	}
	l := r.leaves[0]
	b, ok := l.data.view()
	if !ok || !l.Same() || l.Type.Dict != nil || len(l.levels) > 0 || l.Count*l.Stored() != r.c.Row {
		return nil, false
	}
	n := r.k.rows * r.c.Row
	return b[:n:n], true
}

// read makes n rows from lo on.
func (r *reader) read(dst []byte, lo, n int) error {
	if r.c.Row == 0 { // there is nothing to be made, of however many rows
		return nil
	}
	if len(r.leaves) > 1 || len(r.leaves) == 1 && r.leaves[0].Count*r.leaves[0].DType.ItemSize() != r.c.Row {
		clear(dst) // what lies between the fields
	}
	for _, l := range r.leaves {
		out := dst
		if !r.c.Plain() {
			size := n * l.Count * l.DType.ItemSize()
			if cap(r.tmp) < size {
				r.tmp = make([]byte, size)
			}
			out = r.tmp[:size]
		}
		if err := l.read(out, lo, n, r.f.opts.Fill); err != nil {
			return r.f.broken(r.c, r.k, err)
		}
		if !r.c.Plain() {
			l.Scatter(dst, r.c.Row, out)
		}
	}
	return nil
}

// Array returns a whole column. Numbers that aren't compressed, of which none is
// missing and that lie in one batch, are a view of the file: read-only, valid
// until Close. All else is read into memory, where it may have
// OpenOptions.MaxArray bytes.
func (f *File) Array(name string) (array.Strided, error) {
	c, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	var only *batch
	parts := 0
	for _, k := range f.batches {
		if k.rows > 0 {
			only = k
			parts++
		}
	}
	if parts == 1 {
		r, err := f.reader(c, only, make([]*values, len(c.Leaves)))
		if err != nil {
			return array.Strided{}, err
		}
		defer r.close()
		if b, ok := r.view(); ok {
			if s, ok := inPlace(c, b); ok {
				return s, nil
			}
		}
	}
	spec, size, err := f.columns.Whole(c, f.opts.MaxArray)
	if err != nil {
		return array.Strided{}, err
	}
	b, err := f.readAll(c, size)
	if err != nil {
		return array.Strided{}, err
	}
	a, err := array.New(spec, b)
	return a.Strided(), err
}

// inPlace is a batch's rows as they lie, a tensor's in its own order.
func inPlace(c *column, b []byte) (array.Strided, bool) {
	spec := array.Spec{DType: c.Member.Spec.DType, Shape: slices.Clone(c.Member.Spec.Shape)}
	if c.Plain() {
		a, err := array.New(spec, b)
		return a.Strided(), err == nil
	}
	dims := c.Leaves[0].Dims
	if c.Order == nil || len(dims) != len(c.Order) {
		return array.Strided{}, false
	}
	step := c.Leaves[0].DType.ItemSize()
	strides := make([]int, 1+len(dims))
	strides[0] = c.Row
	stored := make([]int, len(dims))
	for i := len(dims) - 1; i >= 0; i-- {
		stored[i] = step
		step *= dims[i].N
	}
	for i, axis := range c.Order {
		strides[1+i] = stored[axis]
	}
	s, err := array.NewStrided(spec, strides, b, 0)
	return s, err == nil
}

// readAll reads size bytes of rows. Memory grows with what was there to be read.
func (f *File) readAll(c *column, size int) ([]byte, error) {
	out := make([]byte, 0, min(size, 64<<20))
	s := f.stream(c, 4<<20)
	defer s.Close()
	for {
		a, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(out)+len(a.Data) > cap(out) {
			out = slices.Grow(out, min(size-len(out), max(len(a.Data), len(out))))
		}
		out = append(out, a.Data...)
	}
	return out, nil
}

// Stream gives the rows of a column, about chunk bytes at once (0 is
// array.DefaultChunk) and at least one row, never those of two batches. Numbers
// that aren't compressed are views of the file, under Array's terms; the Stream
// can then tell where they lie, as an array.ExtentStream.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	c, err := f.find(name)
	if err != nil {
		return nil, err
	}
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	return f.stream(c, chunk), nil
}

func (f *File) stream(c *column, chunk int) *stream {
	return &stream{f: f, c: c, chunk: chunk, dicts: make([]*values, len(c.Leaves))}
}

// stream goes through the batches.
type stream struct {
	f      *File
	c      *column
	chunk  int
	next   int       // batch
	dicts  []*values // of the leaves
	r      *reader
	lo     int // row of it
	buf    []byte
	whole  []byte // the batch, where it is a view
	shape  []int
	closed bool
}

// advance finds a batch with rows that are left; io.EOF for none.
func (s *stream) advance() error {
	if s.closed || s.f.data == nil {
		return fmt.Errorf("%s: array %q: the stream is closed: %w", s.f.name, s.c.Field.Name, os.ErrClosed)
	}
	for s.r == nil || s.lo == s.r.k.rows {
		if s.r != nil {
			s.r.close()
			s.r = nil
		}
		if s.next == len(s.f.batches) {
			return io.EOF
		}
		r, err := s.f.reader(s.c, s.f.batches[s.next], s.dicts)
		if err != nil {
			return err
		}
		s.next++
		s.r, s.lo = r, 0
		s.whole = nil
		if b, ok := r.view(); ok && s.c.Plain() {
			s.whole = b
		}
	}
	return nil
}

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	if err := s.advance(); err != nil {
		return array.Array{}, err
	}
	n := s.c.Step(s.r.k.rows-s.lo, s.chunk)
	lo, hi := s.lo*s.c.Row, (s.lo+n)*s.c.Row
	a := array.Array{Spec: s.c.Part(n, &s.shape)}
	if s.whole != nil {
		s.r.leaves[0].data.passed.To(s.whole, lo)
		a.Data = s.whole[lo:hi:hi]
	} else {
		if cap(s.buf) < hi-lo {
			s.buf = make([]byte, hi-lo)
		}
		a.Data = s.buf[:hi-lo]
		if err := s.r.read(a.Data, s.lo, n); err != nil {
			return array.Array{}, err
		}
	}
	s.lo += n
	return a, nil
}

// Extents tells whether all rows lie in the file as they are.
func (s *stream) Extents() bool {
	if s.f.file == nil || s.f.data == nil || !s.c.Plain() {
		return false
	}
	if s.c.Leaves[0].Type.Dict != nil {
		return false
	}
	for _, k := range s.f.batches {
		r, err := s.f.reader(s.c, k, nil)
		if err != nil {
			return false
		}
		_, ok := r.view()
		r.close()
		if !ok {
			return false
		}
	}
	return true
}

// NextExtent tells where the next rows lie.
func (s *stream) NextExtent(bytes int) (array.Extent, error) {
	if err := s.advance(); err != nil {
		return array.Extent{}, err
	}
	if s.whole == nil && s.c.Row > 0 {
		return array.Extent{}, errors.ErrUnsupported
	}
	n := s.c.Step(s.r.k.rows-s.lo, bytes)
	e := array.Extent{Spec: s.c.Part(n, &s.shape), File: s.f.file, Offset: s.r.leaves[0].at + int64(s.lo)*int64(s.c.Row)}
	s.lo += n
	return e, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	if s.r != nil {
		s.r.close()
		s.r = nil
	}
	s.closed, s.buf, s.whole = true, nil, nil
	return nil
}
