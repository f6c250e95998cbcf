package array_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
)

// Elements and nothing else, as NumPy's tofile and fromfile have them: who reads them
// has to know of what type and shape they are.
func ExampleToFile() {
	dir, err := os.MkdirTemp("", "raw")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "x.bin")

	x, err := array.Of([]float32{1, 2, 3, 4}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	if err := array.ToFile(path, x, nil); err != nil {
		log.Fatal(err)
	}
	y, err := array.FromFile(path, &array.FromFileOptions{DType: array.Float32, Offset: 4})
	if err != nil {
		log.Fatal(err)
	}
	values, err := array.Values[float32](y)
	fmt.Println(y.Spec, values, err)
	// Output: <f4 (3,) [2 3 4] <nil>
}
