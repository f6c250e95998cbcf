package photo_test

import (
	"context"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/benchmarks/peer/photo"
)

// some returns a few sources.
func some(t *testing.T) []string {
	t.Helper()
	list, err := photo.Sources(30_000, filepath.Join("..", "..", "..", "testdata", "photos"), "no such folder")
	if err != nil || len(list) < 2 {
		t.Fatalf("sources: %v, %v", list, err)
	}
	return list[:2]
}

func TestMakeIsTheSameEachTime(t *testing.T) {
	const n = 12
	dir := t.TempDir()
	var digests [2]string
	for i, name := range []string{"a", "b"} {
		seen := 0
		err := photo.Make(context.Background(), filepath.Join(dir, name), n, some(t), 7, func(done int) { seen = done })
		if err != nil {
			t.Fatal(err)
		}
		count, bytes, digest, err := photo.Measure(filepath.Join(dir, name))
		if err != nil || count != n || seen != n || bytes == 0 {
			t.Errorf("%d photographs of %d bytes, %d told, %v; want %d", count, bytes, seen, err, n)
		}
		digests[i] = digest
	}
	if digests[0] != digests[1] {
		t.Errorf("digests %s and %s; want the same", digests[0], digests[1])
	}
	files, err := filepath.Glob(filepath.Join(dir, "a", "class_00[01]", "img_0000*.jpg"))
	if err != nil || len(files) != n {
		t.Fatalf("%d files, %v; want %d", len(files), err, n)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := jpeg.DecodeConfig(f)
		f.Close()
		if err != nil || min(c.Width, c.Height) < 200 || max(c.Width, c.Height) > 900 {
			t.Errorf("%s: %dx%d, %v; want sides of 200 to 900", name, c.Width, c.Height, err)
		}
	}
}

func TestMakeFails(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.jpg")
	if err := os.WriteFile(bad, []byte("no JPEG"), 0o666); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	for _, c := range []struct {
		name    string
		ctx     context.Context
		sources []string
		want    string
	}{
		{"nothing", context.Background(), nil, "nothing to make them from"},
		{"damaged", context.Background(), []string{bad}, "bad.jpg"},
		{"stopped", stopped, some(t), "canceled"},
	} {
		err := photo.Make(c.ctx, filepath.Join(dir, c.name), 3, c.sources, 1, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
	if err := photo.Make(context.Background(), dir, 1, some(t), 1, nil); !os.IsExist(err) {
		t.Errorf("a folder that is there: %v; want that it is", err)
	}
}
