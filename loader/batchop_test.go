package loader_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
)

// indexed adds the sample's number to each value.
type indexed struct{}

func (indexed) BindIndexed(in array.Spec) (array.Spec, func(dst, src []byte, sample int, rng *rand.Rand) error, bool, error) {
	return in, func(dst, src []byte, sample int, _ *rand.Rand) error {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)+uint64(sample))
		return nil
	}, true, nil
}

// shift gives each row the row before it, in place or widened by a random
// number that is the same for the whole batch.
type shift struct {
	inPlace bool
	stream  string
}

func (s shift) Stream() string { return s.stream }

func (s shift) BindBatch(in array.Spec) (array.Spec, func(dst, src []byte, samples []int, rng *rand.Rand) error, bool, error) {
	n, err := in.Bytes()
	if err != nil {
		return in, nil, false, err
	}
	if s.inPlace {
		return in, func(dst, src []byte, samples []int, _ *rand.Rand) error {
			if len(dst) != n*len(samples) || &dst[0] != &src[0] {
				return fmt.Errorf("%d bytes for %d samples", len(dst), len(samples))
			}
			last := slices.Clone(src[len(src)-n:])
			copy(dst[n:], src[:len(src)-n])
			copy(dst, last)
			return nil
		}, true, nil
	}
	out := array.Spec{DType: array.Uint8, Shape: []int{n + 8}}
	return out, func(dst, src []byte, samples []int, rng *rand.Rand) error {
		v := rng.Uint64()
		for i := range samples {
			before := (i + len(samples) - 1) % len(samples)
			row := dst[i*(n+8) : (i+1)*(n+8)]
			copy(row, src[before*n:(before+1)*n])
			binary.LittleEndian.PutUint64(row[n:], v)
		}
		return nil
	}, false, nil
}

// TestBatchOps runs operations of all kinds, before and behind those of a whole
// batch, for several numbers of workers and a short last batch.
func TestBatchOps(t *testing.T) {
	f := numbers(t, 53)["map"]
	plus := opFunc(func(b []byte, _ *rand.Rand) error { b[0]++; return nil })
	for _, c := range []struct {
		what string
		ops  []any
		want func(id, before int) uint64
		wide int // bytes of random numbers behind the value
	}{
		{"index", []any{indexed{}}, func(id, _ int) uint64 { return 2 * uint64(id) }, 0},
		{"index behind", []any{shift{inPlace: true}, indexed{}}, func(id, before int) uint64 { return uint64(before + id) }, 0},
		{"in place", []any{plus, shift{inPlace: true}}, func(_, before int) uint64 { return uint64(before + 1) }, 0},
		{"wider", []any{indexed{}, shift{stream: "s"}, plus}, func(_, before int) uint64 { return uint64(2*before + 1) }, 8},
		{"twice wider", []any{shift{stream: "s"}, shift{inPlace: true}, shift{stream: "s"}}, nil, 16},
	} {
		draws := map[string]string{}
		for _, workers := range []int{1, 3} {
			l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: workers, Order: loader.Random, Outputs: []loader.Output{
				{Name: "n", Ops: c.ops}, {Name: "again", Field: "n", Ops: c.ops}}})
			for epoch := range 2 {
				for b, err := range l.Epoch(t.Context(), epoch) {
					if err != nil {
						t.Fatal(err)
					}
					out, ids := b.Output("n"), b.Samples()
					for i, id := range ids {
						row := out.Value(i)
						if len(row) != 8+c.wide {
							t.Fatalf("%s: row of %d bytes", c.what, len(row))
						}
						before := ids[(i+len(ids)-1)%len(ids)]
						if got := binary.LittleEndian.Uint64(row); c.want != nil && got != c.want(id, before) {
							t.Fatalf("%s: sample %d behind %d is %d, want %d", c.what, id, before, got, c.want(id, before))
						}
					}
					if string(out.Data) != string(b.Output("again").Data) {
						t.Errorf("%s: two outputs of one stream differ", c.what)
					}
					key := fmt.Sprint(epoch, " ", b.Index())
					if v, ok := draws[key]; ok && v != string(out.Data) {
						t.Errorf("%s: batch %s depends on the number of workers", c.what, key)
					}
					draws[key] = string(out.Data)
					b.Release()
				}
			}
		}
	}
}

// failing is a BatchOp that fails at the batch with sample 20.
type failing func() error

func (f failing) BindBatch(in array.Spec) (array.Spec, func(dst, src []byte, samples []int, rng *rand.Rand) error, bool, error) {
	return in, func(_, _ []byte, samples []int, _ *rand.Rand) error {
		if slices.Contains(samples, 20) {
			return f()
		}
		return nil
	}, true, nil
}

func TestBatchOpFails(t *testing.T) {
	f := numbers(t, 53)["map"]
	for what, fail := range map[string]failing{
		"error":  func() error { return errors.New("no such luck") },
		"panic":  func() error { panic("no such luck") },
		"goexit": func() error { runtime.Goexit(); return nil },
	} {
		l := newLoader(t, f, &loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{{Name: "n", Ops: []any{fail}}}})
		batches := 0
		for b, err := range l.Epoch(t.Context(), 0) {
			if err == nil {
				batches++
				b.Release()
				continue
			}
			for _, part := range []string{f.Name(), "batch 2", `output "n"`} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s: %v does not tell %s", what, err, part)
				}
			}
			var p *loader.PanicError
			if errors.As(err, &p) != (what == "panic") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if batches != 2 {
			t.Errorf("%s: %d batches before it", what, batches)
		}
	}
}
