package rgb_test

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
)

const ffcvDir = "../testdata/ffcv"

// stored reads the pictures of one of FFCV's files whose first field is an
// image called "image": the one parser of .beton that this room's tests need.
func stored(tb testing.TB, name string) []rgb.Encoded {
	tb.Helper()
	f, err := os.Open(filepath.Join(ffcvDir, name+".beton.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		tb.Fatal(err)
	}
	le := binary.LittleEndian
	fields, samples, table := int(le.Uint16(b[2:])), int(le.Uint64(b[8:])), b[le.Uint64(b[16:]):]
	size := map[uint64]uint64{}
	for ; len(table) >= 24; table = table[24:] {
		size[le.Uint64(table[8:])] = le.Uint64(table[16:])
	}
	var manifest struct {
		ItemSize int `json:"sample_itemsize"`
	}
	readJSON(tb, filepath.Join(ffcvDir, name+".json"), &manifest)
	out := make([]rgb.Encoded, samples)
	for i := range out {
		m := b[24+1041*fields+i*manifest.ItemSize:]
		ptr := le.Uint64(m[5:])
		out[i] = rgb.Encoded{
			JPEG: m[0] == 0, Width: int(le.Uint16(m[1:])), Height: int(le.Uint16(m[3:])),
			Data: b[ptr : ptr+size[ptr]],
		}
	}
	return out
}

func readJSON(tb testing.TB, path string, v any) {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
}

// pixels reads the bytes of a .npy file of type |u1 and version 1.
func pixels(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("\x93NUMPY\x01\x00")) || !bytes.Contains(b[:128], []byte("'|u1'")) {
		tb.Fatalf("%s: not a |u1 array", path)
	}
	return b[10+int(binary.LittleEndian.Uint16(b[8:])):]
}

// difference is the largest and the mean distance between two pictures.
func difference(a, b []byte) (most int, mean float64) {
	if len(a) != len(b) {
		return 256, 256
	}
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		d = max(d, -d)
		most, sum = max(most, d), sum+d
	}
	return most, float64(sum) / float64(len(a))
}
