package gnz_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
	"github.com/betongo/betongo/internal/formattest"
)

const golden = "../../testdata/formats/basic.gnz"

// rows reads a whole array by its stream.
func rows(t testing.TB, f *gnz.File, name string, chunk int) []byte {
	t.Helper()
	s, err := f.Stream(name, chunk)
	return formattest.Drain(t, s, err)
}

func open(t testing.TB, path string) *gnz.File {
	t.Helper()
	f, err := gnz.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestGolden(t *testing.T) {
	f := open(t, golden)
	if got, want := f.Keys(), []string{"x", "labels", "be", "b", "stream"}; !slices.Equal(got, want) {
		t.Errorf("keys %v, want %v", got, want)
	}
	if got, want := f.Attrs(), map[string]any{"source": "seed 002", "n": 3}; !reflect.DeepEqual(got, want) {
		t.Errorf("metadata %v, want %v", got, want)
	}
	var specs []string
	for _, m := range f.Members() {
		specs = append(specs, m.Spec.String())
	}
	if got, want := strings.Join(specs, "; "), "<f4 (3, 4); <u2 (3,); >i4 (3,); |b1 (2,); <i4 (5, 2)"; got != want {
		t.Errorf("members %s, want %s", got, want)
	}
	a, err := f.Array("stream")
	if err != nil {
		t.Fatal(err)
	}
	got, err := array.View[int32](a.AsContiguous())
	if want := []int32{7, 7, 7, 7, 7, 7, 0, 0, 0, 0}; err != nil || !slices.Equal(got, want) {
		t.Errorf("stream %v, %v, want %v", got, err, want)
	}
	for _, name := range f.Keys() {
		a, err := f.Array(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, chunk := range []int{1, 5, 17, 1 << 20} {
			if got := rows(t, f, name, chunk); !bytes.Equal(got, a.AsContiguous().Data) {
				t.Errorf("%s in chunks of %d: % x", name, chunk, got)
			}
		}
	}
}

// TestByteForByte writes the golden again.
func TestByteForByte(t *testing.T) {
	f := open(t, golden)
	path := filepath.Join(t.TempDir(), "again.gnz")
	w, err := gnz.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetAttrs(f.Attrs()); err != nil {
		t.Fatal(err)
	}
	for _, name := range f.Keys() {
		a, err := f.Array(name)
		if err == nil {
			err = w.Put(name, a, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%q\nwant\n%q", got[:512], want[:512])
	}
}

// TestRoundTrip writes arrays of every kind, before and behind the first
// megabyte, in both orders.
func TestRoundTrip(t *testing.T) {
	types := []string{"|b1", "<i2", ">i4", "<u8", "<f2", ">f8", "<c16", "|S3", "<U2", "<M8[ns]", "bfloat16",
		"[('id', '<i4'), ('v', '>f8', (2,))]", "{'names': ['a'], 'formats': ['<f4'], 'offsets': [4], 'itemsize': 12}"}
	shapes := [][]int{{}, {0}, {0, 3}, {3, 0}, {1}, {7}, {3, 4}, {2, 3, 5}, {4096}}
	for _, big := range []int{0, 1<<20 - 4096, 3 << 20} {
		path := filepath.Join(t.TempDir(), "a.gnz")
		w, err := gnz.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Abort()
		want := map[string]array.Strided{}
		put := func(name string, a array.Strided, opts *gnz.PutOptions) {
			if err := w.Put(name, a, opts); err != nil {
				t.Fatal(err)
			}
			want[name] = a
		}
		if big > 0 {
			put("big", formattest.Of(t, make([]byte, big)).Strided(), nil)
		}
		for i, s := range types {
			dtype := formattest.DType(t, s)
			for j, shape := range shapes {
				a := formattest.Bits(t, dtype, i+j, shape...)
				put(fmt.Sprintf("é %s %v", s, shape), a.Strided(), nil)
				put(fmt.Sprintf("F %s %v", s, shape), a.Strided(), &gnz.PutOptions{Fortran: true})
				put(fmt.Sprintf("T %s %v", s, shape), a.Strided().Transpose(), nil)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		if got := len(f.Keys()); got != len(want) {
			t.Fatalf("%d arrays, want %d", got, len(want))
		}
		for _, m := range f.Members() {
			w := want[m.Name]
			a, err := f.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if !a.Spec.Equal(w.Spec) || !bytes.Equal(a.AsContiguous().Data, w.AsContiguous().Data) {
				t.Errorf("%s: %v, want %v", m.Name, a.Spec, w.Spec)
			}
			if got := rows(t, f, m.Name, 20); !bytes.Equal(got, w.AsContiguous().Data) {
				t.Errorf("%s: streamed %d bytes, want %d", m.Name, len(got), len(w.AsContiguous().Data))
			}
		}
	}
}

// TestHeaderLength tries header lengths around page ends, where an offset that
// gains a digit makes the header one page longer: 4096-byte arrays so that the
// third begins at 9 or 12 thousand.
func TestHeaderLength(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gnz")
	data := formattest.Of(t, bytes.Repeat([]byte{0xAA}, 4096)).Strided()
	for _, n := range slices.Concat(between(3814, 3832), between(7910, 7928), between(98022, 98040)) {
		w, err := gnz.Create(path, &gnz.CreateOptions{Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.SetAttrs(map[string]any{"pad": strings.Repeat("x", n)}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b", "c"} {
			if err := w.Put(name, data, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f, err := gnz.Open(path, nil)
		if err != nil {
			t.Fatalf("%d bytes of metadata: %v", n, err)
		}
		if got := rows(t, f, "a", 0); !bytes.Equal(got, data.Data) || len(f.Attrs()["pad"].(string)) != n {
			t.Errorf("%d bytes of metadata: another array or metadata", n)
		}
		f.Close()
	}
}

func between(lo, hi int) (list []int) {
	for n := lo; n < hi; n++ {
		list = append(list, n)
	}
	return list
}

// TestLateHeader needs more header than was left room for.
func TestLateHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gnz")
	w, err := gnz.Create(path, &gnz.CreateOptions{HeaderRoom: 1})
	if err != nil {
		t.Fatal(err)
	}
	var big []byte
	for i := range 3<<20 + 11 {
		big = append(big, byte(i>>3^i>>11))
	}
	if err := w.Put("big", formattest.Of(t, big).Strided(), nil); err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		if err := w.Put(fmt.Sprint("small", i), formattest.Of(t, []int32{int32(i)}).Strided(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.SetAttrs(map[string]any{"long": strings.Repeat("y", 50000)}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if !bytes.Equal(rows(t, f, "big", 0), big) {
		t.Error("the first array differs")
	}
	for i := range 300 {
		if got := rows(t, f, fmt.Sprint("small", i), 0); got[0] != byte(i) || got[1] != byte(i>>8) {
			t.Errorf("array %d: % x", i, got)
		}
	}
}

// TestSink streams rows of which the number isn't told.
func TestSink(t *testing.T) {
	for _, n := range []int{0, 1, 10, 300} {
		path := filepath.Join(t.TempDir(), "a.gnz")
		w, err := gnz.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: array.Float64, Shape: []int{-1, 1000}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(array.Member{Name: "y", Spec: array.Spec{DType: array.Int8, Shape: []int{1}}}); err == nil {
			t.Error("a second sink beside the first")
		}
		var want []byte
		for i := range n {
			a := formattest.Of(t, slices.Repeat([]float64{float64(i)}, 1000), 1, 1000)
			want = append(want, a.Data...)
			if err := s.Write(a); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(s.Close(), w.Close()); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		if m := f.Members()[0]; !slices.Equal(m.Spec.Shape, []int{n, 1000}) || !bytes.Equal(rows(t, f, "x", 0), want) {
			t.Errorf("%d rows: %v", n, m.Spec)
		}
	}
}

func TestPutCasts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gnz")
	w, err := gnz.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var values []float64
	for i := range 300000 {
		values = append(values, float64(i)/4)
	}
	a := formattest.Of(t, values, 1000, 300)
	if err := w.Put("x", a.Strided().Transpose(), &gnz.PutOptions{DType: array.Float16, Fortran: true}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	want, err := array.Cast(a, array.Float16)
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Array("x")
	if err != nil || !f.Members()[0].Fortran {
		t.Fatalf("%v, Fortran %v", err, f.Members()[0].Fortran)
	}
	if !bytes.Equal(got.Transpose().AsContiguous().Data, want.Data) {
		t.Error("other values than array.Cast's")
	}
}

func TestMap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gnz")
	members := []array.Member{
		{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: []int{3, 2}}},
		{Name: "f", Spec: array.Spec{DType: array.Int32, Shape: []int{3, 2}}, Fortran: true},
	}
	m, err := gnz.CreateMap(path, members, map[string]any{"k": "v"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"x", "f"} {
		a, err := m.Array(name)
		if err != nil {
			t.Fatal(err)
		}
		binary.LittleEndian.PutUint32(a.Data[a.Offset+a.Strides[0]:], uint32(i+5)) // [1, 0]
	}
	if err := errors.Join(m.Flush(), m.Close()); err != nil {
		t.Fatal(err)
	}
	if m, err = gnz.OpenMap(path); err != nil || len(m.Members()) != 2 || m.Attrs()["k"] != "v" {
		t.Fatal(err)
	}
	m.Close()
	f := open(t, path)
	for i, name := range f.Keys() {
		got, err := array.Values[int32](array.Array{Spec: f.Members()[i].Spec, Data: rows(t, f, name, 0)})
		if want := []int32{0, 0, int32(i + 5), 0, 0, 0}; err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		}
	}
	if _, err := gnz.CreateMap(path, members, nil, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second file at the same place: %v", err)
	}
}

// TestRefuses tells what a writer doesn't take, and that nothing is left.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gnz")
	x := array.Member{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: []int{3, 2}}}
	for name, spoil := range map[string]func(w *gnz.Writer) error{
		"too few rows": func(w *gnz.Writer) error {
			s, err := w.Add(x)
			return errors.Join(err, s.Close())
		},
		"too many rows": func(w *gnz.Writer) error {
			s, err := w.Add(x)
			return errors.Join(err, s.Write(formattest.Of(t, make([]int32, 8), 4, 2)))
		},
		"an open sink": func(w *gnz.Writer) error { _, err := w.Add(x); return errors.Join(err, w.Close()) },
		"twice": func(w *gnz.Writer) error {
			a := formattest.Of(t, []int8{1}).Strided()
			return errors.Join(w.Put("x", a, nil), w.Put("x", a, nil))
		},
		"no UTF-8":       func(w *gnz.Writer) error { return w.Put("\xff", formattest.Of(t, []int8{1}).Strided(), nil) },
		"attributes":     func(w *gnz.Writer) error { m := x; m.Attrs = map[string]any{"a": 1}; _, err := w.Add(m); return err },
		"a channel":      func(w *gnz.Writer) error { return w.SetAttrs(map[string]any{"c": make(chan int)}) },
		"negative shape": func(w *gnz.Writer) error { m := x; m.Spec.Shape = []int{2, -1}; _, err := w.Add(m); return err },
		"no dtype":       func(w *gnz.Writer) error { m := x; m.Spec.DType = array.DType{}; _, err := w.Add(m); return err },
	} {
		w, err := gnz.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(w); err == nil {
			t.Errorf("%s: no error", name)
		}
		w.Abort()
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := gnz.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing file: %v", err)
	}
}

// file assembles a file of one page of header and one of data.
func file(text string) []byte {
	b := make([]byte, 8192)
	copy(b, "GNZ1")
	binary.LittleEndian.PutUint32(b[4:], uint32(len(text)))
	copy(b[8:], text)
	return b
}

func TestBadFiles(t *testing.T) {
	x := func(entry string) string { return `{"arrays": {"x": ` + entry + `}, "metadata": {}, "version": 1}` }
	for name, text := range map[string]string{
		"no JSON":            `{"arrays"`,
		"a list":             `[]`,
		"behind":             `{"arrays": {}, "version": 1} x`,
		"version":            `{"arrays": {}, "version": 2}`,
		"no version":         `{"arrays": {}}`,
		"no arrays":          `{"version": 1}`,
		"metadata":           `{"arrays": {}, "metadata": 3, "version": 1}`,
		"twice":              `{"arrays": {"x": 1, "x": 2}, "version": 1}`,
		"nested":             strings.Repeat("[", 3000),
		"no object":          x(`3`),
		"dtype":              x(`{"dtype": "<f3", "offset": 4096, "order": "C", "shape": [1]}`),
		"objects":            x(`{"dtype": "|O", "offset": 4096, "order": "C", "shape": [1]}`),
		"order":              x(`{"dtype": "<f4", "offset": 4096, "order": "X", "shape": [1]}`),
		"negative":           x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [-1]}`),
		"negative offset":    x(`{"dtype": "<f4", "offset": -4096, "order": "C", "shape": [1]}`),
		"fraction":           x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [1.5]}`),
		"huge":               x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [4611686018427387904, 4]}`),
		"beyond int":         x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [99999999999999999999]}`),
		"behind the end":     x(`{"dtype": "<f4", "offset": 8192, "order": "C", "shape": [1]}`),
		"over the end":       x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [1025]}`),
		"offset's overflow":  x(`{"dtype": "<f4", "offset": 9223372036854775807, "order": "C", "shape": [1]}`),
		"in the header":      x(`{"dtype": "<f4", "offset": 16, "order": "C", "shape": [1]}`),
		"dimensions":         x(`{"dtype": "<f4", "offset": 4096, "order": "C", "shape": [1` + strings.Repeat(",1", 64) + `]}`),
		"overlap":            `{"arrays": {"x": {"dtype": "<f4", "offset": 4096, "shape": [8]}, "y": {"dtype": "<f4", "offset": 4124, "shape": [8]}}, "version": 1}`,
		"descr":              x(`{"dtype": "|V8", "descr": "[('a', '<f4')]", "offset": 4096, "order": "C", "shape": [1]}`),
		"half a character":   `{"arrays": {"\ud800": 1}, "version": 1}`,
		"a control in a key": "{\"arrays\": {\"\x01\": 1}, \"version\": 1}",
	} {
		path := filepath.Join(t.TempDir(), "a.gnz")
		if err := os.WriteFile(path, file(text), 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := gnz.Open(path, nil)
		if err == nil {
			f.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		var format *gnz.FormatError
		var unsupported *array.UnsupportedError
		if !errors.As(err, &format) && !errors.As(err, &unsupported) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTruncated cuts the file anywhere: what lies behind its last array is
// padding, without which it is whole.
func TestTruncated(t *testing.T) {
	const end = 20480 + 40
	formattest.Cut(t, formattest.Read(t, "basic.gnz")[:end], 0, "a.gnz", func(path string) error {
		f, err := gnz.Open(path, nil)
		if err == nil {
			err = f.Close()
		}
		return err
	})
}

// TestMetadata sends values through a file.
func TestMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gnz")
	in := map[string]any{"": nil, "é\n\"\\\x7f😀": true, "n": -3, "big": json.Number("123456789012345678901234567890"), "f": 1.0, "e": 1e-7,
		"inf": math.Inf(-1), "l": []any{1, "a", []any{}, map[string]any{}}, "u": uint64(7)}
	w, err := gnz.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.SetAttrs(in), w.Close()); err != nil {
		t.Fatal(err)
	}
	in["u"] = 7
	if got := open(t, path).Attrs(); !reflect.DeepEqual(got, in) {
		t.Errorf("%#v\nwant\n%#v", got, in)
	}
	b, err := os.ReadFile(path)
	// As Python's json.dumps gives it.
	const want = `"metadata": {"": null, "big": 123456789012345678901234567890, "e": 1e-07, "f": 1.0, "inf": -Infinity, ` +
		`"l": [1, "a", [], {}], "n": -3, "u": 7, "\u00e9\n\"\\` + "\x7f" + `\ud83d\ude00": true}, "version": 1}`
	if err != nil || !bytes.Contains(b, []byte(want)) {
		t.Errorf("%q", b[:400])
	}
}

// FuzzOpen reads what a header tells of a small file, by the map and by streams.
func FuzzOpen(f *testing.F) {
	whole, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[8:433])
	f.Add([]byte(`{"arrays": {"x": {"dtype": "|V8", "descr": "[('a', '<f4', (2,))]", "offset": 4096, "order": "F", "shape": [2, 2]}}, "metadata": {"a": [NaN, "\u00e9"]}, "version": 1}`))
	path := filepath.Join(f.TempDir(), "a.gnz")
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4000 {
			return
		}
		if err := os.WriteFile(path, file(string(text)), 0o666); err != nil {
			t.Fatal(err)
		}
		g, err := gnz.Open(path, nil)
		if err != nil {
			return
		}
		defer g.Close()
		for _, m := range g.Members() {
			a, err := g.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if len(m.Spec.Shape) > 0 && m.Spec.Shape[0] > 1<<16 {
				continue // rows without bytes
			}
			if got := rows(t, g, m.Name, 100); !bytes.Equal(got, a.AsContiguous().Data) {
				t.Fatalf("%q: other bytes streamed", m.Name)
			}
		}
	})
}

// TestLarge reads and writes behind 2 GiB.
func TestLarge(t *testing.T) {
	const n = 1<<31 + 5
	path := filepath.Join(t.TempDir(), "a.gnz")
	m, err := gnz.CreateMap(path, []array.Member{{Name: "x", Spec: array.Spec{DType: array.Uint8, Shape: []int{n}}}, {Name: "y", Spec: array.Spec{DType: array.Uint16, Shape: []int{3}}}}, nil, nil)
	if err != nil {
		t.Skip("no file of 2 GiB here:", err)
	}
	x, err := m.Array("x")
	if err != nil {
		t.Fatal(err)
	}
	y, err := m.Array("y")
	if err != nil {
		t.Fatal(err)
	}
	x.Data[n-1], y.Data[y.Offset+4] = 7, 9
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	if y, err = f.Array("y"); err != nil || y.AsContiguous().Data[4] != 9 {
		t.Errorf("%v, %v", y, err)
	}
	s, err := f.Stream("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if e, err := s.(array.ExtentStream).NextExtent(n - 1); err != nil || e.Shape[0] != n-1 {
		t.Fatalf("%v, %v", e, err)
	}
	if a, err := s.Next(); err != nil || !bytes.Equal(a.Data, []byte{7}) {
		t.Errorf("%v, %v", a, err)
	}
}
