package array

import "math"

// Float16Bits returns the half-precision number nearest to f, ties to even, as its
// bits. What is too large is infinite; a NaN keeps its upper bits and is quiet.
func Float16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp, frac := int(b>>23&0xff), b&0x7fffff
	switch {
	case exp == 0xff && frac != 0:
		return sign | 0x7e00 | uint16(frac>>13)
	case exp > 142: // 2^16 and more
		return sign | 0x7c00
	case exp >= 113: // normal: rounding may carry into the exponent, up to infinity
		h := uint32(exp-112)<<10 | frac>>13
		return sign | uint16(h+roundBit(frac, 13, h))
	case exp < 102:
		return sign
	}
	frac |= 0x800000
	shift := uint(126 - exp)
	h := frac >> shift
	return sign | uint16(h+roundBit(frac, shift, h))
}

// roundBit tells whether cutting n bits off rounds up: more than half, or half
// and h is odd.
func roundBit(frac uint32, n uint, h uint32) uint32 {
	rest, half := frac&(1<<n-1), uint32(1)<<(n-1)
	if rest > half || rest == half && h&1 == 1 {
		return 1
	}
	return 0
}

// float16From64 rounds once, where a way over float32 would do so twice.
func float16From64(f float64) uint16 { return Float16Bits(odd(f)) }

// odd is the number next to f that a later rounding to 16 bits makes the same of
// as of f itself: what is cut off stays visible in the last bit, where rounding
// twice would lose it.
func odd(f float64) float32 {
	g := float32(f)
	if float64(g) == f || f != f || math.IsInf(float64(g), 0) {
		return g
	}
	b := math.Float32bits(g)
	if math.Abs(float64(g)) > math.Abs(f) {
		b--
	}
	return math.Float32frombits(b | 1)
}

// Float16Value returns the number that the bits of a half-precision one tell.
func Float16Value(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exp == 0x1f && frac != 0:
		return math.Float32frombits(sign | 0x7fc00000 | frac<<13) // quiet
	case exp == 0x1f:
		return math.Float32frombits(sign | 0x7f800000)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
	}
	f := float32(frac) / (1 << 24)
	return math.Float32frombits(math.Float32bits(f) | sign)
}

// BFloat16Bits returns the bfloat16 nearest to f, ties to even, as its bits. A
// NaN stays one.
func BFloat16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// BFloat16Value returns the number that the bits of a bfloat16 tell.
func BFloat16Value(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }
