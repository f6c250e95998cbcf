package loader

import (
	"fmt"
	"math"
	"sync/atomic"
)

// OrderVersion counts the changes of the orders: between two builds of one
// version every order of this package is the same for the same seed and epoch.
const OrderVersion = 1

// Selection is what an Order orders: Len samples of a dataset.
type Selection struct {
	Dataset Dataset
	Len     int
	Samples []int // the selected samples, in the order given; nil: samples 0 … Len-1
	Seed    uint64

	Warn func(msg string) // of what the order does worse than it could; nil: nobody is told
}

// Sample returns the dataset's number of the selected sample at position i.
func (s *Selection) Sample(i int) int {
	if s.Samples == nil {
		return i
	}
	return s.Samples[i]
}

// Order decides in which order the samples of an epoch come. It is one order
// for all ranks: the loader deals its positions out to them, the first to rank
// 0, the next to rank 1 and so on.
type Order interface {
	// Plan is called once, by New.
	Plan(s Selection) (Plan, error)
}

// Plan is an Order for one loader. It is safe for concurrent use. A State names
// it by its method String where it has one (fmt.Stringer), which tells its
// settings, and by its Order's type otherwise.
type Plan interface {
	// Len returns how many positions every epoch has, over all ranks. It never
	// changes.
	Len() int
	// Epoch returns the order of one epoch.
	Epoch(s Start) (Sequence, error)
}

// Start is an epoch as it began, for orders that depend on more than its number.
// Resumed with another number of ranks or another batch size it keeps those.
type Start struct {
	Epoch     int
	WorldSize int // at least 1
	BatchSize int // at least 1
}

// Sequence is the order of one epoch.
type Sequence interface {
	// Fill puts the samples at positions from, from+step, from+2*step … in dst, as
	// numbers in the dataset. All of them are below Plan.Len, and step is at least
	// 1. It is called from one goroutine. The positions ascend from call to call,
	// and may begin and end anywhere; one exception is the end of an epoch that is
	// padded with repeats, which goes on at its front.
	Fill(dst []int, from, step int) error
	// Close is called once, when nothing more is asked for.
	Close()
}

// SequenceFunc is a Sequence that has nothing to close.
type SequenceFunc func(dst []int, from, step int) error

// Fill implements Sequence.
func (f SequenceFunc) Fill(dst []int, from, step int) error { return f(dst, from, step) }

// Close implements Sequence.
func (SequenceFunc) Close() {}

// Repeater is the ability of a Plan in whose epochs a sample comes several
// times, to have each time random numbers of its own: those belong, besides all
// else, to what Repeat returns for a position. Where that is 0 they are the ones
// that the sample has with any other order. It is called by many goroutines.
type Repeater interface {
	Repeat(position int) uint64
}

// OrderFunc is an order of one's own: a function that returns the samples of
// an epoch in order, over all ranks, as numbers in the dataset, s.Len of them.
// The same call must return the same. An order of another length implements
// Order.
type OrderFunc func(s Selection, epoch int) ([]int, error)

// Plan implements Order.
func (f OrderFunc) Plan(s Selection) (Plan, error) { return &funcPlan{f: f, sel: s}, nil }

type funcPlan struct {
	f   OrderFunc
	sel Selection
}

func (p *funcPlan) String() string { return "a function" }

func (p *funcPlan) Len() int { return p.sel.Len }

func (p *funcPlan) Epoch(s Start) (Sequence, error) {
	samples, err := p.f(p.sel, s.Epoch)
	if err != nil {
		return nil, err
	}
	if len(samples) != p.Len() {
		return nil, fmt.Errorf("order gives %d samples, want %d", len(samples), p.Len())
	}
	return SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			dst[i] = samples[from+i*step]
		}
		return nil
	}), nil
}

// The orders of FFCV.
var (
	// Sequential is the order of the file (or of Indices).
	Sequential Order = sequential{}
	// Random is a permutation of all samples, anew in each epoch: NumPy's
	// default_rng(seed+epoch).permutation, and with several ranks PyTorch's
	// DistributedSampler, bit for bit. It keeps 4 bytes a sample (8 from 2³²
	// samples) while an epoch runs, and makes all of it when one begins; Keyed
	// does neither.
	Random Order = random{}
	// QuasiRandom shuffles pages and, within a window of 2*BatchSize pages,
	// samples, so that a file larger than memory is read page by page: FFCV's
	// QUASI_RANDOM bit for bit, as its Loader gives it from epoch 0 on. It
	// keeps 8 bytes a sample, and 4 more while an epoch runs; an epoch out of
	// turn costs the shuffles of all before it, and a resumed one the walk to
	// where it goes on. Several ranks, which FFCV does not have, share its order,
	// and with it the pages: PageShuffle gives each its own. The dataset must be a
	// Pager. Samples without data in pages and Indices with repeats are errors.
	QuasiRandom Order = quasiRandom{}
)

type sequential struct{}

func (sequential) Plan(s Selection) (Plan, error) { return &sequentialPlan{s}, nil }

type sequentialPlan struct{ sel Selection }

func (p *sequentialPlan) String() string { return "sequential" }

func (p *sequentialPlan) Len() int { return p.sel.Len }

func (p *sequentialPlan) Epoch(Start) (Sequence, error) {
	return SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			dst[i] = p.sel.Sample(from + i*step)
		}
		return nil
	}), nil
}

type random struct{}

func (random) Plan(s Selection) (Plan, error) { return &randomPlan{sel: s}, nil }

type randomPlan struct {
	sel    Selection
	narrow spare[uint32]
	wide   spare[uint64]
}

func (p *randomPlan) String() string { return "random" }

func (p *randomPlan) Len() int { return p.sel.Len }

func (p *randomPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if uint64(p.sel.Len) > math.MaxUint32 {
		return newRandomSequence(&p.sel, s, &p.wide), nil
	}
	return newRandomSequence(&p.sel, s, &p.narrow), nil
}

// check refuses an epoch that has no random numbers.
func (s *Start) check() error {
	if s.Epoch < 0 {
		return fmt.Errorf("epoch %d is negative", s.Epoch)
	}
	return nil
}

// randomSequence is a permutation in memory.
type randomSequence[T uint32 | uint64] struct {
	sel  *Selection
	perm []T
	free *spare[T]
}

func newRandomSequence[T uint32 | uint64](sel *Selection, s Start, free *spare[T]) Sequence {
	perm := free.get(sel.Len)
	if s.WorldSize > 1 {
		torchPermutation(newMT19937(uint32(sel.Seed+uint64(s.Epoch))), perm)
	} else {
		permutation(newPCG64(sel.Seed, uint64(s.Epoch)), perm)
	}
	return &randomSequence[T]{sel, perm, free}
}

func (q *randomSequence[T]) Fill(dst []int, from, step int) error {
	for i := range dst {
		dst[i] = q.sel.Sample(int(q.perm[from+i*step]))
	}
	return nil
}

func (q *randomSequence[T]) Close() { q.free.put(q.perm) }

// spare keeps the memory of an epoch's order for the next one: otherwise both
// are there until the collector comes. The zero value is ready; safe for
// concurrent use.
type spare[T any] struct{ order atomic.Pointer[[]T] }

// get returns memory for n values, with undefined contents.
func (s *spare[T]) get(n int) []T {
	if p := s.order.Swap(nil); p != nil && len(*p) == n {
		return *p
	}
	return make([]T, n)
}

func (s *spare[T]) put(order []T) { s.order.Store(&order) }
