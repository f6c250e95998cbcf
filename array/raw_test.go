package array_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

const raw = "../testdata/formats/raw/"

func TestFromFileGoldens(t *testing.T) {
	a, err := array.FromFile(raw+"f8.bin", &array.FromFileOptions{DType: array.Float64})
	if err != nil || a.Shape[0] != 12 {
		t.Fatalf("f8.bin: %v, %v", a.Spec, err)
	}
	a, err = array.FromFile(raw+"i4be.bin", &array.FromFileOptions{DType: parse(t, ">i4")})
	if got, _ := array.Values[int32](a); err != nil || !slices.Equal(got, []int32{1, 256, 65536}) {
		t.Errorf("i4be.bin: %v, %v", got, err)
	}
	a, err = array.FromFile(raw+"i4be.bin", &array.FromFileOptions{DType: parse(t, ">i4"), Count: 1, Offset: 4})
	if got, _ := array.Values[int32](a); err != nil || !slices.Equal(got, []int32{256}) {
		t.Errorf("one of i4be.bin: %v, %v", got, err)
	}
	record := parse(t, "[('id', '<i4'), ('value', '<f4'), ('name', '|S10')]")
	a, err = array.FromFile(raw+"records.bin", &array.FromFileOptions{DType: record})
	if err != nil || a.Shape[0] != 3 {
		t.Fatalf("records.bin: %v, %v", a.Spec, err)
	}
	ids, err := a.Strided().Field("id")
	if got, verr := array.Values[int32](ids.AsContiguous()); err != nil || verr != nil || !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("ids %v, %v", got, err)
	}
	a, err = array.FromFile(raw+"sep.txt", &array.FromFileOptions{DType: array.Int64, Sep: ","})
	if got, _ := array.Values[int64](a); err != nil || !slices.Equal(got, []int64{0, 1, 2, 3, 4}) {
		t.Errorf("sep.txt: %v, %v", got, err)
	}
	a, err = array.FromFile(raw+"sep_fmt.txt", &array.FromFileOptions{DType: array.Float64, Sep: " "})
	if got, _ := array.Values[float64](a); err != nil || !slices.Equal(got, []float64{1.5, 2}) {
		t.Errorf("sep_fmt.txt: %v, %v", got, err)
	}
}

// TestToFileText writes what NumPy's tofile wrote.
func TestToFileText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.txt")
	for _, tt := range []struct {
		golden, sep, format string
		dtype               array.DType
	}{
		{"sep.txt", ",", "", array.Int64}, {"sep_f8.txt", ", ", "", array.Float64}, {"sep_fmt.txt", " ", "%.3f", array.Float64},
	} {
		want, err := os.ReadFile(raw + tt.golden)
		if err != nil {
			t.Fatal(err)
		}
		a, err := array.FromFile(raw+tt.golden, &array.FromFileOptions{DType: tt.dtype, Sep: tt.sep})
		if err != nil {
			t.Fatal(err)
		}
		if err := array.ToFile(path, a, &array.ToFileOptions{Sep: tt.sep, Format: tt.format}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", tt.golden, got, err, want)
		}
	}
}

func TestFormats(t *testing.T) {
	// Python 3.11's own answers.
	for _, tt := range []struct {
		format string
		v      float64
		want   string
	}{
		{"%.3f", 1.5, "1.500"}, {"%g", 1e-5, "1e-05"}, {"%g", 123456, "123456"}, {"%g", 1234567, "1.23457e+06"}, {"%g", 1e5, "100000"},
		{"%e", 0, "0.000000e+00"}, {"%10.2f|", 3.14159, "      3.14|"}, {"%-10.2f|", 3.14159, "3.14      |"}, {"%+.1f", 2, "+2.0"},
		{"%05.1f", -2, "-02.0"}, {"%d", 3.99, "3"}, {"x=%s;", 0.1, "x=0.1;"}, {"%r", 1e16, "1e+16"}, {"100%% %g", 0.5, "100% 0.5"},
		{"%.18e", 1.0 / 3, "3.333333333333333148e-01"}, {"%G", 1e-10, "1E-10"}, {"%.0f", 2.5, "2"}, {"%8s|", 1.5, "     1.5|"},
	} {
		f, err := array.ParseFormat(tt.format)
		if err != nil {
			t.Errorf("%s: %v", tt.format, err)
			continue
		}
		a, _ := array.Of([]float64{tt.v})
		if got, err := f.Append(nil, a.Data, a.DType); err != nil || string(got) != tt.want {
			t.Errorf("%q %% %v = %q, %v; want %q", tt.format, tt.v, got, err, tt.want)
		}
	}
	for _, s := range []string{"%", "x", "%d %d", "%y", "%.9999f", "%(a)s"} {
		if _, err := array.ParseFormat(s); err == nil {
			t.Errorf("%q: no error", s)
		}
	}
}

func TestFromFileRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x.bin")
	if err := os.WriteFile(path, []byte("1, 2, x,"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		opts array.FromFileOptions
		want string
	}{
		{array.FromFileOptions{}, "needs a dtype"},
		{array.FromFileOptions{DType: parse(t, "S3")}, "no whole number"},
		{array.FromFileOptions{DType: array.Int32, Count: 3}, "want 3 elements"},
		{array.FromFileOptions{DType: array.Int32, Count: -2}, "count -2"},
		{array.FromFileOptions{DType: array.Int32, Offset: 9}, "offset 9"},
		{array.FromFileOptions{DType: array.Int32, Offset: -1}, "offset -1"},
		{array.FromFileOptions{DType: array.Int32, Offset: 1}, "7 bytes are no whole"},
		{array.FromFileOptions{DType: parse(t, "S0")}, "have no bytes"},
		{array.FromFileOptions{DType: array.Int32, Sep: ","}, "element 2"},
		{array.FromFileOptions{DType: array.Int32, Sep: ",", Offset: 1}, "offset 1"},
		{array.FromFileOptions{DType: parse(t, "S8"), Sep: ",", Count: 9}, "3 elements, want 9"},
	} {
		if a, err := array.FromFile(path, &tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%+v: %v, %v; want %q", tt.opts, a.Spec, err, tt.want)
		}
	}
	if a, err := array.FromBuffer([]byte{0, 1, 0, 2, 0}, array.Uint16, -1, 1); err != nil || a.Shape[0] != 2 || a.Data[0] != 1 {
		t.Errorf("FromBuffer: %v, %v", a, err)
	}
	if err := array.ToFile(path, array.Array{Spec: array.Spec{DType: array.Int8, Shape: []int{2}}}, nil); err == nil {
		t.Error("an array without bytes was written")
	}
	if b, _ := os.ReadFile(path); string(b) != "1, 2, x," {
		t.Errorf("a refused array changed the file to %q", b)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("%d files are left", len(list))
	}
}

func TestWithHeader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.dat")
	for _, tt := range []struct {
		dtype string
		shape []int
	}{
		{"<f4", []int{5}}, {"<f4", []int{2, 3, 4}}, {">i2", []int{0, 3}}, {"[('a', '<i4'), ('b', '<f8', (2,))]", []int{3}},
		{"[('a', '<i4')]", []int{3, 2}}, {"bfloat16", []int{7, 1}}, {"<U3", []int{2, 2}}, {"<M8[ns]", []int{2}},
	} {
		spec := array.Spec{DType: parse(t, tt.dtype), Shape: tt.shape}
		n, _ := spec.Bytes()
		a, _ := array.New(spec, bytes.Repeat([]byte{7}, n))
		if err := array.SaveWithHeader(path, a); err != nil {
			t.Errorf("%v: %v", spec, err)
			continue
		}
		got, err := array.LoadWithHeader(path)
		if err != nil || !got.Spec.Equal(spec) || !bytes.Equal(got.Data, a.Data) {
			t.Errorf("%v comes back as %v, %v", spec, got.Spec, err)
		}
		whole, _ := os.ReadFile(path)
		if len(whole)-n != 64 && n > 0 {
			t.Errorf("%v: a header of %d bytes", spec, len(whole)-n)
		}
		for i := range whole {
			if err := os.WriteFile(path, whole[:i], 0o666); err != nil {
				t.Fatal(err)
			}
			if n == 0 && i >= 12+len(tt.dtype)+4 {
				break
			}
			if got, err := array.LoadWithHeader(path); err == nil {
				t.Fatalf("%v cut at %d of %d: %v", spec, i, len(whole), got.Spec)
			}
		}
	}
	scalar, _ := array.New(array.Spec{DType: array.Int8}, []byte{1})
	if err := array.SaveWithHeader(path, scalar); err == nil {
		t.Error("a scalar was saved")
	}
	if _, err := array.LoadWithHeader(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// FuzzLoadWithHeader: whatever is in the file, it is an array of just its bytes,
// which is written as it was read, or an error that names the file.
func FuzzLoadWithHeader(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x.dat")
	for _, s := range []string{"<f4", "[('a', '<i4'), ('b', '<f8', (2,))]", "<U3"} {
		a, err := array.New(array.Spec{DType: parse(f, s), Shape: []int{2, 3}}, make([]byte, 6*parse(f, s).ItemSize()))
		if err == nil {
			err = array.SaveWithHeader(path, a)
		}
		if err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f\x03\x00\x00\x00<f4"))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x.dat")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		a, err := array.LoadWithHeader(path)
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Errorf("an error without the file's name: %v", err)
			}
			return
		}
		if err := array.SaveWithHeader(path, a); err != nil {
			t.Fatal(err)
		}
		again, err := array.LoadWithHeader(path)
		if err != nil || !again.Spec.Equal(a.Spec) || !bytes.Equal(again.Data, a.Data) {
			t.Errorf("%v comes back as %v, %v", a.Spec, again.Spec, err)
		}
	})
}

func ExampleStrided_Field() {
	point, _ := array.ParseDType("[('x', '<f4'), ('y', '<f4')]")
	xy, _ := array.Of([]float32{1, 10, 2, 20, 3, 30})
	table, _ := array.New(array.Spec{DType: point, Shape: []int{3}}, xy.Data)
	y, _ := table.Strided().Field("y")
	values, _ := array.Values[float32](y.AsContiguous())
	fmt.Println(table.Spec, values)
	// Output: [('x', '<f4'), ('y', '<f4')] (3,) [10 20 30]
}
