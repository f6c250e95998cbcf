//go:build !amd64 || purego

package rgb

// There is no assembly here: haveAVX2 keeps the code away from what follows.
const haveAVX2 = false

const noAssembly = "rgb: internal error: assembly called where there is none"

func sumRows(dst *uint16, near, far *byte, n int) { panic(noAssembly) }

func widenRow(dst *uint16, src *byte, n int) { panic(noAssembly) }

func doubleRow(dst *byte, src *uint16, n int, even, odd uint16, shift uint64) { panic(noAssembly) }

func colourRow(dst, y, cb, cr *byte, n int) { panic(noAssembly) }
