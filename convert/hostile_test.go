package convert_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
)

var formats = filepath.Join("..", "testdata", "formats")

// goldens lists the golden files and folders, and what to tell of raw ones.
func goldens(t *testing.T) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(formats, func(path string, d fs.DirEntry, err error) error {
		switch name := filepath.ToSlash(path); {
		case err != nil:
			return err
		case strings.HasSuffix(name, ".npk") || strings.HasSuffix(name, ".zarr"):
			list = append(list, path)
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir(), strings.Contains(name, "/raw/"), strings.HasSuffix(name, ".md"), strings.HasSuffix(name, ".json"), strings.HasSuffix(name, ".npkg"):
		case slices.Contains([]string{"object_pickle.npy", "needs_recovery.npy", "v1.feather"}, d.Name()): // refused as they are
		default:
			list = append(list, path)
		}
		return nil
	})
	if err != nil || len(list) < 60 {
		t.Fatalf("%d goldens, %v", len(list), err)
	}
	return list
}

// TestGoldens: every golden is converted by what its bytes tell.
func TestGoldens(t *testing.T) {
	dir := t.TempDir()
	for i, path := range goldens(t) {
		out := filepath.Join(dir, fmt.Sprint(i, ".gnz"))
		r, err := convert.Convert(t.Context(), path, out, &convert.Options{Skip: true, Fill: ""})
		if err != nil {
			if !without(err) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if len(r.Arrays) == 0 {
			t.Errorf("%s: no arrays", path)
		}
		l, err := convert.List(t.Context(), out, nil)
		if err != nil || len(l.Members) != len(r.Arrays) {
			t.Errorf("%s: %v of %d arrays, %v", path, l, len(r.Arrays), err)
		}
	}
}

// without tells whether an error is that of a machine without libhdf5.
func without(err error) bool { return err != nil && strings.Contains(err.Error(), "libhdf5") }

// TestTruncated cuts every golden short, at each of its files: there is an
// error, or what is left is whole; with an error the output stays as it was.
func TestTruncated(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out", "old.gnz")
	old := []byte("what was there")
	if err := os.Mkdir(filepath.Dir(out), 0o777); err != nil {
		t.Fatal(err)
	}
	tried, failed := 0, 0
	for _, path := range goldens(t) {
		var parts []string // files of the golden
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		parts = []string{""}
		if info.IsDir() {
			parts = nil
			err = filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					rel, _ := filepath.Rel(path, name)
					parts = append(parts, rel)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if len(parts) > 3 {
				parts = parts[len(parts)-3:]
			}
		}
		for _, part := range parts {
			whole, err := os.ReadFile(filepath.Join(path, part))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range cuts(len(whole)) {
				in := filepath.Join(dir, "in", filepath.Base(path))
				if err := os.RemoveAll(filepath.Join(dir, "in")); err != nil {
					t.Fatal(err)
				}
				if info.IsDir() {
					err = os.CopyFS(in, os.DirFS(path))
				} else {
					err = os.Mkdir(filepath.Dir(in), 0o777)
				}
				if err == nil {
					err = os.WriteFile(filepath.Join(in, part), whole[:n], 0o666)
				}
				if err == nil {
					err = os.WriteFile(out, old, 0o666)
				}
				if err != nil {
					t.Fatal(err)
				}
				tried++
				_, err = convert.Convert(t.Context(), in, out, &convert.Options{Overwrite: true})
				if err == nil {
					continue
				}
				failed++
				if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, old) {
					t.Fatalf("%s at %d of %d bytes: the output was touched: %q, %v", filepath.Join(path, part), n, len(whole), got, err)
				}
				if list, err := os.ReadDir(filepath.Dir(out)); err != nil || len(list) != 1 {
					t.Fatalf("%s at %d of %d bytes: left %v, %v", filepath.Join(path, part), n, len(whole), list, err)
				}
			}
		}
	}
	if failed < tried/2 {
		t.Errorf("of %d truncated inputs only %d are errors", tried, failed)
	}
}

// cuts are lengths to which a file is cut.
func cuts(n int) []int {
	steps := 6
	if testing.Short() {
		steps = 2
	}
	list := []int{0, n - 1}
	for i := 1; i < steps; i++ {
		list = append(list, n*i/steps)
	}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(n int) bool { return n < 0 })
}

// TestTogether: of conversions to one place at once each ends with an error or
// its own whole result, and one of those is there.
func TestTogether(t *testing.T) {
	for _, name := range []string{"out.npk", "out.safetensors", "out.beton"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, name)
			const n = 4
			errs := make([]error, n)
			var wait sync.WaitGroup
			for i := range n {
				in := filepath.Join(dir, fmt.Sprint("x", i, ".npy"))
				a, err := array.Of(slices.Repeat([]float32{float32(i)}, 1000*(i+1)), 1000, i+1)
				if err == nil {
					err = npy.Save(in, a.Strided(), nil)
				}
				if err != nil {
					t.Fatal(err)
				}
				wait.Add(1)
				go func() {
					defer wait.Done()
					_, errs[i] = convert.Convert(context.Background(), in, out, &convert.Options{Overwrite: true, Rename: map[string]string{fmt.Sprint("x", i): "x"}})
				}()
			}
			wait.Wait()
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				}
			}
			if done == 0 {
				t.Fatal(errors.Join(errs...))
			}
			f, err := convert.Open(t.Context(), out, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			m := f.Members()[0]
			i := m.Spec.Shape[1] - 1
			if errs[i] != nil {
				t.Errorf("the file is of conversion %d, which ended with %v", i, errs[i])
			}
			b, err := collect(f, m.Name, m.Spec)
			if err != nil || !bytes.Equal(b, array.BytesOf(slices.Repeat([]float32{float32(i)}, 1000*(i+1)))) {
				t.Errorf("conversion %d: %d bytes, %v", i, len(b), err)
			}
			if list, err := filepath.Glob(filepath.Join(dir, "*.partial-*")); err != nil || len(list) > 0 {
				t.Errorf("left %v, %v", list, err)
			}
		})
	}
}

// TestCancelled: a context that ends in the middle leaves nothing.
func TestCancelled(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.npy")
	a, err := array.Of(make([]float64, 1<<20), 1<<17, 8)
	if err == nil {
		err = npy.Save(in, a.Strided(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range models {
		ctx, cancel := context.WithCancel(t.Context())
		out := filepath.Join(dir, f.path)
		calls := 0
		o := &convert.Options{To: f.name, DType: array.Float32, Chunk: 1 << 16, Progress: func(p convert.Progress) {
			if calls++; calls == 3 {
				cancel()
			}
			if p.Array != "in" || p.Total != 8<<20 || p.Done > p.Total {
				t.Errorf("%s: progress %+v", f.name, p)
			}
		}}
		_, err := convert.Convert(ctx, in, out, o)
		cancel()
		if f.accept != nil {
			continue // pictures have other dimensions
		}
		if !errors.Is(err, context.Canceled) && !without(err) {
			t.Errorf("%s: got %v", f.name, err)
		}
		if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
			t.Fatalf("%s: left %v, %v", f.name, list, err)
		}
	}
}

// TestLarge: arrays beyond 2^31 bytes, of a file that takes no room. The outputs
// are removed one by one: those that aren't packed have 2 GiB.
func TestLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 2 GiB several times")
	}
	in := filepath.Join(t.TempDir(), "x.npy")
	const rows = 1<<31/4096 + 3
	m, err := npy.CreateMap(in, array.Spec{DType: array.Int64, Shape: []int{rows, 512}}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	copy(m.Array().Data[(rows-1)*4096:], "the last row")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, compression string }{
		{"x.zarr.zip", ""}, // which packs zeros well, into one file
		{"x.parquet", "zstd"}, {"x.arrow", "zstd"}, {"x.arrow", ""}, {"x.h5", ""}, {"x.pt", ""}, {"x.beton", ""},
	} {
		t.Run(strings.TrimSuffix(c.name+":"+c.compression, ":"), func(t *testing.T) {
			if _, _, err := hdf5.Version(); err != nil && c.name == "x.h5" {
				t.Skip(err)
			}
			out := filepath.Join(t.TempDir(), c.name)
			if _, err := convert.Convert(t.Context(), in, out, &convert.Options{Compression: c.compression}); err != nil {
				t.Fatal(err)
			}
			large(t, out, rows)
		})
	}
}

// large reads the array x of rows of 4096 bytes, of which the last one tells so.
func large(t *testing.T, path string, rows int) {
	f, err := convert.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := f.Stream("x", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := 0
	for n < rows {
		a, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		n += a.Shape[0]
		if last := a.Row(a.Shape[0] - 1).Data; n == rows && string(bytes.TrimRight(last, "\x00")) != "the last row" {
			t.Errorf("got %q", bytes.TrimRight(last, "\x00"))
		}
	}
}
