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
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
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

// What is in a file, of any format.
func ExampleList() {
	l, err := convert.List(context.Background(), "../testdata/formats/pt/state_dict.pt", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Format)
	for _, m := range l.Members {
		fmt.Println(m.Name, m.Spec)
	}
	// Output:
	// torch
	// weight <f4 (2, 4)
	// bias <f4 (2,)
}

// The arrays of a file of any format.
func ExampleOpen() {
	f, err := convert.Open(context.Background(), "../testdata/formats/npy/a.npz", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	for _, m := range f.Members() {
		s, err := f.Stream(m.Name, 0)
		if err != nil {
			log.Fatal(err)
		}
		rows, err := s.Next() // the first ones
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(m.Name, m.Spec, rows.Shape)
		if err := s.Close(); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// x <i8 (3,) [3]
	// y <f4 (2, 2) [2 2]
}

// To an object store, and from one, which is reached as the call says.
func ExampleToS3() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "convert")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	s3 := remote.S3{Endpoint: endpoint, Region: "us-east-1"} // of MinIO, R2, Ceph…; nothing for AWS
	if _, err := convert.ToS3(ctx, "../testdata/formats/npy/f4.npy", "s3://data/f4.safetensors", s3, nil); err != nil {
		log.Fatal(err)
	}
	r, err := convert.FromS3(ctx, "s3://data/f4.safetensors", filepath.Join(dir, "f4.parquet"), s3, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range r.Arrays {
		fmt.Println(a.Name, a.Spec)
	}
}

var endpoint = "http://127.0.0.1:9000"

// TestExampleToS3 runs the example with a real store.
func TestExampleToS3(t *testing.T) {
	endpoint = s3test.Start(t).URL
	ExampleToS3()
}
