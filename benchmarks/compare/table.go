package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"github.com/betongo/betongo/internal/term"
)

// table collects the lines of both tables.
type table struct {
	w                        io.Writer
	machine, commit, command string
	loading, starting        strings.Builder
}

func newTable(w io.Writer, machine, commit, command string) *table {
	return &table{w: w, machine: machine, commit: commit, command: command}
}

// add makes the lines of one duel.
func (t *table) add(what string, pairs []pair) {
	column := func(of func(pair) float64) []float64 {
		values := make([]float64, len(pairs))
		for i, p := range pairs {
			values[i] = of(p)
		}
		return values
	}
	ratios := column(func(p pair) float64 { return p.ours.cpu / p.ffcv.cpu })
	theirs := median(column(func(p pair) float64 { return p.ffcv.cpu }))
	ours := median(column(func(p pair) float64 { return p.ours.cpu }))
	fmt.Fprintf(&t.loading, "| %s | %s | %s | **%.3f** (%.3f to %.3f) | %s | %s |\n", what, perSample(theirs), perSample(ours),
		median(ratios), slices.Min(ratios), slices.Max(ratios),
		perSecond(median(column(func(p pair) float64 { return p.ffcv.wall }))),
		perSecond(median(column(func(p pair) float64 { return p.ours.wall }))))
	fmt.Fprintf(&t.starting, "| %s | %.0f ms | %.2f ms | %.1f s | %.3f s | %.0f MiB | %.0f MiB |\n", what,
		1000*median(column(func(p pair) float64 { return p.ffcv.Open })),
		1000*median(column(func(p pair) float64 { return p.ours.Open })),
		median(column(func(p pair) float64 { return p.ffcv.FirstBatch })),
		median(column(func(p pair) float64 { return p.ours.FirstBatch })),
		median(column(func(p pair) float64 { return p.ffcv.PeakRSS })),
		median(column(func(p pair) float64 { return p.ours.PeakRSS })))
}

// perSample writes seconds a sample in a fitting unit.
func perSample(s float64) string {
	if s < 1e-5 {
		return fmt.Sprintf("%.1f ns", s*1e9)
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

| loading | FFCV, CPU a sample | this, CPU a sample | ratio (pairs) | FFCV, samples/s | this, samples/s |
|---|---|---|---|---|---|
%s
| starting | FFCV, open | this, open | FFCV, first batch | this, first batch | FFCV, peak RSS | this, peak RSS |
|---|---|---|---|---|---|---|
%s`, t.machine, t.commit, t.command, t.loading.String(), t.starting.String())
	return err
}

// machine names the processor.
func machine() string {
	name := runtime.GOOS + "/" + runtime.GOARCH
	f, err := os.Open("/proc/cpuinfo")
	if err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
				name += ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d processors", name, runtime.NumCPU())
}

// commit names the state of the working tree.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
