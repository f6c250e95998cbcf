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

// sums adds up the numbers of each of three channels, and their squares. Of a
// picture's pixels, at most rgb.MaxPixels, they fit with room to spare.
func sums(pix []byte) (sum, square [3]uint64) {
	const run = 3 << 14 // its squares fit in 32 bits: 2^14 * 255² < 2^32
	for len(pix) > 0 {
		b := pix[:min(run, len(pix)):min(run, len(pix))]
		pix = pix[len(b):]
		var s0, s1, s2, q0, q1, q2 uint32
		for ; len(b) >= 6; b = b[6:] {
			r, g, l := uint32(b[0]), uint32(b[1]), uint32(b[2])
			x, y, z := uint32(b[3]), uint32(b[4]), uint32(b[5])
			s0, s1, s2 = s0+r+x, s1+g+y, s2+l+z
			q0, q1, q2 = q0+r*r+x*x, q1+g*g+y*y, q2+l*l+z*z
		}
		if len(b) >= 3 {
			r, g, l := uint32(b[0]), uint32(b[1]), uint32(b[2])
			s0, s1, s2 = s0+r, s1+g, s2+l
			q0, q1, q2 = q0+r*r, q1+g*g, q2+l*l
		}
		for k, v := range [3]uint32{s0, s1, s2} {
			sum[k] += uint64(v)
		}
		for k, v := range [3]uint32{q0, q1, q2} {
			square[k] += uint64(v)
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
