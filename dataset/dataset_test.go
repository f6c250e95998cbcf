package dataset_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	photoset "github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

// file writes file number k of n samples and opens it.
func file(tb testing.TB, k, n int) *ffcv.File {
	return ffcvtest.Map(tb, writeFile(tb, k, n), nil)
}

// numbers writes a file of one field.
func numbers(tb testing.TB, name string, f fields.Field, n int, at func(i int) any) *ffcv.File {
	return ffcvtest.Map(tb, ffcvtest.Write(tb, []ffcv.FieldSpec{{Name: name, Field: f}}, n, func(i int) []any { return []any{at(i)} }, nil), nil)
}

func ints(i int) any { return i }

// TestFieldsDiffer: the error names both files and what differs.
func TestFieldsDiffer(t *testing.T) {
	a := numbers(t, "y", fields.Int{}, 2, ints)
	float := numbers(t, "y", fields.Float{}, 2, func(i int) any { return float64(i) })
	named := numbers(t, "z", fields.Int{}, 2, ints)
	wide := numbers(t, "v", fields.NDArray{DType: array.Float32, Shape: []int{3}}, 2, func(int) any { return make([]float32, 3) })
	wider := numbers(t, "v", fields.NDArray{DType: array.Float32, Shape: []int{4}}, 2, func(int) any { return make([]float32, 4) })
	two, err := dataset.NewJoin(a, wide)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a, b  dataset.Dataset
		words []string
	}{
		{a, float, []string{`field 0 is "y", fields.Int{} in the first, "y", fields.Float{} in the second`}},
		{a, named, []string{`"y"`, `"z"`}},
		{wide, wider, []string{"Shape:[3]", "Shape:[4]"}},
		{a, two, []string{`the first lacks field "v", fields.NDArray`}},
		{two, a, []string{`the second lacks field "v"`}},
	} {
		_, err := dataset.NewConcat(c.a, c.b)
		refused(t, err, append(c.words, c.a.Name(), c.b.Name())...)
	}
}

// TestRefused are the other errors of the constructors.
func TestRefused(t *testing.T) {
	a, b := file(t, 0, 3), file(t, 1, 4)
	_, err := dataset.NewConcat()
	refused(t, err, "no members")
	_, err = dataset.NewJoin()
	refused(t, err, "no members")
	_, err = dataset.NewJoin(a, b)
	refused(t, err, a.Name()+" has 3 samples", b.Name()+" has 4")
	_, err = dataset.NewJoin(a, file(t, 2, 3))
	refused(t, err, `two fields "id"`, a.Name(), "rename")
	_, err = dataset.NewSelect(a)
	refused(t, err, "no fields")
	_, err = dataset.NewSelect(a, dataset.Field{Name: "id"}, dataset.Field{Name: "none"})
	refused(t, err, `no field "none"`, `"id", "x", "text"`)
	_, err = dataset.NewSelect(a, dataset.Field{Name: "id"}, dataset.Field{Name: "x", As: "id"})
	refused(t, err, `two fields "id"`)
	_, err = dataset.NewSubset(a, []int{0, 3})
	refused(t, err, "index 1 is 3", "has 3 samples")
	_, err = dataset.NewSubset(a, []int{-1})
	refused(t, err, "index 0 is -1")
	for _, r := range [][2]int{{-1, 2}, {2, 1}, {0, 4}, {4, 4}} {
		_, err = dataset.NewRange(a, r[0], r[1])
		refused(t, err, fmt.Sprintf("samples %d to %d", r[0], r[1]))
	}
}

// TestAccessOutside: numbers outside a composite are errors.
func TestAccessOutside(t *testing.T) {
	a, b := file(t, 0, 3), file(t, 1, 4)
	concat, err := dataset.NewConcat(a, b)
	if err != nil {
		t.Fatal(err)
	}
	selection, err := dataset.NewSelect(concat, dataset.Field{Name: "text"})
	if err != nil {
		t.Fatal(err)
	}
	subset, err := dataset.NewSubset(selection, []int{6, 0})
	if err != nil {
		t.Fatal(err)
	}
	for _, ds := range []dataset.Dataset{concat, selection, subset} {
		n := ds.Len()
		for _, c := range [][2]int{{-1, 1}, {0, n + 1}, {n, 1}, {1, math.MaxInt}, {math.MaxInt, 1}, {0, -1}} {
			if _, err := ds.Rows(c[0], c[1], nil); err == nil {
				t.Errorf("%s: rows %v are no error", ds.Name(), c)
			}
		}
		for _, sample := range []int{-1, n, math.MaxInt} {
			_, err := ds.Bytes(sample, 1<<30, 1, nil)
			refused(t, err)
			_, err = ds.RegionSize(sample, 0, 1<<30)
			refused(t, err)
			ds.(loader.Marker).Marks(sample, 0, nil)
			ds.(loader.Keyer).Key(sample)
			ds.(loader.Locator).Locate(sample, 0)
		}
		for _, field := range []int{-1, len(ds.Fields())} {
			_, err := ds.RegionSize(0, field, 1<<30)
			refused(t, err)
		}
		for _, ptr := range []uint64{0, 1 << 40, math.MaxUint64} {
			_, err := ds.Bytes(0, ptr, 1, nil)
			refused(t, err)
			_, err = ds.Bytes(n-1, ptr, math.MaxInt64, nil)
			refused(t, err)
		}
		ds.WillNeed([]ffcv.Range{{Off: -1, Len: 3}, {Off: 0, Len: 10}, {Off: 1 << 40, Len: 10}, {Off: math.MaxInt64, Len: math.MaxInt64}})
	}
}

// heard is a dataset that notes its hints.
type heard struct {
	*ffcv.File
	ranges []ffcv.Range
	rows   []int
	sizes  bool
	marks  []int
	forgot int
}

func (h *heard) WillNeed(r []ffcv.Range) {
	if len(r) == 0 {
		h.forgot++
	}
	h.ranges = append(h.ranges, r...)
}

func (h *heard) WillNeedRows(samples []int, sizes bool) {
	h.rows, h.sizes = append(h.rows, samples...), sizes
}

func (h *heard) WillNeedMarks(samples []int, field int, found bool) {
	if found {
		h.marks = append(h.marks, append(samples, -field)...)
	}
}

// TestWillNeed: each member hears of its own bytes, rows and marks.
func TestWillNeed(t *testing.T) {
	a, b, beside := &heard{File: file(t, 0, 3)}, &heard{File: file(t, 1, 4)}, &heard{File: file(t, 0, 7)}
	concat, err := dataset.NewConcat(a, b)
	if err != nil {
		t.Fatal(err)
	}
	base := int64(0) // of b's offsets
	for e, err := range concat.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		if e.Sample == 3 {
			base = int64(e.Ptr)
			break
		}
	}
	for e := range b.Entries() {
		base -= int64(e.Ptr)
		break
	}
	if base < int64(a.Header().AllocTable) || base%(4<<20) != 0 { // of the larger pages
		t.Errorf("the second file begins at %d", base)
	}
	renamed, err := dataset.NewSelect(beside, dataset.Field{Name: "id", As: "i"})
	if err != nil {
		t.Fatal(err)
	}
	both, err := dataset.NewJoin(concat, renamed)
	if err != nil {
		t.Fatal(err)
	}
	few, err := dataset.NewSubset(both, []int{6, 0, 4})
	if err != nil {
		t.Fatal(err)
	}
	few.WillNeed([]ffcv.Range{{Off: 10, Len: 1}, {Off: 20, Len: 2}, {Off: base + 30, Len: 3}, {Off: 40, Len: 4}})
	few.WillNeedRows([]int{-1, 0, 1, 2, 3}, true)
	few.WillNeedMarks([]int{-1, 0, 1, 2, 3}, 1, true)
	few.WillNeedMarks([]int{2}, len(both.Fields())-1, true)
	few.WillNeedMarks([]int{2}, 100, true)
	few.WillNeed(nil)
	for _, c := range []struct {
		name   string
		h      *heard
		ranges []ffcv.Range
		rows   []int
		marks  []int
	}{
		{"first", a, []ffcv.Range{{Off: 10, Len: 1}, {Off: 20, Len: 2}, {Off: 40, Len: 4}}, []int{0}, []int{0, -1}},
		{"second", b, []ffcv.Range{{Off: 30, Len: 3}}, []int{3, 1}, []int{3, 1, -1}},
		{"beside", beside, nil, []int{6, 0, 4}, []int{4, 0}},
	} {
		if !slices.Equal(c.h.marks, c.marks) {
			t.Errorf("the %s heard of marks %v, want %v", c.name, c.h.marks, c.marks)
		}
		if !slices.Equal(c.h.ranges, c.ranges) || !slices.Equal(c.h.rows, c.rows) || !c.h.sizes || c.h.forgot != 1 {
			t.Errorf("the %s heard of %v and rows %v, and forgot %d times; want %v and %v", c.name, c.h.ranges, c.h.rows, c.h.forgot, c.ranges, c.rows)
		}
	}
}

// TestEntries: a page holds samples of one file.
func TestEntries(t *testing.T) {
	a, b := file(t, 0, 30), file(t, 1, 40)
	concat, err := dataset.NewConcat(a, b)
	if err != nil {
		t.Fatal(err)
	}
	h := concat.Header()
	if h.PageSize != 4<<20 || h.NumSamples != 70 {
		t.Errorf("header %+v", h)
	}
	first := map[uint64]bool{}
	n := 0
	for e, err := range concat.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		n++
		page := e.Ptr / uint64(h.PageSize)
		if was, known := first[page]; known && was != (e.Sample < 30) {
			t.Fatalf("page %d has samples of both files", page)
		}
		first[page] = e.Sample < 30
		if e.Ptr >= h.AllocTable {
			t.Fatalf("an allocation at %d, the table at %d", e.Ptr, h.AllocTable)
		}
	}
	if want := a.NumEntries() + b.NumEntries(); int64(n) != want || len(first) < 2 {
		t.Errorf("%d entries in %d pages, want %d", n, len(first), want)
	}
	dup, err := dataset.NewSubset(concat, []int{69, 5, 5})
	if err != nil {
		t.Fatal(err)
	}
	per := make([]int, 3)
	for e, err := range dup.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		per[e.Sample]++
	}
	if per[0] == 0 || per[0] != per[1] || per[1] != per[2] {
		t.Errorf("entries of the subset's samples: %v", per)
	}
	for range concat.Entries() {
		break // no further yield
	}
}

// TestIdentity: what differs, differs.
func TestIdentity(t *testing.T) {
	a, b := file(t, 0, 3), file(t, 1, 3)
	seen := map[ffcv.Identity]string{}
	for name, make := range map[string]func() (dataset.Dataset, error){
		"ab":     func() (dataset.Dataset, error) { return dataset.NewConcat(a, b) },
		"ba":     func() (dataset.Dataset, error) { return dataset.NewConcat(b, a) },
		"range":  func() (dataset.Dataset, error) { return dataset.NewRange(a, 0, 2) },
		"range1": func() (dataset.Dataset, error) { return dataset.NewRange(a, 1, 3) },
		"subset": func() (dataset.Dataset, error) { return dataset.NewSubset(a, []int{0, 1}) },
		"other":  func() (dataset.Dataset, error) { return dataset.NewSubset(a, []int{1, 0}) },
		"id":     func() (dataset.Dataset, error) { return dataset.NewSelect(a, dataset.Field{Name: "id"}) },
		"as":     func() (dataset.Dataset, error) { return dataset.NewSelect(a, dataset.Field{Name: "id", As: "i"}) },
		"x":      func() (dataset.Dataset, error) { return dataset.NewSelect(a, dataset.Field{Name: "x"}) },
	} {
		var ids [2]ffcv.Identity
		for i := range ids {
			ds, err := make()
			if err != nil {
				t.Fatal(err)
			}
			if ids[i], err = ds.(loader.Identifier).Identity(); err != nil || ids[i].Samples != ds.Len() {
				t.Fatal(ids[i], err)
			}
		}
		if ids[0] != ids[1] {
			t.Errorf("%s: %v and %v", name, ids[0], ids[1])
		}
		if other, ok := seen[ids[0]]; ok {
			t.Errorf("%s and %s are the same", name, other)
		}
		seen[ids[0]] = name
	}
}

// photos writes some of the photographs, with or without checkpoints.
func photos(tb testing.TB, checkpoints bool, names []string) string {
	return ffcvtest.Write(tb, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{NoCheckpoints: !checkpoints}}}, len(names), func(i int) []any {
		data, err := photoset.FS.ReadFile(names[i])
		if err != nil {
			tb.Fatal(err)
		}
		return []any{data}
	}, nil)
}

// TestPhotos: several files of photographs beside another file's numbers give
// the pixels of one file, augmentations included, with checkpoints of the
// files, in memory, in a side file, and through reads.
func TestPhotos(t *testing.T) {
	names, err := fs.Glob(photoset.FS, path.Join("*", "*.jpg"))
	if err != nil || len(names) < 30 {
		t.Fatalf("%d photos, %v", len(names), err)
	}
	names = names[:30]
	whole := ffcvtest.Map(t, photos(t, true, names), nil)
	labels := numbers(t, "label", fields.Int{}, len(names), ints)
	opts := loader.Options{BatchSize: 7, Order: loader.Random, Seed: 3, Workers: 2, Outputs: []loader.Output{
		{Name: "image", Decoder: transform.RandomResizedCrop{Width: 40, Height: 40}, Ops: []any{transform.HorizontalFlip{}}},
		{Name: "small", Field: "image", Decoder: transform.CenterCrop{Width: 16, Height: 16}},
	}}
	want := pixels(t, whole, opts)
	open := map[string]func(path string) (*ffcv.File, error){
		"mapped": nil,
		"read": func(path string) (*ffcv.File, error) {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			return ffcv.New(ffcv.ReaderAtSource(path, bytes.NewReader(b), int64(len(b))), nil)
		},
	}
	for _, checkpoints := range []bool{true, false} {
		paths := []string{photos(t, checkpoints, names[:11]), photos(t, checkpoints, names[11:12]), photos(t, checkpoints, names[12:])}
		for how, open := range open {
			both, err := dataset.NewJoin(labels, opened(t, &dataset.Options{Open: open}, paths...))
			if err != nil {
				t.Fatal(err)
			}
			o := opts
			what := fmt.Sprintf("%s, checkpoints=%v", how, checkpoints)
			samePixels(t, what, pixels(t, both, o), want)
			o.MarksFile = filepath.Join(t.TempDir(), "x.marks")
			o.Warn = func(msg string) { t.Error(msg) }
			samePixels(t, what+", making a side file", pixels(t, both, o), want)
			samePixels(t, what+", with a side file", pixels(t, both, o), want)
			if !checkpoints {
				id, err := both.Identity()
				if err != nil {
					t.Fatal(err)
				}
				m, err := ffcv.OpenMarks(o.MarksFile, id)
				if err != nil {
					t.Fatal(err)
				}
				m.Close()
			}
			l, err := loader.New(both, &opts)
			if err != nil {
				t.Fatal(err)
			}
			r, err := l.Replay(12, 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := r.Outputs[1].Value.Data; !bytes.Equal(got, want[0][12]) {
				t.Errorf("%s: Replay shows other pixels", what)
			}
			l.Close()
		}
	}
}

// pixels loads an epoch: rows of the outputs with pictures, by output and
// sample.
func pixels(t *testing.T, ds dataset.Dataset, opts loader.Options) (rows [2][][]byte) {
	t.Helper()
	l, err := loader.New(ds, &opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		rows[i] = make([][]byte, ds.Len())
	}
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range b.Samples() {
			rows[0][id] = slices.Clone(b.Output("image").Value(i))
			rows[1][id] = slices.Clone(b.Output("small").Value(i))
		}
		b.Release()
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	return rows
}

func samePixels(t *testing.T, what string, got, want [2][][]byte) {
	t.Helper()
	for k := range want {
		for i := range want[k] {
			if !bytes.Equal(got[k][i], want[k][i]) {
				t.Errorf("%s: output %d of sample %d differs", what, k, i)
				return
			}
		}
	}
}

// TestMarks: a sample's marks are its file's.
func TestMarks(t *testing.T) {
	names, err := fs.Glob(photoset.FS, path.Join("*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	a, b := ffcvtest.Map(t, photos(t, true, names[:3]), nil), ffcvtest.Map(t, photos(t, true, names[3:6]), nil)
	concat, err := dataset.NewConcat(a, b)
	if err != nil {
		t.Fatal(err)
	}
	labels := numbers(t, "label", fields.Int{}, 6, ints)
	both, err := dataset.NewJoin(labels, concat)
	if err != nil {
		t.Fatal(err)
	}
	few, err := dataset.NewSubset(both, []int{4, 1})
	if err != nil {
		t.Fatal(err)
	}
	some := 0
	for i, of := range []struct {
		f      *ffcv.File
		sample int
	}{{b, 1}, {a, 1}} {
		want, err := of.f.Marks(of.sample, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		some += len(want)
		if got, err := few.Marks(i, 1, nil); err != nil || !bytes.Equal(got, want) {
			t.Errorf("sample %d: %d bytes of marks (%v), want %d", i, len(got), err, len(want))
		}
		if got, err := few.Marks(i, 0, nil); err != nil || got != nil {
			t.Errorf("sample %d: a number has marks: %v, %v", i, got, err)
		}
	}
	if some == 0 {
		t.Error("no marks to compare")
	}
}

// TestKeys: a sample's key is its file's.
func TestKeys(t *testing.T) {
	write := func(prefix string) string {
		name := filepath.Join(t.TempDir(), "x.beton")
		w, err := ffcv.Create(name, []ffcv.FieldSpec{{Name: "y" + prefix, Field: fields.Int{}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			for i := range 3 {
				if !yield(ffcv.Sample{Values: []any{i}, Key: fmt.Sprint(prefix, i)}, nil) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b := ffcvtest.Map(t, write(""), nil), ffcvtest.Map(t, write("k"), nil)
	as, err := dataset.NewSelect(b, dataset.Field{Name: "yk", As: "y"})
	if err != nil {
		t.Fatal(err)
	}
	concat, err := dataset.NewConcat(a, as)
	if err != nil {
		t.Fatal(err)
	}
	few, err := dataset.NewSubset(concat, []int{4, 0})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"k1", "0"} {
		if got, err := few.Key(i); err != nil || got != want {
			t.Errorf("key %d is %q (%v), want %q", i, got, err, want)
		}
	}
}

// lying is a Concat that tells wrong tables.
type lying struct {
	*dataset.Concat
	change func(t []loader.Tables) []loader.Tables
}

func (l *lying) Tables() ([]loader.Tables, bool) {
	t, ok := l.Concat.Tables()
	return l.change(t), ok
}

// TestWrongTables: a loader believes no table that does not fit.
func TestWrongTables(t *testing.T) {
	concat, err := dataset.NewConcat(file(t, 0, 3), file(t, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(t []loader.Tables) []loader.Tables{
		"no tables":       func(t []loader.Tables) []loader.Tables { return nil },
		"twice":           func(t []loader.Tables) []loader.Tables { return append(t, t[0]) },
		"a field missing": func(t []loader.Tables) []loader.Tables { t[0].Fields = t[0].Fields[:3]; return t },
		"no such field":   func(t []loader.Tables) []loader.Tables { t[0].Fields[0] = 9; return t },
		"a file missing":  func(t []loader.Tables) []loader.Tables { t[0].List = t[0].List[1:]; return t },
		"half a row": func(t []loader.Tables) []loader.Tables {
			t[0].List[0].Rows = t[0].List[0].Rows[1:]
			return t
		},
		"rows of none": func(t []loader.Tables) []loader.Tables { t[0].List[0].Size = 0; return t },
		"an offset outside": func(t []loader.Tables) []loader.Tables {
			t[0].List[0].Offsets[1] = t[0].List[0].Size - 7
			return t
		},
		"of nobody": func(t []loader.Tables) []loader.Tables { t[0].List[1].Of = nil; return t },
	} {
		if _, err := loader.New(&lying{concat, change}, &loader.Options{Outputs: []loader.Output{{Name: "image", Disabled: true}}}); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
