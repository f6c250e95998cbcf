package parquet

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The types of Thrift's compact protocol, which Parquet's metadata are in.
const (
	thriftStop   = 0
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

// maxNesting bounds how deep values lie in one another.
const maxNesting = 64

// thrift reads the compact protocol. Its first failure is kept, and all that is
// read afterwards is empty. Every element of a list takes a byte at least, so that
// the bytes bound what is made of them.
type thrift struct {
	b     []byte
	at    int
	depth int
	err   error
}

func (t *thrift) fail(format string, args ...any) {
	if t.err == nil {
		t.err = fmt.Errorf("at byte %d of the metadata: %s", t.at, fmt.Sprintf(format, args...))
		t.at = len(t.b)
	}
}

func (t *thrift) byte() byte {
	if t.at >= len(t.b) {
		t.fail("they end too early")
		return 0
	}
	t.at++
	return t.b[t.at-1]
}

func (t *thrift) uvarint() uint64 {
	v, n := binary.Uvarint(t.b[t.at:])
	if n <= 0 {
		t.fail("no number")
		return 0
	}
	t.at += n
	return v
}

func (t *thrift) varint() int64 {
	v := t.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// i32 reads a number that must fit 32 bits.
func (t *thrift) i32() int32 {
	v := t.varint()
	if v != int64(int32(v)) {
		t.fail("the number %d has more than 32 bits", v)
		return 0
	}
	return int32(v)
}

func (t *thrift) binary() []byte {
	n := t.uvarint()
	if n > uint64(len(t.b)-t.at) {
		t.fail("%d bytes, %d are left", n, len(t.b)-t.at)
		return nil
	}
	t.at += int(n)
	return t.b[t.at-int(n) : t.at]
}

// fields reads a struct: do is called for each field, and skips what it doesn't
// know by returning false.
func (t *thrift) fields(do func(id int16, kind byte) bool) {
	if t.depth++; t.depth > maxNesting {
		t.fail("values nest more than %d deep", maxNesting)
	}
	id := int16(0)
	for t.err == nil {
		head := t.byte()
		kind := head & 15
		if kind == thriftStop {
			break
		}
		if delta := head >> 4; delta != 0 {
			id += int16(delta)
		} else {
			v := t.varint()
			if v < math.MinInt16 || v > math.MaxInt16 {
				t.fail("field %d", v)
			}
			id = int16(v)
		}
		if t.err == nil && !do(id, kind) {
			t.skip(kind)
		}
	}
	t.depth--
}

// list reads a list of some kind of elements: do is called for each.
func (t *thrift) list(want byte, do func()) {
	kind, n := t.listHead()
	if kind != want && n > 0 {
		t.fail("a list of kind %d, want %d", kind, want)
		return
	}
	for i := 0; i < n && t.err == nil; i++ {
		do()
	}
}

func (t *thrift) listHead() (kind byte, n int) {
	head := t.byte()
	kind = head & 15
	size := uint64(head >> 4)
	if size == 15 {
		size = t.uvarint()
	}
	if size > uint64(len(t.b)-t.at) {
		t.fail("a list of %d elements, %d bytes are left", size, len(t.b)-t.at)
		return kind, 0
	}
	return kind, int(size)
}

// skip passes a value.
func (t *thrift) skip(kind byte) {
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		t.byte()
	case thriftI16, thriftI32, thriftI64:
		t.uvarint()
	case thriftDouble:
		if len(t.b)-t.at < 8 {
			t.fail("they end too early")
			return
		}
		t.at += 8
	case thriftBinary:
		t.binary()
	case thriftList, thriftSet:
		if t.depth++; t.depth > maxNesting {
			t.fail("values nest more than %d deep", maxNesting)
		}
		kind, n := t.listHead()
		for i := 0; i < n && t.err == nil; i++ {
			t.skipElement(kind)
		}
		t.depth--
	case thriftMap:
		t.skipMap()
	case thriftStruct:
		t.fields(func(int16, byte) bool { return false })
	default:
		t.fail("a value of kind %d", kind)
	}
}

// skipElement passes an element of a list, of which truth values have bytes.
func (t *thrift) skipElement(kind byte) {
	if kind == thriftTrue || kind == thriftFalse {
		t.byte()
		return
	}
	t.skip(kind)
}

func (t *thrift) skipMap() {
	n := t.uvarint()
	if n == 0 {
		return
	}
	kinds := t.byte()
	if n > uint64(len(t.b)-t.at) {
		t.fail("a map of %d elements, %d bytes are left", n, len(t.b)-t.at)
		return
	}
	if t.depth++; t.depth > maxNesting {
		t.fail("values nest more than %d deep", maxNesting)
	}
	for i := uint64(0); i < n && t.err == nil; i++ {
		t.skipElement(kinds >> 4)
		t.skipElement(kinds & 15)
	}
	t.depth--
}
