package loader

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
)

// Selection is what an Order orders: Len samples of a dataset.
type Selection struct {
	Dataset   Dataset
	Len       int
	Samples   []int // the selected samples, in the order given; nil: samples 0 … Len-1
	BatchSize int
	Seed      uint64
	Rank      int // of WorldSize
	WorldSize int // at least 1
}

// Sample returns the dataset's number of the selected sample at position i.
func (s *Selection) Sample(i int) int {
	if s.Samples == nil {
		return i
	}
	return s.Samples[i]
}

// Share returns how many samples each rank gets: Len divided by WorldSize,
// rounded up.
func (s *Selection) Share() int {
	n := s.Len / s.WorldSize
	if s.Len%s.WorldSize != 0 {
		n++
	}
	return n
}

// Order decides in which order the samples of an epoch come, and which of them
// come to this rank.
type Order interface {
	// Plan is called once, by New.
	Plan(s Selection) (Plan, error)
}

// Plan is an Order for one loader. It is safe for concurrent use.
type Plan interface {
	// Len returns how many samples every epoch has (for this rank).
	Len() int
	// Epoch returns the order of one epoch.
	Epoch(epoch int) (Sequence, error)
}

// Sequence fills dst with the next samples of an epoch, as numbers in the
// dataset. It is called from one goroutine, for Plan.Len samples in total; a
// loader that stops early leaves the rest.
type Sequence func(dst []int) error

// OrderFunc is an order of one's own: a function that returns the samples of
// an epoch in order, as numbers in the dataset, as many as s.Share().
type OrderFunc func(s Selection, epoch int) ([]int, error)

// Plan implements Order.
func (f OrderFunc) Plan(s Selection) (Plan, error) { return &funcPlan{f: f, sel: s}, nil }

type funcPlan struct {
	f   OrderFunc
	sel Selection
}

func (p *funcPlan) Len() int { return p.sel.Share() }

func (p *funcPlan) Epoch(epoch int) (Sequence, error) {
	samples, err := p.f(p.sel, epoch)
	if err != nil {
		return nil, err
	}
	if len(samples) != p.Len() {
		return nil, fmt.Errorf("order gives %d samples, want %d", len(samples), p.Len())
	}
	return func(dst []int) error {
		copy(dst, samples)
		samples = samples[len(dst):]
		return nil
	}, nil
}

// The orders of FFCV.
var (
	// Sequential is the order of the file (or of Indices). Of several ranks,
	// each takes every WorldSize-th sample.
	Sequential Order = sequential{}
	// Random is a permutation of all samples, anew in each epoch: NumPy's
	// default_rng(seed+epoch).permutation, and with several ranks PyTorch's
	// DistributedSampler, bit for bit. It keeps 4 bytes a sample (8 from 2³²
	// samples) while an epoch runs.
	Random Order = random{}
	// QuasiRandom shuffles pages and, within a window of 2*BatchSize pages,
	// samples, so that a file larger than memory is read page by page: FFCV's
	// QUASI_RANDOM bit for bit, as its Loader gives it from epoch 0 on. It
	// keeps 8 bytes a sample, and 4 more while an epoch runs; an epoch out of
	// turn costs the shuffles of all before it. The dataset must be a Pager. Samples
	// without data in pages, Indices with repeats, and several ranks are errors.
	QuasiRandom Order = quasiRandom{}
)

type sequential struct{}

func (sequential) Plan(s Selection) (Plan, error) { return &sequentialPlan{s}, nil }

type sequentialPlan struct{ sel Selection }

func (p *sequentialPlan) Len() int { return p.sel.Share() }

func (p *sequentialPlan) Epoch(int) (Sequence, error) {
	at := p.sel.Rank
	return func(dst []int) error {
		for i := range dst {
			if at >= p.sel.Len { // begin again from the front, so that all ranks get as many
				at %= p.sel.Len
			}
			dst[i] = p.sel.Sample(at)
			at += p.sel.WorldSize
		}
		return nil
	}, nil
}

type random struct{}

func (random) Plan(s Selection) (Plan, error) { return &randomPlan{sel: s}, nil }

type randomPlan struct {
	sel    Selection
	narrow spare[uint32]
	wide   spare[uint64]
}

func (p *randomPlan) Len() int { return p.sel.Share() }

func (p *randomPlan) Epoch(epoch int) (Sequence, error) {
	if epoch < 0 {
		return nil, fmt.Errorf("epoch %d is negative", epoch)
	}
	if uint64(p.sel.Len) > math.MaxUint32 {
		return randomSequence(&p.sel, uint64(epoch), &p.wide), nil
	}
	return randomSequence(&p.sel, uint64(epoch), &p.narrow), nil
}

func randomSequence[T uint32 | uint64](sel *Selection, epoch uint64, free *spare[T]) Sequence {
	perm := free.get(sel.Len)
	if sel.WorldSize > 1 {
		torchPermutation(newMT19937(uint32(sel.Seed+epoch)), perm)
	} else {
		permutation(newPCG64(sel.Seed, epoch), perm)
	}
	at := sel.Rank
	return free.after(sel.Share(), sel.BatchSize, perm, func(dst []int) error {
		for i := range dst {
			if at >= len(perm) {
				at %= len(perm)
			}
			dst[i] = sel.Sample(int(perm[at]))
			at += sel.WorldSize
		}
		return nil
	})
}

// spare keeps the order of an epoch that was given out whole for the next one:
// otherwise both are in memory until the collector comes. The zero value is
// ready; safe for concurrent use.
type spare[T uint32 | uint64] struct{ order atomic.Pointer[[]T] }

// get returns an order of n samples with undefined contents.
func (s *spare[T]) get(n int) []T {
	if p := s.order.Swap(nil); p != nil && len(*p) == n {
		return *p
	}
	return make([]T, n)
}

// after is seq, of n samples made from order, which it gives back when less
// than a batch is left: the rest, which DropLast never asks for, is set aside.
func (s *spare[T]) after(n, batch int, order []T, seq Sequence) Sequence {
	var rest []int
	set := false
	return func(dst []int) error {
		if set {
			rest = rest[copy(dst, rest):]
			return nil
		}
		if err := seq(dst); err != nil {
			return err
		}
		if n -= len(dst); n >= batch {
			return nil
		}
		rest, set = make([]int, n), true
		if err := seq(rest); err != nil {
			return err
		}
		s.order.Store(&order)
		return nil
	}
}

// check is what New asks of a selection's share.
func (s *Selection) check() error {
	if s.WorldSize < 1 || s.Rank < 0 || s.Rank >= s.WorldSize {
		return fmt.Errorf("rank %d of world size %d: want 0 to %d", s.Rank, s.WorldSize, s.WorldSize-1)
	}
	if s.Len > math.MaxInt-s.WorldSize {
		return errors.New("too many samples")
	}
	return nil
}
