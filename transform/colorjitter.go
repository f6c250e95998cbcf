package transform

import (
	"fmt"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// ColorJitter does what Brightness, Contrast, Saturation and Hue do, in a random
// order (torchvision's ColorJitter). Factors are uniform from max(0, 1-setting)
// to 1+setting, and from -Hue to Hue; what has 0 is left out. Formulas are those
// of the four operations: torchvision's for tensors, which computes in float32
// where FFCV and this package use float64, so that a value can differ by one.
//
// It draws eight numbers, always: whether it applies, three for the order, and
// the four factors of brightness, contrast, saturation and hue.
type ColorJitter struct {
	Brightness, Contrast, Saturation float64
	Hue                              float64 // at most 0.5
	P                                float64 // how probable it is that it applies; 0: always
}

// colourSteps are the parts of a ColorJitter.
var colourSteps = [4]struct {
	name   string
	change func(pix []byte, factor float64)
}{{"brightness", brighten}, {"contrast", contrast}, {"saturation", saturate}, {"hue", turn}}

// jitters is a ColorJitter made ready.
type jitters struct {
	p      float64
	on     [4]bool
	lo, hi [4]float64
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (c ColorJitter) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := pixelsOf("ColorJitter", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := c.jitters()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("ColorJitter", dst, src, n, n); err != nil {
			return err
		}
		carry(dst, src)
		applied, order, factors := j.draw(rng)
		if !applied {
			return nil
		}
		for _, i := range order {
			if j.on[i] {
				colourSteps[i].change(dst, factors[i])
			}
		}
		return nil
	}, true, nil
}

func (c ColorJitter) jitters() (j jitters, err error) {
	for i, s := range []struct {
		name  string
		value float64
	}{{"Brightness", c.Brightness}, {"Contrast", c.Contrast}, {"Saturation", c.Saturation}} {
		if j.lo[i], j.hi[i], err = around("ColorJitter", s.name, s.value); err != nil {
			return j, err
		}
		j.on[i] = s.value != 0
	}
	if !(c.Hue >= 0 && c.Hue <= 0.5) {
		return j, fmt.Errorf("transform: ColorJitter with Hue %v, want 0 to 0.5", c.Hue)
	}
	j.lo[3], j.hi[3], j.on[3] = -c.Hue, c.Hue, c.Hue != 0
	j.p, err = chance("ColorJitter", c.P, 1)
	return j, err
}

func (j *jitters) draw(rng *rand.Rand) (applied bool, order [4]int, factors [4]float64) {
	applied = rng.Float64() < j.p
	order = [4]int{0, 1, 2, 3}
	for i := 3; i > 0; i-- {
		k := rng.IntN(i + 1)
		order[i], order[k] = order[k], order[i]
	}
	for i := range factors {
		factors[i] = uniform(rng, j.lo[i], j.hi[i])
	}
	return applied, order, factors
}

// Drawn tells what Bind's function would draw: applied, and if so the order, as
// names, and the factor of each of these.
func (c ColorJitter) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := c.jitters()
	if err != nil {
		return map[string]any{}
	}
	applied, order, factors := j.draw(rng)
	if !applied {
		return map[string]any{"applied": false}
	}
	drawn, names := map[string]any{"applied": true}, []string{}
	for _, i := range order {
		if j.on[i] {
			names = append(names, colourSteps[i].name)
			drawn[colourSteps[i].name] = factors[i]
		}
	}
	drawn["order"] = names
	return drawn
}
