package matfile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/matfile"
)

// named is an array to write.
type named struct {
	name string
	a    array.Array
}

func dtype(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// numbered is an array of a type whose bytes count up; text is of letters.
func numbered(t testing.TB, s string, shape ...int) array.Array {
	t.Helper()
	spec := array.Spec{DType: dtype(t, s), Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, n)
	for i := range b {
		switch spec.DType.Kind() {
		case 'U':
			if low := map[byte]int{'<': 0, '>': 3}[spec.DType.Order()]; i%4 == low {
				b[i] = byte('a' + i/4%26)
			}
		case 'S':
			b[i] = byte('a' + i%26)
		case 'b':
			b[i] = byte(i % 2)
		default:
			b[i] = byte(i % 64) // no NaN
		}
	}
	a, err := array.New(spec, b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// samples are arrays of every type that can be written, of many shapes.
func samples(t testing.TB) []named {
	t.Helper()
	var list []named
	for _, s := range []string{"?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8", "c8", "c16", ">i4", ">f8", ">c8", "U3", ">U3", "S5"} {
		for i, shape := range [][]int{{}, {5}, {3, 4}, {1, 1}, {2, 3, 4}, {0}, {0, 3}, {3, 0}, {7, 1}} {
			name := fmt.Sprintf("a_%s_%d", strings.Replace(strings.Replace(s, ">", "be", 1), "?", "b", 1), i)
			list = append(list, named{name, numbered(t, s, shape...)})
		}
	}
	list = append(list, named{"record", numbered(t, "[('x','<i4'),('y','>f8',(2,)),('in',[('n','<u2'),('z','<c8')]),('t','S3')]", 4)})
	words, err := array.Of([]rune("é日本żab"), 3, 2)
	if err != nil {
		t.Fatal(err)
	}
	words.DType = dtype(t, "<U1")
	list = append(list, named{"words", words})
	return append(list, named{"large", numbered(t, "f8", 300, 70)})
}

func write(t testing.TB, path string, opts *matfile.CreateOptions, arrays []named) {
	t.Helper()
	w, err := matfile.Create(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for i, n := range arrays {
		m := array.Member{Name: n.name, Spec: n.a.Spec}
		if i%2 == 1 && len(n.a.Shape) > 0 { // every second one is counted
			m.Spec.Shape = append([]int{-1}, n.a.Shape[1:]...)
		}
		s, err := w.Add(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := array.Copy(s, array.StreamOf(n.a.Strided(), 50), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRoundTrip reads what was written, by values.
func TestRoundTrip(t *testing.T) {
	for _, compress := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "a.mat")
		arrays := samples(t)
		write(t, path, &matfile.CreateOptions{Compress: compress}, arrays)
		f, err := matfile.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, n := range arrays {
			if n.a.DType.IsStruct() {
				continue
			}
			got, err := f.Array(n.name)
			if err != nil {
				t.Error(err)
				continue
			}
			want := n.a
			if want.DType.Order() == '>' {
				want = array.SwapBytes(want)
			}
			if k := want.DType.Kind(); k == 'S' || k == 'U' {
				if g, w := texts(got.AsContiguous()), texts(want); !slices.Equal(g, w) {
					t.Errorf("%s: %q, want %q", n.name, g, w)
				}
				continue
			}
			if len(want.Shape) == 0 {
				want.Shape = []int{1, 1}
			} else if len(want.Shape) == 1 {
				want.Shape = []int{1, want.Shape[0]}
			}
			if g := got.AsContiguous(); !g.Spec.Equal(want.Spec) || !bytes.Equal(g.Data, want.Data) {
				t.Errorf("compress %v: %s: %v %x, want %v %x", compress, n.name, g.Spec, g.Data, want.Spec, want.Data)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("%v are left, %v", entries, err)
		}
	}
}

// TestView proves that plain data are the file's own bytes, in Fortran order.
func TestView(t *testing.T) {
	f, err := matfile.Open("testdata/plain.mat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	a, err := f.Array("double")
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Array("double")
	if err != nil {
		t.Fatal(err)
	}
	if &a.Data[0] != &b.Data[0] || !a.IsFortran() || a.IsContiguous() {
		t.Errorf("%v: a copy, or of another order", a.Spec)
	}
}

// TestRefused tells what can't be written, and leaves nothing.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.mat")
	for what, m := range map[string]array.Member{
		"name of digits":  {Name: "1a", Spec: array.Spec{DType: array.Int8, Shape: []int{1}}},
		"name with a dot": {Name: "a.b", Spec: array.Spec{DType: array.Int8, Shape: []int{1}}},
		"long name":       {Name: strings.Repeat("a", 64), Spec: array.Spec{DType: array.Int8, Shape: []int{1}}},
		"half":            {Name: "a", Spec: array.Spec{DType: dtype(t, "f2"), Shape: []int{1}}},
		"time":            {Name: "a", Spec: array.Spec{DType: dtype(t, "M8[s]"), Shape: []int{1}}},
		"2 GiB":           {Name: "a", Spec: array.Spec{DType: array.Float64, Shape: []int{1 << 28, 1}}},
		"huge":            {Name: "a", Spec: array.Spec{DType: array.Uint8, Shape: []int{1 << 40}}},
		"attribute":       {Name: "a", Spec: array.Spec{DType: array.Int8, Shape: []int{1}}, Attrs: map[string]any{"unit": "m"}},
	} {
		w, err := matfile.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Add(m); err == nil {
			t.Errorf("%s: no error", what)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", what, err)
		}
		if err := w.Abort(); err != nil {
			t.Error(err)
		}
	}
	w, err := matfile.Create(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Add(array.Member{Name: "a", Spec: array.Spec{DType: array.Int8, Shape: []int{3, 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Write(numbered(t, "i1", 2, 2)); err != nil {
		t.Fatal(err)
	}
	if s.Close() == nil || w.Close() == nil {
		t.Error("a missing row: no error")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v are left, %v", entries, err)
	}
	write(t, path, nil, []named{{"a", numbered(t, "i1", 1)}})
	if _, err := matfile.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
}

// TestSurrogates keeps characters of more than 16 bits where they have room.
func TestSurrogates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mat")
	a := numbered(t, "U4", 1)
	clear(a.Data)
	binary.LittleEndian.PutUint32(a.Data, '😀')
	binary.LittleEndian.PutUint32(a.Data[4:], 'x')
	write(t, path, nil, []named{{"a", a}})
	f, err := matfile.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := f.Array("a")
	if err != nil {
		t.Fatal(err)
	}
	if s := texts(got.AsContiguous()); s[0] != "😀x " {
		t.Errorf("%q", s)
	}
}

// TestValidName gives the names of MATLAB's makeValidName.
func TestValidName(t *testing.T) {
	for name, want := range map[string]string{"a": "a", "a.b": "a_b", "1a": "x1a", "": "x", "_a": "x_a", "ü": "x__", strings.Repeat("a", 70): strings.Repeat("a", 63)} {
		if got := matfile.ValidName(name); got != want || matfile.CheckName(want) != nil {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// readAll reads all that Open gives, and returns the first error.
func readAll(path string) error {
	f, err := matfile.Open(path, nil)
	if err != nil {
		return err
	}
	defer f.Close()
	for _, m := range f.Members() {
		if n, err := m.Spec.Bytes(); err != nil || n > 64<<20 {
			continue
		}
		if _, e := f.Array(m.Name); e != nil && err == nil {
			err = e
		}
		s, e := f.Stream(m.Name, 0)
		if e != nil {
			continue
		}
		for e == nil {
			_, e = s.Next()
		}
		s.Close()
	}
	return err
}

// TestTruncated cuts files anywhere.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"plain", "packed", "level4"} {
		behind := 16 // bytes, of which the last variable has more behind its name
		if name == "level4" {
			behind = 1
		}
		whole, err := os.ReadFile("testdata/" + name + ".mat")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "cut.mat")
		ends := 0
		for n := 0; n < len(whole); n++ {
			if n > 300 && n%8 > 1 && n < len(whole)-8 { // elements begin at multiples of 8
				n++
				continue
			}
			if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
				t.Fatal(err)
			}
			err := readAll(path)
			if err == nil {
				ends++ // between two variables, or within the last one's padding
			} else if !strings.Contains(err.Error(), path) {
				t.Fatalf("%d bytes: %v", n, err)
			} else if n == len(whole)-behind && !strings.Contains(err.Error(), `array "`) {
				t.Errorf("%s: an error without the array's name: %v", name, err)
			}
		}
		if ends > 80 {
			t.Errorf("%s: cut at %d places without an error", name, ends)
		}
	}
}

// TestBroken spoils a byte anywhere; nothing but an error may come of it.
func TestBroken(t *testing.T) {
	for _, name := range []string{"plain", "level4"} {
		whole, err := os.ReadFile("testdata/" + name + ".mat")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "broken.mat")
		for n := 0; n < len(whole); n += 3 {
			b := bytes.Clone(whole)
			b[n] ^= 0xff
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
			readAll(path)
		}
	}
}

// TestHDF5 names level 7.3.
func TestHDF5(t *testing.T) {
	b := make([]byte, 1024)
	copy(b, "MATLAB 7.3 MAT-file, Platform: GLNXA64")
	copy(b[124:], "\x00\x02IM")
	copy(b[512:], "\x89HDF\r\n\x1a\n")
	path := filepath.Join(t.TempDir(), "a.mat")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := matfile.Open(path, nil); !errors.Is(err, matfile.ErrHDF5) {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"plain", "packed", "level4"} {
		b, err := os.ReadFile("testdata/" + name + ".mat")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "a.mat")
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		readAll(path)
	})
}

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.mat")

	w, err := matfile.Create(path, nil)
	if err != nil {
		panic(err)
	}
	a, _ := array.Of([]float64{1, 2, 3, 4, 5, 6}, 2, 3)
	s, err := w.Add(array.Member{Name: "a", Spec: a.Spec})
	if err != nil {
		panic(err)
	}
	s.Write(a) // an error comes back from Close too
	s.Close()
	if err := w.Close(); err != nil {
		panic(err)
	}

	f, err := matfile.Open(path, nil)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	got, err := f.Array("a") // a view of the file, column by column
	if err != nil {
		panic(err)
	}
	values, _ := array.Values[float64](got.AsContiguous())
	fmt.Println(got.Spec, got.Strides, values)
	// Output: <f8 (2, 3) [8 16] [1 2 3 4 5 6]
}
