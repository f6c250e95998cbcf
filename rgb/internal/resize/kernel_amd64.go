//go:build amd64 && !purego

package resize

import "golang.org/x/sys/cpu"

// fast says that the assembly can run. Every processor with AVX2 that was
// built has conversions to 16-bit floats too; asking costs little.
var fast = cpu.X86.HasAVX2 && f16c()

// f16c is the processor's word on 16-bit floats.
func f16c() bool

// vpass8AVX2 sets dst[i], i < n, to the weighted sum of taps rows of bytes; n
// is at least 32 and weights have 15 bits.
//
//go:noescape
func vpass8AVX2(dst *int16, src *byte, stride, n int, w *int32, taps int)

// hpassAVX2 makes 16 outputs a block of a tight comb, pairs of weights each.
// It reads eight samples from any window.
//
//go:noescape
func hpassAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, pairs int)

// hnearAVX2 is hpassAVX2 for two pairs in one window.
//
//go:noescape
func hnearAVX2(dst, src *int16, offset *int32, prog *uint32, blocks int)

// hwideAVX2 makes eight outputs a block of a wide comb.
//
//go:noescape
func hwideAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, windows int)

// hpixelAVX2 makes eight pixels a block, 24 bytes, and writes four more past
// the last block. It reads up to four bytes past a pixel's last pair.
//
//go:noescape
func hpixelAVX2(dst *byte, src *int16, offset *int32, weight *uint32, blocks, pairs int)

// colourAVX2 converts blocks of 32 pixels.
//
//go:noescape
func colourAVX2(red, green, blue *byte, y, cb, cr *int16, blocks int)

// roundAVX2 makes bytes of blocks of 32 samples.
//
//go:noescape
func roundAVX2(dst *byte, src *int16, blocks int)

// interleaveAVX2 writes blocks of 32 pixels, 96 bytes each.
//
//go:noescape
func interleaveAVX2(dst, red, green, blue *byte, blocks int)

// deinterleaveAVX2 reads blocks of 32 pixels, 96 bytes each.
//
//go:noescape
func deinterleaveAVX2(red, green, blue, src *byte, blocks int)

// The float kernels set n numbers, a multiple of eight, to (src-mean)*inverse,
// by 24 pairs of mean and inverse in turn. The streaming ones write past the
// caches, to where eight numbers' size divides the address.
//
//go:noescape
func float32AVX2(dst, src *byte, n int, mean, inverse *float32)

//go:noescape
func float32StreamAVX2(dst, src *byte, n int, mean, inverse *float32)

//go:noescape
func float16AVX2(dst, src *byte, n int, mean, inverse *float32)

//go:noescape
func float16StreamAVX2(dst, src *byte, n int, mean, inverse *float32)

//go:noescape
func bfloat16AVX2(dst, src *byte, n int, mean, inverse *float32)

//go:noescape
func bfloat16StreamAVX2(dst, src *byte, n int, mean, inverse *float32)

// fence makes streamed rows visible before what is stored next.
func fence()
