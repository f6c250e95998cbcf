package transform

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// ImageCutMix puts a box of the image before it, the first's is the last, into
// each image of a batch (CutMix, Yun et al. 2019; torchvision's formula). The
// box has the image's shape and 1-lambda of its area, lambda drawn of the Beta
// distribution with both parameters Alpha; its middle is anywhere in the image,
// and what sticks out is cut off. A LabelCutMix with the same settings in
// another output is of the same boxes: its generator is in the same state.
//
// It draws a lambda, as ImageMixup, the middle's column and its row, once a
// batch or once an image, in the batch's order.
type ImageCutMix struct {
	Alpha      float64 // 0: 1, for which lambda is uniform
	SameLambda bool    // one lambda, and one box, for the batch
}

// LabelCutMix makes of a label (y[i], y[i-1], lambda) as float32, lambda being
// the share of the image outside its box, cut off at the edges; see ImageCutMix.
type LabelCutMix struct {
	Alpha         float64 // as ImageCutMix's
	SameLambda    bool    // as ImageCutMix's
	Width, Height int     // of the images
}

// Stream is the name of the random stream that ImageCutMix and LabelCutMix have
// in common.
func (ImageCutMix) Stream() string { return "cutmix" }

// Stream is as [ImageCutMix.Stream].
func (LabelCutMix) Stream() string { return "cutmix" }

// BindBatch takes images of shape (height, width, channels) and of any type; the
// outcome's are the same. It is not in place.
func (c ImageCutMix) BindBatch(in array.Spec) (array.Spec, BatchFunc, bool, error) {
	size, err := flippable("ImageCutMix", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	b, err := newBoxes("ImageCutMix", c.Alpha, c.SameLambda, in.Shape[1], in.Shape[0])
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	pixel := in.Shape[2] * in.DType.ItemSize()
	row := b.width * pixel
	return in, func(dst, src []byte, samples []int, rng *rand.Rand) error {
		n := len(samples)
		if err := sized("ImageCutMix", dst, src, n*size, n*size); err != nil {
			return err
		}
		copy(dst, src)
		boxes := b.sampler(rng)
		for i := range n {
			r := boxes.next()
			to, from := dst[i*size:(i+1)*size], src[(i+n-1)%n*size:]
			for y := r.Y; y < r.Y+r.H; y++ {
				at, k := y*row+r.X*pixel, r.W*pixel
				copy(to[at:at+k], from[at:at+k])
			}
		}
		return nil
	}, false, nil
}

// BindBatch takes one number a row, integer or float, and gives three of
// float32. It is not in place.
func (c LabelCutMix) BindBatch(in array.Spec) (array.Spec, BatchFunc, bool, error) {
	b, err := newBoxes("LabelCutMix", c.Alpha, c.SameLambda, c.Width, c.Height)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	read, err := label("LabelCutMix", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := in.DType.ItemSize()
	return triple(), func(dst, src []byte, samples []int, rng *rand.Rand) error {
		n := len(samples)
		if err := sized("LabelCutMix", dst, src, 12*n, n*row); err != nil {
			return err
		}
		boxes := b.sampler(rng)
		for i := range n {
			before := (i + n - 1) % n
			putTriple(dst[12*i:], read(src[i*row:]), read(src[before*row:]), b.share(boxes.next()))
		}
		return nil
	}, false, nil
}

// Drawn tells the box that BindBatch's function would draw first, the batch's
// with SameLambda, else the first row's: x, y, width, height, and the lambda
// that is left.
func (c ImageCutMix) Drawn(in array.Spec, rng *rand.Rand) map[string]any {
	if len(in.Shape) != 3 {
		return map[string]any{}
	}
	return drawnBox(c.Alpha, in.Shape[1], in.Shape[0], rng)
}

// Drawn is as [ImageCutMix.Drawn].
func (c LabelCutMix) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return drawnBox(c.Alpha, c.Width, c.Height, rng)
}

func drawnBox(alpha float64, width, height int, rng *rand.Rand) map[string]any {
	b, err := newBoxes("", alpha, true, width, height)
	if err != nil {
		return map[string]any{}
	}
	r := b.draw(rng)
	return map[string]any{"x": r.X, "y": r.Y, "width": r.W, "height": r.H, "lambda": b.share(r)}
}

// cutBoxes draws the boxes of a batch.
type cutBoxes struct {
	beta
	width, height int
}

func newBoxes(op string, alpha float64, same bool, width, height int) (cutBoxes, error) {
	b, err := newBeta(op, alpha, same)
	if err != nil {
		return cutBoxes{}, err
	}
	if width < 1 || height < 1 || width > rgb.MaxSide || height > rgb.MaxSide {
		return cutBoxes{}, fmt.Errorf("transform: %s of images of %dx%d: a side must be 1 to %d pixels", op, width, height, rgb.MaxSide)
	}
	return cutBoxes{b, width, height}, nil
}

// share is what a box leaves of an image.
func (b cutBoxes) share(r rgb.Rect) float64 {
	return 1 - float64(r.W*r.H)/float64(b.width*b.height)
}

func (b cutBoxes) draw(rng *rand.Rand) rgb.Rect {
	half := 0.5 * math.Sqrt(1-b.beta.draw(rng))
	x, y := rng.IntN(b.width), rng.IntN(b.height)
	w, h := int(half*float64(b.width)), int(half*float64(b.height))
	left, top := max(x-w, 0), max(y-h, 0)
	return rgb.Rect{X: left, Y: top, W: min(x+w, b.width) - left, H: min(y+h, b.height) - top}
}

// rects gives the boxes for the rows of a batch, one after the other.
type rects struct {
	cutBoxes
	rng   *rand.Rand
	drawn bool
	last  rgb.Rect
}

func (b cutBoxes) sampler(rng *rand.Rand) rects { return rects{cutBoxes: b, rng: rng} }

func (s *rects) next() rgb.Rect {
	if !s.same || !s.drawn {
		s.last, s.drawn = s.draw(s.rng), true
	}
	return s.last
}
