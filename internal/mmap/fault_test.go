package mmap_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/mmap"
)

// TestGuard touches what a file no longer has: an error with its name, the
// byte, and what became of the file.
func TestGuard(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	page := os.Getpagesize()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, 8*page), 0o666); err != nil {
		t.Fatal(err)
	}
	before := mmap.Count()
	m, err := mmap.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(3*page)); err != nil {
		t.Fatal(err)
	}
	var sum byte
	touch := func(at int) error {
		return mmap.Guard(func() error { sum += m.Bytes()[at]; return nil })
	}
	if err := touch(3*page - 1); err != nil {
		t.Errorf("a byte that is there: %v", err)
	}
	err = touch(5*page + 17)
	var fault *mmap.FaultError
	if !errors.As(err, &fault) {
		t.Fatalf("a byte that is gone: %v", err)
	}
	want := mmap.FaultError{Name: path, Offset: int64(5*page + 17), Size: int64(8 * page), Now: int64(3 * page)}
	if runtime.GOOS == "linux" && *fault != want || fault.Name != path {
		t.Errorf("%+v, want %+v", *fault, want)
	}
	if !strings.Contains(err.Error(), path+": byte ") || !strings.Contains(err.Error(), "cut short") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := touch(6 * page); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("of a file that has no name any more: %v", err)
	}
	if err := m.Close(); err != nil || mmap.Count() != before {
		t.Errorf("%v; %d maps, %d before", err, mmap.Count(), before)
	}
	ouch := errors.New("ouch")
	if err := mmap.Guard(func() error { return ouch }); err != ouch {
		t.Errorf("%v", err)
	}
	defer func() {
		if r := recover(); r != "panic" {
			t.Errorf("another panic became %v", r)
		}
	}()
	mmap.Guard(func() error { panic("panic") })
}
