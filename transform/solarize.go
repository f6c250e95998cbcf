package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Solarize turns values of Threshold and more into their opposite, 255-value
// (Solarization of FFCV 1.1.0, torchvision's RandomSolarize). It draws one
// number.
type Solarize struct {
	Threshold int     // 1 to 255; 0: 128
	P         float64 // how probable it is that it applies; 0: 0.5
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (s Solarize) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("Solarize", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	p, err := chance("Solarize", s.P, 0.5)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	from := s.Threshold
	if from == 0 {
		from = 128
	}
	if from < 1 || from > 255 {
		return array.Spec{}, nil, false, fmt.Errorf("transform: Solarize with Threshold %d, want 1 to 255, or 0 for 128", s.Threshold)
	}
	var t [256]byte
	for v := range t {
		t[v] = byte(v)
		if v >= from {
			t[v] = byte(255 - v)
		}
	}
	n := channels * height * width
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("Solarize", dst, src, n, n); err != nil {
			return err
		}
		if rng.Float64() < p {
			lookup(dst, src, &t)
		} else {
			carry(dst, src)
		}
		return nil
	}, true, nil
}

// Drawn tells what Bind's function would draw: applied.
func (s Solarize) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	return applied("Solarize", s.P, 0.5, rng)
}
