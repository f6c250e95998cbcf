package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/term"
)

// table collects the lines of both tables.
type table struct {
	w                        io.Writer
	machine, commit, command string
	loading, starting        strings.Builder
	faults                   strings.Builder // empty: not asked for
}

func newTable(w io.Writer, machine, commit, command string) *table {
	return &table{w: w, machine: machine, commit: commit, command: command}
}

// add makes the lines of one work of ours.
func (t *table) add(w work, pairs []pair) {
	column := func(of func(pair) float64) []float64 {
		values := make([]float64, len(pairs))
		for i, p := range pairs {
			values[i] = of(p)
		}
		return values
	}
	middle := func(of func(pair) float64) float64 { return median(column(of)) }
	theirs, ratio, rate := "-", "-", "-"
	if !w.alone {
		ratios := column(func(p pair) float64 { return p.ours.cpu / p.ffcv.cpu })
		theirs = perSample(middle(func(p pair) float64 { return p.ffcv.cpu }))
		ratio = fmt.Sprintf("**%.3f** (%.3f to %.3f)", median(ratios), slices.Min(ratios), slices.Max(ratios))
		rate = perSecond(middle(func(p pair) float64 { return p.ffcv.wall }))
	}
	fmt.Fprintf(&t.loading, "| %s | %s | %s | %s | %s | %s | %s |\n", w.what, theirs,
		perSample(middle(func(p pair) float64 { return p.ours.first })),
		perSample(middle(func(p pair) float64 { return p.ours.cpu })),
		ratio, rate, perSecond(middle(func(p pair) float64 { return p.ours.wall })))
	fmt.Fprintf(&t.starting, "| %s | %.0f ms | %.2f ms | %.1f s | %.3f s | %.0f MiB | %.0f MiB | %.0f MiB | %.0f MiB |\n", w.what,
		1000*middle(func(p pair) float64 { return p.ffcv.Open }),
		1000*middle(func(p pair) float64 { return p.ours.Open }),
		middle(func(p pair) float64 { return p.ffcv.FirstBatch }),
		middle(func(p pair) float64 { return p.ours.FirstBatch }),
		middle(func(p pair) float64 { return p.ffcv.PeakRSS }),
		middle(func(p pair) float64 { return p.ours.PeakRSS }),
		middle(func(p pair) float64 { return p.ffcv.PeakAnon }),
		middle(func(p pair) float64 { return p.ours.PeakAnon }))
}

// addFaults makes the line of the major page faults of one work of ours.
func (t *table) addFaults(w work, pairs []pair) {
	var theirs, ours float64
	for _, p := range pairs {
		theirs, ours = max(theirs, p.ffcv.faults), max(ours, p.ours.faults)
	}
	fmt.Fprintf(&t.faults, "| %s | %.0f | %.0f |\n", w.what, theirs, ours)
}

// perSample writes seconds a sample in a fitting unit.
func perSample(s float64) string {
	switch {
	case s < 1e-6:
		return fmt.Sprintf("%.1f ns", s*1e9)
	case s < 1e-4:
		return fmt.Sprintf("%.2f µs", s*1e6)
	}
	return fmt.Sprintf("%.3f ms", s*1e3)
}

// perSecond writes seconds a sample as a rate.
func perSecond(s float64) string {
	if 1/s > 1e5 {
		return fmt.Sprintf("%.2f M", 1e-6/s)
	}
	return term.FormatCount(int64(1 / s))
}

func (t *table) print() error {
	_, err := fmt.Fprintf(t.w, `Machine: %s. Commit: %s. Command: `+"`%s`"+`.

| loading | FFCV, CPU a sample | this, first epoch | this, later | ratio (pairs) | FFCV, samples/s | this, samples/s |
|---|---|---|---|---|---|---|
%s
| starting | FFCV, open | this, open | FFCV, first batch | this, first batch | FFCV, peak RSS | this, peak RSS | FFCV, own memory | this, own memory |
|---|---|---|---|---|---|---|---|---|
%s`, t.machine, t.commit, t.command, t.loading.String(), t.starting.String())
	if err == nil && t.faults.Len() > 0 {
		_, err = fmt.Fprintf(t.w, "\n| major page faults, most of an epoch | FFCV | this |\n|---|---|---|\n%s", t.faults.String())
	}
	return err
}
