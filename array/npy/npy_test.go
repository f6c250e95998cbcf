package npy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
)

const golden = "../../testdata/npy/"

// goldens are files written by NumPy, with what it says of them.
var goldens = []struct {
	name, spec string
	refused    string // or the reason, in part
}{
	{"appended", "<f4 (5, 2)", ""}, {"bool", "|b1 (2, 3)", ""}, {"c8", "<c8 (2, 3)", ""}, {"c16", "<c16 (2, 3)", ""},
	{"datetime", "<M8[ns] (2,)", ""}, {"empty", "<f4 (0, 3)", ""}, {"f2", "<f2 (2, 3)", ""}, {"f4", "<f4 (2, 3)", ""},
	{"f8", "<f8 (2, 3)", ""}, {"f8be", ">f8 (2, 3)", ""}, {"i1", "|i1 (2, 3)", ""}, {"i2", "<i2 (2, 3)", ""},
	{"i4", "<i4 (2, 3)", ""}, {"i4be", ">i4 (2, 3)", ""}, {"i8", "<i8 (2, 3)", ""}, {"scalar0d", "<f8 ()", ""},
	{"u1", "|u1 (2, 3)", ""}, {"u2", "<u2 (2, 3)", ""}, {"u4", "<u4 (2, 3)", ""}, {"u8", "<u8 (2, 3)", ""},
	{"unicode", "<U5 (3,)", ""}, {"v2", "<i4 (2, 3)", ""},
	{"fortran", "", "Fortran order"}, {"object_pickle", "", "Python objects"},
	{"structured", "[('id', '<i4'), ('value', '<f4'), ('name', '|S10')] (3,)", ""},
	{"structured_aligned_nested", "[('a', '|i1'), ('', '|V7'), ('b', '<f8'), ('m', '<u2', (2, 2))] (1,)", ""},
	{"v3", "[('ф', '<i4')] (2,)", ""},
	{"needs_recovery", "", "43 bytes of data behind the header, want 16"},
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(golden + name + ".npy")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldens(t *testing.T) {
	for _, g := range goldens {
		file := read(t, g.name)
		f, err := npy.Open(golden + g.name + ".npy")
		if g.refused != "" {
			if err == nil || !strings.Contains(err.Error(), g.refused) || !strings.Contains(err.Error(), g.name) {
				t.Errorf("%s: %v; want an error that says %q", g.name, err, g.refused)
			}
			var u *array.UnsupportedError
			if want := g.name != "fortran" && g.name != "needs_recovery"; errors.As(err, &u) != want {
				t.Errorf("%s: %v; an UnsupportedError: %v", g.name, err, !want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		a := f.Array()
		if a.Spec.String() != g.spec {
			t.Errorf("%s: an array %v, want %s", g.name, a.Spec, g.spec)
		}
		r, err := npy.Read(iotest.OneByteReader(bytes.NewReader(file)))
		if err != nil || !r.Spec.Equal(a.Spec) || !bytes.Equal(r.Data, a.Data) {
			t.Errorf("%s: Read gives %v, %v", g.name, r.Spec, err)
		}
		var w bytes.Buffer
		// v2 was written by hand; append grew a file in place, whose padding differs by what it was.
		if err := npy.Write(&w, a); err != nil || g.name != "v2" && g.name != "appended" && !bytes.Equal(w.Bytes(), file) {
			t.Errorf("%s: Write gives %d other bytes than NumPy, %v\n%q\n%q", g.name, w.Len(), err, w.Bytes(), file)
		}
		if err := errors.Join(f.Close(), f.Close()); err != nil {
			t.Errorf("%s: close: %v", g.name, err)
		}
	}
}

func TestValues(t *testing.T) {
	f, err := npy.Open(golden + "i4be.npy")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := array.Values[int32](f.Row(1))
	if want := []int32{3, 100, -5}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("row 1 = %v, %v; want %v", got, err, want)
	}
	u, err := npy.Parse(read(t, "u8"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := array.View[uint64](u); err != nil || !reflect.DeepEqual(got, []uint64{0, 1, 2, 3, 100, 250}) {
		t.Errorf("u8 = %v, %v", got, err)
	}
}

// TestCut cuts every golden at every length.
func TestCut(t *testing.T) {
	n := 0
	for _, g := range goldens {
		file := read(t, g.name)
		for i := range file {
			if g.name == "needs_recovery" && i >= 144 {
				continue // the array that the header tells is whole
			}
			if a, err := npy.Parse(file[:i]); err == nil || a.Data != nil {
				t.Fatalf("%s cut at %d: %v, %v", g.name, i, a.Spec, err)
			}
			if a, err := npy.Read(bytes.NewReader(file[:i])); err == nil || a.Data != nil {
				t.Fatalf("%s cut at %d: Read %v, %v", g.name, i, a.Spec, err)
			}
			n++
		}
		if _, err := npy.Parse(append(bytes.Clone(file), 0)); err == nil {
			t.Errorf("%s with a byte more: no error", g.name)
		}
	}
	if n < 3000 {
		t.Errorf("only %d cuts", n)
	}
}

// file makes a version 1 file.
func file(header string, data ...byte) []byte {
	return append([]byte("\x93NUMPY\x01\x00"+string([]byte{byte(len(header)), byte(len(header) >> 8)})+header), data...)
}

func TestHeaders(t *testing.T) {
	for _, tt := range []struct {
		header string
		want   string // spec, or the reason
		ok     bool
	}{
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n", "|u1 (2,)", true},
		{`{"shape":(2L,),"descr":"<u1","fortran_order":False}`, "|u1 (2,)", true},
		{"{'descr': '|u1', 'fortran_order': True, 'shape': (2,)}", "|u1 (2,)", true},
		{"{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 1)}", "|u1 (1, 2, 1)", true},
		{"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2)}", "Fortran", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2)}", "shape is 2, want a tuple", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (-2,)}", "dimension 0", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 'x')}", "dimension 1", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 3)}", "larger than", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,)}", "64 bits", false},
		{"{'descr': '|u1', 'fortran_order': 0, 'shape': (2,)}", "True or False", false},
		{"{'descr': 5, 'fortran_order': False, 'shape': (2,)}", "descr is 5", false},
		{"{'descr': '<q3', 'fortran_order': False, 'shape': (2,)}", "element types", false},
		{"{'fortran_order': False, 'shape': (2,)}", `"descr"`, false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'x': None}", "4 keys", false},
		{"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}", "twice", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2,)} x", "more text", false},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (2,)", "',' or '}'", false},
		{"('descr',)", "want a dict", false},
		{"__import__('os')", "want a value", false},
		{"", "ends where", false},
		{strings.Repeat("[", 5000), "nested too deep", false},
		{"{'descr': '|u1\n', }", "line ends", false},
		{`{'descr': '\q1234', }`, "escape", false},
		{`{'\x64escr': '|u1', 'fortran_order': False, 'shape': (2,)}`, "|u1 (2,)", true},
		{"{'descr': '|u1', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 65) + ")}", "65 dimensions", false},
	} {
		a, err := npy.Parse(file(tt.header, 1, 2))
		if tt.ok && (err != nil || a.Spec.String() != tt.want) {
			t.Errorf("%s: %v, %v; want %s", tt.header, a.Spec, err, tt.want)
		}
		if !tt.ok && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v; want an error that says %q", tt.header, err, tt.want)
		}
	}
	for _, b := range []string{"", "x", "\x93NUMPY\x01\x01\x00\x00{}", "\x93NUMPY\x04\x00\x00\x00{}", "\x93NUMPY\x02\x00\xff\xff\xff\xff{}"} {
		if _, err := npy.Parse([]byte(b)); err == nil {
			t.Errorf("%q: no error", b)
		}
	}
}

// TestReadTakesNoMore proves that Read stops behind the array and asks for no
// memory that the data don't fill.
func TestReadTakesNoMore(t *testing.T) {
	r := bytes.NewReader(append(bytes.Repeat(read(t, "f4"), 2), "rest"...))
	for range 2 {
		if a, err := npy.Read(r); err != nil || a.Spec.String() != "<f4 (2, 3)" {
			t.Fatalf("%v, %v", a.Spec, err)
		}
	}
	if rest, _ := io.ReadAll(r); string(rest) != "rest" {
		t.Errorf("behind two arrays: %q", rest)
	}
	if _, err := npy.Read(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v, want io.EOF", err)
	}
	huge := file("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,)}", 1, 2, 3)
	if _, err := npy.Read(bytes.NewReader(huge)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a huge array of 3 bytes: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	s := array.Spec{DType: array.Uint8, Shape: []int{3}}
	if err := npy.Write(io.Discard, array.Array{Spec: s, Data: []byte{1}}); err == nil {
		t.Error("an array with too few bytes was written")
	}
	a := array.Array{Spec: s, Data: []byte{1, 2, 3}}
	if err := npy.Write(&failing{after: 1}, a); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("write to a full place: %v", err)
	}
	if _, err := npy.Open(filepath.Join(t.TempDir(), "none.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

type failing struct{ after int }

func (f *failing) Write(p []byte) (int, error) {
	if f.after--; f.after < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

func FuzzParse(f *testing.F) {
	for _, g := range goldens {
		f.Add(read(f, g.name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := npy.Parse(b)
		r, rerr := npy.Read(bytes.NewReader(b))
		if err != nil {
			if a.Data != nil || a.DType.Valid() {
				t.Fatalf("an array beside the error %v", err)
			}
			return
		}
		if rerr != nil || !r.Spec.Equal(a.Spec) || !bytes.Equal(r.Data, a.Data) {
			t.Fatalf("Parse gives %v, Read %v, %v", a.Spec, r.Spec, rerr)
		}
		var w bytes.Buffer
		if err := npy.Write(&w, a); err != nil {
			t.Fatal(err)
		}
		again, err := npy.Parse(w.Bytes())
		if err != nil || !again.Spec.Equal(a.Spec) || !bytes.Equal(again.Data, a.Data) {
			t.Fatalf("%v written and read: %v, %v", a.Spec, again.Spec, err)
		}
	})
}

func ExampleWrite() {
	a, _ := array.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	var file bytes.Buffer
	if err := npy.Write(&file, a); err != nil {
		fmt.Println(err)
		return
	}
	b, err := npy.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	row, _ := array.View[float32](b.Row(1))
	fmt.Println(b.Spec, row)
	// Output: <f4 (2, 3) [4 5 6]
}
