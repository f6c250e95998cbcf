package ffcv_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

var packedSpecs = []ffcv.FieldSpec{
	{Name: "b", Field: fields.LZ4{Of: fields.Bytes{}}},
	{Name: "j", Field: fields.LZ4{Of: fields.JSON{}}},
	{Name: "a", Field: fields.LZ4{Of: fields.NDArray{DType: array.Int32, Shape: []int{10, 10}}}},
	{Name: "n", Field: fields.Int{}},
}

func packedValues(i int) []any {
	numbers := make([]int32, 100)
	for k := range numbers {
		numbers[k] = int32(i * k)
	}
	return []any{bytes.Repeat([]byte{byte(i), byte(i / 3)}, 40*i), json.RawMessage(`{"i": "` + strings.Repeat("ab", 30*i) + `"}`), numbers, i}
}

// TestPackedFields: Open knows the fields without being told, and gives their
// values as those of the plain fields.
func TestPackedFields(t *testing.T) {
	path := ffcvtest.Write(t, packedSpecs, 20, packedValues, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range ffcvtest.Open(t, b, nil) {
		for i := range 20 {
			v := packedValues(i)
			if got, err := f.BytesValue(i, 0); err != nil || !bytes.Equal(got, v[0].([]byte)) || got == nil {
				t.Errorf("%s, sample %d: BytesValue %q, %v", name, i, got, err)
			}
			if got, err := f.JSON(i, 1); err != nil || string(got) != string(v[1].(json.RawMessage)) {
				t.Errorf("%s, sample %d: JSON %q, %v", name, i, got, err)
			}
			if got, err := f.Array(i, 2); err != nil || !bytes.Equal(got.Data, array.BytesOf(v[2].([]int32))) || len(got.Shape) != 2 {
				t.Errorf("%s, sample %d: Array %v, %v", name, i, got.Spec, err)
			}
		}
		for k, want := range []fields.TypeID{fields.TypeBytes, fields.TypeJSON, fields.TypeNDArray, fields.TypeInt} {
			if id, _ := f.Fields()[k].Plain(); id != want {
				t.Errorf("field %d: Plain is %v, want %v", k, id, want)
			}
		}
		if _, err := f.BytesValue(1, 1); err == nil {
			t.Error("a JSON text is bytes")
		}
		if _, err := f.Image(1, 0); err == nil {
			t.Error("bytes are an image")
		}
		if err := f.Verify(t.Context(), nil); err != nil {
			t.Errorf("%s: Verify: %v", name, err)
		}
	}
}

// TestPackedStored: stored values are copied as they lie, and written again they
// are the same file.
func TestPackedStored(t *testing.T) {
	from := ffcvtest.Map(t, ffcvtest.Write(t, packedSpecs, 20, packedValues, nil), nil)
	specs, err := from.Specs()
	if err != nil {
		t.Fatal(err)
	}
	path := ffcvtest.Write(t, specs, 20, func(i int) []any {
		var v []any
		for k := range specs {
			v = append(v, &ffcv.Stored{File: from, Sample: i, Field: k})
		}
		return v
	}, nil)
	to := ffcvtest.Map(t, path, nil)
	for i := range 20 {
		a, _ := from.Metadata(i)
		b, err := to.Metadata(i)
		if err != nil || !bytes.Equal(a, b) {
			t.Fatalf("sample %d: metadata %x, want %x (%v)", i, b, a, err)
		}
	}
	if err := to.Verify(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestPackedFlips turns every byte of rows, values and allocation table, one at a
// time: Verify finds each, and reading without sums never panics. Cut files are
// found too.
func TestPackedFlips(t *testing.T) {
	path := ffcvtest.Write(t, packedSpecs, 3, func(i int) []any { return packedValues(i + 2) }, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := ffcvtest.Map(t, path, nil)
	spans := [][2]uint64{{0, ffcv.HeaderSize}, {f.Header().AllocTable, uint64(len(b))}}
	rows := uint64(ffcv.HeaderSize + len(packedSpecs)*ffcv.DescriptorSize)
	spans = append(spans, [2]uint64{rows, rows + uint64(3*f.RowSize())})
	for i := range 3 {
		row, err := f.Metadata(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Fields()[:3] {
			m := row[d.Offset:]
			ptr := binary.LittleEndian.Uint64(m)
			spans = append(spans, [2]uint64{ptr, ptr + binary.LittleEndian.Uint64(m[8:])})
		}
	}
	for _, span := range spans {
		for at := span[0]; at < span[1]; at++ {
			b[at] ^= 0x5a
			if f, err := ffcv.New(ffcvtest.Lend(b), nil); err == nil {
				if f.Verify(t.Context(), nil) == nil {
					t.Errorf("byte %d is turned, and Verify finds nothing", at)
				}
				for k := range f.Fields() {
					for i := range min(f.Len(), 3) {
						f.Value(i, k)
					}
				}
				f.Close()
			}
			b[at] ^= 0x5a
		}
	}
	for n := range len(b) {
		if n > 8000 && n < len(b)-2000 && n%50_021 != 0 {
			continue // inside of a page's padding
		}
		if f, err := ffcv.New(ffcvtest.Lend(b[:n:n]), nil); err == nil {
			if f.Verify(t.Context(), nil) == nil {
				t.Errorf("%d of %d bytes are a sound file", n, len(b))
			}
			f.Close()
		}
	}
}
