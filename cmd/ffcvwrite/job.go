package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// job is one run that writes a file of a source.
type job struct {
	streams
	from   *recipeFlags
	output *outputFlags

	progress *term.Progress
	stats    fields.ImageStats

	skipped []source.Skip // samples that failed
	resumed ffcv.Resumed  // what an interrupted run had done
}

// pack writes a source's file and reports.
func pack(ctx context.Context, s streams, from sourceFlags, output *outputFlags) error {
	j := &job{streams: s, from: from.flags(), output: output}
	return advise(j.do(ctx, from), typedBy(from))
}

// typed is what of a command line a hint depends on.
type typed struct {
	onError string // --on-error, "" where there is none
	table   bool
}

func typedBy(from sourceFlags) typed {
	_, table := from.(*tableFlags)
	return typed{from.flags().OnError, table}
}

func (j *job) do(ctx context.Context, from sourceFlags) (err error) {
	start := time.Now()
	if err := j.output.Check(); err != nil {
		return err
	}
	st, done, err := j.from.Options(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := from.recipe(ctx, st)
	if err != nil {
		return err
	}
	// Before a long listing.
	if err := build.CheckTarget(ctx, j.output.Output, j.output.Force, j.output.Resume, st); err != nil {
		return err
	}
	d, err := openSource(ctx, &r, &build.OpenOptions{Store: st, Images: &j.stats})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if r.Folder != nil && areParts(d.Classes) {
		term.Say(j.err, prog, "warning", fmt.Sprintf("the classes are %s: if these are parts of a dataset, pack each for itself: '%s folder %s -o %s.beton'",
			strings.Join(d.Classes, ", "), prog, store.Join(r.Folder.Dir, d.Classes[0]), d.Classes[0]))
	}
	j.progress = term.NewProgress(j.err, prog, d.Unit+"s", int64(d.Len()))
	written, err := r.Write(ctx, d, j.output.Output, j.options(d, st))
	j.progress.Clear()
	if err != nil {
		return err
	}
	return j.print(j.report(d, written, time.Since(start)))
}

// areParts says whether classes have the names of parts of a dataset: the folder
// above the one that was meant was given.
func areParts(classes []string) bool {
	parts := []string{"train", "training", "val", "valid", "validation", "test", "testing", "eval", "dev"}
	for _, name := range classes {
		if !slices.Contains(parts, strings.ToLower(name)) {
			return false
		}
	}
	return len(classes) > 0
}

// openSource opens a recipe's source. A field that doesn't suit the kind of source
// was typed so.
func openSource(ctx context.Context, r *build.Recipe, opts *build.OpenOptions) (*build.Source, error) {
	d, err := r.Open(ctx, opts)
	return d, sourceError(err)
}

// sourceError is an error of opening a source.
func sourceError(err error) error {
	var spec *source.SpecError
	if errors.As(err, &spec) {
		return term.Usage(err)
	}
	return err
}

func (j *job) options(d *build.Source, st *store.Options) *build.WriteOptions {
	return &build.WriteOptions{
		Workers: j.output.Workers, Overwrite: j.output.Force, Resume: j.output.Resume, Restart: j.output.Restart,
		Store: st, Staging: j.output.Staging,
		Resumed:  func(r ffcv.Resumed) { j.resumed = r },
		Skipped:  func(s source.Skip) { j.skipped = append(j.skipped, s) },
		Progress: func(p ffcv.Progress) { j.progress.Set(int64(p.Done), int64(d.Len())) },
		Warn: func(msg string) {
			j.progress.Clear()
			term.Say(j.err, prog, "warning", msg)
		},
		Uploading: func(n int64) { j.uploading(n, j.output.Output) },
	}
}

// uploading says what takes a while now.
func (j *job) uploading(n int64, to string) {
	j.progress.Clear()
	term.Say(j.err, prog, "note", fmt.Sprintf("sends %s to %s", term.FormatSize(n), store.Name(to)))
}

// advise adds a hint to errors that a flag would have helped with.
func advise(err error, by typed) error {
	var large *alloc.TooLargeError
	var unknown *source.UnknownClassError
	var sample *ffcv.SampleError
	var interrupted *ffcv.InterruptedError
	var partial *ffcv.PartialError
	var changed *ffcv.ChangedError
	switch {
	case err == nil || term.Hint(err) != "":
		return err
	case errors.As(err, &interrupted):
		return goOn(err, interrupted, by)
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted; no file was written")
	case errors.As(err, &partial) && partial.Err != nil:
		return term.WithHint(err, "--restart deletes it and begins anew")
	case errors.As(err, &partial):
		return term.WithHint(err, "--resume goes on from there; --restart deletes it and begins anew")
	case errors.As(err, &changed):
		return term.WithHint(err, "--restart deletes what was done and begins anew")
	case errors.As(err, &large) && large.Fits > 0:
		return term.WithHint(err, fmt.Sprintf("--page-size %s holds this sample; --large-samples or --max-resolution help too", compact(int64(large.Fits))))
	case errors.As(err, &large):
		return term.WithHint(err, "no page is that large; --large-samples gives a sample several pages, --max-resolution shrinks images")
	case errors.As(err, &unknown):
		return term.WithHint(err, "add the class to --classes, or take its folder out of "+unknown.Dir)
	case errors.Is(err, source.ErrOutside):
		return term.WithHint(err, "--allow-outside takes files from anywhere, for a table that you trust")
	case errors.As(err, &sample) && by.table && by.onError == "fail" && errors.Is(err, fs.ErrNotExist):
		return term.WithHint(err, "cells of rgb, image and bytes fields name files; NAME=bytes:inline=true takes the cells' own text; --on-error skip leaves such samples out")
	case errors.As(err, &sample) && by.onError == "fail":
		return term.WithHint(err, "--on-error skip leaves out samples that cannot be read, and lists them")
	case errors.Is(err, fs.ErrExist):
		return term.WithHint(err, "--force replaces an existing file")
	}
	return err
}

// goOn says how an interrupted run goes on, and what its cause asks for.
func goOn(err error, in *ffcv.InterruptedError, by typed) error {
	how := fmt.Sprintf("%s … --resume goes on from sample %d", prog, in.Next)
	cause := advise(in.Err, by)
	if errors.Is(in.Err, context.Canceled) {
		return term.WithHint(errors.New("interrupted"), how)
	}
	if hint := term.Hint(cause); hint != "" {
		how += "; " + hint
	}
	return term.WithHint(err, how)
}

// compact writes a size as --page-size reads it.
func compact(n int64) string {
	if n>>30 > 0 {
		return fmt.Sprintf("%dGiB", n>>30)
	}
	return fmt.Sprintf("%dMiB", n>>20)
}
