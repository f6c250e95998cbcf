package ffcv_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestGolden(t *testing.T) {
	for _, m := range golden.Each() {
		t.Run(m.Name, func(t *testing.T) {
			b := m.Bytes()
			if golden.Sum(b) != m.SHA256 {
				t.Fatalf("sha256 %s, want %s", golden.Sum(b), m.SHA256)
			}
			for name, f := range ffcvtest.Open(t, b, ffcvtest.Options(m)) {
				t.Run(name, func(t *testing.T) {
					checkTables(t, f, m)
					zeroDim := m.Name == "ndarray_zero_dim" // the file does not hold its shape (3, 0)
					for k := range m.Fields {
						if zeroDim && k == 0 {
							continue
						}
						checkValues(t, f, k, &m.Fields[k])
					}
					if err := f.Verify(context.Background(), nil); (err != nil) != zeroDim {
						t.Errorf("Verify: %v", err)
					}
				})
			}
		})
	}
}

func checkTables(t *testing.T, f *ffcv.File, m *golden.File) {
	t.Helper()
	h := m.Header
	want := ffcv.Header{Version: h.Version, NumFields: h.NumFields, PageSize: h.PageSize, NumSamples: h.NumSamples, AllocTable: h.AllocTablePtr}
	if f.Header() != want {
		t.Errorf("header %+v, want %+v", f.Header(), want)
	}
	if f.Len() != int(h.NumSamples) || f.RowSize() != m.SampleItemsize || f.NumEntries() != m.AllocCount {
		t.Errorf("%d samples, rows of %d, %d entries; want %d, %d, %d", f.Len(), f.RowSize(), f.NumEntries(), h.NumSamples, m.SampleItemsize, m.AllocCount)
	}
	for k, d := range f.Fields() {
		w := m.Fields[k]
		if d.Name != w.Name || int(d.Type) != w.TypeID || d.Offset != m.SampleLayout[k].Offset || d.Size != m.SampleLayout[k].Itemsize {
			t.Errorf("field %d: %q, type %d, %d bytes at %d; want %+v, %+v", k, d.Name, d.Type, d.Size, d.Offset, w, m.SampleLayout[k])
		}
		args := hex.EncodeToString(bytes.TrimRight(d.Args[:], "\x00"))
		if args != w.ArgsHex {
			t.Errorf("field %q: arguments %s, want %s", d.Name, args, w.ArgsHex)
		}
		if i := f.FieldIndex(d.Name); i != k {
			t.Errorf("FieldIndex(%q) = %d, want %d", d.Name, i, k)
		}
	}
	rows, err := f.Rows(0, f.Len(), nil)
	if err != nil || golden.Sum(rows) != m.MetadataSHA256 {
		t.Errorf("metadata: sha256 %s, %v; want %s", golden.Sum(rows), err, m.MetadataSHA256)
	}
	var table []byte
	n := 0
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		if n < len(m.AllocFirst) && e != (alloc.Entry{Sample: m.AllocFirst[n][0], Ptr: m.AllocFirst[n][1], Size: m.AllocFirst[n][2]}) {
			t.Errorf("entry %d: %v, want %v", n, e, m.AllocFirst[n])
		}
		var p [alloc.EntrySize]byte
		e.Put(p[:])
		table = append(table, p[:]...)
		n++
	}
	if golden.Sum(table) != m.AllocSHA256 {
		t.Errorf("allocation table: sha256 %s, want %s", golden.Sum(table), m.AllocSHA256)
	}
	if list, err := f.Sections(); list != nil || err != nil || f.Classes() != nil {
		t.Errorf("sections %v, %v in a file of FFCV", list, err)
	}
}

func checkValues(t *testing.T, f *ffcv.File, k int, w *golden.Field) {
	t.Helper()
	for i := range f.Len() {
		if err := checkValue(f, i, k, w); err != nil {
			t.Errorf("sample %d, field %q: %v", i, w.Name, err)
			return
		}
	}
}

func checkValue(f *ffcv.File, i, k int, w *golden.Field) error {
	value, err := f.Value(i, k)
	if err != nil {
		return err
	}
	switch w.Kind {
	case "int":
		want := w.Values[i]
		got, err := f.Int(i, k)
		if err != nil || got != want || value != any(want) {
			return fmt.Errorf("%d, %v, %v; want %d", got, value, err, want)
		}
	case "float":
		want := uint64(w.Bits[i])
		got, err := f.Float(i, k)
		if err != nil || math.Float64bits(got) != want || math.Float64bits(value.(float64)) != want {
			return fmt.Errorf("%x, %v; want %x", math.Float64bits(got), err, want)
		}
	case "bytes":
		got, err := f.BytesValue(i, k)
		if err != nil || got == nil || int64(len(got)) != w.Size[i] || golden.Sum(got) != w.SHA256[i] || !bytes.Equal(got, value.([]byte)) {
			return fmt.Errorf("%d bytes, %v; want %d", len(got), err, w.Size[i])
		}
	case "json":
		got, err := f.JSON(i, k)
		if err != nil || string(got) != w.Text[i] || string(value.(json.RawMessage)) != w.Text[i] {
			return fmt.Errorf("%s, %v; want %s", got, err, w.Text[i])
		}
	case "ndarray":
		got, err := f.Array(i, k)
		if err != nil || got.DType.String() != w.DType || fmt.Sprint(got.Shape) != fmt.Sprint(w.Shape) || golden.Sum(got.Data) != w.SHA256[i] {
			return fmt.Errorf("%v, %v; want %s %v", got.Spec, err, w.DType, w.Shape)
		}
	case "rgb":
		got, err := f.Image(i, k)
		if err != nil || got.JPEG != (w.Mode[i] == 0) || got.Width != w.Width[i] || got.Height != w.Height[i] || golden.Sum(got.Data) != w.DataSHA256[i] {
			return fmt.Errorf("%dx%d, JPEG %v, %d bytes, %v", got.Width, got.Height, got.JPEG, len(got.Data), err)
		}
		row, err := f.Metadata(i)
		if err != nil {
			return err
		}
		member := row[f.Fields()[k].Offset:]
		ptr := uint64(0)
		for j := range 8 {
			ptr |= uint64(member[5+j]) << (8 * j)
		}
		if size, err := f.RegionSize(i, k, ptr); err != nil || size != w.DataSize[i] {
			return fmt.Errorf("RegionSize %d, %v; want %d", size, err, w.DataSize[i])
		}
	case "custom":
		if got, want := value.([]byte), w.Custom(i); !bytes.Equal(got, want) {
			return fmt.Errorf("%x, want %x", got, want)
		}
	default:
		return fmt.Errorf("unknown kind %q", w.Kind)
	}
	return nil
}

func TestUnknownCustomField(t *testing.T) {
	f, err := ffcv.New(ffcvtest.Lend(golden.Bytes("mixed")), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.RowSize() != -1 {
		t.Errorf("row size %d, want -1", f.RowSize())
	}
	list := f.Fields()
	flag := f.FieldIndex("flag")
	for k, d := range list {
		if known := k < flag; (d.Offset >= 0) != known || (d.Field != nil) != (d.Type != fields.TypeCustom) || (d.Size >= 0) != (d.Field != nil) {
			t.Errorf("field %d: %+v", k, d)
		}
	}
	for k := range list {
		_, err := f.Value(0, k)
		var u *ffcv.UnsupportedError
		if !errors.Is(err, ffcv.ErrUnknownField) || !errors.Is(err, ffcv.ErrUnsupported) || !errors.As(err, &u) {
			t.Fatalf("field %d: %v", k, err)
		}
		want := "flag" // the first that hides the rest
		if list[k].Type == fields.TypeCustom {
			want = list[k].Name
		}
		if u.Field != want {
			t.Errorf("field %d: the error names %q, want %q", k, u.Field, want)
		}
	}
	if _, err := f.Rows(0, 1, nil); !errors.Is(err, ffcv.ErrUnknownField) {
		t.Errorf("Rows: %v", err)
	}
	if err := f.Verify(context.Background(), nil); !errors.Is(err, ffcv.ErrUnknownField) {
		t.Errorf("Verify: %v", err)
	}
	if _, err := ffcv.New(ffcvtest.Lend(golden.Bytes("mixed")), &ffcv.OpenOptions{Custom: map[string]fields.Field{"nd": fields.Int{}}}); err == nil {
		t.Error("a description of a field that is not custom is accepted")
	}
}

func TestStructuredArray(t *testing.T) {
	_, err := ffcv.New(ffcvtest.Lend(golden.Bytes("ndarray_structured")), nil)
	var dtype *array.UnsupportedError
	if !errors.Is(err, ffcv.ErrUnsupported) || !errors.As(err, &dtype) {
		t.Fatalf("%v, want it unsupported", err)
	}
}

func TestRanges(t *testing.T) {
	f, err := ffcv.New(ffcvtest.Lend(golden.Bytes("bytes")), nil)
	if err != nil {
		t.Fatal(err)
	}
	n := f.Len()
	for _, c := range []struct{ lo, n int }{{-1, 1}, {0, -1}, {n, 1}, {n - 1, 2}, {0, n + 1}, {1, math.MaxInt}, {math.MaxInt, 1}} {
		if b, err := f.Rows(c.lo, c.n, nil); err == nil || b != nil {
			t.Errorf("Rows(%d, %d): %d bytes, %v", c.lo, c.n, len(b), err)
		}
	}
	if b, err := f.Rows(n, 0, nil); err != nil || len(b) != 0 {
		t.Errorf("no rows at the end: %v", err)
	}
	first, pages := f.Pages()
	end := first + pages*int64(f.Header().PageSize)
	for _, c := range []struct {
		ptr  uint64
		size int64
		ok   bool
	}{
		{uint64(first), 1, true}, {uint64(end) - 1, 1, true}, {uint64(first), end - first, true}, {0, 0, true}, {math.MaxUint64, 0, true},
		{uint64(first) - 1, 1, false}, {uint64(end), 1, false}, {uint64(end) - 1, 2, false}, {uint64(first), end - first + 1, false},
		{uint64(first), -1, false}, {uint64(first), math.MaxInt64, false}, {math.MaxUint64, 1, false}, {math.MaxUint64, math.MaxInt64, false}, {1 << 63, 1, false},
	} {
		b, err := f.Bytes(0, c.ptr, c.size, nil)
		if (err == nil) != c.ok || c.ok && int64(len(b)) != c.size {
			t.Errorf("Bytes(%d, %d): %d bytes, %v", c.ptr, c.size, len(b), err)
		}
	}
	for _, i := range []int{-1, n, math.MaxInt, math.MinInt} {
		if _, err := f.Int(i, 0); err == nil {
			t.Errorf("Int of sample %d", i)
		}
		if _, err := f.Key(i); err == nil {
			t.Errorf("Key of sample %d", i)
		}
		if _, err := f.RegionSize(i, 1, 0); err == nil {
			t.Errorf("RegionSize of sample %d", i)
		}
	}
	for _, k := range []int{-1, 2} {
		if _, err := f.Value(0, k); err == nil {
			t.Errorf("field %d", k)
		}
		if _, err := f.RegionSize(0, k, 0); err == nil {
			t.Errorf("RegionSize of field %d", k)
		}
	}
	if _, err := f.Float(0, 0); err == nil {
		t.Error("Float of an Int field")
	}
	if _, err := f.Image(0, 1); err == nil {
		t.Error("Image of a Bytes field")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
