package resize

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// FuzzCrop tries any crop, in floats, of small pictures: an error or the same
// bytes from both kinds of loops, never a panic.
func FuzzCrop(f *testing.F) {
	f.Add(0.0, 0.0, 40.0, 30.0, uint8(40), uint8(30), uint8(10), uint8(9), uint16(0))
	f.Add(39.5, 29.5, 0.5, 0.5, uint8(40), uint8(30), uint8(224), uint8(3), uint16(0x1ff))
	f.Add(0.25, 1e-300, 1e-300, 29.0, uint8(40), uint8(30), uint8(1), uint8(255), uint16(0x2a5))
	f.Add(0.0, 0.0, 40.0000001, 30.0000009, uint8(40), uint8(30), uint8(39), uint8(29), uint16(0x35a))
	f.Fuzz(func(t *testing.T, x, y, w, h float64, pw, ph, tw, th uint8, flags uint16) {
		r := rand.New(rand.NewPCG(uint64(flags), 9))
		if pw == 0 || ph == 0 {
			return
		}
		p, rgb := randomPhoto(r, int(pw), int(ph)), noise(r, int(pw), int(ph), 3)
		target := &Target{Width: int(tw), Height: int(th), Layout: Layout(flags & 1), Type: Type(flags >> 1 & 3)}
		c := Crop{x, y, w, h, flags&8 != 0}
		filter := Filter(flags >> 4 & 1)
		var out [2][2][]byte
		var errs [2][2]error
		for i := range out {
			z := &Resizer{plain: i == 1}
			for k := range out[i] {
				out[i][k] = make([]byte, target.Size())
			}
			errs[i][0] = z.Planar(out[i][0], p, c, target, filter)
			errs[i][1] = z.Packed(out[i][1], &rgb, c, target, filter)
		}
		for k := range 2 {
			if (errs[0][k] == nil) != (errs[1][k] == nil) || !bytes.Equal(out[0][k], out[1][k]) {
				t.Fatalf("assembly and Go differ: %v, %v", errs[0][k], errs[1][k])
			}
		}
	})
}
