package loader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/transform"
)

// opFunc is an in-place operation on whatever comes.
type opFunc func(b []byte, rng *rand.Rand) error

func (f opFunc) Bind(in array.Spec) (array.Spec, func(dst, src []byte, rng *rand.Rand) error, bool, error) {
	return in, func(dst, _ []byte, rng *rand.Rand) error { return f(dst, rng) }, true, nil
}

// numbers opens a file of n samples with the field n, 0 … n-1, and x, some
// floats.
func numbers(t testing.TB, n int) map[string]*ffcv.File {
	t.Helper()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}},
		{Name: "n", Field: fields.Int{}},
	}, n, func(i int) []any {
		v := float32(i)
		return []any{[]float32{v, v + 0.25, v + 0.5}, i}
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return ffcvtest.Open(t, b, nil)
}

func newLoader(t testing.TB, ds loader.Dataset, opts *loader.Options) *loader.Loader {
	t.Helper()
	l, err := loader.New(ds, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestPartialBatches(t *testing.T) {
	f := numbers(t, 600)["map"]
	for _, c := range []struct {
		batch   int
		drop    bool
		batches int
		samples int
	}{{7, false, 86, 600}, {7, true, 85, 595}, {600, true, 1, 600}, {1000, false, 1, 600}, {1, true, 600, 600}, {599, false, 2, 600}, {601, false, 1, 600}, {0, false, 3, 600}} {
		for _, order := range []loader.Order{loader.Sequential, loader.Random, loader.QuasiRandom} {
			l := newLoader(t, f, &loader.Options{BatchSize: c.batch, DropLast: c.drop, Order: order, Workers: 2})
			if l.Len() != c.batches || l.Samples() != c.samples {
				t.Errorf("batch size %d, drop %v: %d batches of %d samples, want %d of %d", c.batch, c.drop, l.Len(), l.Samples(), c.batches, c.samples)
			}
			batches, seen := 0, make([]int, 600)
			for b, err := range l.Epoch(t.Context(), 3) {
				if err != nil {
					t.Fatal(err)
				}
				if b.Index() != batches {
					t.Errorf("batch %d comes as number %d", b.Index(), batches)
				}
				batches++
				n, x := view[int64](t, b.Output("n")), view[float32](t, b.Output("x"))
				for i, id := range b.Samples() {
					seen[id]++
					if n[i] != int64(id) || x[3*i+2] != float32(id)+0.5 {
						t.Fatalf("sample %d: %d, %v", id, n[i], x[3*i:3*i+3])
					}
				}
				b.Release()
			}
			total := 0
			for id, k := range seen {
				if total += k; k > 1 {
					t.Errorf("sample %d comes %d times", id, k)
				}
			}
			if batches != c.batches || total != c.samples {
				t.Errorf("batch size %d, drop %v: %d batches of %d samples came, want %d of %d", c.batch, c.drop, batches, total, c.batches, c.samples)
			}
		}
	}
}

func TestDropLastOfTooFew(t *testing.T) {
	f := numbers(t, 10)["map"]
	for _, o := range []loader.Options{{BatchSize: 60, DropLast: true}, {BatchSize: 6, DropLast: true, WorldSize: 2}, {BatchSize: 2, DropLast: true, Indices: []int{}}} {
		if _, err := loader.New(f, &o); err == nil || !strings.Contains(err.Error(), "DropLast") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// TestSameBatches: neither workers nor batches ahead nor the source change
// anything, and the random numbers of a sample not even the batch size or the
// order.
func TestSameBatches(t *testing.T) {
	noise := opFunc(func(b []byte, rng *rand.Rand) error {
		for i := range b {
			b[i] ^= byte(rng.Uint32())
		}
		return nil
	})
	outs := []loader.Output{
		{Name: "img", Decoder: transform.RandomResizedCrop{Width: 16, Height: 12}, Ops: []any{transform.HorizontalFlip{}, noise, transform.ToCHW{}}},
		{Name: "view", Field: "img", Decoder: transform.RandomResizedCrop{Width: 16, Height: 12}},
		{Name: "img2", Decoder: loader.Raw{}},
		{Name: "nd", Ops: []any{noise}},
		{Name: "i", Ops: []any{noise, noise}},
	}
	want := map[int]string{}     // by sample, in any order
	exact := map[string]string{} // by batch size, in this order
	for name, f := range ffcvtest.Golden(t, "mixed") {
		for _, workers := range []int{1, 2, 8} {
			for _, size := range []int{1, 7, 60} {
				l := newLoader(t, f, &loader.Options{BatchSize: size, Workers: workers, BatchesAhead: workers, Order: loader.Random, Seed: 9, Outputs: outs})
				var all strings.Builder
				for batch, err := range l.Epoch(t.Context(), 2) {
					if err != nil {
						t.Fatal(err)
					}
					for i, id := range batch.Samples() {
						var one strings.Builder
						for _, c := range batch.Outputs() {
							one.WriteString(golden.Sum(c.Value(i)))
						}
						if want[id] == "" {
							want[id] = one.String()
						}
						if one.String() != want[id] {
							t.Errorf("%s, %d workers, batch size %d: sample %d differs", name, workers, size, id)
						}
					}
					for _, c := range batch.Outputs() {
						fmt.Fprintln(&all, c.Name, c.Spec, c.Lengths, golden.Sum(c.Data))
					}
					batch.Release()
				}
				key := fmt.Sprint(size)
				if exact[key] == "" {
					exact[key] = all.String()
				}
				if all.String() != exact[key] {
					t.Errorf("%s, %d workers, batch size %d: other batches", name, workers, size)
				}
			}
		}
	}
	if len(want) != 60 {
		t.Errorf("%d samples, want 60", len(want))
	}
	// Another epoch has other numbers.
	l := newLoader(t, ffcvtest.Golden(t, "mixed")["map"], &loader.Options{BatchSize: 60, Order: loader.Random, Seed: 9, Outputs: outs})
	for batch, err := range l.Epoch(t.Context(), 3) {
		if err != nil {
			t.Fatal(err)
		}
		c := batch.Output("img")
		for i, id := range batch.Samples() {
			if strings.HasPrefix(want[id], golden.Sum(c.Value(i))) {
				t.Errorf("sample %d is the same in two epochs", id)
			}
		}
	}
}

// TestEnds checks that nothing is left over however an epoch ends.
func TestEnds(t *testing.T) {
	for name, f := range numbers(t, 300) {
		t.Run(name, func(t *testing.T) {
			boom := errors.New("boom")
			bad := func(what func()) *loader.Loader {
				return newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 4, Outputs: []loader.Output{{Name: "n", Ops: []any{opFunc(func(b []byte, _ *rand.Rand) error {
					switch {
					case b[0] == 137:
						what()
						return fmt.Errorf("no: %w", boom)
					case b[0] == 138: // a later one of the same batch, which fails first
						return errors.New("later")
					case b[0] == 130:
						time.Sleep(5 * time.Millisecond)
					}
					return nil
				})}}}})
			}
			good := newLoader(t, f, &loader.Options{BatchSize: 10, Workers: 4})

			t.Run("end", func(t *testing.T) {
				defer leak.Watch(t)()
				if n, err := consume(t.Context(), good, 1000); n != 30 || err != nil {
					t.Errorf("%d batches, %v", n, err)
				}
			})
			t.Run("break", func(t *testing.T) {
				defer leak.Watch(t)()
				if n, err := consume(t.Context(), good, 3); n != 3 || err != nil {
					t.Errorf("%d batches, %v", n, err)
				}
			})
			t.Run("error", func(t *testing.T) {
				defer leak.Watch(t)()
				n, err := consume(t.Context(), bad(func() {}), 1000)
				if n != 13 || !errors.Is(err, boom) {
					t.Errorf("%d batches, %v", n, err)
				}
				if s := fmt.Sprint(err); !strings.Contains(s, "sample 137") || !strings.Contains(s, `"n"`) || !strings.Contains(s, f.Name()) {
					t.Errorf("error %q names no file, sample or output", s)
				}
			})
			t.Run("panic", func(t *testing.T) {
				defer leak.Watch(t)()
				n, err := consume(t.Context(), bad(func() { panic(boom) }), 1000)
				var p *loader.PanicError
				if n != 13 || !errors.As(err, &p) || p.Value != boom || !errors.Is(err, boom) || !strings.Contains(string(p.Stack), "epoch_test.go") {
					t.Errorf("%d batches, %v", n, err)
				}
			})
			t.Run("goexit", func(t *testing.T) {
				defer leak.Watch(t)()
				if n, err := consume(t.Context(), bad(runtime.Goexit), 1000); n != 13 || err == nil {
					t.Errorf("%d batches, %v", n, err)
				}
			})
			t.Run("cancel", func(t *testing.T) {
				defer leak.Watch(t)()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				n := 0
				var last error
				for b, err := range good.Epoch(ctx, 0) {
					if last = err; err != nil {
						continue
					}
					b.Release()
					if n++; n == 4 {
						cancel()
					}
				}
				if n != 4 || !errors.Is(last, context.Canceled) {
					t.Errorf("%d batches, %v", n, last)
				}
			})
			t.Run("cancelled before", func(t *testing.T) {
				defer leak.Watch(t)()
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if n, err := consume(ctx, good, 1000); n != 0 || !errors.Is(err, context.Canceled) {
					t.Errorf("%d batches, %v", n, err)
				}
			})
			t.Run("panic in the loop", func(t *testing.T) {
				defer leak.Watch(t)()
				func() {
					defer func() { recover() }()
					for range good.Epoch(t.Context(), 0) {
						panic("consumer")
					}
				}()
			})
			t.Run("not begun", func(t *testing.T) {
				defer leak.Watch(t)()
				good.Epoch(t.Context(), 0)
			})
		})
	}
}

// consume runs an epoch until it has seen most batches.
func consume(ctx context.Context, l *loader.Loader, most int) (n int, err error) {
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return n, err
		}
		b.Release()
		if n++; n == most {
			break
		}
	}
	return n, nil
}

// TestFirstFailure: of several failing samples and outputs of a batch the
// first sample's error comes, whatever the workers do.
func TestFirstFailure(t *testing.T) {
	f := numbers(t, 64)["map"]
	fail := func(at ...byte) loader.Op {
		return opFunc(func(b []byte, rng *rand.Rand) error {
			if slices.Contains(at, b[0]) {
				return errors.New("bad")
			}
			return nil
		})
	}
	for _, workers := range []int{1, 4} {
		for range 20 {
			l := newLoader(t, f, &loader.Options{BatchSize: 64, Workers: workers, Outputs: []loader.Output{
				{Name: "n", Ops: []any{fail(40, 50)}},
				{Name: "m", Field: "n", Ops: []any{fail(23, 60)}},
				{Name: "o", Field: "n", Ops: []any{fail(24, 62)}},
			}})
			if _, err := consume(t.Context(), l, 9); err == nil || !strings.Contains(err.Error(), `sample 23: output "m"`) {
				t.Fatalf("%d workers: %v", workers, err)
			}
		}
	}
}

// TestSlowSample: while one sample takes its time, the other workers go on with
// the rest of its batch and with the batches after it.
func TestSlowSample(t *testing.T) {
	const batch, ahead = 32, 3
	f := numbers(t, 10*batch)["map"]
	var others atomic.Int64
	enough := make(chan struct{})
	slow := opFunc(func(b []byte, _ *rand.Rand) error {
		id := int(b[0]) + int(b[1])<<8
		if id == 0 {
			select {
			case <-enough:
				return nil
			case <-time.After(10 * time.Second):
				return fmt.Errorf("only %d other samples were filled", others.Load())
			}
		}
		// All that is in flight, but for the run of the slow sample itself.
		if others.Add(1) == ahead*batch-batch/4 {
			close(enough)
		}
		return nil
	})
	l := newLoader(t, f, &loader.Options{BatchSize: batch, BatchesAhead: ahead, Workers: 2, Outputs: []loader.Output{{Name: "n", Ops: []any{slow}}}})
	if n, err := consume(t.Context(), l, 99); n != 10 || err != nil {
		t.Errorf("%d batches, %v", n, err)
	}
}

func TestSeveralEpochsAtOnce(t *testing.T) {
	f := numbers(t, 100)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Order: loader.Random, Workers: 2})
	done := make(chan error)
	for e := range 4 {
		go func() { // ends with its epoch; the loop below waits
			sum := int64(0)
			for b, err := range l.Epoch(context.Background(), e) {
				if err != nil {
					done <- err
					return
				}
				n, _ := array.View[int64](b.Output("n").Array)
				for _, v := range n {
					sum += v
				}
				b.Release()
			}
			if sum != 4950 {
				done <- fmt.Errorf("epoch %d: sum %d, want 4950", e, sum)
				return
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestEmpty(t *testing.T) {
	for name, f := range numbers(t, 0) {
		for _, order := range []loader.Order{loader.Sequential, loader.Random, loader.QuasiRandom} {
			l := newLoader(t, f, &loader.Options{Order: order, WorldSize: 1})
			if n, err := consume(t.Context(), l, 9); l.Len() != 0 || n != 0 || err != nil {
				t.Errorf("%s: %d batches, %v", name, n, err)
			}
		}
		l := newLoader(t, f, &loader.Options{WorldSize: 3, Rank: 2})
		if n, err := consume(t.Context(), l, 9); n != 0 || err != nil {
			t.Errorf("%s: %d batches, %v", name, n, err)
		}
	}
}

func TestIndicesAndFilter(t *testing.T) {
	for name, f := range numbers(t, 100) {
		odd := func(s *loader.Sample) (bool, error) {
			n, err := s.Int("n")
			if err != nil {
				return false, err
			}
			if v, err := s.Value("x"); err != nil || v.(array.Array).Shape[0] != 3 {
				return false, fmt.Errorf("x is %v (%v)", v, err)
			}
			return n%2 == 1 && int(n) == s.Index(), nil
		}
		l := newLoader(t, f, &loader.Options{Indices: []int{8, 7, 7, 99, 0, 5}, Filter: odd, BatchSize: 3})
		var got []int
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range view[int64](t, b.Output("n")) {
				if int(v) != b.Samples()[i] {
					t.Errorf("%s: sample %d holds %d", name, b.Samples()[i], v)
				}
				got = append(got, int(v))
			}
		}
		if want := []int{7, 7, 99, 5}; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		for _, bad := range [][]int{{100}, {-1}, {3, 1 << 40}} {
			if _, err := loader.New(f, &loader.Options{Indices: bad}); err == nil {
				t.Errorf("%s: indices %v accepted", name, bad)
			}
		}
		boom := errors.New("boom")
		_, err := loader.New(f, &loader.Options{Filter: func(*loader.Sample) (bool, error) { return false, boom }})
		if !errors.Is(err, boom) {
			t.Errorf("%s: %v, want %v", name, err, boom)
		}
		for _, field := range []string{"x", "none"} {
			_, err := loader.New(f, &loader.Options{Filter: func(s *loader.Sample) (bool, error) {
				_, err := s.Float(field)
				return false, err
			}})
			if err == nil {
				t.Errorf("%s: %s is no float", name, field)
			}
		}
		none := newLoader(t, f, &loader.Options{Filter: func(*loader.Sample) (bool, error) { return false, nil }})
		if n, err := consume(t.Context(), none, 9); n != 0 || err != nil {
			t.Errorf("%s: %d batches, %v", name, n, err)
		}
	}
}

// TestOwnOrder: an order of one's own, and what it may not do.
func TestOwnOrder(t *testing.T) {
	f := numbers(t, 20)["map"]
	boom := errors.New("boom")
	for _, c := range []struct {
		order loader.OrderFunc
		ok    bool
	}{
		{func(s loader.Selection, epoch int) ([]int, error) {
			out := make([]int, s.Len)
			for i := range out {
				out[i] = s.Sample(s.Len - 1 - i)
			}
			return out, nil
		}, true},
		{func(s loader.Selection, epoch int) ([]int, error) { return nil, nil }, false},
		{func(s loader.Selection, epoch int) ([]int, error) { return make([]int, 21), nil }, false},
		{func(s loader.Selection, epoch int) ([]int, error) { return nil, boom }, false},
		{func(s loader.Selection, epoch int) ([]int, error) { return slices.Repeat([]int{20}, 20), nil }, false},
		{func(s loader.Selection, epoch int) ([]int, error) { return slices.Repeat([]int{-1}, 20), nil }, false},
	} {
		l := newLoader(t, f, &loader.Options{BatchSize: 6, Order: c.order})
		var got []int
		var last error
		for b, err := range l.Epoch(t.Context(), 0) {
			if last = err; err == nil {
				got = append(got, b.Samples()...)
				b.Release()
			}
		}
		if (last == nil) != c.ok || c.ok && (len(got) != 20 || got[0] != 19 || got[19] != 0) {
			t.Errorf("%v, %v", got, last)
		}
	}
}

func TestNegativeEpoch(t *testing.T) {
	f := open(t, "ndarray_multipage")
	for _, order := range []loader.Order{loader.Random, loader.QuasiRandom} {
		l := newLoader(t, f, &loader.Options{Order: order})
		n := 0
		for _, err := range l.Epoch(t.Context(), -1) {
			if n++; err == nil {
				t.Error("epoch -1 begins")
			}
		}
		if n != 1 {
			t.Errorf("%d errors", n)
		}
	}
}
