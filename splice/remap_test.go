package splice_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/label"
	"github.com/betongo/betongo/splice"
)

func mapping(t *testing.T, text string, classes []string) label.Mapping {
	t.Helper()
	rules, err := label.ParseMapping(text)
	if err != nil {
		t.Fatal(err)
	}
	m, err := label.NewMapping(rules, classes)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRemap(t *testing.T) {
	const n = 103
	f := everyKind{n, 0}.make(t, ffcv.Options{}, nil)
	m := mapping(t, "cat=pet,dog=pet", f.Classes())
	path := filepath.Join(t.TempDir(), "out")
	opts := &splice.RemapOptions{Field: 1, Label: m.Label, Classes: m.Classes()}
	if _, err := splice.Remap(context.Background(), path, f, opts); err != nil {
		t.Fatal(err)
	}
	got := ffcvtest.Map(t, path, nil)
	if err := got.Verify(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"ant", "bee", "pet"}; !slices.Equal(got.Classes(), want) {
		t.Errorf("classes %v, want %v", got.Classes(), want)
	}
	for i := range n {
		want, have := rowOf(t, f, i), rowOf(t, got, i)
		want.values[1] = min(want.values[1].(int64), 2)
		if !reflect.DeepEqual(have, want) {
			t.Fatalf("sample %d: got %v, want %v", i, have, want)
		}
	}
	// The pages are the same bytes; they may lie elsewhere in the file.
	first, pages := f.Pages()
	to, _ := got.Pages()
	size := pages * int64(f.Header().PageSize)
	a, _ := f.Borrow(first, size)
	b, _ := got.Borrow(to, size)
	if len(a) == 0 || !bytes.Equal(a, b) {
		t.Error("the pages differ")
	}
}

func TestRemapRefuses(t *testing.T) {
	f := everyKind{20, 0}.make(t, ffcv.Options{}, nil)
	path := filepath.Join(t.TempDir(), "out")
	m := mapping(t, "0=a,1=b,2=c", nil)
	for _, test := range []struct {
		opts splice.RemapOptions
		want string
	}{
		{splice.RemapOptions{Field: 1, Label: m.Label}, "sample 3: label 3: no rule names it"},
		{splice.RemapOptions{Field: 0}, "want an int field"},
		{splice.RemapOptions{Field: 9}, "field 9 of 7"},
	} {
		_, err := splice.Remap(context.Background(), path, f, &test.opts)
		wantError(t, err, test.want)
		if _, err := os.Stat(path); err == nil {
			t.Error("something was written")
		}
	}
}

// TestDivide: the lists are what the files hold.
func TestDivide(t *testing.T) {
	const n = 103
	f := everyKind{n, 0}.make(t, ffcv.Options{}, nil)
	opts := &splice.SplitOptions{ByClass: true, Field: 1, Shuffle: true, Seed: 8}
	shares := []float64{0.7, 0.2, 0.1}
	lists, err := splice.Divide(context.Background(), f, shares, opts)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var parts []splice.Part
	for k, s := range shares {
		parts = append(parts, splice.Part{Path: filepath.Join(dir, string(rune('a'+k))), Share: s})
	}
	if _, err := splice.Split(context.Background(), f, parts, opts); err != nil {
		t.Fatal(err)
	}
	for k, list := range lists {
		check(t, parts[k].Path, pick(f, list...))
	}
	labels, err := splice.Labels(context.Background(), f, 1)
	if err != nil || len(labels) != n || labels[7] != 3 {
		t.Errorf("labels %v, %v", labels, err)
	}
	_, err = splice.Divide(context.Background(), f, []float64{1, 1e-9}, opts)
	wantError(t, err, "part 1 (list 1) gets none of the 103 samples")
}
