package transform

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Grayscale gives all three channels the gray of the pixel, 0.2989 R + 0.587 G +
// 0.114 B without its fraction (torchvision's RandomGrayscale, on tensors). It
// draws one number.
type Grayscale struct {
	P float64 // how probable it is that it applies; 0: 0.1, torchvision's
}

// Bind takes images; the outcome is one of the same size and channels. It works
// in place.
func (g Grayscale) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := pixelsOf("Grayscale", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	p, err := chance("Grayscale", g.P, 0.1)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Grayscale", dst, src, n, n); err != nil {
			return err
		}
		if rng.Float64() < p {
			grayTriples(dst, src)
		} else {
			carry(dst, src)
		}
		return nil
	}, true, nil
}

// Drawn tells what Bind's function would draw: applied.
func (g Grayscale) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return applied("Grayscale", g.P, 0.1, rng)
}

// applied is the drawn of an operation that draws nothing but whether it
// applies.
func applied(op string, p, usual float64, rng *rand.Rand) map[string]any {
	p, err := chance(op, p, usual)
	if err != nil {
		return map[string]any{}
	}
	return map[string]any{"applied": rng.Float64() < p}
}
