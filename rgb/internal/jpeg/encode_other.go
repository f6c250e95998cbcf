//go:build !amd64 || purego

package jpeg

func convertRows(*byte, int, *byte, *byte, *byte, int) { panic("jpeg: no assembly") }

func fdctPair(*byte, int, *quantiser, *[2][64]int16, *[2]uint64) { panic("jpeg: no assembly") }

func emitUnit(*coder, *byte, *unit) int { panic("jpeg: no assembly") }
