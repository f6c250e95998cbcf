package transform

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// RasterFunc decodes one picture of an Image field into dst, which has the bytes
// of the decoder's spec. src is read only.
type RasterFunc = func(dst []byte, src rgb.Raster, rng *rand.Rand, s *rgb.Scratch) error

// RasterFollowFunc makes the row of an Image field where p has put its sample's
// leader. src is read only.
type RasterFollowFunc = func(dst []byte, src rgb.Raster, p *rgb.Placement, s *rgb.Scratch) error

// rasterSpec is the spec of a picture of so many channels and bytes a number.
func rasterSpec(op string, channels, depth, width, height int) (array.Spec, error) {
	if width < 1 || height < 1 || width > rgb.MaxSide || height > rgb.MaxSide {
		return array.Spec{}, fmt.Errorf("transform: %s of %dx%d: a side must be 1 to %d pixels", op, width, height, rgb.MaxSide)
	}
	if channels < 1 || channels > 4 || depth < 1 || depth > 2 {
		return array.Spec{}, fmt.Errorf("transform: %s of %d channels of %d bytes, want 1 to 4 of 1 or 2", op, channels, depth)
	}
	spec := array.Spec{DType: array.Uint8, Shape: []int{height, width, channels}}
	if depth == 2 {
		spec.DType = array.Uint16
	}
	return spec, nil
}

// rasterFill checks a fill of so many channels of so many bytes; nil stays nil.
func rasterFill(op string, fill []uint16, channels, depth int) error {
	if fill == nil {
		return nil
	}
	if len(fill) != channels {
		return fmt.Errorf("transform: %s with a Fill of %d numbers for %d channels", op, len(fill), channels)
	}
	for _, v := range fill {
		if depth == 1 && v > 255 {
			return fmt.Errorf("transform: %s with Fill %v for numbers of one byte", op, fill)
		}
	}
	return nil
}

// holds refuses a picture that is not what was bound for.
func holds(op string, src *rgb.Raster, channels, depth int) error {
	if src.Channels != channels || src.Depth != depth {
		return fmt.Errorf("transform: %s: picture of %d channels of %d bytes, bound for %d of %d", op, src.Channels, src.Depth, channels, depth)
	}
	return nil
}

// Mask lays out a mask of class numbers as its image is (Output.Follow): with
// the same crop, resize, flips and shifts. Every number of the outcome is one of
// the mask's, the nearest, or Fill's.
type Mask struct {
	Fill []uint16 // where there is no image: a number a channel; nil: 0
}

// BindFollowRaster takes pictures of so many channels and bytes a number, for a
// leader of width x height.
func (m Mask) BindFollowRaster(channels, depth, width, height int) (array.Spec, RasterFollowFunc, error) {
	spec, err := rasterSpec("Mask", channels, depth, width, height)
	if err == nil {
		err = rasterFill("Mask", m.Fill, channels, depth)
	}
	if err != nil {
		return array.Spec{}, nil, err
	}
	return spec, func(dst []byte, src rgb.Raster, p *rgb.Placement, s *rgb.Scratch) error {
		if err := holds("Mask", &src, channels, depth); err != nil {
			return err
		}
		return s.PlaceNearest(dst, src, p, m.Fill)
	}, nil
}

// Area lays out an image or a depth map as another image is (Output.Follow):
// with the same crop, resize, flips and shifts. Numbers are means of what a pixel
// covers, as INTER_AREA's.
type Area struct {
	Fill []uint16 // where there is no image: a number a channel; nil: 0
}

// BindFollowRaster is as [Mask.BindFollowRaster].
func (a Area) BindFollowRaster(channels, depth, width, height int) (array.Spec, RasterFollowFunc, error) {
	spec, err := rasterSpec("Area", channels, depth, width, height)
	if err == nil {
		err = rasterFill("Area", a.Fill, channels, depth)
	}
	if err != nil {
		return array.Spec{}, nil, err
	}
	return spec, func(dst []byte, src rgb.Raster, p *rgb.Placement, s *rgb.Scratch) error {
		if err := holds("Area", &src, channels, depth); err != nil {
			return err
		}
		return s.PlaceArea(dst, src, p, a.Fill)
	}, nil
}

// BindRaster takes the size of an Image field's pictures, 0, 0 where they differ,
// and their channels and bytes a number: whole pictures, all of one size.
func (d Simple) BindRaster(width, height, channels, depth int) (array.Spec, RasterFunc, error) {
	if width == 0 && height == 0 {
		return array.Spec{}, nil, fmt.Errorf("transform: Simple needs pictures of one size, theirs differ: crop them instead")
	}
	spec, err := rasterSpec("Simple", channels, depth, width, height)
	if err != nil {
		return array.Spec{}, nil, err
	}
	return spec, func(dst []byte, src rgb.Raster, _ *rand.Rand, _ *rgb.Scratch) error {
		if err := holds("Simple", &src, channels, depth); err != nil {
			return err
		}
		if src.Width != width || src.Height != height {
			return fmt.Errorf("transform: Simple: picture of %dx%d, the others are %dx%d", src.Width, src.Height, width, height)
		}
		if n := width * height * channels * depth; len(dst) != n || len(src.Pix) != n {
			return fmt.Errorf("transform: Simple of %dx%d: %d bytes into %d, want %d", width, height, len(src.Pix), len(dst), n)
		}
		copy(dst, src.Pix)
		return nil
	}, nil
}

// BindRaster is as [Simple.BindRaster], for pictures of any size; they are
// resized as rgb.Area does it.
func (c CenterCrop) BindRaster(_, _, channels, depth int) (array.Spec, RasterFunc, error) {
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	return c.crop().raster(channels, depth, func(width, height int, _ *rand.Rand) (rgb.Rect, error) { return c.Box(width, height), nil })
}

// BindRaster is as [CenterCrop.BindRaster].
func (c RandomResizedCrop) BindRaster(_, _, channels, depth int) (array.Spec, RasterFunc, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	return c.crop().raster(channels, depth, func(width, height int, rng *rand.Rand) (rgb.Rect, error) {
		return c.Box(width, height, rng), nil
	})
}

// BindRaster is as [CenterCrop.BindRaster].
func (z Resize) BindRaster(_, _, channels, depth int) (array.Spec, RasterFunc, error) {
	return z.crop().raster(channels, depth, func(width, height int, _ *rand.Rand) (rgb.Rect, error) {
		return wholeBox(width, height, nil), nil
	})
}

// BindRaster is as [CenterCrop.BindRaster]. As with images, Exact resizes first
// and cuts then.
func (c ResizeCenterCrop) BindRaster(_, _, channels, depth int) (array.Spec, RasterFunc, error) {
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	if c.Exact {
		return c.exactRaster(channels, depth)
	}
	return c.crop().raster(channels, depth, func(width, height int, _ *rand.Rand) (rgb.Rect, error) { return c.Box(width, height), nil })
}

// exactRaster is BindRaster of the way by the whole picture.
func (c ResizeCenterCrop) exactRaster(channels, depth int) (array.Spec, RasterFunc, error) {
	spec, err := rasterSpec("ResizeCenterCrop", channels, depth, c.Width, c.Height)
	if err != nil {
		return array.Spec{}, nil, err
	}
	if c.Filter != rgb.Area {
		return array.Spec{}, nil, fmt.Errorf("transform: ResizeCenterCrop by %v of an Image field: only by area", c.Filter)
	}
	pixel := channels * depth
	row := pixel * c.Width
	pool := sync.Pool{New: func() any { return new([]byte) }}
	return spec, func(dst []byte, src rgb.Raster, _ *rand.Rand, s *rgb.Scratch) error {
		if err := holds("ResizeCenterCrop", &src, channels, depth); err != nil {
			return err
		}
		if err := c.crop().check(src.Width, src.Height); err != nil {
			return err
		}
		if len(dst) != row*c.Height {
			return fmt.Errorf("transform: ResizeCenterCrop of %dx%d into %d bytes, want %d", c.Width, c.Height, len(dst), row*c.Height)
		}
		w, h := c.Resized(src.Width, src.Height)
		t := rgb.Target{Width: w, Height: h}
		if err := t.Check(); err != nil {
			return fmt.Errorf("transform: ResizeCenterCrop of an image of %dx%d: %w", src.Width, src.Height, err)
		}
		whole := pool.Get().(*[]byte)
		defer pool.Put(whole)
		*whole = slices.Grow((*whole)[:0], pixel*w*h)
		pix := (*whole)[:pixel*w*h]
		p := rgb.Place(src.Width, src.Height)
		p.Crop(rgb.Rect{W: src.Width, H: src.Height}, w, h)
		if err := s.PlaceArea(pix, src, &p, nil); err != nil {
			return err
		}
		x, y := c.cut(w, h)
		for i := range c.Height {
			copy(dst[row*i:row*(i+1)], pix[pixel*(w*(y+i)+x):])
		}
		return nil
	}, nil
}

// BindRaster is as [CenterCrop.BindRaster]; nothing is resized. Numbers of two
// bytes are filled with those of Fill too.
func (c RandomCrop) BindRaster(width, height, channels, depth int) (array.Spec, RasterFunc, error) {
	fill, err := c.check(width, height, channels)
	if err != nil {
		return array.Spec{}, nil, err
	}
	wide := make([]uint16, len(fill))
	for i, v := range fill {
		wide[i] = uint16(v)
	}
	k := c.crop()
	k.fill = wide
	return k.raster(channels, depth, func(width, height int, rng *rand.Rand) (rgb.Rect, error) {
		if err := c.fits(width, height); err != nil {
			return rgb.Rect{}, err
		}
		return rgb.Rect(c.draw(width, height, rng)), nil
	})
}

// raster is BindRaster.
func (c crop) raster(channels, depth int, box func(width, height int, rng *rand.Rand) (rgb.Rect, error)) (array.Spec, RasterFunc, error) {
	spec, err := rasterSpec(c.name, channels, depth, c.target.Width, c.target.Height)
	if err != nil {
		return array.Spec{}, nil, err
	}
	if c.target.Filter != rgb.Area {
		return array.Spec{}, nil, fmt.Errorf("transform: %s by %v of an Image field: only by area", c.name, c.target.Filter)
	}
	return spec, func(dst []byte, src rgb.Raster, rng *rand.Rand, s *rgb.Scratch) error {
		if err := holds(c.name, &src, channels, depth); err != nil {
			return err
		}
		if err := c.check(src.Width, src.Height); err != nil {
			return err
		}
		r, err := box(src.Width, src.Height, rng)
		if err != nil {
			return err
		}
		p := rgb.Place(src.Width, src.Height)
		p.Crop(r, c.target.Width, c.target.Height)
		return s.PlaceArea(dst, src, &p, c.fill)
	}, nil
}
