package transform

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Contrast moves values from or to the image's mean gray by a random factor
// (FFCV's RandomContrast, torchvision's adjust_contrast): factor*value +
// (1-factor)*mean, held to 0 and 255, its fraction dropped. Gray is
// 0.2989 R + 0.587 G + 0.114 B without its fraction. The factor is uniform from
// max(0, 1-Magnitude) to 1+Magnitude. It draws two numbers, whether it applies
// and the factor, both always.
type Contrast struct {
	Magnitude float64 // 0: the factor is 1
	P         float64 // how probable it is that it applies; 0: 0.5
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (c Contrast) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := pixelsOf("Contrast", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := c.jitter()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, j.bind("Contrast", n, contrast), true, nil
}

func (c Contrast) jitter() (jitter, error) { return newJitter("Contrast", c.Magnitude, c.P) }

// Drawn tells what Bind's function would draw: applied, and the factor if so.
func (c Contrast) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := c.jitter()
	return j.drawn(err, rng)
}

// contrast changes pixels of three channels.
func contrast(pix []byte, factor float64) {
	mean := float64(graySum(pix)) / float64(len(pix)/3)
	rest := float64((1 - factor) * mean)
	var t [256]byte
	for v := range t {
		t[v] = level(float64(factor*float64(v)) + rest)
	}
	lookup(pix, pix, &t)
}
