package parquetfile_test

import (
	"fmt"
	"os"
	"path/filepath"

	"errors"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/parquetfile"
	"log"
)

func Example() {
	dir, err := os.MkdirTemp("", "parquetfile")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.parquet")
	points, err := array.Of([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	members := []array.Member{{Name: "points", Spec: points.Spec, Attrs: map[string]any{"unit": "mm"}}}
	opts := &parquetfile.CreateOptions{Compression: parquetfile.ZSTD}
	if err := parquetfile.Save(path, members, []array.Strided{points.Strided()}, nil, opts); err != nil {
		fmt.Println(err)
		return
	}
	f, err := parquetfile.Open(path, nil)
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
		fmt.Println(m.Name, a.Spec, m.Attrs["unit"], f.RowGroups())
	}
	// Output: points <f4 (3, 2) mm [3]
}

// Rows are written as they come, and the file is read from memory.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "parquetfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.parquet")

	w, err := parquetfile.Create(path, &parquetfile.CreateOptions{Compression: parquetfile.ZSTD})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	points, err := w.Add(array.Member{Name: "points", Spec: array.Spec{DType: array.Float32, Shape: []int{-1, 2}}})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		row, err := array.Of([]float32{float32(i), float32(i) / 2}, 1, 2)
		if err != nil {
			log.Fatal(err)
		}
		if err := points.Write(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := errors.Join(points.Close(), w.Close()); err != nil {
		log.Fatal(err)
	}

	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	f, err := parquetfile.Parse(b, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	a, err := f.Array("points")
	if err != nil {
		log.Fatal(err)
	}
	values, err := array.Values[float32](a.AsContiguous())
	fmt.Println(a.Spec, values, err)
	// Output: <f4 (3, 2) [0 0 1 0.5 2 1] <nil>
}
