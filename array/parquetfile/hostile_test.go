package parquetfile_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
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
func use(t testing.TB, f *parquetfile.File) error {
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

var small = &parquetfile.OpenOptions{Fill: "-", MaxArray: 16 << 20}

// TestTruncated cuts golden files at every byte.
func TestTruncated(t *testing.T) {
	for name, b := range readable(t) {
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
	for _, b := range readable(t) {
		for i, old := range b {
			for _, c := range []byte{old + 1} {
				b[i] = c
				if f, err := parquetfile.Parse(b, small); err == nil {
					use(t, f)
				} else if !errors.As(err, new(*parquetfile.FormatError)) {
					t.Fatalf("byte %d: %v", i, err)
				}
			}
			b[i] = old
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, b := range readable(f) {
		f.Add(b)
	}
	for _, b := range seeds(f) {
		f.Add(b)
	}
	members, arrays := samples(f, 3)
	for _, name := range []string{"x.parquet"} {
		path := filepath.Join(f.TempDir(), name)
		if err := save(f, path, &parquetfile.CreateOptions{Compression: parquetfile.ZSTD, RowGroupRows: 2, PageVersion: 2}, members[:12], arrays[:12], nil, 0); err != nil {
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
			use(t, f)
		}
	})
}
