package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Cutout paints a square of Size x Size pixels, wholly inside the image, over
// it (FFCV's Cutout and, with P, RandomCutout of FFCV 1.1.0). It draws two
// numbers, row, then column, and with a P below 1 another before them; without
// a square these two are not drawn. Masks and boxes that follow the image don't
// change.
type Cutout struct {
	Size int     // at most the image's shorter side
	Fill []uint8 // a number a channel; nil: 0
	P    float64 // how probable the square is; 0: always
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (c Cutout) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("Cutout", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if c.Size < 1 || c.Size > min(height, width) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Cutout of %d pixels in an image of %dx%d, want 1 to %d", c.Size, width, height, min(height, width))
	}
	if _, err = chance("Cutout", c.P, 1); err != nil {
		return array.Spec{}, nil, false, err
	}
	fill, err := colour("Cutout", c.Fill, channels)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := channels * width
	n := height * row
	paint := painted(fill, c.Size)
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Cutout", dst, src, n, n); err != nil {
			return err
		}
		if &dst[0] != &src[0] {
			copy(dst, src)
		}
		x, y, cut := c.draw(height, width, rng)
		if !cut {
			return nil
		}
		for i := range c.Size {
			copy(dst[row*(y+i)+channels*x:], paint)
		}
		return nil
	}, true, nil
}

// draw says where the square begins, if there is one.
func (c Cutout) draw(height, width int, rng *rand.Rand) (x, y int, cut bool) {
	if c.P > 0 && c.P < 1 && rng.Float64() >= c.P {
		return 0, 0, false
	}
	y = rng.IntN(height - c.Size + 1)
	x = rng.IntN(width - c.Size + 1)
	return x, y, true
}

// Drawn tells what Bind's function would draw: cut, and x and y of the square's
// upper left corner if so.
func (c Cutout) Drawn(in array.Spec, rng *rand.Rand) map[string]any {
	x, y, cut := c.draw(in.Shape[0], in.Shape[1], rng)
	if !cut {
		return map[string]any{"cut": false}
	}
	return map[string]any{"cut": true, "x": x, "y": y}
}
