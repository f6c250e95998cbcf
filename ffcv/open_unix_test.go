//go:build unix

package ffcv_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/ffcv"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestOpenAnything opens what is no regular file, as a dataset and as a side
// file: an error that names it, at once.
func TestOpenAnything(t *testing.T) {
	dir, err := os.MkdirTemp("", "open") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := errors.Join(unix.Mkfifo(at("pipe"), 0o666), os.Mkdir(at("folder"), 0o777), os.Symlink("loop", at("loop")), os.Symlink("pipe", at("to-pipe")),
		os.Symlink("/dev/zero", at("to-zero")), os.Symlink("folder", at("to-folder")), os.Symlink("none", at("broken")), os.WriteFile(at("empty"), nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{at("pipe"), at("folder"), at("socket"), at("loop"), at("to-pipe"), at("to-zero"), at("to-folder"), at("broken"), at("empty"), "/dev/zero", "/dev/null", "/dev/tty", "/proc/self/mem"} {
		began := time.Now()
		for _, opts := range []*ffcv.OpenOptions{nil, {Memory: 1 << 20}, {Memory: 1 << 20, Direct: true}} {
			if f, err := ffcv.Open(path, opts); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s: %v, %v", path, f, err)
			}
		}
		if m, err := ffcv.OpenMarks(path, ffcv.Identity{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s, as a side file: %v, %v", path, m, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%s took %v", path, took)
		}
	}
}

// TestGrowing: a file that grows is the one that it was when it was opened.
func TestGrowing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	b := golden.Bytes("bytes")
	for _, opts := range []*ffcv.OpenOptions{nil, {Memory: 1 << 20}} {
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		g, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		g.Close()
		if err := f.Verify(t.Context(), nil); err != nil {
			t.Errorf("%v", err)
		}
		f.Close()
	}
}
