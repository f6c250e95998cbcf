package torchfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "checkpoint.pt")

	weight, _ := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	checkpoint := map[string]any{
		"epoch": 3,
		"model": map[string]any{"fc.weight": weight, "fc.bias": weight.Row(1)},
	}
	if err := torchfile.Save(name, checkpoint, nil); err != nil {
		log.Fatal(err)
	}

	f, err := torchfile.Open(name, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		if err != nil {
			log.Fatal(err)
		}
		values, _ := array.Values[float32](a.AsContiguous())
		fmt.Println(m.Name, m.Spec, values)
	}
	fmt.Println(f.Attrs())
	// Output:
	// model.fc.bias <f4 (2,) [3 4]
	// model.fc.weight <f4 (2, 2) [1 2 3 4]
	// map[epoch:3]
}
