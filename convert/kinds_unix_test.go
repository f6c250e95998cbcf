//go:build unix

package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
)

// TestNoFile gives every format a pipe, devices and folders to read, by its name
// and by its extension: an error that names it, at once.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.npz")
	for _, f := range convert.Formats() {
		extensions := append([]string{""}, f.Extensions...)
		for i, e := range extensions {
			pipe, zero, loop := filepath.Join(dir, f.Name+"pipe"+e), filepath.Join(dir, f.Name+"zero"+e), filepath.Join(dir, f.Name+"loop"+e)
			if err := errors.Join(unix.Mkfifo(pipe, 0o666), os.Symlink("/dev/zero", zero), os.Symlink(filepath.Base(loop), loop)); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{pipe, zero, loop} {
				opts := &convert.Options{Raw: convert.Raw{DType: array.Float32}}
				if i == 0 {
					opts.From = f.Name
				}
				began := time.Now()
				_, err1 := convert.List(t.Context(), path, opts)
				_, err2 := convert.Convert(t.Context(), path, out, opts)
				for _, err := range []error{err1, err2} {
					if err == nil || !strings.Contains(err.Error(), path) {
						t.Errorf("%s, %s: %v", f.Name, path, err)
					}
				}
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("%s, %s took %v", f.Name, path, took)
				}
			}
		}
	}
}
