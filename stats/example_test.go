package stats_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/stats"
)

// What of a training set is in its validation set?
func ExampleOverlap() {
	dir, err := os.MkdirTemp("", "stats")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	train := texts(filepath.Join(dir, "train.beton"), "owl", "wren", "tit")
	defer train.Close()
	val := texts(filepath.Join(dir, "val.beton"), "heron", "wren")
	defer val.Close()

	r, err := stats.Overlap(context.Background(), train, val, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range r.Fields {
		for _, c := range f.List {
			fmt.Println(f.Name, "of samples", c.A, "and", c.B)
		}
	}
	// Output: text of samples [1] and [1]
}

// texts writes a file of texts and opens it.
func texts(path string, list ...string) *ffcv.File {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "text", Field: fields.Bytes{}}}, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(context.Background(), func(yield func(ffcv.Sample, error) bool) {
		for _, text := range list {
			if !yield(ffcv.Sample{Values: []any{[]byte(text)}}, nil) {
				return
			}
		}
	}, nil)
	if err != nil {
		log.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	return f
}
