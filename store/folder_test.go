package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/store"
)

// tree writes files of these names, each with its name in it.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(name), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestS3Folder: a folder is the objects below it; what makes it one comes last, and
// what it doesn't have goes.
func TestS3Folder(t *testing.T) {
	s3test.Start(t)
	const url = "s3://data/a/pack.zarr"
	last := func(name string) bool { return strings.HasSuffix(name, ".json") }
	old := []string{"c/0/0", "c/0/1", "z.json", "zarr.json"}
	if err := store.Upload(t.Context(), tree(t, old...), url, last, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []string{url, url + "/"} {
		if names, err := store.Below(t.Context(), c, nil); err != nil || !slices.Equal(names, old) {
			t.Errorf("below %s: %q, %v", c, names, err)
		}
		copied, err := store.Fetch(t.Context(), c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if names, err := store.Below(t.Context(), copied.Path, nil); err != nil || !slices.Equal(names, old) {
			t.Errorf("the copy: %q, %v", names, err)
		}
		if b, err := os.ReadFile(filepath.Join(copied.Path, "c", "0", "1")); err != nil || string(b) != "c/0/1" {
			t.Errorf("%q, %v", b, err)
		}
		if err := copied.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := store.Upload(t.Context(), tree(t, "x"), url, last, false, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), url) {
		t.Errorf("there already: %v", err)
	}
	if err := store.Upload(t.Context(), tree(t, "c/0/0", "zarr.json"), url, last, true, nil); err != nil {
		t.Error(err)
	}
	if names, err := store.Below(t.Context(), url, nil); err != nil || !slices.Equal(names, []string{"c/0/0", "zarr.json"}) {
		t.Errorf("replaced: %q, %v", names, err)
	}
	if _, err := store.Fetch(t.Context(), "s3://data/a/none/", nil); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "s3://data/a/none/") {
		t.Errorf("none: %v", err)
	}
	// One that fails on its way is gone again.
	bad := tree(t, "a", "b")
	if err := os.Symlink(filepath.Join(bad, "nothing"), filepath.Join(bad, "c.json")); err != nil {
		t.Skip(err)
	}
	if err := store.Upload(t.Context(), bad, "s3://data/bad", last, false, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a link to nothing: %v", err)
	}
	if names, err := store.Below(t.Context(), "s3://data/bad", nil); err != nil || len(names) > 0 {
		t.Errorf("left of it: %q, %v", names, err)
	}
}
