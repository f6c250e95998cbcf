package parquetfile_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array/parquetfile"
	"github.com/betongo/betongo/internal/formattest"
)

var small = &parquetfile.OpenOptions{Fill: "-", MaxArray: 16 << 20}

// TestTruncated cuts golden files at every byte.
func TestTruncated(t *testing.T) {
	for name, b := range formattest.ReadAll(t, files(t)) {
		for n := range b {
			if _, err := parquetfile.Parse(b[:n], small); !errors.As(err, new(*parquetfile.FormatError)) {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

// TestBytesChanged sets every byte of golden files to another: there may be
// errors or other values, but nothing worse.
func TestBytesChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("reads files some ten thousand times")
	}
	for _, b := range formattest.ReadAll(t, files(t)) {
		for i, old := range b {
			for _, c := range []byte{old + 1} {
				b[i] = c
				if f, err := parquetfile.Parse(b, small); err == nil {
					formattest.Use(t, f)
				} else if !errors.As(err, new(*parquetfile.FormatError)) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
			b[i] = old
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range formattest.ReadAll(f, files(f)) {
		f.Add(b)
	}
	for _, b := range formattest.ReadAll(f, encoded(f)) {
		f.Add(b)
	}
	members, arrays := formattest.Columns(f, 3)
	for _, name := range []string{"x.parquet"} {
		path := filepath.Join(f.TempDir(), name)
		if err := save(f, path, &parquetfile.CreateOptions{Compression: parquetfile.ZSTD, RowGroupRows: 2, PageVersion: 2}, members[:12], arrays[:12]); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if f, err := parquetfile.Parse(b, small); err == nil {
			formattest.Use(t, f)
		}
	})
}
