package main

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/internal/term"
)

// What is called alike means the same in all verbs, and in the other commands: a
// test compares the first sentences of their help.

// rangeFlag chooses a run of samples.
type rangeFlag struct {
	Range string `group:"Which samples" placeholder:"A:B:C" help:"Samples A to B-1 in steps of C. Each may be left out, and negative numbers count from the end, as in Python (write --range=-5:)."`
}

// indicesFlags choose samples by their numbers.
type indicesFlags struct {
	Indices string `group:"Which samples" complete:"file" placeholder:"FILE|LIST" help:"These samples, in this order. Numbers with commas between, or a file of them (text with white space or commas between, a JSON list, or a .npy of integers)."`
	rangeFlag
}

// check finds what can be seen to be wrong.
func (f *indicesFlags) check() error {
	if f.Indices != "" && f.Range != "" {
		return errors.New("--indices and --range: expected one of them")
	}
	return f.rangeFlag.check()
}

func (f *rangeFlag) check() error {
	_, err := parseSlice(f.Range, 0)
	return err
}

// labelFlag names the field of labels.
type labelFlag struct {
	LabelField string `aliases:"label" complete:"field" placeholder:"NAME" help:"The field of labels. Unless given, \"label\", or the only int field."`
}

// resizeFlags say how pictures are made smaller.
type resizeFlags struct {
	Filter string `group:"Pipeline" default:"area" enum:"area,bilinear" placeholder:"NAME" help:"How crops are resized. area (the default) as FFCV and OpenCV's INTER_AREA do, bilinear (antialiased) as Pillow and torchvision."`
	Exact  bool   `group:"Pipeline" help:"Decode and resize bit for bit as libjpeg and OpenCV (or Pillow) do: slower."`
}

// loadFlags are those of verbs that load batches.
type loadFlags struct {
	Pipeline string `group:"Pipeline" default:"raw" enum:"raw,simple,cc224,rrc224,rrc224f32,cifar,cifarf32" placeholder:"NAME" help:"What happens to the first image field. raw (bytes as stored, the default), simple (whole images of one size), cc224 (center crop), rrc224 (random resized crop and flip), rrc224f32 (the same, normalised float32 CHW), cifar (flip, translate, cutout), cifarf32 (the same, normalised float32 HWC). Other fields come as stored."`
	resizeFlags
	Ragged   bool   `group:"Pipeline" help:"Put values that differ in length (Bytes, JSON, images as stored) one after another, without padding."`
	Batch    int    `default:"256" placeholder:"N" help:"Samples in a batch (default 256)."`
	DropLast bool   `help:"Leave out a last batch that is not full."`
	Seed     uint64 `default:"0" placeholder:"S" help:"Seed of all that is random. It decides the order and the augmentations."`
	term.Jobs
}

// check finds what can be seen to be wrong.
func (f *loadFlags) check() error {
	if f.Batch < 1 {
		return fmt.Errorf("--batch: %d; expected 1 or more", f.Batch)
	}
	return f.Jobs.Check()
}

func (f *loadFlags) shape() shape {
	return shape{filter: filters[f.Filter], exact: f.Exact, ragged: f.Ragged}
}
