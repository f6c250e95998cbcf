package safetensors_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

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
