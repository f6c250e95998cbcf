package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Resize makes whole images Width x Height, whatever their shape (torchvision's
// Resize((height, width))). It is a decoder, and an operation on decoded images.
type Resize struct {
	Width, Height int
	Filter        rgb.Filter // zero: rgb.Area, OpenCV's; rgb.Bilinear is torchvision's
	Exact         bool       // bit for bit as OpenCV or Pillow, several times as slow; see rgb.Target
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

func (z Resize) crop() crop {
	return crop{name: "Resize", target: rgb.Target{Width: z.Width, Height: z.Height, Filter: z.Filter, Exact: z.Exact, OnDamage: z.OnDamage}}
}

func wholeBox(width, height int, _ *rand.Rand) rgb.Rect { return rgb.Rect{W: width, H: height} }

// BindImage takes images of any size; its arguments are not used.
func (z Resize) BindImage(_, _ int) (array.Spec, DecodeFunc, error) { return z.crop().bind(wholeBox) }

// BindView is as [CenterCrop.BindView].
func (z Resize) BindView(_, _ int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	return z.crop().view(ops, func(width, height int, _ func(int) *rand.Rand) rgb.Rect { return wholeBox(width, height, nil) })
}

// Bind takes decoded images of 1 to 4 channels; OnDamage is not used.
func (z Resize) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	return z.crop().apply(in, wholeBox)
}

// Move adds to a placement what Bind's function does.
func (z Resize) Move(in array.Spec, p *rgb.Placement, _ *rand.Rand) {
	p.Crop(rgb.Rect{W: in.Shape[1], H: in.Shape[0]}, z.Width, z.Height)
}

// scratches serve operations, which get none from the caller.
var scratches = sync.Pool{New: func() any { return new(rgb.Scratch) }}

// apply is Bind of an operation that cuts out a box and resizes it.
func (c crop) apply(in array.Spec, box func(width, height int, rng *rand.Rand) rgb.Rect) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture(c.name, in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	out, err := c.spec()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	out.Shape[2] = channels
	from, to := width*height*channels, c.target.Width*c.target.Height*channels
	if channels != 3 && c.target.Filter != rgb.Area {
		return array.Spec{}, nil, false, fmt.Errorf("transform: %s by %v of %v: only images of 3 channels, others by area", c.name, c.target.Filter, in)
	}
	return out, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized(c.name, dst, src, to, from); err != nil {
			return err
		}
		s := scratches.Get().(*rgb.Scratch)
		defer scratches.Put(s)
		r := box(width, height, rng)
		if channels == 3 {
			return s.Render(dst, rgb.Encoded{Width: width, Height: height, Data: src}, r, false, &c.target)
		}
		p := rgb.Place(width, height)
		p.Crop(r, c.target.Width, c.target.Height)
		return s.PlaceArea(dst, rgb.Raster{Width: width, Height: height, Channels: channels, Depth: 1, Pix: src}, &p, nil)
	}, false, nil
}

// ResizeCenterCrop resizes an image so that its shorter side has Size pixels and
// cuts Width x Height out of the middle: torchvision's Resize(Size) and
// CenterCrop((Height, Width)), with its roundings of sizes and places.
//
// With Exact the whole picture is decoded and resized, and cut then; with
// rgb.Bilinear the pixels are those of torchvision on Pillow images. Without, the
// part of the picture that is wanted is cut first and resized alone: its edges
// are rounded to whole pixels of the picture, so that what is seen lies up to
// half such a pixel beside torchvision's and is scaled by as much, and pixels
// just outside of it have no part in the outermost ones of the outcome.
type ResizeCenterCrop struct {
	Size          int        // of the shorter side, before the cut
	Width, Height int        // at most Size
	Filter        rgb.Filter // zero: rgb.Area
	Exact         bool       // as torchvision, several times as slow
	// OnDamage, when set, turns damaged JPEGs from errors into what can be had of
	// them; see rgb.Target. Several goroutines may call it at the same time.
	OnDamage func(error)
}

func (c ResizeCenterCrop) crop() crop {
	return crop{name: "ResizeCenterCrop", target: rgb.Target{Width: c.Width, Height: c.Height, Filter: c.Filter, Exact: c.Exact, OnDamage: c.OnDamage}}
}

func (c ResizeCenterCrop) check() error {
	if c.Size < 1 || c.Size > rgb.MaxSide {
		return fmt.Errorf("transform: ResizeCenterCrop with Size %d, want 1 to %d", c.Size, rgb.MaxSide)
	}
	if c.Width > c.Size || c.Height > c.Size {
		return fmt.Errorf("transform: ResizeCenterCrop of %dx%d out of images whose shorter side is %d: larger than that", c.Width, c.Height, c.Size)
	}
	return nil
}

// Resized is the size that an image of width x height gets before the cut.
func (c ResizeCenterCrop) Resized(width, height int) (w, h int) {
	if width <= height {
		return c.Size, int(float64(c.Size*height) / float64(width))
	}
	return int(float64(c.Size*width) / float64(height)), c.Size
}

// cut is where the outcome lies in the resized image.
func (c ResizeCenterCrop) cut(w, h int) (x, y int) {
	return int(math.RoundToEven(float64(w-c.Width) / 2)), int(math.RoundToEven(float64(h-c.Height) / 2))
}

// Box is the region of an image of width x height that is seen, in whole pixels.
func (c ResizeCenterCrop) Box(width, height int) rgb.Rect {
	w, h := c.Resized(width, height)
	x, y := c.cut(w, h)
	var r rgb.Rect
	r.X, r.W = seen(x, c.Width, w, width)
	r.Y, r.H = seen(y, c.Height, h, height)
	return r
}

// seen brings a stretch of an axis of n pixels to one of size pixels.
func seen(at, length, n, size int) (from, span int) {
	k := float64(size) / float64(n)
	from = min(int(math.RoundToEven(float64(at)*k)), size-1)
	to := min(int(math.RoundToEven(float64(at+length)*k)), size)
	return from, max(to-from, 1)
}

// BindImage takes images of any size; its arguments are not used.
func (c ResizeCenterCrop) BindImage(_, _ int) (array.Spec, DecodeFunc, error) {
	if err := c.check(); err != nil {
		return array.Spec{}, nil, err
	}
	if c.Exact {
		return c.exact()
	}
	return c.crop().bind(func(width, height int, _ *rand.Rand) rgb.Rect { return c.Box(width, height) })
}

// exact is BindImage of the way by the whole picture.
func (c ResizeCenterCrop) exact() (array.Spec, DecodeFunc, error) {
	spec, err := c.crop().spec()
	if err != nil {
		return array.Spec{}, nil, err
	}
	row := 3 * c.Width
	pool := sync.Pool{New: func() any { return new([]byte) }}
	return spec, func(dst []byte, src rgb.Encoded, _ *rand.Rand, s *rgb.Scratch) error {
		k := c.crop()
		if err := k.check(src.Width, src.Height); err != nil {
			return err
		}
		if len(dst) != row*c.Height {
			return fmt.Errorf("transform: ResizeCenterCrop of %dx%d into %d bytes, want %d", c.Width, c.Height, len(dst), row*c.Height)
		}
		t := &k.target
		t.Width, t.Height = c.Resized(src.Width, src.Height)
		if err := t.Check(); err != nil {
			return fmt.Errorf("transform: ResizeCenterCrop of an image of %dx%d: %w", src.Width, src.Height, err)
		}
		whole := pool.Get().(*[]byte)
		defer pool.Put(whole)
		if cap(*whole) < t.Bytes() {
			*whole = make([]byte, t.Bytes())
		}
		pix := (*whole)[:t.Bytes()]
		if err := s.Render(pix, src, rgb.Rect{W: src.Width, H: src.Height}, false, t); err != nil {
			return err
		}
		x, y := c.cut(t.Width, t.Height)
		for i := range c.Height {
			copy(dst[row*i:row*(i+1)], pix[3*(t.Width*(y+i)+x):])
		}
		return nil
	}, nil
}

// BindView is as [CenterCrop.BindView]. With Exact there is no view: what is cut
// out is cut after resizing.
func (c ResizeCenterCrop) BindView(_, _ int, ops []any) (n int, spec array.Spec, target *rgb.Target, view ViewFunc, what string, err error) {
	if err := c.check(); err != nil || c.Exact {
		return 0, array.Spec{}, nil, nil, "", err
	}
	return c.crop().view(ops, func(width, height int, _ func(int) *rand.Rand) rgb.Rect { return c.Box(width, height) })
}

// Move adds to a placement what the decoder does to a picture of in's size. With
// Exact it resizes and then cuts, so that what follows lies to a fraction of a
// pixel where the picture does.
func (c ResizeCenterCrop) Move(in array.Spec, p *rgb.Placement, _ *rand.Rand) {
	width, height := in.Shape[1], in.Shape[0]
	if !c.Exact {
		p.Crop(c.Box(width, height), c.Width, c.Height)
		return
	}
	w, h := c.Resized(width, height)
	x, y := c.cut(w, h)
	p.Crop(rgb.Rect{W: width, H: height}, w, h)
	p.Crop(rgb.Rect{X: x, Y: y, W: c.Width, H: c.Height}, c.Width, c.Height)
}

// UsesMarks is as [CenterCrop.UsesMarks].
func (c ResizeCenterCrop) UsesMarks() bool { return !c.Exact }
