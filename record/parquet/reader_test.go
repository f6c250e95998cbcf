package parquet_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/parquet"
)

const testdata = "../../testdata/records/parquet"

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, b []byte, opts *parquet.ReaderOptions) *parquet.Reader {
	t.Helper()
	r, err := parquet.NewReader(t.Context(), bytes.NewReader(b), int64(len(b)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// lent is a file whose bytes may be used where they lie.
type lent struct{ *bytes.Reader }

func (l lent) Borrow(off, n int64) ([]byte, bool) {
	b := make([]byte, n) // each its own, so that nobody relies on what lies behind
	_, err := l.ReadAt(b, off)
	return b, err == nil || n == 0
}

// TestReaderByWriter reads what the Writer wrote, in any order, with little room.
func TestReaderByWriter(t *testing.T) {
	for _, n := range []int{0, 1, 100} {
		for _, opts := range []*parquet.WriterOptions{nil, {RowGroupBytes: 5000}, {RowGroupRows: 1}} {
			b := write(t, n, opts)
			for _, cache := range []int64{0, 1 << 20} {
				r := read(t, b, &parquet.ReaderOptions{Cache: parquet.NewCache(cache)})
				if got := r.Columns(); !reflect.DeepEqual(got[:9], kindsRead(columns)[:9]) {
					t.Fatalf("got %+v", got)
				}
				if r.Len() != n {
					t.Fatalf("%d rows, want %d", r.Len(), n)
				}
				for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
					want := row(t, i)
					for k := range columns {
						got, err := r.Value(t.Context(), k, i)
						if err != nil {
							t.Fatal(err)
						}
						if !same(got, want[k]) {
							t.Fatalf("row %d, column %s: got %v, want %v", i, columns[k].Name, got, want[k])
						}
					}
				}
				r.Close()
			}
		}
	}
}

// kindsRead are the columns as a file tells of them: JSON is text there, and a list
// of any length JSON.
func kindsRead(columns []parquet.Column) []parquet.Column {
	var list []parquet.Column
	for _, c := range columns {
		switch {
		case c.Kind == parquet.JSON:
			c.Kind = parquet.String
		case c.Kind == parquet.List && c.Shape == nil:
			c = parquet.Column{Name: c.Name, Kind: parquet.JSON}
		}
		list = append(list, c)
	}
	return list
}

func same(got, want any) bool {
	switch w := want.(type) {
	case string:
		return string(got.([]byte)) == w
	case []byte:
		return bytes.Equal(got.([]byte), w)
	case array.Array:
		if j, ok := got.([]byte); ok {
			v, err := array.Values[int16](w)
			text, _ := json.Marshal(append([]int16{}, v...))
			return err == nil && strings.ReplaceAll(string(j), " ", "") == string(text)
		}
		return reflect.DeepEqual(got, want)
	case parquet.File:
		g := got.(parquet.File)
		return bytes.Equal(g.Bytes, w.Bytes) && g.Path == w.Path
	}
	return got == want
}

// TestGolden reads what datasets and pyarrow wrote.
func TestGolden(t *testing.T) {
	var rows []map[string]any
	if err := json.Unmarshal(golden(t, "truth.json"), &rows); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"datasets", "snappy", "zstd", "pages"} {
		b := golden(t, name+".parquet")
		for _, from := range []interface {
			ReadAt([]byte, int64) (int, error)
		}{bytes.NewReader(b), lent{bytes.NewReader(b)}} {
			r, err := parquet.NewReader(t.Context(), from, int64(len(b)), &parquet.ReaderOptions{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, r, rows)
		}
	}
}

func checkGolden(t *testing.T, r *parquet.Reader, rows []map[string]any) {
	t.Helper()
	kinds := map[string]parquet.Kind{"image": parquet.Image, "label": parquet.ClassLabel, "small": parquet.Int64, "flag": parquet.Int64, "mass": parquet.Float64,
		"half": parquet.Float64, "text": parquet.String, "blob": parquet.Binary, "vector": parquet.List, "grid": parquet.List, "ragged": parquet.JSON, "nested": parquet.JSON}
	if r.Len() != len(rows) || len(r.Columns()) != len(kinds) {
		t.Fatalf("%d rows of %d columns", r.Len(), len(r.Columns()))
	}
	for k, c := range r.Columns() {
		if c.Kind != kinds[c.Name] {
			t.Errorf("%s is %v, want %v: %v", c.Name, c.Kind, kinds[c.Name], r.Refused(k))
			continue
		}
		if c.Kind == parquet.ClassLabel && !reflect.DeepEqual(c.Names, []string{"cat", "dög", `a "b"`}) {
			t.Errorf("classes %q", c.Names)
		}
		for i, want := range rows {
			v, err := r.Value(t.Context(), k, i)
			if err != nil {
				t.Errorf("%v", err)
				continue
			}
			if got := plain(t, v); !reflect.DeepEqual(got, truth(want[c.Name])) {
				t.Errorf("row %d, %s: got %v, want %v", i, c.Name, got, want[c.Name])
			}
		}
	}
}

// truth is a value of the JSON as plain makes it of ours.
func truth(v any) any {
	if b, ok := v.(bool); ok && b {
		return 1.0
	} else if ok {
		return 0.0
	}
	return v
}

// plain is a value as encoding/json would read it.
func plain(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case parquet.File:
		return map[string]any{"sha256": fmt.Sprintf("%x", sha256.Sum256(v.Bytes)), "path": v.Path}
	case int64:
		return float64(v)
	case array.Array:
		list := []any{}
		for i := range v.Shape[0] {
			if row := v.Row(i); len(row.Shape) > 0 {
				list = append(list, plain(t, row))
			} else if row.DType == array.Float32 {
				x, err := array.Values[float32](row)
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, float64(x[0]))
			} else {
				list = append(list, float64(row.Data[0]))
			}
		}
		return list
	case []byte:
		var x any
		if len(v) > 0 && (v[0] == '[' || v[0] == '{') {
			if err := json.Unmarshal(v, &x); err != nil {
				t.Fatal(err)
			}
			return x
		}
		if bytes.HasPrefix(v, []byte{0}) {
			return fmt.Sprintf("%x", v)
		}
		return string(v)
	}
	return v
}

func TestDeltas(t *testing.T) {
	r := read(t, golden(t, "delta.parquet"), nil)
	words := []string{"ab", "abc", "abd", "abd", "x"}
	for _, i := range []int{19, 0, 1, 2, 3, 4, 11} {
		w, err := r.Value(t.Context(), 0, i)
		if err != nil || string(w.([]byte)) != words[i%5] {
			t.Errorf("%d: %v: got %s", i, err, w)
		}
		if n, err := r.Value(t.Context(), 1, i); err != nil || n != int64(i) {
			t.Errorf("%d: %v: got %v", i, err, n)
		}
	}
}

// TestNulls: what isn't there is an error of its row alone.
func TestNulls(t *testing.T) {
	r := read(t, golden(t, "nulls.parquet"), &parquet.ReaderOptions{Name: "nulls.parquet"})
	for _, test := range []struct {
		column, row int
		want        string
	}{
		{0, 0, "1"}, {0, 1, `nulls.parquet: array "label": row 1: the row has no value (null)`}, {0, 2, "3"},
		{1, 0, "a"}, {1, 1, "no value"}, {1, 2, ""},
		{2, 0, "[1 0 0 0 2 0 0 0]"}, {2, 1, "no value"}, {2, 2, "elements that have no value"},
		{3, 0, `{"a": null}`}, {3, 1, "no value"}, {3, 2, `{"a": 1}`},
		{4, 0, "a column of timestamp is not supported"},
		{5, 0, "0"}, {5, 1, "9223372036854775808, larger than an int64"}, {5, 2, "9223372036854775807"},
		{0, 3, "row 3 of 3"}, {0, -1, "row -1 of 3"},
	} {
		v, err := r.Value(t.Context(), test.column, test.row)
		got := fmt.Sprint(v)
		switch v := v.(type) {
		case []byte:
			got = string(v)
		case array.Array:
			got = fmt.Sprint(v.Data)
		}
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != test.want || err != nil && (test.want == "" || !strings.Contains(got, test.want)) {
			t.Errorf("column %d, row %d: got %s, want %s", test.column, test.row, got, test.want)
		}
	}
}

// TestManyReaders: values are the same for any number of readers of one cache.
func TestManyReaders(t *testing.T) {
	b := write(t, 300, &parquet.WriterOptions{RowGroupBytes: 20000})
	cache := parquet.NewCache(30000)
	r := read(t, b, &parquet.ReaderOptions{Cache: cache})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Add(1)
		go func() { // ends with its rows
			defer wg.Done()
			for i := worker; i < 300; i += 8 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					cancel()
				}
				v, err := r.Value(ctx, 0, i)
				if err != nil && !errors.Is(err, context.Canceled) || err == nil && !same(v, row(t, i)[0]) {
					t.Errorf("row %d: %v: %v", i, err, v)
				}
				cancel()
			}
		}()
	}
	wg.Wait()
}

// use reads all that a file serves, and says whether an error is of another kind
// than a reader may give.
func use(t testing.TB, b []byte) {
	t.Helper()
	r, err := parquet.NewReader(t.Context(), lent{bytes.NewReader(b)}, int64(len(b)), &parquet.ReaderOptions{MaxPage: 1 << 20})
	if err != nil {
		if r != nil || !errors.As(err, new(*parquet.FormatError)) {
			t.Fatalf("%v, %v", r, err)
		}
		return
	}
	for k := range r.Columns() {
		for i := range min(r.Len(), 12) {
			if v, err := r.Value(t.Context(), k, i); err != nil && v != nil {
				t.Fatalf("%v, %v", v, err)
			}
		}
	}
}

// TestTruncated cuts golden files at every byte, and the data out of the middle.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"datasets.parquet", "zstd.parquet", "nulls.parquet"} {
		b := golden(t, name)
		for n := range b {
			if n%7 != 0 && n > 3000 && n < len(b)-3000 {
				continue
			}
			if r, err := parquet.NewReader(t.Context(), bytes.NewReader(b[:n]), int64(n), nil); !errors.As(err, new(*parquet.FormatError)) || r != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
		}
		for n := 4; n < len(b); n += 97 {
			use(t, append([]byte("PAR1"), b[n:]...))
		}
	}
}

// TestBytesChanged sets bytes of golden files to others: there may be errors or
// other values, but nothing worse.
func TestBytesChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("reads files some ten thousand times")
	}
	for _, name := range []string{"nulls.parquet", "delta.parquet", "zstd.parquet", "classes.parquet"} {
		b := golden(t, name)
		for i := 0; i < len(b); i += 1 + len(b)/2000 {
			for _, c := range []byte{1, 0x80, 0xff} {
				b[i] ^= c
				use(t, b)
				b[i] ^= c
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, name := range []string{"nulls.parquet", "delta.parquet", "zstd.parquet", "classes.parquet", "types.parquet"} {
		f.Add(golden(f, name))
	}
	f.Add(write(f, 3, nil))
	f.Add(write(f, 20, &parquet.WriterOptions{RowGroupRows: 9}))
	f.Fuzz(func(t *testing.T, b []byte) { use(t, b) })
}

func BenchmarkReader(b *testing.B) {
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, columns[:2], nil)
	if err != nil {
		b.Fatal(err)
	}
	jpeg := bytes.Repeat([]byte("0123456789"), 11000)
	for range 1000 {
		if err := w.Write([]any{parquet.File{Bytes: jpeg, Path: "a/1.jpg"}, int64(1)}); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	r, err := parquet.NewReader(b.Context(), whole{bytes.NewReader(out.Bytes()), out.Bytes()}, int64(out.Len()), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, order := range []string{"rows", "shuffled"} {
		rows := rand.New(rand.NewPCG(1, 2)).Perm(1000)
		b.Run("order="+order, func(b *testing.B) {
			b.SetBytes(int64(len(jpeg)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				at := i % 1000
				if order == "shuffled" {
					at = rows[at]
				}
				if _, err := r.Value(b.Context(), 0, at); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// whole lends its bytes where they lie.
type whole struct {
	*bytes.Reader
	b []byte
}

func (w whole) Borrow(off, n int64) ([]byte, bool) { return w.b[off : off+n], true }
