package transform

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Saturation moves each pixel from or to its own gray by a random factor (FFCV's
// RandomSaturation, torchvision's adjust_saturation): factor*value +
// (1-factor)*gray, held to 0 and 255, its fraction dropped. Gray is
// 0.2989 R + 0.587 G + 0.114 B without its fraction. The factor is uniform from
// max(0, 1-Magnitude) to 1+Magnitude. It draws two numbers, whether it applies
// and the factor, both always.
type Saturation struct {
	Magnitude float64 // 0: the factor is 1
	P         float64 // how probable it is that it applies; 0: 0.5
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (s Saturation) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := pixelsOf("Saturation", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := s.jitter()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, j.bind("Saturation", n, saturate), true, nil
}

func (s Saturation) jitter() (jitter, error) { return newJitter("Saturation", s.Magnitude, s.P) }

// Drawn tells what Bind's function would draw: applied, and the factor if so.
func (s Saturation) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := s.jitter()
	return j.drawn(err, rng)
}

// saturate changes pixels of three channels, a piece at a time so that the gray
// stays near.
func saturate(pix []byte, factor float64) {
	var m mix
	m.set(factor)
	var gray [96 * 32]byte
	for len(pix) > 0 {
		k := min(len(pix), len(gray))
		grayTriples(gray[:k], pix[:k])
		m.bytes(pix[:k], pix[:k], gray[:k])
		pix = pix[k:]
	}
}
