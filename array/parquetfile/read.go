package parquetfile

import (
	"errors"
	"fmt"
	"github.com/betongo/betongo/internal/parquet"
	"io"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
)

// leaf begins to read a leaf in a row group.
func (f *File) leaf(c *column, i, group int) *leaf {
	info := &c.Own.leaves[i]
	l := &leaf{Leaf: &c.Leaves[i], Decoder: parquet.Decoder{Node: info.node}, cuts: info.cuts, sizes: info.sizes, spans: info.spans}
	k := &f.meta.Groups[group].Chunks[info.node.Leaf]
	b := f.data[k.At : k.At+k.Size]
	l.pages = parquet.NewPages(b, k.At, k.Codec, f.opts.MaxPage, f.m != nil)
	return l
}

// broken is an error within a row group.
func (f *File) broken(c *column, l *leaf, group int, err error) error {
	return &FormatError{File: f.name, Array: c.Field.Name, Offset: l.pages.Offset(), Msg: fmt.Sprintf("row group %d: %v", group, err)}
}

// measure finds the longest text of each leaf that is text.
func (f *File) measure(c *column) ([]int, error) {
	widths := []int{}
	for _, i := range c.Texts() {
		longest := 0
		for group := range f.meta.Groups {
			l := f.leaf(c, i, group)
			err := l.measure(&longest, int(f.meta.Groups[group].Rows), f.opts.MaxText)
			l.pages.Close()
			var refused *array.UnsupportedError
			if errors.As(err, &refused) {
				return nil, err
			}
			if err != nil {
				return nil, f.broken(c, l, group, err)
			}
		}
		widths = append(widths, longest)
	}
	return widths, nil
}

// measure finds the longest text: in the dictionary, and in the pages whose
// values aren't there.
func (l *leaf) measure(longest *int, rows, most int) error {
	if l.Count == 0 {
		return nil
	}
	take := func(text []byte) error { return l.Longer(text, longest, most) }
	return l.rows(rows, func(_, n int) error {
		if _, ok := l.Texts.(*parquet.DictTexts); ok {
			for ; !l.measured && len(l.DictTexts) > 0; l.DictTexts = l.DictTexts[1:] {
				if err := take(l.DictTexts[0]); err != nil {
					return err
				}
			}
			l.measured = true
			return nil
		}
		for range n {
			text, err := l.Texts.Next()
			if err == nil {
				err = take(text)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func(int, int) {})
}

// Array reads a whole column into memory, at most OpenOptions.MaxArray bytes.
func (f *File) Array(name string) (array.Strided, error) {
	c, err := f.column(name)
	if err != nil {
		return array.Strided{}, err
	}
	spec, size, err := f.columns.Whole(c, f.opts.MaxArray)
	if err != nil {
		return array.Strided{}, err
	}
	// Memory grows with what was there to be read.
	out := make([]byte, 0, min(size, 64<<20))
	s := &stream{f: f, c: c, chunk: 4 << 20}
	defer s.Close()
	for {
		if len(out) == size && c.Row > 0 {
			break
		}
		if err := s.advance(); err == io.EOF {
			break
		} else if err != nil {
			return array.Strided{}, err
		}
		n := s.c.Step(s.rows-s.lo, s.chunk) * c.Row
		if len(out)+n > cap(out) {
			out = slices.Grow(out, min(size-len(out), max(n, len(out))))
		}
		// Rows are read to where they stay.
		if _, err := s.read(out[len(out) : len(out)+n]); err != nil {
			return array.Strided{}, err
		}
		out = out[:len(out)+n]
	}
	a, err := array.New(spec, out)
	return a.Strided(), err
}

// Stream gives the rows of a column, about chunk bytes at once (0 is
// array.DefaultChunk) and at least one row, never those of two row groups. In
// memory are the chunk and one page.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	c, err := f.column(name)
	if err != nil {
		return nil, err
	}
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	return &stream{f: f, c: c, chunk: chunk}, nil
}

// stream goes through the row groups.
type stream struct {
	f      *File
	c      *column
	chunk  int
	group  int // the next one
	before int // rows of those before the current one
	leaves []*leaf
	lo     int // row of the current group
	rows   int // of the current group
	buf    []byte
	tmp    []byte
	shape  []int
	closed bool
}

// advance finds a row group with rows that are left; io.EOF for none.
func (s *stream) advance() error {
	if s.closed || s.f.data == nil {
		return fmt.Errorf("%s: array %q: the stream is closed: %w", s.f.name, s.c.Field.Name, os.ErrClosed)
	}
	for s.lo == s.rows {
		s.drop()
		if s.group == len(s.f.meta.Groups) {
			return io.EOF
		}
		s.before += s.rows
		s.lo, s.rows = 0, int(s.f.meta.Groups[s.group].Rows)
		for i := range s.c.Leaves {
			s.leaves = append(s.leaves, s.f.leaf(s.c, i, s.group))
		}
		s.group++
	}
	return nil
}

// drop gives back what the reading took.
func (s *stream) drop() {
	for _, l := range s.leaves {
		l.pages.Close()
	}
	s.leaves = nil
}

// read makes the next rows, which fill dst.
func (s *stream) read(dst []byte) (int, error) {
	n := s.c.Step(s.rows-s.lo, s.chunk)
	if s.c.Row == 0 { // there is nothing to be made, of however many rows
		s.lo += n
		return n, nil
	}
	direct := s.c.Plain()
	if !direct && (len(s.leaves) > 1 || s.leaves[0].Count*s.leaves[0].DType.ItemSize() != s.c.Row) {
		clear(dst) // what lies between the fields
	}
	for _, l := range s.leaves {
		out := dst
		if !direct {
			out = room(&s.tmp, n*l.Count*l.DType.ItemSize())
		}
		if err := l.read(out, n, s.f.opts.Fill); err != nil {
			var missing *missingError
			if errors.As(err, &missing) {
				missing.row += s.before + s.lo
				return 0, &FormatError{File: s.f.name, Array: s.c.Field.Name, Offset: -1, Msg: missing.Error()}
			}
			return 0, s.f.broken(s.c, l, s.group-1, fmt.Errorf("rows from %d on: %w", s.lo, err))
		}
		if !direct {
			l.Scatter(dst, s.c.Row, out)
		}
	}
	s.lo += n
	return n, nil
}

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	if err := s.advance(); err != nil {
		return array.Array{}, err
	}
	dst := room(&s.buf, s.c.Step(s.rows-s.lo, s.chunk)*s.c.Row)
	n, err := s.read(dst)
	if err != nil {
		return array.Array{}, err
	}
	return array.Array{Spec: s.c.Part(n, &s.shape), Data: dst}, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	s.drop()
	s.closed, s.buf, s.tmp = true, nil, nil
	return nil
}
