package resize

// carry makes a the taps of luma on a plane of fewer samples, one for ratio of
// luma's: using them is upsampling the plane and resizing it, at any crop
// offset, without making the large plane. Smooth is libjpeg's "fancy"
// upsampling, for a ratio of two; otherwise samples are repeated.
func (a *axis) carry(luma *axis, ratio int, smooth bool, samples int) {
	if smooth {
		a.halve(luma, samples)
		return
	}
	a.alloc(len(luma.start), (luma.count+2*ratio-2)/ratio)
	a.bits = luma.bits
	for i, first := range luma.start {
		base := int(first) / ratio
		w := a.weight[i*a.count:][:a.count]
		for j, v := range luma.at(i) {
			w[(int(first)+j)/ratio-base] += v
		}
		a.start[i] = int32(base)
	}
}

// halve carries taps through JPEG's triangle filter, which makes luma sample x
// from 3/4 of sample x/2 and 1/4 of its neighbour on x's side, the edges
// repeated.
func (a *axis) halve(luma *axis, samples int) {
	a.alloc(len(luma.start), luma.count/2+2)
	a.bits = luma.bits
	a.sum = grow(a.sum, max(a.count, luma.count)+4)
	for i, first := range luma.start {
		base := int(first-1) >> 1
		d := a.sum
		spread(d, luma.weight[i*luma.count:][:luma.count], int(first&1))
		if base < 0 {
			d[1] += d[0]
			d, base = d[1:], 0
		}
		if end := samples - base; end < a.count {
			for j := end; j < a.count; j++ {
				d[end-1] += d[j]
				d[j] = 0
			}
		}
		a.start[i] = int32(base)
		w := a.weight[i*a.count:][:a.count]
		// Quarters are rounded as running sums, so that they add up.
		sum, given := int32(2), int32(0)
		for j := range w {
			sum += d[j]
			q := sum >> 2
			w[j] = q - given
			given = q
		}
	}
}

// spread carries luma weights w to chroma, in quarters; w begins at an odd
// sample, the nearest to d[0], or at an even one, which d[0] is beside. All of
// d that halve reads is set.
func spread(d []int32, w []int32, odd int) {
	if len(w) == 4 && len(d) >= 8 { // shrinking by less than two
		a, b, c, e := w[0], w[1], w[2], w[3]
		if odd == 0 {
			d[0], d[1], d[2], d[3] = a, 3*a+3*b+c, b+3*c+3*e, e
		} else {
			d[0], d[1], d[2], d[3] = 3*a+b, a+3*b+3*c+e, c+3*e, 0
		}
		d[4] = 0
		return
	}
	clear(d)
	for j, v := range w {
		x := j + odd
		near := x>>1 + 1 - odd
		d[near] += 3 * v
		if v != 0 {
			d[near+(x&1)*2-1] += v
		}
	}
}
