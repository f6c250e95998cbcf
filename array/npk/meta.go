package npk

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/wire"
)

// The metadata are
//
//	u32  0x424B504E: the bytes "NPKB"
//	u32  1, the version
//	u64  the sizes of all arrays in bytes
//	u32  the number of arrays, then each
//
// and an array is
//
//	u32 n, n bytes   its name, UTF-8
//	u32 n, n u64     its shape in the data files, dropped rows included
//	u32 n, n bytes   its data file
//	u64              when it was modified, in microseconds since 1970
//	u64              its size in bytes
//	u8               its element type, a number of types
//	u8 u32 u64 u64   compression, its level, sizes: all 0
//	u8               whether a list of compressed blocks follows: 0
const (
	metaMagic   = "NPKB"
	metaVersion = 1
	metaLimit   = 1 << 30 // bytes of the file that are read
)

// record is what the metadata tell of an array.
type record struct {
	name     string
	dtype    array.DType
	shape    []int // rows that were dropped included
	file     string
	modified uint64
	row      int // bytes of one row
}

func (r *record) rows() int { return r.shape[0] }

// metaError is a failure at a byte of the metadata.
type metaError struct {
	off  int
	name string
	err  error
}

func (e *metaError) Error() string { return e.err.Error() }
func (e *metaError) Unwrap() error { return e.err }

// parseMeta reads the metadata. Every number is compared with what is there
// before it sizes anything.
func parseMeta(b []byte) ([]*record, error) {
	bad := func(off int, format string, args ...any) error {
		return &metaError{off: off, err: fmt.Errorf(format, args...)}
	}
	c := wire.NewCursor(b)
	head := c.Bytes(len(metaMagic))
	v := c.U32()
	c.U64() // the sum is of no use
	n := int(c.U32())
	switch {
	case string(head) != metaMagic:
		return nil, bad(0, "the file begins with %q, want %q", b[:min(len(b), 4)], metaMagic)
	case c.Err() != nil:
		return nil, bad(c.Offset(), "header: %w", c.Err())
	case v > metaVersion:
		return nil, bad(4, "%w", &array.UnsupportedError{Why: fmt.Sprintf("version %d of NumPack's metadata, version %d is read", v, metaVersion)})
	case v != metaVersion:
		return nil, bad(4, "version %d, want %d", v, metaVersion)
	}
	var list []*record
	names, files := map[string]bool{}, map[string]string{}
	for i := range n {
		at := c.Offset()
		r, err := parseRecord(c)
		if err != nil {
			e := &metaError{off: at, err: fmt.Errorf("array %d of %d: %w", i, n, err)}
			if r != nil {
				e.name = r.name
			}
			return nil, e
		}
		if names[r.name] {
			return nil, bad(at, "array %q is there twice", r.name)
		}
		if other, ok := files[r.file]; ok {
			return nil, bad(at, "the data file %q of array %q is that of %q too", r.file, r.name, other)
		}
		names[r.name], files[r.file] = true, r.name
		list = append(list, r)
	}
	if c.Left() > 0 {
		return nil, bad(c.Offset(), "%d bytes behind the last array", c.Left())
	}
	return list, nil
}

func parseRecord(c *wire.Cursor) (*record, error) {
	r := &record{name: string(c.Bytes(int(c.U32())))}
	dims := int(c.U32())
	if c.Err() == nil && dims > maxDims {
		return r, fmt.Errorf("%d dimensions, at most %d are served", dims, maxDims)
	}
	for range dims {
		d := c.U64()
		if d > math.MaxInt {
			return r, fmt.Errorf("a dimension of %d", d)
		}
		r.shape = append(r.shape, int(d))
		if c.Err() != nil {
			break
		}
	}
	r.file = string(c.Bytes(int(c.U32())))
	r.modified = c.U64()
	c.U64() // the size follows from shape and type
	t, packed := c.U8(), c.U8()
	c.Bytes(4 + 8 + 8)
	blocks := c.U8()
	switch {
	case c.Err() != nil:
		return r, c.Err()
	case !utf8.ValidString(r.name) || !utf8.ValidString(r.file):
		return r, fmt.Errorf("the name %q, in file %q, is not UTF-8", r.name, r.file)
	case int(t) >= len(types):
		return r, &array.UnsupportedError{DType: fmt.Sprintf("number %d", t), Why: "not one of NumPack 0.7"}
	case packed != 0 || blocks != 0:
		return r, &array.UnsupportedError{Why: "compressed data, which no NumPack wrote so far"}
	case dims == 0:
		return r, &array.UnsupportedError{DType: types[t].String() + " ()", Why: "a scalar, which a pack has no rows of"}
	}
	r.dtype = types[t]
	spec := array.Spec{DType: r.dtype, Shape: r.shape}
	if _, err := spec.Bytes(); err != nil {
		return r, err
	}
	row, err := array.Spec{DType: r.dtype, Shape: r.shape[1:]}.Bytes()
	r.row = row
	return r, err
}

// formatMeta writes the metadata.
func formatMeta(list []*record) ([]byte, error) {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte(metaMagic), metaVersion)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, uint32(len(list)))
	total := uint64(0)
	for _, r := range list {
		_, number, err := stored(r.dtype)
		if err != nil {
			return nil, err
		}
		size, err := array.Spec{DType: r.dtype, Shape: r.shape}.Bytes()
		if err != nil {
			return nil, fmt.Errorf("npk: array %q: %w", r.name, err)
		}
		total += uint64(size)
		b = append(le.AppendUint32(b, uint32(len(r.name))), r.name...)
		b = le.AppendUint32(b, uint32(len(r.shape)))
		for _, d := range r.shape {
			b = le.AppendUint64(b, uint64(d))
		}
		b = append(le.AppendUint32(b, uint32(len(r.file))), r.file...)
		b = le.AppendUint64(b, r.modified)
		b = le.AppendUint64(b, uint64(size))
		b = append(b, number)
		b = append(b, make([]byte, 1+4+8+8+1)...)
	}
	le.PutUint64(b[8:], total)
	return b, nil
}

func now() uint64 { return uint64(time.Now().UnixMicro()) }
