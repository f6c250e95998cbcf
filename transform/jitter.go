package transform

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// jitter is what Brightness, Contrast and Saturation have in common.
type jitter struct {
	p, lo, hi float64
}

// newJitter checks the settings of an operation that draws a factor around 1.
func newJitter(op string, magnitude, p float64) (jitter, error) {
	lo, hi, err := around(op, "Magnitude", magnitude)
	if err != nil {
		return jitter{}, err
	}
	p, err = chance(op, p, 0.5)
	return jitter{p: p, lo: lo, hi: hi}, err
}

// around is FFCV's and torchvision's range of factors.
func around(op, name string, magnitude float64) (lo, hi float64, err error) {
	if !(magnitude >= 0 && magnitude <= math.MaxFloat32) {
		return 0, 0, fmt.Errorf("transform: %s with %s %v, want a finite number of 0 or more", op, name, magnitude)
	}
	return max(0, 1-magnitude), 1 + magnitude, nil
}

// draw takes two numbers, whatever comes of the first.
func (j jitter) draw(rng *rand.Rand) (applied bool, factor float64) {
	applied = rng.Float64() < j.p
	return applied, uniform(rng, j.lo, j.hi)
}

// uniform is a number from lo to hi.
func uniform(rng *rand.Rand, lo, hi float64) float64 {
	return lo + float64((hi-lo)*rng.Float64())
}

// drawn tells what draw would draw.
func (j jitter) drawn(err error, rng *rand.Rand) map[string]any {
	if err != nil {
		return map[string]any{}
	}
	applied, factor := j.draw(rng)
	if !applied {
		return map[string]any{"applied": false}
	}
	return map[string]any{"applied": true, "factor": factor}
}

// bind makes the function of an operation on n bytes that changes what is in
// dst already.
func (j jitter) bind(op string, n int, change func(pix []byte, factor float64)) ApplyFunc {
	return func(dst, src []byte, rng *rand.Rand) error {
		if err := sized(op, dst, src, n, n); err != nil {
			return err
		}
		carry(dst, src)
		if applied, factor := j.draw(rng); applied {
			change(dst, factor)
		}
		return nil
	}
}

// carry makes dst hold src, which it may be already.
func carry(dst, src []byte) {
	if len(src) > 0 && &dst[0] != &src[0] {
		copy(dst, src)
	}
}

// pixelsOf is the number of bytes of an image of three channels.
func pixelsOf(op string, in array.Spec) (int, error) {
	height, width, err := image(op, in)
	return 3 * height * width, err
}
