package arrowfile_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
)

var goldens = filepath.Join("..", "..", "testdata", "formats", "arrow")

func dtype(t testing.TB, s string) array.DType {
	t.Helper()
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// read returns all rows of a stream, in one.
func read(t testing.TB, s array.Stream) (array.Array, error) {
	t.Helper()
	var all array.Array
	defer s.Close()
	for {
		a, err := s.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if all.Shape == nil {
			all = array.Array{Spec: array.Spec{DType: a.DType, Shape: slices.Clone(a.Shape)}, Data: slices.Clone(a.Data)}
			continue
		}
		all.Shape[0] += a.Shape[0]
		all.Data = append(all.Data, a.Data...)
	}
}

func open(t testing.TB, path string, opts *arrowfile.OpenOptions) *arrowfile.File {
	t.Helper()
	f, err := arrowfile.Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// text lists an array's elements.
func text(t testing.TB, a array.Array) string {
	t.Helper()
	s, err := format(a)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func format(a array.Array) (string, error) {
	var b strings.Builder
	size := a.DType.ItemSize()
	n, err := a.Count()
	if err != nil {
		return "", err
	}
	for i := range n {
		e := a.Data[i*size : (i+1)*size]
		if i > 0 {
			b.WriteByte(' ')
		}
		switch a.DType.Kind() {
		case 'f':
			f, err := array.Cast(array.Array{Spec: array.Spec{DType: a.DType, Shape: []int{1}}, Data: e}, array.Float64)
			if err != nil {
				return "", err
			}
			fmt.Fprint(&b, math.Float64frombits(binary.LittleEndian.Uint64(f.Data)))
		case 'i':
			f, err := array.Cast(array.Array{Spec: array.Spec{DType: a.DType, Shape: []int{1}}, Data: e}, array.Int64)
			if err != nil {
				return "", err
			}
			fmt.Fprint(&b, int64(binary.LittleEndian.Uint64(f.Data)))
		case 'U':
			var r []rune
			for ; len(e) > 0; e = e[4:] {
				if c := binary.LittleEndian.Uint32(e); c != 0 {
					r = append(r, rune(c))
				}
			}
			fmt.Fprintf(&b, "%q", string(r))
		default:
			fmt.Fprintf(&b, "%x", e)
		}
	}
	return b.String(), nil
}

// golden is what is in the files that pyarrow wrote.
var golden = []struct{ name, spec, values string }{
	{"i", "<i8 (3,)", "1 2 3"},
	{"f", "<f4 (3,)", "0.5 1.5 NaN"},
	{"h", "<f2 (3,)", "1 2 3"},
	{"b", "|b1 (3,)", "01 00 01"},
	{"s", "<U2 (3,)", `"a" "bb" "-"`},
	{"bin", "|S2 (3,)", "0001 0000 7a00"},
	{"vec", "<f4 (3, 4)", "0 1 2 3 4 5 6 7 8 9 10 11"},
	{"d", "<U1 (3,)", `"x" "y" "x"`},
	{"tensor", "<f4 (3, 2, 2)", "0 1 2 3 4 5 6 7 8 9 10 11"},
}

func files(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(goldens, "*"))
	if err != nil || len(list) != 11 {
		t.Fatalf("%d golden files: %v", len(list), err)
	}
	return slices.DeleteFunc(list, func(p string) bool { return filepath.Base(p) == "v1.feather" })
}

func TestGolden(t *testing.T) {
	for _, path := range files(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := open(t, path, &arrowfile.OpenOptions{Fill: "-"})
			want := golden
			if strings.HasPrefix(filepath.Base(path), "basic") {
				want = golden[:len(golden)-1]
			}
			members := f.Members()
			if len(members) != len(want) {
				t.Fatalf("got %d members, want %d: %v", len(members), len(want), f.Refused())
			}
			if err := f.Refused(); err == nil || !strings.Contains(err.Error(), `"lst"`) || !errors.As(err, new(*array.UnsupportedError)) {
				t.Errorf("refused: %v", err)
			}
			for i, w := range want {
				if members[i].Name != w.name || members[i].Spec.String() != w.spec {
					t.Errorf("member %d is %q %v, want %q %s", i, members[i].Name, members[i].Spec, w.name, w.spec)
				}
				s, err := f.Array(w.name)
				if err != nil {
					t.Error(err)
					continue
				}
				if got := text(t, s.AsContiguous()); got != w.values {
					t.Errorf("%q: got %s, want %s", w.name, got, w.values)
				}
				for _, chunk := range []int{1, 5, 0} {
					st, err := f.Stream(w.name, chunk)
					if err != nil {
						t.Fatal(err)
					}
					a, err := read(t, st)
					if err != nil {
						t.Fatal(err)
					}
					if got := text(t, a); got != w.values || a.Spec.String() != w.spec {
						t.Errorf("%q by %d: got %v %s, want %s", w.name, chunk, a.Spec, got, w.values)
					}
				}
			}
		})
	}
}

func TestMissingValues(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), nil)
	_, err := f.Array("s")
	if err == nil || !strings.Contains(err.Error(), `array "s"`) || !strings.Contains(err.Error(), "row 0 of the batch has no value") {
		t.Errorf("got %v", err)
	}
}

func TestFeather1(t *testing.T) {
	_, err := arrowfile.Open(filepath.Join(goldens, "v1.feather"), nil)
	if err == nil || !strings.Contains(err.Error(), "Feather of version 1 is not supported") {
		t.Errorf("got %v", err)
	}
}

// TestDictionaries reads dictionaries that grow, and that another one follows.
func TestDictionaries(t *testing.T) {
	for _, test := range []struct{ file, d, n string }{
		{"dictionaries.arrows", `"a" "bb" "a" "ccc" "a" "x" "x"`, "20 -1 10 30 30 7 7"},
		{"deltas.arrow", `"a" "bb" "a" "ccc" "a"`, "20 -1 10 30 30"},
	} {
		f := open(t, filepath.Join("testdata", test.file), &arrowfile.OpenOptions{Fill: -1})
		for name, want := range map[string]string{"d": test.d, "n": test.n} {
			s, err := f.Stream(name, 8)
			if err != nil {
				t.Fatal(err)
			}
			a, err := read(t, s)
			if err != nil {
				t.Fatalf("%s: %v", test.file, err)
			}
			if got := text(t, a); got != want {
				t.Errorf("%s: %q: got %s, want %s", test.file, name, got, want)
			}
		}
	}
}

// TestFill: what stands for a missing value must fit the type.
func TestFill(t *testing.T) {
	path := filepath.Join("testdata", "deltas.arrow")
	for _, fill := range []any{nil, "-", 1 << 40, 0.5, true} {
		f := open(t, path, &arrowfile.OpenOptions{Fill: fill})
		if _, err := f.Array("n"); err == nil || !strings.Contains(err.Error(), "row 1 of the batch has no value") {
			t.Errorf("%v: got %v", fill, err)
		}
	}
	if _, err := arrowfile.Open(path, &arrowfile.OpenOptions{Fill: []int{1}}); err == nil {
		t.Error("filled with a list")
	}
}

func TestColumns(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), &arrowfile.OpenOptions{Columns: []string{"i", "lst", "vec"}})
	m := f.Members()
	if len(m) != 2 || m[0].Name != "i" || m[1].Name != "vec" || f.Refused() == nil {
		t.Errorf("got %v, refused %v", m, f.Refused())
	}
	if _, err := f.Array("f"); err == nil || !strings.Contains(err.Error(), `no array "f"`) {
		t.Errorf("got %v", err)
	}
}

func TestMaxText(t *testing.T) {
	f := open(t, filepath.Join(goldens, "basic.arrow"), &arrowfile.OpenOptions{MaxText: 1})
	_, err := f.Array("bin")
	if err == nil || !strings.Contains(err.Error(), "OpenOptions.MaxText allows 1") {
		t.Errorf("got %v", err)
	}
}
