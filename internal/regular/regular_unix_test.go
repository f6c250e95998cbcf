//go:build unix

package regular_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/internal/regular"
)

// TestKinds opens what is no regular file, directly and by links: an error that
// names it and says what it is, at once.
func TestKinds(t *testing.T) {
	dir, err := os.MkdirTemp("", "kinds") // a socket's name is short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(unix.Mkfifo(at("pipe"), 0o666), os.Mkdir(at("folder"), 0o777), os.Symlink("loop", at("loop")),
		os.Symlink("nothing", at("broken")), os.WriteFile(at("file"), []byte("text"), 0o666)); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, want := range map[string]string{
		at("pipe"): "a named pipe", at("folder"): "a folder", at("socket"): "a socket",
		"/dev/zero": "a device", "/dev/tty": "a device", "/dev/null": "a device",
	} {
		link := at("link-" + filepath.Base(name))
		if err := os.Symlink(name, link); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{name, link} {
			began := time.Now()
			for _, flag := range []int{os.O_RDONLY, os.O_RDWR} {
				f, err := regular.OpenFile(path, flag, 0)
				if f != nil || !errors.Is(err, regular.ErrKind) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, %v; want one that says %s", path, f, err, want)
				}
			}
			if _, err := regular.ReadFile(path, 10); !errors.Is(err, regular.ErrKind) {
				t.Errorf("read %s: %v", path, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s took %v", path, took)
			}
		}
	}
	if _, err := regular.Open(at("broken")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a broken link: %v", err)
	}
	if _, err := regular.Open(at("loop")); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
	for most, ok := range map[int64]bool{3: false, 4: true, 5: true} {
		if b, err := regular.ReadFile(at("file"), most); (err == nil) != ok || ok && string(b) != "text" {
			t.Errorf("at most %d bytes: %q, %v", most, b, err)
		}
	}
	if f, err := regular.OpenFile(at("new"), os.O_RDWR|os.O_CREATE, 0o666); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}

// TestOpenRace puts a pipe in a file's place again and again: an open is one of
// a regular file or an error, and never waits.
func TestOpenRace(t *testing.T) {
	dir := t.TempDir()
	pipe, file, path := filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "x")
	if err := errors.Join(unix.Mkfifo(pipe, 0o666), os.WriteFile(file, nil, 0o666), os.Link(file, path)); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			next := filepath.Join(dir, "next")
			if os.Link([]string{pipe, file}[n%2], next) != nil || os.Rename(next, path) != nil {
				return
			}
			os.Remove(next) // a rename of one file to itself leaves both names
		}
	}()
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		f, err := regular.Open(path)
		if err != nil {
			if !errors.Is(err, regular.ErrKind) {
				t.Fatal(err)
			}
			continue
		}
		if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%v, %v", info, err)
		}
		f.Close()
	}
	close(stop)
	<-done
}
