package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// HorizontalFlip mirrors an image left to right with probability P (FFCV's
// RandomHorizontalFlip). It draws one number.
type HorizontalFlip struct {
	P float64 // 0: 0.5. To never flip, leave the operation out
}

// Bind takes arrays of shape (height, width, channels) of any type; the
// outcome's is the same. It works in place.
func (f HorizontalFlip) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	p, err := chance("HorizontalFlip", f.P, 0.5)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	n, err := flippable("HorizontalFlip", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	pixel := in.Shape[2] * in.DType.ItemSize()
	row := in.Shape[1] * pixel
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("HorizontalFlip", dst, src, n, n); err != nil {
			return err
		}
		if n > 0 && &dst[0] != &src[0] {
			copy(dst, src)
		}
		if rng.Float64() >= p || n == 0 {
			return nil
		}
		for ; len(dst) > 0; dst = dst[row:] {
			if pixel == 3 {
				mirror3(dst[:row])
			} else {
				mirror(dst[:row], pixel)
			}
		}
		return nil
	}, true, nil
}

// flippable is the length of an array with height, width and channels.
func flippable(op string, in array.Spec) (int, error) {
	if len(in.Shape) != 3 {
		return 0, fmt.Errorf("transform: %s takes (height, width, channels), got %v", op, in)
	}
	if channelsFirst(in) {
		return 0, fmt.Errorf("transform: %s takes (height, width, channels), got %v: put it before ToCHW", op, in)
	}
	n, err := in.Bytes()
	if err != nil {
		return 0, fmt.Errorf("transform: %s: %w", op, err)
	}
	return n, nil
}

// chance is P with its default.
func (f HorizontalFlip) chance() float64 {
	if f.P == 0 {
		return 0.5
	}
	return f.P
}

// Drawn tells what Bind's function would draw: flip.
func (f HorizontalFlip) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return map[string]any{"flip": rng.Float64() < f.chance()}
}

// Move adds to a placement what Bind's function would do with the same numbers.
func (f HorizontalFlip) Move(_ array.Spec, p *rgb.Placement, rng *rand.Rand) {
	if rng.Float64() < f.chance() {
		p.FlipX()
	}
}

// mirror3 turns round a row of three-byte pixels.
func mirror3(row []byte) {
	for len(row) >= 6 {
		a, b := row[:3], row[len(row)-3:]
		a[0], b[0] = b[0], a[0]
		a[1], b[1] = b[1], a[1]
		a[2], b[2] = b[2], a[2]
		row = row[3 : len(row)-3]
	}
}

// mirror turns round a row of pixels of n bytes.
func mirror(row []byte, n int) {
	for len(row) >= 2*n {
		a, b := row[:n], row[len(row)-n:]
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
		row = row[n : len(row)-n]
	}
}
