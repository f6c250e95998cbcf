package matfile_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/matfile"
)

// dumped is what SciPy reads of a file.
type dumped struct {
	Error  string
	Arrays map[string]struct {
		DType string
		Shape []int
		Bytes string
		Text  []string
	}
}

// same compares a file with what SciPy reads of it.
func same(t *testing.T, path string, want dumped) {
	t.Helper()
	f, err := matfile.Open(path, nil)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	defer f.Close()
	seen := map[string]bool{}
	for _, m := range f.Members() {
		w, ok := want.Arrays[m.Name]
		if !ok {
			t.Errorf("%s: array %q, which SciPy has not", path, m.Name)
			continue
		}
		seen[m.Name] = true
		whole, err := f.Array(m.Name)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if !whole.Spec.Equal(m.Spec) {
			t.Errorf("%s: array %q: %v of Members is %v", path, m.Name, m.Spec, whole.Spec)
		}
		got := whole.AsContiguous()
		if got.DType.Order() == '>' {
			got = array.SwapBytes(got)
		}
		if !slices.Equal(got.Shape, w.Shape) {
			t.Errorf("%s: array %q: shape %v, want %v", path, m.Name, got.Shape, w.Shape)
		} else if w.DType == "U" {
			if text := texts(got); !slices.Equal(text, w.Text) {
				t.Errorf("%s: array %q: %q, want %q", path, m.Name, text, w.Text)
			}
		} else if b := hex.EncodeToString(got.Data); b != w.Bytes || got.DType.String() != w.DType {
			t.Errorf("%s: array %q: %v %s, want %v %s", path, m.Name, got.DType, b, w.DType, w.Bytes)
		}
		streamed(t, f, m, whole)
	}
	for name := range want.Arrays {
		if !seen[name] {
			t.Errorf("%s: no array %q; refused: %v", path, name, f.Refused())
		}
	}
}

// streamed compares a stream of one row at a time with the array.
func streamed(t *testing.T, f *matfile.File, m array.Member, whole array.Strided) {
	t.Helper()
	for _, chunk := range []int{1, 0} {
		s, err := f.Stream(m.Name, chunk)
		if err != nil {
			t.Error(err)
			return
		}
		var got []byte
		for {
			rows, err := s.Next()
			if err != nil {
				if err.Error() != "EOF" {
					t.Error(err)
				}
				break
			}
			if rows.DType != m.Spec.DType {
				t.Errorf("stream of %q: %v, want %v", m.Name, rows.DType, m.Spec.DType)
			}
			got = append(got, rows.Data...)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if want := whole.AsContiguous().Data; !slices.Equal(got, want) {
			t.Errorf("%s: stream of %q: %x, want %x", f.Name(), m.Name, got, want)
		}
	}
}

func texts(a array.Array) []string {
	n, size := 1, a.DType.ItemSize()
	for _, d := range a.Shape {
		n *= d
	}
	list := make([]string, n)
	for i := range list {
		list[i] = array.FormatElement(a.Data[i*size:(i+1)*size], a.DType)
	}
	return list
}

// TestGolden reads what SciPy wrote.
func TestGolden(t *testing.T) {
	for _, name := range []string{"plain", "packed", "level4"} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var want dumped
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		if len(want.Arrays) < 6 {
			t.Fatalf("%s: %d arrays", name, len(want.Arrays))
		}
		same(t, filepath.Join("testdata", name+".mat"), want)
	}
}

// peer runs SciPy. FORMATS_PYTHON names a Python that has it; without it the
// test is skipped.
func peer(t *testing.T, args ...string) []byte {
	t.Helper()
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON names no Python with SciPy")
	}
	cmd := exec.Command(python, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return out
}

func dump(t *testing.T, paths ...string) map[string]dumped {
	t.Helper()
	var list map[string]dumped
	if err := json.Unmarshal(peer(t, append([]string{"testdata/peer.py", "dump"}, paths...)...), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestInteropScipyWrites has SciPy write all that it can.
func TestInteropScipyWrites(t *testing.T) {
	dir := t.TempDir()
	peer(t, "testdata/peer.py", "save", dir)
	var paths []string
	for _, name := range []string{"plain", "packed", "level4"} {
		paths = append(paths, filepath.Join(dir, name+".mat"))
	}
	for path, want := range dump(t, paths...) {
		same(t, path, want)
	}
}

// TestInteropMatlabsOwn reads the files of MATLAB, of all its ages and machines,
// that SciPy brings along for its tests.
func TestInteropMatlabsOwn(t *testing.T) {
	where := strings.TrimSpace(string(peer(t, "-c", "import scipy.io.matlab as m; print(m.__path__[0])")))
	paths, err := filepath.Glob(filepath.Join(where, "tests", "data", "*.mat"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 50 {
		t.Skipf("this SciPy brings %d of MATLAB's files along", len(paths))
	}
	read := 0
	for path, want := range dump(t, paths...) {
		name := filepath.Base(path)
		if strings.Contains(name, "sparse") && strings.Contains(name, "4.2c") {
			continue // refused, as the package says
		}
		if want.Error != "" { // what SciPy refuses is refused or, where it wants to know less, read
			if f, err := matfile.Open(path, nil); err == nil {
				f.Close()
			} else if strings.Contains(name, "hdf5") != errors.Is(err, matfile.ErrHDF5) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if slices.Contains([]string{"some_functions.mat", "nasty_duplicate_fieldnames.mat", "one_by_zero_char.mat"}, name) {
			continue
		}
		same(t, path, want)
		read++
	}
	if read < 70 {
		t.Errorf("%d files were read", read)
	}
	t.Log(read, "files")
}

// TestInteropScipyReads has SciPy read what is written here.
func TestInteropScipyReads(t *testing.T) {
	for _, opts := range []matfile.CreateOptions{{}, {Compress: true}} {
		path := filepath.Join(t.TempDir(), fmt.Sprintf("ours%v.mat", opts.Compress))
		arrays := samples(t)
		write(t, path, &opts, arrays)
		got := dump(t, path)[path]
		if got.Error != "" {
			t.Fatal(got.Error)
		}
		same(t, path, got)
		if len(got.Arrays) < len(arrays) {
			t.Errorf("SciPy reads %d of %d arrays", len(got.Arrays), len(arrays))
		}
	}
}
