//go:build !amd64 || purego

package jpeg

const haveSIMD = false

func mcuLoop(*entropy, *mcu, *[maxBlocks + 1]uint8, uint, uint, uint) (uint, uint, uint) {
	panic("jpeg: no assembly")
}

func idctPair(*[2][64]int16, *quantPair, *byte, int, *byte, int) { panic("jpeg: no assembly") }

func idctHalfPair(*[2][64]int16, *quantPair, *byte, int, *byte, int) { panic("jpeg: no assembly") }
