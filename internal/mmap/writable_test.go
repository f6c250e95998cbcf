package mmap_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/internal/mmap"
)

func TestWritable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("hello"), 0o666); err != nil {
		t.Fatal(err)
	}
	w, err := mmap.OpenWritable(path)
	if err != nil {
		t.Fatal(err)
	}
	copy(w.Bytes(), "J")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); string(b) != "Jello" {
		t.Errorf("%q, %v", b, err)
	}
	if err := errors.Join(w.Close(), w.Close(), w.Flush()); err != nil || w.Bytes() != nil {
		t.Errorf("close: %v", err)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if w, err = mmap.OpenWritable(path); err != nil || len(w.Bytes()) != 0 {
		t.Errorf("an empty file: %v", err)
	}
	w.Close()
	for _, bad := range []string{filepath.Dir(path), path + "x"} {
		if _, err := mmap.OpenWritable(bad); err == nil {
			t.Errorf("%s was mapped", bad)
		}
	}
}
