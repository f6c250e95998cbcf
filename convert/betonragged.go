package convert

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// A field of values of any length (bytes, JSON) is two arrays: NAME.values, all
// bytes one behind the other, and NAME.offsets, one more than there are
// samples: value i lies from offset i up to offset i + 1.

// sizes tells how long the values of samples lo to lo+n are.
func (b *betonFile) sizes(field, lo, n int, dst []int) ([]int, error) {
	rows, err := b.f.Rows(lo, n, nil)
	if err != nil {
		return nil, err
	}
	f := b.fields[field]
	dst = dst[:0]
	if packed, ok := f.Field.(fields.Packed); ok {
		return b.packedSizes(packed, field, lo, n, rows, dst)
	}
	for i := range n {
		size := binary.LittleEndian.Uint64(rows[i*b.f.RowSize()+f.Offset+8:])
		if size > uint64(b.size) {
			return nil, &ffcv.FormatError{File: b.f.Name(), Field: f.Name, Sample: lo + i, Offset: -1, What: fmt.Sprintf("a value of %d bytes in a file of %d", size, b.size)}
		}
		if f.Type == fields.TypeJSON && size > 0 {
			size-- // the NUL behind the text
		}
		dst = append(dst, int(size))
	}
	return dst, nil
}

// sizeStep is how many samples are looked at together.
const sizeStep = 1 << 14

// totalSize is how many bytes all values of a field have.
func (b *betonFile) totalSize(field int) (int, error) {
	most := b.size
	if _, packed := b.fields[field].Field.(fields.Packed); packed {
		most = maxExpansion * min(b.size, math.MaxInt64/2/maxExpansion)
	}
	total := int64(0)
	var list []int
	for lo := 0; lo < b.f.Len(); lo += sizeStep {
		var err error
		if list, err = b.sizes(field, lo, min(sizeStep, b.f.Len()-lo), list); err != nil {
			return 0, err
		}
		for _, n := range list {
			if int64(n) > most-total {
				return 0, fmt.Errorf("%s: field %q: values of more bytes than the file's %d: they overlap", b.f.Name(), b.fields[field].Name, b.size)
			}
			total += int64(n)
		}
	}
	return int(total), nil
}

// valuesStream gives all values one behind the other, some at a time.
type valuesStream struct {
	b      *betonFile
	field  int
	json   bool
	chunk  int
	next   int
	left   int // bytes
	buf    []byte
	closed bool
}

func openValues(b *betonFile, a *betonArray, chunk int) array.Stream {
	field := a.from[0].field
	id, _ := b.fields[field].Plain()
	return &valuesStream{b: b, field: field, json: id == fields.TypeJSON, chunk: chunk, left: a.m.Spec.Shape[0]}
}

func (s *valuesStream) Next() (array.Array, error) {
	if s.closed {
		return array.Array{}, os.ErrClosed
	}
	s.buf = s.buf[:0]
	for s.next < s.b.f.Len() && len(s.buf) < s.chunk {
		var v []byte
		var err error
		if s.json {
			v, err = s.b.f.JSON(s.next, s.field)
		} else {
			v, err = s.b.f.BytesValue(s.next, s.field)
		}
		if err != nil {
			return array.Array{}, err
		}
		s.next++
		s.buf = append(s.buf, v...)
	}
	if len(s.buf) == 0 {
		return array.Array{}, io.EOF
	}
	if s.left -= len(s.buf); s.left < 0 || s.left > 0 && s.next == s.b.f.Len() {
		return array.Array{}, fmt.Errorf("%s: field %q: values of other sizes than the metadata tell", s.b.f.Name(), s.b.fields[s.field].Name)
	}
	return array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{len(s.buf)}}, Data: s.buf}, nil
}

func (s *valuesStream) Close() error {
	s.closed = true
	return nil
}

// offsetsStream gives where the values begin, and the end behind the last.
type offsetsStream struct {
	b      *betonFile
	field  int
	next   int // sample
	at     int64
	begun  bool
	list   []int
	buf    []byte
	closed bool
}

func openOffsets(b *betonFile, a *betonArray, _ int) array.Stream {
	return &offsetsStream{b: b, field: a.from[0].field}
}

func (s *offsetsStream) Next() (array.Array, error) {
	n := min(sizeStep, s.b.f.Len()-s.next)
	switch {
	case s.closed:
		return array.Array{}, os.ErrClosed
	case n == 0 && s.begun:
		return array.Array{}, io.EOF
	}
	var err error
	if s.list, err = s.b.sizes(s.field, s.next, n, s.list); err != nil {
		return array.Array{}, err
	}
	s.buf = s.buf[:0]
	if !s.begun {
		s.buf = binary.LittleEndian.AppendUint64(s.buf, 0)
		s.begun = true
	}
	for _, size := range s.list {
		s.at += int64(size)
		s.buf = binary.LittleEndian.AppendUint64(s.buf, uint64(s.at))
	}
	s.next += n
	return array.Array{Spec: array.Spec{DType: array.Int64, Shape: []int{len(s.buf) / 8}}, Data: s.buf}, nil
}

func (s *offsetsStream) Close() error {
	s.closed = true
	return nil
}

// lengths reads n values of any length, or fewer at the end: c has their
// offsets, c.values their bytes.
func (j *job) lengths(c *column, values []any, n, width int, first bool) (int, error) {
	var head [8]byte
	if first {
		if k, err := c.rows.take(head[:], 1); err != nil {
			return 0, err
		} else if k == 0 || binary.LittleEndian.Uint64(head[:]) != 0 {
			return 0, fmt.Errorf("array %q: the first offset isn't 0", c.it.src.Name)
		}
	}
	buf := make([]byte, 8*n)
	n, err := c.rows.take(buf, n)
	if err != nil {
		return 0, err
	}
	name, total := c.values.it.src.Name, int64(c.values.it.src.Spec.Shape[0])
	done := int64(8 * n)
	for i := range n {
		end := int64(binary.LittleEndian.Uint64(buf[8*i:]))
		if end < c.last || end > total {
			return 0, fmt.Errorf("array %q: offset %d behind %d, of %d values", c.it.src.Name, end, c.last, total)
		}
		v := make([]byte, end-c.last)
		if k, err := c.values.rows.take(v, len(v)); err != nil {
			return 0, err
		} else if k < len(v) {
			return 0, fmt.Errorf("array %q has fewer values than the %d that the offsets tell", name, end)
		}
		done += int64(len(v))
		c.last, values[i*width] = end, v
	}
	return n, j.step(c.it.src.Name, done)
}
