package source_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// TestTableOutside: a table's files lie below its folder, whatever names and
// links say, unless others are allowed.
func TestTableOutside(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "data")
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	if err := errors.Join(os.MkdirAll(at("sub", "deep"), 0o777), os.WriteFile(at("in"), []byte("in"), 0o666), os.WriteFile(at("sub", "in"), []byte("in"), 0o666),
		os.WriteFile(filepath.Join(top, "secret"), []byte("secret"), 0o666), os.Mkdir(filepath.Join(top, "dataset"), 0o777),
		os.WriteFile(filepath.Join(top, "dataset", "x"), []byte("secret"), 0o666)); err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{ // whether they lie below
		"in": true, "sub/in": true, "sub/../in": true, "./sub//in": true, at("in"): true, at("sub", "in"): true,
		"../secret": false, "sub/../../secret": false, filepath.Join(top, "secret"): false, "../data/in": true, "../dataset/x": false,
		"../../../../../../../../../../../../etc/passwd": false, "..": false,
	}
	if os.PathSeparator == '/' {
		if err := errors.Join(os.Symlink("in", at("link")), os.Symlink("../secret", at("leak")), os.Symlink("..", at("up")), os.Symlink("sub", at("folder")),
			os.Symlink("leak", at("far")), os.Symlink("/etc/passwd", at("sub", "deep", "x"))); err != nil {
			t.Fatal(err)
		}
		for name, ok := range map[string]bool{"link": true, "folder/in": true, "leak": false, "up/secret": false, "up/data/in": true, "far": false, "sub/deep/x": false, "up/nothing": false, "folder/nothing": true} {
			names[name] = ok
		}
	}
	specs := specs(t, "b=bytes")
	for name, ok := range names {
		for _, free := range []bool{false, true} {
			path := at("t.jsonl")
			if err := os.WriteFile(path, fmt.Appendf(nil, "{\"b\": %q}\n{\"b\": %q}\n", name, name), 0o666); err != nil {
				t.Fatal(err)
			}
			tab, err := source.OpenTable(t.Context(), path, specs, &source.TableOptions{Outside: free})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 2 { // the second time its folder is known
				values, _, err := tab.Sample(t.Context(), i)
				if want := ok || free; (err == nil) != want || !want && !errors.Is(err, source.ErrOutside) {
					t.Errorf("%s, allowed %v: %v, %v", name, free, values, err)
				} else if want && len(values) == 1 {
					if _, is := values[0].(fields.Path); !is {
						t.Errorf("%s: %T", name, values[0])
					}
				}
			}
			tab.Close()
		}
	}
	t.Chdir(dir)
	tab, err := source.OpenTable(t.Context(), "t.jsonl", specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tab.Close()
}
