package resize_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/rgb/internal/resize"
)

// The reference: upsample chroma as libjpeg does, convert, crop, resize, each
// in float64 and the plainest way.

type grid struct {
	w, h int
	v    []float64
}

func newGrid(w, h int) grid            { return grid{w, h, make([]float64, w*h)} }
func (g grid) at(x, y int) float64     { return g.v[min(max(y, 0), g.h-1)*g.w+min(max(x, 0), g.w-1)] }
func (g grid) set(x, y int, v float64) { g.v[y*g.w+x] = v }
func (g grid) turn() grid              { return remake(g.h, g.w, func(x, y int) float64 { return g.at(y, x) }) }
func gridOf(p *resize.Plane) grid {
	return remake(p.W, p.H, func(x, y int) float64 { return float64(p.Pix[y*p.Stride+x]) })
}
func remake(w, h int, f func(x, y int) float64) grid {
	g := newGrid(w, h)
	for y := range h {
		for x := range w {
			g.set(x, y, f(x, y))
		}
	}
	return g
}

// wider upsamples rows.
func (g grid) wider(ratio int, smooth bool, w int) grid {
	return remake(w, g.h, func(x, y int) float64 {
		if ratio == 2 && smooth {
			return 0.75*g.at(x/2, y) + 0.25*g.at(x/2+x%2*2-1, y)
		}
		return g.at(x/ratio, y)
	})
}

// resized resizes rows [at, at+size) to n samples.
func (g grid) resized(at, size float64, n int, weigh func(lo, hi, scale, x float64) float64) grid {
	out := newGrid(n, g.h)
	scale := size / float64(n)
	for i := range n {
		lo := at + float64(i)*scale
		sum := 0.0
		row := make([]float64, g.h)
		for x := int(at); float64(x) < at+size; x++ {
			if w := weigh(lo, lo+scale, scale, float64(x)); w > 0 {
				sum += w
				for y := range row {
					row[y] += w * g.at(x, y)
				}
			}
		}
		for y, v := range row {
			out.set(i, y, v/sum)
		}
	}
	return out
}

// cover is the length of the sample at x that lies between lo and hi.
func cover(lo, hi, _, x float64) float64 { return min(hi, x+1) - max(lo, x) }

// triangle falls with the distance from the middle of lo and hi.
func triangle(lo, hi, scale, x float64) float64 {
	return max(scale, 1) - math.Abs(x+0.5-(lo+hi)/2)
}

// between interpolates on area coordinates. Where a sample's weight ends is
// OpenCV's to say, down to its rounding to float32.
func between(at, size float64, n int) func(lo, hi, scale, x float64) float64 {
	inv := float64(n) / size
	return func(lo, _, scale, x float64) float64 {
		i := math.Round((lo - at) / scale)
		s := math.Floor(i * (1 / inv))
		f := float64(float32((i + 1) - float64((s+1)*inv)))
		if f = max(f, 0); f > 0 {
			f -= math.Floor(f)
		}
		p := min(s+f, size-1) + at
		return 1 - math.Abs(x-p)
	}
}

func reference(p *resize.Photo, c resize.Crop, t *resize.Target, f resize.Filter) []float64 {
	full := [3]grid{gridOf(&p.Y)}
	smooth := p.H <= 2 && p.V <= 2 && (p.H == 1 || p.Cb.W > 2)
	for i, plane := range []*resize.Plane{&p.Cb, &p.Cr} {
		g := gridOf(plane).wider(p.H, smooth, p.Y.W).turn()
		full[i+1] = g.wider(p.V, smooth, p.Y.H).turn()
	}
	if !p.RGB {
		y, cb, cr := full[0], full[1], full[2]
		for i := range y.v {
			l, u, v := y.v[i], cb.v[i]-128, cr.v[i]-128
			y.v[i], cb.v[i], cr.v[i] = l+1.402*v, l-0.344136*u-0.714136*v, l+1.772*u
		}
	}
	out := make([]float64, 3*t.Width*t.Height)
	for k, g := range full {
		x, y := triangle, triangle
		if f == resize.Area {
			x, y = cover, cover
			if c.W < float64(t.Width) || c.H < float64(t.Height) {
				x, y = between(c.X, c.W, t.Width), between(c.Y, c.H, t.Height)
			}
		}
		g = g.resized(c.X, c.W, t.Width, x).turn()
		g = g.resized(c.Y, c.H, t.Height, y).turn()
		for i, v := range g.v {
			at := i
			if c.Flip {
				at = i/t.Width*t.Width + t.Width - 1 - i%t.Width
			}
			out[3*at+k] = v
		}
	}
	return out
}

// gentle is a plane of slow waves around a middle, so that no colour is
// clipped, with its bytes ending with its last row.
func gentle(r *rand.Rand, w, h int, swing float64) resize.Plane {
	p := resize.Plane{Stride: w + r.IntN(5), W: w, H: h}
	p.Pix = make([]byte, p.Stride*(h-1)+w)
	a, b, c := 0.5*r.Float64(), 0.5*r.Float64(), 6*r.Float64()
	for y := range h {
		for x := range w {
			p.Pix[y*p.Stride+x] = byte(128 + swing*math.Sin(a*float64(x)+b*float64(y)+c))
		}
	}
	return p
}

// TestPlanar holds planar pictures to upsampling, converting and resizing
// exactly: within one level, at every subsampling, crop and filter.
func TestPlanar(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	z := resize.New(false)
	worst, total, n := 0.0, 0.0, 0
	for _, h := range []int{1, 2, 4} {
		for _, v := range []int{1, 2, 4} {
			for round := range 12 {
				w, hh := 3+r.IntN(90), 3+r.IntN(90)
				cw, ch := (w+h-1)/h, (hh+v-1)/v
				p := &resize.Photo{Y: gentle(r, w, hh, 60), Cb: gentle(r, cw, ch, 30), Cr: gentle(r, cw, ch, 30), H: h, V: v, RGB: round%6 == 5}
				c := resize.Crop{X: float64(r.IntN(w)), Y: float64(r.IntN(hh)), Flip: round%2 == 1}
				c.W, c.H = 1+float64(r.IntN(w-int(c.X))), 1+float64(r.IntN(hh-int(c.Y)))
				target := &resize.Target{Width: 1 + r.IntN(50), Height: 1 + r.IntN(50)}
				f := resize.Filter(round / 2 % 2)
				if round%3 == 0 && f == resize.Bilinear { // between samples
					c.X, c.W = c.X+0.3, c.W*0.7-0.3
					c.Y, c.H = c.Y+0.4, c.H*0.6-0.15
				}
				got := make([]byte, target.Size())
				if err := z.Planar(got, p, c, target, f); err != nil {
					t.Fatal(err)
				}
				most := 0.0
				for i, want := range reference(p, c, target, f) {
					d := math.Abs(float64(got[i]) - want)
					most = max(most, d)
					total, n = total+d, n+1
				}
				worst = max(worst, most)
				if most > 1 {
					t.Errorf("%dx%d, chroma %dx%d (rgb %v), %+v to %dx%d, filter %d: %.2f levels off",
						w, hh, h, v, p.RGB, c, target.Width, target.Height, f, most)
				}
			}
		}
	}
	t.Logf("at most %.2f levels from the exact result, %.2f on average (rounding to bytes alone gives 0.25)", worst, total/float64(n))
}

// TestGray holds a gray photo to the RGB photo of the same planes.
func TestGray(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	y := gentle(r, 61, 47, 120)
	c := resize.Crop{X: 3, Y: 4, W: 50, H: 41}
	for i := range 16 {
		layout, kind, width := resize.Layout(i&1), resize.Type(i>>1&3), 35
		if i >= 8 { // whole blocks
			width = 64
		}
		for _, plain := range []bool{false, true} {
			target := &resize.Target{Width: width, Height: 31, Layout: layout, Type: kind, Mean: norms[0], Std: norms[1]}
			got, want := make([]byte, target.Size()), make([]byte, target.Size())
			z := resize.New(plain)
			if err := z.Planar(got, &resize.Photo{Y: y, Gray: true}, c, target, resize.Area); err != nil {
				t.Fatal(err)
			}
			if err := z.Planar(want, &resize.Photo{Y: y, Cb: y, Cr: y, RGB: true}, c, target, resize.Area); err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("layout %d, type %d, width %d: gray differs from three planes alike", layout, kind, width)
			}
		}
	}
}

// TestFlat: a flat picture stays flat, at both ends of the range.
func TestFlat(t *testing.T) {
	for _, v := range []byte{0, 1, 127, 254, 255} {
		p := resize.Plane{Pix: make([]byte, 300*200), Stride: 300, W: 300, H: 200}
		for i := range p.Pix {
			p.Pix[i] = v
		}
		photo := &resize.Photo{Y: p, Cb: p, Cr: p, RGB: true, H: 2, V: 2}
		packed := resize.Plane{Pix: p.Pix, Stride: 300, W: 100, H: 200}
		for _, size := range [][2]int{{224, 224}, {100, 100}, {99, 1}, {1, 1}, {33, 300}} {
			for f := range resize.Bilinear + 1 {
				target := &resize.Target{Width: size[0], Height: size[1]}
				a, b := make([]byte, target.Size()), make([]byte, target.Size())
				z := resize.New(false)
				if err := z.Planar(a, photo, resize.Crop{X: 3, Y: 5, W: 280, H: 190}, target, f); err != nil {
					t.Fatal(err)
				}
				if err := z.Packed(b, &packed, resize.Crop{X: 3, Y: 5, W: 95, H: 190}, target, f); err != nil {
					t.Fatal(err)
				}
				for i := range a {
					if a[i] != v || b[i] != v {
						t.Fatalf("%d became %d (planar) and %d (packed) at %d of %v, filter %d", v, a[i], b[i], i, size, f)
					}
				}
			}
		}
	}
}
