package convert_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
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
