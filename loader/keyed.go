package loader

import (
	"math/bits"

	"github.com/betongo/betongo/internal/hash"
)

// Keyed is a permutation of all samples, anew in each epoch, that is computed
// position by position: it takes no memory that grows with the dataset, an epoch
// begins at once, wherever it is resumed, and every number of ranks shares the
// same. It is the one to take where the order need not be that of FFCV.
var Keyed Order = keyed{}

type keyed struct{}

func (keyed) Plan(s Selection) (Plan, error) { return &keyedPlan{s}, nil }

type keyedPlan struct{ sel Selection }

func (p *keyedPlan) String() string { return "keyed" }

func (p *keyedPlan) Len() int { return p.sel.Len }

func (p *keyedPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	b := newBijection(p.sel.Len, orderKey(p.sel.Seed, s.Epoch, "keyed"))
	return SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			dst[i] = p.sel.Sample(b.at(from + i*step))
		}
		return nil
	}), nil
}

// orderKey is where the random numbers of an order in an epoch begin.
func orderKey(seed uint64, epoch int, order string) uint64 {
	return hash.Mix(hash.Mix(seed^hash.FNV(order)) + uint64(epoch)*hash.Weyl)
}

// draw returns number i of those that belong to a key: SplitMix64.
func draw(key, i uint64) uint64 { return hash.Mix(key + (i+1)*hash.Weyl) }

// below maps a random number to 0 … n-1.
func below(random, n uint64) uint64 {
	hi, _ := bits.Mul64(random, n)
	return hi
}

const (
	// Up to so many numbers a bijection is a table: all permutations are then as
	// likely, where a Feistel network of few values has some that never come.
	tableSize = 1 << 16

	feistelRounds = 8 // even
)

// bijection is a permutation of 0 … n-1 that a key chooses: beyond a table a
// Feistel network over pairs (l, r), l < a and r < 2^k, with both about √n and
// a<<k just above n. Each round adds to one half a keyed hash of the other. What
// lands at n or above, of n numbers less than 2√n, goes through again. It is
// read by many goroutines.
type bijection struct {
	n     uint64
	table []uint32 // nil: the network
	a     uint64
	k     uint
	keys  [feistelRounds]uint64
}

func newBijection(n int, key uint64) *bijection {
	b := new(bijection)
	b.init(n, key)
	return b
}

// init makes b another bijection, in the memory of the one before.
func (b *bijection) init(n int, key uint64) {
	if b.n = uint64(n); n <= tableSize {
		b.shuffle(key)
		return
	}
	b.network(key)
}

func (b *bijection) shuffle(key uint64) {
	n := int(b.n)
	if cap(b.table) < n {
		b.table = make([]uint32, n)
	}
	b.table = b.table[:n]
	for i := range b.table { // inside out
		j := below(draw(key, uint64(i)), uint64(i+1))
		b.table[i] = b.table[j]
		b.table[j] = uint32(i)
	}
}

func (b *bijection) network(key uint64) {
	b.table = nil
	b.k = uint(bits.Len64(b.n-1) / 2)
	b.a = (b.n-1)>>b.k + 1
	for i := range b.keys {
		b.keys[i] = draw(key, uint64(i))
	}
}

// at returns the number at position i, below n.
func (b *bijection) at(i int) int {
	if b.table != nil {
		return int(b.table[i])
	}
	mask := uint64(1)<<b.k - 1
	for x := uint64(i); ; {
		l, r := x>>b.k, x&mask
		for j := 0; j < feistelRounds; j += 2 {
			l = wrap(l+below(scramble(r+b.keys[j]), b.a), b.a)
			r = (r + scramble(l+b.keys[j+1])>>32) & mask
		}
		if x = l<<b.k | r; x < b.n {
			return int(x)
		}
	}
}

// wrap is x mod n, for x below 2n, without a branch, which nobody could predict.
func wrap(x, n uint64) uint64 {
	x -= n
	return x + n&uint64(int64(x)>>63)
}

// position returns the position of number v.
func (b *bijection) position(v int) int {
	if b.table != nil {
		for i, w := range b.table {
			if int(w) == v {
				return i
			}
		}
	}
	mask := uint64(1)<<b.k - 1
	for x := uint64(v); ; {
		l, r := x>>b.k, x&mask
		for j := feistelRounds - 2; j >= 0; j -= 2 {
			r = (r - scramble(l+b.keys[j+1])>>32) & mask
			l = wrap(l+b.a-below(scramble(r+b.keys[j]), b.a), b.a)
		}
		if x = l<<b.k | r; x < b.n {
			return int(x)
		}
	}
}

// scramble is a hash whose upper half is good.
func scramble(x uint64) uint64 {
	x *= 0x9e3779b97f4a7c15
	x ^= x >> 32
	return x * 0xd6e8feb86659fd93
}
