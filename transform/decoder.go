package transform

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Simple decodes whole images; all of the dataset's must have one size (FFCV's
// SimpleRGBImageDecoder).
type Simple struct {
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

// BindImage takes the size of the dataset's images; 0, 0 stands for sizes that
// differ and is an error. An image of another size than the bound one is an
// error of the returned function.
func (d Simple) BindImage(width, height int) (array.Spec, DecodeFunc, error) {
	if width == 0 && height == 0 {
		return array.Spec{}, nil, fmt.Errorf("transform: Simple needs images of one size, theirs differ: crop them instead")
	}
	spec, err := imageSpec("Simple", width, height)
	if err != nil {
		return array.Spec{}, nil, err
	}
	target := d.target(width, height)
	return spec, func(dst []byte, src rgb.Encoded, _ *rand.Rand, s *rgb.Scratch) error {
		if src.Width != width || src.Height != height {
			return fmt.Errorf("transform: Simple: image of %dx%d, the others are %dx%d", src.Width, src.Height, width, height)
		}
		if len(dst) != 3*width*height {
			return fmt.Errorf("transform: Simple of %dx%d into %d bytes, want %d", width, height, len(dst), 3*width*height)
		}
		if d.OnDamage != nil {
			return s.Render(dst, src, rgb.Rect{W: width, H: height}, false, &target)
		}
		out := rgb.Image{Pix: dst}
		return s.Load(&out, src)
	}, nil
}

func (d Simple) target(width, height int) rgb.Target {
	return rgb.Target{Width: width, Height: height, Exact: true, OnDamage: d.OnDamage}
}

// CenterCrop cuts the square in the middle whose side is Ratio times the
// image's shorter side and resizes it to Width x Height
// (FFCV's CenterCropRGBImageDecoder). It is not quite torchvision's resize and
// crop.
type CenterCrop struct {
	Width, Height int
	Ratio         float64    // 0: 224/256; at most 1
	Filter        rgb.Filter // zero: rgb.Area, FFCV's
	Exact         bool       // bit for bit as FFCV, several times as slow; see rgb.Target
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

// BindImage takes images of any size; its arguments are not used.
func (c CenterCrop) BindImage(_, _ int) (array.Spec, DecodeFunc, error) {
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	return c.crop().bind(func(width, height int, _ *rand.Rand) rgb.Rect { return c.Box(width, height) })
}

func (c CenterCrop) check() error {
	if math.IsNaN(c.Ratio) || c.Ratio < 0 || c.Ratio > 1 {
		return fmt.Errorf("transform: CenterCrop with Ratio %v, want 0 to 1", c.Ratio)
	}
	return nil
}

func (c CenterCrop) crop() crop {
	return crop{name: "CenterCrop", target: rgb.Target{Width: c.Width, Height: c.Height, Filter: c.Filter, Exact: c.Exact, OnDamage: c.OnDamage}}
}

// Box is the region that is cut out of an image of width x height. Where
// FFCV's formula gives no pixel at all it is one pixel.
func (c CenterCrop) Box(width, height int) rgb.Rect {
	ratio := c.Ratio
	if ratio == 0 {
		ratio = 224.0 / 256.0
	}
	side := max(1, int(ratio*float64(min(width, height))))
	return rgb.Rect{X: (width - side) / 2, Y: (height - side) / 2, W: side, H: side}
}

// RandomResizedCrop cuts a random region and resizes it to Width x Height
// (FFCV's RandomResizedCropRGBImageDecoder, torchvision's formula). It is a
// decoder, and an operation on decoded images.
type RandomResizedCrop struct {
	Width, Height int
	Scale         [2]float64 // share of the image's area; 0, 0: 0.08 to 1
	Ratio         [2]float64 // of width to height; 0, 0: 3/4 to 4/3
	Filter        rgb.Filter // zero: rgb.Area, FFCV's
	Exact         bool       // bit for bit as FFCV, several times as slow; see rgb.Target
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

// BindImage takes images of any size; its arguments are not used.
func (c RandomResizedCrop) BindImage(_, _ int) (array.Spec, DecodeFunc, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	return c.crop().bind(c.Box)
}

// check is for a crop with its defaults.
func (c RandomResizedCrop) check() error {
	for _, r := range []struct {
		name string
		at   [2]float64
	}{{"Scale", c.Scale}, {"Ratio", c.Ratio}} {
		if !(r.at[0] > 0 && r.at[0] <= r.at[1] && r.at[1] <= math.MaxFloat32) {
			return fmt.Errorf("transform: RandomResizedCrop with %s %v, want two numbers above 0, the first not above the second", r.name, r.at)
		}
	}
	return nil
}

func (c RandomResizedCrop) crop() crop {
	return crop{name: "RandomResizedCrop", target: rgb.Target{Width: c.Width, Height: c.Height, Filter: c.Filter, Exact: c.Exact, OnDamage: c.OnDamage}}
}

func (c RandomResizedCrop) withDefaults() RandomResizedCrop {
	if c.Scale == [2]float64{} {
		c.Scale = [2]float64{0.08, 1}
	}
	if c.Ratio == [2]float64{} {
		c.Ratio = [2]float64{3.0 / 4.0, 4.0 / 3.0}
	}
	return c
}

// Bind takes decoded images of 1 to 4 channels (FFCV's transform
// RandomResizedCrop, whose outcome is always a square); OnDamage is not used.
func (c RandomResizedCrop) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return array.Spec{}, nil, false, err
	}
	return c.crop().apply(in, c.Box)
}

// Drawn tells what Bind's function would draw: the region's x, y, width and
// height.
func (c RandomResizedCrop) Drawn(in array.Spec, rng *rand.Rand) map[string]any {
	r := c.Box(in.Shape[1], in.Shape[0], rng)
	return map[string]any{"x": r.X, "y": r.Y, "width": r.W, "height": r.H}
}

// Move adds to a placement what Bind's function would do with the same numbers.
func (c RandomResizedCrop) Move(in array.Spec, p *rgb.Placement, rng *rand.Rand) {
	p.Crop(c.Box(in.Shape[1], in.Shape[0], rng), c.Width, c.Height)
}

// Box draws the region that is cut out of an image of width x height. It draws
// two numbers a try (area, then shape), ten tries at most, and two more (row,
// then column) for one that fits; when none does the region is the largest of
// an allowed shape in the middle.
func (c RandomResizedCrop) Box(width, height int, rng *rand.Rand) rgb.Rect {
	c = c.withDefaults()
	uniform := func(lo, hi float64) float64 { return lo + float64((hi-lo)*rng.Float64()) }
	area := float64(height * width)
	logLo, logHi := math.Log(c.Ratio[0]), math.Log(c.Ratio[1])
	for range 10 {
		target := area * uniform(c.Scale[0], c.Scale[1])
		aspect := math.Exp(uniform(logLo, logHi))
		w := math.RoundToEven(math.Sqrt(target * aspect))
		h := math.RoundToEven(math.Sqrt(target / aspect))
		if w > 0 && w <= float64(width) && h > 0 && h <= float64(height) {
			r := rgb.Rect{W: int(w), H: int(h)}
			r.Y = int(uniform(0, float64(height-r.H+1)))
			r.X = int(uniform(0, float64(width-r.W+1)))
			return r
		}
	}
	r := rgb.Rect{W: width, H: height}
	switch in := float64(width) / float64(height); {
	case in < c.Ratio[0]:
		r.H = max(1, int(math.RoundToEven(float64(width)/c.Ratio[0])))
	case in > c.Ratio[1]:
		r.W = max(1, int(math.RoundToEven(float64(height)*c.Ratio[1])))
	}
	r.X, r.Y = (width-r.W)/2, (height-r.H)/2
	return r
}

// crop is a decoder that cuts out a box and resizes it.
type crop struct {
	name   string
	target rgb.Target // of uint8, channels last
	fill   []uint16   // of a raster, where a box reaches outside; nil: 0
}

// spec checks the target and gives its type and shape.
func (c crop) spec() (array.Spec, error) {
	spec, err := imageSpec(c.name, c.target.Width, c.target.Height)
	if err == nil {
		err = c.target.Check()
	}
	if err != nil {
		return array.Spec{}, err
	}
	return spec, nil
}

// check refuses what no box can be drawn for.
func (c crop) check(width, height int) error {
	if width < 1 || height < 1 || width > rgb.MaxSide || height > rgb.MaxSide {
		return fmt.Errorf("transform: %s of an image of %dx%d: a side must be 1 to %d pixels", c.name, width, height, rgb.MaxSide)
	}
	return nil
}

// bind is BindImage.
func (c crop) bind(box func(width, height int, rng *rand.Rand) rgb.Rect) (array.Spec, DecodeFunc, error) {
	spec, err := c.spec()
	if err != nil {
		return array.Spec{}, nil, err
	}
	return spec, func(dst []byte, src rgb.Encoded, rng *rand.Rand, s *rgb.Scratch) error {
		if err := c.check(src.Width, src.Height); err != nil {
			return err
		}
		return s.Render(dst, src, box(src.Width, src.Height, rng), false, &c.target)
	}, nil
}

// view is BindView.
func (c crop) view(ops []any, box func(width, height int, draw func(op int) *rand.Rand) rgb.Rect) (int, array.Spec, *rgb.Target, ViewFunc, string, error) {
	return c.tryView(ops, func(width, height int, draw func(op int) *rand.Rand) (rgb.Rect, error) {
		return box(width, height, draw), nil
	})
}

// tryView is BindView where there may be no box.
func (c crop) tryView(ops []any, box func(width, height int, draw func(op int) *rand.Rand) (rgb.Rect, error)) (int, array.Spec, *rgb.Target, ViewFunc, string, error) {
	spec, err := c.spec()
	if err != nil {
		return 0, array.Spec{}, nil, nil, "", err
	}
	z := fusion{target: c.target, spec: spec}
	n := z.fuse(ops)
	return n, z.spec, &z.target, func(width, height int, draw func(op int) *rand.Rand) (rgb.Rect, bool, error) {
		if err := c.check(width, height); err != nil {
			return rgb.Rect{}, false, err
		}
		r, err := box(width, height, draw)
		if err != nil {
			return rgb.Rect{}, false, err
		}
		return r, z.flip(draw), nil
	}, z.what(c.what()), nil
}

func (c crop) what() string {
	s := fmt.Sprintf("%s %dx%d by %v", c.name, c.target.Width, c.target.Height, c.target.Filter)
	if c.target.Exact {
		s += ", exact"
	}
	return s
}
