// Costs measures what checksums cost: making them when a file is written,
// comparing them when an epoch reads it, and checking a whole file.
//
//	go run ./benchmarks/costs [-n 2000] [-rounds 7] PHOTOS
//
// PHOTOS is a folder with folders of JPEGs. Each line is a pair, the same work
// without and with checksums, in turn and in turned order, in CPU seconds (user
// and system time of the process); the ratio is the median of the rounds', with
// the smallest and largest behind it. Files have no checkpoints where they are
// written, and no names: those would make both sides dearer and the share of the
// checksums smaller.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/internal/usage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "costs: error:", err)
		stop()
		os.Exit(1)
	}
}

// costs is a run of the program.
type costs struct {
	ctx    context.Context
	photos []string
	dir    string // for files
	rounds int
	table  *tabwriter.Writer
}

func run(ctx context.Context) (err error) {
	n := flag.Int("n", 2000, "photographs, evenly from those in the folder; all if there are fewer")
	rounds := flag.Int("rounds", 7, "pairs of each kind")
	only := flag.String("only", "", "write, load or check: nothing else")
	dir := flag.String("dir", "", "where files are written; default: the system's folder for temporary ones")
	flag.Parse()
	if flag.NArg() != 1 || *n < 1 || *rounds < 1 {
		return fmt.Errorf("want a folder of photographs, and -n and -rounds of at least 1")
	}
	c := &costs{ctx: ctx, rounds: *rounds, table: tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)}
	names, err := filepath.Glob(filepath.Join(flag.Arg(0), "*", "*.jpg"))
	if err != nil || len(names) == 0 {
		return fmt.Errorf("%s: no files */*.jpg (%v)", flag.Arg(0), err)
	}
	*n = min(*n, len(names))
	for i := range *n {
		c.photos = append(c.photos, names[i*len(names) / *n])
	}
	if c.dir, err = os.MkdirTemp(*dir, "costs-"); err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	fmt.Printf("Machine: %s. Commit: %s.\n\n", usage.Machine(), usage.Commit(ctx))
	fmt.Fprintf(c.table, "%d photographs, %d rounds\twithout, CPU ms\twith\tratio (of pairs)\n", *n, *rounds)
	for _, part := range []struct {
		name string
		do   func() error
	}{{"write", c.write}, {"load", c.load}, {"check", c.check}} {
		if *only != "" && *only != part.name {
			continue
		}
		if err := errors.Join(part.do(), c.table.Flush()); err != nil {
			return err
		}
	}
	return nil
}

// measured is the CPU time of a piece of work.
func measured(do func() error) (time.Duration, error) {
	runtime.GC()
	before, err := usage.CPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := usage.CPU()
	return after - before, err
}

// pairs runs two kinds of work in turn; each gives its CPU times of as many
// lines of the table as there are names.
func (c *costs) pairs(names []string, work func(with bool) ([]time.Duration, error)) error {
	times := [2][][]time.Duration{}
	for round := range c.rounds + 1 { // the first one warms up
		for turn := range 2 {
			side := (round + turn) % 2
			list, err := work(side == 1)
			if err != nil {
				return fmt.Errorf("%s: %w", names[0], err)
			}
			if c.ctx.Err() != nil {
				return c.ctx.Err()
			}
			if round > 0 {
				times[side] = append(times[side], list)
			}
		}
	}
	for line, name := range names {
		of := func(side int) (list []float64) {
			for _, t := range times[side] {
				list = append(list, t[line].Seconds())
			}
			return list
		}
		without, with := of(0), of(1)
		ratios := make([]float64, len(with))
		for i := range ratios {
			ratios[i] = with[i] / without[i]
		}
		slices.Sort(ratios)
		fmt.Fprintf(c.table, "%s\t%.1f\t%.1f\t%.3f (%.3f to %.3f)\n", name, 1000*median(without), 1000*median(with),
			median(ratios), ratios[0], ratios[len(ratios)-1])
	}
	return nil
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	mid := len(list) / 2
	if len(list)%2 == 0 {
		return (list[mid-1] + list[mid]) / 2
	}
	return list[mid]
}
