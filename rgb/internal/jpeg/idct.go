package jpeg

import "encoding/binary"

// The inverse transform is the integer one of Loeffler, Ligtenberg and
// Moschytz with 13-bit constants that libjpeg calls "islow": columns first,
// kept with 2 fraction bits, then rows. Written as plain sums of products: with
// no rounding between, any order of the same integer terms is exact, and this
// order is pmaddwd's (idct_amd64.s).
//
// Products with the quantiser keep 16 bits and the column pass saturates to as
// many, as libjpeg-turbo's vector code does it; only streams that no encoder
// makes get there.

const (
	constBits = 13
	passBits  = 2
)

// quantPair is two blocks' quantisers, row by row, one block a lane.
type quantPair [8][2][8]int16

// even and odd are one dimension's two halves: from the inputs of that parity,
// four sums each; outputs i and 7-i are even i plus and minus odd i.
func even(i0, i2, i4, i6, round int32) (e0, e1, e2, e3 int32) {
	p, m := (i0+i4)<<constBits+round, (i0-i4)<<constBits+round
	a, b := 10703*i2+4433*i6, 4433*i2-10704*i6
	return p + a, m + b, m - b, p - a
}

func odd(i1, i3, i5, i7 int32) (o0, o1, o2, o3 int32) {
	return 11363*i1 + 9633*i3 + 6437*i5 + 2260*i7,
		9633*i1 - 2259*i3 - 11362*i5 - 6436*i7,
		6437*i1 - 11362*i3 + 2261*i5 + 9633*i7,
		2260*i1 - 6436*i3 + 9633*i5 - 11363*i7
}

// idctGo dequantises a block and writes its 8x8 pixels.
func idctGo(coefs, quant *[64]int16, dst []byte, stride int) {
	var ws [64]int32
	for x := range 8 {
		column(coefs, quant, &ws, x)
	}
	for y := range 8 {
		pixelRow((*[8]int32)(ws[8*y:]), (*[8]byte)(dst[y*stride:]))
	}
}

func column(coefs, quant *[64]int16, ws *[64]int32, x int) {
	const shift = constBits - passBits
	at := func(y int) int32 { return int32(coefs[8*y+x&63] * quant[8*y+x&63]) }
	put := func(y int, v int32) { ws[8*y+x&63] = clamp16(v >> shift) }
	if coefs[x+8]|coefs[x+16]|coefs[x+24]|coefs[x+32]|coefs[x+40]|coefs[x+48]|coefs[x+56] == 0 {
		for y, v := 0, clamp16(at(0)<<passBits); y < 8; y++ {
			ws[8*y+x&63] = v
		}
		return
	}
	e0, e1, e2, e3 := even(at(0), at(2), at(4), at(6), 1<<(shift-1))
	o0, o1, o2, o3 := odd(at(1), at(3), at(5), at(7))
	put(0, e0+o0)
	put(1, e1+o1)
	put(2, e2+o2)
	put(3, e3+o3)
	put(4, e3-o3)
	put(5, e2-o2)
	put(6, e1-o1)
	put(7, e0-o0)
}

func pixelRow(in *[8]int32, out *[8]byte) {
	const shift = constBits + passBits + 3
	e0, e1, e2, e3 := even(in[0], in[2], in[4], in[6], 1<<(shift-1)+128<<shift)
	o0, o1, o2, o3 := odd(in[1], in[3], in[5], in[7])
	out[0] = pixel((e0 + o0) >> shift)
	out[1] = pixel((e1 + o1) >> shift)
	out[2] = pixel((e2 + o2) >> shift)
	out[3] = pixel((e3 + o3) >> shift)
	out[4] = pixel((e3 - o3) >> shift)
	out[5] = pixel((e2 - o2) >> shift)
	out[6] = pixel((e1 - o1) >> shift)
	out[7] = pixel((e0 - o0) >> shift)
}

// pixel clamps to a byte, with one test where nothing is to clamp.
func pixel(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// idctDC is idctGo for a block that has a DC coefficient only.
func idctDC(dc, quant int16, dst []byte, stride int) {
	v := clamp16(int32(dc*quant) << passBits)
	p := uint64(pixel((v+1<<(passBits+2))>>(passBits+3) + 128))
	p *= 0x0101010101010101
	for y := range 8 {
		put64(dst[y*stride:], p)
	}
}

func put64(p []byte, v uint64) { binary.LittleEndian.PutUint64(p, v) }

func clamp16(v int32) int32 {
	if v != int32(int16(v)) {
		return v>>31 ^ (1<<15 - 1)
	}
	return v
}
