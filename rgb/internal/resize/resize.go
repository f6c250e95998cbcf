// Package resize brings a crop of a decoded photo to a fixed size and writes
// it where it belongs in a batch, in the layout and number type that the batch
// has.
//
// A planar photo is resized plane by plane at the resolution that it was
// stored at, and only the result's pixels are converted to RGB. Both passes
// run row by row: the rows that make one row of the result are summed first,
// over the crop's columns alone, then that sum's neighbours. Nothing larger
// than a row is kept. Samples on their way are integers of 8.7 bits, weights
// of 15 bits; what is written for a byte is within one level of the exact
// result in all but clipped colours.
//
// On amd64 with AVX2 the loops are assembly; everywhere else, and with the
// build tag purego, they are Go. Both give the same bytes.
package resize

import (
	"fmt"
	"math"
)

// A Filter says how source samples weigh in the result.
type Filter uint8

const (
	// Area is OpenCV's INTER_AREA: each sample weighs as much as the result's
	// pixel covers of it, where both axes shrink or stay; where one grows,
	// both are interpolated between neighbours.
	Area Filter = iota
	// Bilinear is a triangle that widens as the picture shrinks, Pillow's
	// BILINEAR and torchvision's with antialias=True, after the crop is cut.
	Bilinear
)

// A Layout is the order of a target's numbers.
type Layout uint8

const (
	HWC Layout = iota // pixel by pixel, red, green, blue
	CHW               // all of red, all of green, all of blue
)

// A Type is the type of a target's numbers, little-endian.
type Type uint8

const (
	Uint8 Type = iota
	Float32
	Float16
	BFloat16
)

// size is a number's size in bytes.
func (t Type) size() int { return [...]int{1, 4, 2, 2}[t] }

// A Target is what a crop becomes.
type Target struct {
	Width, Height int // pixels
	Layout        Layout
	Type          Type
	// Mean and Std normalise numbers that are not Uint8: (v-Mean)/Std for a
	// channel's value v of 0 to 255. A Std of zeros stands for ones, so that
	// the zero value is the plain conversion.
	Mean, Std [3]float32
}

// Size is the number of bytes of the target.
func (t *Target) Size() int { return 3 * t.Width * t.Height * t.Type.size() }

// A Plane is a grid of samples: W by H of them in rows that begin Stride bytes
// apart. All samples are real ones: padding is left out of W and H.
type Plane struct {
	Pix          []byte
	Stride, W, H int
}

// A Photo is a JPEG's planes. Cb and Cr have one sample for H by V samples of
// Y, rounded up: H and V are 1, 2 or 4, and 0 stands for 1. With Gray, Y is all
// there is. With RGB, the planes are red, green and blue.
type Photo struct {
	Y, Cb, Cr Plane
	H, V      int
	Gray, RGB bool
}

// A Crop is a rectangle in samples of Y, or in pixels of a packed plane. Flip
// mirrors the result from left to right.
type Crop struct {
	X, Y, W, H float64
	Flip       bool
}

// maxSide is the longest side of a plane and of a target, more than any JPEG's.
const maxSide = 1 << 16

// check says what is wrong with a plane of samples of the given size.
func (p *Plane) check(name string, size int) error {
	if p.W < 1 || p.H < 1 || p.W > maxSide || p.H > maxSide {
		return fmt.Errorf("resize: %s is %dx%d, expected sides of 1 to %d", name, p.W, p.H, maxSide)
	}
	row := p.W * size
	if p.H > 1 && (p.Stride < row || p.Stride > len(p.Pix)) {
		return fmt.Errorf("resize: %s has rows of %d bytes %d apart in %d bytes", name, row, p.Stride, len(p.Pix))
	}
	if need := (p.H-1)*p.Stride + row; need > len(p.Pix) {
		return fmt.Errorf("resize: %s of %dx%d has %d bytes, expected %d", name, p.W, p.H, len(p.Pix), need)
	}
	return nil
}

// check says what is wrong with a photo.
func (p *Photo) check() error {
	if err := p.Y.check("the first plane", 1); err != nil || p.Gray {
		return err
	}
	h, v := max(p.H, 1), max(p.V, 1)
	if h > 4 || h == 3 || v > 4 || v == 3 {
		return fmt.Errorf("resize: chroma is smaller by %dx%d, expected 1, 2 or 4 either way", h, v)
	}
	if err := p.Cb.check("the second plane", 1); err != nil {
		return err
	}
	if err := p.Cr.check("the third plane", 1); err != nil {
		return err
	}
	if p.Cb.W != p.Cr.W || p.Cb.H != p.Cr.H {
		return fmt.Errorf("resize: chroma planes of %dx%d and %dx%d", p.Cb.W, p.Cb.H, p.Cr.W, p.Cr.H)
	}
	if p.Cb.W*h < p.Y.W || p.Cb.H*v < p.Y.H {
		return fmt.Errorf("resize: chroma of %dx%d, smaller by %dx%d, does not cover luma of %dx%d",
			p.Cb.W, p.Cb.H, h, v, p.Y.W, p.Y.H)
	}
	return nil
}

// check says what is wrong with a crop of a plane.
func (c *Crop) check(p *Plane) error {
	const slip = 1e-6                                // X+W is a rounded sum
	if c.X >= 0 && c.Y >= 0 && c.W > 0 && c.H > 0 && // false for NaN
		c.X+c.W <= float64(p.W)+slip && c.Y+c.H <= float64(p.H)+slip &&
		c.X < float64(p.W) && c.Y < float64(p.H) {
		return nil
	}
	return fmt.Errorf("resize: crop of %gx%g at (%g, %g) is not within %dx%d", c.W, c.H, c.X, c.Y, p.W, p.H)
}

// check says what is wrong with a target and the bytes meant for it.
func (t *Target) check(n int, f Filter) error {
	if f > Bilinear || t.Layout > CHW || t.Type > BFloat16 {
		return fmt.Errorf("resize: filter %d, layout %d, type %d: one is unknown", f, t.Layout, t.Type)
	}
	if t.Width < 1 || t.Height < 1 || t.Width > maxSide || t.Height > maxSide {
		return fmt.Errorf("resize: target is %dx%d, expected sides of 1 to %d", t.Width, t.Height, maxSide)
	}
	if n != t.Size() {
		return fmt.Errorf("resize: %d bytes for a target of %dx%d, expected %d", n, t.Width, t.Height, t.Size())
	}
	if t.Type == Uint8 {
		return nil
	}
	for c := range 3 {
		inv := float64(inverse(t.Std, c))
		if math.IsInf(inv, 0) || math.IsNaN(inv) || math.IsInf(float64(t.Mean[c]), 0) || math.IsNaN(float64(t.Mean[c])) {
			return fmt.Errorf("resize: cannot normalise by mean %v and deviation %v", t.Mean, t.Std)
		}
	}
	return nil
}

// inverse is one over a channel's deviation.
func inverse(std [3]float32, c int) float32 {
	if std == [3]float32{} {
		return 1
	}
	return 1 / std[c]
}
