package jpeg

import "math/bits"

// The standard's examples of quantisers (annex K.1) for luma and chroma, which
// quality scales; natural order.
var usualQuant = [2][64]byte{{
	16, 11, 10, 16, 24, 40, 51, 61,
	12, 12, 14, 19, 26, 58, 60, 55,
	14, 13, 16, 24, 40, 57, 69, 56,
	14, 17, 22, 29, 51, 87, 80, 62,
	18, 22, 37, 56, 68, 109, 103, 77,
	24, 35, 55, 64, 81, 104, 113, 92,
	49, 64, 78, 87, 103, 121, 120, 101,
	72, 92, 95, 98, 112, 100, 103, 99,
}, {
	17, 18, 24, 47, 99, 99, 99, 99,
	18, 21, 26, 66, 99, 99, 99, 99,
	24, 26, 56, 99, 99, 99, 99, 99,
	47, 66, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99,
	99, 99, 99, 99, 99, 99, 99, 99,
}}

// quantiser divides coefficients, eight times as large as the format's, with
// rounding to the nearest, halves away from 0. Each row is there twice, for two
// blocks at a time:
//
//	|q| = (|x|+half) * times >> 16 * scale >> 16
//
// which is the quotient for every |x| below 1<<15 (as jcdctmgr.c has it).
type quantiser [8]struct{ half, times, scale [16]uint16 }

// setQuality makes the tables by libjpeg's rule.
func (e *Encoder) setQuality(quality int) {
	if e.quality == quality {
		return
	}
	e.quality = quality
	percent := 200 - 2*quality
	if quality < 50 {
		percent = 5000 / quality
	}
	for i := range e.table {
		for k, v := range usualQuant[i] {
			e.table[i][k] = byte(min(max((int(v)*percent+50)/100, 1), 255))
			e.quant[i].set(k, e.table[i][k])
		}
	}
}

// set makes the factors for a coefficient in natural order.
func (q *quantiser) set(k int, divisor byte) {
	d := uint32(divisor) << 3
	// times*2^-shift is 1/d, rounded up or, with half greater by 1, down.
	shift := uint(15 + bits.Len32(d))
	half, times, rest := d/2, uint32(1<<shift/uint64(d)), uint32(1<<shift%uint64(d))
	switch {
	case rest == 0: // a power of two: times would take 17 bits
		times, shift = times/2, shift-1
	case rest <= d/2:
		half++
	default:
		times++
	}
	row := &q[k/8]
	for j := k % 8; j < 16; j += 8 {
		row.half[j], row.times[j], row.scale[j] = uint16(half), uint16(times), 1<<(32-shift)
	}
}

// divide is one coefficient's quotient.
func (q *quantiser) divide(k int, x int32) int16 {
	row := &q[k/8]
	sign := x >> 31
	v := uint32(x^sign-sign) + uint32(row.half[k%8])
	v = v * uint32(row.times[k%8]) >> 16 * uint32(row.scale[k%8]) >> 16
	return int16(int32(v) ^ sign - sign)
}

// fdctGo transforms a block of samples, stride bytes from row to row, divides
// and puts it in coding order. It returns which coefficients are not 0.
//
// The transform is the inverse's (idct.go) the other way round, rows first.
func fdctGo(src []byte, stride int, q *quantiser, dst *[64]int16) (some uint64) {
	var t [64]int32
	for y := range 8 {
		row := src[y*stride:][:8]
		var in [8]int32
		for x, v := range row {
			in[x] = int32(v) - 128
		}
		out := (*[8]int32)(t[8*y:])
		fdct1(out, &in)
		out[0], out[4] = out[0]<<passBits, out[4]<<passBits
		for _, u := range [6]int{1, 2, 3, 5, 6, 7} {
			out[u] = descale(out[u], constBits-passBits)
		}
	}
	for x := range 8 {
		var in, out [8]int32
		for y := range in {
			in[y] = t[8*y+x]
		}
		fdct1(&out, &in)
		for v, c := range out {
			if v&3 == 0 {
				t[8*v+x] = descale(c, passBits)
			} else {
				t[8*v+x] = descale(c, constBits+passBits)
			}
		}
	}
	for k := range 64 {
		n := int(zigzag[k])
		dst[k] = q.divide(n, t[n])
		if dst[k] != 0 {
			some |= 1 << k
		}
	}
	return some
}

func descale(v int32, n uint) int32 { return (v + 1<<(n-1)) >> n }

// fdct1 is one dimension. Outputs 0 and 4 are sums, the others have constBits
// fraction bits.
func fdct1(out, in *[8]int32) {
	s0, s1, s2, s3 := in[0]+in[7], in[1]+in[6], in[2]+in[5], in[3]+in[4]
	d7, d6, d5, d4 := in[0]-in[7], in[1]-in[6], in[2]-in[5], in[3]-in[4]
	a, b, c, d := s0+s3, s1+s2, s0-s3, s1-s2
	out[0], out[4] = a+b, a-b
	out[2] = 10703*c + 4433*d
	out[6] = 4433*c - 10704*d
	out[1] = 2260*d4 + 6437*d5 + 9633*d6 + 11363*d7
	out[3] = -6436*d4 - 11362*d5 - 2259*d6 + 9633*d7
	out[5] = 9633*d4 + 2261*d5 - 11362*d6 + 6437*d7
	out[7] = -11363*d4 + 9633*d5 - 6436*d6 + 2260*d7
}
