package hdf5_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array/hdf5"
)

// TestRows reads rows that h5py wrote: arrays in one piece and in chunks, and
// sequences of bytes, in any order.
func TestRows(t *testing.T) {
	const dir = "../../testdata/records/hdf5/"
	var truth []string
	b, err := os.ReadFile(dir + "truth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	f := open(t, dir+"collection.h5")
	if got, want := strings.Join(f.Names(), " "), "fewer images jpegs labels mass packed train/jpegs vector"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	whole, err := f.Array("images")
	if err != nil {
		t.Fatal(err)
	}
	pixels := whole.AsContiguous()
	for _, name := range []string{"images", "packed", "jpegs", "train/jpegs"} {
		r, err := f.Rows(name)
		if err != nil {
			t.Fatal(err)
		}
		if r.Len() != 10 || r.Row().Shape[0] != map[bool]int{true: -1, false: 4}[strings.HasSuffix(name, "jpegs")] {
			t.Errorf("%s: %d rows of %v", name, r.Len(), r.Row())
		}
		step := r.Together()
		for lo := r.Len() / step * step; lo >= 0; lo -= step {
			hi := min(lo+step, r.Len())
			rows, err := r.Read(lo, hi)
			if err != nil || len(rows) != hi-lo {
				t.Fatalf("%s: %v: %d rows", name, err, len(rows))
			}
			for i, b := range rows {
				if strings.HasSuffix(name, "jpegs") {
					if got := fmt.Sprintf("%x", sha256.Sum256(b)); got != truth[lo+i] {
						t.Errorf("%s: row %d: %d bytes, %s", name, lo+i, len(b), got)
					}
				} else if !slices.Equal(b, pixels.Row(lo+i).Data) {
					t.Errorf("%s: row %d: got %v", name, lo+i, b)
				}
			}
		}
		for _, at := range [][2]int{{-1, 0}, {0, 11}, {5, 4}} {
			if _, err := r.Read(at[0], at[1]); err == nil {
				t.Errorf("%s: no error for rows %v", name, at)
			}
		}
		r.Close()
		r.Close()
	}
	for _, name := range []string{"one", "numbers", "none"} {
		if _, err := f.Rows(name); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, m := range f.Members() {
		if strings.Contains(m.Name, "jpegs") {
			t.Errorf("%s is a member", m.Name)
		}
	}
	if err := f.Refused(); err == nil || !strings.Contains(err.Error(), "jpegs") {
		t.Errorf("got %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Rows("images"); err == nil {
		t.Error("no error of a closed file")
	}
}

// TestRowsChanged reads sequences of a file with any other byte: there may be errors,
// but nothing worse.
func TestRowsChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a file some hundred times")
	}
	b, err := os.ReadFile("../../testdata/records/hdf5/collection.h5")
	if err != nil {
		t.Fatal(err)
	}
	for i := 100; i < len(b); i += 397 {
		changed := slices.Clone(b)
		changed[i] ^= 0x41
		path := t.TempDir() + "/x.h5"
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := hdf5.Open(path, nil)
		if err != nil {
			continue
		}
		for _, name := range []string{"jpegs", "train/jpegs"} {
			if r, err := f.Rows(name); err == nil {
				_, _ = r.Read(0, min(r.Len(), 10))
				r.Close()
			}
		}
		f.Close()
	}
}
