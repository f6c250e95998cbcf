package convert_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/convert"
)

func ExampleConvert() {
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	in, out := filepath.Join(dir, "weight.npy"), filepath.Join(dir, "weight.safetensors")
	a, err := array.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	if err := npy.Save(in, a.Strided(), nil); err != nil {
		log.Fatal(err)
	}
	r, err := convert.Convert(context.Background(), in, out, &convert.Options{
		DType:  array.BFloat16,
		Rename: map[string]string{"weight": "fc.weight"},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range r.Arrays {
		fmt.Println(a.Name, a.Spec)
	}
	for _, n := range r.Notes {
		fmt.Println(n)
	}
	// Output:
	// fc.weight bfloat16 (2, 3)
	// array "weight": cast from <f4 to bfloat16
}

// TestDocument: docs/conversion.md has a line for every format, and says what
// the table says of one array, folders and compression.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "conversion.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range convert.Formats() {
		line := ""
		for _, l := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(l, "| `") && strings.Contains(strings.SplitN(l, "|", 3)[1], "`"+f.Name+"`") {
				line = l
			}
		}
		if line == "" {
			t.Errorf("no line for %s", f.Name)
			continue
		}
		for _, c := range f.Compressions {
			if c != "none" && !strings.Contains(line, c) {
				t.Errorf("%s: nothing of %s in %s", f.Name, c, line)
			}
		}
		if f.Name != "tsv" && f.Name != "txt" && len(f.Extensions) > 0 && !strings.Contains(line, f.Extensions[0]) && f.Name != "csv" {
			t.Errorf("%s: nothing of %s in %s", f.Name, f.Extensions[0], line)
		}
	}
}
