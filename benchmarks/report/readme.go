package report

import (
	"fmt"
	"strings"

	"github.com/betongo/betongo/benchmarks/result"
)

const ffcv = "ffcv"

// summary is README's part: this beside FFCV, and then beside all by one work.
func summary(f *result.File) string {
	w := new(strings.Builder)
	besideFFCV(w, f)
	besideAll(w, f)
	fmt.Fprintf(w, "\n%s. %s Commit %s, %s; `%s`.\n", machine(f), photos(f), commit(f), f.Started.UTC().Format("2 January 2006"), command(f))
	return w.String()
}

// besideFFCV has a line for each figure that both have.
func besideFFCV(w *strings.Builder, f *result.File) {
	lines := [][]string{{"what", "FFCV", Base, "ratio (pairs)"}}
	for _, work := range works(f) {
		k := kindOf(work)
		theirs, ours, ok := pair(f, work)
		if !ok || k.bare == "" {
			continue
		}
		what := k.bare
		if k.unit == "photo" && !strings.HasPrefix(what, "the same") {
			what = count(f.Photos.Count) + " photographs, " + what
		}
		add := func(what string, a, b result.Stat, r result.Ratio, format func(float64) string) {
			if a.N > 0 && b.N > 0 {
				lines = append(lines, []string{what, format(a.Median), format(b.Median), times(r)})
			}
		}
		add(what+", CPU a "+k.unit, theirs.CPU, ours.CPU, ours.CPURatio, seconds)
		if work == headline || work == "epoch-rows" {
			add("its first batch, from the process's start", theirs.FirstBatch, ours.FirstBatch, ours.FirstBatchRatio, seconds)
			add("its memory", theirs.PeakMemory, ours.PeakMemory, ours.MemoryRatio, size)
		}
		add("its file", theirs.FileSize, ours.FileSize, result.Ratio{}, size)
	}
	if len(lines) < 2 {
		return
	}
	table(w, lines)
	if _, ours, ok := pair(f, headline); ok && ours.System == twin {
		w.WriteString("\nBoth have photographs of at most 500 pixels a side, encoded again with quality 90. Below, FFCV has these, and " + Base + " photographs as they are.\n")
	}
}

// pair returns FFCV's row and ours, with ratios to FFCV.
func pair(f *result.File, work string) (theirs, ours result.Row, ok bool) {
	for _, r := range result.Compare(f, work, ffcv) {
		switch {
		case r.Failed():
		case r.System == ffcv:
			theirs = r
		case r.System == twin, r.System == Base && ours.System != twin:
			ours = r
		}
	}
	return theirs, ours, theirs.System != "" && ours.System != ""
}

// besideAll has a line for each system, by the headline's work: ours, FFCV, and
// then the others as fast as they are.
func besideAll(w *strings.Builder, f *result.File) {
	k := kindOf(headline)
	var first, rest [][]string
	for _, r := range result.Compare(f, headline, Base) {
		if r.Failed() || !shown(r.System) {
			continue
		}
		line := []string{called(r.System), of(r.CPU, seconds), times(r.CPURatio), of(r.Wall, rate), of(r.FirstBatch, seconds), of(r.PeakMemory, size), plain(r.Note)}
		switch {
		case r.System == Base:
			line[0], line[2] = "**"+line[0]+"**", "1"
			first = append(first, line)
		case own(r.System), r.System == ffcv:
			first = append(first, line)
		default:
			rest = append(rest, line)
		}
	}
	if len(first)+len(rest) < 2 {
		return
	}
	w.WriteString("\n")
	head := []string{k.bare, "CPU a " + k.unit, "times " + Base, k.unit + "s a second", "first batch", "memory", "how"}
	table(w, append(append([][]string{head}, first...), rest...))
}
