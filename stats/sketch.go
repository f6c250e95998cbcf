package stats

import (
	"cmp"
	"math"
	"slices"
)

// moments are the count, mean and squared deviations of numbers that come one
// after another (Welford), with their ends. What comes out depends on the order
// in the last bits, so everything is added in the order of the samples.
type moments struct {
	n        int64
	mean, m2 float64
	min, max float64
}

func (m *moments) add(v float64) {
	if m.n == 0 {
		m.min, m.max = v, v
	}
	m.min, m.max = min(m.min, v), max(m.max, v)
	m.n++
	d := v - m.mean
	m.mean += d / float64(m.n)
	m.m2 += d * (v - m.mean)
}

// merge adds the numbers of o (Chan's formula).
func (m *moments) merge(o moments) {
	switch {
	case o.n == 0:
		return
	case m.n == 0:
		*m = o
		return
	}
	n := float64(m.n + o.n)
	d := o.mean - m.mean
	m.mean += d * float64(o.n) / n
	m.m2 += o.m2 + d*d*float64(m.n)*float64(o.n)/n
	m.min, m.max = min(m.min, o.min), max(m.max, o.max)
	m.n += o.n
}

// summary is the summary of the numbers, nil of none.
func (m *moments) summary() *Summary {
	if m.n == 0 {
		return nil
	}
	return &Summary{Count: m.n, Min: Number(m.min), Max: Number(m.max), Mean: Number(m.mean),
		Std: Number(math.Sqrt(max(0, m.m2/float64(m.n))))}
}

const (
	// maxValues is how many different values a sketch counts each for itself.
	maxValues = 1 << 16
	// mantissa is how many bits of it tell numbers apart in a sketch that has
	// more values: they are then 2^-10 apart at most, and a number in the
	// middle is half of that off.
	mantissa = 10
)

// quantiles are those that are reported.
var quantiles = []float64{0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99}

// sketch is the distribution of numbers: counts of values, of more than
// maxValues of them counts of what lies in classes that are a thousandth wide. It
// does not depend on the order of the numbers.
type sketch struct {
	moments
	whole    whole
	nan, inf int64
	counts   map[float64]int64 // of the values; nil once there are too many
	classes  map[int64]int64   // of their first bits
}

func (s *sketch) add(v float64) {
	switch {
	case math.IsNaN(v):
		s.nan++
		return
	case math.IsInf(v, 0):
		s.inf++
		return
	}
	s.moments.add(v)
	s.whole.add(v)
	if s.classes != nil {
		s.classes[class(v)]++
		return
	}
	if s.counts == nil {
		s.counts = map[float64]int64{}
	}
	s.counts[v+0]++ // -0 is 0
	if len(s.counts) > maxValues {
		s.classes = map[int64]int64{}
		for v, n := range s.counts {
			s.classes[class(v)] += n
		}
		s.counts = nil
	}
}

// class is the number of the class that v lies in.
func class(v float64) int64 { return int64(math.Float64bits(v) >> (52 - mantissa)) }

// middle is a number in the middle of a class.
func middle(c int64) float64 {
	return math.Float64frombits(uint64(c)<<(52-mantissa) | 1<<(51-mantissa))
}

// summary is the summary with quantiles, nil when nothing was added.
func (s *sketch) summary() *Summary {
	r := s.moments.summary()
	if r == nil {
		if s.nan+s.inf == 0 {
			return nil
		}
		nan := Number(math.NaN())
		return &Summary{Min: nan, Max: nan, Mean: nan, Std: nan, NaN: s.nan, Inf: s.inf}
	}
	s.whole.put(r)
	r.NaN, r.Inf, r.Exact = s.nan, s.inf, s.classes == nil
	type bar struct {
		v float64
		n int64
	}
	var bars []bar
	for v, n := range s.counts {
		bars = append(bars, bar{v, n})
	}
	for c, n := range s.classes {
		bars = append(bars, bar{min(max(middle(c), s.min), s.max), n})
	}
	slices.SortFunc(bars, func(a, b bar) int { return cmp.Compare(a.v, b.v) })
	at, below := 0, int64(0)
	for _, p := range quantiles {
		need := int64(math.Ceil(p * float64(s.n)))
		for below+bars[at].n < need {
			below += bars[at].n
			at++
		}
		r.Quantiles = append(r.Quantiles, Quantile{P: p, Value: Number(bars[at].v)})
	}
	return r
}

// whole is the exact sums of numbers that are all whole, and below 2^32 either
// way: sizes, labels.
type whole struct {
	not      bool // some are not
	up, down channel
}

func (w *whole) add(v float64) {
	if w.not || v != math.Trunc(v) || math.Abs(v) >= 1<<32 {
		w.not = true
		return
	}
	c, u := &w.up, uint64(math.Abs(v))
	if v < 0 {
		c = &w.down
	}
	c.add(1, u, u*u)
}

// put puts the exact mean and deviation into a summary of these numbers.
func (w *whole) put(s *Summary) {
	if w.not {
		return
	}
	sum := w.up.sum.big()
	sum.Sub(sum, w.down.sum.big())
	square := w.up.square.big()
	mean, std := exact(w.up.n+w.down.n, sum, square.Add(square, w.down.square.big()))
	s.Mean, s.Std = Number(mean), Number(std)
}
