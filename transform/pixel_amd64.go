//go:build !purego

package transform

import (
	"math"

	"golang.org/x/sys/cpu"
)

var pixelAVX2 = cpu.X86.HasAVX2

// pixelWords holds what the assembly works with, in rows of 32 bytes that are
// twice the same 16.
//
//lint:ignore U1000 the assembly reads it
var pixelWords = func() (t [8][32]byte) {
	const o = 0x80 // nothing
	rows := [8][16]byte{
		{0, o, 1, o, 3, o, 4, o, 6, o, 7, o, 9, o, 10, o}, // red and green of four pixels
		{2, o, o, o, 5, o, o, o, 8, o, o, o, 11, o, o, o}, // blue
		{}, // multipliers of red and green
		{}, // of blue
		{}, // 0.5
		{}, // 1/10000
		{0, 0, 0, 4, 4, 4, 8, 8, 8, 12, 12, 12, o, o, o, o}, // three of each of four
		{1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128},
	}
	for i := 0; i < 16; i += 4 {
		put(rows[2][i:], 2989|5870<<16)
		put(rows[3][i:], 1140)
		put(rows[4][i:], math.Float32bits(0.5))
		put(rows[5][i:], math.Float32bits(1e-4))
	}
	for i, row := range rows {
		copy(t[i][:], row[:])
		copy(t[i][16:], row[:])
	}
	return t
}()

func put(b []byte, v uint32) {
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

// lookupAVX2 takes n bytes, a multiple of 64 above 0.
//
//go:noescape
func lookupAVX2(dst, src *byte, n int, steps *[256]byte)

// grayTriplesAVX2 takes n bytes, a multiple of 24 above 0, and reads four more.
//
//go:noescape
func grayTriplesAVX2(dst, src *byte, n int)

// graySumAVX2 takes n bytes as grayTriplesAVX2, 24<<16 at most.
//
//go:noescape
func graySumAVX2(src *byte, n int) uint64

// mixAVX2 takes n bytes, a multiple of 32 above 0.
//
//go:noescape
func mixAVX2(dst, a, b *byte, n int, m *mix)

// hueWords is as pixelWords, for huesAVX2.
//
//lint:ignore U1000 the assembly reads it
var hueWords = func() (t [11][32]byte) {
	for i := 0; i < 32; i += 4 {
		for c := range 3 { // one channel of four pixels
			put(t[c][i:], 0x80808000|uint32(i%16/4*3+c))
		}
		for row, v := range []float32{255, 1, 2, 4, 6, 3, 5} {
			put(t[4+row][i:], math.Float32bits(v))
		}
	}
	for i := range t[3] { // three bytes of every four
		t[3][i] = 0x80
		if i%16 < 12 {
			t[3][i] = byte(i%16/3*4 + i%16%3)
		}
	}
	return t
}()

// huesAVX2 takes n bytes as grayTriplesAVX2.
//
//go:noescape
func huesAVX2(pix *byte, n int, by float32)

// These take n numbers, a multiple of 8 above 0.

//go:noescape
func widenAVX2(dst *float32, src *byte, n int)

//go:noescape
func weightedAVX2(dst *float32, rows *[]float32, weights *float32, half, n int)

//go:noescape
func narrowAVX2(dst *byte, src *float32, n int)

// mixFloatsAVX2 takes n bytes, a multiple of 16 above 0.
//
//go:noescape
func mixFloatsAVX2(dst, a, b *byte, n int, r, q float64)
