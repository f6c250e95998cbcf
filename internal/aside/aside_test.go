package aside_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/aside"
)

func names(t *testing.T, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("x", 250))
	f, err := aside.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("one"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the target is there before Commit")
	}
	if err := f.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a second Commit: %v", err)
	}
	if err := errors.Join(f.Abort(), f.Close()); err != nil {
		t.Errorf("Abort behind Commit: %v", err)
	}
	if b, err := os.ReadFile(path); string(b) != "one" || names(t, dir) != filepath.Base(path) {
		t.Errorf("%q, %v; files %s", b, err, names(t, dir))
	}
	if _, err := aside.Create(path, false); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if err := aside.WriteFile(path, []byte("two"), true); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "two" {
		t.Errorf("%q", b)
	}
	if f, err = aside.Create(path, true); err != nil {
		t.Fatal(err)
	}
	f.WriteString("three")
	if err := errors.Join(f.Abort(), f.Abort()); err != nil {
		t.Error(err)
	}
	if b, _ := os.ReadFile(path); string(b) != "two" || names(t, dir) != filepath.Base(path) {
		t.Errorf("after Abort %q; files %s", b, names(t, dir))
	}
	if _, err := aside.Create(dir, true); err == nil {
		t.Error("over a folder")
	}
	if _, err := aside.Create(filepath.Join(dir, "no", "file"), true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in no folder: %v", err)
	}
}

// TestAppeared: a file that appeared meanwhile is not replaced.
func TestAppeared(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	f, err := aside.Create(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Commit: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "mine" || names(t, dir) != "x" {
		t.Errorf("%q; files %s", b, names(t, dir))
	}
}

func TestLink(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("symbolic links need a right there")
	}
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "far"), 0o777), os.Symlink("far/file", filepath.Join(dir, "link")), os.Symlink("loop", filepath.Join(dir, "loop"))); err != nil {
		t.Fatal(err)
	}
	if err := aside.WriteFile(filepath.Join(dir, "link"), []byte("x"), false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "far", "file")); string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := aside.Create(filepath.Join(dir, "loop"), true); err == nil {
		t.Error("a loop of links was followed")
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "d")
	fill := func(d *aside.Folder, text string) {
		t.Helper()
		if err := errors.Join(os.Mkdir(d.Path("sub"), 0o777), os.WriteFile(d.Path("sub/file"), []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	d, err := aside.CreateFolder(path+string(filepath.Separator), false, nil)
	if err != nil {
		t.Fatal(err)
	}
	fill(d, "one")
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a second Commit: %v", err)
	}
	if _, err := aside.CreateFolder(path, false, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a folder: %v", err)
	}
	for _, last := range []string{"two", "three"} {
		if d, err = aside.CreateFolder(path, true, nil); err != nil {
			t.Fatal(err)
		}
		fill(d, last)
		if last == "three" {
			err = errors.Join(d.Abort(), d.Abort())
		} else {
			err = d.Commit()
		}
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := os.ReadFile(filepath.Join(path, "sub", "file")); string(b) != "two" || names(t, dir) != "d" {
			t.Errorf("%q; files %s", b, names(t, dir))
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	if d, err = aside.CreateFolder(filepath.Join(dir, "empty"), false, nil); err != nil {
		t.Fatal(err)
	}
	fill(d, "x")
	if err := d.Commit(); err != nil || names(t, dir) != "d empty" {
		t.Errorf("into an empty folder: %v; files %s", err, names(t, dir))
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := aside.CreateFolder(filepath.Join(dir, "file"), true, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	mine := errors.New("mine")
	found := func(dir string) error {
		if _, err := os.Stat(filepath.Join(dir, "mine")); err == nil {
			return mine
		}
		return nil
	}
	if d, err = aside.CreateFolder(path, true, found); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "mine"), nil, 0o666); err != nil { // meanwhile
		t.Fatal(err)
	}
	if err := d.Commit(); !errors.Is(err, mine) {
		t.Errorf("over what must stay: %v", err)
	}
	if _, err := aside.CreateFolder(path, true, found); !errors.Is(err, mine) || !strings.Contains(err.Error(), path) {
		t.Errorf("over what must stay: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(path, "sub", "file")); string(b) != "two" {
		t.Errorf("it is %q now", b)
	}
}

// TestCopyRange copies between files that grow, in every place and of any size.
func TestCopyRange(t *testing.T) {
	dir := t.TempDir()
	want := make([]byte, 9<<20+12345)
	for i := range want {
		want[i] = byte(i*7/5 + i>>15)
	}
	from, err := os.Create(filepath.Join(dir, "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if err := aside.WriteAt(from, want, 0); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 4095, 4096, 256 << 10, len(want) - 3} {
		to, err := aside.Create(filepath.Join(dir, "to"), true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.Write(want[:5]); err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{3, 5} { // alike in their pages, and not
			if got, err := aside.CopyRange(to.File, at, from, 3, int64(n)); err != nil || got != int64(n) {
				t.Errorf("%d bytes: %d, %v", n, got, err)
			}
			if got, err := os.ReadFile(to.Name()); err != nil || string(got[at:int(at)+n]) != string(want[3:3+n]) {
				t.Errorf("%d bytes to byte %d: other ones, %v", n, at, err)
			}
		}
		if err := to.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	to, err := aside.Create(filepath.Join(dir, "to"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer to.Abort()
	if n, err := aside.CopyRange(to.File, 0, from, 10, int64(len(want))); err != io.ErrUnexpectedEOF || n != int64(len(want)-10) {
		t.Errorf("more than there is: %d, %v", n, err)
	}
	if n, err := to.Write(want); err != nil || n != len(want) {
		t.Errorf("%d, %v", n, err)
	}
}
