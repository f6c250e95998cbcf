package transform

import (
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Brightness multiplies values by a random factor (FFCV's RandomBrightness,
// torchvision's adjust_brightness): factor*value, held to 0 and 255, its
// fraction dropped. The factor is uniform from max(0, 1-Magnitude) to
// 1+Magnitude. It draws two numbers, whether it applies and the factor, both
// always.
type Brightness struct {
	Magnitude float64 // 0: the factor is 1
	P         float64 // how probable it is that it applies; 0: 0.5
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (b Brightness) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("Brightness", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := b.jitter()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, j.bind("Brightness", channels*height*width, brighten), true, nil
}

func (b Brightness) jitter() (jitter, error) { return newJitter("Brightness", b.Magnitude, b.P) }

// Drawn tells what Bind's function would draw: applied, and the factor if so.
func (b Brightness) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := b.jitter()
	return j.drawn(err, rng)
}

// brighten multiplies bytes.
func brighten(pix []byte, factor float64) {
	var t [256]byte
	for v := range t {
		t[v] = level(factor * float64(v))
	}
	lookup(pix, pix, &t)
}
