//go:build !amd64 || purego

package transform

// There is no assembly here: pixelAVX2 keeps the code away from what follows.
const pixelAVX2 = false

const noAssembly = "transform: internal error: assembly called where there is none"

func lookupAVX2(dst, src *byte, n int, steps *[256]byte) { panic(noAssembly) }

func grayTriplesAVX2(dst, src *byte, n int) { panic(noAssembly) }

func graySumAVX2(src *byte, n int) uint64 { panic(noAssembly) }

func mixAVX2(dst, a, b *byte, n int, m *mix) { panic(noAssembly) }

func huesAVX2(pix *byte, n int, by float32) { panic(noAssembly) }

func widenAVX2(dst *float32, src *byte, n int) { panic(noAssembly) }

func weightedAVX2(dst *float32, rows *[]float32, weights *float32, half, n int) { panic(noAssembly) }

func narrowAVX2(dst *byte, src *float32, n int) { panic(noAssembly) }

func mixFloatsAVX2(dst, a, b *byte, n int, r, q float64) { panic(noAssembly) }
