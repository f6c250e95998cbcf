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
	"io"
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

// Files that are open already, one after another, and of them all some that follow
// each other.
func ExampleNewConcat() {
	dir := shards()
	defer os.RemoveAll(dir)
	var members []dataset.Dataset
	for _, name := range []string{"train-1.beton", "train-0.beton"} {
		f, err := ffcv.Open(filepath.Join(dir, name), nil)
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		members = append(members, f)
	}
	all, err := dataset.NewConcat(members...)
	if err != nil {
		log.Fatal(err)
	}
	some, err := dataset.NewRange(all, 1, 4)
	if err != nil {
		log.Fatal(err)
	}
	print(some, loader.Sequential, "label")
	// Output:
	// sample 0: label 4
	// sample 1: label 0
	// sample 2: label 1
}

// Names that a program has from elsewhere are no patterns, whatever is in them.
func ExampleOpenFiles() {
	dir := shards()
	defer os.RemoveAll(dir)
	list := []string{filepath.Join(dir, "train-0.beton"), filepath.Join(dir, "train-1.beton")}
	train, err := dataset.OpenFiles("train", list, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer train.Close()
	fmt.Println(train.Name(), train.Len(), train.Bounds())
	// Output: train 5 [0 3 5]
}

// An index stands for its files, which are opened when something of them is first
// needed.
func ExampleNewIndex() {
	dir := shards()
	defer os.RemoveAll(dir)
	var files []*ffcv.File
	names := []string{"train-0.beton", "train-1.beton"}
	for _, name := range names {
		f, err := ffcv.Open(filepath.Join(dir, name), nil)
		if err != nil {
			log.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		log.Fatal(err)
	}
	b, err := x.Marshal() // into train.json, beside the files
	if err != nil {
		log.Fatal(err)
	}

	x, err = dataset.ParseIndex(b)
	if err != nil {
		log.Fatal(err)
	}
	train, err := dataset.OpenIndex(x, dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer train.Close()
	fmt.Println(len(x.Shards), "files of", train.Len(), "samples")
	// Output: 2 files of 5 samples
}

// Files are read through memory of a bounded size, from wherever an io.ReaderAt
// reads.
func ExampleNewCache() {
	dir := shards()
	defer os.RemoveAll(dir)
	var list []dataset.CacheFile
	for _, name := range []string{"train-0.beton", "train-1.beton"} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			log.Fatal(err)
		}
		list = append(list, dataset.CacheFile{Name: name, Size: info.Size(), Open: func(context.Context) (io.ReaderAt, error) {
			return os.Open(path)
		}})
	}
	cache, err := dataset.NewCache(16<<20, list, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	f, err := cache.Open(1, nil)
	if err != nil {
		log.Fatal(err)
	}
	print(f, loader.Sequential, "label")
	// Output:
	// sample 0: label 3
	// sample 1: label 4
}
