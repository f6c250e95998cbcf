package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// step is one thing that must hold.
type step struct {
	name string
	run  func(ctx context.Context) error // a skipped for what can't run here
}

// skipped says why a step did not run.
type skipped string

func (s skipped) Error() string { return string(s) }

// absent says what of others' a step lacks here that no clone can be asked to
// have: it is skipped, and -strict lets that pass.
type absent string

func (a absent) Error() string { return string(a) }

// noted says what a step that is content has found to look into.
type noted string

func (n noted) Error() string { return string(n) }

// skip makes a step that is not to run.
func skip(name, why string) step {
	return step{name, func(context.Context) error { return skipped(why) }}
}

// pairs has two steps at a time run together.
func pairs(steps []step) []step {
	var list []step
	for ; len(steps) >= 2; steps = steps[2:] {
		list = append(list, together(steps[0], steps[1])...)
	}
	return append(list, steps...)
}

// together has b run while a runs, where neither has work for all processors all
// the time. What b takes is what it takes longer.
func together(a, b step) []step {
	done := make(chan error, 1)
	return []step{
		{a.name, func(ctx context.Context) error {
			go func() { done <- b.run(ctx) }() // b's step waits for it, or this one if there will be none
			err := a.run(ctx)
			if ctx.Err() != nil {
				<-done
			}
			return err
		}},
		{b.name, func(context.Context) error { return <-done }},
	}
}

// result is what became of a step: ok when err is nil.
type result struct {
	name string
	err  error
	took time.Duration
}

// skipped says why the step did not run; allowed if that is no failure even when
// no step may be skipped.
func (r *result) skipped() (why string, ok, allowed bool) {
	var s skipped
	var a absent
	if errors.As(r.err, &a) {
		return string(a), true, true
	}
	ok = errors.As(r.err, &s)
	return string(s), ok, false
}

// runAll runs the steps one after another, also those after a failed one:
// each tells something of its own.
func runAll(ctx context.Context, out io.Writer, steps []step) []result {
	var results []result
	for _, s := range steps {
		if ctx.Err() != nil {
			results = append(results, result{name: s.name, err: fmt.Errorf("not run: %w", ctx.Err())})
			continue
		}
		fmt.Fprintf(out, "%-28s ", s.name)
		start := time.Now()
		r := result{name: s.name, err: s.run(ctx), took: time.Since(start)}
		word, why := r.outcome()
		fmt.Fprintf(out, "%-8s %6.1f s", word, r.took.Seconds())
		if strings.Contains(why, "\n") {
			why = "\n" + indent(why)
		}
		fmt.Fprintln(out, strings.TrimRight("  "+why, " "))
		results = append(results, r)
	}
	return results
}

// outcome returns the word for it and, unless all is well, why.
func (r *result) outcome() (word, why string) {
	if why, ok, _ := r.skipped(); ok {
		return "skipped", why
	}
	var n noted
	if errors.As(r.err, &n) {
		return "noted", string(n)
	}
	if r.err != nil {
		return "FAILED", r.err.Error()
	}
	return "ok", ""
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ")
}

// report prints the table of all steps and returns an error when one failed,
// or with strict when one was skipped.
func report(out io.Writer, results []result, strict bool) error {
	var ok, failed, left, refused int
	var total time.Duration
	fmt.Fprintf(out, "\n%-28s %-8s %8s\n", "step", "result", "seconds")
	for _, r := range results {
		word, why := r.outcome()
		switch word {
		case "ok", "noted":
			ok++
		case "skipped":
			left++
			if _, _, allowed := r.skipped(); !allowed {
				refused++
			}
		default:
			failed++
		}
		total += r.took
		first, _, _ := strings.Cut(why, "\n")
		fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-28s %-8s %8.1f  %s", r.name, word, r.took.Seconds(), first), " "))
	}
	fmt.Fprintf(out, "%d ran and are ok, %d failed, %d skipped, %.0f s\n", ok, failed, left, total.Seconds())
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d steps failed", failed, len(results))
	case strict && refused > 0:
		return fmt.Errorf("%d of %d steps were skipped, and with -strict none may be", refused, len(results))
	case ok == 0:
		return errors.New("no step ran")
	}
	return nil
}
