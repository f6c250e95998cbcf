package resize

// The loops in Go. What the assembly does too, these do to the same bit.

// A sum in flight is a uint32 here, for two of them make one uint64 load: then
// (a | b<<32) * (v | u<<32) has a*u + b*v in its upper half, two taps for one
// multiplication, and (a | b<<32) * w weighs two channels at once. Nothing
// carries from half to half: sums have 15 bits, weights 15, and an output's
// weights add up to one.

// both is two neighbours in one register.
func both(a, b uint32) uint64 { return uint64(a) | uint64(b)<<32 }

// vpass8 sets dst to the weighted sum of len(w) rows of bytes, stride apart.
// Products are cut off, not rounded, and half a unit a tap makes up for it.
func vpass8(dst []uint32, src []byte, stride int, w []int32) {
	half := uint32(len(w) / 2)
	n := len(dst)
	switch len(w) {
	case 1:
		r, c := src[:n], uint32(w[0])
		for i := range dst {
			dst[i] = uint32(r[i]) * c >> 8
		}
	case 2:
		r, s := src[:n], src[stride:][:n]
		c, d := uint32(w[0]), uint32(w[1])
		for i := range dst {
			dst[i] = half + uint32(r[i])*c>>8 + uint32(s[i])*d>>8
		}
	case 3:
		r, s, t := src[:n], src[stride:][:n], src[2*stride:][:n]
		c, d, e := uint32(w[0]), uint32(w[1]), uint32(w[2])
		for i := range dst {
			dst[i] = half + uint32(r[i])*c>>8 + uint32(s[i])*d>>8 + uint32(t[i])*e>>8
		}
	case 4:
		r, s, t, u := src[:n], src[stride:][:n], src[2*stride:][:n], src[3*stride:][:n]
		c, d, e, f := uint32(w[0]), uint32(w[1]), uint32(w[2]), uint32(w[3])
		for i := range dst {
			dst[i] = half + uint32(r[i])*c>>8 + uint32(s[i])*d>>8 + uint32(t[i])*e>>8 + uint32(u[i])*f>>8
		}
	default:
		for i := range dst {
			dst[i] = half
		}
		for k, c := range w {
			row := src[k*stride:][:n]
			for i := range dst {
				dst[i] += uint32(row[i]) * uint32(c) >> 8
			}
		}
	}
}

// vlong is vpass8 for weights of longBits, exact to the last rounding.
func vlong(dst []uint32, src []byte, stride int, w []int32) {
	for i := range dst {
		dst[i] = 1 << (longBits - 8)
	}
	for k, c := range w {
		if c == 0 {
			continue
		}
		row := src[k*stride:][:len(dst)]
		for i := range dst {
			dst[i] += uint32(row[i]) * uint32(c)
		}
	}
	for i, v := range dst {
		dst[i] = v >> (longBits - 7)
	}
}

// A quad is an output of up to four taps: where they begin and their weights.
type quad struct {
	at   uint64
	a, b uint64 // pairs crossed, as both's product wants them
	w    [4]uint32
}

// quads lays out a horizontal axis for rows that begin at source sample first,
// unless it has more taps.
func quads(q []quad, a *axis, first int) []quad {
	if a.count > 4 {
		return q[:0]
	}
	q = grow(q, len(a.start))
	for i, s := range a.start {
		t := &q[i]
		*t = quad{at: uint64(int(s) - first)}
		for k, w := range a.weight[i*a.count:][:a.count] {
			t.w[k] = uint32(w)
		}
		t.a, t.b = both(t.w[1], t.w[0]), both(t.w[3], t.w[2])
	}
	return q
}

// hquads sums each output's neighbours.
func hquads(dst []int16, src []uint32, q []quad) {
	const half = 1 << (32 + weightBits - 1)
	dst = dst[:len(q)]
	for i := range q {
		t := &q[i]
		v := (*[4]uint32)(src[t.at:])
		dst[i] = int16((both(v[0], v[1])*t.a + both(v[2], v[3])*t.b + half) >> (32 + weightBits))
	}
}

// Two planes of one shape, Cb and Cr, go through the loops as twins: one in
// the lower halves, one in the upper.

// vtwins is vpass8 for twins.
func vtwins(dst []uint64, src, src2 []byte, stride, stride2 int, w []int32) {
	const whole = 0x007fff00_007fff00 // what is left of products that are cut off
	n := len(dst)
	half := uint64(len(w)/2) * (1<<32 | 1)
	twin := func(a, b byte) uint64 { return uint64(a) | uint64(b)<<32 }
	r, r2 := src[:n], src2[:n]
	c := uint64(w[0])
	switch len(w) {
	case 2:
		s, s2 := src[stride:][:n], src2[stride2:][:n]
		d := uint64(w[1])
		for i := range dst {
			dst[i] = half + (twin(r[i], r2[i])*c&whole+twin(s[i], s2[i])*d&whole)>>8
		}
	case 3:
		s, s2, t, t2 := src[stride:][:n], src2[stride2:][:n], src[2*stride:][:n], src2[2*stride2:][:n]
		d, e := uint64(w[1]), uint64(w[2])
		for i := range dst {
			dst[i] = half + (twin(r[i], r2[i])*c&whole+twin(s[i], s2[i])*d&whole+twin(t[i], t2[i])*e&whole)>>8
		}
	default:
		for i := range dst {
			dst[i] = twin(r[i], r2[i]) * c & whole
		}
		for k, c := range w[1:] {
			r, r2 := src[(k+1)*stride:][:n], src2[(k+1)*stride2:][:n]
			for i := range dst {
				dst[i] += twin(r[i], r2[i]) * uint64(c) & whole
			}
		}
		for i, v := range dst {
			dst[i] = half + v>>8
		}
	}
}

// htwins is hquads for twins.
func htwins(dst, dst2 []int16, src []uint64, q []quad) {
	const half = 1 << (weightBits - 1)
	dst, dst2 = dst[:len(q)], dst2[:len(q)]
	for i := range q {
		t := &q[i]
		v := (*[4]uint64)(src[t.at:])
		sum := v[0]*uint64(t.w[0]) + v[1]*uint64(t.w[1]) + v[2]*uint64(t.w[2]) + v[3]*uint64(t.w[3])
		sum += half<<32 | half
		dst[i] = int16(uint32(sum) >> weightBits)
		dst2[i] = int16(sum >> (32 + weightBits))
	}
}

// hpass is hquads for any number of taps and bits; src begins at source sample
// first.
func hpass(dst []int16, src []uint32, a *axis, first int) {
	dst = dst[:len(a.start)]
	for i, s := range a.start {
		sum := uint64(1) << (a.bits - 1)
		v := src[int(s)-first:]
		for k, c := range a.at(i) {
			sum += uint64(c) * uint64(v[k])
		}
		dst[i] = int16(sum >> a.bits)
	}
}

// hpixel is hpass for three interleaved channels, down to bytes.
func hpixel(dst []byte, src []uint32, a *axis, first int) {
	const half = 1 << 21 // of a byte: seven bits of the sums, 15 of the weights
	if a.long() {
		hpixelLong(dst, src, a, first)
		return
	}
	dst = dst[:3*len(a.start)]
	for i, s := range a.start {
		w := a.weight[i*a.count:][:a.count]
		v := src[3*(int(s)-first):]
		rg, b := uint64(half<<32|half), uint64(half)
		for len(w) >= 2 {
			t := (*[6]uint32)(v)
			c, d := uint64(w[0]), uint64(w[1])
			rg += both(t[0], t[1])*c + both(t[3], t[4])*d
			b += uint64(t[2])*c + uint64(t[5])*d
			w, v = w[2:], v[6:]
		}
		d := (*[3]byte)(dst[3*i:])
		d[0], d[1], d[2] = byte(rg>>22), byte(rg>>54), byte(b>>22)
	}
}

func hpixelLong(dst []byte, src []uint32, a *axis, first int) {
	const half = 1 << (longBits + 6)
	for i, s := range a.start {
		r, g, b := uint64(half), uint64(half), uint64(half)
		v := src[3*(int(s)-first):]
		for _, c := range a.at(i) {
			r += uint64(c) * uint64(v[0])
			g += uint64(c) * uint64(v[1])
			b += uint64(c) * uint64(v[2])
			v = v[3:]
		}
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = byte(r>>(longBits+7)), byte(g>>(longBits+7)), byte(b>>(longBits+7))
	}
}

// The colour conversion's factors, of 15 bits. The assembly multiplies by
// signed 16 bits and adds the rest whole: 1.402 is 1 and 0.402, 1.772 is 2 and
// -0.228.
const (
	crRed   = 1<<15 + 13173
	cbBlue  = 2<<15 - 7471
	cbGreen = -11277
	crGreen = -23401

	// What is added to the products: halves, for both roundings, less the
	// factor times the middle of the range, which is no colour.
	addRed   = 1<<20 + 1<<14 - 128<<6*crRed
	addBlue  = 1<<20 + 1<<14 - 128<<6*cbBlue
	addGreen = 1<<20 + 1<<14 - 128<<6*cbGreen
	lessCr   = 1<<14 - 128<<6*crGreen
)

// pixels converts a row of Y, Cb and Cr of 8.7 bits, in 8.6 bits for the range
// of blue, to interleaved bytes. Few colours need clamping.
func pixels(dst []byte, y, cb, cr []int16) {
	n := len(y)
	cb, cr, dst = cb[:n], cr[:n], dst[:3*n]
	o := uint(0)
	for i, l := range y {
		l, u, v := int32(l)>>1, int32(cb[i])>>1, int32(cr[i])>>1
		r := (l<<15 + v*crRed + addRed) >> 21
		g := (l + (u*cbGreen+addGreen)>>15 + (v*crGreen+lessCr)>>15) >> 6
		b := (l<<15 + u*cbBlue + addBlue) >> 21
		if uint32(r|g|b) > 255 {
			r, g, b = clamp(r), clamp(g), clamp(b)
		}
		if o+2 < uint(len(dst)) {
			dst[o], dst[o+1], dst[o+2] = byte(r), byte(g), byte(b)
		}
		o += 3
	}
}

// colours is pixels for channels apart. The body is written out twice, being
// too long for the compiler to do so.
func colours(r, g, b []byte, y, cb, cr []int16) {
	n := len(y)
	cb, cr, r, g, b = cb[:n], cr[:n], r[:n], g[:n], b[:n]
	for i, l := range y {
		l, u, v := int32(l)>>1, int32(cb[i])>>1, int32(cr[i])>>1
		red := (l<<15 + v*crRed + addRed) >> 21
		green := (l + (u*cbGreen+addGreen)>>15 + (v*crGreen+lessCr)>>15) >> 6
		blue := (l<<15 + u*cbBlue + addBlue) >> 21
		if uint32(red|green|blue) > 255 {
			red, green, blue = clamp(red), clamp(green), clamp(blue)
		}
		r[i], g[i], b[i] = byte(red), byte(green), byte(blue)
	}
}

func clamp(v int32) int32 { return min(max(v, 0), 255) }

// round makes bytes of samples of 8.7 bits.
func round(dst []byte, src []int16) {
	dst = dst[:len(src)]
	for i, v := range src {
		dst[i] = byte((v + 64) >> 7)
	}
}

func interleave(dst, r, g, b []byte) {
	n := len(r)
	g, b, dst = g[:n], b[:n], dst[:3*n]
	for i := range r {
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = r[i], g[i], b[i]
	}
}

func deinterleave(r, g, b, src []byte) {
	n := len(src) / 3
	r, g, b = r[:n], g[:n], b[:n]
	for i := range r {
		s := src[3*i:][:3]
		r[i], g[i], b[i] = s[0], s[1], s[2]
	}
}
