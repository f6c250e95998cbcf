package result_test

import (
	"math"
	"slices"
	"testing"

	"github.com/betongo/betongo/benchmarks/result"
)

// add appends a run of 10 samples for each CPU time, from round 1 on; 0 leaves
// the round out.
func add(f *result.File, system string, cpu ...float64) {
	for i, s := range cpu {
		if s > 0 {
			f.Runs = append(f.Runs, result.Run{Work: "w", System: system, Round: i + 1, Samples: 10, CPU: s, Load: float64(i)})
		}
	}
}

func TestComparePairsByRound(t *testing.T) {
	f := &result.File{}
	add(f, "slow", 40, 60, 90)
	add(f, "base", 10, 20, 10)
	add(f, "part", 0, 5, 0)
	f.Runs = append(f.Runs,
		result.Run{Work: "w", System: "dead", Round: 1, Error: "killed"},
		result.Run{Work: "w", System: "dead", Round: 2, Error: "killed"},
		result.Run{Work: "w", System: "slow", Round: 4, Error: "timeout"},
		result.Run{Work: "other", System: "slow", Round: 1, Samples: 1, CPU: 1000})
	rows := result.Compare(f, "w", "base")
	var order []string
	for _, r := range rows {
		order = append(order, r.System)
	}
	if want := []string{"base", "part", "slow", "dead"}; !slices.Equal(order, want) {
		t.Fatalf("rows of %q, want %q", order, want)
	}
	if got, want := rows[2].CPU, (result.Stat{N: 3, Median: 6, Min: 4, Max: 9}); got != want {
		t.Errorf("slow: CPU %+v, want %+v", got, want)
	}
	if got, want := rows[2].CPURatio, (result.Ratio{Pairs: 3, Median: 4, Min: 3, Max: 9}); got != want {
		t.Errorf("slow: ratio %+v, want %+v: pairs are of a round, no quotient of medians", got, want)
	}
	if got, want := rows[1].CPURatio, (result.Ratio{Pairs: 1, Median: 0.25, Min: 0.25, Max: 0.25}); got != want {
		t.Errorf("part: ratio %+v, want %+v", got, want)
	}
	if got := rows[0].CPURatio; got.Median != 1 || got.Min != 1 || got.Max != 1 {
		t.Errorf("base: ratio %+v, want 1", got)
	}
	if !rows[3].Failed() || len(rows[3].Errors) != 1 || rows[3].CPU.N != 0 {
		t.Errorf("dead: %+v", rows[3])
	}
	if got := rows[2].Errors; !slices.Equal(got, []string{"timeout"}) || rows[2].Failed() {
		t.Errorf("slow: errors %q", got)
	}
	if got, want := f.Works(), []string{"w", "other"}; !slices.Equal(got, want) {
		t.Errorf("works %q, want %q", got, want)
	}
	if got := result.Compare(f, "none", "base"); len(got) != 0 {
		t.Errorf("a work without runs: %+v", got)
	}
	if got := result.Compare(f, "w", "nobody")[0].CPURatio; got != (result.Ratio{}) {
		t.Errorf("without a base: ratio %+v", got)
	}
}

// TestCompareFigures: each figure goes to its own place.
func TestCompareFigures(t *testing.T) {
	f := &result.File{Runs: []result.Run{
		{Work: "w", System: "a", Round: 1, Samples: 2, CPU: 4, Wall: 6, FirstBatch: 5, PeakMemory: 7, FileSize: 11, P50: 13, P99: 17, Note: "n"},
		{Work: "w", System: "b", Round: 1, Samples: 2, CPU: 8, Wall: 18, FirstBatch: 20, PeakMemory: 35, FileSize: 66, P50: 91, P99: 136},
	}}
	r := result.Compare(f, "w", "a")[1]
	for name, test := range map[string]struct {
		stat  result.Stat
		ratio result.Ratio
		want  float64
		times float64
	}{
		"CPU": {r.CPU, r.CPURatio, 4, 2}, "wall": {r.Wall, r.WallRatio, 9, 3}, "first batch": {r.FirstBatch, r.FirstBatchRatio, 20, 4},
		"memory": {r.PeakMemory, r.MemoryRatio, 35, 5}, "file": {r.FileSize, r.FileSizeRatio, 66, 6},
		"p50": {r.P50, r.P50Ratio, 91, 7}, "p99": {r.P99, r.Tail, 136, 8},
	} {
		if test.stat.Median != test.want || test.ratio.Median != test.times {
			t.Errorf("%s: %v, %v times; want %v, %v", name, test.stat.Median, test.ratio.Median, test.want, test.times)
		}
	}
}

func TestBootstrap(t *testing.T) {
	var base, other []float64
	for i := range 12 {
		base, other = append(base, 10), append(other, 20+float64(i%5-2)) // ratios 1.8 to 2.2
	}
	for _, test := range []struct {
		rounds int
		bounds bool
	}{{result.Enough - 1, false}, {result.Enough, true}, {12, true}} {
		f := &result.File{}
		add(f, "base", base[:test.rounds]...)
		add(f, "other", other[:test.rounds]...)
		r := result.Compare(f, "w", "base")[1].CPURatio
		if again := result.Compare(f, "w", "base")[1].CPURatio; again != r {
			t.Errorf("%d rounds: %+v, and then %+v", test.rounds, r, again)
		}
		if got := r.Low != 0; got != test.bounds {
			t.Errorf("%d rounds: %+v", test.rounds, r)
		}
		if test.bounds && !(r.Min <= r.Low && r.Low <= r.Median && r.Median <= r.High && r.High <= r.Max && r.Low < r.High) {
			t.Errorf("%d rounds: out of order: %+v", test.rounds, r)
		}
		if math.Abs(r.Median-2) > 0.11 {
			t.Errorf("%d rounds: median %v", test.rounds, r.Median)
		}
	}
}
