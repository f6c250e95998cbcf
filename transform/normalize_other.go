//go:build !amd64 || purego

package transform

import "github.com/betongo/betongo/rgb"

// There is no assembly here: numbers come from tables.
const fast = false

func (l *line) write(rgb.PixelType, []byte, []byte) {
	panic("transform: internal error: assembly called where there is none")
}
