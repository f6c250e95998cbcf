package text_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/text"
)

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "text")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "points.csv")

	w, err := text.Create(path, &text.CreateOptions{Header: []string{"x", "y"}})
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

	f, err := text.Open(path, &text.OpenOptions{DType: array.Float32})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	a, err := f.Array("")
	if err != nil {
		log.Fatal(err)
	}
	values, err := array.Values[float32](a.AsContiguous())
	fmt.Println(f.Columns(), a.Spec, values, err)
	// Output: [x y] <f4 (3, 2) [0 0 1 0.5 2 1] <nil>
}
