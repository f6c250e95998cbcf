package ffcvtest

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// FlipPicture copies a file and flips one bit of a sample's JPEG there, one
// with which it still decodes, to other pixels. It returns the copy, and where
// in it the JPEG lies.
func FlipPicture(tb testing.TB, path string, sample int, field string) (damaged string, offset int64) {
	tb.Helper()
	f := Map(tb, path, nil)
	k := f.FieldIndex(field)
	if k < 0 {
		tb.Fatalf("%s has no field %q", path, field)
	}
	e, err := f.Image(sample, k)
	if err != nil {
		tb.Fatal(err)
	}
	row, err := f.Metadata(sample)
	if err != nil {
		tb.Fatal(err)
	}
	offset = int64(binary.LittleEndian.Uint64(row[f.Fields()[k].Offset+5:]))
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	var want, got rgb.Image
	if err := rgb.DecodeJPEG(&want, e.Data); err != nil {
		tb.Fatal(err)
	}
	n := len(e.Data)
	for at := n / 2; at < n-2; at++ {
		value := b[offset:][:n]
		value[at] ^= 4
		if err := rgb.DecodeJPEG(&got, value); err == nil && !bytes.Equal(got.Pix, want.Pix) {
			damaged = filepath.Join(tb.TempDir(), "damaged.beton")
			if err := os.WriteFile(damaged, b, 0o666); err != nil {
				tb.Fatal(err)
			}
			return damaged, offset
		}
		value[at] ^= 4
	}
	tb.Fatalf("%s: sample %d: no bit of the second half of its JPEG changes pixels and nothing else", path, sample)
	return "", 0
}
