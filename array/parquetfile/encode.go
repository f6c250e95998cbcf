package parquetfile

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/betongo/betongo/internal/arrow"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// schemaText returns Arrow's schema as its writers keep it in a file.
func schemaText(s *arrow.Schema) string {
	return base64.StdEncoding.EncodeToString(arrow.AppendSchema(s, 0))
}

// nodeOf returns a field in the terms of Parquet's schema, by arrow-go's types.
func nodeOf(f *arrow.Field, name string) (schema.Node, error) {
	rep := parquet.Repetitions.Required
	if f.Nullable {
		rep = parquet.Repetitions.Optional
	}
	switch f.Type {
	case arrow.Struct:
		var list schema.FieldList
		for i := range f.Children {
			c, err := nodeOf(&f.Children[i], f.Children[i].Name)
			if err != nil {
				return nil, err
			}
			list = append(list, c)
		}
		return schema.NewGroupNode(name, rep, list, -1)
	case arrow.FixedSizeList:
		e, err := nodeOf(&f.Children[0], "element")
		if err != nil {
			return nil, err
		}
		list, err := schema.NewGroupNode("list", parquet.Repetitions.Repeated, schema.FieldList{e}, -1)
		if err != nil {
			return nil, err
		}
		return schema.NewGroupNodeLogical(name, rep, schema.FieldList{list}, schema.NewListLogicalType(), -1)
	}
	t, logical, size, err := physical(f)
	if err != nil {
		return nil, err
	}
	return schema.NewPrimitiveNodeLogical(name, rep, logical, t, size, -1)
}

// physical returns how a leaf is stored.
func physical(f *arrow.Field) (t parquet.Type, logical schema.LogicalType, size int, err error) {
	none := schema.NoLogicalType{}
	switch f.Type {
	case arrow.Bool:
		return parquet.Types.Boolean, none, 0, nil
	case arrow.Int:
		if f.Bits == 64 && f.Signed {
			return parquet.Types.Int64, none, 0, nil
		}
		if f.Bits == 32 && f.Signed {
			return parquet.Types.Int32, none, 0, nil
		}
		t = parquet.Types.Int32
		if f.Bits == 64 {
			t = parquet.Types.Int64
		}
		return t, schema.NewIntLogicalType(int8(f.Bits), f.Signed), 0, nil
	case arrow.Float:
		switch f.Bits {
		case 16:
			return parquet.Types.FixedLenByteArray, schema.Float16LogicalType{}, 2, nil
		case 32:
			return parquet.Types.Float, none, 0, nil
		}
		return parquet.Types.Double, none, 0, nil
	case arrow.Date:
		return parquet.Types.Int32, schema.DateLogicalType{}, 0, nil
	case arrow.Timestamp:
		unit := map[string]schema.TimeUnitType{"s": schema.TimeUnitMillis, "ms": schema.TimeUnitMillis, "us": schema.TimeUnitMicros, "ns": schema.TimeUnitNanos}[f.Unit]
		return parquet.Types.Int64, schema.NewTimestampLogicalTypeForce(f.Zone != "", unit), 0, nil
	case arrow.Duration:
		return parquet.Types.Int64, none, 0, nil
	case arrow.Binary, arrow.LargeBinary:
		return parquet.Types.ByteArray, none, 0, nil
	case arrow.Utf8, arrow.LargeUtf8:
		return parquet.Types.ByteArray, schema.StringLogicalType{}, 0, nil
	case arrow.FixedSizeBinary:
		return parquet.Types.FixedLenByteArray, none, f.Size, nil
	}
	return 0, nil, 0, fmt.Errorf("a %v isn't written", f.Type)
}

// leafOut writes one kind of a column's elements.
type leafOut struct {
	*arrow.Leaf
	sizes    []int // of the lists in a row
	nullable bool
	cw       file.ColumnChunkWriter

	elements, packed, present []byte
	def, rep                  []int16
	levels                    int // rows that def and rep are made for
	ones                      []byte
	short                     []int32
	byteArrays                []parquet.ByteArray
	fixed                     []parquet.FixedLenByteArray
}

func newLeafOut(c *arrow.Column, i int) *leafOut {
	l := &leafOut{Leaf: &c.Leaves[i]}
	f := c.Field
	for _, k := range l.Path {
		if f.Type == arrow.FixedSizeList {
			l.sizes = append(l.sizes, f.Size)
		}
		f = &f.Children[k]
	}
	l.nullable = f.Nullable
	return l
}

// pattern makes the levels of n rows in which nothing is missing.
func (l *leafOut) pattern(n int) {
	if l.levels == n || len(l.sizes) == 0 {
		return
	}
	depth, per := len(l.sizes), 1
	full := int16(depth)
	if l.nullable {
		full++
	}
	for i, size := range l.sizes {
		if size == 0 { // and so a value for each empty list
			depth, full = i, int16(i)
			break
		}
		per *= size
	}
	l.def, l.rep = l.def[:0], l.rep[:0]
	for range n {
		for e := range per {
			rep, span := int16(0), 1
			if e > 0 {
				rep = int16(depth)
				for k := depth - 1; k > 0; k-- {
					if span *= l.sizes[k]; e%span == 0 {
						rep = int16(k)
					}
				}
			}
			l.def, l.rep = append(l.def, full), append(l.rep, rep)
		}
	}
	l.levels = n
}

// write takes some rows.
func (l *leafOut) write(rows []byte, row, n int) error {
	size := l.DType.ItemSize()
	count := n * l.Count
	l.pattern(n)
	if l.Count == 0 {
		return l.put(nil, 0, l.def, l.rep)
	}
	elements := rows
	if !l.Fills(row) || l.DType.Order() == '>' {
		elements = room(&l.elements, count*size)
		l.Gather(elements, rows, row)
	}
	switch {
	case l.Type.Type.Text():
		return l.texts(elements, count)
	case l.Type.Type == arrow.Bool:
		for _, b := range elements {
			if b > 1 {
				return fmt.Errorf("a truth value of %d", b)
			}
		}
		return l.put(elements, count, l.def, l.rep)
	case l.DType.Kind() == 'M' || l.DType.Kind() == 'm':
		return l.times(elements, count)
	case !l.Same():
		packed := room(&l.packed, count*l.Stored())
		if err := l.Pack(packed, elements); err != nil {
			return err
		}
		elements = packed
	}
	return l.put(elements, count, l.def, l.rep)
}

// times writes those that are something, and tells which they are.
func (l *leafOut) times(elements []byte, count int) error {
	order := binary.ByteOrder(binary.LittleEndian)
	if l.DType.Order() == '>' {
		order = binary.BigEndian
	}
	l.levels = 0 // the levels are not the pattern's
	if len(l.sizes) == 0 {
		l.def = l.def[:0]
	}
	full := int16(len(l.sizes)) + 1
	kept := 0
	list := room(&l.present, len(elements))
	for i := range count {
		e := elements[8*i : 8*i+8]
		def := full
		if order.Uint64(e) == 1<<63 {
			def--
		} else {
			copy(list[8*kept:], e)
			kept++
		}
		if len(l.sizes) == 0 {
			l.def = append(l.def, def)
		} else {
			l.def[i] = def
		}
	}
	packed := room(&l.packed, kept*l.Stored())
	if err := l.Pack(packed, list[:8*kept]); err != nil {
		return err
	}
	if l.Type.Type == arrow.Timestamp && l.Type.Unit == "s" {
		for i := range kept {
			v := int64(binary.LittleEndian.Uint64(packed[8*i:]))
			if v > math.MaxInt64/1000 || v < math.MinInt64/1000 {
				return fmt.Errorf("%d seconds from 1970 are too many for Parquet's milliseconds", v)
			}
			binary.LittleEndian.PutUint64(packed[8*i:], uint64(v*1000))
		}
	}
	return l.put(packed, kept, l.def, l.rep)
}

// texts writes values of no fixed size.
func (l *leafOut) texts(elements []byte, count int) error {
	size := l.DType.ItemSize()
	// Not the bytes of the call before: the library's statistics keep the least
	// and the largest value as they are given.
	text := make([]byte, 0, len(elements))
	l.byteArrays = l.byteArrays[:0]
	ends := room(&l.packed, 8*count)
	for i := range count {
		var err error
		if text, err = l.AppendText(text, elements[i*size:(i+1)*size]); err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(ends[8*i:], uint64(len(text)))
	}
	begin := uint64(0)
	for i := range count {
		end := binary.LittleEndian.Uint64(ends[8*i:])
		l.byteArrays = append(l.byteArrays, parquet.ByteArray(text[begin:end]))
		begin = end
	}
	cw, ok := l.cw.(*file.ByteArrayColumnChunkWriter)
	if !ok {
		return l.wrong()
	}
	def, rep := l.def, l.rep
	if len(l.sizes) == 0 {
		def, rep = nil, nil
	}
	return batch(cw, l, l.byteArrays, def, rep)
}

func (l *leafOut) wrong() error { return fmt.Errorf("%v is written by %T", l.DType, l.cw) }

// as returns bytes as numbers: the same memory where it is aligned.
func as[T int32 | int64 | float32 | float64 | bool](b []byte) []T {
	var t T
	size := int(unsafe.Sizeof(t))
	n := len(b) / size
	if n == 0 {
		return []T{}
	}
	if uintptr(unsafe.Pointer(&b[0]))%uintptr(size) != 0 {
		own := make([]T, n)
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&own[0])), n*size), b)
		return own
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&b[0])), n)
}

// put gives n stored values to the library.
func (l *leafOut) put(b []byte, n int, def, rep []int16) error {
	if len(l.sizes) == 0 {
		rep = nil
		if !l.nullable {
			def = nil
		}
	}
	switch cw := l.cw.(type) {
	case *file.BooleanColumnChunkWriter:
		return batch(cw, l, as[bool](b), def, rep)
	case *file.Int64ColumnChunkWriter:
		return batch(cw, l, as[int64](b), def, rep)
	case *file.Float32ColumnChunkWriter:
		return batch(cw, l, as[float32](b), def, rep)
	case *file.Float64ColumnChunkWriter:
		return batch(cw, l, as[float64](b), def, rep)
	case *file.Int32ColumnChunkWriter:
		return batch(cw, l, l.wide(b, n), def, rep)
	case *file.FixedLenByteArrayColumnChunkWriter:
		size := l.Stored()
		b = slices.Clone(b) // the statistics keep the least and the largest
		l.fixed = l.fixed[:0]
		for i := range n {
			l.fixed = append(l.fixed, parquet.FixedLenByteArray(b[i*size:(i+1)*size]))
		}
		return batch(cw, l, l.fixed, def, rep)
	case *file.ByteArrayColumnChunkWriter: // no values at all
		_, err := cw.WriteBatch(nil, def, rep)
		return err
	}
	return l.wrong()
}

// batch gives values to the library. WriteBatch makes a text of every level, for
// an assertion that is off; where all values are there, WriteBatchSpaced does
// without.
func batch[T any](cw interface {
	WriteBatch(values []T, def, rep []int16) (int64, error)
	WriteBatchSpaced(values []T, def, rep []int16, valid []byte, at int64)
}, l *leafOut, values []T, def, rep []int16) error {
	if len(def) == 0 || len(def) != len(values) {
		_, err := cw.WriteBatch(values, def, rep)
		return err
	}
	for len(l.ones) < len(values)/8+1 {
		l.ones = append(l.ones, 0xff)
	}
	cw.WriteBatchSpaced(values, def, rep, l.ones, 0)
	return nil
}

// wide makes numbers of 4 bytes of n smaller ones.
func (l *leafOut) wide(b []byte, n int) []int32 {
	if l.Stored() == 4 {
		return as[int32](b)
	}
	if cap(l.short) < n {
		l.short = make([]int32, n)
	}
	short := l.short[:n]
	for i := range short {
		switch {
		case l.Stored() == 1 && l.Type.Signed:
			short[i] = int32(int8(b[i]))
		case l.Stored() == 1:
			short[i] = int32(b[i])
		case l.Type.Signed:
			short[i] = int32(int16(binary.LittleEndian.Uint16(b[2*i:])))
		default:
			short[i] = int32(binary.LittleEndian.Uint16(b[2*i:]))
		}
	}
	return short
}

// room returns n bytes of a buffer that is kept.
func room(b *[]byte, n int) []byte {
	if cap(*b) < n {
		*b = make([]byte, n)
	}
	*b = (*b)[:n]
	return *b
}
