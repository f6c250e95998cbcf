package export_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/export"
)

// TestLeftovers: what a killed export left goes away with the next one to the same
// place; nothing else does.
func TestLeftovers(t *testing.T) {
	f := build(t, imageLabel, &samples{values: [][]any{{pictures(t, 1)[0], 3}}}, nil)
	top := t.TempDir()
	out := filepath.Join(top, "out")
	dead, kept, elsewhere := out+".partial-abc123", out+".partial-keep", filepath.Join(top, "mine")
	copyOf := func(to string) {
		list, err := filepath.Glob(out + ".partial-*")
		if err != nil || len(list) == 0 {
			t.Fatalf("nothing is beside %s while it is written: %v", out, err)
		}
		if err := os.CopyFS(to, os.DirFS(list[0])); err != nil {
			t.Fatal(err)
		}
	}
	// What there is in the midst of an export is what a kill leaves.
	opts := &export.Options{Progress: func(int, int) {
		copyOf(dead)
		copyOf(elsewhere)
		if err := os.Mkdir(kept, 0o777); err != nil {
			t.Fatal(err)
		}
	}}
	if _, err := export.Write(t.Context(), f, out, opts); err != nil {
		t.Fatal(err)
	}
	linked := os.Symlink(elsewhere, out+".partial-link") == nil // Windows asks for rights
	if _, err := export.Write(t.Context(), f, out, nil); err == nil {
		t.Error("a second export: no error")
	}
	if _, err := os.Stat(dead); err != nil {
		t.Errorf("an export that was refused removed it: %v", err)
	}
	var said []string
	if _, err := export.Write(t.Context(), f, out, &export.Options{Overwrite: true, Warn: func(s string) { said = append(said, s) }}); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, dead) }) {
		t.Errorf("said %q, want %s in it", said, dead)
	}
	var got []string
	list, _ := os.ReadDir(top)
	for _, e := range list {
		got = append(got, e.Name())
	}
	want := []string{"mine", "out", "out.partial-keep"}
	if linked {
		want = append(want, "out.partial-link")
	}
	if !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	if list, _ := os.ReadDir(elsewhere); len(list) == 0 {
		t.Error("what a link leads to was emptied")
	}
	if _, err := os.Stat(filepath.Join(out, ".betongo-export.unfinished")); err == nil {
		t.Error("a whole export is marked as unfinished")
	}
}
