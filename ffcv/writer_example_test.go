package ffcv_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// squares is an indexable dataset: the vector (i, i*i) with the label i%3.
type squares struct{ n int }

func (d squares) Len() int { return d.n }

func (d squares) Sample(_ context.Context, i int) (values []any, key string, err error) {
	x := []float32{float32(i), float32(i * i)}
	return []any{x, i % 3}, fmt.Sprintf("squares/%d", i), nil
}

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "betongo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "squares.beton")

	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{2}}},
		{Name: "label", Field: fields.Int{}},
	}, &ffcv.Options{Classes: []string{"zero", "one", "two"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	if err := w.WriteDataset(context.Background(), squares{1000}, nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("samples:", w.Stats().Samples)

	f, err := ffcv.Open(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	i, found, err := f.Find("squares/25")
	if err != nil || !found {
		fmt.Println(found, err)
		return
	}
	x, err := f.Array(i, f.FieldIndex("x"))
	if err != nil {
		fmt.Println(err)
		return
	}
	label, err := f.Int(i, f.FieldIndex("label"))
	fmt.Println(x.Spec, f.Classes()[label], err)
	// Output:
	// samples: 1000
	// <f4 (2,) one <nil>
}

// A stream tells its samples one after another, and what to do about the ones
// that fail.
func ExampleWriter_WriteStream() {
	dir, err := os.MkdirTemp("", "betongo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	w, err := ffcv.Create(filepath.Join(dir, "words.beton"), []ffcv.FieldSpec{
		{Name: "word", Field: fields.Bytes{}},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()

	var samples iter.Seq2[ffcv.Sample, error] = func(yield func(ffcv.Sample, error) bool) {
		for _, word := range []string{"to", "be", "", "or"} {
			s, err := ffcv.Sample{Values: []any{[]byte(word)}}, error(nil)
			if word == "" {
				err = errors.New("no word")
			}
			if !yield(s, err) {
				return
			}
		}
	}
	err = w.WriteStream(context.Background(), samples, &ffcv.StreamOptions{
		OnError: func(key string, err error) error {
			fmt.Println("skipped:", err)
			return nil // go on without it
		},
	})
	fmt.Println(w.Stats().Samples, err)
	// Output:
	// skipped: sample 2: no word
	// 3 <nil>
}
