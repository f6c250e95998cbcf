package view

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// check says what is wrong with a distribution's histogram, "" nothing.
func checkHistogram(d *distribution, numbers []float64) string {
	h := d.histogram()
	if h == nil {
		if len(numbers) > 0 {
			return "there is none"
		}
		return ""
	}
	sum := int64(0)
	for i, n := range h.Counts {
		if sum += n; n < 0 || !(h.Edges[i] < h.Edges[i+1]) {
			return "a bin is empty of numbers, or of room"
		}
	}
	switch {
	case len(h.Edges) != len(h.Counts)+1 || len(h.Counts) > bins:
		return "edges and bins"
	case sum != int64(len(numbers)):
		return "some numbers are in no bin"
	case slices.ContainsFunc(h.Edges, func(e float64) bool { return math.IsNaN(e) || math.IsInf(e, 0) }):
		return "an edge is no number"
	case h.Edges[0] > slices.Min(numbers) || h.Edges[len(h.Edges)-1] < slices.Max(numbers):
		return "edges do not reach to the ends"
	case h.Log && slices.Min(numbers) <= 0:
		return "a logarithm of what has none"
	}
	return ""
}

// TestDistribution: histograms of few and of many numbers, near and far apart, with
// counts that are right where numbers are told apart.
func TestDistribution(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, test := range []struct {
		name  string
		n     int
		make  func(i int) float64
		bins  int // 0: not looked at
		log   bool
		exact bool // each bin's count is that of its numbers
	}{
		{"none", 0, nil, 0, false, false},
		{"one", 1, func(int) float64 { return -3 }, 1, false, true},
		{"all one huge number", 5, func(int) float64 { return math.MaxFloat64 }, 1, false, true},
		{"small whole numbers", 100, func(i int) float64 { return float64(i % 7) }, 7, false, true},
		{"whole numbers", 1000, func(i int) float64 { return float64(i % 100) }, bins, false, true},
		{"sizes far apart", 3000, func(i int) float64 { return math.Exp2(float64(i%20)) + 1 }, bins, true, true},
		{"normal", 50_000, func(int) float64 { return rng.NormFloat64() }, bins, false, false},
		{"lognormal", 50_000, func(int) float64 { return math.Exp(3 * rng.NormFloat64()) }, bins, true, false},
		{"ends", 40, func(i int) float64 { return []float64{-math.MaxFloat64, math.MaxFloat64, 0, 5e-324}[i%4] }, 0, false, true},
		{"denormal", 9, func(i int) float64 { return float64(i) * 5e-324 }, 0, false, true},
		{"neighbours", 9, func(i int) float64 { return 1 + float64(i)*0x1p-52 }, 0, false, true},
	} {
		var d distribution
		var numbers []float64
		for i := range test.n {
			numbers = append(numbers, test.make(i))
			d.add(numbers[i])
		}
		d.add(math.NaN())
		d.add(math.Inf(-1))
		if what := checkHistogram(&d, numbers); what != "" || d.nan != 1 || d.inf != 1 {
			t.Errorf("%s: %s: %+v", test.name, what, d.histogram())
			continue
		}
		h := d.histogram()
		if h == nil {
			continue
		}
		if h.Log != test.log || test.bins > 0 && len(h.Counts) != test.bins {
			t.Errorf("%s: %d bins, log %v", test.name, len(h.Counts), h.Log)
		}
		for i, n := range h.Counts {
			want := int64(0)
			for _, v := range numbers {
				if v >= h.Edges[i] && (v < h.Edges[i+1] || i == len(h.Counts)-1) {
					want++
				}
			}
			if d := n - want; test.exact && d != 0 || d > int64(test.n)/50 || d < -int64(test.n)/50 {
				t.Errorf("%s: bin %d has %d numbers, want %d", test.name, i, n, want)
				break
			}
		}
	}
}

// FuzzDistribution: whatever numbers come, histograms hold all of them.
func FuzzDistribution(f *testing.F) {
	for _, list := range [][]float64{{}, {1, 2, 3}, {math.NaN(), math.Inf(1), -1e308, 1e308}, {5e-324, 1}, {-5, -5}} {
		var b []byte
		for _, v := range list {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d distribution
		var numbers []float64
		for ; len(b) >= 8; b = b[8:] {
			v := math.Float64frombits(binary.LittleEndian.Uint64(b))
			if d.add(v); !math.IsNaN(v) && !math.IsInf(v, 0) {
				numbers = append(numbers, v)
			}
		}
		if what := checkHistogram(&d, numbers); what != "" {
			t.Fatalf("%v: %s: %+v", numbers, what, d.histogram())
		}
	})
}

// TestPlace: the places that samples are drawn at are all different, and few of them
// are spread as evenly as many.
func TestPlace(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 100, 4096, 100_003} {
		for _, k := range []int{1, 2, 7, 100, 4096} {
			if k > n {
				continue
			}
			seen := map[int]bool{}
			for j := range k {
				at := place(j, k, n)
				if at < 0 || at >= n || seen[at] {
					t.Fatalf("place %d of %d in %d is %d", j, k, n, at)
				}
				seen[at] = true
			}
			if k < 100 {
				continue
			}
			eighths := [8]int{}
			for j := range k / 4 {
				eighths[place(j, k, n)*8/n]++
			}
			for e, got := range eighths {
				if want := k / 32; got < want-3 || got > want+3 {
					t.Errorf("%d of %d in %d: %d of the first quarter lie in eighth %d, want %d", k/4, k, n, got, e, want)
				}
			}
		}
	}
}
