package gnz_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
)

func Example() {
	dir, err := os.MkdirTemp("", "gnz")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "weights.gnz")

	w, err := gnz.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	a, err := array.Of([]float64{1, 2, 3, 4}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.SetAttrs(map[string]any{"epoch": 3}); err != nil {
		log.Fatal(err)
	}
	if err := w.Put("w", a.Strided(), &gnz.PutOptions{DType: array.Float32}); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	f, err := gnz.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	b, err := f.Array("w")
	if err != nil {
		log.Fatal(err)
	}
	values, err := array.View[float32](b.AsContiguous())
	fmt.Println(f.Attrs(), f.Keys(), b.Spec, values, err)
	// Output: map[epoch:3] [w] <f4 (2, 2) [1 2 3 4] <nil>
}

// A file is filled in any order, by one process or by several that each open it.
func ExampleCreateMap() {
	dir, err := os.MkdirTemp("", "gnz")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "features.gnz")

	spec := array.Spec{DType: array.Float32, Shape: []int{4, 2}}
	m, err := gnz.CreateMap(path, []array.Member{{Name: "x", Spec: spec}}, map[string]any{"model": "resnet18"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := m.Close(); err != nil {
		log.Fatal(err)
	}

	m, err = gnz.OpenMap(path)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	x, err := m.Array("x")
	if err != nil {
		log.Fatal(err)
	}
	row, err := array.View[float32](x.Row(2).AsContiguous()) // the file's own bytes
	if err != nil {
		log.Fatal(err)
	}
	row[0], row[1] = 3, 4
	if err := m.Flush(); err != nil {
		log.Fatal(err)
	}
	values, err := array.View[float32](x.AsContiguous())
	fmt.Println(m.Attrs(), values, err)
	// Output: map[model:resnet18] [0 0 0 0 3 4 0 0] <nil>
}
