package source_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// Every change of a source that could change a file is seen, and what is not
// changed is the same again.
func TestIdentity(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		at := time.Unix(1e9, 0) // only what a test changes is of another time
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"photos/a/1.jpg", "photos/b/2.jpg", "masks/a/1.png", "masks/b/2.png", "cells/x", "cells/y"} {
		put(name, name)
	}
	put("cells/t.csv", "f,n\nx,1\ny,2\n")
	folder := func() string {
		f, err := source.OpenFolder(t.Context(), filepath.Join(dir, "photos"), &source.FolderOptions{Masks: filepath.Join(dir, "masks")})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		return text(t, f.Identity)
	}
	table := func() string {
		specs := []source.Spec{{Field: source.Field{Name: "f", Field: fields.Bytes{}}}, {Field: source.Field{Name: "n", Field: fields.Int{}}}}
		s, err := source.OpenTable(t.Context(), filepath.Join(dir, "cells", "t.csv"), specs, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		return text(t, s.Identity)
	}
	if text := folder(); !strings.Contains(text, `the newest "a/1.jpg" of 2001-09-09`) {
		t.Errorf("got %s: of files as old as each other the first by name is told", text)
	}
	for _, c := range []struct {
		name   string
		of     func() string
		change func()
	}{
		{"an image's size", folder, func() { put("photos/a/1.jpg", "more than it was") }},
		{"an image's time", folder, func() {
			if err := os.Chtimes(filepath.Join(dir, "photos", "a", "1.jpg"), time.Time{}, time.Now()); err != nil {
				t.Fatal(err)
			}
		}},
		{"a new image", folder, func() { put("photos/b/0.jpg", "x") }},
		{"an image of another name", folder, func() {
			if err := os.Rename(filepath.Join(dir, "photos", "b", "0.jpg"), filepath.Join(dir, "photos", "b", "00.jpg")); err != nil {
				t.Fatal(err)
			}
		}},
		{"no mask", folder, func() { os.Remove(filepath.Join(dir, "masks", "b", "2.png")) }},
		{"a record", table, func() { put("cells/t.csv", "f,n\nx,1\ny,3\n") }},
		{"a file that is named", table, func() { put("cells/y", "another text") }},
		{"no file of that name", table, func() { os.Remove(filepath.Join(dir, "cells", "x")) }},
	} {
		was := c.of()
		if again := c.of(); again != was {
			t.Errorf("%s: nothing changed, but\n%s is\n%s", c.name, was, again)
		}
		c.change()
		if c.of() == was {
			t.Errorf("%s: not seen in\n%s", c.name, was)
		}
	}
}

func text(t *testing.T, identity func(context.Context) ([]source.Trait, error)) string {
	t.Helper()
	list, err := identity(t.Context())
	if err != nil || len(list) == 0 {
		t.Fatalf("%v, %v", list, err)
	}
	var b strings.Builder
	for _, x := range list {
		b.WriteString(x.Name + ": " + x.Value + "\n")
	}
	return b.String()
}
