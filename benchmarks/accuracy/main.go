// Command accuracy trains a small network on photographs from three pipelines,
// this module's fast crops, its exact ones, and FFCV's own loader, and prints
// how many held-out photographs each recognises:
//
//	go run ./benchmarks/accuracy --python ~/ffcv-venv/bin/python ~/train
//
// All three read the same .beton and augment alike: RandomResizedCrop and a
// flip, in random order. Every second photograph of a class is held out and
// seen through an exact CenterCrop, the same for all. The interpreter needs
// torch and ffcv. A seed gives the network's beginning and the order of the
// photographs, the same with every pipeline, and our crops and flips; FFCV's
// can't be seeded, so its figures vary a little from run to run.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/betongo/betongo/internal/term"
)

const prog = "accuracy"

const description = "Train a small network from fast, exact and FFCV's crops, and compare what it learns."

type grammar struct {
	Folder  string   `arg:"" help:"A folder of class folders with JPEG photographs."`
	Python  string   `required:"" placeholder:"FILE" help:"A Python interpreter that can import torch and ffcv."`
	Classes []string `placeholder:"NAME" help:"Class folders to take, separated by commas; by default the 20 with most photographs."`
	Seeds   int      `default:"5" help:"Runs of each pipeline (default 5)."`
	Epochs  int      `default:"8" help:"Epochs of a run (default 8)."`
	Batch   int      `default:"64" help:"Photographs a step (default 64)."`
	Size    int      `default:"64" help:"Side of the crops in pixels (default 64)."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	return term.Fail(stderr, prog, accuracy(ctx, &g, stdout, stderr))
}

func accuracy(ctx context.Context, g *grammar, stdout, stderr io.Writer) error {
	if g.Seeds < 2 || g.Epochs < 1 || g.Batch < 2 || g.Size < 16 {
		return term.Usagef("--seeds %d and --batch %d must be above 1, --epochs %d above 0, --size %d at least 16",
			g.Seeds, g.Batch, g.Epochs, g.Size)
	}
	python, err := exec.LookPath(g.Python)
	if err == nil {
		python, err = filepath.Abs(python) // it runs in another folder
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "accuracy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	folder, names := os.DirFS(g.Folder), g.Classes
	if len(names) == 0 {
		if names, err = largest(folder, 20); err != nil {
			return err
		}
	}
	t := trainer{python: python, dir: dir, epochs: g.Epochs, batch: g.Batch, size: g.Size}
	if err := t.prepare(ctx, folder, names); err != nil {
		return err
	}
	results := []result{{pipeline: fast}, {pipeline: exact}, {pipeline: theirs}}
	for seed := range g.Seeds { // in turns, so that what disturbs one disturbs all
		for i := range results {
			r := &results[i]
			v, err := t.run(ctx, r.pipeline, seed)
			if err != nil {
				return fmt.Errorf("%s, seed %d: %w", r.pipeline, seed, err)
			}
			fmt.Fprintf(stderr, "%s: %s, seed %d: %.2f %%\n", prog, r.pipeline, seed, v)
			r.top1 = append(r.top1, v)
		}
	}
	fmt.Fprintf(stdout, "%d classes (chance: %.1f %%), %d photographs to train, %d held out, %d x %d pixels, %d epochs of %d steps\n\n",
		t.classes, 100/float64(t.classes), t.samples, t.heldOut, g.Size, g.Size, g.Epochs, t.steps())
	printTable(stdout, results)
	return nil
}
