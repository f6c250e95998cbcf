package ffcv_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// manifest is what the real FFCV says of a file that it wrote.
type manifest struct {
	File   string
	Size   int64
	SHA256 string
	Header struct {
		Version       uint16
		NumFields     uint16 `json:"num_fields"`
		PageSize      uint32 `json:"page_size"`
		NumSamples    uint64 `json:"num_samples"`
		AllocTablePtr uint64 `json:"alloc_table_ptr"`
	}
	SampleItemsize int                              `json:"sample_itemsize"`
	SampleLayout   []struct{ Offset, Itemsize int } `json:"sample_layout"`
	MetadataStart  int64                            `json:"metadata_start"`
	MetadataSHA256 string                           `json:"metadata_sha256"`
	AllocCount     int64                            `json:"alloc_count"`
	AllocSHA256    string                           `json:"alloc_sha256"`
	AllocFirst     [][3]uint64                      `json:"alloc_first"`
	Fields         []manifestField
}

type manifestField struct {
	Name          string
	TypeID        int    `json:"type_id"`
	ArgsHex       string `json:"args_hex"`
	Kind          string
	MetadataDType string `json:"metadata_dtype"`
	Values        []json.Number
	Bits          []string
	Size          []int64
	SHA256        []string
	Text          []string
	DType         string
	Shape         []int
	Mode          []int
	Width, Height []int
	DataSize      []int64  `json:"data_size"`
	DataSHA256    []string `json:"data_sha256"`
}

const goldenDir = "../testdata/ffcv"

// goldens returns the manifests of all golden files.
func goldens(t testing.TB) []manifest {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []manifest
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var m manifest
		if json.Unmarshal(b, &m) == nil && strings.HasSuffix(m.File, ".beton") {
			list = append(list, m)
		}
	}
	if len(list) < 36 {
		t.Fatalf("%d golden files, want at least 36", len(list))
	}
	return list
}

// golden returns the bytes of a golden file.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join(goldenDir, name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// options describes the custom fields of a golden file.
func (m *manifest) options() *ffcv.OpenOptions {
	custom := map[string]fields.Field{}
	for _, f := range m.Fields {
		if f.TypeID == int(fields.TypeCustom) {
			custom[f.Name] = fields.Opaque{DType: f.MetadataDType}
		}
	}
	return &ffcv.OpenOptions{Custom: custom}
}

// lender is a Source that lends from memory.
type lender struct {
	*bytes.Reader
	b []byte
}

func lend(b []byte) ffcv.Source         { return &lender{bytes.NewReader(b), b} }
func (l *lender) Name() string          { return "lender" }
func (l *lender) WillNeed([]ffcv.Range) {}
func (l *lender) Close() error          { return nil }
func (l *lender) Borrow(off, n int64) ([]byte, bool) {
	if off < 0 || n < 0 || off > int64(len(l.b)) || n > int64(len(l.b))-off {
		return nil, false
	}
	return l.b[off : off+n : off+n], true
}

// readers opens a file through every kind of source.
func readers(t *testing.T, b []byte, opts *ffcv.OpenOptions) map[string]*ffcv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	mapped, err := ffcv.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mapped.Close(); read.Close() })
	return map[string]*ffcv.File{"map": mapped, "reader": read}
}

func TestGolden(t *testing.T) {
	for _, m := range goldens(t) {
		t.Run(strings.TrimSuffix(m.File, ".beton"), func(t *testing.T) {
			b := golden(t, m.File)
			if sum(b) != m.SHA256 {
				t.Fatalf("sha256 %s, want %s", sum(b), m.SHA256)
			}
			for name, f := range readers(t, b, m.options()) {
				t.Run(name, func(t *testing.T) {
					checkTables(t, f, &m)
					zeroDim := m.File == "ndarray_zero_dim.beton" // the file does not hold its shape (3, 0)
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

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func checkTables(t *testing.T, f *ffcv.File, m *manifest) {
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
	if err != nil || sum(rows) != m.MetadataSHA256 {
		t.Errorf("metadata: sha256 %s, %v; want %s", sum(rows), err, m.MetadataSHA256)
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
	if sum(table) != m.AllocSHA256 {
		t.Errorf("allocation table: sha256 %s, want %s", sum(table), m.AllocSHA256)
	}
	if list, err := f.Sections(); list != nil || err != nil || f.Classes() != nil {
		t.Errorf("sections %v, %v in a file of FFCV", list, err)
	}
}

func checkValues(t *testing.T, f *ffcv.File, k int, w *manifestField) {
	t.Helper()
	for i := range f.Len() {
		if err := checkValue(f, i, k, w); err != nil {
			t.Errorf("sample %d, field %q: %v", i, w.Name, err)
			return
		}
	}
}

func checkValue(f *ffcv.File, i, k int, w *manifestField) error {
	value, err := f.Value(i, k)
	if err != nil {
		return err
	}
	switch w.Kind {
	case "int":
		want, _ := w.Values[i].Int64()
		got, err := f.Int(i, k)
		if err != nil || got != want || value != any(want) {
			return fmt.Errorf("%d, %v, %v; want %d", got, value, err, want)
		}
	case "float":
		want, _ := strconv.ParseUint(w.Bits[i], 0, 64)
		got, err := f.Float(i, k)
		if err != nil || math.Float64bits(got) != want || math.Float64bits(value.(float64)) != want {
			return fmt.Errorf("%x, %v; want %x", math.Float64bits(got), err, want)
		}
	case "bytes":
		got, err := f.BytesValue(i, k)
		if err != nil || got == nil || int64(len(got)) != w.Size[i] || sum(got) != w.SHA256[i] || !bytes.Equal(got, value.([]byte)) {
			return fmt.Errorf("%d bytes, %v; want %d", len(got), err, w.Size[i])
		}
	case "json":
		got, err := f.JSON(i, k)
		if err != nil || string(got) != w.Text[i] || string(value.(json.RawMessage)) != w.Text[i] {
			return fmt.Errorf("%s, %v; want %s", got, err, w.Text[i])
		}
	case "ndarray":
		got, err := f.Array(i, k)
		if err != nil || got.DType.String() != w.DType || fmt.Sprint(got.Shape) != fmt.Sprint(w.Shape) || sum(got.Data) != w.SHA256[i] {
			return fmt.Errorf("%v, %v; want %s %v", got.Spec, err, w.DType, w.Shape)
		}
	case "rgb":
		got, err := f.Image(i, k)
		if err != nil || got.JPEG != (w.Mode[i] == 0) || got.Width != w.Width[i] || got.Height != w.Height[i] || sum(got.Data) != w.DataSHA256[i] {
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
		got := value.([]byte)
		want, _ := w.Values[i].Int64()
		n := int64(0)
		for j, c := range got {
			n |= int64(c) << (8 * j)
		}
		if n != want {
			return fmt.Errorf("%d, want %d", n, want)
		}
	default:
		return fmt.Errorf("unknown kind %q", w.Kind)
	}
	return nil
}

func TestUnknownCustomField(t *testing.T) {
	f, err := ffcv.New(lend(golden(t, "mixed.beton")), nil)
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
	if _, err := ffcv.New(lend(golden(t, "mixed.beton")), &ffcv.OpenOptions{Custom: map[string]fields.Field{"nd": fields.Int{}}}); err == nil {
		t.Error("a description of a field that is not custom is accepted")
	}
}

func TestStructuredArray(t *testing.T) {
	_, err := ffcv.New(lend(golden(t, "ndarray_structured.beton")), nil)
	var dtype *array.UnsupportedError
	if !errors.Is(err, ffcv.ErrUnsupported) || !errors.As(err, &dtype) {
		t.Fatalf("%v, want it unsupported", err)
	}
}

func TestRanges(t *testing.T) {
	f, err := ffcv.New(lend(golden(t, "bytes.beton")), nil)
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
