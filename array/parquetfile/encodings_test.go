package parquetfile_test

import (
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
	"github.com/betongo/betongo/internal/formattest"
)

// TestEncodings reads one table that pyarrow wrote in many ways (peer.py in
// internal/arrow/testdata, of five rows): by dictionaries, plain, as deltas, split
// into streams, in pages of version 2 and in the types of version 1. The values
// are the same in all.
func TestEncodings(t *testing.T) {
	opts := &parquetfile.OpenOptions{Fill: "-"}
	want := map[string]array.Array{}
	f := open(t, "testdata/none.parquet", opts)
	for _, m := range f.Members() {
		s, err := f.Array(m.Name)
		if err != nil {
			t.Fatal(err)
		}
		want[m.Name] = s.AsContiguous()
	}
	if len(want) < 50 {
		t.Fatalf("%d columns", len(want))
	}
	for name, s := range map[string]string{"small": "<i4 (5,)", "turned": "<f4 (5, 1, 3, 4)", "s holes": "<U21 (5,)", "date32": "<M8[D] (5,)"} {
		if got := want[name].Spec.String(); got != s {
			t.Errorf("%q is %s, want %s", name, got, s)
		}
	}
	for _, file := range []string{"brotli", "delta", "plain", "split", "v2", "old"} {
		f := open(t, "testdata/"+file+".parquet", opts)
		members := f.Members()
		if len(members) < 10 || file != "old" && len(members) != len(want) {
			t.Errorf("%s: %d members: %v", file, len(members), f.Refused())
		}
		for _, m := range members {
			s, err := f.Stream(m.Name, 30)
			if err != nil {
				t.Fatal(err)
			}
			got, err := formattest.Rows(t, s)
			if w := want[m.Name]; err != nil || !got.Spec.Equal(w.Spec) || string(got.Data) != string(w.Data) {
				t.Errorf("%s: %q: %v: got %v %x, want %v %x", file, m.Name, err, got.Spec, got.Data, w.Spec, w.Data)
			}
		}
	}
}

// encoded are the files that pyarrow wrote in many ways.
func encoded(t testing.TB) []string {
	t.Helper()
	list, err := filepath.Glob("testdata/*.parquet")
	if err != nil {
		t.Fatal(err)
	}
	return list
}
