package loader_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// lame gives values one by one only, and not those of some samples.
type lame struct {
	*ffcv.File
	bad []int
}

func (d lame) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	if size > 12 || slices.Contains(d.bad, sample) {
		return nil, errors.New("not this one")
	}
	return d.File.Bytes(sample, ptr, size, buf)
}

// TestPieces: runs of rows from here and there, longer than a piece, hold what they
// are to and are counted once, whatever fails.
func TestPieces(t *testing.T) {
	const n = 3000
	f := numbers(t, n)["map"]
	for _, size := range []int{512, 513, 1024, 1500, n} {
		for _, c := range []struct {
			name string
			ds   loader.Dataset
			bad  int
		}{{"whole", f, 0}, {"one by one", lame{f, nil}, 0}, {"broken", lame{f, []int{7, 8, 2999}}, 3}} {
			t.Run(fmt.Sprintf("%s/size=%d", c.name, size), func(t *testing.T) {
				l := newLoader(t, c.ds, &loader.Options{BatchSize: size, Order: loader.Random, Seed: 2, Workers: 2, OnError: loader.Skip})
				skipped := 0
				for b, err := range l.Epoch(t.Context(), 0) {
					if err != nil {
						t.Fatal(err)
					}
					x, numbers := view[float32](t, b.Output("x")), view[int64](t, b.Output("n"))
					for i, id := range b.Samples() {
						if v := float32(id); int(numbers[i]) != id || x[3*i] != v || x[3*i+2] != v+0.5 {
							t.Fatalf("batch %d, row %d: sample %d has %d and %v", b.Index(), i, id, numbers[i], x[3*i:3*i+3])
						}
					}
					skipped += len(b.Skipped())
					b.Release()
				}
				s := l.Stats()
				if skipped != c.bad || s.Samples != n || c.ds == loader.Dataset(f) && s.Read != 20*n {
					t.Errorf("%d skipped, want %d; %+v", skipped, c.bad, s)
				}
				for _, st := range s.Stages {
					if c.ds == loader.Dataset(f) && st.Values != n {
						t.Errorf("stage %+v, want %d values", st, n)
					}
				}
				if c.bad == 0 {
					return
				}
				l = newLoader(t, c.ds, &loader.Options{BatchSize: n, Order: loader.Random, Seed: 2})
				_, err := consume(t.Context(), l, 9)
				var at *loader.SampleError
				if !errors.As(err, &at) || !slices.Contains(c.ds.(lame).bad, at.Sample) {
					t.Errorf("with Fail: %v", err)
				}
			})
		}
	}
}
