package torchfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"errors"
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

// A checkpoint is read whole, without Python and without running what is in it.
func ExampleLoad() {
	v, err := torchfile.Load("../../testdata/formats/pt/state_dict.pt", nil)
	if err != nil {
		log.Fatal(err)
	}
	state, ok := v.(*torchfile.Dict)
	if !ok {
		log.Fatalf("a %T, want a dict", v)
	}
	for _, item := range state.Items {
		if t, ok := item.Value.(*torchfile.Tensor); ok {
			fmt.Println(item.Key, t.Spec)
		}
	}
	// Output:
	// weight <f4 (2, 4)
	// bias <f4 (2,)
}

// Tensors are written row by row, and read from bytes that somebody else holds.
func ExampleCreate() {
	dir, err := os.MkdirTemp("", "torchfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "features.pt")

	w, err := torchfile.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	rows, err := w.Add(array.Member{Name: "features", Spec: array.Spec{DType: array.Float32, Shape: []int{-1, 2}}})
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
	v, err := torchfile.Parse(b, nil)
	if err != nil {
		log.Fatal(err)
	}
	switch v := v.(type) {
	case *torchfile.Dict:
		for _, item := range v.Items {
			if t, ok := item.Value.(*torchfile.Tensor); ok {
				fmt.Println(item.Key, t.Spec)
			}
		}
	case *torchfile.Tensor:
		fmt.Println(v.Spec)
	}
	// Output: features <f4 (3, 2)
}
