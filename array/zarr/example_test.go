package zarr_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/zarr"
)

// An array is written row by row, its length unknown at the begin, and its rows
// are read back.
func Example() {
	dir, err := os.MkdirTemp("", "zarr")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "data.zarr")

	w, err := zarr.Create(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Abort()
	sink, err := w.Add(array.Member{
		Name:  "run/positions",
		Spec:  array.Spec{DType: array.Float32, Shape: []int{-1, 2}},
		Attrs: map[string]any{"unit": "m"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 3 {
		row, _ := array.Of([]float32{float32(i), float32(i) / 2}, 1, 2)
		if err := sink.Write(row); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := errors.Join(sink.Close(), w.Close()); err != nil {
		fmt.Println(err)
		return
	}

	f, err := zarr.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for _, m := range f.Members() {
		fmt.Println(m.Name, m.Spec, m.Attrs["unit"])
	}
	s, err := f.Stream("run/positions", 16)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for {
		rows, err := s.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		values, _ := array.Values[float32](rows)
		fmt.Println(values)
	}
	// Output:
	// run/positions <f4 (3, 2) m
	// [0 0 1 0.5]
	// [2 1]
}
