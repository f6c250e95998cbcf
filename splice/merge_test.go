package splice_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/splice"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestMerge(t *testing.T) {
	ctx := context.Background()
	a := everyKind{90, 0}.make(t, ffcv.Options{}, nil)
	b := everyKind{70, 1000}.make(t, ffcv.Options{Plain: true}, &ffcv.DatasetOptions{Shuffle: true})
	c := everyKind{1, 300}.make(t, ffcv.Options{Classes: append(classes, "emu")}, nil)
	empty := everyKind{0, 0}.make(t, ffcv.Options{}, nil)
	large := everyKind{5, 500}.make(t, ffcv.Options{PageSize: 4 * mib}, nil)
	for _, test := range []struct {
		name  string
		files []*ffcv.File
		opts  splice.Options
	}{
		{"one", []*ffcv.File{a}, splice.Options{}},
		{"two", []*ffcv.File{a, b}, splice.Options{}},
		{"many", []*ffcv.File{c, b, empty, a, a, c}, splice.Options{}},
		{"empty", []*ffcv.File{empty, empty}, splice.Options{}},
		{"repacked", []*ffcv.File{c, large, empty, b}, splice.Options{Repack: true}},
		{"page size", []*ffcv.File{c, large}, splice.Options{Repack: true, PageSize: 8 * mib, Workers: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.beton")
			var last ffcv.Progress
			test.opts.Progress = func(p ffcv.Progress) { last = p }
			stats, err := splice.Merge(ctx, path, test.files, &test.opts)
			if err != nil {
				t.Fatal(err)
			}
			f := check(t, path, whole(test.files...))
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, pages := f.Pages(); stats.Samples != f.Len() || stats.Pages != pages || stats.Bytes != info.Size() {
				t.Errorf("%+v, the file has %d samples, %d pages, %d bytes", stats, f.Len(), pages, info.Size())
			}
			if last.Done != f.Len() || last.Total != f.Len() {
				t.Errorf("the last progress was %+v", last)
			}
			want := 4
			for _, f := range test.files {
				want = max(want, len(f.Classes()))
			}
			if got := len(f.Classes()); got != want {
				t.Errorf("%d classes, want %d", got, want)
			}
			alone(t, filepath.Dir(path), "x.beton")
		})
	}
}

// What is merged out of one file is that file, to the byte, when its pages are
// where a writer puts them.
func TestMergeOne(t *testing.T) {
	f := everyKind{60, 0}.make(t, ffcv.Options{}, nil)
	path := filepath.Join(t.TempDir(), "x.beton")
	if _, err := splice.Merge(context.Background(), path, []*ffcv.File{f}, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := readFile(t, path), readFile(t, f.Name()); string(got) != string(want) {
		t.Errorf("%d bytes that differ from %d", len(got), len(want))
	}
}

// FFCV's own files, with empty values that share pointers, tables in any order
// and custom fields, merged with themselves.
func TestMergeGolden(t *testing.T) {
	for _, g := range golden.Each() {
		for _, mapped := range []bool{true, false} {
			for _, repack := range []bool{false, true} {
				if race.Enabled && repack == mapped {
					continue
				}
				f := openGolden(t, g.Name, mapped)
				path := filepath.Join(t.TempDir(), "x.beton")
				_, err := splice.Merge(context.Background(), path, []*ffcv.File{f, f}, &splice.Options{Repack: repack})
				if err != nil {
					if f.Verify(context.Background(), nil) != nil || errors.Is(err, ffcv.ErrUnsupported) {
						t.Logf("%s: %v", g.Name, err)
						continue // such as an array that lost a dimension
					}
					t.Errorf("%s: %v", g.Name, err)
					continue
				}
				got := ffcvtest.Map(t, path, ffcvtest.Options(g))
				for i := range got.Len() {
					for k := range got.Fields() {
						v, err := got.Value(i, k)
						w, wantErr := f.Value(i%f.Len(), k)
						if !equal(v, w) || (err == nil) != (wantErr == nil) {
							t.Fatalf("%s: sample %d, field %d: %v, %v; want %v, %v", g.Name, i, k, v, err, w, wantErr)
						}
					}
				}
				if err := got.Verify(context.Background(), nil); err != nil && f.Verify(context.Background(), nil) == nil {
					t.Errorf("%s: %v", g.Name, err)
				}
			}
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	ctx := context.Background()
	a := everyKind{3, 0}.make(t, ffcv.Options{}, nil)
	for _, test := range []struct {
		name  string
		files []*ffcv.File
		want  []string
	}{
		{"none", nil, []string{"no files"}},
		{"page size", []*ffcv.File{a, everyKind{3, 9}.make(t, ffcv.Options{PageSize: 4 * mib}, nil)}, []string{"from9.beton", "4194304", "from0.beton", "2097152"}},
		{"classes", []*ffcv.File{a, everyKind{3, 9}.make(t, ffcv.Options{Classes: []string{"ant", "bird"}}, nil)}, []string{`class 1 is "bird" in`, `"bee" in`}},
		{"fewer fields", []*ffcv.File{openGolden(t, "mixed", true), openGolden(t, "ints_floats", true)}, []string{"field"}},
		{"kinds", []*ffcv.File{openGolden(t, "ndarray_u16", true), openGolden(t, "ndarray_f16", true)}, []string{"<u2", "<f2"}},
		{"an unknown field", []*ffcv.File{unknownField(t)}, []string{"unsupported", "field"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.beton")
			_, err := splice.Merge(ctx, path, test.files, nil)
			wantError(t, err, test.want...)
			alone(t, filepath.Dir(path))
		})
	}
	path := filepath.Join(t.TempDir(), "x.beton")
	if err := os.WriteFile(path, []byte("old"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := splice.Merge(ctx, path, []*ffcv.File{a}, nil)
	wantError(t, err, "exists")
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = splice.Merge(cancelled, path, []*ffcv.File{a}, &splice.Options{Overwrite: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	alone(t, filepath.Dir(path), "x.beton")
	if string(readFile(t, path)) != "old" {
		t.Error("the old file was changed")
	}
}
