package safetensors_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"errors"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/safetensors"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "model.safetensors")

	w, _ := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	b, _ := array.Of([]float32{5, 6})
	tensors := map[string]array.Strided{"fc.weight": w.Strided(), "fc.bias": b.Strided()}
	if err := safetensors.Save(name, tensors, map[string]string{"format": "pt"}, nil); err != nil {
		log.Fatal(err)
	}

	f, err := safetensors.Open(name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for name, a := range f.All() {
		fmt.Println(name, a.Spec)
	}
	row, err := f.Rows("fc.weight", 1, 2)
	if err != nil {
		log.Fatal(err)
	}
	values, _ := array.Values[float32](row)
	fmt.Println(values)
	// Output:
	// fc.bias <f4 (2,)
	// fc.weight <f4 (2, 2)
	// [3 4]
}

// A tensor larger than memory is written row by row, and its header read alone.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "safetensors")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "embedding.safetensors")

	w, err := safetensors.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	rows, err := w.Add(array.Member{Name: "embedding", Spec: array.Spec{DType: array.Float32, Shape: []int{3, 2}}})
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

	h, err := safetensors.ReadHeader(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range h.Tensors {
		fmt.Println(t.Name, t.DType, t.Shape, t.End-t.Begin, "bytes")
	}
	// Output: embedding F32 [3 2] 24 bytes
}

// The header of a file that is in memory.
func ExampleParse() {
	b, err := os.ReadFile("../../testdata/formats/safetensors/all.safetensors")
	if err != nil {
		log.Fatal(err)
	}
	h, err := safetensors.Parse(b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(h.Tensors), h.Metadata)
	// Output: 8 map[format:pt who:conv]
}
