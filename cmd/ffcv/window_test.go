package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// TestWindow: in little memory a window of pages or blocks is as large as there
// is room for, so that each page is read once; one that is not is told of.
func TestWindow(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name    string
		page    int64
		args    []string
		files   int
		most    float64 // times that the files are read
		least   float64
		warning string
	}{
		{"pages", 2 * mib, []string{"--order", "page_shuffle", "--memory", "8MiB"}, 1, 1.02, 0.5, ""},
		{"pages of several files", 2 * mib, []string{"--order", "page_shuffle", "--memory", "8MiB"}, 3, 1.02, 0.5, ""},
		{"one page at a time", 8 * mib, []string{"--order", "page_shuffle", "--memory", "12MiB"}, 1, 1.02, 0.5, ""},
		{"blocks", 2 * mib, []string{"--order", "block_shuffle", "--block", "500", "--memory", "8MiB"}, 1, 1.1, 0.5, ""},
		{"a window that is set and fits", 2 * mib, []string{"--order", "page_shuffle", "--memory", "8MiB", "--window", "2"}, 1, 1.02, 0.5, ""},
		{"one that doesn't", 2 * mib, []string{"--order", "page_shuffle", "--memory", "8MiB", "--window", "64"}, 1, 1000, 2,
			"warning: page shuffle: a cache of 8.0 MiB has no room for a window of 64 pages of 2.0 MiB, parts of which may be read several times; where none is set it is 2"},
		{"blocks that don't", 2 * mib, []string{"--order", "block_shuffle", "--memory", "2MiB", "--block", "2000", "--window", "5"}, 1, 1000, 2,
			"warning: block shuffle: a cache of 2.0 MiB has no room for a window of 5 blocks of 2.2 MiB"},
		{"a page that doesn't", 8 * mib, []string{"--order", "page_shuffle", "--memory", "4MiB"}, 1, 1000, 2,
			"warning: page shuffle: a cache of 4.0 MiB has no room for one of the pages of 8.1 MiB, parts of which may be read several times; 10.9 MiB is enough"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, size := []string{"bench", "--json", "--epochs", "1"}, int64(0)
			for range c.files {
				path := manyRows(t, 24000/c.files, c.page)
				info, err := os.Stat(path)
				if err != nil {
					t.Fatal(err)
				}
				args, size = append(args, path), size+info.Size()
			}
			code, stdout, stderr := call(t, append(args, c.args...)...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if c.warning == "" && stderr != "" || !strings.Contains(stderr, c.warning) {
				t.Errorf("says %q, want %q", stderr, c.warning)
			}
			var r benchResult
			if err := json.Unmarshal([]byte(stdout), &r); err != nil {
				t.Fatal(err)
			}
			if times := float64(r.Cache.Bytes) / float64(size); times > c.most || times < c.least {
				t.Errorf("%d bytes are read of %d: %.2f times, want %.2f to %.2f", r.Cache.Bytes, size, times, c.least, c.most)
			}
		})
	}
}

// manyRows writes rows of about 1 KiB.
func manyRows(t *testing.T, n int, page int64) string {
	t.Helper()
	row := make([]byte, 1000)
	return ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{len(row)}}},
		{Name: "label", Field: fields.Int{}},
	}, n, func(i int) []any { return []any{row, i} }, &ffcv.Options{PageSize: page})
}
