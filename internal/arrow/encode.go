package arrow

import (
	"encoding/binary"
	"slices"

	flatbuffers "github.com/google/flatbuffers/go"
)

// version5 is the version of the metadata that is written, by Schema.fbs.
const version5 = 4

// appendSchema builds a schema's table.
func appendSchema(b *flatbuffers.Builder, s *Schema) flatbuffers.UOffsetT {
	fields := make([]flatbuffers.UOffsetT, len(s.Fields))
	for i := range s.Fields {
		fields[i] = appendField(b, &s.Fields[i])
	}
	list := offsets(b, fields)
	meta := appendPairs(b, s.Meta)
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, list, 0)
	if meta != 0 {
		b.PrependUOffsetTSlot(2, meta, 0)
	}
	return b.EndObject()
}

// offsets builds a vector of what was built before.
func offsets(b *flatbuffers.Builder, list []flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	b.StartVector(4, len(list), 4)
	for _, o := range slices.Backward(list) {
		b.PrependUOffsetT(o)
	}
	return b.EndVector(len(list))
}

func appendPairs(b *flatbuffers.Builder, meta []KeyValue) flatbuffers.UOffsetT {
	if len(meta) == 0 {
		return 0
	}
	list := make([]flatbuffers.UOffsetT, len(meta))
	for i, kv := range meta {
		k, v := b.CreateString(kv.Key), b.CreateString(kv.Value)
		b.StartObject(2)
		b.PrependUOffsetTSlot(0, k, 0)
		b.PrependUOffsetTSlot(1, v, 0)
		list[i] = b.EndObject()
	}
	return offsets(b, list)
}

func appendField(b *flatbuffers.Builder, f *Field) flatbuffers.UOffsetT {
	children := make([]flatbuffers.UOffsetT, len(f.Children))
	for i := range f.Children {
		children[i] = appendField(b, &f.Children[i])
	}
	list := offsets(b, children)
	meta := appendPairs(b, f.Meta)
	name := b.CreateString(f.Name)
	t := appendType(b, f)
	b.StartObject(7)
	b.PrependUOffsetTSlot(0, name, 0)
	b.PrependBoolSlot(1, f.Nullable, false)
	b.PrependByteSlot(2, byte(f.Type), 0)
	b.PrependUOffsetTSlot(3, t, 0)
	b.PrependUOffsetTSlot(5, list, 0)
	if meta != 0 {
		b.PrependUOffsetTSlot(6, meta, 0)
	}
	return b.EndObject()
}

// appendType builds the table of a type. Defaults are written out where the
// format's own isn't 0.
func appendType(b *flatbuffers.Builder, f *Field) flatbuffers.UOffsetT {
	var zone flatbuffers.UOffsetT
	if f.Zone != "" {
		zone = b.CreateString(f.Zone)
	}
	b.StartObject(2)
	switch f.Type {
	case Int:
		b.PrependInt32Slot(0, int32(f.Bits), 0)
		b.PrependBoolSlot(1, f.Signed, false)
	case Float:
		b.PrependInt16Slot(0, map[int]int16{16: 0, 32: 1, 64: 2}[f.Bits], 0)
	case Date:
		b.PrependInt16Slot(0, map[int]int16{32: 0, 64: 1}[f.Bits], 1)
	case Timestamp:
		b.PrependInt16Slot(0, int16(slices.Index(units[:], f.Unit)), 0)
		if zone != 0 {
			b.PrependUOffsetTSlot(1, zone, 0)
		}
	case Duration:
		b.PrependInt16Slot(0, int16(slices.Index(units[:], f.Unit)), 1)
	case FixedSizeBinary, FixedSizeList:
		b.PrependInt32Slot(0, int32(f.Size), 0)
	}
	return b.EndObject()
}

// message builds a message around its header, and puts before it what lies
// before each in a file: a mark, and the size, which is a multiple of 8 with
// them. At least size bytes are returned, zeros behind the message.
func message(b *flatbuffers.Builder, kind byte, header flatbuffers.UOffsetT, body int64, size int) []byte {
	b.StartObject(5)
	b.PrependInt16Slot(0, version5, 0)
	b.PrependByteSlot(1, kind, 0)
	b.PrependUOffsetTSlot(2, header, 0)
	b.PrependInt64Slot(3, body, 0)
	b.Finish(b.EndObject())
	out := binary.LittleEndian.AppendUint32(nil, 0xffffffff)
	out = binary.LittleEndian.AppendUint32(out, 0)
	out = append(out, b.FinishedBytes()...)
	for len(out) < size || len(out)%8 != 0 {
		out = append(out, 0)
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// AppendSchema returns a schema as a message, of size bytes at least.
func AppendSchema(s *Schema, size int) []byte {
	b := flatbuffers.NewBuilder(1 << 10)
	return message(b, SchemaMessage, appendSchema(b, s), 0, size)
}

// Node is what a record batch tells of a field or a part of one.
type Node struct{ Rows, Nulls int64 }

// Buffer is a place in a record batch's body.
type Buffer struct{ Offset, Size int64 }

// Codec is how buffers are compressed, by the numbers of Message.fbs.
type Codec int8

// The codecs.
const (
	NoCodec Codec = -1
	LZ4     Codec = 0
	ZSTD    Codec = 1
)

// AppendBatch returns the message of a record batch, of size bytes at least.
func AppendBatch(rows int64, nodes []Node, buffers []Buffer, codec Codec, body int64, size int) []byte {
	b := flatbuffers.NewBuilder(1 << 10)
	var compression flatbuffers.UOffsetT
	if codec != NoCodec {
		b.StartObject(2)
		b.PrependInt8Slot(0, int8(codec), 0)
		compression = b.EndObject()
	}
	b.StartVector(16, len(buffers), 8)
	for _, buf := range slices.Backward(buffers) {
		b.Prep(8, 16)
		b.PrependInt64(buf.Size)
		b.PrependInt64(buf.Offset)
	}
	bufs := b.EndVector(len(buffers))
	b.StartVector(16, len(nodes), 8)
	for _, n := range slices.Backward(nodes) {
		b.Prep(8, 16)
		b.PrependInt64(n.Nulls)
		b.PrependInt64(n.Rows)
	}
	list := b.EndVector(len(nodes))
	b.StartObject(5)
	b.PrependInt64Slot(0, rows, 0)
	b.PrependUOffsetTSlot(1, list, 0)
	b.PrependUOffsetTSlot(2, bufs, 0)
	if compression != 0 {
		b.PrependUOffsetTSlot(3, compression, 0)
	}
	return message(b, RecordBatchMessage, b.EndObject(), body, size)
}

// Block is where a message lies in a file.
type Block struct {
	Offset int64
	Meta   int32 // bytes before the body
	Body   int64
}

// AppendFooter returns the footer of a file, without what lies behind it.
func AppendFooter(s *Schema, batches []Block) []byte {
	b := flatbuffers.NewBuilder(1 << 10)
	schema := appendSchema(b, s)
	b.StartVector(24, len(batches), 8)
	for _, k := range slices.Backward(batches) {
		b.Prep(8, 24)
		b.PrependInt64(k.Body)
		b.Pad(4)
		b.PrependInt32(k.Meta)
		b.PrependInt64(k.Offset)
	}
	list := b.EndVector(len(batches))
	b.StartVector(24, 0, 8)
	none := b.EndVector(0)
	b.StartObject(5)
	b.PrependInt16Slot(0, version5, 0)
	b.PrependUOffsetTSlot(1, schema, 0)
	b.PrependUOffsetTSlot(2, none, 0)
	b.PrependUOffsetTSlot(3, list, 0)
	b.Finish(b.EndObject())
	return b.FinishedBytes()
}
