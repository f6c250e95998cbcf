package npk_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npk"
	"github.com/betongo/betongo/internal/formattest"
)

const goldens = "../../testdata/formats"

func open(t testing.TB, path string) *npk.File {
	t.Helper()
	f, err := npk.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// check compares an array with what it must be, read in every way.
func check(t testing.TB, f *npk.File, name string, want array.Array) {
	t.Helper()
	i := slices.IndexFunc(f.Members(), func(m array.Member) bool { return m.Name == name })
	if i < 0 {
		t.Errorf("no array %q", name)
		return
	}
	if m := f.Members()[i]; !m.Spec.Equal(want.Spec) {
		t.Errorf("%q is %v, want %v", name, m.Spec, want.Spec)
		return
	}
	a, err := f.Array(name)
	if err != nil {
		t.Error(err)
		return
	}
	if !a.Spec.Equal(want.Spec) || !bytes.Equal(a.AsContiguous().Data, want.Data) {
		t.Errorf("%q: other bytes", name)
	}
	for _, chunk := range []int{1, 100, 0} {
		s, err := f.Stream(name, chunk)
		if got := formattest.Drain(t, s, err); !bytes.Equal(got, want.Data) {
			t.Errorf("%q: %d bytes streamed in chunks of %d, want %d others", name, len(got), chunk, len(want.Data))
		}
	}
	n := want.Shape[0]
	var rows []int
	for i := range n {
		rows = append(rows, (i*7+3)%n-n*(i&1))
	}
	got, err := f.Rows(name, rows)
	if err != nil {
		t.Error(err)
		return
	}
	for i, row := range rows {
		if w := want.Row((row + n) % n); !bytes.Equal(got.Row(i).Data, w.Data) {
			t.Errorf("%q: row %d: % x, want % x", name, row, got.Row(i).Data, w.Data)
			return
		}
	}
	for _, row := range []int{n, -n - 1} {
		if _, err := f.Rows(name, []int{row}); err == nil {
			t.Errorf("%q: row %d of %d", name, row, n)
		}
	}
}

func TestGoldens(t *testing.T) {
	f := open(t, filepath.Join(goldens, "all_dtypes.npk"))
	list := f.Members()
	if len(list) != 14 {
		t.Errorf("%d arrays, want 14", len(list))
	}
	for _, m := range list {
		dtype, err := array.ParseDType(m.Name)
		if err != nil || dtype != m.Spec.DType {
			t.Errorf("array %q of %v", m.Name, m.Spec)
			continue
		}
		want, err := array.Cast(formattest.Of(t, []int8{0, 1, 1, 0, 1, 1}, 3, 2), dtype)
		if err != nil {
			t.Fatal(err)
		}
		check(t, f, m.Name, want)
	}
	var left []int32
	for i := range int32(140) {
		if !slices.Contains([]int32{1, 2, 65, 69}, i/2) {
			left = append(left, i)
		}
	}
	check(t, open(t, filepath.Join(goldens, "deleted.npk")), "x", formattest.Of(t, left, 66, 2))
	check(t, open(t, filepath.Join(goldens, "appended.npk")), "x", formattest.Of(t, []float32{9, 9, 2, 3, 4, 5, 1, 1, 1, 1}, 5, 2))
	var rows []float32
	for i := range 240 {
		switch {
		case i >= 200:
			rows = append(rows, 1) // appended
		case i >= 8:
			rows = append(rows, float32(i))
		}
	}
	check(t, open(t, filepath.Join(goldens, "segmented.npk")), "x", formattest.Of(t, rows, 58, 4))
}

// TestBatches takes the golden's rows by number.
func TestBatches(t *testing.T) {
	f := open(t, filepath.Join(goldens, "segmented.npk"))
	s, err := f.Batches("x", 7)
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for {
		a, err := s.Next()
		if err != nil {
			break
		}
		sizes = append(sizes, a.Shape[0])
	}
	if want := []int{7, 7, 7, 7, 7, 7, 7, 7, 2}; !slices.Equal(sizes, want) {
		t.Errorf("batches of %v rows, want %v", sizes, want)
	}
	if _, err := f.Batches("x", 0); err == nil {
		t.Error("batches of no rows")
	}
}

// TestWriter writes every type and shape, in one file each and in segments.
func TestWriter(t *testing.T) {
	types := []string{"|b1", "|u1", "<u2", ">u4", "<u8", "|i1", ">i2", "<i4", "<i8", "<f2", "<f4", ">f8", "<c8", ">c16"}
	shapes := [][]int{{0}, {1}, {9}, {0, 3}, {3, 0}, {5, 2, 3}, {40, 3}}
	for _, segment := range []int64{0, 1, 64} {
		path := filepath.Join(t.TempDir(), "a.npk")
		w, err := npk.Create(path, &npk.CreateOptions{SegmentBytes: segment})
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]array.Array{}
		for i, s := range types {
			dtype := formattest.DType(t, s)
			for j, shape := range shapes {
				a := formattest.Bits(t, dtype, i+j, shape...)
				little := a
				if dtype.Order() == '>' {
					little = array.SwapBytes(a)
				}
				name := fmt.Sprintf("%s %v é", strings.Trim(s, "<>|"), shape)
				want[name] = little
				if err := w.Put(name, a.Strided()); err != nil {
					t.Fatal(err)
				}
				want["T"+name] = little.Strided().Transpose().AsContiguous()
				if err := w.Put("T"+name, a.Strided().Transpose()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		if got := len(f.Members()); got != len(want) {
			t.Errorf("%d arrays, want %d", got, len(want))
		}
		for name, a := range want {
			check(t, f, name, a)
		}
	}
}

// TestSink streams rows of which the number isn't told.
func TestSink(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npk")
	w, err := npk.Create(path, &npk.CreateOptions{SegmentBytes: 100 << 10})
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Add(array.Member{Name: "", Spec: array.Spec{DType: array.Int64, Shape: []int{-1, 100}}})
	if err != nil {
		t.Fatal(err)
	}
	var all []int64
	for i := range int64(1000) {
		rows := slices.Repeat([]int64{i}, 100*int(i%3))
		all = append(all, rows...)
		if err := s.Write(formattest.Of(t, rows, int(i%3), 100)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	check(t, open(t, path), "", formattest.Of(t, all, 999, 100))
	if _, err := os.Stat(filepath.Join(path, "data__segments", "seg_000007.npkd")); err != nil {
		t.Error(err)
	}
}

// TestRefuses tells what a writer doesn't take, and that nothing is left.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.npk")
	add := func(name string, dtype array.DType, shape ...int) func(w *npk.Writer) error {
		return func(w *npk.Writer) error {
			_, err := w.Add(array.Member{Name: name, Spec: array.Spec{DType: dtype, Shape: shape}})
			return err
		}
	}
	text, err := array.ParseDType("<U3")
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(w *npk.Writer) error{
		"a scalar":     add("x", array.Int8),
		"text":         add("x", text, 3),
		"bfloat16":     add("x", array.BFloat16, 3),
		"no dtype":     add("x", array.DType{}, 3),
		"negative":     add("x", array.Int8, 3, -1),
		"rows":         add("x", array.Int8, -2),
		"huge":         add("x", array.Int64, 1<<60, 1<<20),
		"a folder":     add("a/b", array.Int8, 3),
		"another one":  add(`a\b`, array.Int8, 3),
		"a zero byte":  add("a\x00", array.Int8, 3),
		"no UTF-8":     add("\xff", array.Int8, 3),
		"a long name":  add(strings.Repeat("x", 231), array.Int8, 3),
		"attributes":   func(w *npk.Writer) error { return w.SetAttrs(map[string]any{"a": 1}) },
		"an open sink": func(w *npk.Writer) error { return errors.Join(add("x", array.Int8, 3)(w), w.Close()) },
		"too few rows": func(w *npk.Writer) error {
			s, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: array.Int8, Shape: []int{2}}})
			return errors.Join(err, s.Close())
		},
		"too many rows": func(w *npk.Writer) error {
			s, err := w.Add(array.Member{Name: "x", Spec: array.Spec{DType: array.Int8, Shape: []int{2}}})
			return errors.Join(err, s.Write(formattest.Of(t, []int8{1, 2, 3})))
		},
		"twice": func(w *npk.Writer) error {
			a := formattest.Of(t, []int8{1}).Strided()
			return errors.Join(w.Put("x", a), w.Put("x", a))
		},
	} {
		w, err := npk.Create(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(w); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := w.Abort(); err != nil {
			t.Errorf("%s: abort: %v", name, err)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) > 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	if err := os.MkdirAll(filepath.Join(path, "mine"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := npk.Create(path, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over an existing folder: %v", err)
	}
	if _, err := npk.Edit(path, &npk.EditOptions{Create: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a new pack in a folder with other things: %v", err)
	}
	if _, err := npk.Open(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder without metadata: %v", err)
	}
}

// TestConcurrent reads one file from several goroutines.
func TestConcurrent(t *testing.T) {
	f := open(t, filepath.Join(goldens, "segmented.npk"))
	a, err := f.Array("x")
	if err != nil {
		t.Fatal(err)
	}
	want := a.AsContiguous()
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			check(t, f, "x", want)
		}()
	}
	wait.Wait()
}

// TestLarge reads behind the first 2 GiB of a file without data.
func TestLarge(t *testing.T) {
	const rows = 1<<31/8 + 1000
	path := pack(t, map[string]string{"metadata.npkm": string(meta(entry{name: "x", file: "data_x.npkd", shape: []uint64{rows}, dtype: 4})), "data_x.npkd": ""})
	f, err := os.OpenFile(filepath.Join(path, "data_x.npkd"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteAt([]byte("behind 2"), (rows-1)*8); err != nil {
		t.Skip("no file of 2 GiB here:", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p := open(t, path)
	got, err := p.Rows("x", []int{-1, 5})
	if err != nil || string(got.Data) != "behind 2\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("%q, %v", got.Data, err)
	}
	a, err := p.Array("x")
	if err != nil || string(a.Row(rows-1).AsContiguous().Data) != "behind 2" {
		t.Errorf("%v, %v", a.Spec, err)
	}
}
