package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
)

// TestPhotos packs real photographs: the same file for any number of workers,
// each photograph's bytes as they were, under its path and its class's label.
func TestPhotos(t *testing.T) {
	photos := filepath.Join("..", "..", "testdata", "photos")
	out := filepath.Join(t.TempDir(), "out.beton")
	var first [sha256.Size]byte
	for _, workers := range []int{1, 2, 8} {
		var stderr bytes.Buffer
		if code := run(t.Context(), []string{"folder", photos, "-o", out, "--force", fmt.Sprint("--workers=", workers)}, io.Discard, &stderr); code != 0 {
			t.Fatalf("%d workers: exit code %d: %s", workers, code, stderr.String())
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		switch sum := sha256.Sum256(data); {
		case workers == 1:
			first = sum
		case sum != first:
			t.Errorf("%d workers: another file than one worker's", workers)
		}
	}
	f, err := ffcv.Open(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.Len() < 20 || len(f.Classes()) < 2 {
		t.Fatalf("got %d photographs in %d classes; testdata/photos has more", f.Len(), len(f.Classes()))
	}
	for i := range f.Len() {
		key, err := f.Key(i)
		if err != nil {
			t.Fatal(err)
		}
		label, err := f.Int(i, 1)
		if err != nil {
			t.Fatal(err)
		}
		img, err := f.Image(i, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(photos, filepath.FromSlash(key)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(img.Data, want) {
			t.Errorf("%s: other bytes than the file's", key)
		}
		if class := filepath.ToSlash(filepath.Dir(filepath.FromSlash(key))); f.Classes()[label] != class {
			t.Errorf("%s: label %d is class %q", key, label, f.Classes()[label])
		}
	}
}
