package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
	"github.com/betongo/betongo/internal/mmap"
)

// TestCutUnderConvert cuts every format's file short while it is converted into
// every other: an error that names it and no output, or all is read already;
// never the end of the program.
func TestCutUnderConvert(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a mapped file can't be cut short on Windows")
	}
	maps := mmap.Count()
	dir := t.TempDir()
	const rows, row = 1024, 256 // a megabyte
	values := make([]float32, rows*row)
	for i := range values {
		values[i] = float32(i) / 7
	}
	a, err := array.Of(values)
	if err != nil {
		t.Fatal(err)
	}
	a.Shape = []int{rows, row}
	begin := filepath.Join(dir, "begin.npy")
	if err := npy.Save(begin, a.Strided(), nil); err != nil {
		t.Fatal(err)
	}
	names := []string{"x.npy", "x.npz", "x.gnz", "x.safetensors", "x.pt", "x.zarr", "x.zarr.zip", "x.h5", "x.arrow", "x.parquet", "x.mat", "x.npk", "x.csv", "x.raw", "x.beton"}
	raw := convert.Raw{DType: array.Float32, Shape: []int{rows, row}}
	faults := 0
	for _, in := range names {
		whole := filepath.Join(dir, "whole", in)
		if err := os.MkdirAll(filepath.Dir(whole), 0o777); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.Convert(t.Context(), begin, whole, nil); err != nil {
			if without(err) {
				continue
			}
			t.Fatal(in, err)
		}
		for _, to := range names {
			if testing.Short() && to != "x.npy" && to != "x.beton" && to != "x.npz" {
				continue
			}
			path := filepath.Join(dir, "in_"+in)
			if err := errors.Join(os.RemoveAll(path), copyTree(path, whole)); err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(dir, "out-"+to)
			cut := false
			opts := &convert.Options{Raw: raw, Chunk: 64 << 10, Progress: func(p convert.Progress) {
				if !cut {
					cut = true
					cutLargest(t, path)
				}
			}}
			_, err := convert.Convert(t.Context(), path, out, opts)
			if without(err) {
				continue
			}
			if !cut {
				t.Errorf("%s to %s: %v before the first step", in, to, err)
			}
			var fault *mmap.FaultError
			if errors.As(err, &fault) {
				faults++
				if !strings.HasPrefix(fault.Name, path) || fault.Offset <= 0 {
					t.Errorf("%s to %s: %v", in, to, err)
				}
			}
			if err != nil {
				if _, statErr := os.Stat(out); statErr == nil {
					t.Errorf("%s to %s: output beside %v", in, to, err)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "*.partial*")); len(left) > 0 {
				t.Errorf("%s to %s: left %v", in, to, left)
			}
			if err := os.RemoveAll(out); err != nil {
				t.Fatal(err)
			}
		}
	}
	if faults == 0 && !testing.Short() {
		t.Error("no map was touched behind the cut")
	}
	if n := mmap.Count(); n != maps {
		t.Errorf("%d maps are open, %d before", n, maps)
	}
}

// cutLargest cuts the largest file of a file or folder to a third.
func cutLargest(t *testing.T, path string) {
	t.Helper()
	largest, size := "", int64(-1)
	err := filepath.WalkDir(path, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Size() > size {
			largest, size = path, info.Size()
		}
		return err
	})
	if err := errors.Join(err, os.Truncate(largest, size/3)); err != nil {
		t.Error(err)
	}
}

func copyTree(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o666)
}
