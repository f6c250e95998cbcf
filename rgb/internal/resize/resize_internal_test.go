package resize

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// noise is a plane of random samples, per to a place; its bytes end with its
// last row.
func noise(r *rand.Rand, w, h, per int) Plane {
	p := Plane{Stride: w*per + r.IntN(9), W: w, H: h}
	p.Pix = make([]byte, p.Stride*(h-1)+w*per)
	smooth := r.IntN(4) == 0
	for i := range p.Pix {
		if p.Pix[i] = byte(r.Uint32()); smooth && i >= p.Stride {
			p.Pix[i] = byte((3*int(p.Pix[i-p.Stride]) + int(p.Pix[i])) / 4)
		}
	}
	return p
}

// side is a length: often short, where the loops' tails are.
func side(r *rand.Rand, most int) int {
	if r.IntN(3) == 0 {
		most = min(most, 40)
	}
	return 1 + r.IntN(most)
}

// randomPhoto is a photo of random planes and subsampling.
func randomPhoto(r *rand.Rand, w, h int) *Photo {
	p := &Photo{Y: noise(r, w, h, 1), H: 1 << r.IntN(3), V: 1 << r.IntN(3)}
	cw, ch := (w+p.H-1)/p.H, (h+p.V-1)/p.V
	p.Cb, p.Cr = noise(r, cw, ch, 1), noise(r, cw, ch, 1)
	p.Gray, p.RGB = r.IntN(8) == 0, r.IntN(8) == 0
	return p
}

func randomCrop(r *rand.Rand, w, h int) Crop {
	x, y := r.IntN(w), r.IntN(h)
	c := Crop{float64(x), float64(y), float64(1 + r.IntN(w-x)), float64(1 + r.IntN(h-y)), r.IntN(2) == 0}
	switch r.IntN(5) {
	case 0:
		c.X, c.Y, c.W, c.H = 0, 0, float64(w), float64(h)
	case 1: // between samples
		c.X, c.W = c.X+r.Float64()*c.W*0.4, c.W*(0.1+r.Float64()*0.5)
		c.Y, c.H = c.Y+r.Float64()*c.H*0.4, c.H*(0.1+r.Float64()*0.5)
	}
	return c
}

func randomTarget(r *rand.Rand, most int) *Target {
	t := &Target{Width: side(r, most), Height: side(r, most), Layout: Layout(r.IntN(2)), Type: Type(r.IntN(4))}
	if r.IntN(3) > 0 {
		for c := range 3 {
			t.Mean[c], t.Std[c] = 110+30*r.Float32(), 50+20*r.Float32()
		}
	}
	return t
}

// TestAssembly holds the assembly to the Go loops, bit for bit.
func TestAssembly(t *testing.T) {
	if !fast {
		t.Skip("no assembly here")
	}
	r := rand.New(rand.NewPCG(1, 2))
	asm, plain := &Resizer{}, &Resizer{plain: true}
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		w, h := side(r, 700), side(r, 700)
		target := randomTarget(r, 300)
		if round%50 == 0 { // more taps than the kernels take
			w, h, target.Width, target.Height = 1+r.IntN(2500), 1+r.IntN(2500), 1+r.IntN(4), 1+r.IntN(4)
		}
		c := randomCrop(r, w, h)
		f := Filter(r.IntN(2))
		p, rgb := randomPhoto(r, w, h), noise(r, w, h, 3)
		what := fmt.Sprintf("round %d: %dx%d (chroma %dx%d, gray %v, rgb %v) %+v filter %d to %+v",
			round, w, h, p.H, p.V, p.Gray, p.RGB, c, f, *target)
		off := r.IntN(40)
		got, want := make([]byte, off+target.Size())[off:], make([]byte, target.Size())
		if err := asm.Planar(got, p, c, target, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := plain.Planar(want, p, c, target, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("planar %s: differs", what)
		}
		if err := asm.Packed(got, &rgb, c, target, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := plain.Packed(want, &rgb, c, target, f); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("packed %s: differs", what)
		}
	}
}
