package transform

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// RandomErasing paints over rectangles of random places, areas and shapes
// (RandomErasing of FFCV 1.1.0; torchvision's is one rectangle without noise).
//
// It draws a number for whether; if so one for how many, unless Count is 1; four
// a rectangle, for area, shape, row and column; and after these four, with Noise,
// one for every five numbers of the rectangle. Masks and
// boxes that follow the image don't change.
//
// It differs from FFCV 1.1.0, which is not released, where that is not what its
// documentation says: Count itself can come, the image's last row and column can
// be painted, and noise beyond 0 or 255 is cut off there and doesn't begin again
// at the other end.
type RandomErasing struct {
	P      float64    // how probable it is that anything is painted; 0: 0.5
	Area   [2]float64 // of all rectangles together, share of the image's; 0, 0: 0.02 to 0.3
	Aspect [2]float64 // of a rectangle's height to its width; 0, 0: 0.3 to 1/0.3
	Count  int        // most rectangles; 0: 1
	Fill   []uint8    // a number a channel; nil: 0
	// Noise is the standard deviation of normal noise around Fill, one number a
	// channel; nil: none.
	Noise []float64
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (e RandomErasing) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("RandomErasing", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	e = e.withDefaults()
	if err := e.check(); err != nil {
		return array.Spec{}, nil, false, err
	}
	fill, err := colour("RandomErasing", e.Fill, channels)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	noise, err := e.noise(fill)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	row := channels * width
	n := height * row
	blank := painted(fill, width)
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("RandomErasing", dst, src, n, n); err != nil {
			return err
		}
		if &dst[0] != &src[0] {
			copy(dst, src)
		}
		count := e.count(rng)
		for range count {
			r := e.box(width, height, count, rng)
			if noise != nil {
				noise.paint(dst, row, r, rng)
				continue
			}
			for y := r.Y; y < r.Y+r.H; y++ {
				copy(dst[row*y+channels*r.X:], blank[:channels*r.W])
			}
		}
		return nil
	}, true, nil
}

func (e RandomErasing) withDefaults() RandomErasing {
	if e.P == 0 {
		e.P = 0.5
	}
	if e.Area == [2]float64{} {
		e.Area = [2]float64{0.02, 0.3}
	}
	if e.Aspect == [2]float64{} {
		e.Aspect = [2]float64{0.3, 1 / 0.3}
	}
	if e.Count == 0 {
		e.Count = 1
	}
	return e
}

// check is for an operation with its defaults.
func (e RandomErasing) check() error {
	if _, err := chance("RandomErasing", e.P, 0.5); err != nil {
		return err
	}
	if !(e.Area[0] >= 0 && e.Area[0] <= e.Area[1] && e.Area[1] <= 1) {
		return fmt.Errorf("transform: RandomErasing with Area %v, want two numbers of 0 to 1, the first not above the second", e.Area)
	}
	if !(e.Aspect[0] > 0 && e.Aspect[0] <= e.Aspect[1] && e.Aspect[1] <= math.MaxFloat32) {
		return fmt.Errorf("transform: RandomErasing with Aspect %v, want two numbers above 0, the first not above the second", e.Aspect)
	}
	if e.Count < 1 || e.Count > 1<<16 {
		return fmt.Errorf("transform: RandomErasing with Count %d, want 1 to %d", e.Count, 1<<16)
	}
	return nil
}

// count draws how many rectangles there are.
func (e RandomErasing) count(rng *rand.Rand) int {
	if rng.Float64() >= e.P {
		return 0
	}
	if e.Count == 1 {
		return 1
	}
	return 1 + rng.IntN(e.Count)
}

// box draws the place of one of so many rectangles, and gives its part in the
// image.
func (e RandomErasing) box(width, height, count int, rng *rand.Rand) rgb.Rect {
	uniform := func(lo, hi float64) float64 { return lo + float64((hi-lo)*rng.Float64()) }
	area := uniform(e.Area[0], e.Area[1]) * float64(width*height) / float64(count)
	aspect := math.Exp(uniform(math.Log(e.Aspect[0]), math.Log(e.Aspect[1])))
	h := int(min(math.RoundToEven(math.Sqrt(area*aspect)), float64(height)))
	w := int(min(math.RoundToEven(math.Sqrt(area/aspect)), float64(width)))
	y := rng.IntN(height - h + 1)
	x := rng.IntN(width - w + 1)
	return rgb.Rect{X: x, Y: y, W: w, H: h}
}

// Drawn tells what Bind's function would draw: boxes, each its x, y, width and
// height. Noise is not told.
func (e RandomErasing) Drawn(in array.Spec, rng *rand.Rand) map[string]any {
	e = e.withDefaults()
	height, width := in.Shape[0], in.Shape[1]
	boxes := [][4]int{}
	count := e.count(rng)
	for range count {
		r := e.box(width, height, count, rng)
		boxes = append(boxes, [4]int{r.X, r.Y, r.W, r.H})
		if e.Noise != nil {
			for range words(r.W * r.H * in.Shape[2]) {
				rng.Uint64()
			}
		}
	}
	return map[string]any{"boxes": boxes}
}

// noiseBits is how many random bits a number of noise takes.
const noiseBits = 12

// words is how many draws n numbers of noise take.
func words(n int) int {
	const each = 64 / noiseBits
	return (n + each - 1) / each
}

// noise is the numbers that the channels' noise can give, all as probable.
type noise [][1 << noiseBits]uint8

// noise makes the tables, nil without Noise.
func (e RandomErasing) noise(fill []byte) (noise, error) {
	if e.Noise == nil {
		return nil, nil
	}
	if len(e.Noise) != len(fill) {
		return nil, fmt.Errorf("transform: RandomErasing with a Noise of %d numbers for %d channels", len(e.Noise), len(fill))
	}
	z := make(noise, len(fill))
	for c, std := range e.Noise {
		if !(std >= 0 && std <= math.MaxFloat32) {
			return nil, fmt.Errorf("transform: RandomErasing with Noise %v, want numbers from 0", e.Noise)
		}
		for i := range z[c] {
			share := (float64(i) + 0.5) / float64(len(z[c]))
			v := float64(fill[c]) + float64(std*math.Sqrt2*math.Erfinv(2*share-1))
			z[c][i] = uint8(math.RoundToEven(min(max(v, 0), 255)))
		}
	}
	return z, nil
}

// paint fills a rectangle with noise.
func (z noise) paint(pix []byte, row int, r rgb.Rect, rng *rand.Rand) {
	var word uint64
	left, c := 0, 0
	for y := r.Y; y < r.Y+r.H; y++ {
		out := pix[row*y+len(z)*r.X:][:len(z)*r.W]
		for i := range out {
			if left == 0 {
				word, left = rng.Uint64(), 64/noiseBits
			}
			out[i] = z[c][word%(1<<noiseBits)]
			word >>= noiseBits
			left--
			if c++; c == len(z) {
				c = 0
			}
		}
	}
}
