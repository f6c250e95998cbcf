package rgb_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/rgb"
)

func TestPlacement(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(p *rgb.Placement)
		want rgb.Placement
	}{
		{"as it is", func(p *rgb.Placement) {}, rgb.Placement{40, 30, rgb.Axis{1, 0, 0, 40}, rgb.Axis{1, 0, 0, 30}}},
		{"crop", func(p *rgb.Placement) { p.Crop(rgb.Rect{X: 10, Y: 6, W: 20, H: 12}, 10, 24) },
			rgb.Placement{10, 24, rgb.Axis{0.5, -5, 0, 10}, rgb.Axis{2, -12, 0, 24}}},
		{"crop with padding", func(p *rgb.Placement) { p.Crop(rgb.Rect{X: -4, Y: 10, W: 40, H: 30}, 40, 30) },
			rgb.Placement{40, 30, rgb.Axis{1, 4, 4, 40}, rgb.Axis{1, -10, 0, 20}}},
		{"crop outside", func(p *rgb.Placement) { p.Crop(rgb.Rect{X: 50, Y: -30, W: 10, H: 30}, 5, 5) },
			rgb.Placement{5, 5, rgb.Axis{0.5, -25, 0, 0}, rgb.Axis{1.0 / 6, 5, 5, 5}}},
		{"flips", func(p *rgb.Placement) { p.FlipX(); p.FlipY() },
			rgb.Placement{40, 30, rgb.Axis{-1, 40, 0, 40}, rgb.Axis{-1, 30, 0, 30}}},
		{"flipped twice", func(p *rgb.Placement) { p.FlipX(); p.FlipX() },
			rgb.Placement{40, 30, rgb.Axis{1, 0, 0, 40}, rgb.Axis{1, 0, 0, 30}}},
		{"shift", func(p *rgb.Placement) { p.Shift(3, -2) },
			rgb.Placement{40, 30, rgb.Axis{1, 3, 3, 40}, rgb.Axis{1, -2, 0, 28}}},
		{"shift and back", func(p *rgb.Placement) { p.Shift(3, -2); p.Shift(-3, 2) },
			rgb.Placement{40, 30, rgb.Axis{1, 0, 0, 37}, rgb.Axis{1, 0, 2, 30}}},
		{"shift away", func(p *rgb.Placement) { p.Shift(40, -90) },
			rgb.Placement{40, 30, rgb.Axis{1, 40, 40, 40}, rgb.Axis{1, -90, 0, 0}}},
		{"crop, flip, shift", func(p *rgb.Placement) {
			p.Crop(rgb.Rect{X: 8, Y: 0, W: 16, H: 30}, 8, 15)
			p.FlipX()
			p.Shift(1, 0)
		}, rgb.Placement{8, 15, rgb.Axis{-0.5, 13, 1, 8}, rgb.Axis{0.5, 0, 0, 15}}},
	} {
		got := rgb.Place(40, 30)
		c.do(&got)
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// simulated is an outcome as a list of source pixels, bare where it is -1.
type simulated struct {
	w, h int
	from []int
}

func (s *simulated) each(w, h int, at func(x, y int) (int, int)) {
	from := make([]int, 0, w*h)
	for y := range h {
		for x := range w {
			v := -1
			if sx, sy := at(x, y); sx >= 0 && sy >= 0 && sx < s.w && sy < s.h {
				v = s.from[sy*s.w+sx]
			}
			from = append(from, v)
		}
	}
	s.w, s.h, s.from = w, h, from
}

// TestPlacementSimulated chains operations that move whole pixels, and
// enlargements by whole factors, and looks where each pixel has come from.
func TestPlacementSimulated(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var s rgb.Scratch
	for i := range 3000 {
		w, h := 1+rnd.IntN(20), 1+rnd.IntN(20)
		p := rgb.Place(w, h)
		sim := simulated{w: w, h: h}
		src := rgb.Raster{Width: w, Height: h, Channels: 1, Depth: 2, Pix: make([]byte, 2*w*h)}
		for k := range w * h {
			sim.from = append(sim.from, k)
			src.Pix[2*k], src.Pix[2*k+1] = byte(k), byte(k>>8)
		}
		for range rnd.IntN(6) {
			switch rnd.IntN(5) {
			case 0:
				p.FlipX()
				sim.each(sim.w, sim.h, func(x, y int) (int, int) { return sim.w - 1 - x, y })
			case 1:
				p.FlipY()
				sim.each(sim.w, sim.h, func(x, y int) (int, int) { return x, sim.h - 1 - y })
			case 2:
				dx, dy := rnd.IntN(9)-4, rnd.IntN(9)-4
				p.Shift(dx, dy)
				sim.each(sim.w, sim.h, func(x, y int) (int, int) { return x - dx, y - dy })
			default:
				r := rgb.Rect{X: rnd.IntN(11) - 5, Y: rnd.IntN(11) - 5, W: 1 + rnd.IntN(20), H: 1 + rnd.IntN(20)}
				kx, ky := 1, 1
				if sim.w*sim.h < 2000 {
					kx, ky = 1+rnd.IntN(3), 1+rnd.IntN(3)
				}
				p.Crop(r, kx*r.W, ky*r.H)
				sim.each(kx*r.W, ky*r.H, func(x, y int) (int, int) { return r.X + floor(x, kx), r.Y + floor(y, ky) })
			}
		}
		if p.Width != sim.w || p.Height != sim.h {
			t.Fatalf("case %d: %dx%d, want %dx%d", i, p.Width, p.Height, sim.w, sim.h)
		}
		got := make([]byte, 2*sim.w*sim.h)
		const bare = 0xFFFF
		if err := s.PlaceNearest(got, src, &p, []uint16{bare}); err != nil {
			t.Fatalf("case %d: %v", i, err)
		}
		for k, want := range sim.from {
			if v := int(got[2*k]) | int(got[2*k+1])<<8; v != want&bare {
				t.Fatalf("case %d, %+v: pixel (%d, %d) is %d, want %d", i, p, k%sim.w, k/sim.w, v, want)
			}
			if x, y := float64(k%sim.w)+0.5, float64(k/sim.w)+0.5; (want >= 0) != (x > p.X.Lo && x < p.X.Hi && y > p.Y.Lo && y < p.Y.Hi) {
				t.Fatalf("case %d, %+v: pixel (%d, %d) comes from %d", i, p, k%sim.w, k/sim.w, want)
			}
		}
	}
}

// floor is x/n rounded down.
func floor(x, n int) int { return int(math.Floor(float64(x) / float64(n))) }

func TestPlacementBox(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		name string
		do   func(p *rgb.Placement)
		box  [4]float64
		want [5]float64
	}{
		{"as it is", func(p *rgb.Placement) {}, [4]float64{3, 4, 10, 20}, [5]float64{3, 4, 10, 20, 1}},
		{"corners swapped", func(p *rgb.Placement) {}, [4]float64{10, 20, 3, 4}, [5]float64{3, 4, 10, 20, 1}},
		{"mirrored", func(p *rgb.Placement) { p.FlipX(); p.FlipY() }, [4]float64{3, 4, 10, 20}, [5]float64{30, 10, 37, 26, 1}},
		{"cropped", func(p *rgb.Placement) { p.Crop(rgb.Rect{X: 5, Y: 10, W: 20, H: 20}, 40, 10) }, [4]float64{3, 4, 13, 20}, [5]float64{0, 0, 16, 5, 0.8 * 0.625}},
		{"away", func(p *rgb.Placement) { p.Crop(rgb.Rect{X: 20, W: 20, H: 30}, 20, 30) }, [4]float64{3, 4, 13, 20}, [5]float64{0, 4, 0, 20, 0}},
		{"beside the picture", func(p *rgb.Placement) { p.Shift(10, 0) }, [4]float64{-5, 0, 5, 10}, [5]float64{10, 0, 15, 10, 0.5}},
		{"a point", func(p *rgb.Placement) {}, [4]float64{3, 4, 3, 4}, [5]float64{3, 4, 3, 4, 1}},
		{"a point outside", func(p *rgb.Placement) {}, [4]float64{50, 4, 50, 4}, [5]float64{40, 4, 40, 4, 0}},
		{"without an end", func(p *rgb.Placement) {}, [4]float64{0, 0, inf, 30}, [5]float64{0, 0, 40, 30, 0}},
		{"nothing shows", func(p *rgb.Placement) { p.Shift(40, 0) }, [4]float64{0, 0, 0, 30}, [5]float64{40, 0, 40, 30, 0}},
	} {
		p := rgb.Place(40, 30)
		c.do(&p)
		var got [5]float64
		got[0], got[1], got[2], got[3], got[4] = p.Box(c.box[0], c.box[1], c.box[2], c.box[3])
		if got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
