package parquet

import (
	"math"

	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// createdBy is who writes the files, by the footer's word.
const createdBy = "betongo"

// group is a row group that is written.
type group struct {
	rows   int64
	chunks []chunk
}

// chunk is where a leaf's values of a row group lie.
type chunk struct{ at, size, values int64 }

// footer is what lies behind the row groups.
type footer struct {
	fields []arrow.Field
	leaves []*leaf
	pairs  []arrow.KeyValue
	rows   int64
	groups []group
}

// encode returns the footer's bytes, without its size and the magic behind it.
func (f *footer) encode() []byte {
	t := &compact{}
	t.open(0)
	t.i32(1, 2) // the format's version
	n := 1
	for i := range f.fields {
		n += nodes(&f.fields[i])
	}
	t.list(2, thriftStruct, n)
	t.open(0)
	t.string(4, "schema")
	t.i32(5, int32(len(f.fields)))
	t.close()
	for i := range f.fields {
		t.node(&f.fields[i])
	}
	t.i64(3, f.rows)
	t.list(4, thriftStruct, len(f.groups))
	for i := range f.groups {
		t.group(&f.groups[i], i, f.leaves)
	}
	t.list(5, thriftStruct, len(f.pairs))
	for _, kv := range f.pairs {
		t.open(0)
		t.string(1, kv.Key)
		t.string(2, kv.Value)
		t.close()
	}
	t.string(6, createdBy)
	t.close()
	return t.b
}

// nodes is how many elements of the schema a field has.
func nodes(f *arrow.Field) int {
	n := 1
	if f.Type == arrow.List || f.Type == arrow.FixedSizeList {
		n++
	}
	for i := range f.Children {
		n += nodes(&f.Children[i])
	}
	return n
}

// The older numbers of logical types.
const (
	convertedString = 0
	convertedList   = 3
	convertedUint8  = 11 // and 16, 32, 64 bits behind it
	convertedInt8   = 15
)

// node appends a field's elements of the schema, from the outermost in.
func (t *compact) node(f *arrow.Field) {
	t.open(0)
	list := f.Type == arrow.List || f.Type == arrow.FixedSizeList
	if len(f.Children) == 0 {
		kind, size := physical(f)
		t.i32(1, kind)
		if size > 0 {
			t.i32(2, size)
		}
	}
	t.i32(3, parquet.Optional)
	t.string(4, f.Name)
	if list {
		t.i32(5, 1)
	} else if len(f.Children) > 0 {
		t.i32(5, int32(len(f.Children)))
	}
	t.logical(f)
	t.close()
	if list {
		t.open(0)
		t.i32(3, parquet.Repeated)
		t.string(4, "list")
		t.i32(5, 1)
		t.close()
	}
	for i := range f.Children {
		t.node(&f.Children[i])
	}
}

// logical appends what a field means, in the older way and in the newer.
func (t *compact) logical(f *arrow.Field) {
	kind := byte(0)
	switch {
	case f.Type == arrow.Utf8:
		t.i32(6, convertedString)
		kind = parquet.LogicalString
	case f.Type == arrow.List || f.Type == arrow.FixedSizeList:
		t.i32(6, convertedList)
		kind = parquet.LogicalList
	case f.Type == arrow.Float && f.Bits == 16:
		kind = parquet.LogicalFloat16
	case f.Type == arrow.Int && (!f.Signed || f.Bits < 32):
		older := int32(convertedUint8)
		if f.Signed {
			older = convertedInt8
		}
		for bits := 8; bits < f.Bits; bits *= 2 {
			older++
		}
		t.i32(6, older)
		t.open(10)
		t.open(parquet.LogicalInteger)
		t.field(1, thriftByte)
		t.b = append(t.b, byte(f.Bits))
		t.bool(2, f.Signed)
		t.close()
		t.close()
		return
	}
	if kind > 0 {
		t.open(10)
		t.open(kind)
		t.close()
		t.close()
	}
}

// group appends row group i.
func (t *compact) group(g *group, i int, leaves []*leaf) {
	t.open(0)
	t.list(1, thriftStruct, len(g.chunks))
	total := int64(0)
	for k, c := range g.chunks {
		total += c.size
		t.open(0)
		t.i64(2, c.at)
		t.open(3)
		t.i32(1, leaves[k].physical)
		t.list(2, thriftI32, 2)
		t.varint(plain)
		t.varint(rle)
		t.list(3, thriftBinary, len(leaves[k].path))
		for _, name := range leaves[k].path {
			t.text(name)
		}
		t.i32(4, 0) // not compressed
		t.i64(5, c.values)
		t.i64(6, c.size)
		t.i64(7, c.size)
		t.i64(9, c.at)
		t.close()
		t.close()
	}
	t.i64(2, total)
	t.i64(3, g.rows)
	if len(g.chunks) > 0 {
		t.i64(5, g.chunks[0].at)
	}
	t.i64(6, total)
	if i <= math.MaxInt16 {
		t.i16(7, int16(i))
	}
	t.close()
}
