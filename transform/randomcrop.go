package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// RandomCrop cuts Width x Height pixels out of an image, without resizing
// (torchvision's RandomCrop). It draws two numbers: row, then column. It is an
// operation on decoded images, and a decoder that decodes the crop's
// neighbourhood alone, of images whose sizes may differ.
type RandomCrop struct {
	Width, Height int
	// Padding is how many pixels of Fill are put around the image before.
	Padding int
	// PadIfNeeded puts as many on both sides as a smaller image lacks. Without it
	// a crop larger than the padded image is an error.
	PadIfNeeded bool
	Fill        []uint8 // a number a channel; nil: 0
	// Exact decodes the whole picture, bit for bit as libjpeg; see rgb.Target. It
	// is of the decoder, as is OnDamage.
	Exact bool
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

// Bind takes images of 1 to 4 channels.
func (c RandomCrop) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("RandomCrop", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	fill, err := c.check(width, height, channels)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	from := channels * width * height
	to := channels * c.Width * c.Height
	blank := painted(fill, c.Width)
	out := array.Spec{DType: in.DType, Shape: []int{c.Height, c.Width, channels}}
	return out, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("RandomCrop", dst, src, to, from); err != nil {
			return err
		}
		r := c.draw(width, height, rng)
		in := r.inside(width, height)
		row := channels * c.Width
		for y := range c.Height {
			out := dst[row*y : row*(y+1)]
			if r.Y+y < in.Y || r.Y+y >= in.Y+in.H || in.W == 0 {
				copy(out, blank)
				continue
			}
			left := channels * (in.X - r.X)
			copy(out[:left], blank)
			k := left + copy(out[left:left+channels*in.W], src[channels*(width*(r.Y+y)+in.X):])
			copy(out[k:], blank)
		}
		return nil
	}, false, nil
}

// check refuses settings that don't fit together and, unless width and height
// are 0, that don't fit images of that size. It returns the fill.
func (c RandomCrop) check(width, height, channels int) ([]byte, error) {
	if _, err := imageSpec("RandomCrop", c.Width, c.Height); err != nil {
		return nil, err
	}
	if c.Padding < 0 || c.Padding > rgb.MaxSide {
		return nil, fmt.Errorf("transform: RandomCrop with Padding %d, want 0 to %d", c.Padding, rgb.MaxSide)
	}
	fill, err := colour("RandomCrop", c.Fill, channels)
	if err == nil && (width != 0 || height != 0) {
		err = c.fits(width, height)
	}
	return fill, err
}

// fits refuses an image that the crop is larger than.
func (c RandomCrop) fits(width, height int) error {
	if c.PadIfNeeded || c.Width <= width+2*c.Padding && c.Height <= height+2*c.Padding {
		return nil
	}
	return fmt.Errorf("transform: RandomCrop of %dx%d in an image of %dx%d with Padding %d: larger than that, and PadIfNeeded is not set",
		c.Width, c.Height, width, height, c.Padding)
}

// window is a region that may reach outside its picture.
type window rgb.Rect

// inside is the part of the window inside the picture.
func (r window) inside(width, height int) rgb.Rect {
	x0, y0 := min(max(r.X, 0), width), min(max(r.Y, 0), height)
	x1, y1 := min(max(r.X+r.W, x0), width), min(max(r.Y+r.H, y0), height)
	return rgb.Rect{X: x0, Y: y0, W: x1 - x0, H: y1 - y0}
}

// draw says what to cut out of an image that fits.
func (c RandomCrop) draw(width, height int, rng *rand.Rand) window {
	padX, padY := c.Padding, c.Padding
	if c.PadIfNeeded {
		padX += max(0, c.Width-width-2*c.Padding)
		padY += max(0, c.Height-height-2*c.Padding)
	}
	y := rng.IntN(height+2*padY-c.Height+1) - padY
	x := rng.IntN(width+2*padX-c.Width+1) - padX
	return window{X: x, Y: y, W: c.Width, H: c.Height}
}

// Drawn tells what Bind's function would draw: x and y of the crop's upper left
// corner in the image, which are negative in the padding.
func (c RandomCrop) Drawn(in array.Spec, rng *rand.Rand) map[string]any {
	r := c.draw(in.Shape[1], in.Shape[0], rng)
	return map[string]any{"x": r.X, "y": r.Y}
}

// Move adds to a placement what Bind's function would do with the same numbers.
func (c RandomCrop) Move(in array.Spec, p *rgb.Placement, rng *rand.Rand) {
	p.Crop(rgb.Rect(c.draw(in.Shape[1], in.Shape[0], rng)), c.Width, c.Height)
}

// BindImage takes the size of the dataset's images, 0, 0 where they differ: an
// image that the crop doesn't fit is an error of the returned function then.
func (c RandomCrop) BindImage(width, height int) (array.Spec, DecodeFunc, error) {
	fill, err := c.check(width, height, 3)
	if err != nil {
		return array.Spec{}, nil, err
	}
	spec, err := imageSpec("RandomCrop", c.Width, c.Height)
	if err != nil {
		return array.Spec{}, nil, err
	}
	blank := painted(fill, c.Width)
	crop := c.crop()
	return spec, func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error {
		if err := crop.check(src.Width, src.Height); err != nil {
			return err
		}
		if err := c.fits(src.Width, src.Height); err != nil {
			return err
		}
		if len(dst) != 3*c.Width*c.Height {
			return fmt.Errorf("transform: RandomCrop of %dx%d into %d bytes, want %d", c.Width, c.Height, len(dst), 3*c.Width*c.Height)
		}
		r := c.draw(src.Width, src.Height, rng)
		in := r.inside(src.Width, src.Height)
		if in.W == 0 || in.H == 0 {
			in.W, in.H = 0, 0
		} else {
			part := crop.target
			part.Width, part.Height = in.W, in.H
			if err := s.Render(dst[:3*in.W*in.H], src, in, false, &part); err != nil {
				return err
			}
		}
		spread(dst, blank, in.W, in.H, in.X-r.X, in.Y-r.Y)
		return nil
	}, nil
}

func (c RandomCrop) crop() crop {
	return crop{name: "RandomCrop", target: rgb.Target{Width: c.Width, Height: c.Height, Exact: c.Exact, OnDamage: c.OnDamage}}
}

// spread moves a picture of w x h pixels from the beginning of dst to (x, y) of
// the larger one that dst is, as wide as blank, which fills the rest.
func spread(dst, blank []byte, w, h, x, y int) {
	row := len(blank)
	if 3*w*h == len(dst) {
		return
	}
	for at := len(dst)/row - 1; at >= 0; at-- { // from the bottom up: rows move down, if at all
		out := dst[row*at : row*(at+1)]
		if at < y || at >= y+h {
			copy(out, blank)
			continue
		}
		copy(out[3*x:3*(x+w)], dst[3*w*(at-y):])
		copy(out[:3*x], blank)
		copy(out[3*(x+w):], blank)
	}
}

// BindView is as [CenterCrop.BindView]. With padding there is no view.
func (c RandomCrop) BindView(width, height int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	if _, err := c.check(width, height, 3); err != nil {
		return 0, array.Spec{}, nil, nil, "", err
	}
	if c.Padding > 0 || c.PadIfNeeded {
		return 0, array.Spec{}, nil, nil, "", nil
	}
	return c.crop().tryView(ops, func(width, height int, draw func(int) *rand.Rand) (rgb.Rect, error) {
		if err := c.fits(width, height); err != nil {
			return rgb.Rect{}, err
		}
		return rgb.Rect(c.draw(width, height, draw(0))), nil
	})
}

// UsesMarks is as [CenterCrop.UsesMarks].
func (c RandomCrop) UsesMarks() bool { return !c.Exact }
