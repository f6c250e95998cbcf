package jpeg

// The reduced transforms give an 8x8 block at a half, a quarter or an eighth of
// its size: libjpeg's, from the block's lower frequencies. As in idct.go,
// written as sums of products, which is exact.

// half is one dimension of the 4-point transform of 8 inputs; the fifth has no
// part in it. Sums are twice as large as in the full transform.
func half(i0, i1, i2, i3, i5, i6, i7, round int32) (o0, o1, o2, o3 int32) {
	dc := i0<<(constBits+1) + round
	a := 15137*i2 - 6270*i6
	outer := 20995*i1 + 7373*i3 - 4926*i5 - 4176*i7
	inner := 8697*i1 - 17799*i3 + 11893*i5 - 1730*i7
	return dc + a + outer, dc - a + inner, dc - a - inner, dc + a - outer
}

// idctHalf writes the 4x4 pixels of a block.
func idctHalf(coefs, quant *[64]int16, dst []byte, stride int) {
	const shift = constBits - passBits + 1
	var ws [4][8]int32
	for x := range 8 {
		if x == 4 {
			continue
		}
		at := func(y int) int32 { return int32(coefs[8*y+x&63] * quant[8*y+x&63]) }
		o0, o1, o2, o3 := half(at(0), at(1), at(2), at(3), at(5), at(6), at(7), 1<<(shift-1))
		ws[0][x], ws[1][x] = clamp16(o0>>shift), clamp16(o1>>shift)
		ws[2][x], ws[3][x] = clamp16(o2>>shift), clamp16(o3>>shift)
	}
	for y := range ws {
		const shift = constBits + passBits + 4
		w, out := &ws[y], dst[y*stride:][:4]
		o0, o1, o2, o3 := half(w[0], w[1], w[2], w[3], w[5], w[6], w[7], 1<<(shift-1)+128<<shift)
		out[0], out[1], out[2], out[3] = pixel(o0>>shift), pixel(o1>>shift), pixel(o2>>shift), pixel(o3>>shift)
	}
}

// quarter is one dimension of the 2-point transform, four times as large.
func quarter(i0, i1, i3, i5, i7, round int32) (o0, o1 int32) {
	dc := i0<<(constBits+2) + round
	a := 29692*i1 - 10426*i3 + 6967*i5 - 5906*i7
	return dc + a, dc - a
}

// idctQuarter writes the 2x2 pixels of a block.
func idctQuarter(coefs, quant *[64]int16, dst []byte, stride int) {
	const shift = constBits - passBits + 2
	var ws [2][8]int32
	for _, x := range [5]int{0, 1, 3, 5, 7} {
		at := func(y int) int32 { return int32(coefs[8*y+x&63] * quant[8*y+x&63]) }
		o0, o1 := quarter(at(0), at(1), at(3), at(5), at(7), 1<<(shift-1))
		ws[0][x], ws[1][x] = clamp16(o0>>shift), clamp16(o1>>shift)
	}
	for y := range ws {
		const shift = constBits + passBits + 5
		w, out := &ws[y], dst[y*stride:][:2]
		o0, o1 := quarter(w[0], w[1], w[3], w[5], w[7], 1<<(shift-1)+128<<shift)
		out[0], out[1] = pixel(o0>>shift), pixel(o1>>shift)
	}
}

// idctScaled writes size x size pixels of a block, size below 8.
func idctScaled(coefs, quant *[64]int16, dst []byte, stride, size int) {
	switch size {
	case 4:
		idctHalf(coefs, quant, dst, stride)
	case 2:
		idctQuarter(coefs, quant, dst, stride)
	default:
		dst[0] = pixel((int32(coefs[0]*quant[0])+4)>>3 + 128)
	}
}
