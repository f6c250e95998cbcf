package safetensors_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/safetensors"
	"github.com/betongo/betongo/internal/formattest"
)

// judge is the original library's side: it reads what Go wrote, writes it again
// for a comparison by bytes, and writes files for Go.
const judge = `
import sys, pathlib, numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file, load_file
d = pathlib.Path(sys.argv[1])
names = {"x": "<f4", "a": "|b1", "b": "|u1", "c": "|i1", "d": "<i2", "e": "<u2", "f": "<f2", "g": "<i4", "h": "<u4", "i": "<f8", "j": "<i8", "k": "<u8", "l": "<c8"}
made = {k: np.arange(12).astype(t).reshape(3, 4) for k, t in names.items()}
made |= {"empty": np.zeros((0, 3), "<f4"), "scalar": np.array(7, "<i8"), 'q"\\\n\x01\x7fé': np.ones(3, "|u1")}
for way in "plan", "add", "save":
    got = load_file(d / (way + ".safetensors"))
    assert set(got) == set(made), (way, set(got) ^ set(made))
    for k, a in made.items():
        assert got[k].dtype == a.dtype and got[k].shape == a.shape and (got[k] == a).all(), (way, k)
    with safe_open(d / (way + ".safetensors"), "np") as f:
        assert f.metadata() == {"k\n": "é"}, f.metadata()
        assert (f.get_slice("x")[1:3] == made["x"][1:3]).all()
save_file(made, d / "theirs.safetensors", metadata={"k\n": "é"})
`

// made are the arrays of the judge.
func made(t *testing.T) map[string]array.Strided {
	all := map[string]array.Strided{}
	for name, dtype := range map[string]string{"x": "<f4", "a": "|b1", "b": "|u1", "c": "|i1", "d": "<i2", "e": "<u2", "f": "<f2", "g": "<i4", "h": "<u4", "i": "<f8", "j": "<i8", "k": "<u8", "l": "<c8"} {
		n, _ := array.Of([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 3, 4)
		to, err := array.ParseDType(dtype)
		if err != nil {
			t.Fatal(err)
		}
		a, err := array.Cast(n, to)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = a.Strided()
	}
	empty, _ := array.New(array.Spec{DType: array.Float32, Shape: []int{0, 3}}, nil)
	scalar, _ := array.New(array.Spec{DType: array.Int64}, []byte{7, 0, 0, 0, 0, 0, 0, 0})
	odd, _ := array.Of([]uint8{1, 1, 1})
	all["empty"], all["scalar"], all["q\"\\\n\x01\x7fé"] = empty.Strided(), scalar.Strided(), odd.Strided()
	return all
}

func TestInteropSafetensors(t *testing.T) {
	python := findPython("numpy, safetensors")
	if python == "" {
		t.Skip("no python3 with safetensors and NumPy")
	}
	dir := t.TempDir()
	arrays := made(t)
	path := func(way string) string { return filepath.Join(dir, way+".safetensors") }
	if err := safetensors.Save(path("save"), arrays, map[string]string{"k\n": "é"}, nil); err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"plan", "add"} {
		w, err := safetensors.Create(path(way), nil)
		if err != nil {
			t.Fatal(err)
		}
		var members []array.Member
		for name, a := range arrays {
			members = append(members, array.Member{Name: name, Spec: a.Spec})
		}
		if err := w.SetAttrs(map[string]any{"k\n": "é"}); err != nil {
			t.Fatal(err)
		}
		if way == "plan" {
			if err := w.Plan(members); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range members {
			sink, err := w.Add(m)
			if err != nil {
				t.Fatal(err)
			}
			if err := sink.Write(arrays[m.Name].AsContiguous()); err != nil {
				t.Fatal(err)
			}
			if err := sink.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command(python, "-W", "ignore", "-c", judge, dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want, err := os.ReadFile(path("theirs"))
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []string{"save", "plan", "add"} {
		if got, _ := os.ReadFile(path(way)); !bytes.Equal(got, want) {
			t.Errorf("%s: not the original's bytes: got\n%q, want\n%q", way, head(got), head(want))
		}
	}
	f := open(t, path("theirs"))
	for name, a := range arrays {
		if got, err := f.Array(name); err != nil || formattest.Text(got) != formattest.Text(a) {
			t.Errorf("%q: got %s, %v, want %s", name, formattest.Text(got), err, formattest.Text(a))
		}
	}
}

func head(b []byte) []byte { return b[:min(len(b), 1600)] }

// findPython returns the Python of FORMATS_PYTHON or, where that isn't set, the
// first python3 of the path that has some modules.
func findPython(modules string) string {
	if python := os.Getenv("FORMATS_PYTHON"); python != "" {
		return python
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		python, err := exec.LookPath(filepath.Join(dir, "python3"))
		if err == nil && exec.Command(python, "-c", "import "+modules).Run() == nil {
			return python
		}
	}
	return ""
}
