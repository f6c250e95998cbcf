package ffcv

import (
	"math"
	"math/bits"
)

// order says which sample of a dataset each row of the file holds.
type order struct {
	first   int   // row of the whole order that is the file's first
	indices []int // nil: all of the dataset's samples
	mixed   *permutation
}

// at returns the source sample of row i.
func (o *order) at(i int) int {
	i += o.first
	if o.mixed != nil {
		i = o.mixed.at(i)
	}
	if o.indices != nil {
		i = o.indices[i]
	}
	return i
}

// Shuffled returns the order that DatasetOptions.Shuffle writes n samples in
// with this Options.Seed, as a function from a row to the sample that it holds:
// a bijection of 0 to n-1 that takes no memory for it. It is safe for concurrent
// use.
func Shuffled(n int, seed uint64) func(row int) (sample int) {
	if n <= 0 {
		return func(row int) int { return row }
	}
	return newPermutation(n, seed).at
}

// permutation is a bijection of 0 to n-1 that needs no memory for it: a
// Feistel network over pairs (l, r) with l < a, r < b, a*b just above n, that
// is walked until it lands below n. Each round adds to one half a keyed hash
// of the other.
type permutation struct {
	n, a, b uint64
	keys    []uint64 // one a round, an even number
}

// newPermutation returns a permutation of n > 0 numbers, always the same for a
// seed.
func newPermutation(n int, seed uint64) *permutation {
	p := &permutation{n: uint64(n)}
	p.a = uint64(math.Sqrt(float64(n)))
	for p.a*p.a < p.n {
		p.a++
	}
	p.b = (p.n-1)/p.a + 1
	// Few numbers need more rounds: there a round has few values to draw from.
	rounds := 8
	if n < 1<<16 {
		rounds = 32
	}
	p.keys = make([]uint64, rounds)
	state := mix(seed ^ 0x73687566666c6531) // "shuffle1": not the samples' seed
	for i := range p.keys {
		state = mix(state)
		p.keys[i] = state
	}
	return p
}

func (p *permutation) at(i int) int {
	for x := uint64(i); ; {
		l, r := x/p.b, x%p.b
		for k := 0; k < len(p.keys); k += 2 {
			l = add(l, below(mix(p.keys[k]+r), p.a), p.a)
			r = add(r, below(mix(p.keys[k+1]+l), p.b), p.b)
		}
		if x = l*p.b + r; x < p.n {
			return int(x)
		}
	}
}

// below maps a hash to 0 to n-1.
func below(hash, n uint64) uint64 {
	hi, _ := bits.Mul64(hash, n)
	return hi
}

// add returns (x+y) mod n for x, y below n.
func add(x, y, n uint64) uint64 {
	if x += y; x >= n {
		x -= n
	}
	return x
}
