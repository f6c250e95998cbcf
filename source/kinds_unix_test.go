//go:build unix

package source_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/source"
)

// TestNoFiles gives sources pipes and devices in the place of their files: an
// error that names them, at once.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	began := time.Now()
	for _, name := range []string{"t.csv", "t.jsonl", "x.npy"} {
		for _, make := range []func(path string) error{
			func(path string) error { return unix.Mkfifo(path, 0o666) },
			func(path string) error { return os.Symlink("/dev/zero", path) },
			func(path string) error { return os.Symlink(name, path) },
			func(path string) error { return os.Mkdir(path, 0o777) },
		} {
			path := at(name)
			if err := errors.Join(os.RemoveAll(path), make(path)); err != nil {
				t.Fatal(err)
			}
			var err error
			if name == "x.npy" {
				_, err = source.OpenArrays(specs(t, "x=float:file="+path))
			} else {
				_, err = source.OpenTable(t.Context(), path, specs(t, "i=int"), nil)
			}
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	// In a folder of photographs they are left aside, or errors of their sample.
	if err := errors.Join(os.MkdirAll(at("photos", "a"), 0o777), unix.Mkfifo(at("photos", "a", "pipe.jpg"), 0o666), unix.Mkfifo(at("photos", "a", "pipe"), 0o666),
		os.Symlink("/dev/zero", at("photos", "a", "zero")), os.Symlink("loop.jpg", at("photos", "a", "loop.jpg"))); err != nil {
		t.Fatal(err)
	}
	f, err := source.OpenFolder(t.Context(), at("photos"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Len() != 1 || len(f.Skipped()) != 3 {
		t.Errorf("%d samples, without %v", f.Len(), f.Skipped())
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}
