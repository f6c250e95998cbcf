package store_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

func TestPaths(t *testing.T) {
	for _, c := range []struct{ base, rel, want string }{
		{"s3://bucket/a/b", "c.beton", "s3://bucket/a/b/c.beton"},
		{"s3://bucket", "c.beton", "s3://bucket/c.beton"},
		{"s3://bucket/", "./x/c.beton", "s3://bucket/x/c.beton"},
		{"s3://bucket/a", "../../../c", "s3://bucket/c"},
		{"s3://bucket/a", "gs://other/c", "gs://other/c"},
		{"s3://bucket/a", "/tmp/c", "/tmp/c"},
		{"https://host/a?sig=1", "c", "https://host/a/c?sig=1"},
		{"a/b", "c/d", filepath.Join("a", "b", "c", "d")},
		{"file:///tmp/a", "c", filepath.FromSlash("/tmp/a/c")},
		{"", "c", "c"},
	} {
		if got := store.Join(c.base, c.rel); got != c.want {
			t.Errorf("Join(%q, %q) = %q, want %q", c.base, c.rel, got, c.want)
		}
	}
	for _, c := range []struct{ path, dir, base string }{
		{"s3://bucket/a/b.beton", "s3://bucket/a", "b.beton"},
		{"s3://bucket/b.beton", "s3://bucket/", "b.beton"},
		{"s3://bucket/a/b.zarr/", "s3://bucket/a", "b.zarr"},
		{"s3://bucket/what?#%41.beton", "s3://bucket/", "what?#%41.beton"},
		{"https://host/a/b%20c.beton?sig=/x", "https://host/a?sig=/x", "b c.beton"},
		{"file:///tmp/b.beton", filepath.FromSlash("/tmp"), "b.beton"},
		{"b.beton", ".", "b.beton"},
	} {
		if dir, base := store.Dir(c.path), store.Base(c.path); dir != c.dir || base != c.base {
			t.Errorf("%q: Dir %q, Base %q, want %q and %q", c.path, dir, base, c.dir, c.base)
		}
	}
	for path, want := range map[string]string{
		"https://me:secret@host/a.beton?X-Sig=secret#secret": "https://host/a.beton",
		"https://host\x7f/?secret":                           "https://…",
		"s3://bucket/a?b":                                    "s3://bucket/a?b",
		"s3://me:secret@bucket/a@b":                          "s3://bucket/a@b",
		"s3://me:a/secret@bucket/b":                          "s3://bucket/b",
		"s3://arn:aws:s3:x:1:accesspoint:y/a@b":              "s3://arn:aws:s3:x:1:accesspoint:y/a@b",
		"gs://bucket/a@b":                                    "gs://bucket/a@b",
		"a@b/c":                                              "a@b/c",
		"a?b":                                                "a?b",
	} {
		if got := store.Name(path); got != want {
			t.Errorf("Name(%q) = %q, want %q", path, got, want)
		}
	}
}

// TestWriteFile: of several that write a file one wins, and nobody sees a part.
func TestWriteFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Add(1)
		go func() { // ends with its file
			defer wg.Done()
			errs[i] = store.WriteFile(t.Context(), "file://"+filepath.ToSlash(path), []byte(strings.Repeat(string(rune('a'+i)), 1000)), false, nil)
		}()
	}
	wg.Wait()
	won := 0
	for i, err := range errs {
		if err == nil {
			won++
			b, err := store.ReadFile(t.Context(), path, nil)
			if err != nil || string(b) != strings.Repeat(string(rune('a'+i)), 1000) {
				t.Errorf("writer %d won, but there is %.10q, %v", i, b, err)
			}
		} else if !errors.Is(err, fs.ErrExist) {
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won", won)
	}
	if err := store.WriteFile(t.Context(), path, []byte("new"), true, nil); err != nil {
		t.Error(err)
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("in the folder: %v, %v", list, err)
	}
	for name, want := range map[string]bool{path: true, path + ".no": false} {
		if got, err := store.Exists(t.Context(), name, nil); got != want || err != nil {
			t.Errorf("%s exists: %v, %v", name, got, err)
		}
	}
}

func TestExpandRefused(t *testing.T) {
	dir := t.TempDir()
	a := filepath.Join(dir, "a.beton")
	if err := os.WriteFile(a, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{nil, "no paths"},
		{[]string{a, "file://" + filepath.ToSlash(a)}, "given twice"},
		{[]string{"https://host/x?secret", "https://host/x?secret"}, "https://host/x is given twice"},
		{[]string{"s3://bucket/a", "s3://bucket/a"}, "s3://bucket/a is given twice"},
		{[]string{filepath.Join(dir, "b*")}, "no file matches"},
	} {
		if list, err := store.Expand(t.Context(), c.paths, nil); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %q, %v", c.paths, list, err)
		}
	}
}

// TestLocal: what is on the disk is neither fetched nor sent.
func TestLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	target, err := store.Create(t.Context(), path, false, nil)
	if err != nil || target.Path != path {
		t.Fatalf("%+v, %v", target, err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(target.Commit(t.Context()), target.Close()); err != nil {
		t.Error(err)
	}
	c, err := store.Fetch(t.Context(), path, nil)
	if err != nil || c.Path != path {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := errors.Join(c.Close(), c.Close()); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if _, err := store.Create(t.Context(), "https://host/x?secret", true, nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a web server's file: %v", err)
	}
}

// TestKinds: an object's errors are a file's.
func TestKinds(t *testing.T) {
	_, err := store.OpenFile(t.Context(), "http://127.0.0.1:1/none", &store.Options{Remote: remote.Options{Retries: -1}})
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1/none") {
		t.Errorf("%v", err)
	}
}
