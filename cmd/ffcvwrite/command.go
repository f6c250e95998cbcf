package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
)

const prog = "ffcvwrite"

const description = "Pack samples into a .beton file, the dataset format of FFCV."

// grammar is the command line.
type grammar struct {
	Version kong.VersionFlag `help:"Print the version and exit."`
	Folder  folderCommand    `cmd:"" help:"Pack a folder of class folders with photographs."`
	Table   tableCommand     `cmd:"" help:"Pack the records of a table (csv, tsv, jsonl)."`
	Arrays  arraysCommand    `cmd:"" help:"Pack the rows of .npy arrays."`
}

// outputFlags say what file is written and how.
type outputFlags struct {
	Output       string    `short:"o" required:"" placeholder:"FILE" help:"The .beton file to write."`
	Workers      int       `default:"0" placeholder:"N" help:"Samples encoded at the same time; 0 is one a processor."`
	PageSize     term.Size `default:"8MiB" placeholder:"SIZE" help:"Size of a data page, a power of two from 2MiB to 1GiB; a sample must fit in one (default 8MiB)."`
	LargeSamples bool      `help:"Give a sample larger than a page several pages; FFCV then reads the file with os_cache=True only."`
	Shuffle      bool      `help:"Write the samples in a random order, which --seed decides."`
	Seed         uint64    `default:"0" placeholder:"S" help:"Seed of --shuffle and of the proportion mode."`
	OnError      string    `default:"fail" enum:"fail,skip" placeholder:"fail|skip" help:"What to do with a sample that cannot be read: fail (the default), or skip it and report it."`
	Plain        bool      `help:"Write no extension block (class names, sample names, checkpoints, checksums): FFCV's own format and nothing else."`
	Force        bool      `help:"Replace an existing file."`
	Resume       bool      `xor:"again" help:"Go on from where an earlier run was interrupted; without one, begin."`
	Restart      bool      `xor:"again" help:"Delete what an interrupted run left, and begin anew."`
	JSON         bool      `name:"json" help:"Print what was done as one JSON object on standard output."`
}

// check finds values that can be seen to be wrong, which is wrong usage.
func (f *outputFlags) check() error {
	if f.Workers < 0 {
		return fmt.Errorf("--workers: %d; expected 0 or more", f.Workers)
	}
	if err := ffcv.CheckPageSize(int64(f.PageSize)); err != nil {
		return fmt.Errorf("--page-size: %w", err)
	}
	return nil
}

// imageFlags say how photographs are stored.
type imageFlags struct {
	Mode                string  `default:"jpg" placeholder:"MODE" help:"Store images as jpg (the default), raw pixels, smart (jpg above --smart-threshold) or proportion (jpg by chance)."`
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

// field returns the image field that the flags describe.
func (f *imageFlags) field(stats *fields.ImageStats) (fields.RGBImage, error) {
	field := fields.RGBImage{
		MaxResolution:       f.MaxResolution,
		SmartThreshold:      f.SmartThreshold,
		Quality:             f.Quality,
		CompressProbability: f.CompressProbability,
		Orient:              f.Orient,
		Strip:               f.Strip,
		NoCheckpoints:       f.NoCheckpoints,
		MaxPixels:           f.MaxPixels,
		Stats:               stats,
	}
	if err := source.ParseMode(&field.Mode, f.Mode); err != nil {
		return field, fmt.Errorf("--mode=%s: %w", f.Mode, err)
	}
	if err := source.ParseReencode(&field.Reencode, f.Reencode); err != nil {
		return field, fmt.Errorf("--reencode=%s: %w", f.Reencode, err)
	}
	switch {
	case f.Quality < 1 || f.Quality > 100:
		return field, fmt.Errorf("--quality: %d; expected 1 to 100", f.Quality)
	case f.MaxResolution < 0:
		return field, fmt.Errorf("--max-resolution: %d; expected a number of pixels", f.MaxResolution)
	case f.MaxPixels < 0:
		return field, fmt.Errorf("--max-pixels: %d; expected a number of pixels", f.MaxPixels)
	case f.SmartThreshold < 0:
		return field, fmt.Errorf("--smart-threshold: %d; expected a number of bytes", f.SmartThreshold)
	case !(f.CompressProbability > 0 && f.CompressProbability <= 1):
		return field, fmt.Errorf("--compress-probability: %v; expected a number above 0 up to 1 (for 0 there is --mode=raw)", f.CompressProbability)
	}
	return field, nil
}

func check(output *outputFlags, image *imageFlags) error {
	if err := output.check(); err != nil {
		return err
	}
	_, err := image.field(nil)
	return err
}

type folderCommand struct {
	Dir      string `arg:"" help:"Folder with a folder of photographs for each class."`
	Classes  string `placeholder:"FILE" help:"Fix the labels: a text file with a class name a line, or a .beton whose classes to take."`
	Masks    string `placeholder:"DIR" help:"Add a field mask: for each image the file of the same name in DIR, with the extension .png and of the same size, whose class numbers (gray, or the indices of a palette) are kept to the bit; --max-resolution shrinks both alike, masks to the nearest pixels."`
	MaskBits int    `default:"8" enum:"8,16" placeholder:"8|16" help:"Bits of a mask's numbers (default 8)."`
	outputFlags
	imageFlags
}

// Validate is called by the parser of the command line.
func (c *folderCommand) Validate() error {
	if c.Masks != "" && c.Orient {
		return errors.New("--masks: masks are not turned, so images can't be either (--orient)")
	}
	return check(&c.outputFlags, &c.imageFlags)
}

func (c *folderCommand) open(ctx context.Context, image fields.RGBImage) (dataset, error) {
	opts := &source.FolderOptions{Masks: c.Masks, Mask: fields.Image{Channels: 1, DType: array.Uint8, MaxResolution: c.MaxResolution}}
	if c.MaskBits == 16 {
		opts.Mask.DType = array.Uint16
	}
	if c.Classes != "" {
		var err error
		if opts.Classes, err = readClasses(c.Classes); err != nil {
			return dataset{}, err
		}
	}
	f, err := source.OpenFolder(ctx, c.Dir, opts)
	if err != nil {
		return dataset{}, err
	}
	d := dataset{Dataset: f, fields: f.Fields(), classes: f.Classes(), leftOut: f.Skipped(), unit: "image", close: f.Close, identity: f.Identity}
	d.fields[0].Field = image
	return d, nil
}

type tableCommand struct {
	File         string   `arg:"" help:"Table: .csv or .tsv with a header row, or .jsonl with an object a line."`
	Field        []string `required:"" sep:"none" placeholder:"NAME=TYPE" help:"A field: NAME=TYPE[:KEY=VALUE,...]; the flag repeats. Types: rgb, image (masks and depth maps, kept to the bit), int, float, bytes, json, ndarray, torch. Keys: column, inline; lz4 (compressed) of bytes, json and arrays; dtype and shape of arrays; channels, dtype and max_resolution of image; mode, max_resolution, quality... of rgb."`
	AllowOutside bool     `help:"Allow files that lie, or lead by a link, outside of the table's folder."`
	outputFlags
	imageFlags
}

// Validate is called by the parser of the command line.
func (c *tableCommand) Validate() error { return check(&c.outputFlags, &c.imageFlags) }

func (c *tableCommand) open(ctx context.Context, image fields.RGBImage) (dataset, error) {
	specs, err := parseSpecs(c.Field, image)
	if err != nil {
		return dataset{}, err
	}
	if err := checkNames(specs); err != nil {
		return dataset{}, err
	}
	t, err := source.OpenTable(ctx, c.File, specs, &source.TableOptions{Outside: c.AllowOutside})
	if err != nil {
		return dataset{}, err
	}
	return dataset{Dataset: t, fields: t.Fields(), unit: "sample", close: t.Close, identity: t.Identity}, nil
}

type arraysCommand struct {
	File  []string `arg:"" optional:"" sep:"none" help:"Arrays, FILE.npy or NAME=FILE.npy: a field for each, its type by dtype and shape."`
	Field []string `sep:"none" placeholder:"NAME=TYPE" help:"A field's type: NAME=TYPE[:KEY=VALUE,...], with file=FILE.npy if it is not an argument; the flag repeats. Types: rgb, image, int, float, bytes, ndarray, torch."`
	outputFlags
	imageFlags
}

// Validate is called by the parser of the command line.
func (c *arraysCommand) Validate() error {
	if len(c.File)+len(c.Field) == 0 {
		return errors.New("expected at least one .npy file")
	}
	return check(&c.outputFlags, &c.imageFlags)
}

func (c *arraysCommand) open(_ context.Context, image fields.RGBImage) (dataset, error) {
	var specs []source.Spec
	at := map[string]int{}
	for _, arg := range c.File {
		name, file, ok := strings.Cut(arg, "=")
		if !ok {
			name, file = strings.TrimSuffix(filepath.Base(arg), filepath.Ext(arg)), arg
		}
		at[name] = len(specs)
		specs = append(specs, source.Spec{Field: source.Field{Name: name}, File: file})
	}
	typed, err := parseSpecs(c.Field, image)
	if err != nil {
		return dataset{}, err
	}
	for _, s := range typed {
		i, ok := at[s.Name]
		switch {
		case !ok:
			specs = append(specs, s)
		case s.File != "":
			return dataset{}, term.Usagef("field %q has two files: %s and %s", s.Name, specs[i].File, s.File)
		default:
			s.File = specs[i].File
			specs[i] = s
		}
	}
	if err := checkNames(specs); err != nil {
		return dataset{}, err
	}
	a, err := source.OpenArrays(specs)
	if err != nil {
		return dataset{}, err
	}
	return dataset{Dataset: a, fields: a.Fields(), unit: "sample", close: a.Close, identity: a.Identity}, nil
}

func parseSpecs(texts []string, image fields.RGBImage) ([]source.Spec, error) {
	var specs []source.Spec
	for _, text := range texts {
		s, err := source.ParseSpec(text, image)
		if err != nil {
			return nil, term.Usage(fmt.Errorf("--field: %w", err))
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// checkNames finds field names that no file can have: all were typed.
func checkNames(specs []source.Spec) error {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return term.Usage(ffcv.CheckNames(names))
}

// run is the program: it returns the exit code. When ctx is done it stops, and
// leaves what --resume goes on from, or nothing.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	stdout, stderr = term.Safe(stdout), term.Safe(stderr)
	var g grammar
	k, code := term.Parse(prog, description, &g, args, stdout, stderr)
	if k == nil {
		return code
	}
	j := job{stdout: stdout, stderr: stderr}
	switch k.Selected().Name {
	case "folder":
		j.output, j.image, j.open = &g.Folder.outputFlags, &g.Folder.imageFlags, g.Folder.open
	case "table":
		j.output, j.image, j.open = &g.Table.outputFlags, &g.Table.imageFlags, g.Table.open
	case "arrays":
		j.output, j.image, j.open = &g.Arrays.outputFlags, &g.Arrays.imageFlags, g.Arrays.open
	}
	for _, p := range k.Path {
		if p.Flag != nil && p.Flag.Name == "quality" {
			j.qualityGiven = true
		}
	}
	err := mmap.Guard(func() error { return j.do(ctx) })
	return term.Fail(stderr, prog, advise(err, j.output))
}
