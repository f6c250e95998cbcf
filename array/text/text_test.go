package text_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/text"
	"github.com/betongo/betongo/internal/formattest"
)

const golden = "../../testdata/formats/text/"

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func parse(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// streamed reads all rows by streams of several sizes, which must agree.
func streamed(t *testing.T, f *text.File) []byte {
	t.Helper()
	var first []byte
	for i, chunk := range []int{0, 1, 100} {
		s, err := f.Stream("", chunk)
		if err != nil {
			t.Fatal(err)
		}
		all := formattest.Drain(t, s, nil)
		if i == 0 {
			first = all
		} else if !bytes.Equal(all, first) {
			t.Errorf("in chunks of %d: other values", chunk)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	}
	return first
}

func TestGoldens(t *testing.T) {
	for _, name := range []string{"f.csv", "t.txt", "hdr.csv", "tab.tsv"} {
		f, err := text.Open(golden+name, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		a, err := f.Array("")
		if err != nil {
			t.Error(err)
			continue
		}
		v, err := array.Values[float64](a.AsContiguous())
		if err != nil || a.Spec.String() != "<f8 (10, 6)" {
			t.Errorf("%s: %v, %v", name, a.Spec, err)
		}
		for i, x := range v {
			if x != float64(i) {
				t.Errorf("%s: element %d is %v", name, i, x)
			}
		}
		streamed(t, f)
		m := f.Members()
		if len(m) != 1 || m[0].Name+filepath.Ext(name) != name || (name == "hdr.csv") != (len(f.Columns()) == 6 && f.Columns()[5] == "col5") {
			t.Errorf("%s: %v", name, m)
		}
	}
}

func TestOpen(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name, content string
		opts          text.OpenOptions
		shape         string
		values        []float64
		columns       string
	}{
		{"x.csv", "1,2\n3,4\n", text.OpenOptions{}, "(2, 2)", []float64{1, 2, 3, 4}, ""},
		{"x.csv", "\xef\xbb\xbfa,b\r\n1, 2 \r\n\r\n3,4", text.OpenOptions{}, "(2, 2)", []float64{1, 2, 3, 4}, "a b"},
		{"x.csv", "1,2\n3,4\n", text.OpenOptions{Header: text.HeaderYes}, "(1, 2)", []float64{3, 4}, "1 2"},
		{"x.csv", "a,b\n", text.OpenOptions{}, "(0, 2)", nil, "a b"},
		{"x.csv", "", text.OpenOptions{}, "(0, 0)", nil, ""},
		{"x.csv", "# one\n# a,b\n1,2 # two\n", text.OpenOptions{}, "(1, 2)", []float64{1, 2}, "a b"},
		{"x.csv", "1,,NA\nnan,inf,-1e400\n", text.OpenOptions{Missing: []string{"NA"}}, "(2, 3)", []float64{1, nan, nan, nan, math.Inf(1), math.Inf(-1)}, ""},
		{"x.txt", "  1   2\t3 \n4 5 6\n", text.OpenOptions{}, "(2, 3)", []float64{1, 2, 3, 4, 5, 6}, ""},
		{"x.txt", "rubbish\n1;2\n", text.OpenOptions{Skip: 1, Delimiter: ";"}, "(1, 2)", []float64{1, 2}, ""},
		{"x.csv", `"a, b","c ""d"""` + "\n" + `"1",2` + "\n", text.OpenOptions{}, "(1, 2)", []float64{1, 2}, `a, b c "d"`},
		{"x.tsv", "1\t\n", text.OpenOptions{}, "(1, 2)", []float64{1, nan}, ""},
		{"x.csv", "%1\n2\n", text.OpenOptions{Comment: "%"}, "(1, 1)", []float64{2}, "1"},
		{"x.csv", "#,b\n1,2\n", text.OpenOptions{NoComment: true}, "(1, 2)", []float64{1, 2}, "# b"},
	} {
		f, err := text.Open(write(t, tt.name, tt.content), &tt.opts)
		if err != nil {
			t.Errorf("%q: %v", tt.content, err)
			continue
		}
		a, err := f.Array("x")
		if err != nil || array.ShapeString(a.Shape) != tt.shape {
			t.Errorf("%q: %v, %v; want %s", tt.content, a.Spec, err, tt.shape)
			continue
		}
		got, _ := array.Values[float64](a.AsContiguous())
		if !slices.EqualFunc(got, tt.values, func(a, b float64) bool { return a == b || a != a && b != b }) || strings.Join(f.Columns(), " ") != tt.columns {
			t.Errorf("%q: %v, columns %v; want %v, %s", tt.content, got, f.Columns(), tt.values, tt.columns)
		}
		streamed(t, f)
	}
}

func TestTypes(t *testing.T) {
	content := "id,name,x\n1,\"é, b\",0.5\n-2,,1e3\n"
	f, err := text.Open(write(t, "x.csv", content), &text.OpenOptions{DTypes: []array.DType{array.Int16, parse(t, "<U4"), parse(t, ">f4")}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := f.Array("")
	if err != nil || a.Spec.String() != "[('id', '<i2'), ('name', '<U4'), ('x', '>f4')] (2,)" {
		t.Fatalf("%v, %v", a.Spec, err)
	}
	ids, _ := a.Field("id")
	x, _ := a.Field("x")
	name, _ := a.Field("name")
	v, _ := array.Values[int16](ids.AsContiguous())
	w, _ := array.Values[float32](x.AsContiguous())
	first := array.FormatElement(name.AsContiguous().Data[:16], parse(t, "<U4"))
	if !slices.Equal(v, []int16{1, -2}) || !slices.Equal(w, []float32{0.5, 1000}) || first != "é, b" {
		t.Errorf("%v, %v, %q", v, w, first)
	}
}

func TestRefuses(t *testing.T) {
	for _, tt := range []struct {
		content, want string
		opts          text.OpenOptions
	}{
		{"1,2\n3\n", "line 2: 1 columns, want 2", text.OpenOptions{}},
		{"1,2\n3,x\n", "line 2, column 2: \"x\" is no number", text.OpenOptions{}},
		{"1\n300\n", "line 2, column 1: \"300\" is no integer of 8 bits", text.OpenOptions{DType: array.Int8}},
		{"1,\n", "column 2: empty", text.OpenOptions{DType: array.Int8, Header: text.HeaderNo}},
		{"\"a\n", "doesn't end on its line", text.OpenOptions{}},
		{"\"a\"b\n", "text behind a quote", text.OpenOptions{}},
		{"1\n", "isn't read from text", text.OpenOptions{DType: parse(t, "|V3")}},
		{"1\n", "sub-array", text.OpenOptions{DType: parse(t, "[('a', '<f4', (2,))]")}},
		{"1,2\n", "2 columns, want 3", text.OpenOptions{DTypes: []array.DType{array.Int8, array.Int8, array.Int8}}},
		{"", "no header", text.OpenOptions{Header: text.HeaderYes}},
	} {
		f, err := text.Open(write(t, "x.csv", tt.content), &tt.opts)
		if err == nil {
			_, err = f.Array("")
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v; want %q", tt.content, err, tt.want)
		}
	}
	if _, err := text.Open(filepath.Join(t.TempDir(), "none.csv"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := text.Open(t.TempDir(), nil); err == nil {
		t.Error("a folder was opened")
	}
}

func save(path string, a array.Array, m array.Member, opts *text.CreateOptions) error {
	w, err := text.Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	s, err := w.Add(m)
	if err != nil {
		return err
	}
	for i := range a.Shape[0] {
		if err := s.Write(a.Strided().Slice(0, i, i+1, 1).AsContiguous()); err != nil {
			return err
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	return w.Close()
}

// TestGoldensAgain writes what NumPy wrote.
func TestGoldensAgain(t *testing.T) {
	for name, opts := range map[string]text.CreateOptions{
		"f.csv": {Format: "%.18e"}, "t.txt": {Format: "%.18e"}, "tab.tsv": {Format: "%d"}, "hdr.csv": {Format: "%f", Comment: "# "},
	} {
		f, err := text.Open(golden+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := f.Array("")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		m := f.Members()[0]
		m.Spec.Shape[0] = -1
		if err := save(path, a.AsContiguous(), m, &opts); err != nil {
			t.Fatal(err)
		}
		want, _ := os.ReadFile(golden + name)
		if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
			t.Errorf("%s: %.100q, want %.100q", name, got, want)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, dtype := range []string{"?", "|i1", "<u8", ">i4", "<f2", "<f4", ">f8", "<c8", "<c16", "|S6", "<U5", "bfloat16"} {
		d := parse(t, dtype)
		spec := array.Spec{DType: d, Shape: []int{3, 2}}
		data := make([]byte, 0, 6*d.ItemSize())
		for i, word := range []string{"0", "1", "1", "0", "1", "1"} {
			if strings.Contains("fcV", string(d.Kind())) {
				word = []string{"0.1", "nan", "-inf", "1e-5", "3", "-0.0"}[i]
			}
			if strings.Contains("SU", string(d.Kind())) {
				word = []string{"a,b", `"q"`, "", " x", "#", "it's"}[i]
			}
			b := make([]byte, d.ItemSize())
			if err := array.ParseElement(b, word, d); err != nil {
				t.Fatal(err)
			}
			data = append(data, b...)
		}
		a, err := array.New(spec, data)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.csv")
		if err := save(path, a, array.Member{Spec: spec}, nil); err != nil {
			t.Errorf("%s: %v", dtype, err)
			continue
		}
		f, err := text.Open(path, &text.OpenOptions{DType: d, Header: text.HeaderNo})
		if err != nil {
			t.Errorf("%s: %v", dtype, err)
			continue
		}
		got, err := f.Array("")
		content, _ := os.ReadFile(path)
		if err != nil || !got.Spec.Equal(spec) || !bytes.Equal(got.AsContiguous().Data, data) {
			t.Errorf("%s: %v, %v; the file %q", dtype, got.Spec, err, content)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	path := write(t, "x.csv", "mine")
	if _, err := text.Create(path, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	rows, _ := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	lines, _ := array.New(array.Spec{DType: parse(t, "S3"), Shape: []int{2, 2}}, []byte("a\nb123xx\x00yyy"))
	for what, tt := range map[string]struct {
		a    array.Array
		m    array.Member
		opts text.CreateOptions
	}{
		"three dimensions": {rows, array.Member{Spec: array.Spec{DType: array.Float32, Shape: []int{2, 2, 1}}}, text.CreateOptions{}},
		"a scalar":         {rows, array.Member{Spec: array.Spec{DType: array.Float32}}, text.CreateOptions{}},
		"few rows":         {rows, array.Member{Spec: array.Spec{DType: array.Float32, Shape: []int{3, 2}}}, text.CreateOptions{}},
		"many rows":        {rows, array.Member{Spec: array.Spec{DType: array.Float32, Shape: []int{1, 2}}}, text.CreateOptions{}},
		"another type":     {rows, array.Member{Spec: array.Spec{DType: array.Int32, Shape: []int{2, 2}}}, text.CreateOptions{}},
		"names":            {rows, array.Member{Spec: rows.Spec}, text.CreateOptions{Header: []string{"a"}}},
		"attributes":       {rows, array.Member{Spec: rows.Spec, Attrs: map[string]any{"unit": "m"}}, text.CreateOptions{}},
		"two lines":        {lines, array.Member{Spec: lines.Spec}, text.CreateOptions{}},
		"a format":         {rows, array.Member{Spec: rows.Spec}, text.CreateOptions{Format: "%x"}},
	} {
		tt.opts.Overwrite = true
		if err := save(path, tt.a, tt.m, &tt.opts); err == nil {
			t.Errorf("%s: no error", what)
		}
		if b, _ := os.ReadFile(path); string(b) != "mine" {
			t.Errorf("%s: the file is %q", what, b)
		}
		if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
			t.Errorf("%s: %d files are left", what, len(list))
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"f.csv", "t.txt", "hdr.csv", "tab.tsv"} {
		b, err := os.ReadFile(golden + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:200], ",")
		f.Add(b[:100], "")
	}
	f.Add([]byte("\"a\"\"b\",1 # c\n2,3"), ",")
	path := filepath.Join(f.TempDir(), "x")
	f.Fuzz(func(t *testing.T, b []byte, delimiter string) {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, d := range []array.DType{array.Float64, parse(t, "<U3")} {
			file, err := text.Open(path, &text.OpenOptions{DType: d, Delimiter: delimiter})
			if err != nil {
				continue
			}
			a, err := file.Array("")
			if err == nil && !a.Spec.Equal(file.Members()[0].Spec) {
				t.Fatalf("%v, the members say %v", a.Spec, file.Members())
			}
		}
	})
}

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "text")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.csv")
	if err := os.WriteFile(path, []byte("x,y\n1,2.5\n3,\n"), 0o666); err != nil {
		fmt.Println(err)
		return
	}
	f, err := text.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := f.Array("points")
	if err != nil {
		fmt.Println(err)
		return
	}
	values, _ := array.Values[float64](a.AsContiguous())
	fmt.Println(f.Columns(), a.Spec, values)
	// Output: [x y] <f8 (2, 2) [1 2.5 3 NaN]
}

func BenchmarkStream(b *testing.B) {
	var content strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&content, "%d,%.6f,%e,%d\n", i, float64(i)/7, float64(i)*1e10, i%10)
	}
	path := write(b, "x.csv", content.String())
	b.SetBytes(int64(content.Len()))
	for range b.N {
		f, err := text.Open(path, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Array(""); err != nil {
			b.Fatal(err)
		}
	}
}
