package npy_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
)

func Example() {
	dir, err := os.MkdirTemp("", "npy")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.npy")

	x, err := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := npy.Save(path, x.Strided(), nil); err != nil {
		log.Fatal(err)
	}

	f, err := npy.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	values, err := array.Values[float32](f.Row(1))
	fmt.Println(f.Array().Spec, values, err)
	// Output: <f4 (2, 2) [3 4] <nil>
}

// Rows are written as they come; how many they were the header tells at the end.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "npy")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "rows.npy")

	w, err := npy.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	rows, err := w.Add(array.Member{Spec: array.Spec{DType: array.Float32, Shape: []int{-1, 2}}})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		row, err := array.Of([]float32{float32(i), float32(i) / 2}, 1, 2)
		if err != nil {
			log.Fatal(err)
		}
		if err := rows.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(rows.Close(), w.Close()); err != nil {
		log.Fatal(err)
	}

	// A map changes the file in place, as numpy.load with mmap_mode="r+".
	m, err := npy.OpenMap(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	values, err := array.View[float32](m.Array().AsContiguous())
	if err != nil {
		log.Fatal(err)
	}
	values[0] = 7
	fmt.Println(m.Array().Spec, values)
	// Output: <f4 (3, 2) [7 0 1 0.5 2 1]
}

// Several arrays in one file, as numpy.savez_compressed writes them.
func ExampleCreateZip() {
	dir, err := os.MkdirTemp("", "npz")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "train.npz")

	w, err := npy.CreateZip(path, &npy.CreateOptions{Compress: true})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	x, err := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	y, err := array.Of([]int64{0, 1})
	if err != nil {
		log.Fatal(err)
	}
	for name, a := range map[string]array.Array{"x": x, "y": y} {
		sink, err := w.Add(array.Member{Name: name, Spec: a.Spec})
		if err != nil {
			log.Fatal(err)
		}
		if err := errors.Join(sink.Write(a), sink.Close()); err != nil {
			log.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := npy.OpenArchive(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	a, err := f.Array("y")
	if err != nil {
		log.Fatal(err)
	}
	labels, err := array.Values[int64](a.AsContiguous())
	fmt.Println(len(f.Members()), a.Spec, labels, err)
	// Output: 2 <i8 (2,) [0 1] <nil>
}

// A file of zeros, as large as it will be, is filled in any order.
func ExampleCreateMap() {
	dir, err := os.MkdirTemp("", "npy")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	spec := array.Spec{DType: array.Float32, Shape: []int{4, 2}}
	m, err := npy.CreateMap(filepath.Join(dir, "x.npy"), spec, false, false)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	row, err := array.View[float32](m.Array().Row(2).AsContiguous())
	if err != nil {
		log.Fatal(err)
	}
	row[0], row[1] = 3, 4
	values, err := array.View[float32](m.Array().AsContiguous())
	fmt.Println(values, err)
	// Output: [0 0 0 0 3 4 0 0] <nil>
}

// A process was killed while it appended: a row at the end is not whole.
func ExampleRecover() {
	dir, err := os.MkdirTemp("", "npy")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "log.npy")
	x, err := array.Of([]float32{0, 1, 2, 3}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := npy.Save(path, x.Strided(), nil); err != nil {
		log.Fatal(err)
	}
	if err := npy.EnsureAppendable(path, nil); err != nil { // NumPy leaves no room for that
		log.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.Truncate(path, info.Size()-3); err != nil {
		log.Fatal(err)
	}

	rows, err := npy.Recover(path, nil)
	fmt.Println(rows, "row left", err)
	// Output: 1 row left <nil>
}
