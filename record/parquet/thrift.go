package parquet

import "encoding/binary"

// The types of Thrift's compact protocol that Parquet's metadata use.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftBinary = 8
	thriftList   = 9
	thriftStruct = 12
)

// compact appends values in Thrift's compact protocol. A field's number must be
// larger than that of the one before it in its struct, by 15 at most.
type compact struct {
	b    []byte
	last []byte // the last field's number, of each struct that is begun
}

func (t *compact) field(id, kind byte) {
	top := &t.last[len(t.last)-1]
	t.b = append(t.b, (id-*top)<<4|kind)
	*top = id
}

func (t *compact) varint(v int64) { t.b = binary.AppendUvarint(t.b, uint64(v<<1)^uint64(v>>63)) }

func (t *compact) text(s string) {
	t.b = binary.AppendUvarint(t.b, uint64(len(s)))
	t.b = append(t.b, s...)
}

func (t *compact) i16(id byte, v int16) { t.field(id, thriftI16); t.varint(int64(v)) }
func (t *compact) i32(id byte, v int32) { t.field(id, thriftI32); t.varint(int64(v)) }
func (t *compact) i64(id byte, v int64) { t.field(id, thriftI64); t.varint(v) }

func (t *compact) string(id byte, s string) { t.field(id, thriftBinary); t.text(s) }

func (t *compact) bool(id byte, v bool) {
	if v {
		t.field(id, thriftTrue)
	} else {
		t.field(id, thriftFalse)
	}
}

// open begins a struct: that of a field, or of a list's element (id 0).
func (t *compact) open(id byte) {
	if id > 0 {
		t.field(id, thriftStruct)
	}
	t.last = append(t.last, 0)
}

func (t *compact) close() {
	t.b = append(t.b, 0)
	t.last = t.last[:len(t.last)-1]
}

// list begins a list of n elements, which follow.
func (t *compact) list(id, kind byte, n int) {
	t.field(id, thriftList)
	if n < 15 {
		t.b = append(t.b, byte(n)<<4|kind)
		return
	}
	t.b = append(t.b, 0xf0|kind)
	t.b = binary.AppendUvarint(t.b, uint64(n))
}
