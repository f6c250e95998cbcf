package transform

import (
	"encoding/binary"
	"math"
)

// The loops over bytes that the operations on colours are made of. Each has a
// twin in assembly (pixel_amd64.s) that gives the same bytes; the assembly does
// whole groups of pixels and these do what is left.

// lookup makes dst[i] = t[src[i]]. dst and src have one length, and are the same
// memory or apart.
func lookup(dst, src []byte, t *[256]byte) {
	dst = dst[:len(src)]
	if n := len(src) &^ 63; pixelAVX2 && n > 0 {
		var steps [256]byte // each row of 16 as a change of the row before; two halves
		for i, v := range t {
			steps[i] = v
			if i&0x7F >= 16 {
				steps[i] ^= t[i-16]
			}
		}
		lookupAVX2(&dst[0], &src[0], n, &steps)
		dst, src = dst[n:], src[n:]
	}
	for i, v := range src {
		dst[i] = t[v]
	}
}

// gray is 0.2989 r + 0.587 g + 0.114 b without its fraction. For some of the
// colours where that is a whole number, 1704 of all 16.7 million, FFCV's float64
// and torchvision's float32 come to one less.
func gray(r, g, b byte) byte {
	return byte((2989*uint32(r) + 5870*uint32(g) + 1140*uint32(b)) / 10000)
}

// grayGroups is how many bytes of pixels the assembly may take of n: it looks
// four bytes further than it works.
func grayGroups(n int) int {
	if !pixelAVX2 || n < 28 {
		return 0
	}
	return (n - 4) / 24 * 24
}

// grayTriples makes three equal channels of three, in dst, which is src or
// apart from it.
func grayTriples(dst, src []byte) {
	dst = dst[:len(src)]
	if n := grayGroups(len(src)); n > 0 {
		grayTriplesAVX2(&dst[0], &src[0], n)
		dst, src = dst[n:], src[n:]
	}
	for ; len(src) >= 3 && len(dst) >= 3; dst, src = dst[3:], src[3:] {
		v := gray(src[0], src[1], src[2])
		dst[0], dst[1], dst[2] = v, v, v
	}
}

// graySum adds up the gray of all pixels.
func graySum(src []byte) uint64 {
	const most = 24 << 16 // keeps the assembly's 32-bit sums small
	var sum uint64
	for n := grayGroups(len(src)); n > 0; {
		k := min(n, most)
		sum += graySumAVX2(&src[0], k)
		src, n = src[k:], n-k
	}
	for ; len(src) >= 3; src = src[3:] {
		sum += uint64(gray(src[0], src[1], src[2]))
	}
	return sum
}

// mix is ready to make r*a + (1-r)*b of two bytes, held to 0 and 255 and
// without its fraction, as FFCV does in float64.
//
// The value is b + r*(a-b), so the outcome is b + floor(r*d) for the 511
// differences d, and a multiplication by a fraction of 2^19ths near r gives all
// of those: between r and the next number that gives another floor for one of
// them there is room, because fractions with denominators below 256 lie at least
// 1/(254*255) apart. Only where a = b, and the value is b itself, float64's
// rounding shows: less marks the values of b for which it falls below b.
type mix struct {
	less   [32]byte // bit b&7 of byte b>>3; the second half as its change from the first
	hi, lo int16    // 2^16*hi + lo is the multiplier, in 2^19ths
	fast   bool     // the assembly serves
	r, q   float64
}

// inverse holds 1/d.
var inverse = func() (t [256]float64) {
	for d := range t {
		t[d] = 1 / float64(d)
	}
	return t
}()

func (m *mix) set(r float64) {
	*m = mix{r: r, q: 1 - r}
	if !pixelAVX2 || !(r >= 0 && r < 15.5) {
		return
	}
	a := r * (1 << 19)
	if a != math.Floor(a) {
		// Three roundings of values below 16*256 stay below this.
		const near = 4e-12
		lo, hi := math.Inf(-1), math.Inf(1)
		for d := 1; d < 256; d++ {
			p := r * float64(d)
			f := math.Floor(p)
			if p-f < near || f+1-p < near {
				return
			}
			lo = max(lo, f*inverse[d])
			hi = min(hi, (f+1)*inverse[d])
		}
		a = math.RoundToEven((lo + hi) / 2 * (1 << 19))
	}
	m.lo = int16(int32(a))
	m.hi = int16((int32(a) - int32(m.lo)) >> 16)
	for b := range 256 {
		if int(m.of(byte(b), byte(b))) < b {
			m.less[b>>3] |= 1 << (b & 7)
		}
	}
	for i := range 16 {
		m.less[16+i] ^= m.less[i]
	}
	m.fast = true
}

// of mixes two bytes.
func (m *mix) of(a, b byte) byte {
	return level(float64(m.r*float64(a)) + float64(m.q*float64(b)))
}

// level is a value held to 0 and 255, without its fraction.
func level(v float64) byte {
	switch {
	case v >= 255:
		return 255
	case v > 0:
		return byte(v)
	}
	return 0
}

// bytes mixes slices of one length. dst is a, b or apart from both.
func (m *mix) bytes(dst, a, b []byte) {
	dst, b = dst[:len(a)], b[:len(a)]
	if n := len(a) &^ 31; m.fast && n > 0 {
		mixAVX2(&dst[0], &a[0], &b[0], n, m)
		dst, a, b = dst[n:], a[n:], b[n:]
	}
	for i, v := range a {
		dst[i] = m.of(v, b[i])
	}
}

// hues turns pixels round the colour circle.
func hues(pix []byte, by float32) {
	if n := grayGroups(len(pix)); n > 0 {
		huesAVX2(&pix[0], n, by)
		pix = pix[n:]
	}
	for ; len(pix) >= 3; pix = pix[3:] {
		pix[0], pix[1], pix[2] = turned(pix[0], pix[1], pix[2], by)
	}
}

// widen makes float32 of bytes.
func widen(dst []float32, src []byte) {
	dst = dst[:len(src)]
	if n := len(src) &^ 7; pixelAVX2 && n > 0 {
		widenAVX2(&dst[0], &src[0], n)
		dst, src = dst[n:], src[n:]
	}
	for i, v := range src {
		dst[i] = float32(v)
	}
}

// weighted adds up rows, each with its weight: the middle one, with the last
// weight, and then from the outermost on those of one weight, two by two. Every
// row has len(dst) numbers, a multiple of 8.
func weighted(dst []float32, rows [][]float32, weights []float32) {
	if len(dst) == 0 {
		return
	}
	half := len(weights) - 1
	if pixelAVX2 {
		weightedAVX2(&dst[0], &rows[0], &weights[0], half, len(dst))
		return
	}
	for i, v := range rows[half][:len(dst)] {
		dst[i] = v * weights[half]
	}
	for k, w := range weights[:half] {
		a, b := rows[k][:len(dst)], rows[2*half-k][:len(dst)]
		for i, v := range a {
			dst[i] += float32((v + b[i]) * w)
		}
	}
}

// narrow makes bytes of numbers from 0 to 255, rounded to the nearest and to
// even between two. src has 7 numbers more at most.
func narrow(dst []byte, src []float32) {
	if n := len(dst) &^ 7; pixelAVX2 && n > 0 {
		narrowAVX2(&dst[0], &src[0], n)
		dst, src = dst[n:], src[n:]
	}
	for i := range dst {
		dst[i] = byte(min(max(math.RoundToEven(float64(src[i])), 0), 255))
	}
}

// mixFloats makes r*a + (1-r)*b of float32, in float64 and rounded once. The
// slices hold little-endian numbers and have one length.
func mixFloats(dst, a, b []byte, r float64) {
	a, b = a[:len(dst)], b[:len(dst)]
	q := 1 - r
	if n := len(dst) &^ 15; pixelAVX2 && n > 0 {
		mixFloatsAVX2(&dst[0], &a[0], &b[0], n, r, q)
		dst, a, b = dst[n:], a[n:], b[n:]
	}
	le := binary.LittleEndian
	for ; len(dst) >= 4 && len(a) >= 4 && len(b) >= 4; dst, a, b = dst[4:], a[4:], b[4:] {
		x, y := math.Float32frombits(le.Uint32(a)), math.Float32frombits(le.Uint32(b))
		le.PutUint32(dst, math.Float32bits(float32(float64(r*float64(x))+float64(q*float64(y)))))
	}
}
