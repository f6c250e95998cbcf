package arrow_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"

	flatbuffers "github.com/google/flatbuffers/go"
)

func TestSchemaRoundTrip(t *testing.T) {
	item := arrow.Field{Name: "item", Nullable: true, Type: arrow.Float, Bits: 16}
	want := &arrow.Schema{
		Fields: []arrow.Field{
			{Name: "a", Type: arrow.Int, Bits: 32, Signed: true, Meta: []arrow.KeyValue{{Key: "k", Value: "v"}}},
			{Name: "é", Type: arrow.Struct, Children: []arrow.Field{{Name: "x", Type: arrow.Date, Bits: 32}, {Name: "y", Type: arrow.Timestamp, Unit: "us", Zone: "UTC"}}},
			{Name: "", Type: arrow.FixedSizeList, Size: 3, Children: []arrow.Field{item}},
			{Name: "d", Type: arrow.Duration, Unit: "ns"},
			{Name: "f", Type: arrow.FixedSizeBinary, Size: 7},
		},
		Meta: []arrow.KeyValue{{Key: "one", Value: ""}, {Key: "two", Value: "2"}},
	}
	for _, size := range []int{0, 5000} {
		b := arrow.AppendSchema(want, size)
		if len(b) < size || len(b)%8 != 0 {
			t.Errorf("%d bytes, want %d", len(b), size)
		}
		got, err := arrow.ParseSchema(arrow.NewFlat(b[8:]).Root().Table(2))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v, want %+v", err, got, want)
		}
	}
}

// TestSharedTables: fields that refer to the same ones twice, 40 deep, are more
// than any machine could list.
func TestSharedTables(t *testing.T) {
	b := flatbuffers.NewBuilder(0)
	name := b.CreateString("f")
	var last flatbuffers.UOffsetT
	for range 40 {
		var children flatbuffers.UOffsetT
		if last != 0 {
			b.StartVector(4, 2, 4)
			b.PrependUOffsetT(last)
			b.PrependUOffsetT(last)
			children = b.EndVector(2)
		}
		b.StartObject(7)
		b.PrependUOffsetTSlot(0, name, 0)
		b.PrependByteSlot(2, byte(arrow.Struct), 0)
		b.PrependUOffsetTSlot(5, children, 0)
		last = b.EndObject()
	}
	b.StartVector(4, 1, 4)
	b.PrependUOffsetT(last)
	fields := b.EndVector(1)
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, fields, 0)
	b.Finish(b.EndObject())
	_, err := arrow.ParseSchema(arrow.NewFlat(b.FinishedBytes()).Root())
	if err == nil || !strings.Contains(err.Error(), "without end") {
		t.Errorf("got %v", err)
	}
}

func TestPairs(t *testing.T) {
	want := map[string]any{"text": "[1]", "number": 2.5, "list": []any{"a", nil, true}, "dict": map[string]any{"x": 1.0}}
	pairs, err := arrow.Pairs(want)
	if err != nil {
		t.Fatal(err)
	}
	if got := arrow.Attrs(pairs); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if v, _ := arrow.Get(pairs, "list"); v != `["a",null,true]` {
		t.Errorf("others read %s", v)
	}
	if _, err := arrow.Pairs(map[string]any{"f": func() {}}); err == nil || !strings.Contains(err.Error(), `"f"`) {
		t.Errorf("got %v", err)
	}
}

// TestScatter moves elements of lists that are stored in another order, in
// structs with room between.
func TestScatter(t *testing.T) {
	l := arrow.Leaf{DType: array.Int16, Offset: 1, Dims: []arrow.Dim{{N: 3, Stride: 2}, {N: 2, Stride: 6}}, Count: 6}
	const row = 14
	elements := []byte("aabbccddeeffAABBCCDDEEFF")
	rows := []byte(strings.Repeat(".", 2*row))
	l.Scatter(rows, row, elements)
	if got, want := string(rows), ".aacceebbddff..AACCEEBBDDFF."; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	back := make([]byte, len(elements))
	l.Gather(back, rows, row)
	if string(back) != string(elements) {
		t.Errorf("got %s, want %s", back, elements)
	}
}
