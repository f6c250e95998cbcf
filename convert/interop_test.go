package convert_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/convert"
)

// readBack reads one array of each file with the format's own library and
// compares it with NumPy's.
const readBack = `
import sys, numpy as np

def h5(p):
    import h5py
    with h5py.File(p) as f: return f["x"][...]
def zarr(p):
    import zarr
    return np.asarray(zarr.open(p, mode="r")["x"][...])
def npk(p):
    from numpack import NumPack
    n = NumPack(p); n.open(); return n.load("x")
def tensors(p):
    from safetensors.numpy import load_file
    return load_file(p)["x"]
def column(t):
    c = t.column("x").combine_chunks()
    c = c.chunk(0) if hasattr(c, "chunk") else c
    if hasattr(c, "to_numpy_ndarray"): return c.to_numpy_ndarray()
    while hasattr(c, "flatten") and c.type.num_fields: c = c.flatten()
    return c.to_numpy(zero_copy_only=False).reshape(want.shape)
def arrow(p):
    import pyarrow as pa
    with pa.memory_map(p) as m: return column(pa.ipc.open_file(m).read_all())
def arrows(p):
    import pyarrow as pa
    with pa.memory_map(p) as m: return column(pa.ipc.open_stream(m).read_all())
def parquet(p):
    import pyarrow.parquet as pq
    return column(pq.read_table(p))
def mat(p):
    import scipy.io
    return scipy.io.loadmat(p)["x"]
def csv(p): return np.loadtxt(p, delimiter=",", dtype=want.dtype, ndmin=2)
def raw(p): return np.fromfile(p, want.dtype).reshape(want.shape)
readers = dict(npy=np.load, npz=lambda p: np.load(p)["x"], npk=npk, safetensors=tensors, zarr=zarr, hdf5=h5, arrow=arrow, arrows=arrows,
               parquet=parquet, mat=mat, csv=csv, raw=raw)
bad = 0
for arg in sys.argv[1:]:
    name, path = arg.split("=", 1)
    if name == "want":
        want = np.load(path)
        continue
    try:
        got = readers[name](path)
        if got.dtype != want.dtype or got.shape != want.shape or not np.array_equal(got, want): raise ValueError(f"{got.dtype} {got.shape} {got!r:.200}")
    except Exception as e:
        bad += 1; print(f"{name}: {type(e).__name__}: {e}")
print("read", len(sys.argv) - 1 - bad)
`

// TestInteropConvert: the formats' own libraries read what is converted, equal
// to the last bit.
func TestInteropConvert(t *testing.T) {
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON names no Python interpreter with the formats' libraries")
	}
	dir := t.TempDir()
	args := []string{"-c", readBack}
	for i, dtype := range []string{"<f4", "<i8", "|u1", "<f8"} {
		dir := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		in := filepath.Join(dir, "x.npy")
		path := filepath.Join(dir, "x.raw")
		a := fill(array.Spec{DType: mustType(dtype), Shape: []int{4, 3}})
		if err := array.ToFile(path, a, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.Convert(t.Context(), path, in, &convert.Options{Overwrite: true, Raw: convert.Raw{DType: a.DType, Shape: a.Shape}}); err != nil {
			t.Fatal(err)
		}
		args = append(args, "want="+in)
		for _, f := range models {
			if f.accept != nil || f.name == "gnz" || f.name == "torch" || f.name == "beton" || f.name == "txt" {
				continue // no library, or none that is light, or one that is tested elsewhere
			}
			out := filepath.Join(dir, "out_"+f.path)
			_, err := convert.Convert(t.Context(), in, out, &convert.Options{To: f.name, Overwrite: true})
			if without(err) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			args = append(args, f.name+"="+out)
		}
	}
	text, err := exec.Command(python, args...).CombinedOutput()
	if want := fmt.Sprintf("read %d", len(args)-2); err != nil || !strings.HasSuffix(strings.TrimSpace(string(text)), want) || strings.Contains(string(text), "Error") {
		t.Errorf("%v\n%s", err, text)
	}
}
