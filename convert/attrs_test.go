package convert_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/torchfile"
	"github.com/betongo/betongo/array/zarr"
	"github.com/betongo/betongo/convert"
)

// Attributes that HDF5 has no type for go along as JSON text, and the report
// says so; the others as they are.
func TestAttrsOfHDF5(t *testing.T) {
	if _, _, err := hdf5.Version(); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.gnz"), filepath.Join(dir, "out.h5")
	save(t, in, map[string]any{"name": "x", "map": map[string]any{"a": 1.5}, "mixed": []any{"a", 1.0, nil}}, map[string]array.Spec{"a": spec("<f4", 2, 3)})
	report, err := convert.Convert(context.Background(), in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"map", "mixed"} {
		if !slices.ContainsFunc(report.Notes, func(n convert.Note) bool { return strings.Contains(n.String(), `"`+key+`" is kept as JSON text`) }) {
			t.Errorf("no note of %q: %v", key, report.Notes)
		}
	}
	f, err := hdf5.Open(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want := map[string]any{"name": "x", "map": `{"a":1.5}`, "mixed": `["a",1,null]`}
	got := f.Attrs()
	for key, v := range want {
		if got[key] != v {
			t.Errorf("%q: %v, want %v", key, got[key], v)
		}
	}
}

// noted tells whether a report has a note with a text in it.
func noted(r *convert.Report, text string) bool {
	return slices.ContainsFunc(r.Notes, func(n convert.Note) bool { return strings.Contains(n.String(), text) })
}

// Attributes of groups go along where there are groups, and are told elsewhere.
func TestAttrsOfGroups(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.zarr")
	w, err := zarr.Create(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	for name, attrs := range map[string]map[string]any{"g": {"who": "me"}, "g/h": {"n": 1.5}, "other": {"b": true}} {
		if err := w.AddGroup(name, attrs); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"g/h/x", "y"} {
		s, err := w.Add(array.Member{Name: name, Spec: spec("<f4", 2)})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Write(fill(spec("<f4", 2))), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	groups := func(path string) map[string]map[string]any {
		f, err := zarr.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all := map[string]map[string]any{}
		for _, g := range f.Groups() {
			if len(g.Attrs) > 0 {
				all[g.Name] = g.Attrs
			}
		}
		return all
	}
	out := filepath.Join(dir, "out.zarr")
	to := func(path string, opts convert.Options) *convert.Report {
		t.Helper()
		opts.Overwrite = true
		r, err := convert.Convert(t.Context(), in, path, &opts)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if r := to(out, convert.Options{}); len(r.Notes) > 0 || !reflect.DeepEqual(groups(out), groups(in)) {
		t.Errorf("all arrays: %v, %v", groups(out), r.Notes)
	}
	to(out, convert.Options{Arrays: []string{"g/h/x"}})
	if got := groups(out); len(got) != 2 || got["other"] != nil {
		t.Errorf("one array: %v", got)
	}
	// An array that has a group's name.
	r := to(out, convert.Options{Rename: map[string]string{"y": "other"}})
	if got := groups(out); len(got) != 2 || !noted(r, `attribute "b" of the group "other" isn't kept`) {
		t.Errorf("an array called as a group: %v, %v", got, r.Notes)
	}
	for _, name := range []string{"x.npz", "each_{name}.npy", "x.beton"} {
		r := to(filepath.Join(dir, name), convert.Options{Rename: map[string]string{"g/h/x": "x"}})
		for _, want := range []string{`attribute "who" of the group "g"`, `attribute "n" of the group "g/h"`, `attribute "b" of the group "other"`} {
			if !noted(r, want) {
				t.Errorf("%s: no note of %s: %v", name, want, r.Notes)
			}
		}
	}
	if _, _, err := hdf5.Version(); err != nil {
		t.Skip(err)
	}
	h5 := filepath.Join(dir, "x.h5")
	if r := to(h5, convert.Options{}); len(r.Notes) > 0 {
		t.Errorf("HDF5: %v", r.Notes)
	}
	if _, err := convert.Convert(t.Context(), h5, out, &convert.Options{Overwrite: true}); err != nil || !reflect.DeepEqual(groups(out), groups(in)) {
		t.Errorf("by way of HDF5: %v, %v", groups(out), err)
	}
}

// Attributes of every kind go into a .pt, or are told; none keeps arrays from
// being converted. Of lists and dicts the values come back one by one.
func TestAttrsOfTorch(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.gnz"), filepath.Join(dir, "out.pt")
	attrs := map[string]any{"n": 3, "f": 1.5, "s": "x", "list": []any{1, 2.5, "a", nil, true}, "map": map[string]any{"k": []any{1}}, "a": "as the array"}
	save(t, in, attrs, map[string]array.Spec{"a": spec("<f4", 2)})
	r, err := convert.Convert(t.Context(), in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !noted(r, `attribute "a" isn't kept: an array is called so`) || len(r.Notes) != 1 {
		t.Errorf("notes %v", r.Notes)
	}
	f, err := torchfile.Open(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := json.Marshal(f.Attrs())
	if want := `{"f":1.5,"list.0":1,"list.1":2.5,"list.2":"a","list.3":null,"list.4":true,"map.k.0":1,"n":3,"s":"x"}`; err != nil || string(got) != want {
		t.Errorf("attributes %s, %v, want %s", got, err, want)
	}
	if _, _, err := hdf5.Version(); err != nil {
		t.Skip(err)
	}
	h5 := filepath.Join(dir, "in.h5")
	w, err := hdf5.Create(h5, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if err := w.SetAttrs(map[string]any{"v": fill(spec("<f4", 3)), "words": []string{"a", "b"}, "u": uint8(7), "half": float32(0.5), "big": uint64(1 << 63)}); err != nil {
		t.Fatal(err)
	}
	s, err := w.Add(array.Member{Name: "a", Spec: spec("<f4", 2)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Write(fill(spec("<f4", 2))), s.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if r, err = convert.Convert(t.Context(), h5, out, &convert.Options{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if !noted(r, `attribute "v" is kept as a list of numbers`) {
		t.Errorf("notes %v", r.Notes)
	}
	g, err := torchfile.Open(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	got, err = json.Marshal(g.Attrs())
	if want := `{"big":9223372036854775808,"half":0.5,"u":7,"v.0":1,"v.1":2,"v.2":3,"words.0":"a","words.1":"b"}`; err != nil || string(got) != want {
		t.Errorf("attributes %s, %v, want %s", got, err, want)
	}
}
