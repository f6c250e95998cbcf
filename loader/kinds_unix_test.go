//go:build unix

package loader_test

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// TestNoFiles gives pipes and devices in the place of states and lists: an error
// that names them, at once.
func TestNoFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	f := open(t, "rgb_jpg")
	for _, path := range []string{pipe, dir, "/dev/zero", "/dev/tty"} {
		_, err1 := loader.ReadState(path)
		_, err2 := loader.QuarantineFile(path)
		for i, err := range []error{err1, err2} {
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%d: %s: %v", i+1, path, err)
			}
		}
		// As a side file it is an error, or is done without.
		l, err := loader.New(f, &loader.Options{MarksFile: path, Outputs: []loader.Output{{Name: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8}}}})
		if err == nil {
			if _, err := consume(t.Context(), l, 4); err != nil {
				t.Errorf("marks in %s: %v", path, err)
			}
			l.Close()
		}
	}
}
