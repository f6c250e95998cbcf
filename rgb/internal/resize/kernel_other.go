//go:build !amd64 || purego

package resize

// There is no assembly here: fast keeps the code away from what follows.
const fast = false

const noAssembly = "resize: internal error: assembly called where there is none"

func vpass8AVX2(dst *int16, src *byte, stride, n int, w *int32, taps int) { panic(noAssembly) }

func hpassAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, pairs int) { panic(noAssembly) }

func hnearAVX2(dst, src *int16, offset *int32, prog *uint32, blocks int) { panic(noAssembly) }

func hwideAVX2(dst, src *int16, offset *int32, prog *uint32, blocks, windows int) { panic(noAssembly) }

func hpixelAVX2(dst *byte, src *int16, offset *int32, weight *uint32, blocks, pairs int) {
	panic(noAssembly)
}

func colourAVX2(red, green, blue *byte, y, cb, cr *int16, blocks int) { panic(noAssembly) }

func roundAVX2(dst *byte, src *int16, blocks int) { panic(noAssembly) }

func interleaveAVX2(dst, red, green, blue *byte, blocks int) { panic(noAssembly) }

func deinterleaveAVX2(red, green, blue, src *byte, blocks int) { panic(noAssembly) }

func float32AVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func float32StreamAVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func float16AVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func float16StreamAVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func bfloat16AVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func bfloat16StreamAVX2(dst, src *byte, n int, mean, inverse *float32) { panic(noAssembly) }

func fence() { panic(noAssembly) }
