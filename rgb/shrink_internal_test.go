package rgb

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestShrinkIsGo compares assembly and Go over many shapes, some crops of which
// end where the memory does.
func TestShrinkIsGo(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(11, 12))
	fast, plain := new(Scratch), new(Scratch)
	plain.resize.plain = true
	for i := range 3000 {
		w, h := 1+rnd.IntN(120), 1+rnd.IntN(40)
		if i%10 == 0 {
			w = 1 + rnd.IntN(3000)
		}
		src := Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
		for k := range src.Pix {
			src.Pix[k] = byte(rnd.IntN(256))
		}
		crop := Rect{W: 1 + rnd.IntN(w), H: 1 + rnd.IntN(h)}
		crop.X, crop.Y = rnd.IntN(w-crop.W+1), rnd.IntN(h-crop.H+1)
		dw, dh := 1+rnd.IntN(crop.W), 1+rnd.IntN(crop.H)
		var got, want Image
		fast.ResizeArea(&got, src, crop, dw, dh)
		plain.ResizeArea(&want, src, crop, dw, dh)
		if !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("%v of %dx%d to %dx%d: other pixels than Go's", crop, w, h, dw, dh)
		}
	}
}
