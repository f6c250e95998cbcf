package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/betongo/betongo/array"
)

// IndexedFunc makes one sample's outcome, as ApplyFunc, and is told its number
// in the dataset.
type IndexedFunc = func(dst, src []byte, sample int, rng *rand.Rand) error

// Poison lays a mask over the images of some samples (FFCV's Poison):
// value*(1-alpha) + mask*alpha, in float32 after each step, held to Clamp, its
// fraction dropped. It draws nothing.
type Poison struct {
	Mask    []float64 // height*width*3 values
	Alpha   []float64 // height*width opacities, 0 to 1
	Indices []int     // the samples' numbers in the dataset, in any order
	Clamp   [2]uint8  // the least and the largest outcome; 0, 0: 0 to 255
}

// BindIndexed takes images of the mask's size; the outcome is one of the same
// size. It works in place. The settings' slices are not kept.
func (p Poison) BindIndexed(in array.Spec) (array.Spec, IndexedFunc, bool, error) {
	height, width, err := image("Poison", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if p.Clamp == [2]uint8{} {
		p.Clamp = [2]uint8{0, 255}
	}
	if err := p.check(height, width); err != nil {
		return array.Spec{}, nil, false, err
	}
	chosen, err := listed("Poison", p.Indices)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	spots := p.spots()
	n := 3 * height * width
	return in, func(dst, src []byte, sample int, _ *rand.Rand) error {
		if err := sized("Poison", dst, src, n, n); err != nil {
			return err
		}
		carry(dst, src)
		if _, ok := slices.BinarySearch(chosen, sample); !ok {
			return nil
		}
		for _, s := range spots {
			for c, v := range dst[s.at : s.at+3] {
				dst[s.at+c] = p.value(float32(float64(v)*s.keep), s.add[c])
			}
		}
		return nil
	}, true, nil
}

func (p Poison) check(height, width int) error {
	if len(p.Mask) != 3*height*width || len(p.Alpha) != height*width {
		return fmt.Errorf("transform: Poison with %d values of Mask and %d of Alpha, want %d and %d for images of %dx%d",
			len(p.Mask), len(p.Alpha), 3*height*width, height*width, width, height)
	}
	for i, v := range p.Mask {
		if !(math.Abs(v) <= math.MaxFloat32) {
			return fmt.Errorf("transform: Poison with Mask[%d] %v, want a finite number", i, v)
		}
	}
	for i, v := range p.Alpha {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("transform: Poison with Alpha[%d] %v, want 0 to 1", i, v)
		}
	}
	if p.Clamp[0] > p.Clamp[1] {
		return fmt.Errorf("transform: Poison with Clamp %v: the first is above the second", p.Clamp)
	}
	return nil
}

// spot is a pixel that changes: value*keep + add.
type spot struct {
	at   int
	keep float64
	add  [3]float64
}

// spots leaves out pixels that stay as they are.
func (p Poison) spots() []spot {
	var spots []spot
	for i, a := range p.Alpha {
		if a == 0 && p.Clamp == [2]uint8{0, 255} {
			continue
		}
		s := spot{at: 3 * i, keep: 1 - a}
		for c := range s.add {
			s.add[c] = p.Mask[3*i+c] * a
		}
		spots = append(spots, s)
	}
	return spots
}

func (p Poison) value(kept float32, add float64) byte {
	v := float32(float64(kept) + add)
	return byte(min(max(v, float32(p.Clamp[0])), float32(p.Clamp[1])))
}

// listed is a sorted copy of samples' numbers.
func listed(op string, indices []int) ([]int, error) {
	sorted := slices.Clone(indices)
	slices.Sort(sorted)
	if len(sorted) > 0 && sorted[0] < 0 {
		return nil, fmt.Errorf("transform: %s with sample %d among Indices, want 0 or more", op, sorted[0])
	}
	return slices.Compact(sorted), nil
}
