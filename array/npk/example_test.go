package npk_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npk"
)

func Example() {
	dir, err := os.MkdirTemp("", "npk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "a.npk")

	e, err := npk.Edit(path, &npk.EditOptions{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Abort()
	x, err := array.Of([]float32{0, 0, 1, 1, 2, 2, 3, 3}, 4, 2)
	if err != nil {
		log.Fatal(err)
	}
	err = errors.Join(
		e.Save("x", x.Strided()),
		e.Drop("x", []int{1, -1}),
		e.Append("x", x.Strided().Slice(0, 3, 4, 1)),
		e.Replace("x", []int{0}, x.Strided().Slice(0, 1, 2, 1)),
		e.Close(),
	)
	if err != nil {
		log.Fatal(err)
	}

	f, err := npk.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, m := range f.Members() {
		rows, err := f.Rows(m.Name, []int{0, 1, 2})
		if err != nil {
			log.Fatal(err)
		}
		values, err := array.Values[float32](rows)
		fmt.Println(m.Name, m.Spec, values, err)
	}
	// Output:
	// x <f4 (3, 2) [1 1 2 2 3 3] <nil>
}

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "npk")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "b.npk")

	w, err := npk.Create(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Abort()
	x, err := array.Of([]float32{0, 1, 2, 3}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := errors.Join(w.Put("x", x.Strided()), w.Put("last", x.Row(1).Strided()), w.Close()); err != nil {
		log.Fatal(err)
	}

	f, err := npk.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, m := range f.Members() {
		fmt.Println(m.Name, m.Spec)
	}
	// Output:
	// x <f4 (2, 2)
	// last <f4 (2,)
}
