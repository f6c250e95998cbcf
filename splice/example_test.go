package splice_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/splice"
)

// birds writes a small file and opens it.
func birds(path string, names ...string) *ffcv.File {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "name", Field: fields.Bytes{}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for _, name := range names {
			if !yield(ffcv.Sample{Values: []any{[]byte(name)}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	return mustOpen(path)
}

func mustOpen(path string) *ffcv.File {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	return f
}

func show(path string) {
	f := mustOpen(path)
	defer f.Close()
	var names []string
	for i := range f.Len() {
		name, err := f.BytesValue(i, 0)
		if err != nil {
			log.Fatal(err)
		}
		names = append(names, string(name))
	}
	fmt.Println(strings.Join(names, " "))
}

func ExampleMerge() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	a := birds(filepath.Join(dir, "a.beton"), "owl", "wren")
	defer a.Close()
	b := birds(filepath.Join(dir, "b.beton"), "heron", "tit")
	defer b.Close()

	path := filepath.Join(dir, "all.beton")
	if _, err := splice.Merge(context.Background(), path, []*ffcv.File{a, b}, nil); err != nil {
		log.Fatal(err)
	}
	show(path)
	// Output: owl wren heron tit
}

func ExampleSubset() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren", "heron", "tit")
	defer f.Close()

	path := filepath.Join(dir, "some.beton")
	if _, err := splice.Subset(context.Background(), path, f, splice.Selection{Indices: []int{3, 0}}, nil); err != nil {
		log.Fatal(err)
	}
	show(path)
	// Output: tit owl
}

func ExampleSplit() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren", "heron", "tit")
	defer f.Close()

	train, val := filepath.Join(dir, "train.beton"), filepath.Join(dir, "val.beton")
	parts := []splice.Part{{Path: train, Share: 0.75}, {Path: val, Share: 0.25}}
	if _, err := splice.Split(context.Background(), f, parts, nil); err != nil {
		log.Fatal(err)
	}
	show(train)
	show(val)
	// Output:
	// owl wren heron
	// tit
}

func ExampleAdd() {
	dir, err := os.MkdirTemp("", "birds")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f := birds(filepath.Join(dir, "a.beton"), "owl", "wren")
	defer f.Close()

	grams := []float64{480, 9}
	weight := splice.Column{Name: "weight", Field: fields.Float{}, Len: len(grams), At: func(i int) (any, error) { return grams[i], nil }}
	path := filepath.Join(dir, "wide.beton")
	if _, err := splice.Add(context.Background(), path, f, []splice.Column{weight}, nil); err != nil {
		log.Fatal(err)
	}
	wide := mustOpen(path)
	defer wide.Close()
	g, err := wide.Float(1, wide.FieldIndex("weight"))
	fmt.Println(g, err)
	// Output: 9 <nil>
}
