package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/storeflag"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/store"
)

const prog = "ffcvwrite"

const description = "Pack samples into a .beton file, the dataset format of FFCV."

// grammar is the command line. Each kind of source has a line here and one in
// planCommand.
type grammar struct {
	Version kong.VersionFlag `help:"Print the version and exit."`

	Folder     packOf[folderFlags]     `cmd:"" help:"Pack a folder of class folders with photographs."`
	Table      packOf[tableFlags]      `cmd:"" help:"Pack the records of a table (csv, tsv, jsonl)."`
	Arrays     packOf[arraysFlags]     `cmd:"" help:"Pack the rows of .npy arrays."`
	WebDataset packOf[webdatasetFlags] `cmd:"" name:"webdataset" help:"Pack WebDataset's shards (tar)."`
	MDS        packOf[mdsFlags]        `cmd:"" name:"mds" help:"Pack datasets of MosaicML Streaming (MDS)."`
	Parquet    packOf[parquetFlags]    `cmd:"" help:"Pack Parquet files, such as those of Hugging Face's datasets."`
	TFRecord   packOf[tfrecordFlags]   `cmd:"" name:"tfrecord" help:"Pack TensorFlow's TFRecord files."`
	HDF5       packOf[hdf5Flags]       `cmd:"" name:"hdf5" help:"Pack datasets of an HDF5 file."`
	CIFAR      packOf[cifarFlags]      `cmd:"" name:"cifar" help:"Pack CIFAR-10 or CIFAR-100."`
	IDX        packOf[idxFlags]        `cmd:"" name:"idx" help:"Pack images and labels in MNIST's format."`
	Beton      packOf[betonFlags]      `cmd:"" help:"Pack samples of another .beton, as they are stored or encoded anew."`
	COCO       packOf[cocoFlags]       `cmd:"" name:"coco" help:"Pack images with boxes and masks, as COCO has them."`
	YOLO       packOf[yoloFlags]       `cmd:"" name:"yolo" help:"Pack images with boxes, as YOLO has them."`

	Plan   planCommand   `cmd:"" help:"Divide a dataset into shards that any number of machines build."`
	Shard  shardCommand  `cmd:"" help:"Build one shard of a plan."`
	Status statusCommand `cmd:"" help:"Tell which shards of a plan are built."`
	Merge  mergeCommand  `cmd:"" help:"Make one file, or an index, of all shards of a plan."`
}

// command is what each command of the grammar is.
type command interface {
	run(ctx context.Context, s streams) error
}

// streams are where a command prints.
type streams struct{ out, err io.Writer }

// outputFlags say where a file is written and by what means.
type outputFlags struct {
	Output  string `short:"o" placeholder:"FILE" help:"The .beton file to write, a path or a URL: required but for --estimate."`
	Force   bool   `help:"Replace an existing file."`
	Resume  bool   `xor:"again" help:"Go on from where an earlier run was interrupted; without one, begin."`
	Restart bool   `xor:"again" help:"Delete what an interrupted run left, and begin anew."`
	workFlags
	estimateFlags
}

// check finds what can be seen to be wrong.
func (f *outputFlags) check() error {
	return f.workFlags.check()
}

// workFlags say how a machine goes about it; no byte of a file depends on them.
type workFlags struct {
	Workers int    `default:"0" placeholder:"N" help:"Samples encoded at the same time; 0 is one a processor, and more of a source in an object store."`
	Staging string `placeholder:"DIR" help:"Where a file is collected that goes to an object store (default: a folder of one's own among the temporary files)."`
	JSON    bool   `name:"json" help:"Print what was done as one JSON object on standard output."`
}

// check finds what can be seen to be wrong.
func (f *workFlags) check() error {
	if f.Workers < 0 {
		return term.Usagef("--workers: %d; expected 0 or more", f.Workers)
	}
	return nil
}

// writerFlags say how the file is written.
type writerFlags struct {
	PageSize     term.Size `default:"8MiB" placeholder:"SIZE" help:"Size of a data page, a power of two from 2MiB to 1GiB; a sample must fit in one (default 8MiB)."`
	LargeSamples bool      `help:"Give a sample larger than a page several pages; FFCV then reads the file with os_cache=True only."`
	Shuffle      bool      `help:"Write the samples in a random order, which --seed decides."`
	Seed         uint64    `default:"0" placeholder:"S" help:"Seed of --shuffle and of the proportion mode."`
	OnError      string    `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be read: fail (the default), or skip it and report it."`
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
	Mode                string  `placeholder:"MODE" help:"Store images as jpg (the default; raw of cifar and idx, as it is of beton), raw pixels, smart (jpg above --smart-threshold) or proportion (jpg by chance)."`
	MaxResolution       int     `default:"0" placeholder:"N" help:"Shrink images whose longer side has more than N pixels."`
	Quality             int     `default:"90" placeholder:"Q" help:"Quality of JPEGs that are encoded, 1 to 100 (default 90). JPEGs kept as they are have their own."`
	Reencode            string  `default:"auto" placeholder:"auto|always" help:"auto (the default) keeps a JPEG's bytes whenever it needs no resizing; always encodes every image."`
	Orient              bool    `help:"Turn images as their EXIF orientation says; without it the orientation is ignored, as by torchvision."`
	Strip               bool    `help:"Drop the metadata of JPEGs that are kept as they are: EXIF with its orientation, GPS place and preview, XMP, colour profiles, comments. The pixels stay the same."`
	SmartThreshold      int     `default:"0" placeholder:"BYTES" help:"In smart mode: images of more bytes of pixels are stored as jpg; 0 stores all raw."`
	NoCheckpoints       bool    `help:"Leave out the checkpoints of JPEGs, a hundredth of their size, from which crops are decoded faster."`
	MaxPixels           int     `default:"0" placeholder:"N" help:"Refuse images of more than N pixels, before they are decoded; 0 is the most there can be, 268435456."`
	CompressProbability float64 `default:"0.5" placeholder:"P" help:"In proportion mode: the share of images stored as jpg (default 0.5)."`
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
	writerFlags
	imageFlags
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

// packOf is the command that packs a kind of source, whose flags are F.
type packOf[F any] struct {
	From F `embed:""`
	outputFlags
}

func (c *packOf[F]) run(ctx context.Context, s streams) error {
	if c.Estimate {
		return estimate(ctx, s, sourceOf(&c.From), &c.outputFlags)
	}
	return pack(ctx, s, sourceOf(&c.From), &c.outputFlags)
}

// Validate is kong's hook.
func (c *packOf[F]) Validate() error {
	if c.Output == "" && !c.Estimate {
		return errors.New("missing flags: --output=FILE, or --estimate")
	}
	return nil
}

func (c *packOf[F]) from() sourceFlags { return sourceOf(&c.From) }

// sourceOf returns the flags of a kind of source as what they are; a grammar that
// has others is a programmer's mistake, which a test finds.
func sourceOf(flags any) sourceFlags { return flags.(sourceFlags) }

// run is the program: it returns the exit code. When ctx is done it stops, and
// leaves what --resume goes on from, or nothing.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stdout, stderr = term.Safe(stdout), term.Safe(stderr)
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
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
	return term.Fail(stderr, prog, err)
}
