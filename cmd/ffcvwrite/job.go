package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
)

// dataset is an opened source.
type dataset struct {
	ffcv.Dataset
	fields  []source.Field
	classes []string
	leftOut []source.Skip // found by the source, and no samples
	unit    string        // what a sample is called
	close   func() error

	identity func(context.Context) ([]source.Trait, error)
}

// job is one run of the command.
type job struct {
	output       *outputFlags
	image        *imageFlags
	open         func(context.Context, fields.RGBImage) (dataset, error)
	qualityGiven bool

	stdout, stderr io.Writer
	progress       *term.Progress
	stats          fields.ImageStats

	skipped []source.Skip // samples that failed
	resumed ffcv.Resumed  // what an interrupted run had done
}

// do packs the samples and reports.
func (j *job) do(ctx context.Context) (err error) {
	start := time.Now()
	if err := j.checkOutput(); err != nil {
		return err
	}
	image, err := j.image.field(&j.stats)
	if err != nil {
		return term.Usage(err)
	}
	d, err := j.open(ctx, image)
	var spec *source.SpecError
	if errors.As(err, &spec) {
		return term.Usage(err)
	}
	if err != nil {
		return err
	}
	if d.close != nil {
		defer func() { err = errors.Join(err, d.close()) }()
	}
	j.progress = term.NewProgress(j.stderr, prog, d.unit+"s", int64(d.Len()))
	written, err := j.write(ctx, d)
	j.progress.Clear()
	if err != nil {
		return err
	}
	r := j.report(d, written, time.Since(start))
	return j.print(r)
}

// checkOutput refuses what the writer would refuse, before a long listing.
func (j *job) checkOutput() error {
	path := j.output.Output
	if path == "" {
		return term.Usagef("--output: empty; expected the name of the file to write")
	}
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return fmt.Errorf("output %s: is a folder; expected the name of a file", path)
	case err == nil && !j.output.Force && !j.output.Resume: // it may be what was to be resumed
		return fmt.Errorf("output %s: %w", path, fs.ErrExist)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("output folder: %w", err)
	} else if !info.IsDir() {
		return fmt.Errorf("output folder %s: not a folder", filepath.Dir(path))
	}
	return nil
}

func (j *job) write(ctx context.Context, d dataset) (ffcv.Stats, error) {
	specs := make([]ffcv.FieldSpec, len(d.fields))
	for i, f := range d.fields {
		specs[i] = ffcv.FieldSpec{Name: f.Name, Field: f.Field}
	}
	journal, err := j.journal(ctx, d)
	if err != nil {
		return ffcv.Stats{}, err
	}
	w, err := ffcv.Create(j.output.Output, specs, &ffcv.Options{
		PageSize:     int64(j.output.PageSize),
		Workers:      j.output.Workers,
		Overwrite:    j.output.Force,
		Plain:        j.output.Plain,
		LargeSamples: j.output.LargeSamples,
		Seed:         j.output.Seed,
		Classes:      d.classes,
		Journal:      journal,
		Progress:     func(p ffcv.Progress) { j.progress.Set(int64(p.Done), int64(d.Len())) },
		Warn: func(msg string) {
			j.progress.Clear()
			term.Say(j.stderr, prog, "warning", msg)
		},
	})
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer w.Close()
	opts := &ffcv.DatasetOptions{Shuffle: j.output.Shuffle}
	if j.output.OnError == "skip" {
		opts.OnError = j.skip
	}
	if err := w.WriteDataset(ctx, d, opts); err != nil {
		return ffcv.Stats{}, err
	}
	return w.Stats(), nil
}

// journal is what --resume needs: every run may be interrupted.
func (j *job) journal(ctx context.Context, d dataset) (*ffcv.Journal, error) {
	out := &ffcv.Journal{Resume: j.output.Resume, Restart: j.output.Restart, Resumed: j.resume}
	traits, err := d.identity(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range traits {
		out.Identity = append(out.Identity, ffcv.Setting(t))
	}
	// Another version may encode otherwise.
	out.Identity = append(out.Identity, ffcv.Setting{Name: "program", Value: prog + " " + term.Version()})
	return out, nil
}

// resume takes over what an interrupted run had done.
func (j *job) resume(r ffcv.Resumed) {
	j.resumed = r
	for _, e := range r.Skipped {
		_ = j.skip(e.Key, e)
	}
}

// skip lets a failed sample go and remembers it.
func (j *job) skip(key string, err error) error {
	var failed *ffcv.SampleError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	j.skipped = append(j.skipped, source.Skip{Path: key, Reason: err.Error()})
	return nil
}

// advise adds a hint to errors that a flag would have helped with.
func advise(err error, o *outputFlags) error {
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
		return goOn(err, interrupted, o)
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
	case errors.As(err, &sample) && o.OnError == "fail" && errors.Is(err, fs.ErrNotExist):
		return term.WithHint(err, "cells of rgb, image and bytes fields name files; NAME=bytes:inline=true takes the cells' own text; --on-error skip leaves such samples out")
	case errors.As(err, &sample) && o.OnError == "fail":
		return term.WithHint(err, "--on-error skip leaves out samples that cannot be read, and lists them")
	case errors.Is(err, fs.ErrExist):
		return term.WithHint(err, "--force replaces an existing file")
	}
	return err
}

// goOn says how an interrupted run goes on, and what its cause asks for.
func goOn(err error, in *ffcv.InterruptedError, o *outputFlags) error {
	how := fmt.Sprintf("%s … --resume goes on from sample %d", prog, in.Next)
	cause := advise(in.Err, o)
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
