package npy_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/formattest"
)

// judge is NumPy's side: every x.npy must load as x.bin's bytes and be what
// numpy.save writes of it; all.npz and packed.npz must have the same arrays.
// Then it writes files of its own for us.
const judge = `
import io, pathlib, sys
import numpy as np
d = pathlib.Path(sys.argv[1])


def same(a, raw):
    if a.dtype.names is None:
        return a.tobytes() == raw
    b = np.frombuffer(raw, a.dtype).reshape(a.shape)  # field by field: NumPy doesn't copy what lies between
    return all(a[k].tobytes() == b[k].tobytes() for k in a.dtype.names)


n = 0
for p in sorted(d.glob("*.npy")):
    a = np.load(p)
    want = p.with_suffix(".bin").read_bytes()
    assert same(a, want), (p, a.dtype, a.shape)
    b = io.BytesIO()
    np.save(b, a)
    if not a.dtype.names or a.flags.c_contiguous:
        assert b.getvalue() == p.read_bytes(), (p, b.getvalue()[:200], p.read_bytes()[:200])
    n += 1
for name in ["all", "packed"]:
    with np.load(d / (name + ".npz")) as z:
        for k in z.files:
            assert same(z[k], (d / (k + ".bin")).read_bytes()), (name, k)
        n += len(z.files)
arrays = {
    "f": np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4)),
    "t": np.arange(24, dtype=">i2").reshape(4, 6).T,
    "al": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8"), ("c", [("d", "i2"), ("e", "i8")])], align=True)),
    "ti": np.ones(2, np.dtype([(("title", "name"), "<i4"), ("s", "<U2", (2,))])),
    "v3": np.ones(2, np.dtype([("\u0444'\"", "<i4")])),
    "l1": np.ones(2, np.dtype([("\u00e9", "<i4")])),
    "long": np.ones(1, np.dtype([("field%05d" % i, "<i4") for i in range(4000)])),
    "e": np.zeros((0, 4), "c8"),
    "s": np.array(2.5),
}
for k, a in arrays.items():
    np.save(d / ("py_" + k), a)
    (d / ("py_" + k + ".raw")).write_bytes(a.tobytes())
np.savez(d / "py_stored.npz", **arrays)
np.savez_compressed(d / "py_packed.npz", **arrays)
print(n, "files")
`

func TestInteropNumPy(t *testing.T) {
	python, err := os.Getenv("FORMATS_PYTHON"), error(nil)
	if python == "" {
		python, err = exec.LookPath("python3")
	}
	if err == nil {
		err = exec.Command(python, "-c", "import numpy").Run()
	}
	if err != nil {
		t.Skip("no python3 with NumPy")
	}
	dir := t.TempDir()
	wrote := writeForNumPy(t, dir)
	out, err := exec.Command(python, "-W", "ignore", "-c", judge, dir).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != fmt.Sprint(wrote, " files") {
		t.Fatalf("%v: %s; %d files were written", err, out, wrote)
	}
	raws, err := filepath.Glob(filepath.Join(dir, "py_*.raw"))
	if err != nil || len(raws) < 9 {
		t.Fatal(raws, err)
	}
	for _, raw := range raws {
		want, err := os.ReadFile(raw)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(raw, ".raw")
		name := strings.TrimPrefix(filepath.Base(base), "py_")
		for path, name := range map[string]string{base + ".npy": "", filepath.Join(dir, "py_stored.npz"): name, filepath.Join(dir, "py_packed.npz"): name} {
			a, err := npy.OpenArchive(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.Array(name)
			if err != nil || !bytes.Equal(got.AsContiguous().Data, want) {
				t.Errorf("%s %q: %v, %v", path, name, got.Spec, err)
			}
			formattest.Streams(t, a, name, got)
			a.Close()
		}
		// Written again it is what NumPy wrote.
		file, _ := os.ReadFile(base + ".npy")
		s, err := npy.ParseStrided(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := npy.Save(base+".again", s, nil); err != nil {
			t.Fatal(err)
		}
		if again, _ := os.ReadFile(base + ".again"); !bytes.Equal(again, file) {
			t.Errorf("%s: written again it differs: %.200q, %.200q", base, again, file)
		}
	}
}

// writeForNumPy writes arrays in all our ways and returns how many.
func writeForNumPy(t *testing.T, dir string) int {
	n := 0
	var zips []*npy.Writer
	for _, name := range []string{"all", "packed"} {
		w, err := npy.CreateZip(filepath.Join(dir, name+".npz"), &npy.CreateOptions{Compress: name == "packed"})
		if err != nil {
			t.Fatal(err)
		}
		zips = append(zips, w)
	}
	for i, a := range matrix(t) {
		if a.DType == array.Bool {
			for k := range a.Data {
				a.Data[k] &= 1
			}
		}
		name := fmt.Sprint("m", i)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".bin", a.Data, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, w := range zips {
			s, err := w.Add(array.Member{Name: name, Spec: a.Spec})
			if err != nil {
				t.Fatal(err)
			}
			write(t, s, a)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		save := a.Strided()
		if i%3 == 1 {
			save = save.AsFortran()
		}
		if len(a.Shape) > 0 && i%3 == 2 && a.Shape[0] > 0 {
			appendAll(t, path+".npy", a)
		} else if err := npy.Save(path+".npy", save, nil); err != nil {
			t.Fatal(err)
		}
		n += 3
	}
	for _, w := range zips {
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func appendAll(t *testing.T, path string, a array.Array) {
	t.Helper()
	p, err := npy.OpenAppender(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.Shape[0] {
		row := a.Row(i)
		row.Shape = slices.Concat([]int{1}, row.Shape)
		if err := p.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
}
