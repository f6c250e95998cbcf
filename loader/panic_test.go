package loader_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// falls panics as an operation, a decoder and an order.
type falls struct{}

func (falls) Bind(array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	panic("fell")
}

func (falls) BindField(ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	panic("fell")
}

func (falls) Plan(loader.Selection) (loader.Plan, error) { panic("fell") }

// late is an order that panics after 8 samples.
type late struct{ samples int }

func (late) Plan(s loader.Selection) (loader.Plan, error) { return late{s.Len}, nil }

func (o late) Len() int { return o.samples }

func (o late) Epoch(loader.Start) (loader.Sequence, error) {
	return loader.SequenceFunc(func(dst []int, from, _ int) error {
		if from >= 8 {
			panic("fell")
		}
		for i := range dst {
			dst[i] = from + i
		}
		return nil
	}), nil
}

// TestPanicOfOptions: what comes with the options may panic in New or in an
// epoch; both end with an error, and the batches before it come.
func TestPanicOfOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		opts    loader.Options
		says    string
		batches int // -1: New fails
	}{
		{"operation", loader.Options{Outputs: []loader.Output{{Name: "n", Ops: []any{falls{}}}}}, `output "n"`, -1},
		{"decoder", loader.Options{Outputs: []loader.Output{{Name: "x", Decoder: falls{}}}}, `output "x"`, -1},
		{"filter", loader.Options{Filter: func(*loader.Sample) (bool, error) { panic("fell") }}, "", -1},
		{"order", loader.Options{Order: falls{}}, "", -1},
		{"order of an epoch", loader.Options{Order: loader.OrderFunc(func(loader.Selection, int) ([]int, error) { panic("fell") })}, "epoch 0", 0},
		{"order, late", loader.Options{BatchSize: 4, BatchesAhead: 1, Order: late{}}, "epoch 0", 2},
	} {
		for name, f := range numbers(t, 30) {
			settle := leak.Watch(t)
			batches := -1
			l, err := loader.New(f, &c.opts)
			if err == nil {
				batches, err = consume(t.Context(), l, math.MaxInt)
				l.Close()
			}
			var p *loader.PanicError
			if !errors.As(err, &p) || p.Value != "fell" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, %s: %v, want a PanicError that says %q", c.name, name, err, c.says)
			}
			if batches != c.batches {
				t.Errorf("%s, %s: %d batches, want %d", c.name, name, batches, c.batches)
			}
			settle()
		}
	}
}
