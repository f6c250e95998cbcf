package loader_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
)

// noTwos is an operation that can't do with the label 2.
type noTwos struct{}

func (noTwos) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return in, func(dst, _ []byte, _ *rand.Rand) error {
		if binary.LittleEndian.Uint64(dst) == 2 {
			return errors.New("a label that nobody knows")
		}
		return nil
	}, true, nil
}

// An epoch goes on without samples that can't be loaded, and says which.
func Example_skip() {
	f, remove := photos(6)
	defer remove()
	l, err := loader.New(f, &loader.Options{
		BatchSize: 4,
		OnError:   loader.Skip,
		Outputs: []loader.Output{
			{Name: "image", Disabled: true},
			{Name: "label", Ops: []any{noTwos{}}},
			{Name: "caption", Ragged: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			log.Fatal(err)
		}
		captions := b.Output("caption")
		fmt.Println(b.Samples(), captions.Offsets, string(captions.Value(0)))
		for _, s := range b.Skipped() {
			var e *loader.SampleError
			if errors.As(s.Err, &e) {
				fmt.Printf("  sample %d, row %d: %v; sample %d is there\n", s.Sample, s.Row, e.Err, s.By)
			}
		}
		b.Release()
	}
	r, _ := l.Report(0)
	fmt.Println(r.Failed, "of", r.Samples, r.Kinds)
	// Output:
	// [0 1 1 3] [0 12 24 36 48] {"photo": 0}
	//   sample 2, row 2: operation 0: a label that nobody knows; sample 1 is there
	// [4 4] [0 12 24] {"photo": 4}
	//   sample 5, row 1: operation 0: a label that nobody knows; sample 4 is there
	// 2 of 6 map[other:2]
}
