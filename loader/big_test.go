package loader_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

// TestBigBatches: batches that are written past the caches hold what small ones
// do, with zeros behind each value, whatever the consumer left in their memory.
func TestBigBatches(t *testing.T) {
	const n, width = 700, 30_000
	rng := rand.New(rand.NewPCG(3, 4))
	values, arrays := make([][]byte, n), make([][]byte, n)
	for i := range values {
		size := 1 + rng.IntN(1<<16)
		switch i % 50 {
		case 0:
			size = 0
		case 1:
			size = rng.IntN(200)
		}
		values[i], arrays[i] = make([]byte, size), make([]byte, width)
		for _, b := range [][]byte{values[i], arrays[i]} {
			for k := range b {
				b[k] = byte(k*7+i) | 1
			}
		}
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "v", Field: fields.Bytes{}},
		{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{width}}},
	}, n, func(i int) []any { return []any{values[i], arrays[i]} }, nil)
	for kind, f := range map[string]*ffcv.File{"mapped": ffcvtest.Map(t, path, nil), "cached": opening(t, path, 4<<20)} {
		for _, order := range []loader.Order{loader.Sequential, loader.Random} {
			l := newLoader(t, f, &loader.Options{BatchSize: 500, Workers: 2, Order: order, Seed: 1, Outputs: []loader.Output{
				{Name: "v"}, {Name: "x"}, {Name: "r", Field: "v", Ragged: true},
			}})
			for epoch := range 2 {
				for b, err := range l.Epoch(t.Context(), epoch) {
					if err != nil {
						t.Fatalf("%s: %v", kind, err)
					}
					v, x, r := b.Output("v"), b.Output("x"), b.Output("r")
					longest := v.Shape[1]
					for i, id := range b.Samples() {
						row := v.Data[i*longest : (i+1)*longest]
						size := len(values[id])
						if v.Lengths[i] != size || !bytes.Equal(row[:size], values[id]) || len(bytes.Trim(row[size:], "\x00")) > 0 {
							t.Fatalf("%s: row %d of sample %d, %d bytes, isn't its %d and zeros", kind, i, id, longest, size)
						}
						if !bytes.Equal(x.Value(i), arrays[id]) || !bytes.Equal(r.Value(i), values[id]) {
							t.Fatalf("%s: row %d of sample %d is another", kind, i, id)
						}
					}
					for k := range v.Data {
						v.Data[k] = 0xff
					}
					b.Release()
				}
			}
		}
	}
}

// opening opens a file with a budget until the test ends.
func opening(t *testing.T, path string, memory int64) *ffcv.File {
	f, err := ffcv.Open(path, &ffcv.OpenOptions{Memory: memory})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
