package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// table collects the lines.
type table struct {
	machine, commit, command string
	chain, others            strings.Builder
	kills                    *killed
}

// add makes the line of a duel.
func (t *table) add(d duel, pairs []pair) {
	column := func(of func(pair) float64) []float64 {
		values := make([]float64, len(pairs))
		for i, p := range pairs {
			values[i] = of(p)
		}
		return values
	}
	middle := func(of func(pair) float64) float64 { return median(column(of)) }
	ratio := func(of func(pair) float64) string {
		v := column(of)
		return fmt.Sprintf("**%.2f** (%.2f to %.2f)", median(v), slices.Min(v), slices.Max(v))
	}
	w := &t.others
	if d.cp {
		w = &t.chain
	}
	fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s | %.0f MiB | %.0f MiB |", d.what, d.theirs.name,
		seconds(middle(func(p pair) float64 { return p.theirs.cpu })), seconds(middle(func(p pair) float64 { return p.ours.cpu })),
		ratio(func(p pair) float64 { return p.theirs.cpu / p.ours.cpu }),
		seconds(middle(func(p pair) float64 { return p.theirs.wall })), seconds(middle(func(p pair) float64 { return p.ours.wall })),
		middle(func(p pair) float64 { return p.theirs.rss }), middle(func(p pair) float64 { return p.ours.rss }))
	if d.cp {
		fmt.Fprintf(w, " %s | %s | %s |", seconds(middle(func(p pair) float64 { return p.cp.cpu })),
			seconds(middle(func(p pair) float64 { return p.cp.wall })), ratio(func(p pair) float64 { return p.cp.wall / p.ours.wall }))
	}
	fmt.Fprintln(w)
}

// seconds writes them in a fitting unit.
func seconds(s float64) string {
	switch {
	case s < 0.1:
		return fmt.Sprintf("%.1f ms", s*1e3)
	case s < 10:
		return fmt.Sprintf("%.2f s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

func (t *table) print(w io.Writer) error {
	head := "| what | beside | its CPU | CPU | faster (pairs) | its time | time | its peak RSS | peak RSS |"
	rule := "|---|---|---|---|---|---|---|---|---|"
	out := fmt.Sprintf("Machine: %s. Commit: %s. Command: `%s`.\n", t.machine, t.commit, t.command)
	if t.chain.Len() > 0 {
		out += fmt.Sprintf("\n%s cp, CPU | cp, time | speed of cp's (pairs) |\n%s---|---|---|\n%s", head, rule, t.chain.String())
	}
	if t.others.Len() > 0 {
		out += fmt.Sprintf("\n%s\n%s\n%s", head, rule, t.others.String())
	}
	if k := t.kills; k != nil {
		out += fmt.Sprintf("\nKilled while appending: %d times; %d rows in the file, each as it was appended; rows told of and lost: %d.\n", k.kills, k.rows, k.least)
	}
	_, err := io.WriteString(w, out)
	return err
}
