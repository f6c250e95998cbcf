package formattest

import (
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

// Table is a format of tables, whose columns are arrays of as many rows, to the
// tests that all such formats pass.
type Table struct {
	// Path is what a file is called.
	Path string
	// Open opens a file; fill stands for missing values.
	Open func(path string, fill any) (TableFile, error)
	// Create begins a file.
	Create func(path string, o TableOptions) (TableWriter, error)
	// Parts tells how many rows each part of a file has.
	Parts func(f TableFile) []int
	// Views is whether a column may be a view of the file, a tensor's in its own
	// order.
	Views bool
}

// TableOptions are those that the tests set.
type TableOptions struct {
	Rows   int  // of a part; 0 is the format's own choice
	Packed bool // compressed
}

// TableFile is an open file.
type TableFile interface {
	Members() []array.Member
	Refused() error
	Attrs() map[string]any
	Array(name string) (array.Strided, error)
	Stream(name string, chunk int) (array.Stream, error)
	Close() error
}

// TableWriter writes a file.
type TableWriter interface {
	SetAttrs(attrs map[string]any) error
	Add(m array.Member) (array.Sink, error)
	Close() error
	Abort() error
}

// Save writes arrays by pieces of some bytes. err is the writer's Create's.
func Save(t testing.TB, w TableWriter, err error, members []array.Member, arrays []array.Array, attrs map[string]any, piece int) error {
	t.Helper()
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

// save writes a file of the format's into a folder of the test's own.
func (x *Table) save(t testing.TB, o TableOptions, members []array.Member, arrays []array.Array, piece int) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), x.Path)
	w, err := x.Create(path, o)
	return path, Save(t, w, err, members, arrays, nil, piece)
}

// open opens a file that the test's end closes.
func (x *Table) open(t testing.TB, path string, fill any) TableFile {
	t.Helper()
	f, err := x.Open(path, fill)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// saved writes a file and opens it.
func (x *Table) saved(t testing.TB, o TableOptions, members []array.Member, arrays []array.Array, piece int) TableFile {
	t.Helper()
	path, err := x.save(t, o, members, arrays, piece)
	if err != nil {
		t.Fatal(err)
	}
	return x.open(t, path, nil)
}

// Ways are ways of writing a file, by names for the tests' messages, or by the
// names of the files.
type Ways map[string]func(path string) (TableWriter, error)

// Test writes and reads tables of all kinds, and those of all types in many ways.
func (x *Table) Test(t *testing.T, ways Ways) {
	t.Run("RoundTrip", func(t *testing.T) { x.roundTrip(t, ways) })
	t.Run("Scalar", x.scalar)
	t.Run("Permutation", x.permutation)
	t.Run("CountedRows", x.countedRows)
	t.Run("UnequalLengths", x.unequalLengths)
	t.Run("Large", x.large)
}

func (x *Table) roundTrip(t *testing.T, ways Ways) {
	attrs := map[string]any{"who": "me", "n": 3.0, "list": []any{"a", true}}
	for _, rows := range []int{0, 1, 2, 7, 100} {
		members, arrays := Columns(t, rows)
		members[0].Attrs = attrs
		for way, create := range ways {
			path := filepath.Join(t.TempDir(), x.Path)
			w, err := create(path)
			if err := Save(t, w, err, members, arrays, attrs, 50); err != nil {
				t.Fatal(err)
			}
			f := x.open(t, path, nil)
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
					t.Errorf("%s, %d rows: %q: got %x, want %x", way, rows, m.Name, got.Data, arrays[i].Data)
				}
				st, err := f.Stream(m.Name, 20)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := Rows(t, st); err != nil || string(got.Data) != string(arrays[i].Data) {
					t.Errorf("%s, %d rows: %q: %v: got %x, want %x", way, rows, m.Name, err, got.Data, arrays[i].Data)
				}
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func (x *Table) scalar(t *testing.T) {
	a, b := Sample(t, DType(t, "<f8")), Sample(t, DType(t, "<U3"))
	f := x.saved(t, TableOptions{}, []array.Member{{Name: "a", Spec: a.Spec}, {Name: "b", Spec: b.Spec}}, []array.Array{a, b}, 0)
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

// permutation keeps a tensor's own order in the file, and gives it in C order.
func (x *Table) permutation(t *testing.T) {
	a := Sample(t, array.Int32, 5, 2, 3, 4)
	attrs := map[string]any{"permutation": []int{2, 0, 1}, "dim_names": []string{"x", "y", "z"}}
	f := x.saved(t, TableOptions{}, []array.Member{{Name: "a", Spec: a.Spec, Attrs: attrs}}, []array.Array{a}, 100)
	if got := f.Members()[0].Attrs; !reflect.DeepEqual(got, attrs) {
		t.Errorf("got %v, want %v", got, attrs)
	}
	s, err := f.Array("a")
	if err != nil {
		t.Fatal(err)
	}
	if x.Views && s.IsContiguous() || string(s.AsContiguous().Data) != string(a.Data) {
		t.Errorf("strides %v: got %x, want %x", s.Strides, s.AsContiguous().Data, a.Data)
	}
	st, err := f.Stream("a", 100)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Rows(t, st); err != nil || string(got.Data) != string(a.Data) {
		t.Errorf("%v: got %x, want %x", err, got.Data, a.Data)
	}
}

func (x *Table) countedRows(t *testing.T) {
	a := Sample(t, DType(t, "<U3"), 10, 2)
	m := array.Member{Name: "a", Spec: array.Spec{DType: a.DType, Shape: []int{-1, 2}}}
	for rows, want := range map[int][]int{0: {10}, 4: {4, 4, 2}} {
		f := x.saved(t, TableOptions{Rows: rows}, []array.Member{m}, []array.Array{a}, 30)
		if got, err := f.Array(""); err != nil || string(got.AsContiguous().Data) != string(a.Data) {
			t.Errorf("%v: got %v", err, got)
		}
		if got := x.Parts(f); !slices.Equal(got, want) {
			t.Errorf("parts of %v rows, want %v", got, want)
		}
	}
}

func (x *Table) unequalLengths(t *testing.T) {
	a, b := Sample(t, array.Int8, 3), Sample(t, array.Int8, 4)
	path, err := x.save(t, TableOptions{}, []array.Member{{Name: "a", Spec: a.Spec}, {Name: "b", Spec: b.Spec}}, []array.Array{a, b}, 0)
	if err == nil || !strings.Contains(err.Error(), `array "b": 4 rows`) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// large spills what isn't in its place, and has more in the schema than there is
// room for.
func (x *Table) large(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 100 MB")
	}
	times, names := Sample(t, DType(t, "<M8[ns]"), 400_000), Sample(t, DType(t, "<U20"), 400_000)
	numbers := Sample(t, array.Float32, 400_000, 20)
	members := []array.Member{{Name: "n", Spec: numbers.Spec, Attrs: map[string]any{"long": strings.Repeat("x", 1<<17)}}, {Name: "t", Spec: times.Spec}, {Name: "u", Spec: names.Spec}}
	arrays := []array.Array{numbers, times, names}
	for _, o := range []TableOptions{{}, {Rows: 100_000, Packed: true}} {
		path, err := x.save(t, o, members, arrays, 0)
		if err != nil {
			t.Fatal(err)
		}
		f := x.open(t, path, nil)
		for i, a := range arrays {
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

// Use reads what can be read of a file that may be broken, some megabytes of each
// column, and returns what went wrong.
func Use(t testing.TB, f TableFile) error {
	t.Helper()
	var errs []error
	for _, m := range f.Members() {
		s, err := f.Stream(m.Name, 1<<16)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for n := 0; n < 4<<20; {
			a, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				errs = append(errs, err)
				break
			}
			if _, err := array.New(a.Spec, a.Data); err != nil {
				t.Errorf("%q: %v", m.Name, err)
			}
			n += len(a.Data) + 1
		}
		s.Close()
		if n, err := m.Spec.Bytes(); err == nil && n < 4<<20 {
			if _, err := f.Array(m.Name); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
