package arrowfile_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
)

// Rows are written as they come, and the file is read from memory.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "arrow")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.arrow")

	w, err := arrowfile.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	rows, err := w.Add(array.Member{Name: "points", Spec: array.Spec{DType: array.Float32, Shape: []int{-1, 2}}})
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

	b, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	f, err := arrowfile.Parse(b, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	a, err := f.Array("points") // a view of b
	if err != nil {
		log.Fatal(err)
	}
	values, err := array.Values[float32](a.AsContiguous())
	fmt.Println(a.Spec, values, err)
	// Output: <f4 (3, 2) [0 0 1 0.5 2 1] <nil>
}
