package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Translate moves an image by -Padding to Padding pixels each way and fills
// what comes bare (FFCV's RandomTranslate). It draws two numbers: rows, then
// columns. As with FFCV, a Padding of a side or more may leave nothing of the
// image in sight.
type Translate struct {
	Padding int
	Fill    []uint8 // a number a channel; nil: 0
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (t Translate) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("Translate", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if t.Padding < 0 || t.Padding > rgb.MaxSide {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Translate with Padding %d, want 0 to %d", t.Padding, rgb.MaxSide)
	}
	fill, err := colour("Translate", t.Fill, channels)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := channels * width
	n := height * row
	blank := painted(fill, width)
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Translate", dst, src, n, n); err != nil {
			return err
		}
		dx, dy := t.draw(rng)
		y, end, step := 0, height, 1
		if dy < 0 { // from the bottom up, so that no row is overwritten before it is read
			y, end, step = height-1, -1, -1
		}
		for ; y != end; y += step {
			out := dst[row*y : row*(y+1)]
			from := y + dy
			if from < 0 || from >= height || dx <= -width || dx >= width {
				copy(out, blank)
				continue
			}
			in := src[row*from : row*(from+1)]
			if dx >= 0 {
				k := copy(out, in[channels*dx:])
				copy(out[k:], blank)
			} else {
				copy(out[-channels*dx:], in)
				copy(out[:-channels*dx], blank)
			}
		}
		return nil
	}, true, nil
}

// draw says where to read: pixel (x, y) of the outcome is pixel (x+dx, y+dy) of
// the source.
func (t Translate) draw(rng *rand.Rand) (dx, dy int) {
	dy = rng.IntN(2*t.Padding+1) - t.Padding
	dx = rng.IntN(2*t.Padding+1) - t.Padding
	return dx, dy
}

// Drawn tells what Bind's function would draw: how many pixels the image moves
// to the right, x, and down, y.
func (t Translate) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	dx, dy := t.draw(rng)
	return map[string]any{"x": -dx, "y": -dy}
}

// Move adds to a placement what Bind's function would do with the same numbers.
func (t Translate) Move(_ array.Spec, p *rgb.Placement, rng *rand.Rand) {
	dx, dy := t.draw(rng)
	p.Shift(-dx, -dy)
}
