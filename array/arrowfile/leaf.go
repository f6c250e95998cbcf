package arrowfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/betongo/betongo/internal/arrow"
)

// level is a field on the way from a column to a leaf, where values may be
// missing.
type level struct {
	valid *buffer // a bit for each slot
	slots int     // in a row
}

// leaf reads one kind of a column's elements in one batch, from front to back.
type leaf struct {
	*arrow.Leaf
	k      *batch
	levels []level // those where something is missing
	data   *buffer // elements, truth values' bits, text, views, or places in the dictionary
	at     int64   // of data in the file
	starts *buffer // of text
	pieces [][]byte
	more   []*buffer // where the pieces are from
	dict   *values
}

// leaf finds a leaf's buffers in a batch and checks that all of the batch's rows
// are in them.
func (f *File) leaf(k *batch, c *column, l *arrow.Leaf) (*leaf, error) {
	return f.leafAt(k, c.Field, c.Own, l)
}

func (f *File) leafAt(k *batch, field *arrow.Field, at arrow.Layout, l *arrow.Leaf) (*leaf, error) {
	before, _, err := k.variadic(at.Views)
	if err != nil {
		return nil, err
	}
	r := &leaf{Leaf: l, k: k}
	at.Buffers += before
	slots := 1
	for depth := 0; ; depth++ {
		if err := r.level(field, at, slots); err != nil {
			return nil, err
		}
		if depth == len(l.Path) {
			break
		}
		child := l.Path[depth]
		own := field.Before(child)
		// Views among the children before this one have data buffers of their own.
		skipped, _, err := k.variadic(at.Views + own.Views)
		if err != nil {
			return nil, err
		}
		at.Nodes, at.Buffers, at.Views = at.Nodes+own.Nodes, at.Buffers+own.Buffers+skipped-before, at.Views+own.Views
		before = skipped
		if field.Type == arrow.FixedSizeList {
			if field.Size > 0 && slots > math.MaxInt32*64/field.Size {
				return nil, fmt.Errorf("rows of too many elements")
			}
			slots *= field.Size
		}
		field = &field.Children[child]
	}
	if k.rows > 0 && slots > math.MaxInt/8/k.rows {
		return nil, fmt.Errorf("%d rows of %d elements", k.rows, slots)
	}
	return r, r.body(field, at, int64(k.rows)*int64(slots))
}

// level reads what is told of a field's missing values.
func (r *leaf) level(field *arrow.Field, at arrow.Layout, slots int) error {
	node, err := r.k.node(at.Nodes)
	if err != nil {
		return err
	}
	if want := int64(r.k.rows) * int64(slots); node.Rows != want {
		return fmt.Errorf("a field of %d elements in a batch of %d rows, want %d", node.Rows, r.k.rows, want)
	}
	if node.Nulls == 0 {
		return nil
	}
	b, err := r.k.buffer(at.Buffers)
	if err != nil {
		return err
	}
	if b.size == 0 {
		if node.Nulls > 0 {
			return fmt.Errorf("%d missing values, but nothing tells which", node.Nulls)
		}
		return nil
	}
	if b.size < (node.Rows+7)/8 {
		return fmt.Errorf("%d bytes tell which of %d values are missing", b.size, node.Rows)
	}
	r.levels = append(r.levels, level{b, slots})
	return nil
}

// body finds the buffers of n elements.
func (r *leaf) body(field *arrow.Field, at arrow.Layout, n int64) error {
	var err error
	if r.data, err = r.k.buffer(at.Buffers + 1); err != nil {
		return err
	}
	lo, _, err := r.k.place(at.Buffers + 1)
	if err != nil {
		return err
	}
	r.at = r.k.at + lo
	if r.k.codec != arrow.NoCodec {
		r.at += 8
	}
	var want int64
	switch {
	case field.Dict != nil:
		want = n * int64(field.Dict.Bits/8)
	case field.Type == arrow.Bool:
		want = (n + 7) / 8
	case field.Type.View():
		_, own, err := r.k.variadic(at.Views)
		if err != nil {
			return err
		}
		for i := range own {
			b, err := r.k.buffer(at.Buffers + 2 + i)
			if err != nil {
				return err
			}
			r.more = append(r.more, b)
		}
		want = 16 * n
	case field.Type.Text():
		r.starts = r.data
		if r.data, err = r.k.buffer(at.Buffers + 2); err != nil {
			return err
		}
		if n > 0 && r.starts.size/startSize(field.Type) < n+1 {
			return fmt.Errorf("%d bytes tell where %d texts begin", r.starts.size, n)
		}
	default:
		if s := int64(r.Stored()); s > 0 && n > math.MaxInt/s {
			return fmt.Errorf("%d elements of %d bytes", n, s)
		}
		want = n * int64(r.Stored())
	}
	if r.data.size < want {
		return fmt.Errorf("%d bytes for %d elements, want %d", r.data.size, n, want)
	}
	return nil
}

func startSize(t arrow.Type) int64 {
	if t == arrow.LargeBinary || t == arrow.LargeUtf8 {
		return 8
	}
	return 4
}

// close gives back what the reading took.
func (r *leaf) close() {
	for _, v := range r.levels {
		v.valid.close()
	}
	r.data.close()
	r.starts.close()
	for _, b := range r.more {
		b.close()
	}
}

// missing tells which elements of n rows from lo on are missing; nil for none.
func (r *leaf) missing(lo, n int) ([]bool, error) {
	var list []bool
	for _, v := range r.levels {
		first, last := int64(lo)*int64(v.slots), int64(lo+n)*int64(v.slots)
		b, err := v.valid.bytes(first/8, (last+7)/8)
		if err != nil {
			return nil, fmt.Errorf("missing values: %w", err)
		}
		if allSet(b, int(first&7), int(last-first)) {
			continue
		}
		if list == nil {
			list = make([]bool, n*r.Count)
		}
		each := n * r.Count / int(last-first)
		for i := range int(last - first) {
			if k := i + int(first&7); b[k>>3]>>(k&7)&1 == 0 {
				for j := range each {
					list[i*each+j] = true
				}
			}
		}
	}
	return list, nil
}

// allSet tells whether n bits from bit number first on are 1.
func allSet(b []byte, first, n int) bool {
	ones := 0
	whole := first == 0
	if whole {
		for ; n >= 64; b, n = b[8:], n-64 {
			if binary.LittleEndian.Uint64(b) != math.MaxUint64 {
				return false
			}
		}
	}
	for i := first; i < first+n; {
		if i&7 == 0 && i+8 <= first+n {
			ones += bits.OnesCount8(b[i>>3])
			i += 8
			continue
		}
		ones += int(b[i>>3] >> (i & 7) & 1)
		i++
	}
	return ones == n
}

// read makes the elements of n rows from lo on.
func (r *leaf) read(dst []byte, lo, n int, fill any) error {
	missing, err := r.missing(lo, n)
	if err != nil {
		return err
	}
	first, last := int64(lo)*int64(r.Count), int64(lo+n)*int64(r.Count)
	switch {
	case r.Type.Dict != nil:
		err = r.lookUp(dst, first, last, missing)
	case r.Type.Type == arrow.Bool:
		var b []byte
		if b, err = r.data.bytes(first/8, (last+7)/8); err == nil {
			arrow.UnpackBits(dst, b, int(first&7))
		}
	case r.Type.Type.Text():
		err = r.texts(first, last, missing, func(i int, text []byte) error {
			size := r.DType.ItemSize()
			return r.PutText(dst[i*size:(i+1)*size], text)
		})
	default:
		size := int64(r.Stored())
		var b []byte
		if b, err = r.data.bytes(first*size, last*size); err == nil {
			r.Unpack(dst, b)
		}
	}
	if err != nil || missing == nil {
		return err
	}
	if ok, at := r.FillNulls(dst, missing, fill); !ok {
		return fmt.Errorf("row %d of the batch has no value, and %v has none for that; OpenOptions.Fill may give one", lo+at/r.Count, r.DType)
	}
	return nil
}

// texts gives each text that isn't missing.
func (r *leaf) texts(first, last int64, missing []bool, do func(i int, text []byte) error) error {
	if r.Type.Type.View() {
		return r.views(first, last, missing, do)
	}
	size := startSize(r.Type.Type)
	if first == last {
		return nil
	}
	starts, err := r.starts.bytes(first*size, (last+1)*size)
	if err != nil {
		return err
	}
	at := func(i int) int64 {
		if size == 8 {
			return int64(binary.LittleEndian.Uint64(starts[8*i:]))
		}
		return int64(int32(binary.LittleEndian.Uint32(starts[4*i:])))
	}
	for i := range int(last - first) {
		lo, hi := at(i), at(i+1)
		if lo < 0 || hi < lo || hi > r.data.size {
			return fmt.Errorf("text %d lies from byte %d to %d of %d", first+int64(i), lo, hi, r.data.size)
		}
		if missing != nil && missing[i] {
			continue
		}
		text, err := r.data.bytes(lo, hi)
		if err == nil {
			err = do(i, text)
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", first+int64(i), err)
		}
	}
	return nil
}

// maxPieces is how many bytes of compressed views' text may be in memory.
const maxPieces = 1 << 30

// views is texts of views, which lie in 16 bytes or anywhere in the pieces.
func (r *leaf) views(first, last int64, missing []bool, do func(i int, text []byte) error) error {
	for left := int64(maxPieces); len(r.pieces) < len(r.more); {
		b := r.more[len(r.pieces)]
		piece, ok := b.view()
		if !ok {
			var err error
			if piece, err = b.whole(left); err != nil {
				return err
			}
			left -= int64(len(piece))
		}
		r.pieces = append(r.pieces, piece)
	}
	list, err := r.data.bytes(16*first, 16*last)
	if err != nil {
		return err
	}
	for i := range int(last - first) {
		if missing != nil && missing[i] {
			continue
		}
		v := list[16*i : 16*i+16]
		n := int64(int32(binary.LittleEndian.Uint32(v)))
		text := v[4:]
		switch piece, at := int64(int32(binary.LittleEndian.Uint32(v[8:]))), int64(int32(binary.LittleEndian.Uint32(v[12:]))); {
		case n >= 0 && n <= 12:
			text = text[:n]
		case n < 0 || piece < 0 || piece >= int64(len(r.pieces)) || at < 0 || n > int64(len(r.pieces[piece]))-at:
			return fmt.Errorf("text %d: %d bytes at byte %d of buffer %d, there are %d buffers", first+int64(i), n, at, piece, len(r.pieces))
		default:
			text = r.pieces[piece][at : at+n]
		}
		if err := do(i, text); err != nil {
			return fmt.Errorf("element %d: %w", first+int64(i), err)
		}
	}
	return nil
}

// values is a dictionary's values: elements, or texts.
type values struct {
	seen    int   // of the file's dictionary messages
	left    int64 // bytes that may still be kept
	n       int
	items   []byte   // n elements
	texts   [][]byte // of text; nil for missing ones
	missing []bool   // nil for none
}

// lookUp makes elements of their places in the dictionary.
func (r *leaf) lookUp(dst []byte, first, last int64, missing []bool) error {
	d := r.Type.Dict
	size := int64(d.Bits / 8)
	list, err := r.data.bytes(first*size, last*size)
	if err != nil {
		return err
	}
	item := r.DType.ItemSize()
	for i := range int(last - first) {
		if missing != nil && missing[i] {
			continue
		}
		at := index(list[int64(i)*size:], d)
		if at < 0 || at >= int64(r.dict.n) {
			return fmt.Errorf("element %d is value %d of a dictionary of %d", first+int64(i), at, r.dict.n)
		}
		to := dst[i*item : (i+1)*item]
		switch {
		case r.dict.missing != nil && r.dict.missing[at]:
			return fmt.Errorf("element %d is a missing value of its dictionary", first+int64(i))
		case r.dict.texts != nil:
			err = r.PutText(to, r.dict.texts[at])
		default:
			copy(to, r.dict.items[at*int64(item):(at+1)*int64(item)])
		}
		if err != nil {
			return fmt.Errorf("element %d: %w", first+int64(i), err)
		}
	}
	return nil
}

// index reads a place in a dictionary.
func index(b []byte, d *arrow.Dict) int64 {
	switch {
	case d.Bits == 8 && d.Signed:
		return int64(int8(b[0]))
	case d.Bits == 8:
		return int64(b[0])
	case d.Bits == 16 && d.Signed:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case d.Bits == 16:
		return int64(binary.LittleEndian.Uint16(b))
	case d.Bits == 32 && d.Signed:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	case d.Bits == 32:
		return int64(binary.LittleEndian.Uint32(b))
	}
	return int64(binary.LittleEndian.Uint64(b)) // too large is negative
}
