package stats

import (
	"math"
	"math/bits"
	"slices"

	"github.com/betongo/betongo/rgb"
)

// side of the small picture that a perceptual hash is made of.
const smallSide = 32

// basis is the part of the discrete cosine transform that the hash takes: the
// rows are frequencies 0 to 8, the columns pixels.
var basis = func() (b [9][smallSide]float32) {
	for u := range b {
		for x := range b[u] {
			b[u][x] = float32(math.Cos(math.Pi / smallSide * (float64(x) + 0.5) * float64(u)))
		}
	}
	return b
}()

// margin is how far above the median a frequency must be. A few levels of noise, of
// rounding and JPEG, move the frequencies of an even picture by about that; they
// are not to decide the bits.
const margin = 64

// waves are the 64 frequencies of the hash, across and down: 0 to 7 each way
// without the constant one, and one more.
var waves = func() (w [64][2]int) {
	for i := range w {
		w[i] = [2]int{i % 8, i / 8}
	}
	w[0] = [2]int{8, 0}
	return w
}()

// luma shrinks the whole of a picture to 32x32, by area, and returns its
// brightness (Rec. 601), 0 to 255.
func (s *scratch) luma(e rgb.Encoded) (*[smallSide * smallSide]float32, error) {
	t := rgb.Target{Width: smallSide, Height: smallSide}
	s.small = grown(s.small, t.Bytes())
	if err := s.rgb.Render(s.small, e, rgb.Rect{W: e.Width, H: e.Height}, false, &t); err != nil {
		return nil, err
	}
	for i := range s.bright {
		p := s.small[3*i:]
		s.bright[i] = 0.299*float32(p[0]) + 0.587*float32(p[1]) + 0.114*float32(p[2])
	}
	return &s.bright, nil
}

// perceive returns a picture's perceptual hash (pHash): of the discrete cosine
// transform of its brightness at 32x32 the 64 lowest frequencies but the
// constant one, and a bit for each, whether it is above their median.
func (s *scratch) perceive(e rgb.Encoded) (uint64, error) {
	y, err := s.luma(e)
	if err != nil {
		return 0, err
	}
	return hashOf(y), nil
}

func hashOf(y *[smallSide * smallSide]float32) uint64 {
	var rows [smallSide][9]float32 // transformed across
	for r := range rows {
		line := y[r*smallSide:][:smallSide]
		for u := range basis {
			sum := float32(0)
			for x, v := range line {
				sum += float32(v * basis[u][x])
			}
			rows[r][u] = sum
		}
	}
	var c [64]float32
	for i, w := range waves {
		sum := float32(0)
		for r := range rows {
			sum += float32(rows[r][w[0]] * basis[w[1]][r])
		}
		c[i] = sum
	}
	sorted := c
	slices.Sort(sorted[:])
	median := (sorted[31] + sorted[32]) / 2
	h := uint64(0)
	for i, v := range c {
		if v > median+margin {
			h |= 1 << i
		}
	}
	return h
}

// distance is the number of bits in which two hashes differ.
func distance(a, b uint64) int { return bits.OnesCount64(a ^ b) }

// compare says how far two small pictures are apart, the root of the mean square
// over all pixels and colours, in levels, and whether they look alike: up to 2.5
// levels and 8 % of the deviation of the more even picture, and never more than
// 5. A JPEG of low quality, or a resize by another filter, stays below that.
func compare(a, b []byte) (apart float64, alike bool) {
	var sums, squares [2]int
	between := 0
	for i, v := range a {
		x, y := int(v), int(b[i])
		between += (x - y) * (x - y)
		sums[0], sums[1] = sums[0]+x, sums[1]+y
		squares[0], squares[1] = squares[0]+x*x, squares[1]+y*y
	}
	n := float64(len(a))
	std := math.Inf(1)
	for k := range sums {
		mean := float64(sums[k]) / n
		std = min(std, math.Sqrt(max(0, float64(squares[k])/n-mean*mean)))
	}
	apart = math.Sqrt(float64(between) / n)
	return apart, apart <= min(5, 2.5+0.08*std)
}
