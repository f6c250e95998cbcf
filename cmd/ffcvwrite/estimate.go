package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

// estimateFlags are those of --estimate.
type estimateFlags struct {
	Estimate        bool      `help:"Write nothing: tell from some samples what the file will take, its size, the time to build it, and the processor time to load it, as asked and in five other ways to store images."`
	EstimateSamples int       `default:"200" placeholder:"N" help:"How many samples --estimate looks at (default 200)."`
	Disk            term.Size `placeholder:"SIZE" help:"Room that --estimate takes for granted, such as 500GiB (default: what is free where it would go)."`
	Cores           int       `default:"0" placeholder:"N" help:"Processors that will load the file that --estimate is of (default: this machine's)."`
	ImagesPerSecond float64   `default:"0" placeholder:"N" help:"How many images a second the training takes that --estimate is for (default: as many as can be had)."`
}

func (f *estimateFlags) valid() error {
	switch {
	case f.EstimateSamples < 1:
		return term.Usagef("--estimate-samples: %d; expected 1 or more", f.EstimateSamples)
	case f.Cores < 0:
		return term.Usagef("--cores: %d; expected 0 or more", f.Cores)
	case !(f.ImagesPerSecond >= 0):
		return term.Usagef("--images-per-second: %v; expected 0 or more", f.ImagesPerSecond)
	}
	return nil
}

// estimate tells what packing a source will take.
func estimate(ctx context.Context, s streams, from sourceFlags, output *outputFlags) (err error) {
	if err := errors.Join(output.Check(), output.valid()); err != nil {
		return err
	}
	st, done, err := from.flags().Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := from.recipe(ctx, st)
	if err != nil {
		return err
	}
	disk := int64(output.Disk)
	if disk == 0 && !store.IsURL(output.Output) {
		disk = free(store.Dir(store.Join(".", output.Output)))
	}
	progress := term.NewProgress(s.err, prog, "ways tried", 0)
	e, err := r.Estimate(ctx, &build.EstimateOptions{
		Samples: output.EstimateSamples, Seed: from.flags().Seed, Workers: output.Workers, Cores: output.Cores, Disk: disk,
		PerSecond: output.ImagesPerSecond, Temp: output.Staging, Open: build.OpenOptions{Store: st},
		Progress: func(done, all int, _ string) { progress.Set(int64(done), int64(all)) },
	})
	progress.Clear()
	if err != nil {
		return advise(sourceError(err), typedBy(from))
	}
	for _, k := range e.Failed {
		fmt.Fprintf(s.err, "%s: cannot be packed: %s: %s\n", prog, term.Name(k.Path), k.Reason)
	}
	if output.JSON {
		return printJSON(s, e)
	}
	return printEstimate(s, e)
}

// printEstimate prints a table and what suits.
func printEstimate(s streams, e *build.Estimate) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, of which %s were looked at\n\n", count(int64(e.Samples), "sample"), term.FormatCount(int64(e.Sampled)))
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\tsize\tbuild, %s\tload, CPU a sample\tCPU an epoch\t%s load\tstored\t\n", count(int64(e.Workers), "worker"), count(int64(e.Cores), "core"))
	for i, c := range e.Choices {
		mark := ""
		if i == e.Suits {
			mark = "*"
		}
		if c.Problem != "" {
			fmt.Fprintf(w, "\t-\t-\t-\t-\t-\t%s: %s\t\n", c.Name, c.Problem)
			continue
		}
		fit := ""
		if !c.Fits {
			fit = " (does not fit)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.2f ms\t%s\t%.0f/s\t%s%s\t\n", mark, term.FormatSize(c.Bytes), span(c.BuildSeconds), c.LoadCPU, span(c.EpochCPU), c.PerSecond, c.Name, fit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	b.WriteString("\nloading is a random resized crop of 224x224, mirrored by chance; a build also takes what disk and network need\n")
	room := "any room"
	if e.Disk > 0 {
		room = term.FormatSize(e.Disk)
	}
	if e.Suits >= 0 {
		fmt.Fprintf(&b, "for %s and %s: %s: %s\n", room, count(int64(e.Cores), "core"), e.Choices[e.Suits].Name, e.Why)
	} else {
		fmt.Fprintf(&b, "for %s: %s\n", room, e.Why)
	}
	_, err := s.out.Write([]byte(b.String()))
	return err
}

// span writes seconds for people.
func span(seconds float64) string {
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 1e8:
		return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%.0f days", seconds/86400)
}

// free is how many bytes there is room for in a folder, or in the one above it that
// is there; 0 where the system doesn't tell.
func free(dir string) int64 {
	for range 64 {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = store.Dir(dir)
	}
	return freeIn(dir)
}
