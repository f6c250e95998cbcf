package ffcv_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

const mib = 1 << 20

// made is a dataset of computed samples.
type made struct {
	n   int
	at  func(i int) []any
	key func(i int) string // nil none
}

func (m made) Len() int { return m.n }

func (m made) Sample(ctx context.Context, i int) ([]any, string, error) {
	if i < 0 || i >= m.n {
		return nil, "", fmt.Errorf("sample %d of %d", i, m.n)
	}
	if m.key == nil {
		return m.at(i), "", nil
	}
	return m.at(i), m.key(i), nil
}

// stream gives the dataset as a sequence.
func (m made) stream() iter.Seq2[ffcv.Sample, error] {
	return func(yield func(ffcv.Sample, error) bool) {
		for i := range m.n {
			values, key, err := m.Sample(context.Background(), i)
			if !yield(ffcv.Sample{Values: values, Key: key}, err) {
				return
			}
		}
	}
}

// everyKind has a field of each kind that needs no image.
func everyKind(n int) ([]ffcv.FieldSpec, made) {
	specs := []ffcv.FieldSpec{
		{Name: "data", Field: fields.Bytes{}},
		{Name: "label", Field: fields.Int{}},
		{Name: "note", Field: fields.JSON{}},
		{Name: "weight", Field: fields.Float{}},
		{Name: "vector", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}},
		{Name: "more", Field: fields.Bytes{}},
	}
	return specs, made{n,
		func(i int) []any {
			return []any{
				golden.Input(i, i*i%997),
				int64(i) - 7,
				json.RawMessage(fmt.Sprintf(`{"i": %d}`, i)),
				float64(i) / 3,
				array.Array{Spec: array.Spec{DType: array.Float32, Shape: []int{3}}, Data: golden.Input(i, 12)},
				golden.Input(i, i%3),
			}
		},
		func(i int) string {
			if i%5 == 4 {
				return ""
			}
			return fmt.Sprintf("class%d/%06d.bin", i%3, i)
		}}
}

// create begins a file in a fresh folder.
func create(t testing.TB, specs []ffcv.FieldSpec, opts *ffcv.Options) (w *ffcv.Writer, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "x.beton")
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	return w, path
}

// write writes a dataset into a fresh folder and returns the file's path.
func write(t testing.TB, specs []ffcv.FieldSpec, ds ffcv.Dataset, opts *ffcv.Options, d *ffcv.DatasetOptions) string {
	t.Helper()
	w, path := create(t, specs, opts)
	if err := w.WriteDataset(t.Context(), ds, d); err != nil {
		t.Fatal(err)
	}
	checkAlone(t, path)
	return path
}

// checkAlone fails when anything but the file lies in its folder.
func checkAlone(t testing.TB, path string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != filepath.Base(path) {
			t.Errorf("%s was left behind", e.Name())
		}
	}
}

// checkNothing fails when the folder of a refused file isn't empty.
func checkNothing(t testing.TB, path string) {
	t.Helper()
	checkAlone(t, path)
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s exists (%v), want no file", path, err)
	}
}

// custom describes a file's custom fields by its specs.
func custom(specs []ffcv.FieldSpec) *ffcv.OpenOptions {
	o := &ffcv.OpenOptions{Custom: map[string]fields.Field{}}
	for _, s := range specs {
		if s.Field.TypeID() == fields.TypeCustom {
			o.Custom[s.Name] = s.Field
		}
	}
	return o
}

// checkFile verifies a file and compares every value and key with sample
// from(row) of the dataset.
func checkFile(t testing.TB, path string, specs []ffcv.FieldSpec, ds made, n int, from func(row int) int) {
	t.Helper()
	f, err := ffcv.Open(path, custom(specs))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Fatal(err)
	}
	if f.Len() != n {
		t.Fatalf("%d samples, want %d", f.Len(), n)
	}
	for row := range n {
		i := row
		if from != nil {
			i = from(row)
		}
		want := ds.at(i)
		for k, s := range specs {
			got, err := f.Value(row, k)
			if err != nil {
				t.Fatal(err)
			}
			if !equal(got, want[k]) {
				t.Fatalf("row %d, field %q: got %.80v, want sample %d's %.80v", row, s.Name, got, i, want[k])
			}
		}
		if ds.key != nil {
			if key, err := f.Key(row); err != nil || key != ds.key(i) {
				t.Fatalf("key of row %d: %q (%v), want %q", row, key, err, ds.key(i))
			}
		}
	}
}

func equal(got, want any) bool {
	switch got := got.(type) {
	case []byte:
		return bytes.Equal(got, want.([]byte))
	case json.RawMessage:
		return bytes.Equal(got, want.(json.RawMessage))
	case array.Array:
		w := want.(array.Array)
		return got.Spec.Equal(w.Spec) && bytes.Equal(got.Data, w.Data)
	case int64:
		switch want := want.(type) {
		case int:
			return got == int64(want)
		case int64:
			return got == want
		}
	}
	return got == want
}

func fileSum(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return golden.Sum(b)
}

func TestWriteRoundTrip(t *testing.T) {
	for _, n := range []int{0, 1, 2, 15, 16, 17, 33, 1000} {
		specs, ds := everyKind(n)
		classes := []string{"ant", "", "Bär"}
		w, path := create(t, specs, &ffcv.Options{PageSize: 2 * mib, Classes: classes})
		if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
			t.Fatal(err)
		}
		checkAlone(t, path)
		checkFile(t, path, specs, ds, n, nil)

		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got := f.Classes(); !slices.Equal(got, classes) {
			t.Errorf("classes %q, want %q", got, classes)
		}
		for i := range n {
			if key := ds.key(i); key != "" {
				if at, ok, err := f.Find(key); at != i || !ok || err != nil {
					t.Fatalf("Find(%q) = %d, %v, %v, want %d", key, at, ok, err, i)
				}
			}
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if s := w.Stats(); s.Samples != n || s.Bytes != info.Size() || n > 0 && s.Pages != 1 {
			t.Errorf("stats of %d samples in %d bytes: %+v", n, info.Size(), s)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error("Close after a Write:", err)
		}
		if err := w.WriteDataset(t.Context(), ds, nil); err == nil {
			t.Error("a second Write: no error")
		}
	}
}

func TestWriteScalarsOnly(t *testing.T) {
	specs := []ffcv.FieldSpec{{"a", fields.Int{}}, {"b", fields.Float{}}}
	ds := made{3, func(i int) []any { return []any{i, float64(i)} }, nil}
	path := write(t, specs, ds, &ffcv.Options{Plain: true}, nil)
	checkFile(t, path, specs, ds, 3, nil)
	// As FFCV writes it: no padding, no pages, the (empty) table at the end.
	if info, err := os.Stat(path); err != nil || info.Size() != 2154 {
		t.Errorf("size %v (%v), want 2154", info.Size(), err)
	}
}

// The file depends on the samples, the options that say so and the seed only.
func TestWriteDeterministic(t *testing.T) {
	const n = 4000
	specs, ds := everyKind(n)
	var want string
	for _, workers := range []int{1, 2, 8} {
		for _, chunk := range []int{0, 1, 7, 1000, n + 1} {
			o := &ffcv.Options{PageSize: 2 * mib, Workers: workers, Seed: 3}
			path := write(t, specs, ds, o, &ffcv.DatasetOptions{Shuffle: true, ChunkSize: chunk})
			got := fileSum(t, path)
			if want == "" {
				want = got
			}
			if got != want {
				t.Fatalf("%d workers, chunks of %d: sha256 %s, want %s", workers, chunk, got, want)
			}
		}
	}
}

// A sample's random bits belong to the seed, the sample and the field.
func TestWriteRand(t *testing.T) {
	read := func(seed uint64, workers int, d *ffcv.DatasetOptions) (list [][2]any) {
		specs := []ffcv.FieldSpec{{"a", dice{}}, {"b", dice{}}}
		ds := made{n: 50, at: func(i int) []any { return []any{nil, nil} }}
		path := write(t, specs, ds, &ffcv.Options{Seed: seed, Workers: workers}, d)
		f, err := ffcv.Open(path, custom(specs))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range f.Len() {
			a, _ := f.Value(i, 0)
			b, _ := f.Value(i, 1)
			list = append(list, [2]any{a, b})
		}
		return list
	}
	all := read(1, 1, nil)
	seen := map[any]bool{}
	for _, v := range all {
		if seen[v[0]] || seen[v[1]] || v[0] == v[1] {
			t.Fatal("random bits come twice")
		}
		seen[v[0]], seen[v[1]] = true, true
	}
	some := read(1, 4, &ffcv.DatasetOptions{Indices: []int{40, 3, 3}})
	if some[0] != all[40] || some[1] != all[3] || some[2] != all[3] {
		t.Error("random bits depend on the sample's place in the file")
	}
	if other := read(2, 1, nil); other[0] == all[0] {
		t.Error("another seed gives the same random bits")
	}
}

// dice is a custom field that stores At.Rand.
type dice struct{ fields.Int }

func (dice) TypeID() fields.TypeID { return fields.TypeCustom }

func (d dice) Encode(meta []byte, _ any, at fields.At) error {
	return d.Int.Encode(meta, int64(at.Rand>>1), at)
}

func TestWriteIndicesAndShuffle(t *testing.T) {
	specs, ds := everyKind(100)
	indices := []int{4, 2, 0, 2, 99, 99, 99}
	kept := slices.Clone(indices)
	path := write(t, specs, ds, nil, &ffcv.DatasetOptions{Indices: indices})
	checkFile(t, path, specs, ds, len(indices), func(row int) int { return indices[row] })

	order := func(seed uint64, d ffcv.DatasetOptions) (list []int) {
		f, err := ffcv.Open(write(t, specs, ds, &ffcv.Options{Seed: seed}, &d), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for i := range f.Len() {
			v, err := f.Int(i, 1)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, int(v)+7)
		}
		return list
	}
	shuffled := ffcv.DatasetOptions{Shuffle: true}
	a, b, c := order(1, shuffled), order(2, shuffled), order(1, shuffled)
	if slices.Equal(a, b) || !slices.Equal(a, c) {
		t.Error("the order is not the seed's")
	}
	if slices.IsSorted(a) {
		t.Error("not shuffled")
	}
	slices.Sort(a)
	for i, at := range a {
		if i != at {
			t.Fatalf("sample %d is missing", i)
		}
	}
	some := order(1, ffcv.DatasetOptions{Indices: indices, Shuffle: true})
	slices.Sort(some)
	if want := []int{0, 2, 2, 4, 99, 99, 99}; !slices.Equal(some, want) {
		t.Errorf("shuffled indices: samples %v, want %v", some, want)
	}
	if !slices.Equal(indices, kept) {
		t.Errorf("the caller's indices became %v", indices)
	}
	if empty := order(1, ffcv.DatasetOptions{Indices: []int{}}); len(empty) != 0 {
		t.Errorf("no indices: %d samples", len(empty))
	}
	w, path := create(t, specs, nil)
	err := w.WriteDataset(t.Context(), ds, &ffcv.DatasetOptions{Indices: []int{0, 100}})
	if err == nil || !strings.Contains(err.Error(), "index 1 is 100: the dataset has 100 samples") {
		t.Errorf("index out of range: %v", err)
	}
	checkNothing(t, path)
}

// Samples around the size of a page and of what is left of one.
func TestWritePageEdges(t *testing.T) {
	const page = 2 * mib
	specs := []ffcv.FieldSpec{{"a", fields.Bytes{}}, {"n", fields.Int{}}, {"b", fields.Bytes{}}}
	for _, sizes := range [][][2]int{
		{{page - 1, 0}, {page - 1, 1}, {0, page - 1}, {0, 0}, {1, page - 1}},
		{{page - 2, 1}, {0, 0}, {1, 1}},
		{{page / 2, page/2 - 1}, {1, 0}, {0, 0}},
		{{page / 2, page / 2}, {0, 0}, {page / 2, page / 2}},
		{{700001, 300001}, {700002, 300001}, {700003, 300001}, {700004, 300001}},
	} {
		ds := made{len(sizes), func(i int) []any {
			return []any{golden.Input(i, sizes[i][0]), i, golden.Input(i+100, sizes[i][1])}
		}, nil}
		path := write(t, specs, ds, &ffcv.Options{PageSize: page, Workers: 2}, &ffcv.DatasetOptions{ChunkSize: 2})
		checkFile(t, path, specs, ds, len(sizes), nil)
		checkPages(t, path, page)
	}
	for _, c := range []struct {
		a, b int
		fits uint64
	}{{page, 0, 2 * page}, {page/2 + 1, page / 2, 2 * page}, {2 * page, 1, 4 * page}} {
		w, path := create(t, specs, &ffcv.Options{PageSize: page})
		ds := made{3, func(i int) []any {
			if i == 1 {
				return []any{golden.Input(i, c.a), i, golden.Input(i, c.b)}
			}
			return []any{[]byte{1}, i, []byte{2}}
		}, nil}
		err := w.WriteDataset(t.Context(), ds, nil)
		var large *alloc.TooLargeError
		if !errors.As(err, &large) || large.Fits != c.fits {
			t.Errorf("%d+%d bytes: error %v, want one that names a page size of %d", c.a, c.b, err, c.fits)
		}
		if at := (*ffcv.SampleError)(nil); !errors.As(err, &at) || at.Sample != 1 {
			t.Errorf("%d+%d bytes: error %v, want sample 1's", c.a, c.b, err)
		}
		checkNothing(t, path)
	}
}

// checkPages checks that every sample of a file lies in one page, and that the
// bytes that belong to nobody are zero.
func checkPages(t testing.TB, path string, page uint64) {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in := map[uint64]uint64{}
	first, n := f.Pages()
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []uint64{e.Ptr, e.Ptr + max(e.Size, 1) - 1} {
			if was, ok := in[e.Sample]; ok && was != at/page {
				t.Fatalf("sample %d lies in pages %d and %d", e.Sample, was, at/page)
			}
			in[e.Sample] = at / page
		}
		clear(b[e.Ptr : e.Ptr+e.Size])
	}
	if i := bytes.IndexFunc(b[first:first+n*int64(page)], func(r rune) bool { return r != 0 }); i >= 0 {
		t.Fatalf("byte %d of the pages belongs to nobody and is not zero", i)
	}
}

func TestWriteLargeSamples(t *testing.T) {
	const page = 2 * mib
	specs := []ffcv.FieldSpec{{"big", fields.Bytes{}}, {"small", fields.Bytes{}}, {"n", fields.Int{}}}
	sizes := []int{10, 3 * page, page, 5, page - 5, 0}
	ds := made{len(sizes), func(i int) []any { return []any{golden.Input(i, sizes[i]), golden.Input(i+9, 5), i} }, nil}
	var warned []string
	w, path := create(t, specs, &ffcv.Options{
		PageSize: page, LargeSamples: true, Workers: 3,
		Warn: func(msg string) { warned = append(warned, msg) },
	})
	if err := w.WriteDataset(t.Context(), ds, &ffcv.DatasetOptions{ChunkSize: 1}); err != nil {
		t.Fatal(err)
	}
	checkFile(t, path, specs, ds, len(sizes), nil)
	if len(warned) != 1 || !strings.Contains(warned[0], "os_cache=True") {
		t.Errorf("warnings %q, want one about os_cache", warned)
	}
	if s := w.Stats(); s.Large != 2 {
		t.Errorf("%d large samples, want 2", s.Large)
	}

	// Two large regions can't both begin in the first page.
	w, path = create(t, specs, &ffcv.Options{PageSize: page, LargeSamples: true})
	two := made{1, func(i int) []any { return []any{golden.Input(i, 2*page), golden.Input(i, page), i} }, nil}
	var large *alloc.TooLargeError
	if err := w.WriteDataset(t.Context(), two, nil); !errors.As(err, &large) {
		t.Errorf("two large regions: error %v", err)
	}
	checkNothing(t, path)
}

// Samples that outgrow what the ones before let expect go in parts.
func TestWriteParts(t *testing.T) {
	specs := []ffcv.FieldSpec{{"a", fields.Bytes{}}}
	const n = 60
	ds := made{n, func(i int) []any { return []any{golden.Input(i, 1*mib-i)} }, func(i int) string { return fmt.Sprint(i) }}
	for _, workers := range []int{1, 3} {
		path := write(t, specs, ds, &ffcv.Options{PageSize: 2 * mib, Workers: workers}, &ffcv.DatasetOptions{ChunkSize: 25})
		checkFile(t, path, specs, ds, n, nil)
	}
}

func TestWriteProgress(t *testing.T) {
	specs, ds := everyKind(3000)
	var got []ffcv.Progress
	w, _ := create(t, specs, &ffcv.Options{Progress: func(p ffcv.Progress) { got = append(got, p) }})
	if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
		t.Fatal(err)
	}
	if len(got) < 2 || got[0].Done != 0 || got[len(got)-1].Done != 3000 || got[0].Total != 3000 {
		t.Errorf("progress %+v, want the beginning and the end", got)
	}
	if last := got[len(got)-1]; last.Bytes != w.Stats().Data+3000*72 {
		t.Errorf("%d bytes at the end, %d of data", last.Bytes, w.Stats().Data)
	}
}

// TestWriterSections: sections of other packages come back as they were given.
func TestWriterSections(t *testing.T) {
	specs := []ffcv.FieldSpec{{Name: "n", Field: fields.Int{}}}
	tag := ffcv.Tag('a' | 'b'<<8 | 'c'<<16 | 'd'<<24)
	for _, taken := range [][]ffcv.NewSection{{{Tag: ffcv.TagClasses}}, {{Tag: tag}, {Tag: tag}}} {
		if _, err := ffcv.Create(filepath.Join(t.TempDir(), "x.beton"), specs, &ffcv.Options{Sections: taken}); err == nil {
			t.Errorf("sections %v: no error", taken)
		}
	}
	for _, data := range []string{"", "x", "some text that is longer than eight bytes"} {
		w, path := create(t, specs, &ffcv.Options{Sections: []ffcv.NewSection{{Tag: tag, Data: []byte(data)}}})
		samples := func(yield func(ffcv.Sample, error) bool) { yield(ffcv.Sample{Values: []any{7}}, nil) }
		if err := w.WriteStream(t.Context(), samples, nil); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		list, err := f.Sections()
		if err != nil || len(list) != 2 || list[0].Tag != tag || list[1].Tag != ffcv.TagSums {
			t.Fatalf("sections %v, %v", list, err)
		}
		if got, err := io.ReadAll(f.OpenSection(list[0])); err != nil || string(got) != data {
			t.Errorf("got %q, %v, want %q", got, err, data)
		}
		if err := f.Verify(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
}
