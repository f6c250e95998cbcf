package transform

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// VerticalFlip turns an image upside down with probability P (RandomVerticalFlip
// of FFCV 1.1.0). It draws one number.
type VerticalFlip struct {
	P float64 // 0: 0.5. To never flip, leave the operation out
}

// Bind takes arrays of shape (height, width, channels) of any type; the
// outcome's is the same. It works in place.
func (f VerticalFlip) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	p, err := chance("VerticalFlip", f.P, 0.5)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	n, err := flippable("VerticalFlip", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := in.Shape[1] * in.Shape[2] * in.DType.ItemSize()
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("VerticalFlip", dst, src, n, n); err != nil {
			return err
		}
		if n > 0 && &dst[0] != &src[0] {
			copy(dst, src)
		}
		if rng.Float64() >= p || n == 0 {
			return nil
		}
		for ; len(dst) >= 2*row; dst = dst[row : len(dst)-row] {
			exchange(dst[:row], dst[len(dst)-row:])
		}
		return nil
	}, true, nil
}

// exchange swaps two rows of the same length.
func exchange(a, b []byte) {
	var held [512]byte
	for len(a) > 0 {
		n := copy(held[:], a)
		copy(a[:n], b)
		copy(b, held[:n])
		a, b = a[n:], b[n:]
	}
}

func (f VerticalFlip) chance() float64 { return HorizontalFlip(f).chance() }

// Drawn tells what Bind's function would draw: flip.
func (f VerticalFlip) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return map[string]any{"flip": rng.Float64() < f.chance()}
}

// Move adds to a placement what Bind's function would do with the same numbers.
func (f VerticalFlip) Move(_ array.Spec, p *rgb.Placement, rng *rand.Rand) {
	if rng.Float64() < f.chance() {
		p.FlipY()
	}
}
