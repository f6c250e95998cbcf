// Package ffcvtest opens .beton files for tests, from memory and through every
// kind of source.
package ffcvtest

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// lender is a Source that lends from memory.
type lender struct {
	*bytes.Reader
	b []byte
}

// Lend returns a source that lends b as it is, whatever writes to it.
func Lend(b []byte) ffcv.Source { return &lender{bytes.NewReader(b), b} }

func (l *lender) Name() string          { return "lender" }
func (l *lender) WillNeed([]ffcv.Range) {}
func (l *lender) Close() error          { return nil }
func (l *lender) Borrow(off, n int64) ([]byte, bool) {
	if off < 0 || n < 0 || off > int64(len(l.b)) || n > int64(len(l.b))-off {
		return nil, false
	}
	return l.b[off : off+n : off+n], true
}

// Map opens a file through a map. The test's end closes it.
func Map(tb testing.TB, path string, opts *ffcv.OpenOptions) *ffcv.File {
	tb.Helper()
	f, err := ffcv.Open(path, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { f.Close() })
	return f
}

// Unpack puts one of FFCV's files into a folder that goes with the test, and
// returns its path.
func Unpack(tb testing.TB, name string) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), name+".beton")
	if err := os.WriteFile(path, golden.Bytes(name), 0o666); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Write writes a file of the samples at(0) to at(n-1) into a folder that goes
// with the test, and returns its path.
func Write(tb testing.TB, specs []ffcv.FieldSpec, n int, at func(i int) []any, opts *ffcv.Options) (path string) {
	tb.Helper()
	path = filepath.Join(tb.TempDir(), "written.beton")
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(tb.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i := range n {
			if !yield(ffcv.Sample{Values: at(i)}, nil) {
				return
			}
		}
	}, &ffcv.StreamOptions{Reserve: int64(n)})
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

// Open opens a file of these bytes three times: "map" lends, "reader" does not,
// nor does "cache", which is smaller than most files. The test's end closes all.
func Open(tb testing.TB, b []byte, opts *ffcv.OpenOptions) map[string]*ffcv.File {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "x.beton")
	if err := os.WriteFile(path, b, 0o666); err != nil {
		tb.Fatal(err)
	}
	mapped := Map(tb, path, opts)
	read, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { read.Close() })
	src, err := ffcv.CacheSource("cache", bytes.NewReader(b), int64(len(b)), 256<<10)
	if err != nil {
		tb.Fatal(err)
	}
	cached, err := ffcv.New(src, opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { cached.Close() })
	return map[string]*ffcv.File{"map": mapped, "reader": read, "cache": cached}
}

// Golden opens a golden file as Open does.
func Golden(tb testing.TB, name string) map[string]*ffcv.File {
	tb.Helper()
	g := golden.Open(name)
	return Open(tb, g.Bytes(), Options(g))
}

// Options describes the custom fields of a golden file.
func Options(g *golden.File) *ffcv.OpenOptions {
	custom := map[string]fields.Field{}
	for name, dtype := range g.Custom() {
		custom[name] = fields.Opaque{DType: dtype}
	}
	return &ffcv.OpenOptions{Custom: custom}
}
