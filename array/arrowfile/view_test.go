package arrowfile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
	"github.com/betongo/betongo/internal/formattest"
)

// TestViews: without compression and missing values the bytes are the file's own.
func TestViews(t *testing.T) {
	a := formattest.Sample(t, array.Float32, 100, 3, 4)
	b := formattest.Sample(t, formattest.DType(t, "<c8"), 100)
	members := []array.Member{{Name: "a", Spec: a.Spec}, {Name: "b", Spec: b.Spec}}
	for _, batch := range []int{0, 30} {
		path := filepath.Join(t.TempDir(), "x.arrow")
		if err := save(t, path, &arrowfile.CreateOptions{BatchRows: batch}, members, []array.Array{a, b}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := arrowfile.Parse(data, nil)
		if err != nil {
			t.Fatal(err)
		}
		inside := func(p []byte) bool {
			at := uintptr(unsafe.Pointer(unsafe.SliceData(p))) - uintptr(unsafe.Pointer(unsafe.SliceData(data)))
			return at < uintptr(len(data))
		}
		for _, m := range members {
			s, err := f.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got := inside(s.Data); got != (batch == 0) {
				t.Errorf("batches of %d: %q is a view: %v", batch, m.Name, got)
			}
			st, err := f.Stream(m.Name, 200)
			if err != nil {
				t.Fatal(err)
			}
			x, err := st.Next()
			if err != nil || !inside(x.Data) {
				t.Errorf("batches of %d: %q: %v: the stream copies", batch, m.Name, err)
			}
		}
	}
}

// TestExtents has the system copy from file to file.
func TestExtents(t *testing.T) {
	a := formattest.Sample(t, array.Int16, 1000, 5)
	dir := t.TempDir()
	first, second := filepath.Join(dir, "a.arrow"), filepath.Join(dir, "b.arrow")
	m := array.Member{Name: "a", Spec: a.Spec}
	if err := save(t, first, &arrowfile.CreateOptions{BatchRows: 300}, []array.Member{m}, []array.Array{a}); err != nil {
		t.Fatal(err)
	}
	f := open(t, first, nil)
	s, err := f.Stream("a", 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := arrowfile.Create(second, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	to, err := w.Add(m)
	if err != nil {
		t.Fatal(err)
	}
	if !s.(array.ExtentStream).Extents() || !to.(array.ExtentSink).Extents() {
		t.Error("the bytes would come into the process")
	}
	if err := array.Copy(to, s, nil); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := open(t, second, nil).Array("a")
	if err != nil || string(got.AsContiguous().Data) != string(a.Data) {
		t.Errorf("%v: the copy differs", err)
	}
}

func Example() {
	dir, err := os.MkdirTemp("", "arrowfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.arrow")
	points, err := array.Of([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	members := []array.Member{{Name: "points", Spec: points.Spec, Attrs: map[string]any{"unit": "mm"}}}
	if err := arrowfile.Save(path, members, []array.Strided{points.Strided()}, nil, nil); err != nil {
		fmt.Println(err)
		return
	}
	f, err := arrowfile.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.Name, a.Spec, m.Attrs["unit"])
	}
	// Output: points <f4 (3, 2) mm
}
