package arrowfile

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/betongo/betongo/internal/arrow"
)

// message is one of the pieces that both formats consist of.
type message struct {
	kind   int
	header arrow.Table
	flat   *arrow.Flat
	at     int64 // of its body
	size   int64 // of its body
	end    int64
}

// bad is an error at a byte of the file.
func (f *File) bad(at int64, name, format string, args ...any) error {
	return &FormatError{File: f.name, Array: name, Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// message reads the message at a byte of the file, whose messages end before
// limit; nil for the mark of the end.
func (f *File) message(at, limit int64) (*message, error) {
	b := f.data
	size, begin := int64(-1), at+8
	if limit-at >= 8 && binary.LittleEndian.Uint32(b[at:]) == 0xffffffff {
		size = int64(int32(binary.LittleEndian.Uint32(b[at+4:])))
	} else if limit-at >= 4 { // before Arrow 0.15 there was no mark
		size, begin = int64(int32(binary.LittleEndian.Uint32(b[at:]))), at+4
	}
	if size == 0 {
		return nil, nil
	}
	if size < 0 || size > limit-begin {
		return nil, f.bad(at, "", "a message of %d bytes, %d are left", size, limit-begin)
	}
	flat := arrow.NewFlat(b[begin : begin+size])
	root := flat.Root()
	m := &message{kind: int(root.Int(1, 1, 0)), header: root.Table(2), flat: flat, at: begin + size, size: root.Int(3, 8, 0)}
	version := root.Int(0, 2, 0)
	if err := flat.Err(); err != nil {
		return nil, f.bad(begin, "", "%v", err)
	}
	if version < 3 || version > 4 {
		return nil, f.bad(begin, "", "metadata of version V%d, want V4 or V5", version+1)
	}
	if m.size < 0 || m.size > limit-m.at {
		return nil, f.bad(begin, "", "a body of %d bytes, %d are left", m.size, limit-m.at)
	}
	m.end = m.at + m.size
	return m, nil
}

// batch is a message's columns, or a dictionary's one.
type batch struct {
	at      int64 // of the body in the file
	body    []byte
	rows    int
	nodes   []byte // 16 bytes each, in the file
	buffers []byte
	views   []byte // 8 bytes each
	codec   arrow.Codec
	dicts   int // dictionary messages that go before it
	mapped  bool
}

// batch reads a record batch's table.
func (f *File) batch(m *message, t arrow.Table) (*batch, error) {
	k := &batch{at: m.at, body: f.data[m.at:m.end:m.end], codec: arrow.NoCodec, dicts: len(f.dicts), mapped: f.m != nil}
	rows := t.Int(0, 8, 0)
	k.nodes, _ = t.Vector(1, 16)
	k.buffers, _ = t.Vector(2, 16)
	k.views, _ = t.Vector(4, 8)
	if c := t.Table(3); c.IsSet() {
		k.codec = arrow.Codec(c.Int(0, 1, 0))
		if method := c.Int(1, 1, 0); m.flat.Err() == nil && (k.codec != arrow.LZ4 && k.codec != arrow.ZSTD || method != 0) {
			return nil, f.bad(m.at, "", "compression %d by method %d is not supported: want LZ4 frames or ZSTD, by buffers", k.codec, method)
		}
	}
	if err := m.flat.Err(); err != nil {
		return nil, f.bad(m.at, "", "%v", err)
	}
	if !t.IsSet() || rows < 0 || rows > math.MaxInt {
		return nil, f.bad(m.at, "", "a batch of %d rows", rows)
	}
	k.rows = int(rows)
	return k, nil
}

// node returns what the batch tells of a field.
func (k *batch) node(i int) (n arrow.Node, err error) {
	if i >= len(k.nodes)/16 {
		return n, fmt.Errorf("the batch has %d fields' lengths, number %d is missing", len(k.nodes)/16, i)
	}
	b := k.nodes[16*i:]
	return arrow.Node{Rows: int64(binary.LittleEndian.Uint64(b)), Nulls: int64(binary.LittleEndian.Uint64(b[8:]))}, nil
}

// place returns where a buffer lies in the body.
func (k *batch) place(i int) (lo, hi int64, err error) {
	if i >= len(k.buffers)/16 {
		return 0, 0, fmt.Errorf("the batch has %d buffers, number %d is missing", len(k.buffers)/16, i)
	}
	b := k.buffers[16*i:]
	lo, size := int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	if lo < 0 || size < 0 || lo > int64(len(k.body)) || size > int64(len(k.body))-lo {
		return 0, 0, fmt.Errorf("buffer %d, %d bytes from byte %d on, leaves the batch's %d bytes", i, size, lo, len(k.body))
	}
	return lo, lo + size, nil
}

// buffer returns a buffer by its number.
func (k *batch) buffer(i int) (*buffer, error) {
	lo, hi, err := k.place(i)
	if err != nil {
		return nil, err
	}
	b, err := newBuffer(k.body[lo:hi:hi], k.codec)
	if err == nil {
		b.passed.Mapped = k.mapped
	}
	return b, err
}

// variadic returns how many data buffers views have before the view number n,
// and how many number n itself has.
func (k *batch) variadic(n int) (before, own int, err error) {
	if n > len(k.views)/8 {
		return 0, 0, fmt.Errorf("the batch has %d counts of buffers, number %d is missing", len(k.views)/8, n)
	}
	most := int64(len(k.buffers) / 16)
	for i := range min(n+1, len(k.views)/8) {
		c := int64(binary.LittleEndian.Uint64(k.views[8*i:]))
		if c < 0 || c > most {
			return 0, 0, fmt.Errorf("%d data buffers of a batch that has %d", c, most)
		}
		if i == n {
			own = int(c)
		} else {
			before += int(c)
		}
	}
	return before, own, nil
}

// dictionary is one message of a dictionary's values.
type dictionary struct {
	id    int64
	delta bool // it goes behind the one before
	batch *batch
}
