package view

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// histogram is numbers sorted into bins: bin i is from Edges[i] up to Edges[i+1],
// which belongs to the next one, but for the last.
type histogram struct {
	Edges  []float64 `json:"edges"`
	Counts []int64   `json:"counts"`
	Log    bool      `json:"log"` // edges lie evenly on a scale of logarithms
}

const (
	bins        = 40
	mostExact   = 1 << 12 // different numbers that a distribution counts each for itself
	classesMant = 8       // bits of the mantissa that tell the others apart
)

// distribution is how numbers are distributed, in bounded memory: of many different ones
// it counts those with the same first bits together, half a hundredth apart.
type distribution struct {
	n        int64
	mean, m2 float64
	min, max float64
	nan, inf int64
	notWhole bool
	counts   map[float64]int64 // nil once there are too many
	classes  map[uint64]int64
}

// add adds a number.
func (s *distribution) add(v float64) {
	switch {
	case math.IsNaN(v):
		s.nan++
		return
	case math.IsInf(v, 0):
		s.inf++
		return
	}
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.n++
	s.min, s.max = min(s.min, v), max(s.max, v)
	d := v - s.mean
	s.mean += d / float64(s.n)
	s.m2 += d * (v - s.mean)
	s.notWhole = s.notWhole || v != math.Trunc(v)
	if s.classes != nil {
		s.classes[math.Float64bits(v)>>(52-classesMant)]++
		return
	}
	if s.counts == nil {
		s.counts = map[float64]int64{}
	}
	if s.counts[v+0]++; len(s.counts) > mostExact { // -0 is 0
		s.classes = map[uint64]int64{}
		for v, n := range s.counts {
			s.classes[math.Float64bits(v)>>(52-classesMant)] += n
		}
		s.counts = nil
	}
}

// std is the deviation of the population.
func (s *distribution) std() float64 { return math.Sqrt(max(0, s.m2/float64(max(1, s.n)))) }

// histogram sorts the numbers into bins, nil of none. Numbers that lie far apart
// get a scale of logarithms.
func (s *distribution) histogram() *histogram {
	if s.n == 0 {
		return nil
	}
	type bar struct {
		v float64
		n int64
	}
	var bars []bar
	for v, n := range s.counts {
		bars = append(bars, bar{v, n})
	}
	for c, n := range s.classes {
		middle := math.Float64frombits(c<<(52-classesMant) | 1<<(51-classesMant))
		bars = append(bars, bar{min(max(middle, s.min), s.max), n})
	}
	slices.SortFunc(bars, func(a, b bar) int { return cmp.Compare(a.v, b.v) })
	h := &histogram{}
	h.Log = s.min > 0 && s.max/s.min >= 50
	h.Edges = s.edges(h.Log)
	h.Counts = make([]int64, len(h.Edges)-1)
	for _, b := range bars {
		at := sort.SearchFloat64s(h.Edges, b.v)
		if at == len(h.Edges) || h.Edges[at] > b.v {
			at--
		}
		h.Counts[min(max(at, 0), len(h.Counts)-1)] += b.n
	}
	return h
}

// edges are where bins begin and end, ascending, two at least.
func (s *distribution) edges(log bool) []float64 {
	lo, hi, n := s.min, s.max, bins
	switch span := hi - lo; {
	case lo == hi:
		return around(lo)
	case !s.notWhole && span < bins:
		hi, n = hi+1, int(span)+1
	}
	list := []float64{lo}
	for i := 1; i <= n; i++ {
		t := float64(i) / float64(n)
		e := lo*(1-t) + hi*t // no difference, which might be infinite
		if log {
			e = math.Exp(math.Log(lo)*(1-t) + math.Log(hi)*t)
		}
		if i == n {
			e = hi
		}
		if e > list[len(list)-1] {
			list = append(list, e)
		}
	}
	if len(list) < 2 {
		return around(lo)
	}
	return list
}

// around is one bin for one number.
func around(v float64) []float64 {
	if v-0.5 < v && v+0.5 > v {
		return []float64{v - 0.5, v + 0.5}
	}
	return []float64{math.Nextafter(v, -math.MaxFloat64), math.Nextafter(v, math.MaxFloat64)}
}
