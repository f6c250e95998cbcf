package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/safetensors"
	"github.com/betongo/betongo/internal/formattest"
)

const golden = "../../testdata/formats/safetensors/all.safetensors"

// file makes a file of a header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func open(t testing.TB, name string) *safetensors.File {
	t.Helper()
	f, err := safetensors.Open(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestGolden(t *testing.T) {
	f := open(t, golden)
	want := map[string]string{
		"f32": "<f4(2, 2) 0.0 1.0 2.0 3.0", "f16": "<f2(3,) 1.0 2.0 3.0", "bf16": "bfloat16(3,) 1.0 2.0 -3.5",
		"i64": "<i8(2,) 1 -1", "u8": "|u1(3,) 1 2 3", "bool": "|b1(2,) True False", "empty": "<f4(0, 4) ", "scalar": "<f4() 7.0",
	}
	got := map[string]string{}
	for name, a := range f.All() {
		got[name] = formattest.Text(a)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if a := f.Attrs(); a["format"] != "pt" || a["who"] != "conv" || len(a) != 2 {
		t.Errorf("attributes %v", a)
	}
	h, err := safetensors.ReadHeader(golden)
	if err != nil || fmt.Sprint(h.Tensors) != fmt.Sprint(f.Header().Tensors) || h.Metadata["who"] != "conv" {
		t.Errorf("ReadHeader: %v, %v", h, err)
	}
	if err := f.Refused(); err != nil {
		t.Error(err)
	}
}

// Written again, in any order of Add, a file is the original's byte for byte.
func TestRewrite(t *testing.T) {
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, golden)
	for _, how := range []string{"plan", "as it lies", "backwards"} {
		name := filepath.Join(t.TempDir(), "x.safetensors")
		w, err := safetensors.Create(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		members := f.Members()
		if how == "backwards" {
			slices.Reverse(members)
		}
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(how, err)
			}
		}
		check(w.SetAttrs(f.Attrs()))
		if how == "plan" {
			check(w.Plan(members))
			slices.Reverse(members)
		}
		for _, m := range members {
			copyArray(t, w, f, m)
		}
		check(w.Close())
		if got, _ := os.ReadFile(name); !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", how, got, want)
		}
	}
}

func copyArray(t *testing.T, w *safetensors.Writer, f *safetensors.File, m array.Member) {
	t.Helper()
	sink, err := w.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Stream(m.Name, 3) // a row at a time
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for {
		rows, err := s.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = sink.Write(rows)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestHeader(t *testing.T) {
	const x = `"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, c := range []struct {
		header string
		data   int
		want   string // part of the error, "" for none
	}{
		{"{" + x + "}", 8, ""},
		{"{" + x + "}   \n", 8, ""},
		{`{}`, 0, ""},
		{`{"__metadata__":null}`, 0, ""},
		{`{ "__metadata__" : { "a" : "b" } , ` + x + ` }`, 8, ""},
		{`{"a":{"shape":[],"more":{"b":[1,{"c":null}]},"dtype":"I8","data_offsets":[0,1]}}`, 1, ""},
		{`{"b":{"dtype":"I8","shape":[1],"data_offsets":[2,3]},"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}`, 3, ""},
		{`{"b":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}`, 2, ""},
		{`{"\u0061\n":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}`, 2, ""},
		{`{"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}`, 2, ""},
		{"", 0, "doesn't begin"},
		{" {}", 0, "doesn't begin"},
		{"[]", 0, "doesn't begin"},
		{"{", 0, "it ends"},
		{"{}}", 0, "behind its end"},
		{"{" + x + "," + x + "}", 8, `array "x": at byte`},
		{"{" + x + ",}", 8, `want '"'`},
		{`{"__metadata__":{},"__metadata__":{}}`, 0, "twice"},
		{`{"__metadata__":{"a":"b","a":"c"}}`, 0, `"a" is there twice`},
		{`{"__metadata__":{"a":1}}`, 0, `want '"'`},
		{"{" + x + "}", 7, `array "x": at byte 69: the tensors have 8 bytes, in the file are 7`},
		{`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[2,4]}}`, 3, `array "b"`},
		{"{" + x + "}", 9, "8 bytes, in the file are 9"},
		{`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4, "4 bytes of data, want 8 for F32 (2,)"},
		{`{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}`, 8, "before they begin"},
		{`{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}`, 12, "hole"},
		{`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}}`, 3, "overlap"},
		{`{"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}`, 2, "overlap"},
		{`{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}`, 8, "not negative"},
		{`{"x":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}`, 8, "whole number"},
		{`{"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}`, 8, "want ','"},
		{`{"x":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}`, 8, "too large"},
		{`{"x":{"dtype":"F32","shape":[9223372036854775807,2],"data_offsets":[0,8]}}`, 8, "too large"},
		{`{"x":{"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]}}`, 0, "too large"},
		{`{"x":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}}`, 0, "too large"},
		{`{"x":{"dtype":"I8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}}`, 0, "too large"},
		{`{"x":{"dtype":"F32","shape":[2],"data_offsets":[9223372036854775807,8]}}`, 8, "before"},
		{`{"x":{"dtype":"F99","shape":[2],"data_offsets":[0,8]}}`, 8, `dtype "F99"`},
		{`{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}`, 1, "no whole bytes"},
		{`{"x":{"shape":[2],"data_offsets":[0,8]}}`, 8, "not all of"},
		{`{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8, "twice"},
		{`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}}`, 8, "want ']'"},
		{`{"x":{"z":` + deep + `,"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8, "nested"},
		{`{"x":{"z":tru,"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8, "no JSON"},
		{`{"x":{"z":[1}],"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8, "no JSON"},
		{"{\"\xff\":1}", 0, "UTF-8"},
		{"{\"a\n\":1}", 0, "control"},
		{`{"\q":1}`, 0, "string"},
	} {
		f, err := safetensors.Open(formattest.Put(t, "x.safetensors", file(c.header, c.data)), nil)
		if err == nil {
			f.Close()
		}
		if (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, want %q", c.header, err, c.want)
			continue
		}
		if err == nil {
			continue
		}
		var bad *safetensors.FormatError
		if !errors.As(err, &bad) || bad.File == "" || f != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.header, err, c.want)
		}
	}
}

func TestHeaderSize(t *testing.T) {
	big := binary.LittleEndian.AppendUint64(nil, safetensors.MaxHeader+1)
	for _, b := range [][]byte{nil, {1}, make([]byte, 7), make([]byte, 8), big, bytes.Repeat([]byte{255}, 30), file("{}", 0)[:9]} {
		name := formattest.Put(t, "x.safetensors", b)
		for _, err := range []error{
			func() error { _, err := safetensors.Open(name, nil); return err }(),
			func() error { _, err := safetensors.ReadHeader(name); return err }(),
		} {
			var bad *safetensors.FormatError
			if !errors.As(err, &bad) || bad.File != name {
				t.Errorf("%d bytes: %v", len(b), err)
			}
		}
	}
}

func TestTruncated(t *testing.T) {
	formattest.Cut(t, formattest.Read(t, "safetensors/all.safetensors"), 0, "x.safetensors", func(path string) error {
		f, err := safetensors.Open(path, nil)
		if err == nil {
			err = f.Close()
		}
		return err
	})
}

// TestLarge reads behind 2 GiB.
func TestLarge(t *testing.T) {
	const rows = 1<<31/8 + 1000
	head := file(fmt.Sprintf(`{"x":{"dtype":"U64","shape":[%d],"data_offsets":[0,%d]}}`, rows, rows*8), 0)
	f := open(t, formattest.Sparse(t, "x.safetensors", head, int64(len(head))+rows*8, "behind 2"))
	a, err := f.Rows("x", rows-1, rows)
	if err != nil || string(a.Data) != "behind 2" {
		t.Errorf("%v, %v", a, err)
	}
	s, err := f.Stream("x", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.(array.ExtentStream).NextExtent(rows*8 - 8)
	if err != nil || e.Shape[0] != rows-1 {
		t.Fatalf("%v, %v", e, err)
	}
	if a, err = s.Next(); err != nil || string(a.Data) != "behind 2" {
		t.Errorf("%v, %v", a, err)
	}
}

func TestRows(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	x, _ := array.Of([]int32{0, 1, 2, 3, 4, 5}, 3, 2)
	s, _ := array.New(array.Spec{DType: array.Float64}, make([]byte, 8))
	e, _ := array.New(array.Spec{DType: array.Float64, Shape: []int{0, 3}}, nil)
	all := map[string]array.Strided{"x": x.Strided(), "s": s.Strided(), "e": e.Strided(), "t": x.Strided().Transpose()}
	if err := safetensors.Save(name, all, nil, nil); err != nil {
		t.Fatal(err)
	}
	f := open(t, name)
	rows, err := f.Rows("x", 1, 3)
	if err != nil || formattest.Text(rows.Strided()) != "<i4(2, 2) 2 3 4 5" {
		t.Errorf("got %v, %v", rows, err)
	}
	whole, err := f.Array("x")
	if err != nil || unsafe.SliceData(rows.Data) != &whole.Data[8] {
		t.Errorf("rows aren't a view: %v", err)
	}
	if a, err := f.Array("t"); err != nil || formattest.Text(a) != "<i4(2, 3) 0 2 4 1 3 5" {
		t.Errorf("transposed: %v, %v", a, err)
	}
	if rows, err = f.Rows("e", 0, 0); err != nil || fmt.Sprint(rows.Shape) != "[0 3]" {
		t.Errorf("got %v, %v", rows, err)
	}
	for _, c := range []struct {
		name   string
		lo, hi int
	}{{"x", -1, 1}, {"x", 2, 1}, {"x", 0, 4}, {"s", 0, 1}, {"none", 0, 0}} {
		if _, err := f.Rows(c.name, c.lo, c.hi); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if f.Attrs() != nil {
		t.Errorf("attributes %v", f.Attrs())
	}
}

func TestScalarStream(t *testing.T) {
	f := open(t, formattest.Put(t, "x.safetensors", file(`{"s":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"e":{"dtype":"F64","shape":[0,2],"data_offsets":[8,8]}}`, 8)))
	s, err := f.Stream("s", 0)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Next(); err != nil || len(a.Shape) != 0 || len(a.Data) != 8 {
		t.Errorf("got %v, %v", a, err)
	}
	if _, err := s.Next(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	s, err = f.Stream("e", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Next(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
}

// Types that NumPy doesn't know keep their names; those of no whole bytes are
// listed and refused.
func TestSmallFloats(t *testing.T) {
	in := file(`{"a":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F4","shape":[4],"data_offsets":[2,4]}}    `, 4)
	f := open(t, formattest.Put(t, "x.safetensors", in))
	m := f.Members()
	if len(m) != 1 || m[0].Spec.DType.String() != "|V1" || m[0].Attrs["dtype"] != "F8_E4M3" {
		t.Fatalf("members %v", m)
	}
	var no *array.UnsupportedError
	if _, err := f.Array("b"); !errors.As(err, &no) || no.DType != "F4" || !errors.As(f.Refused(), &no) {
		t.Errorf("got %v", err)
	}
	name := filepath.Join(t.TempDir(), "y")
	w, err := safetensors.Create(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	copyArray(t, w, f, m[0])
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := open(t, name).Header().Tensors[0].DType; got != "F8_E4M3" {
		t.Errorf("got %s", got)
	}
}

func TestWriter(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "x")
	w, err := safetensors.Create(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Counted rows, big-endian, and an empty name.
	be, _ := array.ParseDType(">i2")
	sink, err := w.Add(array.Member{Spec: array.Spec{DType: be, Shape: []int{-1, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		rows, _ := array.New(array.Spec{DType: be, Shape: []int{1, 2}}, []byte{0, byte(i), 1, 0})
		if err := sink.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(sink.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	f := open(t, name)
	if a, err := f.Array(""); err != nil || formattest.Text(a) != "<i2(3, 2) 0 256 1 256 2 256" {
		t.Errorf("got %v, %v", formattest.Text(a), err)
	}
	if h := f.Header(); h.Data%8 != 0 {
		t.Errorf("data at %d", h.Data)
	}
	if _, err := safetensors.Create(name, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	// Nothing is left of a file that fails.
	i4 := func(shape ...int) array.Member {
		return array.Member{Name: "x", Spec: array.Spec{DType: array.Int32, Shape: shape}}
	}
	void, _ := array.ParseDType("|V1")
	for _, c := range []struct {
		want string
		do   func(w *safetensors.Writer) error
	}{
		{"0 rows, want 2", func(w *safetensors.Writer) error {
			s, err := w.Add(i4(2))
			return errors.Join(err, s.Close())
		}},
		{"3 rows, want 2", func(w *safetensors.Writer) error {
			s, err := w.Add(i4(2))
			a, _ := array.Of([]int32{1, 2, 3})
			return errors.Join(err, s.Write(a))
		}},
		{"rows of <f4", func(w *safetensors.Writer) error {
			s, err := w.Add(i4(2))
			a, _ := array.Of([]float32{1, 2})
			return errors.Join(err, s.Write(a))
		}},
		{"isn't closed yet", func(w *safetensors.Writer) error {
			w.Add(i4(2))
			return w.Close()
		}},
		{"already", func(w *safetensors.Writer) error {
			s, _ := w.Add(i4(0))
			_, err := w.Add(i4(0))
			s.Close()
			if err == nil || !strings.Contains(err.Error(), "closed yet") {
				t.Errorf("two sinks: %v", err)
			}
			return errors.New("already")
		}},
		{"planned and not added", func(w *safetensors.Writer) error {
			return errors.Join(w.Plan([]array.Member{i4(2)}), w.Close())
		}},
		{"isn't planned", func(w *safetensors.Writer) error {
			err := w.Plan([]array.Member{})
			_, err2 := w.Add(i4(1))
			return errors.Join(err, err2)
		}},
		{"already", func(w *safetensors.Writer) error { return w.Plan([]array.Member{i4(1), i4(2)}) }},
		{"number of rows", func(w *safetensors.Writer) error { return w.Plan([]array.Member{i4(-1)}) }},
		{"keeps that name", func(w *safetensors.Writer) error {
			_, err := w.Add(array.Member{Name: "__metadata__", Spec: i4(1).Spec})
			return err
		}},
		{"no such type", func(w *safetensors.Writer) error {
			_, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: array.Complex128}})
			return err
		}},
		{"void", func(w *safetensors.Writer) error {
			_, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: void}})
			return err
		}},
		{"too large", func(w *safetensors.Writer) error {
			_, err := w.Add(i4(1<<62, 1<<62))
			if err != nil {
				err = errors.New("too large")
			}
			return err
		}},
		{"only strings", func(w *safetensors.Writer) error { return w.SetAttrs(map[string]any{"a": 1}) }},
	} {
		bad := filepath.Join(dir, "bad")
		w, err := safetensors.Create(bad, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.do(w); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
		if list, _ := os.ReadDir(dir); len(list) != 1 {
			t.Fatalf("%s: left behind: %v", c.want, list)
		}
	}
}

func FuzzOpen(f *testing.F) {
	b, err := os.ReadFile(golden)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(file(`{"x":{"z":[{"a":1}],"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"__metadata__":{"a":"\u00e9"},"x":{"dtype":"F8_E5M2","shape":[],"data_offsets":[0,1]}}`, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := safetensors.Parse(b); err != nil {
			return
		}
		name := formattest.Put(t, "x.safetensors", b)
		x, err := safetensors.Open(name, nil)
		h, err2 := safetensors.ReadHeader(name)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("Open: %v, ReadHeader: %v", err, err2)
		}
		if err != nil {
			return
		}
		defer x.Close()
		again := map[string]array.Strided{}
		for _, m := range x.Members() {
			a, err := x.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if s, err := x.Stream(m.Name, 16); err != nil {
				t.Fatal(err)
			} else if n, _ := m.Spec.Bytes(); n > 0 {
				if _, err := s.Next(); err != nil {
					t.Fatal(err)
				}
			}
			if m.Attrs == nil {
				again[m.Name] = a
			}
		}
		if len(again) < len(h.Tensors) {
			return
		}
		if err := safetensors.Save(name+"2", again, h.Metadata, nil); err != nil {
			t.Fatal(err)
		}
		y, err := safetensors.Open(name+"2", nil)
		if err != nil {
			t.Fatal(err)
		}
		y.Close()
	})
}
