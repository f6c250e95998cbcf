package stats

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"

	"github.com/betongo/betongo/rgb"
)

// channel is the sums of a channel's numbers and of their squares: whole
// numbers, so that nothing is rounded until the end, whatever the order.
type channel struct {
	n           uint64
	sum, square wide
}

// wide is a whole number of 128 bits.
type wide struct{ hi, lo uint64 }

func (w *wide) add(v uint64) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, v, 0)
	w.hi += carry
}

func (w *wide) big() *big.Int {
	v := new(big.Int).SetUint64(w.hi)
	return v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(w.lo))
}

func (c *channel) add(n, sum, square uint64) {
	c.n += n
	c.sum.add(sum)
	c.square.add(square)
}

func (c *channel) report(most float64) Channel {
	r := Channel{Pixels: c.n}
	if c.n > 0 {
		r.Mean, r.Std = exact(c.n, c.sum.big(), c.square.big())
		r.MeanUnit, r.StdUnit = r.Mean/most, r.Std/most
	}
	return r
}

// exact is the mean and deviation of n numbers, each rounded once: sum/n, and the
// root of (n*square-sum²)/n².
func exact(n uint64, sum, square *big.Int) (mean, std float64) {
	count := new(big.Int).SetUint64(n)
	mean, _ = new(big.Rat).SetFrac(sum, count).Float64()
	v := new(big.Int).Mul(count, square)
	v.Sub(v, new(big.Int).Mul(sum, sum))
	variance, _ := new(big.Rat).SetFrac(v, new(big.Int).Mul(count, count)).Float64()
	return mean, math.Sqrt(variance)
}

// powers has for each value itself and, 32 bits higher, its square: both are added
// up at once.
var powers = func() (p [256]uint64) {
	for v := range p {
		p[v] = uint64(v) | uint64(v*v)<<32
	}
	return p
}()

// sums adds up the numbers of each of three channels, and their squares. Of a
// picture's pixels, at most rgb.MaxPixels, they fit with room to spare.
func sums(pix []byte) (sum, square [3]uint64) {
	const run = 3 << 14 // its squares fit in 32 bits: 2^14 * 255² < 2^32
	for len(pix) > 0 {
		b := pix[:min(run, len(pix)):min(run, len(pix))]
		pix = pix[len(b):]
		var r, g, l uint64
		for ; len(b) >= 12; b = b[12:] {
			r += powers[b[0]] + powers[b[3]] + powers[b[6]] + powers[b[9]]
			g += powers[b[1]] + powers[b[4]] + powers[b[7]] + powers[b[10]]
			l += powers[b[2]] + powers[b[5]] + powers[b[8]] + powers[b[11]]
		}
		for ; len(b) >= 3; b = b[3:] {
			r, g, l = r+powers[b[0]], g+powers[b[1]], l+powers[b[2]]
		}
		for k, v := range [3]uint64{r, g, l} {
			sum[k] += v & math.MaxUint32
			square[k] += v >> 32
		}
	}
	return sum, square
}

// gray says whether red, green and blue are equal in all pixels.
func gray(pix []byte) bool {
	for ; len(pix) >= 3; pix = pix[3:] {
		if pix[0] != pix[1] || pix[1] != pix[2] {
			return false
		}
	}
	return true
}

// rasterSums adds up the numbers of a raster's channels.
func rasterSums(r *rgb.Raster) (sum, square [4]uint64) {
	c := 0
	for i := 0; i+r.Depth <= len(r.Pix); i += r.Depth {
		v := uint64(r.Pix[i])
		if r.Depth == 2 {
			v = uint64(binary.LittleEndian.Uint16(r.Pix[i:]))
		}
		sum[c] += v
		square[c] += v * v
		if c++; c == r.Channels {
			c = 0
		}
	}
	return sum, square
}
