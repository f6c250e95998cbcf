package loader_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// crops are the outputs of a multi-crop: two large views of a picture and some
// small ones, with all kinds of operations after them.
func crops(large, small int) []loader.Output {
	own := opFunc(func(b []byte, rng *rand.Rand) error { b[rng.IntN(len(b))]++; return nil })
	norm := transform.Normalize{Mean: [3]float64{120, 110, 100}, Std: [3]float64{60, 55, 50}}
	list := []loader.Output{{Name: "image", Disabled: true}}
	for i := range 8 {
		side, scale := small, [2]float64{0.05, 0.4}
		if i < 2 {
			side, scale = large, [2]float64{0.4, 1}
		}
		list = append(list, loader.Output{
			Name: fmt.Sprintf("view%d", i), Field: "image",
			Decoder: transform.RandomResizedCrop{Width: side, Height: side, Scale: scale},
			Ops: [][]any{
				{transform.HorizontalFlip{}},
				{transform.HorizontalFlip{}, norm, transform.ToCHW{}},
				{own, transform.ToCHW{}},
				{transform.HorizontalFlip{}, own, norm, transform.ToCHW{}},
				{},
			}[i%5],
		})
	}
	return list
}

// TestSharedDecode holds views that share a decode to those that each have a
// loader of their own.
func TestSharedDecode(t *testing.T) {
	defer leak.Watch(t)()
	mapped := photoFile(t, true)
	b, err := os.ReadFile(mapped.Name())
	if err != nil {
		t.Fatal(err)
	}
	read, err := ffcv.New(ffcv.ReaderAtSource("reader", bytes.NewReader(b), int64(len(b))), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	for _, f := range []*ffcv.File{mapped, read} {
		testSharedDecode(t, f)
	}
}

func testSharedDecode(t *testing.T, f *ffcv.File) {
	outputs := crops(64, 32)
	outputs[3].Decoder = transform.RandomResizedCrop{Width: 40, Height: 30, Exact: true}
	outputs[4].Decoder = &transform.CenterCrop{Width: 40, Height: 30, Exact: true}
	outputs[5].Decoder = separate{transform.CenterCrop{Width: 40, Height: 30}}
	opts := loader.Options{BatchSize: 7, Workers: 2, Seed: 3, Order: loader.Random, Outputs: outputs}
	l := newLoader(t, f, &opts)
	alone := make([][][][]byte, len(outputs)-1)
	for i := range alone {
		one := opts
		one.Workers, one.Outputs = 1, []loader.Output{outputs[0], outputs[i+1]}
		alone[i] = rows(t, f, one, 2)
	}
	for n := range 2 {
		for b, err := range l.Epoch(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range b.Samples() {
				for k, c := range b.Outputs() {
					if !bytes.Equal(c.Value(i), alone[k][n][id]) {
						t.Fatalf("epoch %d, sample %d: output %q is another than alone", n, id, c.Name)
					}
				}
			}
			b.Release()
		}
	}
	shared := [][]string{
		{"view1", "view5", "view6", "view7"}, {"view0", "view5", "view6", "view7"}, {"view3"}, {"view2"}, nil,
		{"view0", "view1", "view6", "view7"}, {"view0", "view1", "view5", "view7"}, {"view0", "view1", "view5", "view6"},
	}
	for i, p := range l.Explain() {
		if got := p.Steps[0].Shares; !slices.Equal(got, shared[i]) {
			t.Errorf("%s shares decodes with %q, want %q", p.Output, got, shared[i])
		}
		if s := p.String(); (shared[i] != nil) != strings.Contains(s, `[shares decodes with "view`) {
			t.Error(s)
		}
	}
}

// TestSharedDecodeFails: whose error it is, and that samples before it come.
func TestSharedDecodeFails(t *testing.T) {
	f := photoFile(t, true)
	refuse := errors.New("refused")
	for _, c := range []struct {
		name   string
		change func(list []loader.Output)
		want   string
	}{
		{"operation", func(list []loader.Output) {
			list[4].Ops = []any{opFunc(func([]byte, *rand.Rand) error { return refuse })}
		}, `output "view3": operation 0: refused`},
		{"two operations", func(list []loader.Output) {
			fail := opFunc(func([]byte, *rand.Rand) error { return refuse })
			list[7].Ops, list[3].Ops = []any{fail}, []any{transform.HorizontalFlip{}, fail}
		}, `output "view2": operation 1: refused`},
		{"panic", func(list []loader.Output) {
			list[6].Ops = []any{opFunc(func([]byte, *rand.Rand) error { panic("at once") })}
		}, `output "view5": panic`},
		{"end", func(list []loader.Output) {
			list[6].Ops = []any{opFunc(func([]byte, *rand.Rand) error { runtime.Goexit(); return nil })}
		}, `output "view5": a decoder or operation ended its goroutine`},
		{"crop", func(list []loader.Output) {
			list[5].Decoder = transform.RandomCrop{Width: 5000, Height: 5000}
		}, `output "view4": transform: RandomCrop`},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer leak.Watch(t)()
			list := crops(64, 32)
			c.change(list)
			l := newLoader(t, f, &loader.Options{BatchSize: 4, Workers: 2, Outputs: list})
			for _, err := range l.Epoch(t.Context(), 0) {
				if err == nil || !strings.Contains(err.Error(), "sample 0: "+c.want) {
					t.Errorf("%v, want %q of sample 0", err, c.want)
				}
				break
			}
		})
	}
}

// torn breaks the last part of a sample's JPEG.
type torn struct {
	*ffcv.File
	sample int
}

func (d torn) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	b, err := d.File.Bytes(sample, ptr, size, buf)
	if err == nil && sample == d.sample {
		b = bytes.Clone(b)
		for i := len(b) * 8 / 10; i < len(b); i++ {
			b[i] = 0xff
		}
	}
	return b, err
}

// TestSharedDecodeDamage: a stream that is broken off is no concern of views
// that lie before the damage, and gives the error of the first that doesn't.
func TestSharedDecodeDamage(t *testing.T) {
	ds := torn{photoFile(t, true), 3}
	list := []loader.Output{{Name: "image", Disabled: true}}
	for i, ratio := range []float64{0.2, 0.3, 0.95, 1} {
		list = append(list, loader.Output{Name: fmt.Sprintf("view%d", i), Field: "image",
			Decoder: transform.CenterCrop{Width: 32, Height: 32, Ratio: ratio}})
	}
	load := func(list []loader.Output) error {
		_, err := consume(t.Context(), newLoader(t, ds, &loader.Options{BatchSize: 4, Workers: 1, MarksMemory: -1, Outputs: list}), 1)
		return err
	}
	for i, o := range list[1:] {
		if err := load([]loader.Output{list[0], o}); (err != nil) != (i >= 2) {
			t.Errorf("%s alone: %v", o.Name, err)
		}
	}
	if err := load(list[:3]); err != nil {
		t.Errorf("two before the damage: %v", err)
	}
	want := load([]loader.Output{list[0], list[3]})
	if err := load(list); err == nil || err.Error() != want.Error() {
		t.Errorf("all: %v, want %v", err, want)
	}
}

// TestSharedDecodeAllocs: nothing is allocated for a sample.
func TestSharedDecodeAllocs(t *testing.T) {
	if race.Enabled || loader.Debugging {
		t.Skip("the race detector lets pools forget, a debug build makes every batch anew")
	}
	f := photoFile(t, true)
	list := crops(64, 32)
	epoch := epochs(t, f, &loader.Options{BatchSize: 8, Workers: 1, Outputs: list})
	for range 10 {
		epoch()
	}
	if got := testing.AllocsPerRun(10, epoch); got > 2*float64(f.Len()) { // of 344 views; an epoch has some of its own
		t.Errorf("%.0f allocations an epoch of %d samples", got, f.Len())
	}
}

// epochs returns a function that loads an epoch.
func epochs(t testing.TB, ds loader.Dataset, opts *loader.Options) func() {
	t.Helper()
	l := newLoader(t, ds, opts)
	n := 0
	return func() {
		for b, err := range l.Epoch(t.Context(), n) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
		n++
	}
}
