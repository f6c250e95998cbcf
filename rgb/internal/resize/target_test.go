package resize_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb/internal/resize"
)

// number is number i of a target's bytes.
func number(b []byte, i int, t resize.Type) float64 {
	le := binary.LittleEndian
	switch t {
	case resize.Uint8:
		return float64(b[i])
	case resize.Float32:
		return float64(math.Float32frombits(le.Uint32(b[4*i:])))
	case resize.BFloat16:
		return float64(math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16))
	}
	h := le.Uint16(b[2*i:])
	sign, exp, frac := 1-2*float64(h>>15), int(h>>10&31), float64(h&0x3ff)
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// TestTargets holds every layout and type to the bytes of the picture.
func TestTargets(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, size := range [][2]int{{1, 1}, {7, 5}, {8, 3}, {31, 9}, {224, 60}, {225, 64}} {
		p := &resize.Photo{Y: gentle(r, 300, 200, 110), Cb: gentle(r, 150, 100, 50), Cr: gentle(r, 150, 100, 50), H: 2, V: 2}
		packed := gentle(r, 300, 100, 120)
		packed.W /= 3
		c := resize.Crop{X: 5, Y: 3, W: 90, H: 80, Flip: true}
		for _, plain := range []bool{false, true} {
			z := resize.New(plain)
			for _, source := range []string{"planar", "packed"} {
				draw := func(target *resize.Target, skew int) []byte {
					dst := make([]byte, target.Size()+skew)[skew:]
					var err error
					if source == "planar" {
						err = z.Planar(dst, p, c, target, resize.Area)
					} else {
						err = z.Packed(dst, &packed, c, target, resize.Area)
					}
					if err != nil {
						t.Fatal(err)
					}
					return dst
				}
				w, h := size[0], size[1]
				want := draw(&resize.Target{Width: w, Height: h}, 0)
				for layout := range resize.CHW + 1 {
					for kind := range resize.BFloat16 + 1 {
						for skew := range 3 { // of the memory's alignment
							target := &resize.Target{Width: w, Height: h, Layout: layout, Type: kind, Mean: norms[0], Std: norms[1]}
							if skew == 2 {
								target.Std = [3]float32{}
							}
							checkNumbers(t, draw(target, skew), want, target)
						}
					}
				}
			}
		}
	}
}

func checkNumbers(t *testing.T, got, want []byte, target *resize.Target) {
	t.Helper()
	// A step of the type at 1, and float32's two roundings.
	step := map[resize.Type]float64{resize.Float32: 0x1p-22, resize.Float16: 0x1p-11 + 0x1p-22, resize.BFloat16: 0x1p-8 + 0x1p-22}[target.Type]
	plane := target.Width * target.Height
	for i := range want {
		c, at := i%3, i
		if target.Layout == resize.CHW {
			at = c*plane + i/3
		}
		v, g := float64(want[i]), number(got, at, target.Type)
		if target.Type != resize.Uint8 {
			v -= float64(target.Mean[c])
			if target.Std != [3]float32{} {
				v /= float64(target.Std[c])
			}
		}
		if math.Abs(g-v) > step*math.Abs(v) {
			t.Fatalf("%+v: number %d is %g, want %g", *target, at, g, v)
		}
	}
}

// TestErrors: what cannot be done is said, and nothing is written.
func TestErrors(t *testing.T) {
	big := int(^uint(0) >> 1)
	plane := func(w, h int) resize.Plane { return resize.Plane{Pix: make([]byte, w*h), Stride: w, W: w, H: h} }
	type job struct {
		p resize.Photo
		c resize.Crop
		t resize.Target
		n int
		f resize.Filter
	}
	nan, inf := math.NaN(), math.Inf(1)
	for _, test := range []struct {
		what string
		edit func(j *job)
		want string
	}{
		{"nothing wrong", func(j *job) {}, ""},
		{"target of no width", func(j *job) { j.t.Width = 0 }, "target is 0x"},
		{"target of no height", func(j *job) { j.t.Height = -1 }, "target is"},
		{"target huge", func(j *job) { j.t.Width, j.t.Height = big, big }, "target is"},
		{"target too wide", func(j *job) { j.t.Width = 1<<16 + 1 }, "target is"},
		{"short target", func(j *job) { j.n-- }, "expected"},
		{"long target", func(j *job) { j.n++ }, "expected"},
		{"unknown filter", func(j *job) { j.f = 2 }, "unknown"},
		{"unknown layout", func(j *job) { j.t.Layout = 2 }, "unknown"},
		{"unknown type", func(j *job) { j.t.Type = 4 }, "unknown"},
		{"crop of no width", func(j *job) { j.c.W = 0 }, "crop"},
		{"crop of negative height", func(j *job) { j.c.H = -3 }, "crop"},
		{"crop left of the plane", func(j *job) { j.c.X = -0.5 }, "crop"},
		{"crop above the plane", func(j *job) { j.c.Y = -1 }, "crop"},
		{"crop too far right", func(j *job) { j.c.X = 21 }, "crop"},
		{"crop too far down", func(j *job) { j.c.Y = 11.5 }, "crop"},
		{"crop beyond", func(j *job) { j.c.X, j.c.W = 40, 1e-9 }, "crop"},
		{"crop at NaN", func(j *job) { j.c.X = nan }, "crop"},
		{"crop of NaN", func(j *job) { j.c.H = nan }, "crop"},
		{"crop without end", func(j *job) { j.c.W = inf }, "crop"},
		{"no luma", func(j *job) { j.p.Y = resize.Plane{} }, "first plane"},
		{"luma of negative width", func(j *job) { j.p.Y.W = -40 }, "first plane"},
		{"luma too tall", func(j *job) { j.p.Y.H = 1<<16 + 1 }, "first plane"},
		{"luma short", func(j *job) { j.p.Y.Pix = j.p.Y.Pix[1:] }, "first plane"},
		{"stride too small", func(j *job) { j.p.Y.Stride = 39 }, "first plane"},
		{"stride negative", func(j *job) { j.p.Y.Stride = -40 }, "first plane"},
		{"stride huge", func(j *job) { j.p.Y.Stride = big }, "first plane"},
		{"stride that wraps", func(j *job) { j.p.Y.Stride = big/29 + 2 }, "first plane"},
		{"no chroma", func(j *job) { j.p.Cb = resize.Plane{} }, "second plane"},
		{"half of chroma", func(j *job) { j.p.Cr.Pix = nil }, "third plane"},
		{"chroma planes that differ", func(j *job) { j.p.Cr.W-- }, "chroma planes"},
		{"chroma too narrow", func(j *job) { j.p.Cb.W, j.p.Cr.W = 19, 19 }, "does not cover"},
		{"chroma too low", func(j *job) { j.p.Cb.H, j.p.Cr.H = 14, 14 }, "does not cover"},
		{"a third of luma", func(j *job) { j.p.H = 3 }, "chroma is smaller by"},
		{"an eighth of luma", func(j *job) { j.p.V = 8 }, "chroma is smaller by"},
		{"chroma larger", func(j *job) { j.p.H = -2 }, "does not cover"},
		{"deviation 0", func(j *job) { j.t.Type, j.n = resize.Float16, 2*j.n; j.t.Std = [3]float32{1, 0, 1} }, "normalise"},
		{"deviation too small", func(j *job) { j.t.Type, j.n = resize.Float16, 2*j.n; j.t.Std = [3]float32{1, 1e-40, 1} }, "normalise"},
		{"deviation NaN", func(j *job) { j.t.Type, j.n = resize.Float32, 4*j.n; j.t.Std[2] = float32(nan) }, "normalise"},
		{"mean infinite", func(j *job) { j.t.Type, j.n = resize.Float32, 4*j.n; j.t.Mean[0] = float32(inf) }, "normalise"},
	} {
		j := job{p: resize.Photo{Y: plane(40, 30), Cb: plane(20, 15), Cr: plane(20, 15), H: 2, V: 2},
			c: resize.Crop{X: 10, Y: 5, W: 20, H: 20}, t: resize.Target{Width: 9, Height: 8}, n: 3 * 9 * 8}
		test.edit(&j)
		dst := make([]byte, j.n)
		for i := range dst {
			dst[i] = 0x5A
		}
		err := resize.New(false).Planar(dst, &j.p, j.c, &j.t, j.f)
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.what, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want an error about %q", test.what, err, test.want)
		}
		if n := strings.Count(string(dst), "\x5A"); n != len(dst) {
			t.Errorf("%s: wrote %d bytes", test.what, len(dst)-n)
		}
	}
	for _, p := range []resize.Plane{{}, {Pix: make([]byte, 299), Stride: 30, W: 10, H: 10}, {Pix: make([]byte, 300), Stride: 29, W: 10, H: 10}} {
		if err := resize.New(false).Packed(make([]byte, 12), &p, resize.Crop{W: 1, H: 1}, &resize.Target{Width: 2, Height: 2}, resize.Area); err == nil {
			t.Errorf("packed %dx%d of %d bytes, %d apart: no error", p.W, p.H, len(p.Pix), p.Stride)
		}
	}
}

// TestExtremes: the longest sides, the smallest crops.
func TestExtremes(t *testing.T) {
	long := resize.Plane{Pix: make([]byte, 1<<16), Stride: 1 << 16, W: 1 << 16, H: 1}
	tall := resize.Plane{Pix: long.Pix, Stride: 1, W: 1, H: 1 << 16}
	for i := range long.Pix {
		long.Pix[i] = 200
	}
	for _, plain := range []bool{false, true} {
		z := resize.New(plain)
		for _, p := range []resize.Plane{long, tall} {
			photo := &resize.Photo{Y: p, Cb: p, Cr: p, RGB: true}
			for _, c := range []resize.Crop{
				{W: float64(p.W), H: float64(p.H)},
				{X: float64(p.W) - 1e-9, W: 1e-9, H: float64(p.H)},
				{W: 1e-320, H: 1e-320},
				{X: 0.3, Y: 0.3, W: 0.2, H: 0.2},
				{X: float64(p.W-1) + 0.5, Y: float64(p.H-1) + 0.5, W: 0.5, H: 0.5},
				{X: float64(p.W-1) / 3, Y: float64(p.H-1) / 3, W: float64(p.W-1)/2 + 0.1, H: float64(p.H-1)/2 + 0.1},
			} {
				for _, size := range [][2]int{{1, 1}, {2, 3}, {40, 40}, {500, 1}, {1, 50}, {p.W, p.H}} {
					for f := range resize.Bilinear + 1 {
						target := &resize.Target{Width: size[0], Height: size[1]}
						dst := make([]byte, target.Size())
						if err := z.Planar(dst, photo, c, target, f); err != nil {
							t.Fatal(err)
						}
						for i, v := range dst {
							if v != 200 {
								t.Fatalf("%dx%d %+v to %v, filter %d: byte %d is %d, want 200", p.W, p.H, c, size, f, i, v)
							}
						}
					}
				}
			}
		}
	}
}

// TestNoAllocations: once sizes are known, a picture costs no memory.
func TestNoAllocations(t *testing.T) {
	cs := crops(32, 500, 375)
	p := &resize.Photo{Y: texture(500, 375, 1, 100), Cb: texture(250, 188, 1, 30), Cr: texture(250, 188, 1, 30), H: 2, V: 2}
	rgb := texture(500, 375, 3, 100)
	for _, plain := range []bool{false, true} {
		for _, b := range benchTargets {
			z := resize.New(plain)
			dst := make([]byte, b.target.Size())
			all := func() {
				for _, c := range cs {
					for f := range resize.Bilinear + 1 {
						if z.Planar(dst, p, c, &b.target, f) != nil || z.Packed(dst, &rgb, c, &b.target, f) != nil {
							t.Fatal("an error")
						}
					}
				}
			}
			all()
			// The runtime itself may allocate now and then: one round without is proof.
			n := testing.AllocsPerRun(1, all)
			for try := 0; n > 0 && try < 3; try++ {
				n = testing.AllocsPerRun(1, all)
			}
			if n > 0 {
				t.Errorf("%s: %g allocations for %d pictures", b.name, n, 4*len(cs))
			}
		}
	}
}
