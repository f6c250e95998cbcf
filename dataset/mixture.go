package dataset

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/loader"
)

// Mixture is an order of a loader over the members of a Concat: of each so much
// as its weight says, shuffled. Of a Subset of a Concat, or a Join with one, the
// members are the Concat's, each with those of its samples that are there.
//
// It is an endless sequence of which each epoch takes the next Length
// positions. Each member has its share of an epoch, and of every 1,024 positions
// from its first on, give or take a few; which of them are its own is random. A
// member's samples come in a random order that is a new one when all have come:
// none comes again before, however small or large its weight, from epoch to
// epoch. All depends on the seed alone. An epoch goes on at any position at the
// cost of at most 1,024.
//
// Where an epoch has more of a member than there is, so that samples come
// several times, augmentations belong to the position too: they differ.
type Mixture struct {
	// Weights are the members' shares, in any unit: 3 and 1 are three quarters
	// and a quarter. A member of weight 0 doesn't come.
	Weights []float64
	// Length is the number of samples of an epoch, of all ranks together; 0
	// means as many as the loader selects.
	Length int
}

// bounder is a dataset made of others one after another.
type bounder interface{ Bounds() []int }

// makeup tells of how many members a dataset is made, and of which each sample is.
type makeup struct {
	n      int
	of     func(sample int) int
	bounds []int // where the members begin, and the end; nil: their samples are mixed
}

// makeupOf returns nil for a dataset that isn't made of others one after another,
// nor chosen from or joined to such a one.
func makeupOf(ds Dataset) *makeup {
	switch d := ds.(type) {
	case *Subset:
		m := makeupOf(d.Dataset)
		if m == nil {
			return nil
		}
		s := &makeup{n: m.n, of: func(i int) int { return m.of(d.at(i)) }}
		if d.indices == nil && m.bounds != nil {
			for _, b := range m.bounds {
				s.bounds = append(s.bounds, min(max(b-d.lo, 0), d.n))
			}
		}
		return s
	case *Join:
		for i := range d.parts {
			if m := makeupOf(d.parts[i].Dataset); m != nil {
				return m
			}
		}
	case bounder:
		if bounds := d.Bounds(); len(bounds) > 0 {
			return &makeup{n: len(bounds) - 1, bounds: bounds, of: func(i int) int { return sort.SearchInts(bounds, i+1) - 1 }}
		}
	}
	return nil
}

// sort sorts the selected samples by member; nil when all are selected and
// follow each other by member.
func (m *makeup) sort(s *loader.Selection) [][]int {
	if s.Samples == nil && m.bounds != nil {
		return nil
	}
	list := make([][]int, m.n)
	for i := range s.Len {
		v := s.Sample(i)
		k := m.of(v)
		list[k] = append(list[k], v)
	}
	return list
}

// mixBlock is how many positions are shuffled with each other.
const mixBlock = 1 << 10

// Plan implements loader.Order.
func (m Mixture) Plan(s loader.Selection) (loader.Plan, error) {
	made := makeupOf(s.Dataset)
	if made == nil {
		return nil, fmt.Errorf("mixture: %s (%T) is not made of several datasets one after another", s.Dataset.Name(), s.Dataset)
	}
	if len(m.Weights) != made.n {
		return nil, fmt.Errorf("mixture: %d weights, %s has %d members", len(m.Weights), s.Dataset.Name(), made.n)
	}
	p := &mixPlan{sel: s, length: m.Length, weights: slices.Clone(m.Weights)}
	if p.length == 0 {
		p.length = s.Len
	}
	if p.length < 0 {
		return nil, fmt.Errorf("mixture: length %d", m.Length)
	}
	chosen := made.sort(&s)
	var weights []float64
	for k, w := range m.Weights {
		if !(w >= 0) || math.IsInf(w, 0) {
			return nil, fmt.Errorf("mixture: weight %d is %v, want 0 or more", k, w)
		}
		if w == 0 {
			continue
		}
		of := mixMember{key: hash.Mix(s.Seed+hash.Weyl*uint64(k+1)) ^ 0x6d69787475726531} // "mixture1"
		if chosen != nil {
			of.samples, of.n = chosen[k], len(chosen[k])
		} else {
			of.first, of.n = made.bounds[k], made.bounds[k+1]-made.bounds[k]
		}
		if of.n == 0 && p.length > 0 {
			return nil, fmt.Errorf("mixture: weight %d is %v, but member %d of %s has no samples to choose from", k, w, k, s.Dataset.Name())
		}
		p.members = append(p.members, of)
		weights = append(weights, w)
	}
	if len(p.members) == 0 && p.length > 0 {
		return nil, fmt.Errorf("mixture: no weight is above 0")
	}
	p.splits = newSplits(weights)
	total := 0.0
	for _, w := range weights {
		total += w / slices.Max(weights) // or the sum might be infinite
	}
	for k := range p.members {
		p.repeats = p.repeats || weights[k]/slices.Max(weights)/total*float64(p.length) > float64(p.members[k].n)
	}
	return p, nil
}

// mixMember is a member with a weight.
type mixMember struct {
	first, n int
	samples  []int // nil: first to first+n
	key      uint64
}

// split is a node of a tree over the members: of its draws floor(n*share/2^64)
// of the first n go left. So each side gets one more, or none, with each draw,
// and how many it had after n is known at once.
type split struct {
	share       uint64
	left, right int // nodes; below 0: member ^left
}

// newSplits makes the tree; its root is the first node. One member has none.
func newSplits(weights []float64) []split {
	var tree []split
	var grow func(lo, hi int) (node int, weight float64)
	grow = func(lo, hi int) (int, float64) {
		if hi-lo == 1 {
			return ^lo, weights[lo]
		}
		at := len(tree)
		tree = append(tree, split{})
		mid := int(uint(lo+hi) >> 1)
		left, a := grow(lo, mid)
		right, b := grow(mid, hi)
		tree[at] = split{share: fraction(a, b), left: left, right: right}
		return at, a + b
	}
	if len(weights) > 1 {
		scale := slices.Max(weights)
		weights = slices.Clone(weights)
		for i := range weights {
			weights[i] /= scale // or their sum might be infinite
		}
		grow(0, len(weights))
	}
	return tree
}

// fraction is a/(a+b) in 2^-64, below 1.
func fraction(a, b float64) uint64 {
	f := a / (a + b) * (1 << 32)
	hi := math.Floor(f)
	lo := math.Floor((f - hi) * (1 << 32))
	if hi >= 1<<32 {
		return math.MaxUint64
	}
	return uint64(hi)<<32 | uint64(lo)
}

// at returns the member of draw t, and which of its own draws that is.
func (p *mixPlan) at(t uint64) (member int, draw uint64) {
	if len(p.splits) == 0 {
		return 0, t
	}
	for node := 0; ; {
		s := &p.splits[node]
		before, _ := bits.Mul64(t, s.share)
		after, _ := bits.Mul64(t+1, s.share)
		if after > before {
			node, t = s.left, before
		} else {
			node, t = s.right, t-before
		}
		if node < 0 {
			return ^node, t
		}
	}
}

// mixPlan is a Mixture for one loader.
type mixPlan struct {
	sel     loader.Selection
	length  int
	weights []float64 // as given
	repeats bool      // an epoch has samples several times
	members []mixMember
	splits  []split
}

// String names it in a loader's State.
func (p *mixPlan) String() string { return fmt.Sprintf("mixture of weights %v", p.weights) }

// Len implements loader.Plan.
func (p *mixPlan) Len() int { return p.length }

// Repeat implements loader.Repeater.
func (p *mixPlan) Repeat(position int) uint64 {
	if !p.repeats {
		return 0
	}
	return uint64(position) + 1
}

// Epoch implements loader.Plan.
func (p *mixPlan) Epoch(s loader.Start) (loader.Sequence, error) {
	if s.Epoch < 0 || p.length > 0 && s.Epoch > math.MaxInt/p.length-1 {
		return nil, fmt.Errorf("mixture: epoch %d of %d samples", s.Epoch, p.length)
	}
	m := &mixer{plan: p, passes: make([]pass, len(p.members)), next: make([]uint64, len(p.members))}
	m.start = uint64(s.Epoch * p.length)
	return loader.SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			dst[i] = m.sample(from + i*step)
		}
		return nil
	}), nil
}

// mixer gives the samples of an epoch's positions, quickest in order.
type mixer struct {
	plan   *mixPlan
	start  uint64 // of the epoch in the endless sequence
	block  int    // one more than that which is made; 0 none
	member [mixBlock]int32
	draw   [mixBlock]uint64
	passes []pass   // of members
	next   []uint64 // of members: draws
}

// pass is one time through a member's samples.
type pass struct {
	number uint64 // one more; 0 none
	at     func(int) int
}

// sample returns the sample at a position of the epoch.
func (m *mixer) sample(at int) int {
	if m.block != at/mixBlock+1 {
		m.make(at / mixBlock)
	}
	k, c := m.member[at%mixBlock], m.draw[at%mixBlock]
	of, now := &m.plan.members[k], &m.passes[k]
	n := uint64(of.n)
	if now.number != c/n+1 {
		*now = pass{number: c/n + 1, at: ffcv.Shuffled(of.n, hash.Mix(of.key+hash.Weyl*(c/n)))}
	}
	i := now.at(int(c % n))
	if of.samples != nil {
		return of.samples[i]
	}
	return of.first + i
}

// make shuffles a block of the epoch, of which the last may be short: which
// members its positions have. A member's draws come in their order.
func (m *mixer) make(block int) {
	m.block = block + 1
	n := min(mixBlock, m.plan.length-block*mixBlock)
	first := m.start + uint64(block)*mixBlock
	for k := range m.next {
		m.next[k] = math.MaxUint64
	}
	members := m.member[:n]
	for i := range members {
		k, draw := m.plan.at(first + uint64(i))
		members[i] = int32(k)
		m.next[k] = min(m.next[k], draw)
	}
	state := hash.Mix(m.plan.sel.Seed ^ 0x6d6978626c6f636b) // "mixblock"
	state = hash.Mix(state + hash.Weyl*(first+1))
	for i := n - 1; i > 0; i-- {
		state += hash.Weyl
		k, _ := bits.Mul64(hash.Mix(state), uint64(i+1))
		members[i], members[k] = members[k], members[i]
	}
	for i, k := range members {
		m.draw[i] = m.next[k]
		m.next[k]++
	}
}
