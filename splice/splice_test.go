package splice_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

const mib = 1 << 20

// everyKind is a dataset with a field of each kind. Sample i holds values made
// of from+i.
type everyKind struct{ n, from int }

func (d everyKind) Len() int { return d.n }

func (d everyKind) Sample(_ context.Context, i int) ([]any, string, error) {
	i += d.from
	w, h := 3+i%5, 2+i%4
	photo := rgb.Image{Width: 140 + i%9, Height: 130}
	photo.Pix = golden.Input(i, photo.Width*photo.Height*3)
	tensor, err := array.New(array.Spec{DType: array.Float32, Shape: []int{2, 3}}, golden.Input(i, 24))
	key := fmt.Sprintf("folder/%06d", i)
	if i%11 == 0 {
		key = ""
	}
	return []any{
		photo, i % 4, golden.Input(i, i*i*37%3000), fmt.Sprintf("text %d", i),
		rgb.Image{Width: w, Height: h, Pix: golden.Input(i, w*h*3)}, float64(i) / 7, tensor,
	}, key, err
}

var kindSpecs = []ffcv.FieldSpec{
	{Name: "photo", Field: fields.RGBImage{}},
	{Name: "label", Field: fields.Int{}},
	{Name: "data", Field: fields.Bytes{}},
	{Name: "doc", Field: fields.JSON{}},
	{Name: "raw", Field: fields.RGBImage{Mode: fields.ModeRaw}},
	{Name: "score", Field: fields.Float{}},
	{Name: "tensor", Field: fields.NDArray{DType: array.Float32, Shape: []int{2, 3}}},
}

var classes = []string{"ant", "bee", "cat", "dog"}

// make writes a file of d into the test's folder and opens it.
func (d everyKind) make(t testing.TB, opts ffcv.Options, data *ffcv.DatasetOptions) *ffcv.File {
	t.Helper()
	return ffcvtest.Map(t, d.write(t, opts, data), nil)
}

func (d everyKind) write(t testing.TB, opts ffcv.Options, data *ffcv.DatasetOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("from%d.beton", d.from))
	if opts.PageSize == 0 {
		opts.PageSize = 2 * mib
	}
	if opts.Classes == nil {
		opts.Classes = classes
	}
	w, err := ffcv.Create(path, kindSpecs, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(context.Background(), d, data); err != nil {
		t.Fatal(err)
	}
	return path
}

// row is all that a file holds of a sample.
type row struct {
	values []any
	key    string
	marks  []byte
}

func rowOf(t testing.TB, f *ffcv.File, i int) (r row) {
	t.Helper()
	for k := range f.Fields() {
		v, err := f.Value(i, k)
		if err != nil {
			t.Fatal(err)
		}
		marks, err := f.Marks(i, k, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.values, r.marks = append(r.values, v), append(r.marks, marks...)
	}
	var err error
	if r.key, err = f.Key(i); err != nil {
		t.Fatal(err)
	}
	return r
}

// source is a sample of a file.
type source struct {
	f *ffcv.File
	i int
}

func whole(files ...*ffcv.File) (list []source) {
	for _, f := range files {
		for i := range f.Len() {
			list = append(list, source{f, i})
		}
	}
	return list
}

// check verifies the file at path and compares its samples with those that
// they were made of; more fields than theirs are left to the caller.
func check(t testing.TB, path string, want []source) *ffcv.File {
	t.Helper()
	f := ffcvtest.Map(t, path, nil)
	if err := f.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if f.Len() != len(want) {
		t.Fatalf("%d samples, want %d", f.Len(), len(want))
	}
	for i, s := range want {
		got, want := rowOf(t, f, i), rowOf(t, s.f, s.i)
		got.values = got.values[:len(want.values)]
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("sample %d differs from sample %d of %s", i, s.i, s.f.Name())
		}
		if got.key == "" {
			continue
		}
		first := slices.IndexFunc(whole(f), func(s source) bool { key, _ := f.Key(s.i); return key == got.key })
		if at, ok, err := f.Find(got.key); err != nil || !ok || at != first {
			t.Fatalf("Find(%q) = %d, %v, %v; want %d", got.key, at, ok, err, first)
		}
	}
	return f
}

// alone checks that nothing else lies beside a file.
func alone(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, names) {
		t.Errorf("the folder has %q, want %q", got, names)
	}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("got %q, want %q in it", err, p)
		}
	}
}

// openGolden opens FFCV's own file from a folder, through a map or not.
func openGolden(t testing.TB, name string, mapped bool) *ffcv.File {
	t.Helper()
	g := golden.Open(name)
	b := g.Bytes()
	if !mapped {
		f, err := ffcv.New(ffcv.ReaderAtSource(name, bytes.NewReader(b), int64(len(b))), ffcvtest.Options(g))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	path := filepath.Join(t.TempDir(), name+".beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return ffcvtest.Map(t, path, ffcvtest.Options(g))
}

// equal compares values, NaN with NaN too.
func equal(a, b any) bool {
	return reflect.DeepEqual(a, b) || fmt.Sprintf("%v", a) == fmt.Sprintf("%v", b)
}

// unknownField opens a file of FFCV with a custom field that nothing describes.
func unknownField(t testing.TB) *ffcv.File {
	t.Helper()
	for _, g := range golden.Each() {
		if len(g.Custom()) == 0 {
			continue
		}
		b := g.Bytes()
		f, err := ffcv.New(ffcv.ReaderAtSource(g.Name, bytes.NewReader(b), int64(len(b))), nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	t.Fatal("no file of a custom field")
	return nil
}
