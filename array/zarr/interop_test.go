package zarr_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/zarr"
)

// TestInterop has the real libraries read what this package writes in every
// way. ZARR2_PYTHON and FORMATS_PYTHON name interpreters that have zarr 2 and 3; without them the test is passed over.
func TestInterop(t *testing.T) {
	if os.Getenv("ZARR2_PYTHON") == "" && os.Getenv("FORMATS_PYTHON") == "" {
		t.Skip("neither ZARR2_PYTHON nor FORMATS_PYTHON is set")
	}
	for _, peer := range []struct {
		env     string
		formats []int
	}{{"ZARR2_PYTHON", []int{2}}, {"FORMATS_PYTHON", []int{2, 3}}} {
		python := os.Getenv(peer.env)
		if python == "" {
			t.Logf("%s isn't set", peer.env)
			continue
		}
		var stores []string
		count := 0
		for _, version := range peer.formats {
			list := samples(t, version)
			// What that library has no name for.
			delete(list, "types/bf16")
			if peer.env == "FORMATS_PYTHON" {
				delete(list, "types/mixed")
				if version == 2 {
					delete(list, "types/t23") // a struct in a struct, which zarr knows from 3.2 on
				}
			}
			i := 0
			for name, o := range options() {
				if o.Version != version {
					continue
				}
				path := filepath.Join(t.TempDir(), name)
				if i++; o.Zip {
					path += ".zip"
				}
				save(t, path, o, list, 5, i%2 == 0, i%4 < 2)
				wanted(t, path+".want", list)
				stores = append(stores, path)
				count += len(list)
			}
		}
		out, err := exec.Command(python, append([]string{"testdata/check.py"}, stores...)...).CombinedOutput()
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), strconv.Itoa(count)) {
			t.Errorf("%s: %v: want %d arrays\n%s", peer.env, err, count, out)
		}
	}
}

// wanted writes what is in a store for the check.
func wanted(t *testing.T, dir string, list map[string]array.Array) {
	t.Helper()
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, a := range list {
		base := filepath.Join(dir, strings.ReplaceAll(name, "/", ","))
		shape := a.Shape
		if shape == nil {
			shape = []int{}
		}
		info, err := json.Marshal(map[string]any{"dtype": a.DType.String(), "shape": shape})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(base+".json", info, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(base+".bin", a.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInteropFilters reads what the real libraries wrote with filters.
func TestInteropFilters(t *testing.T) {
	if os.Getenv("ZARR2_PYTHON") == "" && os.Getenv("FORMATS_PYTHON") == "" {
		t.Skip("neither ZARR2_PYTHON nor FORMATS_PYTHON is set")
	}
	for _, env := range []string{"ZARR2_PYTHON", "FORMATS_PYTHON"} {
		python := os.Getenv(env)
		if python == "" {
			t.Logf("%s isn't set", env)
			continue
		}
		path := filepath.Join(t.TempDir(), "filtered.zarr")
		if out, err := exec.Command(python, "-W", "ignore", "testdata/filtered.py", path).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", env, err, out)
		}
		f, err := zarr.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Refused(); err != nil {
			t.Error(err)
		}
		for _, m := range f.Members() {
			got, err := f.Array(m.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			want, err := npyData(path + "." + m.Name + ".npy")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.AsContiguous().Data, want) {
				t.Errorf("%s: array %q has other values than its writer's", env, m.Name)
			}
		}
		if n := len(f.Members()); n != 22 {
			t.Errorf("%s: %d arrays, want 22", env, n)
		}
	}
}

// npyData is what lies behind the header of a .npy file of version 1.
func npyData(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return b[10+int(binary.LittleEndian.Uint16(b[8:])):], nil
}
