package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Cutout paints a square of Size x Size pixels, wholly inside the image, over
// it. It draws two numbers: row, then column.
type Cutout struct {
	Size int // at most the image's shorter side
	Fill [3]uint8
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (c Cutout) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, err := image("Cutout", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if c.Size < 1 || c.Size > min(height, width) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Cutout of %d pixels in an image of %dx%d", c.Size, width, height)
	}
	n, row := 3*width*height, 3*width
	paint := make([]byte, 3*c.Size)
	fill(paint, c.Fill)
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Cutout", dst, src, n, n); err != nil {
			return err
		}
		if &dst[0] != &src[0] {
			copy(dst, src)
		}
		y := rng.IntN(height - c.Size + 1)
		x := rng.IntN(width - c.Size + 1)
		for i := range c.Size {
			copy(dst[row*(y+i)+3*x:], paint)
		}
		return nil
	}, true, nil
}
