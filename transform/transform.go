// Package transform turns stored samples into what a model eats: decoders for
// images, and operations on one sample's array.
//
// Everything here is a small struct of settings. A decoder's BindImage or an
// operation's Bind is called once, checks the settings against what comes in,
// and returns the outcome's type and shape together with a function for one
// sample. The settings are not looked at after that, and the function keeps no
// state: any number of goroutines may call it, each with its own dst, generator
// and scratch. It allocates nothing in the long run, and never keeps dst or src.
//
// Randomness comes from the generator that the caller hands in and from nothing
// else, in a fixed order of draws, so the same generator state gives the same
// outcome.
//
// A decoder's BindView takes the operations that follow it too, and makes one
// pass of as many as it can: cutting, resizing, mirroring, normalising and moving
// channels happen while the outcome's pixels are written. HorizontalFlip,
// Normalize, Convert and ToCHW fuse, in any order that means the same. Pixels
// are looked at near the crop only, and differ from FFCV's by fractions of a
// level; with Exact they are FFCV's bit for bit.
//
// Formulas are FFCV's, and torchvision's for what FFCV hasn't; where a name
// differs, the comment says so. The functions fit package loader's ImageDecoder
// and Op by their shape; Poison and ReplaceLabel, which know samples by their
// number, its IndexedOp, and ImageMixup, LabelMixup, ImageCutMix and LabelCutMix,
// which work on batches, its BatchOp.
//
// This package holds images as uint8 arrays of shape (height, width, channels),
// 3 channels where it decodes them; most operations take 1 to 4. Types other than
// the ones that each operation names are not supported.
//
// What is random has Drawn, which tells what it would draw from a generator, and
// what moves pixels about has Move, which adds that to an rgb.Placement: so Mask,
// Area and Boxes can follow an image.
package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// DecodeFunc decodes one stored picture into dst, which has the bytes of the
// decoder's spec. src is read only.
type DecodeFunc = func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error

// ApplyFunc makes one sample's outcome dst of its input src. They are the same
// memory when the operation is bound in place, and don't overlap otherwise.
type ApplyFunc = func(dst, src []byte, rng *rand.Rand) error

// image takes an image spec apart: uint8 and three channels.
func image(op string, in array.Spec) (height, width int, err error) {
	height, width, channels, err := picture(op, in)
	if err == nil && channels != 3 {
		return 0, 0, fmt.Errorf("transform: %s takes |u1 (height, width, 3), got %v", op, in)
	}
	if err != nil && in.DType == array.Uint8 && len(in.Shape) != 3 {
		return 0, 0, fmt.Errorf("transform: %s takes |u1 (height, width, 3), got %v", op, in)
	}
	return height, width, err
}

// picture takes an image spec apart: uint8 and 1 to 4 channels.
func picture(op string, in array.Spec) (height, width, channels int, err error) {
	const want = "|u1 (height, width, channels)"
	switch {
	case in.DType != array.Uint8 && len(in.Shape) == 3 && (floating(in.DType) || in.DType.ItemSize() > 1):
		return 0, 0, 0, fmt.Errorf("transform: %s takes %s, got %v: put it before what changes the type (Normalize, Convert)", op, want, in)
	case in.DType != array.Uint8 || len(in.Shape) != 3:
		return 0, 0, 0, fmt.Errorf("transform: %s takes %s, got %v", op, want, in)
	case channelsFirst(in):
		return 0, 0, 0, fmt.Errorf("transform: %s takes %s, got %v: put it before ToCHW", op, want, in)
	case in.Shape[2] < 1 || in.Shape[2] > 4:
		return 0, 0, 0, fmt.Errorf("transform: %s takes %s of 1 to 4 channels, got %v", op, want, in)
	}
	height, width, channels = in.Shape[0], in.Shape[1], in.Shape[2]
	if height < 1 || width < 1 || height > rgb.MaxSide || width > rgb.MaxSide {
		return 0, 0, 0, fmt.Errorf("transform: %s of an image of %dx%d: a side must be 1 to %d pixels", op, width, height, rgb.MaxSide)
	}
	return height, width, channels, nil
}

// channelsFirst says whether three dimensions look like those that ToCHW gives.
func channelsFirst(in array.Spec) bool {
	return in.Shape[2] > 4 && in.Shape[0] >= 1 && in.Shape[0] <= 4
}

// floating says whether values are floats, BFloat16 among them.
func floating(t array.DType) bool { return t.Kind() == 'f' || t == BFloat16 }

// chance is a probability with its default for 0.
func chance(op string, p, usual float64) (float64, error) {
	if p == 0 {
		p = usual
	}
	if !(p > 0 && p <= 1) {
		return 0, fmt.Errorf("transform: %s with P %v, want 0 to 1", op, p)
	}
	return p, nil
}

// colour is a fill of so many channels: black for nil.
func colour(op string, fill []uint8, channels int) ([]byte, error) {
	if fill == nil {
		return make([]byte, channels), nil
	}
	if len(fill) != channels {
		return nil, fmt.Errorf("transform: %s with a Fill of %d numbers for %d channels", op, len(fill), channels)
	}
	return fill, nil
}

// painted is a row of n pixels of one colour.
func painted(colour []byte, n int) []byte {
	row := make([]byte, 0, n*len(colour))
	for range n {
		row = append(row, colour...)
	}
	return row
}

// imageSpec is the spec of a decoded image.
func imageSpec(decoder string, width, height int) (array.Spec, error) {
	spec := array.Spec{DType: array.Uint8, Shape: []int{height, width, 3}}
	_, _, err := image(decoder, spec)
	return spec, err
}

// sized holds the two slices of a call to the lengths agreed at Bind.
func sized(op string, dst, src []byte, want, from int) error {
	if len(dst) != want || len(src) != from {
		return fmt.Errorf("transform: %s of %d into %d bytes, bound for %d into %d", op, len(src), len(dst), from, want)
	}
	return nil
}
