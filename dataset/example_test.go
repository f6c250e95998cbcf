package dataset_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// write writes a file of one field.
func write(path, name string, field fields.Field, values ...any) {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: name, Field: field}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for _, v := range values {
			if !yield(ffcv.Sample{Values: []any{v}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
}

// shards writes two files of labels and one of vectors, and returns their
// folder.
func shards() (dir string) {
	dir, err := os.MkdirTemp("", "dataset")
	if err != nil {
		log.Fatal(err)
	}
	write(filepath.Join(dir, "train-0.beton"), "label", fields.Int{}, 0, 1, 2)
	write(filepath.Join(dir, "train-1.beton"), "label", fields.Int{}, 3, 4)
	write(filepath.Join(dir, "vectors.beton"), "v", fields.NDArray{DType: array.Uint8, Shape: []int{2}},
		[]uint8{0, 0}, []uint8{1, 10}, []uint8{2, 20}, []uint8{3, 30}, []uint8{4, 40})
	return dir
}

// print loads an epoch and prints its samples.
func print(ds dataset.Dataset, order loader.Order, outputs ...string) {
	l, err := loader.New(ds, &loader.Options{BatchSize: 4, Order: order})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		for i, id := range b.Samples() {
			fmt.Printf("sample %d:", id)
			for _, name := range outputs {
				if v := b.Output(name).Value(i); len(v) == 8 {
					fmt.Printf(" %s %d", name, binary.LittleEndian.Uint64(v))
				} else {
					fmt.Printf(" %s %v", name, v)
				}
			}
			fmt.Println()
		}
		b.Release()
	}
}

func ExampleOpen() {
	dir := shards()
	defer os.RemoveAll(dir)
	train, err := dataset.Open([]string{filepath.Join(dir, "train-*.beton")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer train.Close()
	print(train, loader.Sequential, "label")
	// Output:
	// sample 0: label 0
	// sample 1: label 1
	// sample 2: label 2
	// sample 3: label 3
	// sample 4: label 4
}

// Vectors of another file beside the labels, by index, and of both a part.
func ExampleNewJoin() {
	dir := shards()
	defer os.RemoveAll(dir)
	train, err := dataset.Open([]string{filepath.Join(dir, "train-*.beton")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer train.Close()
	vectors, err := ffcv.Open(filepath.Join(dir, "vectors.beton"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer vectors.Close()
	renamed, err := dataset.NewSelect(vectors, dataset.Field{Name: "v", As: "vector"})
	if err != nil {
		log.Fatal(err)
	}
	both, err := dataset.NewJoin(train, renamed)
	if err != nil {
		log.Fatal(err)
	}
	few, err := dataset.NewSubset(both, []int{4, 1, 1})
	if err != nil {
		log.Fatal(err)
	}
	print(few, loader.Sequential, "label", "vector")
	// Output:
	// sample 0: label 4 vector [4 40]
	// sample 1: label 1 vector [1 10]
	// sample 2: label 1 vector [1 10]
}

// Of the second file as much as of the first, although it is smaller.
func ExampleMixture() {
	dir := shards()
	defer os.RemoveAll(dir)
	train, err := dataset.Open([]string{filepath.Join(dir, "train-*.beton")}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer train.Close()
	print(train, dataset.Mixture{Weights: []float64{1, 1}, Length: 6}, "label")
	// Unordered output:
	// sample 0: label 0
	// sample 1: label 1
	// sample 2: label 2
	// sample 3: label 3
	// sample 4: label 4
	// sample 4: label 4
}
