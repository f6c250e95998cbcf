package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/complete"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

const prog = "ffcvwrite"

const description = "Write .beton files, the datasets of FFCV: of photographs, tables, arrays, or another system's dataset."

// grammar is the command line.
type grammar struct {
	term.Talk
	kinds[outputFlags] `group:"Write a file of"`

	Plan   planCommand   `cmd:"" group:"Build with many machines" help:"Divide a dataset into shards that any number of machines build."`
	Shard  shardCommand  `cmd:"" group:"Build with many machines" help:"Build one shard of a plan."`
	Status statusCommand `cmd:"" group:"Build with many machines" help:"Tell which shards of a plan are built."`
	Merge  mergeCommand  `cmd:"" group:"Build with many machines" help:"Make one file, or an index, of all shards of a plan."`

	Completion completionCommand `cmd:"" group:"Shell" help:"Print a script that has the shell complete command lines."`
}

// kinds are the kinds of sources, with what M does with one: writes its file, or
// plans that.
type kinds[M any] struct {
	Folder     of[folderFlags, M]     `cmd:"" help:"A folder of class folders with photographs."`
	Table      of[tableFlags, M]      `cmd:"" help:"The records of a table (csv, tsv, jsonl)."`
	Arrays     of[arraysFlags, M]     `cmd:"" help:"The rows of .npy arrays."`
	WebDataset of[webdatasetFlags, M] `cmd:"" name:"webdataset" help:"WebDataset's shards (tar)."`
	MDS        of[mdsFlags, M]        `cmd:"" name:"mds" help:"Datasets of MosaicML Streaming (MDS)."`
	Parquet    of[parquetFlags, M]    `cmd:"" help:"Parquet files, such as those of Hugging Face's datasets."`
	TFRecord   of[tfrecordFlags, M]   `cmd:"" name:"tfrecord" help:"TensorFlow's TFRecord files."`
	HDF5       of[hdf5Flags, M]       `cmd:"" name:"hdf5" help:"Datasets of an HDF5 file."`
	CIFAR      of[cifarFlags, M]      `cmd:"" name:"cifar" help:"CIFAR-10 or CIFAR-100."`
	IDX        of[idxFlags, M]        `cmd:"" name:"idx" help:"Images and labels in MNIST's format."`
	Beton      of[betonFlags, M]      `cmd:"" help:"Samples of another .beton, as they are stored or encoded anew."`
	COCO       of[cocoFlags, M]       `cmd:"" name:"coco" help:"Images with boxes and masks, as COCO has them."`
	YOLO       of[yoloFlags, M]       `cmd:"" name:"yolo" help:"Images with boxes, as YOLO has them."`
}

// of is the command that does M with a kind of source, whose flags are F.
type of[F, M any] struct {
	From F `embed:""`
	Mode M `embed:""`
}

// mode is what is done with a source.
type mode interface {
	do(ctx context.Context, s streams, from sourceFlags) error
	validate() error
}

func (c *of[F, M]) run(ctx context.Context, s streams) error {
	return any(&c.Mode).(mode).do(ctx, s, c.from())
}

// Validate is kong's hook.
func (c *of[F, M]) Validate() error { return any(&c.Mode).(mode).validate() }

// from returns the flags of a kind of source as what they are; a grammar that has
// others is a programmer's mistake, which a test finds.
func (c *of[F, M]) from() sourceFlags { return any(&c.From).(sourceFlags) }

// command is what each command of the grammar is.
type command interface {
	run(ctx context.Context, s streams) error
}

// streams are where a command prints.
type streams struct{ out, err io.Writer }

// outputFlags say where a file is written and by what means.
type outputFlags struct {
	Output  string `short:"o" complete:"beton" placeholder:"FILE" help:"What to write: a path or a URL. A .beton; required but for --estimate."`
	Force   bool   `aliases:"overwrite" help:"Replace what is there."`
	Resume  bool   `xor:"again" help:"Go on from where an earlier run was interrupted; without one, begin."`
	Restart bool   `xor:"again" help:"Delete what an interrupted run left, and begin anew."`
	workFlags
	estimateFlags `group:"Estimate"`
}

// workFlags say how a machine goes about it; no byte of a file depends on them.
type workFlags struct {
	term.Jobs
	stagingFlag
	JSON bool `name:"json" help:"Print JSON on standard output. It is one object of what was done."`
}

// stagingFlag is part of the flags of what writes large files.
type stagingFlag struct {
	Staging string `group:"Object stores" placeholder:"DIR" help:"Where a file is collected that goes to an object store (default: a folder of one's own among the temporary files)."`
}

// writerFlags say how the file is written.
type writerFlags struct {
	PageSize     term.Size `default:"8MiB" placeholder:"SIZE" help:"Size of a data page, a power of two from 2MiB to 1GiB. A sample must fit in one (default 8MiB)."`
	LargeSamples bool      `help:"Give a sample larger than a page several pages; FFCV then reads the file with os_cache=True only."`
	Shuffle      bool      `help:"Put the samples in a random order, which --seed decides."`
	Seed         uint64    `default:"0" placeholder:"S" help:"Seed of all that is random. It decides --shuffle and the proportion mode."`
	OnError      string    `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be read. fail (the default), or skip it and report it."`
	Plain        bool      `help:"Write no extension block (class names, sample names, checkpoints, checksums): FFCV's own format and nothing else."`
}

func (f *writerFlags) writer() build.Writer {
	return build.Writer{
		PageSize: int64(f.PageSize), LargeSamples: f.LargeSamples, Shuffle: f.Shuffle, Seed: f.Seed,
		SkipErrors: f.OnError == "skip", Plain: f.Plain,
	}
}

// imageFlags say how photographs are stored: a build.Image with help.
type imageFlags struct {
	Mode                string  `placeholder:"jpg|raw|smart|proportion" help:"How images are stored. jpg (the default; raw of cifar and idx, as it is of beton), raw (pixels), smart (jpg above --smart-threshold) or proportion (jpg by chance)."`
	MaxResolution       int     `default:"0" placeholder:"N" help:"Shrink images whose longer side has more than N pixels."`
	Quality             int     `default:"90" placeholder:"Q" help:"Quality of JPEGs that are encoded, 1 to 100 (default 90). JPEGs kept as they are have their own."`
	Reencode            string  `default:"auto" placeholder:"auto|always" help:"auto (the default) keeps a JPEG's bytes whenever it needs no resizing; always encodes every image."`
	Orient              bool    `help:"Turn images as their EXIF orientation says; without it the orientation is ignored, as by torchvision."`
	Strip               bool    `help:"Drop the metadata of JPEGs that are kept as they are: EXIF with its orientation, GPS place and preview, XMP, colour profiles, comments. The pixels stay the same."`
	SmartThreshold      int     `default:"0" placeholder:"BYTES" help:"Images of more bytes of pixels are stored as jpg in smart mode; 0 stores all raw."`
	NoCheckpoints       bool    `help:"Write no checkpoints of JPEGs. They take a hundredth of the JPEGs' size, and crops are decoded faster from them."`
	MaxPixels           int     `default:"0" placeholder:"N" help:"Refuse images of more than N pixels, before they are decoded; 0 is the most there can be, 268435456."`
	CompressProbability float64 `default:"0.5" placeholder:"P" help:"The share of images stored as jpg in proportion mode (default 0.5)."`
}

// image returns what the flags say. Of numbers whose zero is a default elsewhere
// it refuses the zero that was typed.
func (f *imageFlags) image() (build.Image, error) {
	switch {
	case f.Quality == 0:
		return build.Image{}, errors.New("--quality: 0; expected 1 to 100")
	case f.CompressProbability == 0:
		return build.Image{}, errors.New("--compress-probability: 0; expected a number above 0 up to 1 (for 0 there is --mode=raw)")
	}
	return build.Image(*f), nil
}

// recipeFlags are what all sources have in common.
type recipeFlags struct {
	writerFlags `group:"The file"`
	imageFlags  `group:"Images"`
	storeflag.Flags

	qualityGiven bool
}

func (f *recipeFlags) flags() *recipeFlags { return f }

// finish adds to a recipe what all sources have in common, and checks it: whatever
// is wrong with it was typed.
func (f *recipeFlags) finish(r build.Recipe) (_ build.Recipe, err error) {
	if r.Image, err = f.image(); err == nil {
		r.Writer = f.writer()
		err = r.Check()
	}
	return r, usage(err)
}

// usage is the error for what was typed.
func usage(err error) error {
	var option *build.OptionError
	if errors.As(err, &option) {
		err = fmt.Errorf("--%w", err)
	}
	return term.Usage(err)
}

// sourceFlags are those of one kind of source: a struct with the kind's own flags
// and recipeFlags in it, in a file of its own.
type sourceFlags interface {
	recipe(ctx context.Context, st *store.Options) (build.Recipe, error)
	flags() *recipeFlags
}

// do writes the file, or tells what that takes.
func (f *outputFlags) do(ctx context.Context, s streams, from sourceFlags) error {
	if f.Estimate {
		return estimate(ctx, s, from, f)
	}
	return pack(ctx, s, from, f)
}

func (f *outputFlags) validate() error {
	if f.Output == "" && !f.Estimate {
		return errors.New("missing flags: --output=FILE, or --estimate")
	}
	return nil
}

// run is the program: it returns the exit code. When ctx is done it stops, and
// leaves what --resume goes on from, or nothing.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stdout, stderr = term.Safe(stdout), term.Safe(stderr)
	var g grammar
	if len(args) > 0 && args[0] == complete.Ask {
		return term.Fail(stderr, prog, answer(stdout, args[1:]))
	}
	pages := manual()
	k, code := term.Parse(prog, description, &g, args, stdout, stderr, pages)
	if k == nil {
		return code
	}
	chosen := k.Selected().Target.Addr().Interface().(command)
	if c, ok := chosen.(interface{ from() sourceFlags }); ok {
		for _, p := range k.Path {
			if p.Flag != nil && p.Flag.Name == "quality" {
				c.from().flags().qualityGiven = true
			}
		}
	}
	err := mmap.Guard(func() error { return chosen.run(ctx, streams{stdout, stderr}) })
	return term.Fail(stderr, prog, pages.Advised(k, adviseSource(err, k.Selected().Name, firstArgument(k))))
}

// firstArgument is the first path that a command was given.
func firstArgument(k *kong.Context) string {
	for _, p := range k.Path {
		if p.Positional == nil {
			continue
		}
		switch v := p.Positional.Target.Interface().(type) {
		case string:
			return v
		case []string:
			if len(v) > 0 {
				return v[0]
			}
		}
	}
	return ""
}
