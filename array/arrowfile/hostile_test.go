package arrowfile_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
)

// readable are the golden files' bytes.
func readable(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, path := range files(t) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = b
	}
	return all
}

// use reads what can be read of a file, some megabytes of each column.
func use(t testing.TB, f *arrowfile.File) error {
	t.Helper()
	var errs []error
	for _, m := range f.Members() {
		s, err := f.Stream(m.Name, 1<<16)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for n := 0; n < 4<<20; {
			a, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				errs = append(errs, err)
				break
			}
			if _, err := array.New(a.Spec, a.Data); err != nil {
				t.Errorf("%q: %v", m.Name, err)
			}
			n += len(a.Data) + 1
		}
		s.Close()
		if n, err := m.Spec.Bytes(); err == nil && n < 4<<20 {
			if _, err := f.Array(m.Name); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

var small = &arrowfile.OpenOptions{Fill: "-", MaxArray: 16 << 20}

// TestTruncated cuts golden files at every byte: that is an error, or for a
// stream, whose end nothing tells, fewer batches.
func TestTruncated(t *testing.T) {
	for name, b := range readable(t) {
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
			if err := use(t, f); err != nil {
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
	for _, b := range readable(t) {
		for i, old := range b {
			for _, c := range []byte{0xff, old + 1} {
				b[i] = c
				if f, err := arrowfile.Parse(b, small); err == nil {
					use(t, f)
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
		if err := save(t, path, &arrowfile.CreateOptions{Compression: c}, []array.Member{{Name: "a", Spec: a.Spec}}, []array.Array{a}, nil, 0); err != nil {
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
	for _, b := range readable(f) {
		f.Add(b)
	}
	members, arrays := samples(f, 3)
	for _, name := range []string{"x.arrow", "x.arrows"} {
		path := filepath.Join(f.TempDir(), name)
		if err := save(f, path, &arrowfile.CreateOptions{Compression: arrowfile.ZSTD, BatchRows: 2}, members[:12], arrays[:12], nil, 0); err != nil {
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
			use(t, f)
		}
	})
}
