package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// Translate moves an image by -Padding to Padding pixels each way and fills
// what comes bare (FFCV's RandomTranslate). It draws two numbers: rows, then
// columns.
type Translate struct {
	Padding int
	Fill    [3]uint8
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (t Translate) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, err := image("Translate", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if t.Padding < 0 || t.Padding > rgb.MaxSide {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Translate with Padding %d, want 0 to %d", t.Padding, rgb.MaxSide)
	}
	n, row := 3*width*height, 3*width
	blank := make([]byte, row)
	fill(blank, t.Fill)
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Translate", dst, src, n, n); err != nil {
			return err
		}
		// Pixel (x, y) of the outcome is pixel (x+dx, y+dy) of the source.
		dy := rng.IntN(2*t.Padding+1) - t.Padding
		dx := rng.IntN(2*t.Padding+1) - t.Padding
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
				k := copy(out, in[3*dx:])
				copy(out[k:], blank)
			} else {
				copy(out[-3*dx:], in)
				copy(out[:-3*dx], blank)
			}
		}
		return nil
	}, true, nil
}

// fill paints a row of pixels.
func fill(row []byte, colour [3]uint8) {
	for i := range row {
		row[i] = colour[i%3]
	}
}
