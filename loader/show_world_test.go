package loader_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// TestAugmentationsAreTheSamples: each photograph of an epoch is augmented to the
// same bytes whatever the number of ranks, of workers and the size of batches, and
// when other ranks go on with the epoch in its middle.
func TestAugmentationsAreTheSamples(t *testing.T) {
	const epoch = 3
	f := photoFile(t, true)
	outputs := []loader.Output{
		{Name: "image", Decoder: transform.RandomResizedCrop{Width: 48, Height: 40}, Ops: []any{
			transform.HorizontalFlip{}, transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1},
			transform.Translate{Padding: 3}, transform.Cutout{Size: 5}, transform.RandomErasing{}}},
		{Name: "small", Field: "image", Decoder: transform.RandomResizedCrop{Width: 16, Height: 16}},
	}
	for _, o := range []struct {
		name  string
		order loader.Order
		times int
	}{
		{"random", loader.Random, 1}, {"keyed", loader.Keyed, 1}, {"quasi-random", loader.QuasiRandom, 1},
		{"pages", loader.PageShuffle{Window: 2}, 1}, {"repeated", loader.Repeated{Times: 3}, 3},
	} {
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			options := func(rank, world int) loader.Options {
				return loader.Options{Order: o.order, Seed: 11, BatchSize: 1 + world%5, Workers: 1 + rank%3, Rank: rank, WorldSize: world,
					ExactlyOnce: true, Outputs: outputs}
			}
			want := augmented{}
			want.add(t, f, options(0, 1), nil, epoch, -1)
			if len(want) != f.Len()*o.times {
				t.Fatalf("%d different rows of %d photographs", len(want), f.Len())
			}
			for world := 2; world <= 8; world++ {
				got := augmented{}
				for rank := range world {
					got.add(t, f, options(rank, world), nil, epoch, -1)
				}
				if !maps.Equal(got, want) {
					t.Errorf("%d ranks: %d rows, %d wanted, %d of them alike", world, len(got), len(want), got.alike(want))
				}
			}
			for _, c := range [][2]int{{1, 4}, {4, 1}, {3, 8}, {8, 3}} {
				got, state := augmented{}, (*loader.State)(nil)
				for rank := range c[0] {
					state = got.add(t, f, options(rank, c[0]), nil, epoch, 2)
				}
				for rank := range c[1] {
					got.add(t, f, options(rank, c[1]), state, epoch, -1)
				}
				if !maps.Equal(got, want) {
					t.Errorf("%d ranks, then %d: %d rows, %d wanted, %d of them alike", c[0], c[1], len(got), len(want), got.alike(want))
				}
			}
		})
	}
}

// augmented counts the rows of an epoch: the photograph's number and the sums of
// what was made of it.
type augmented map[string]int

// add loads an epoch, or what a state leaves of it, to its end or so many batches.
func (a augmented) add(t *testing.T, f *ffcv.File, opts loader.Options, s *loader.State, epoch, stop int) *loader.State {
	t.Helper()
	l := newLoader(t, f, &opts)
	if s != nil {
		l = resume(t, f, opts, s)
		defer l.Close()
	}
	n := 0
	for b, err := range l.Epoch(t.Context(), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range b.Samples() {
			a[fmt.Sprintf("%d %x %x", id, sha256.Sum256(b.Output("image").Value(i)), sha256.Sum256(b.Output("small").Value(i)))]++
		}
		b.Release()
		if n++; n == stop {
			break
		}
	}
	return stateOf(t, l)
}

// alike counts rows that both have.
func (a augmented) alike(b augmented) (n int) {
	for row := range a {
		if b[row] > 0 {
			n++
		}
	}
	return n
}
