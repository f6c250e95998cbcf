package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
)

// An array of one dimension is a field of shape (1,), and comes back with one
// dimension from whatever file the verbs make of it.
func TestArraysKeepTheirRank(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	numbers := make([]float32, 60)
	for i := range numbers {
		numbers[i] = float32(i) / 3
	}
	x, err := array.Of(numbers, 60)
	if err != nil {
		t.Fatal(err)
	}
	y, err := array.Of(numbers, 60, 1)
	if err != nil {
		t.Fatal(err)
	}
	w, err := gnz.Create(in("a.gnz"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, a := range map[string]array.Array{"x": x, "y": y} {
		if err := w.Put(name, a.Strided(), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.Convert(t.Context(), in("a.gnz"), in("a.beton"), nil); err != nil {
		t.Fatal(err)
	}
	if err := npy.Save(in("n.npy"), y.Strided(), nil); err != nil {
		t.Fatal(err)
	}
	a := in("a.beton")
	for _, test := range []struct {
		out  string
		args []string
		rows int
	}{
		{"subset", []string{"subset", a, "--range", "0:60:2"}, 30},
		{"split", []string{"split", a, "--parts", "0.5,0.5", "-o", in("other.beton")}, 30},
		{"merge", []string{"merge", a, a}, 120},
		{"repack", []string{"merge", a, a, "--repack"}, 120},
		{"append", []string{"append", a, in("subset.beton")}, 90},
		{"add", []string{"add", a, "--field", "n=" + in("n.npy")}, 60},
	} {
		path := in(test.out + ".beton")
		if code, _, errs := call(t, append(test.args, "-o", path)...); code != 0 {
			t.Fatalf("%s: %s", test.out, errs)
		}
		back := in(test.out + ".gnz")
		if _, err := convert.Convert(t.Context(), path, back, nil); err != nil {
			t.Fatalf("%s: %v", test.out, err)
		}
		list, err := convert.List(t.Context(), back, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list.Members {
			want := 1
			if m.Name != "x" {
				want = 2
			}
			if len(m.Spec.Shape) != want || m.Spec.Shape[0] != test.rows {
				t.Errorf("%s: array %q has the shape %v, want %d dimensions of %d rows", test.out, m.Name, m.Spec.Shape, want, test.rows)
			}
		}
		os.Remove(back)
	}
}
