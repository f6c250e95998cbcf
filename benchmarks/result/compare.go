package result

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// Stat is a figure over the rounds. N is how many had it; without any the others
// are 0.
type Stat struct {
	N                int
	Median, Min, Max float64
}

// Ratio is a figure of one system divided by the base's of the same round: over
// Pairs of runs, their median and what lies between the least and the greatest.
// With Enough pairs, Low and High bound the median with 95 % (a bootstrap with a
// fixed seed); else they are 0.
type Ratio struct {
	Pairs            int
	Median, Min, Max float64
	Low, High        float64
}

// Enough is the number of pairs from which on a ratio has a bootstrap interval:
// of fewer, resampling tells nothing that least and greatest do not.
const Enough = 8

// Row is what one system took for a work, beside the base.
type Row struct {
	Work, System, Base string
	Samples            int // most of any run

	CPU, Wall                     Stat // seconds a sample
	FirstBatch                    Stat // seconds
	PeakMemory, FileSize          Stat // bytes
	P50, P99                      Stat // seconds
	CPURatio, WallRatio           Ratio
	FirstBatchRatio, MemoryRatio  Ratio
	FileSizeRatio, P50Ratio, Tail Ratio // Tail is P99's

	Load   Stat
	Note   string   // the last run's
	Errors []string // of runs that gave nothing, each text once
}

// Failed says that no run gave anything.
func (r *Row) Failed() bool { return r.Load.N == 0 }

// Works returns the works that there are runs of, as they came first.
func (f *File) Works() []string {
	var names []string
	for _, r := range f.Runs {
		if !slices.Contains(names, r.Work) {
			names = append(names, r.Work)
		}
	}
	return names
}

// Compare returns a row for each system that has runs of the work, the base
// first and the others by the CPU time that they took, or by the time of one
// access where that is all there is; those without a run that gave something are
// last. Ratios are to the base's run of the same round; without a run of the base
// there are none.
func Compare(f *File, work, base string) []Row {
	runs := map[string]map[int]*Run{} // good ones, by system and round
	var order []string
	rows := map[string]*Row{}
	for i := range f.Runs {
		r := &f.Runs[i]
		if r.Work != work {
			continue
		}
		row := rows[r.System]
		if row == nil {
			row = &Row{Work: work, System: r.System, Base: base}
			rows[r.System], runs[r.System] = row, map[int]*Run{}
			order = append(order, r.System)
		}
		if r.Error != "" {
			if !slices.Contains(row.Errors, r.Error) {
				row.Errors = append(row.Errors, r.Error)
			}
			continue
		}
		runs[r.System][r.Round] = r
		row.Samples = max(row.Samples, r.Samples)
		if r.Note != "" {
			row.Note = r.Note
		}
	}
	list := make([]Row, 0, len(order))
	for _, system := range order {
		rows[system].fill(runs[system], runs[base])
		list = append(list, *rows[system])
	}
	slices.SortStableFunc(list, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.cost(), b.cost()))
	})
	return list
}

// rank puts the base first and what failed last.
func (r *Row) rank() int {
	switch {
	case r.Failed():
		return 2
	case r.System == r.Base:
		return 0
	}
	return 1
}

// cost is what rows are sorted by.
func (r *Row) cost() float64 {
	if r.CPU.N > 0 {
		return r.CPU.Median
	}
	return r.P50.Median
}

// figure is one number of a run; 0 is none.
type figure func(*Run) float64

func perSample(of figure) figure {
	return func(r *Run) float64 {
		if r.Samples == 0 {
			return 0
		}
		return of(r) / float64(r.Samples)
	}
}

// fill computes the row of a system from its runs and the base's, both by round.
func (r *Row) fill(runs, base map[int]*Run) {
	for _, c := range []struct {
		of    figure
		stat  *Stat
		ratio *Ratio
	}{
		{perSample(func(r *Run) float64 { return r.CPU }), &r.CPU, &r.CPURatio},
		{perSample(func(r *Run) float64 { return r.Wall }), &r.Wall, &r.WallRatio},
		{func(r *Run) float64 { return r.FirstBatch }, &r.FirstBatch, &r.FirstBatchRatio},
		{func(r *Run) float64 { return float64(r.PeakMemory) }, &r.PeakMemory, &r.MemoryRatio},
		{func(r *Run) float64 { return float64(r.FileSize) }, &r.FileSize, &r.FileSizeRatio},
		{func(r *Run) float64 { return r.P50 }, &r.P50, &r.P50Ratio},
		{func(r *Run) float64 { return r.P99 }, &r.P99, &r.Tail},
	} {
		var values, ratios []float64
		for _, round := range rounds(runs) {
			v := c.of(runs[round])
			if v <= 0 {
				continue
			}
			values = append(values, v)
			if other := base[round]; other != nil && c.of(other) > 0 {
				ratios = append(ratios, v/c.of(other))
			}
		}
		*c.stat, *c.ratio = stat(values), ratio(ratios)
	}
	var loads []float64
	for _, round := range rounds(runs) {
		loads = append(loads, runs[round].Load)
	}
	r.Load = stat(loads)
}

func rounds(runs map[int]*Run) []int {
	var list []int
	for round := range runs {
		list = append(list, round)
	}
	slices.Sort(list)
	return list
}

func stat(values []float64) Stat {
	if len(values) == 0 {
		return Stat{}
	}
	return Stat{N: len(values), Median: median(values), Min: slices.Min(values), Max: slices.Max(values)}
}

func ratio(pairs []float64) Ratio {
	if len(pairs) == 0 {
		return Ratio{}
	}
	r := Ratio{Pairs: len(pairs), Median: median(pairs), Min: slices.Min(pairs), Max: slices.Max(pairs)}
	if len(pairs) >= Enough {
		r.Low, r.High = bootstrap(pairs)
	}
	return r
}

// median of a non-empty list: the mean of the middle two of an even number.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// bootstrap bounds the median with 95 %: the percentiles of medians of 2,000
// draws with replacement, the same draws for the same number of values.
func bootstrap(values []float64) (low, high float64) {
	const draws = 2000
	source := rand.New(rand.NewPCG(1, uint64(len(values))))
	medians, drawn := make([]float64, draws), make([]float64, len(values))
	for i := range medians {
		for j := range drawn {
			drawn[j] = values[source.IntN(len(values))]
		}
		medians[i] = median(drawn)
	}
	slices.Sort(medians)
	return medians[draws*25/1000], medians[draws*975/1000-1]
}
