package resize

// The loops in Go. What the assembly does too, these do to the same bit.

// vpass8 sets dst to the weighted sum of len(w) rows of bytes, stride apart.
// Products are cut off, not rounded, and half a unit a tap makes up for it.
func vpass8(dst []int16, src []byte, stride int, w []int32) {
	half := int16(len(w) / 2)
	n := len(dst)
	switch len(w) {
	case 1:
		r := src[:n]
		c := w[0]
		for i := range dst {
			dst[i] = int16(int32(r[i]) * c >> 8)
		}
	case 2:
		r, s := src[:n], src[stride:][:n]
		c, d := w[0], w[1]
		for i := range dst {
			dst[i] = half + int16(int32(r[i])*c>>8+int32(s[i])*d>>8)
		}
	case 3:
		r, s, t := src[:n], src[stride:][:n], src[2*stride:][:n]
		c, d, e := w[0], w[1], w[2]
		for i := range dst {
			dst[i] = half + int16(int32(r[i])*c>>8+int32(s[i])*d>>8+int32(t[i])*e>>8)
		}
	case 4:
		r, s, t, u := src[:n], src[stride:][:n], src[2*stride:][:n], src[3*stride:][:n]
		c, d, e, f := w[0], w[1], w[2], w[3]
		for i := range dst {
			dst[i] = half + int16(int32(r[i])*c>>8+int32(s[i])*d>>8+int32(t[i])*e>>8+int32(u[i])*f>>8)
		}
	default:
		for i := range dst {
			dst[i] = half
		}
		for k, c := range w {
			row := src[k*stride:][:n]
			for i := range dst {
				dst[i] += int16(int32(row[i]) * c >> 8)
			}
		}
	}
}

// vlong is vpass8 for weights of longBits, exact to the last rounding.
func vlong(dst []int16, acc []uint32, src []byte, stride int, w []int32) {
	acc = acc[:len(dst)]
	for i := range acc {
		acc[i] = 1 << (longBits - 8)
	}
	for k, c := range w {
		if c == 0 {
			continue
		}
		row := src[k*stride:][:len(acc)]
		for i := range acc {
			acc[i] += uint32(row[i]) * uint32(c)
		}
	}
	for i, v := range acc {
		dst[i] = int16(v >> (longBits - 7))
	}
}

// hpass sums each output's neighbours; src begins at source sample first.
func hpass(dst, src []int16, a *axis, first int) {
	const half = 1 << (weightBits - 1)
	from := int32(first)
	dst = dst[:len(a.start)]
	switch {
	case a.long():
		for i, s := range a.start {
			sum := int64(1 << (longBits - 1))
			for k, c := range a.at(i) {
				sum += int64(c) * int64(src[int(s-from)+k])
			}
			dst[i] = int16(sum >> longBits)
		}
	case a.count == 2:
		w := a.weight
		for i, s := range a.start {
			v := src[s-from:][:2]
			dst[i] = int16((w[0]*int32(v[0]) + w[1]*int32(v[1]) + half) >> weightBits)
			w = w[2:]
		}
	case a.count == 4:
		w := a.weight
		for i, s := range a.start {
			v, c := src[s-from:][:4], w[:4]
			sum := c[0]*int32(v[0]) + c[1]*int32(v[1]) + c[2]*int32(v[2]) + c[3]*int32(v[3])
			dst[i] = int16((sum + half) >> weightBits)
			w = w[4:]
		}
	default:
		for i, s := range a.start {
			w := a.weight[i*a.count:][:a.count]
			v := src[s-from:][:len(w)]
			sum := int32(half)
			for k, c := range w {
				sum += c * int32(v[k])
			}
			dst[i] = int16(sum >> weightBits)
		}
	}
}

// hpixel is hpass for three interleaved channels, down to bytes.
func hpixel(dst []byte, src []int16, a *axis, first int) {
	from := int32(first)
	if a.long() {
		hpixelLong(dst, src, a, from)
		return
	}
	const half = 1 << 21 // of a byte: seven bits of the samples, 15 of the weights
	for i, s := range a.start {
		w := a.weight[i*a.count:][:a.count]
		v := src[3*(s-from):][:3*len(w)]
		r, g, b := int32(half), int32(half), int32(half)
		for len(w) >= 2 && len(v) >= 6 {
			c, d := w[0], w[1]
			r += c*int32(v[0]) + d*int32(v[3])
			g += c*int32(v[1]) + d*int32(v[4])
			b += c*int32(v[2]) + d*int32(v[5])
			w, v = w[2:], v[6:]
		}
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = byte(r>>22), byte(g>>22), byte(b>>22)
	}
}

func hpixelLong(dst []byte, src []int16, a *axis, from int32) {
	const half = 1 << (longBits + 6)
	for i, s := range a.start {
		r, g, b := int64(half), int64(half), int64(half)
		v := src[3*(s-from):]
		for _, c := range a.at(i) {
			r += int64(c) * int64(v[0])
			g += int64(c) * int64(v[1])
			b += int64(c) * int64(v[2])
			v = v[3:]
		}
		d := dst[3*i:][:3]
		d[0], d[1], d[2] = byte(r>>(longBits+7)), byte(g>>(longBits+7)), byte(b>>(longBits+7))
	}
}

// The colour conversion's factors, of 15 bits, less what is added whole: 1.402
// as 1 and 0.402, 1.772 as 2 and -0.228.
const (
	crRed   = 13173
	cbBlue  = -7471
	cbGreen = -11277
	crGreen = -23401
)

// colour makes bytes of Y, Cb and Cr of 8.7 bits, in 8.6 bits for the range of
// blue.
func colour(r, g, b []byte, y, cb, cr []int16) {
	n := len(y)
	r, g, b, cb, cr = r[:n], g[:n], b[:n], cb[:n], cr[:n]
	const half = 1 << 14
	for i, v := range y {
		y := int32(v)>>1 + 32
		u, w := (int32(cb[i])-128<<7)>>1, (int32(cr[i])-128<<7)>>1
		r[i] = clamp((y + w + (w*crRed+half)>>15) >> 6)
		b[i] = clamp((y + u + u + (u*cbBlue+half)>>15) >> 6)
		g[i] = clamp((y + (u*cbGreen+half)>>15 + (w*crGreen+half)>>15) >> 6)
	}
}

func clamp(v int32) byte {
	if uint32(v) > 255 {
		return byte(^v >> 31)
	}
	return byte(v)
}

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
