package npk_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npk"
	"github.com/betongo/betongo/internal/formattest"
)

// numpack runs NumPack itself on a pack and returns its arrays as it reads
// them. The variable FORMATS_PYTHON names a Python that has NumPack 0.7;
// without it the test is skipped.
func numpack(t *testing.T, verb, path string) map[string]array.Array {
	t.Helper()
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON names no Python with NumPack")
	}
	script, err := filepath.Abs("testdata/numpack_dump.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, script, verb, path)
	cmd.Dir, cmd.Stderr = t.TempDir(), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("NumPack, %s: %v", verb, err)
	}
	var list map[string]struct {
		DType string
		Shape []int
		Bytes string
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	arrays := map[string]array.Array{}
	for name, a := range list {
		dtype, err := array.ParseDType(a.DType)
		if err != nil {
			t.Fatal(err)
		}
		data, err := hex.DecodeString(a.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if arrays[name], err = array.New(array.Spec{DType: dtype, Shape: a.Shape}, data); err != nil {
			t.Fatal(err)
		}
	}
	return arrays
}

// same compares what we read with what NumPack does.
func same(t *testing.T, path string, want map[string]array.Array) {
	t.Helper()
	f, err := npk.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := len(f.Members()); got != len(want) || got == 0 {
		t.Errorf("%d arrays, NumPack has %d", got, len(want))
	}
	for name, a := range want {
		check(t, f, name, a)
	}
}

// TestInteropNumPackReads has NumPack read what was written and edited here, edit it,
// and be read in turn.
func TestInteropNumPackReads(t *testing.T) {
	for _, segment := range []int64{0, 1000} {
		path := filepath.Join(t.TempDir(), "a.npk")
		w, err := npk.Create(path, &npk.CreateOptions{SegmentBytes: segment})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Fields("?  u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16 >f8") {
			dtype, err := array.ParseDType(s)
			if err != nil {
				t.Fatal(err)
			}
			for name, shape := range map[string][]int{"rows": {70, 3}, "line": {7}, "deep": {2, 3, 4}} {
				a, err := array.Cast(formattest.Of(t, make([]int8, 400)), dtype)
				if err != nil {
					t.Fatal(err)
				}
				n, _ := array.Spec{DType: dtype, Shape: shape}.Bytes()
				for i := range n {
					a.Data[i] = byte(i % 2)
				}
				a = array.Array{Spec: array.Spec{DType: dtype, Shape: shape}, Data: a.Data[:n]}
				if err := w.Put(strings.Trim(s, ">?")+" "+name+" "+s[:1], a.Strided()); err != nil {
					t.Fatal(err)
				}
			}
		}
		values := make([]int32, 400)
		for i := range values {
			values[i] = int32(i)
		}
		x := formattest.Of(t, values, 200, 2)
		for _, name := range []string{"plain", "saved", "dropped", "compacted", "appended", "ümläut"} {
			if err := w.Put(name, x.Strided()); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		same(t, path, numpack(t, "dump", path))

		e, err := npk.Edit(path, &npk.EditOptions{SegmentBytes: segment})
		if err != nil {
			t.Fatal(err)
		}
		some := []int{0, 5, 63, 64, 65, 128, -1}
		err = errors.Join(
			e.Save("saved", x.Strided().Slice(0, 0, 150, 1)),
			e.Drop("dropped", some), e.Append("dropped", x.Strided().Slice(0, 0, 3, 1)), e.Replace("dropped", []int{1, -1}, x.Strided().Slice(0, 7, 9, 1)),
			e.Drop("compacted", some), e.Flush(), e.Compact("compacted"),
			e.Append("appended", x.Strided()),
			e.Save("again", x.Strided()), e.Flush(), e.Save("again", x.Strided().Slice(0, 0, 190, 1)),
			e.Close())
		if err != nil {
			t.Fatal(err)
		}
		want := numpack(t, "dump", path)
		same(t, path, want)
		if n := want["dropped"].Shape[0]; n != 200-7+3 {
			t.Errorf("NumPack finds %d rows", n)
		}
		same(t, path, numpack(t, "edit", path))
	}
}

// TestInteropNumPackWrites reads and edits what NumPack wrote.
func TestInteropNumPackWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.npk")
	want := numpack(t, "write", path)
	same(t, path, want)
	e, err := npk.Edit(path, &npk.EditOptions{SegmentBytes: 1000})
	if err != nil {
		t.Fatal(err)
	}
	row := formattest.Of(t, []int32{-1, -2}, 1, 2).Strided()
	for _, name := range []string{"plain", "dropped", "appended", "segmented", "both", "gone"} {
		for range 150 {
			if err := e.Append(name, row); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(e.Replace(name, []int{-1, 0}, formattest.Of(t, []int32{7, 7, 8, 8}, 2, 2).Strided()), e.Drop(name, []int{3, -3})); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(e.Compact("both"), e.Close()); err != nil {
		t.Fatal(err)
	}
	got := numpack(t, "dump", path)
	same(t, path, got)
	for name, n := range map[string]int{"plain": 300, "dropped": 295, "appended": 307, "gone": 0, "segmented": 350} {
		if have := got[name].Shape[0]; have != n+150-2 {
			t.Errorf("NumPack finds %d rows of %q, want %d", have, name, n+150-2)
		}
	}
}
