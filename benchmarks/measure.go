package main

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/benchmarks/peer"
	"github.com/betongo/betongo/benchmarks/report"
	"github.com/betongo/betongo/benchmarks/result"
	"github.com/betongo/betongo/internal/term"
)

// resultFile is what a run measured, in --dir.
const resultFile = "result.json"

// measure makes what is missing and runs everything. What has been measured is in the file of results
// after each run, and stays there when it is stopped.
func (f *flags) measure(e *env, install bool) error {
	steps, err := f.plan()
	if err != nil {
		return err
	}
	module, err := root(e.ctx)
	if err != nil {
		return err
	}
	file := &result.File{Started: time.Now(), Machine: result.Here(), Command: append([]string{"go", "run", "./benchmarks"}, e.args...)}
	file.Commit, file.Dirty = commit(e.ctx, module)
	b := &peer.Bench{Root: module, Dir: f.Dir, Workers: f.Workers, Batch: f.Batch, Rows: f.Rows, Seconds: f.Seconds, Draws: 1000}
	if err := b.Compile(e.ctx); err != nil {
		return err
	}
	pythons, failed, err := f.setUp(e, steps, install)
	if err != nil {
		return err
	}
	b.Pythons = pythons
	if b.Photos, file.Photos, err = f.photographs(e, module); err != nil {
		return err
	}
	b.Count = file.Photos.Count
	b.Data = filepath.Join(f.Dir, fmt.Sprintf("data-%s-%d", file.Photos.Digest, f.Rows))
	if err := b.Forget(); err != nil {
		return err
	}
	steps = without(steps, failed, file)
	return f.rounds(e, b, steps, file)
}

// rounds does all steps in each round, the other way round in every other.
func (f *flags) rounds(e *env, b *peer.Bench, steps []step, file *result.File) error {
	begun := time.Now()
	for round := 1; round <= f.Rounds; round++ {
		for i, s := range steps {
			r := b.Run(e.ctx, s.system, s.work, round)
			if e.ctx.Err() != nil {
				return e.ctx.Err()
			}
			file.Runs = append(file.Runs, r)
			file.Versions = maps.Clone(b.Versions())
			if err := result.Save(filepath.Join(f.Dir, resultFile), file); err != nil {
				return err
			}
			done := (round-1)*len(steps) + i + 1
			e.say("%d of %d, %s: %s", done, f.Rounds*len(steps), time.Since(begun).Round(time.Second), told(&r))
		}
		slices.Reverse(steps)
	}
	return nil
}

// told is a run in a line.
func told(r *result.Run) string {
	name := r.Work + ", " + r.System + ": "
	switch {
	case r.Error != "":
		return name + "failed: " + r.Error
	case r.P50 > 0:
		return name + fmt.Sprintf("%.1f µs, 99 %%: %.1f µs", 1e6*r.P50, 1e6*r.P99)
	}
	n := float64(r.Samples)
	return name + fmt.Sprintf("%.4g CPU-µs a sample, %s a second, %s", 1e6*r.CPU/n, term.FormatCount(int64(n/r.Wall)), term.FormatSize(r.PeakMemory))
}

// without leaves out the steps of systems whose environment failed, and tells so in the file.
func without(steps []step, failed map[string]error, file *result.File) []step {
	told := map[string]bool{}
	return slices.DeleteFunc(steps, func(s step) bool {
		err := failed[s.system.Env()]
		if err != nil && !told[s.system.Name] {
			told[s.system.Name] = true
			file.Skipped = append(file.Skipped, result.Skip{System: s.system.Name, Reason: reason(err)})
		}
		return err != nil
	})
}

// reason is an error in a line.
func reason(err error) string {
	text := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(text) > 400 {
		text = append(append(text[:120:120], []rune(" … ")...), text[len(text)-270:]...)
	}
	return string(text)
}

// commit returns what is measured, and whether there are changes besides.
func commit(ctx context.Context, module string) (string, bool) {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", module}, args...)...).Output()
		return strings.TrimSpace(string(out)), err
	}
	name, err := git("rev-parse", "HEAD")
	if err != nil {
		return "0000000", true // no repository: the sources were fetched without
	}
	changes, err := git("status", "--porcelain")
	return name, err != nil || changes != ""
}

type reportCommand struct {
	Dir  string `placeholder:"DIR" help:"Where the run has put its results (default: betongo-benchmarks in the user's cache)."`
	Keep bool   `help:"Keep the report in the repository (benchmarks/results), and put its tables into README.md and docs/benchmarks.md."`
}

// Run is kong's hook.
func (c *reportCommand) Run(e *env) error {
	f := flags{Dir: c.Dir}
	if err := f.set(); err != nil {
		return err
	}
	return write(e, f.Dir, c.Keep)
}

// write makes the report on the results in dir: in its folder report, and in the repository too where
// it is to be kept.
func write(e *env, dir string, keep bool) error {
	file, err := result.Load(filepath.Join(dir, resultFile))
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "report")
	if err := report.Write(to, file); err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, filepath.Join(to, report.Page))
	if !keep {
		return nil
	}
	module, err := root(e.ctx)
	if err != nil {
		return err
	}
	kept, err := report.Keep(module, file)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.stdout, filepath.Join(kept, report.Page))
	return nil
}
