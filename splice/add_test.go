package splice_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/splice"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestAdd(t *testing.T) {
	ctx := context.Background()
	const n = 120
	f := everyKind{n, 0}.make(t, ffcv.Options{}, nil)
	other := everyKind{n, 500}.make(t, ffcv.Options{PageSize: 4 * mib}, nil)
	column := func(name, field string) splice.Column {
		c, err := splice.Stored(name, other, other.FieldIndex(field))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	number := splice.Column{Name: "number", Field: fields.Int{}, Len: n, At: func(i int) (any, error) { return i * 3, nil }}
	blob := splice.Column{Name: "blob", Field: fields.Bytes{}, Len: n, At: func(i int) (any, error) { return golden.Input(i, 40_000), nil }}
	for _, test := range []struct {
		name    string
		columns []splice.Column
		copied  bool
	}{
		{"numbers", []splice.Column{number}, true},
		{"stored numbers", []splice.Column{column("a", "label"), column("b", "score"), number}, true},
		{"bytes", []splice.Column{blob, number}, false},
		{"stored bytes", []splice.Column{column("tensor2", "tensor"), column("photo2", "photo")}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.beton")
			if _, err := splice.Add(ctx, path, f, test.columns, nil); err != nil {
				t.Fatal(err)
			}
			// check compares the old fields' values; of marks only those are left
			// that follow them.
			got := open(t, path)
			if err := got.Verify(ctx, nil); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				old, row := rowOf(t, f, i), rowOf(t, got, i)
				if !equal(row.values[:len(old.values)], old.values) || row.key != old.key || !bytes.HasPrefix(row.marks, old.marks) {
					t.Fatalf("sample %d differs", i)
				}
				for k, c := range test.columns {
					v, err := c.At(i)
					if err != nil {
						t.Fatal(err)
					}
					if s, ok := v.(*ffcv.Stored); ok {
						if v, err = s.File.Value(s.Sample, s.Field); err != nil {
							t.Fatal(err)
						}
					}
					if got := row.values[len(old.values)+k]; !equal(got, v) {
						t.Fatalf("sample %d, field %q: %v, want %v", i, c.Name, got, v)
					}
				}
			}
			ptr := func(f *ffcv.File) byte { // of the label's neighbour: copied pages keep their bytes' places
				row, err := f.Metadata(0)
				if err != nil {
					t.Fatal(err)
				}
				return row[5]
			}
			if test.copied && ptr(got) != ptr(f) {
				t.Error("the pages are not where they were")
			}
		})
	}
}

func TestAddRefuses(t *testing.T) {
	f := everyKind{5, 0}.make(t, ffcv.Options{}, nil)
	broken := errors.New("broken")
	for _, test := range []struct {
		column splice.Column
		want   []string
	}{
		{splice.Column{Name: "x", Field: fields.Int{}, Len: 4}, []string{`field "x"`, "4 values, want 5"}},
		{splice.Column{Name: "x", Len: 5}, []string{`field "x"`, "no Field"}},
		{splice.Column{Name: "label", Field: fields.Int{}, Len: 5, At: func(int) (any, error) { return 1, nil }}, []string{`"label"`, "twice"}},
		{splice.Column{Name: "x", Field: fields.Int{}, Len: 5, At: func(int) (any, error) { return "text", nil }}, []string{"sample 0", `field "x"`}},
		{splice.Column{Name: "x", Field: fields.Int{}, Len: 5, At: func(int) (any, error) { return nil, broken }}, []string{"sample 0", "broken"}},
		{splice.Column{Name: "x", Field: fields.Bytes{}, Len: 5, At: func(int) (any, error) { return nil, broken }}, []string{"sample 0", "broken"}},
		{splice.Column{Name: "x", Field: fields.Bytes{}, Len: 5, At: func(int) (any, error) { return make([]byte, 2*mib), nil }}, []string{"sample 0", "does not fit into a page"}},
		{splice.Column{Name: "x", Field: fields.Float{}, Len: 5, At: func(i int) (any, error) { return &ffcv.Stored{File: f, Sample: i, Field: 1}, nil }}, []string{`"label" is int, want float`}},
		{splice.Column{Name: "x", Field: fields.Float{}, Len: 5, At: func(i int) (any, error) { return &ffcv.Stored{File: f, Sample: i + 1, Field: 5}, nil }}, []string{"sample 5 of 5"}},
	} {
		path := filepath.Join(t.TempDir(), "x.beton")
		_, err := splice.Add(context.Background(), path, f, []splice.Column{test.column}, nil)
		wantError(t, err, test.want...)
		alone(t, filepath.Dir(path))
	}
	_, err := splice.Add(context.Background(), "x", f, nil, nil)
	wantError(t, err, "no field")
}

// encoders are the fields with their settings.
var encoders = map[string]fields.Field{}

func init() {
	for _, s := range kindSpecs {
		encoders[s.Name] = s.Field
	}
}

func TestAppend(t *testing.T) {
	ctx := context.Background()
	for _, n := range []int{0, 1, 130} {
		f := everyKind{150, 0}.make(t, ffcv.Options{}, nil)
		more := everyKind{n, 150}
		g := more.make(t, ffcv.Options{}, nil)
		path := filepath.Join(t.TempDir(), "x.beton")
		stats, err := splice.Append(ctx, path, f, more, &splice.AppendOptions{Fields: encoders})
		if err != nil {
			t.Fatal(err)
		}
		if stats.Samples != 150+n {
			t.Errorf("%+v", stats)
		}
		got := check(t, path, whole(f, g))
		if len(got.Classes()) != len(classes) {
			t.Errorf("classes %q", got.Classes())
		}
	}
	// In the place of the old file, with samples that fail.
	path := everyKind{30, 0}.write(t, ffcv.Options{}, nil)
	old := readFile(t, path)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err = splice.Append(ctx, path, f, failing{everyKind{10, 30}}, &splice.AppendOptions{Options: splice.Options{Overwrite: true}}); err == nil || !bytes.Equal(readFile(t, path), old) {
		t.Fatalf("got %v, or the old file was changed", err)
	}
	stats, err := splice.Append(ctx, path, f, failing{everyKind{10, 30}}, &splice.AppendOptions{
		Options: splice.Options{Overwrite: true}, Classes: []string{"a", "b"}, OnError: func(string, error) error { return nil }})
	if err != nil || stats.Samples != 35 || stats.Skipped != 5 {
		t.Fatalf("%+v, %v", stats, err)
	}
	alone(t, filepath.Dir(path), filepath.Base(path))
	for _, bad := range []map[string]fields.Field{{"photo": fields.Int{}}, {"absent": fields.Int{}}} {
		again := open(t, path)
		if _, err := splice.Append(ctx, path, again, everyKind{}, &splice.AppendOptions{Options: splice.Options{Overwrite: true}, Fields: bad}); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
	got := open(t, path)
	if err := got.Verify(ctx, nil); err != nil || got.Len() != 35 || len(got.Classes()) != 2 {
		t.Errorf("%d samples, classes %q, %v", got.Len(), got.Classes(), err)
	}
}

// failing is a dataset of which every second sample fails.
type failing struct{ everyKind }

func (d failing) Sample(ctx context.Context, i int) ([]any, string, error) {
	values, key, err := d.everyKind.Sample(ctx, i)
	if i%2 == 1 {
		err = os.ErrInvalid
	}
	return values, key, err
}

func open(t testing.TB, path string) *ffcv.File {
	t.Helper()
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
