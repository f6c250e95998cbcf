package resize_test

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/betongo/betongo/rgb/internal/resize"
)

// crops are seeded crops as torchvision's RandomResizedCrop takes them, of a
// photo of w by h.
func crops(n, w, h int) []resize.Crop {
	r := rand.New(rand.NewPCG(7, 11))
	out := make([]resize.Crop, 0, n)
	for len(out) < n {
		area := (0.08 + 0.92*r.Float64()) * float64(w*h)
		ratio := math.Exp(math.Log(3./4) + r.Float64()*math.Log(16./9))
		cw, ch := int(math.Round(math.Sqrt(area*ratio))), int(math.Round(math.Sqrt(area/ratio)))
		if cw < 1 || ch < 1 || cw > w || ch > h {
			continue
		}
		out = append(out, resize.Crop{X: float64(r.IntN(w - cw + 1)), Y: float64(r.IntN(h - ch + 1)),
			W: float64(cw), H: float64(ch), Flip: r.IntN(2) == 0})
	}
	return out
}

// texture is a plane with slopes and grain such as a photo has, swing around
// the middle.
func texture(w, h, per int, swing float64) resize.Plane {
	p := resize.Plane{Stride: w * per, W: w, H: h, Pix: make([]byte, w*h*per)}
	r := rand.New(rand.NewPCG(3, uint64(w)))
	for i := range p.Pix {
		x, y := float64(i/per%w)/float64(w), float64(i/per/w)/float64(h)
		v := math.Sin(9*x+4*y) + math.Sin(23*x*y+float64(i%per)) + 0.4*r.NormFloat64()
		p.Pix[i] = byte(min(max(128+swing*v/2, 0), 255))
	}
	return p
}

// batch is the rows of a batch that pictures are written to in turn, aligned
// as a loader's memory is.
func batch(t *resize.Target) [][]byte {
	rows := make([][]byte, 64)
	all := make([]byte, len(rows)*t.Size())
	for i := range rows {
		rows[i] = all[i*t.Size():][:t.Size()]
	}
	return rows
}

var norms = [2][3]float32{{123.675, 116.28, 103.53}, {58.395, 57.12, 57.375}}

var benchTargets = []struct {
	name   string
	target resize.Target
}{
	{"u8hwc", resize.Target{Width: 224, Height: 224}},
	{"u8chw", resize.Target{Width: 224, Height: 224, Layout: resize.CHW}},
	{"f32chw", resize.Target{Width: 224, Height: 224, Layout: resize.CHW, Type: resize.Float32, Mean: norms[0], Std: norms[1]}},
	{"f32hwc", resize.Target{Width: 224, Height: 224, Type: resize.Float32, Mean: norms[0], Std: norms[1]}},
	{"f16chw", resize.Target{Width: 224, Height: 224, Layout: resize.CHW, Type: resize.Float16, Mean: norms[0], Std: norms[1]}},
	{"bf16chw", resize.Target{Width: 224, Height: 224, Layout: resize.CHW, Type: resize.BFloat16, Mean: norms[0], Std: norms[1]}},
}

func run(b *testing.B, n int, t *resize.Target, one func(dst []byte, i int) error) {
	rows := batch(t)
	for i := range n {
		if err := one(rows[i%64], i); err != nil {
			b.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	i, begin := 0, clock()
	for b.Loop() {
		if err := one(rows[i%64], i%n); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportMetric((clock()-begin).Seconds()*1e3/float64(i), "cpu-ms/picture")
}

func BenchmarkPlanar(b *testing.B) {
	const n = 256
	cs := crops(n, 500, 375)
	p := &resize.Photo{Y: texture(500, 375, 1, 110), Cb: texture(250, 188, 1, 30), Cr: texture(250, 188, 1, 30), H: 2, V: 2}
	for _, plain := range []bool{false, true} {
		for _, f := range []resize.Filter{resize.Area, resize.Bilinear} {
			for _, t := range benchTargets {
				b.Run(name(plain, f, t.name), func(b *testing.B) {
					z := resize.New(plain)
					run(b, n, &t.target, func(dst []byte, i int) error { return z.Planar(dst, p, cs[i], &t.target, f) })
				})
			}
		}
	}
}

func BenchmarkPacked(b *testing.B) {
	const n = 256
	cs := crops(n, 256, 256)
	p := texture(256, 256, 3, 110)
	for _, plain := range []bool{false, true} {
		for _, f := range []resize.Filter{resize.Area, resize.Bilinear} {
			for _, t := range benchTargets[:3] {
				b.Run(name(plain, f, t.name), func(b *testing.B) {
					z := resize.New(plain)
					run(b, n, &t.target, func(dst []byte, i int) error { return z.Packed(dst, &p, cs[i], &t.target, f) })
				})
			}
		}
	}
}

func name(plain bool, f resize.Filter, target string) string {
	return "code=" + map[bool]string{false: "asm", true: "go"}[plain] +
		"/filter=" + map[resize.Filter]string{resize.Area: "area", resize.Bilinear: "bilinear"}[f] + "/to=" + target
}
