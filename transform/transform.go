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
// Formulas are FFCV's; where a name differs, the comment says so. The functions
// fit package loader's ImageDecoder and Op by their shape.
//
// This package holds images as uint8 arrays of shape (height, width, 3). Not
// supported: operations over a whole batch (mixup), types other than the ones
// that each operation names.
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
	if in.DType != array.Uint8 || len(in.Shape) != 3 || in.Shape[2] != 3 {
		return 0, 0, fmt.Errorf("transform: %s takes |u1 (height, width, 3), got %v", op, in)
	}
	height, width = in.Shape[0], in.Shape[1]
	if height < 1 || width < 1 || height > rgb.MaxSide || width > rgb.MaxSide {
		return 0, 0, fmt.Errorf("transform: %s of an image of %dx%d: a side must be 1 to %d pixels", op, width, height, rgb.MaxSide)
	}
	return height, width, nil
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
