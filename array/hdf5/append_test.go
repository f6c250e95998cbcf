package hdf5_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
)

// TestAppend: rows come in portions around a chunk's size, with the file closed
// and opened between.
func TestAppend(t *testing.T) {
	need(t)
	for name, o := range options() {
		o.Resizable = true
		path := filepath.Join(t.TempDir(), "x.h5")
		data := pattern(200 * 3 * 4)
		rows := func(lo, hi int) array.Array { return typed(t, ">i4", data[lo*12:hi*12], hi-lo, 3) }
		words := []string{"", "a", "żółć", "long enough to be longer"}
		save(t, path, o, map[string]array.Array{"g/x": rows(0, 5), "words": text(t, 4, words[:3], 3), "other": of(t, []int64{1, 2})}, map[string]any{"n": int64(1)}, false)
		at := 5
		for _, n := range []int{1, 2, 3, 4, 5, 7, 8, 9, 30, 0} {
			a, err := hdf5.Append(path, "g/x", nil)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if a.Rows() != at || a.Member().Spec.Shape[0] != at {
				t.Fatalf("%s: %d rows, want %d", name, a.Rows(), at)
			}
			for i := range n {
				if err := a.Write(rows(at+i, at+i+1)); err != nil {
					t.Fatal(err)
				}
				if i == n/2 {
					if err := a.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n > 0 {
				if err := a.Write(rows(at+n, at+n+n)); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(a.Close(), a.Close()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := a.Write(rows(0, 1)); !errors.Is(err, os.ErrClosed) {
				t.Errorf("write behind Close: %v", err)
			}
			at += 2 * n
		}
		a, err := hdf5.Append(path, "words", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Write(text(t, 30, words[3:], 1)), a.Write(text(t, 1, words[:2], 2)), a.Close()); err != nil {
			t.Fatal(err)
		}
		f := open(t, path)
		same(t, f, map[string]array.Array{"g/x": rows(0, at), "other": of(t, []int64{1, 2}), "words": text(t, 24, append(slices.Clone(words), words[:2]...), 6)})
	}
}

func TestAppendRefuses(t *testing.T) {
	need(t)
	path := filepath.Join(t.TempDir(), "x.h5")
	save(t, path, hdf5.CreateOptions{}, map[string]array.Array{"fixed": of(t, []int64{1, 2}), "scalar": typed(t, "<f8", make([]byte, 8))}, nil, false)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fixed", "scalar", "nothing"} {
		if a, err := hdf5.Append(path, name, nil); err == nil {
			t.Errorf("%s: appended", name)
			a.Close()
		}
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed, %v", err)
	}
	if _, err := hdf5.Append(path+"x", "x", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	save(t, path+"2", hdf5.CreateOptions{Resizable: true}, map[string]array.Array{"x": of(t, []int64{1, 2})}, nil, false)
	a, err := hdf5.Append(path+"2", "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	first := a.Write(of(t, []int32{1}))
	if first == nil || a.Write(of(t, []int64{1})) == nil || a.Close() == nil {
		t.Error("rows of another type were taken, or forgotten")
	}
	same(t, open(t, path+"2"), map[string]array.Array{"x": of(t, []int64{1, 2})})
}

// TestInteropAppend appends to h5py's, and has it read what came of that.
func TestInteropAppend(t *testing.T) {
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON isn't set")
	}
	need(t)
	path := filepath.Join(t.TempDir(), "x.h5")
	run := func(program string) string {
		t.Helper()
		out, err := exec.Command(python, "-c", "import h5py, sys\nimport numpy as np\n"+program, path).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	run(`
with h5py.File(sys.argv[1], "w") as f:
    for name, kw in (("plain", {}), ("gzip", {"compression": 9, "shuffle": True, "fletcher32": True}), ("wide", {"chunks": (3, 2)})):
        f.create_dataset(name, data=np.arange(20).reshape(5, 4), maxshape=(None, 4), **kw)
    f.create_dataset("both", data=np.arange(20).reshape(5, 4), maxshape=(None, None), chunks=(2, 3), fillvalue=9)
    f.create_dataset("lzf", data=np.arange(20).reshape(5, 4), maxshape=(None, 4), compression="lzf")
    f.create_dataset("words", data=["a", "b"], maxshape=(None,), dtype=h5py.string_dtype())
`)
	rows := of(t, []int64{20, 21, 22, 23, 24, 25, 26, 27}, 2, 4)
	for _, name := range []string{"plain", "gzip", "wide", "both"} {
		a, err := hdf5.Append(path, name, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(a.Write(rows), a.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hdf5.Append(path, "lzf", nil); err == nil || !strings.Contains(err.Error(), "lzf") {
		t.Errorf("lzf: %v", err)
	}
	a, err := hdf5.Append(path, "words", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(a.Write(text(t, 4, []string{"żółć"}, 1)), a.Close()); err != nil {
		t.Fatal(err)
	}
	got := run(`
with h5py.File(sys.argv[1]) as f:
    for name in ("plain", "gzip", "wide", "both"):
        assert np.array_equal(f[name][()], np.arange(28).reshape(7, 4)), (name, f[name][()])
    assert list(f["words"].asstr()) == ["a", "b", "żółć"]
    print("good")
`)
	if got != "good" {
		t.Error(got)
	}
}

func ExampleAppend() {
	if _, _, err := hdf5.Version(); err != nil {
		fmt.Println("[1 2 3 4]") // no libhdf5 here
		return
	}
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "log.h5")

	w, err := hdf5.Create(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := w.Add(array.Member{Name: "value", Spec: array.Spec{DType: array.Float64, Shape: []int{-1}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	some, _ := array.Of([]float64{1, 2})
	if err := errors.Join(s.Write(some), s.Close(), w.Close()); err != nil {
		fmt.Println(err)
		return
	}

	a, err := hdf5.Append(path, "value", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	more, _ := array.Of([]float64{3, 4})
	if err := errors.Join(a.Write(more), a.Close()); err != nil {
		fmt.Println(err)
		return
	}

	f, err := hdf5.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	all, err := f.Array("value")
	if err != nil {
		fmt.Println(err)
		return
	}
	values, _ := array.Values[float64](all.AsContiguous())
	fmt.Println(values)
	// Output: [1 2 3 4]
}
