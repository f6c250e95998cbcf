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
