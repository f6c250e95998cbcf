package arrowfile_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
	"github.com/betongo/betongo/internal/formattest"
)

var small = &arrowfile.OpenOptions{Fill: "-", MaxArray: 16 << 20}

// TestTruncated cuts golden files at every byte: that is an error, or for a
// stream, whose end nothing tells, fewer batches.
func TestTruncated(t *testing.T) {
	for name, b := range formattest.ReadAll(t, files(t)) {
		for n := range b {
			f, err := arrowfile.Parse(b[:n], small)
			if err != nil {
				if !errors.As(err, new(*arrowfile.FormatError)) {
					t.Fatalf("%s, %d bytes: %v", name, n, err)
				}
				continue
			}
			if !strings.HasSuffix(name, ".arrows") {
				t.Fatalf("%s: %d of %d bytes were read", name, n, len(b))
			}
			if err := formattest.Use(t, f); err != nil {
				t.Fatalf("%s, %d bytes: %v", name, n, err)
			}
			if rows := f.Members()[0].Spec.Shape[0]; rows > 2 && n < len(b)-8 {
				t.Fatalf("%s, %d bytes: %d rows", name, n, rows)
			}
		}
	}
}

// TestBytesChanged sets every byte of golden files to two others: there may be
// errors or other values, but nothing worse.
func TestBytesChanged(t *testing.T) {
	if testing.Short() {
		t.Skip("reads files some ten thousand times")
	}
	for _, b := range formattest.ReadAll(t, files(t)) {
		for i, old := range b {
			for _, c := range []byte{0xff, old + 1} {
				b[i] = c
				if f, err := arrowfile.Parse(b, small); err == nil {
					formattest.Use(t, f)
				} else if !errors.As(err, new(*arrowfile.FormatError)) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
			b[i] = old
		}
	}
}

// TestClaims: what a file claims to unpack to takes no memory.
func TestClaims(t *testing.T) {
	a := array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{0x123457}}, Data: make([]byte, 0x123457)}
	for _, c := range []arrowfile.Compression{arrowfile.LZ4, arrowfile.ZSTD} {
		path := filepath.Join(t.TempDir(), "x.arrow")
		if err := save(t, path, &arrowfile.CreateOptions{Compression: c}, []array.Member{{Name: "a", Spec: a.Spec}}, []array.Array{a}); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		// Wherever the number of rows is told, another one.
		b = bytes.ReplaceAll(b, []byte{0x57, 0x34, 0x12, 0, 0, 0, 0, 0}, []byte{0, 0, 0, 0, 1, 0, 0, 0})
		f, err := arrowfile.Parse(b, &arrowfile.OpenOptions{MaxArray: 1 << 40})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Members()[0].Spec.Shape[0]; got != 1<<32 {
			t.Fatalf("%d rows", got)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := f.Array("a"); err == nil || !strings.Contains(err.Error(), `array "a"`) {
			t.Errorf("%s: got %v", c, err)
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
			t.Errorf("%s: %d bytes were allocated", c, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range formattest.ReadAll(f, files(f)) {
		f.Add(b)
	}
	members, arrays := formattest.Columns(f, 3)
	for _, name := range []string{"x.arrow", "x.arrows"} {
		path := filepath.Join(f.TempDir(), name)
		if err := save(f, path, &arrowfile.CreateOptions{Compression: arrowfile.ZSTD, BatchRows: 2}, members[:12], arrays[:12]); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if f, err := arrowfile.Parse(b, small); err == nil {
			formattest.Use(t, f)
		}
	})
}
