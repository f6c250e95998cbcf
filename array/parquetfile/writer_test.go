package parquetfile_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
)

// sample makes an array of some type; times have one that is none, text is text.
func sample(t testing.TB, d array.DType, shape ...int) array.Array {
	t.Helper()
	spec := array.Spec{DType: d, Shape: shape}
	n, err := spec.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	a := array.Array{Spec: spec, Data: make([]byte, n)}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	fillWith(r, a.Data, d)
	return a
}

func fillWith(r *rand.Rand, b []byte, d array.DType) {
	size := d.ItemSize()
	if size == 0 {
		return
	}
	for i := 0; len(b) >= size; b, i = b[size:], i+1 {
		e := b[:size]
		switch k := d.Kind(); {
		case d.IsStruct():
			for _, f := range d.Fields() {
				n := f.DType.ItemSize()
				for _, s := range f.Shape {
					n *= s
				}
				fillWith(r, e[f.Offset:f.Offset+n], f.DType)
			}
		case k == 'b':
			e[0] = byte(r.IntN(2))
		case k == 'f' || k == 'c':
			for j := range e {
				e[j] = byte(r.IntN(120)) // no NaN, whatever the order
			}
		case k == 'U':
			for j := 0; j+4 <= size && j < 4*(1+i%(size/4)); j += 4 {
				c := []rune("aé語\U0001F600")[r.IntN(4)]
				for m := range 4 {
					at := j + m
					if d.Order() == '>' {
						at = j + 3 - m
					}
					e[at] = byte(c >> (8 * m))
				}
			}
		case k == 'S':
			for j := range 1 + i%size {
				e[j] = byte(1 + r.IntN(255))
			}
		case k == 'M' || k == 'm':
			day := int64(r.IntN(40000) - 10000)
			if i == 1 {
				day = -1 << 63
			}
			for m := range 8 {
				at := m
				if d.Order() == '>' {
					at = 7 - m
				}
				e[at] = byte(uint64(day) >> (8 * m))
			}
		default:
			for j := range e {
				e[j] = byte(r.Uint32())
			}
		}
	}
}

var dtypes = []string{"|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16",
	">i2", ">i4", ">u8", ">f4", ">f8", ">c8", "<f16", "bfloat16", ">bfloat16", "|S1", "|S7", "<U1", "<U5", ">U5", "|V3",
	"<M8[ns]", "<M8[us]", "<M8[ms]", "<M8[s]", "<M8[D]", "<M8[h]", "<M8[25s]", "<M8", ">M8[D]", ">M8[ns]", "<m8[ns]", "<m8[s]", "<m8[D]", "<m8",
	"[('a', '<f4'), ('b', '<i8')]", "[('a', '|b1'), ('p', '|V3'), ('s', '<U4'), ('t', '<M8[D]'), ('n', [('x', '>f4', (2, 3)), ('y', '<c8')])]",
	"{'names': ['a', 'b'], 'formats': ['<f4', '|u1'], 'offsets': [4, 0], 'itemsize': 12}"}

func save(t testing.TB, path string, opts *parquetfile.CreateOptions, members []array.Member, arrays []array.Array, attrs map[string]any, piece int) error {
	t.Helper()
	w, err := parquetfile.Create(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.SetAttrs(attrs); err != nil {
		return err
	}
	for i, m := range members {
		s, err := w.Add(m)
		if err != nil {
			return err
		}
		if err := array.Copy(s, array.StreamOf(arrays[i].Strided(), piece), nil); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return w.Close()
}

// samples are arrays of every type and a few shapes, of n rows.
func samples(t testing.TB, n int) ([]array.Member, []array.Array) {
	t.Helper()
	var members []array.Member
	var arrays []array.Array
	for _, d := range dtypes {
		for _, row := range [][]int{{}, {3}, {2, 3}, {1, 2, 2}, {0}, {2, 0}} {
			a := sample(t, dtype(t, d), append([]int{n}, row...)...)
			if len(row) > 1 && len(arrays)%3 != 0 {
				continue
			}
			arrays = append(arrays, a)
			members = append(members, array.Member{Name: fmt.Sprintf("%s %v", d, row), Spec: a.Spec})
		}
	}
	return members, arrays
}

func TestRoundTrip(t *testing.T) {
	attrs := map[string]any{"who": "me", "n": 3.0, "list": []any{"a", true}}
	for _, rows := range []int{0, 1, 2, 7, 100} {
		members, arrays := samples(t, rows)
		members[0].Attrs = attrs
		for _, opts := range []parquetfile.CreateOptions{{}, {Compression: parquetfile.ZSTD}, {Compression: parquetfile.LZ4Raw, Dictionary: parquetfile.ForAll}, {RowGroupRows: 3, PageVersion: 2},
			{Compression: parquetfile.Snappy, RowGroupBytes: 1000, Dictionary: parquetfile.ForNone}, {Compression: parquetfile.Gzip, PageVersion: 2, NoStatistics: true}, {Compression: parquetfile.Brotli}} {
			path := filepath.Join(t.TempDir(), "x.parquet")
			if err := save(t, path, &opts, members, arrays, attrs, 50); err != nil {
				t.Fatal(err)
			}
			f := open(t, path, nil)
			if !reflect.DeepEqual(f.Attrs(), attrs) {
				t.Errorf("attributes %v, want %v", f.Attrs(), attrs)
			}
			list := f.Members()
			if len(list) != len(members) {
				t.Fatalf("%d members, want %d: %v", len(list), len(members), f.Refused())
			}
			for i, m := range members {
				if !list[i].Spec.Equal(m.Spec) || list[i].Name != m.Name || !reflect.DeepEqual(list[i].Attrs, m.Attrs) {
					t.Errorf("member %d: %+v, want %+v", i, list[i], m)
				}
				s, err := f.Array(m.Name)
				if err != nil {
					t.Error(err)
				} else if got := s.AsContiguous(); string(got.Data) != string(arrays[i].Data) {
					t.Errorf("%+v, %d rows: %q: got %x, want %x", opts, rows, m.Name, got.Data, arrays[i].Data)
				}
				st, err := f.Stream(m.Name, 20)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := read(t, st); err != nil || string(got.Data) != string(arrays[i].Data) {
					t.Errorf("%+v, %d rows: %q: %v: got %x, want %x", opts, rows, m.Name, err, got.Data, arrays[i].Data)
				}
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestScalar(t *testing.T) {
	a := sample(t, dtype(t, "<f8"))
	b := sample(t, dtype(t, "<U3"))
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := save(t, path, nil, []array.Member{{Name: "a", Spec: a.Spec}, {Name: "b", Spec: b.Spec}}, []array.Array{a, b}, nil, 0); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, nil)
	for i, want := range []array.Array{a, b} {
		m := f.Members()[i]
		if len(m.Spec.Shape) != 0 {
			t.Errorf("got %v", m.Spec)
		}
		s, err := f.Array(m.Name)
		if err != nil || string(s.AsContiguous().Data) != string(want.Data) || len(s.Shape) != 0 {
			t.Errorf("%v: got %v %v", err, s.Spec, s.AsContiguous())
		}
		st, err := f.Stream(m.Name, 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := st.Next()
		if err != nil || len(got.Shape) != 0 || string(got.Data) != string(want.Data) {
			t.Errorf("%v: got %v", err, got)
		}
	}
}

// TestPermutation keeps a tensor's own order in the file, and gives it in C order.
func TestPermutation(t *testing.T) {
	a := sample(t, array.Int32, 5, 2, 3, 4)
	attrs := map[string]any{"permutation": []int{2, 0, 1}, "dim_names": []string{"x", "y", "z"}}
	path := filepath.Join(t.TempDir(), "x.parquet")
	if err := save(t, path, nil, []array.Member{{Name: "a", Spec: a.Spec, Attrs: attrs}}, []array.Array{a}, nil, 100); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, nil)
	if got := f.Members()[0].Attrs; !reflect.DeepEqual(got, attrs) {
		t.Errorf("got %v, want %v", got, attrs)
	}
	s, err := f.Array("a")
	if err != nil {
		t.Fatal(err)
	}
	if string(s.AsContiguous().Data) != string(a.Data) {
		t.Errorf("strides %v: got %x, want %x", s.Strides, s.AsContiguous().Data, a.Data)
	}
	st, err := f.Stream("a", 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, st); err != nil || string(got.Data) != string(a.Data) {
		t.Errorf("%v: got %x, want %x", err, got.Data, a.Data)
	}
}

func TestCountedRows(t *testing.T) {
	a := sample(t, dtype(t, "<U3"), 10, 2)
	for _, batch := range []int{0, 4} {
		path := filepath.Join(t.TempDir(), "x.parquet")
		m := array.Member{Name: "a", Spec: array.Spec{DType: a.DType, Shape: []int{-1, 2}}}
		if err := save(t, path, &parquetfile.CreateOptions{RowGroupRows: batch}, []array.Member{m}, []array.Array{a}, nil, 30); err != nil {
			t.Fatal(err)
		}
		f := open(t, path, nil)
		if got, err := f.Array(""); err != nil || string(got.AsContiguous().Data) != string(a.Data) {
			t.Errorf("%v: got %v", err, got)
		}
		want := []int{10}
		if batch == 4 {
			want = []int{4, 4, 2}
		}
		if !slices.Equal(f.RowGroups(), want) {
			t.Errorf("batches of %v rows, want %v", f.RowGroups(), want)
		}
	}
}

func TestUnequalLengths(t *testing.T) {
	a, b := sample(t, array.Int8, 3), sample(t, array.Int8, 4)
	path := filepath.Join(t.TempDir(), "x.parquet")
	err := save(t, path, nil, []array.Member{{Name: "a", Spec: a.Spec}, {Name: "b", Spec: b.Spec}}, []array.Array{a, b}, nil, 0)
	if err == nil || !strings.Contains(err.Error(), `array "b": 4 rows`) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// TestLarge spills what isn't in its place, and has more in the schema than there
// is room for.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	times, names := sample(t, dtype(t, "<M8[ns]"), 400_000), sample(t, dtype(t, "<U20"), 400_000)
	numbers := sample(t, array.Float32, 400_000, 20)
	members := []array.Member{{Name: "n", Spec: numbers.Spec, Attrs: map[string]any{"long": strings.Repeat("x", 1<<17)}}, {Name: "t", Spec: times.Spec}, {Name: "u", Spec: names.Spec}}
	for _, opts := range []parquetfile.CreateOptions{{}, {RowGroupRows: 100_000, Compression: parquetfile.LZ4Raw}} {
		path := filepath.Join(t.TempDir(), "x.parquet")
		if err := save(t, path, &opts, members, []array.Array{numbers, times, names}, nil, 0); err != nil {
			t.Fatal(err)
		}
		f := open(t, path, nil)
		for i, a := range []array.Array{numbers, times, names} {
			if got, err := f.Array(members[i].Name); err != nil || string(got.AsContiguous().Data) != string(a.Data) {
				t.Errorf("%q differs: %v", members[i].Name, err)
			}
		}
		f.Close()
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) != 1 {
			t.Errorf("left %v", left)
		}
	}
}
