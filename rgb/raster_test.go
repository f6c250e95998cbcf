package rgb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// noisy is the picture that testdata/resize/raster.py makes.
func noisy(w, h, channels, depth int) rgb.Raster {
	r := rgb.Raster{Width: w, Height: h, Channels: channels, Depth: depth}
	for i := range w * h * channels {
		v := (uint32(i) + uint32(w)*7919) * 2654435761
		v ^= v >> 15
		v *= 2246822519
		if depth == 1 {
			r.Pix = append(r.Pix, byte(v>>24))
		} else {
			r.Pix = binary.LittleEndian.AppendUint16(r.Pix, uint16(v>>16))
		}
	}
	return r
}

// at gives one number of a raster.
func at(r *rgb.Raster, x, y, c int) int {
	i := (y*r.Width+x)*r.Channels + c
	if r.Depth == 1 {
		return int(r.Pix[i])
	}
	return int(binary.LittleEndian.Uint16(r.Pix[2*i:]))
}

// outcome makes room for a placement's result.
func outcome(p *rgb.Placement, src *rgb.Raster) rgb.Raster {
	return rgb.Raster{Width: p.Width, Height: p.Height, Channels: src.Channels, Depth: src.Depth,
		Pix: bytes.Repeat([]byte{0xA5}, p.Width*p.Height*src.Channels*src.Depth)}
}

// flipped mirrors a raster.
func flipped(r rgb.Raster, x, y bool) []byte {
	size := r.Channels * r.Depth
	var out []byte
	for i := range r.Height {
		if y {
			i = r.Height - 1 - i
		}
		for k := range r.Width {
			if x {
				k = r.Width - 1 - k
			}
			out = append(out, r.Pix[(i*r.Width+k)*size:][:size]...)
		}
	}
	return out
}

// TestPlaceAreaAsOpenCV holds crops to cv2.resize with INTER_AREA, flips after
// that to mirrored ones.
func TestPlaceAreaAsOpenCV(t *testing.T) {
	var golden struct {
		Made  string
		Cases []struct {
			Size, Out       [2]int
			Crop            [4]int
			Channels, Depth int
			SHA256          string
		}
	}
	readJSON(t, filepath.Join("..", "testdata", "resize", "raster.json"), &golden)
	if len(golden.Cases) < 160 {
		t.Fatalf("only %d cases", len(golden.Cases))
	}
	var s rgb.Scratch
	for i, c := range golden.Cases {
		src := noisy(c.Size[0], c.Size[1], c.Channels, c.Depth)
		var first []byte
		for flip := range 4 {
			p := rgb.Place(src.Width, src.Height)
			if i%2 == 0 { // the same in two steps
				p.Crop(rgb.Rect{X: c.Crop[0], Y: c.Crop[1], W: src.Width, H: src.Height}, src.Width, src.Height)
				p.Crop(rgb.Rect{W: c.Crop[2], H: c.Crop[3]}, c.Out[0], c.Out[1])
			} else {
				p.Crop(rgb.Rect{X: c.Crop[0], Y: c.Crop[1], W: c.Crop[2], H: c.Crop[3]}, c.Out[0], c.Out[1])
			}
			if flip&1 != 0 {
				p.FlipX()
			}
			if flip&2 != 0 {
				p.FlipY()
			}
			out := outcome(&p, &src)
			if err := s.PlaceArea(out.Pix, src, &p, nil); err != nil {
				t.Fatal(err)
			}
			if flip == 0 {
				first = out.Pix
				sum := sha256.Sum256(out.Pix)
				if hex.EncodeToString(sum[:]) != c.SHA256 {
					t.Errorf("%d channels of %d bytes, %v, %v to %v: other numbers than %s", c.Channels, c.Depth, c.Size, c.Crop, c.Out, golden.Made)
				}
			} else if got := flipped(out, flip&1 != 0, flip&2 != 0); !bytes.Equal(got, first) {
				t.Errorf("%d channels of %d bytes, %v, %v to %v, flips %b: other numbers", c.Channels, c.Depth, c.Size, c.Crop, c.Out, flip)
			}
		}
	}
}

// TestPlaceAreaIsResizeArea holds random crops of RGB to ResizeArea.
func TestPlaceAreaIsResizeArea(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	src := noisy(97, 71, 3, 1)
	img := rgb.Image{Width: 97, Height: 71, Pix: src.Pix}
	var s rgb.Scratch
	var want rgb.Image
	for range 500 {
		crop := randomResized(rnd, 97, 71)
		p := rgb.Place(97, 71)
		p.Crop(crop, 1+rnd.IntN(80), 1+rnd.IntN(80))
		out := outcome(&p, &src)
		if err := s.PlaceArea(out.Pix, src, &p, nil); err != nil {
			t.Fatal(err)
		}
		if s.ResizeArea(&want, img, crop, p.Width, p.Height); !bytes.Equal(out.Pix, want.Pix) {
			t.Fatalf("%v to %dx%d: other pixels", crop, p.Width, p.Height)
		}
	}
}

// randomPlacement chains a few operations, bare parts and all.
func randomPlacement(rnd *rand.Rand, w, h int) rgb.Placement {
	p := rgb.Place(w, h)
	for range 1 + rnd.IntN(4) {
		switch rnd.IntN(6) {
		case 0:
			p.FlipX()
		case 1:
			p.FlipY()
		case 2:
			p.Shift(rnd.IntN(21)-10, rnd.IntN(21)-10)
		case 3:
			n := rnd.IntN(9)
			p.Crop(rgb.Rect{X: -n, Y: -n, W: p.Width + 2*n, H: p.Height + 2*n}, p.Width+2*n, p.Height+2*n)
		default:
			p.Crop(randomResized(rnd, p.Width, p.Height), 1+rnd.IntN(70), 1+rnd.IntN(70))
		}
	}
	return p
}

// TestPlaceNearestMakesNoClass places masks of a few classes ten thousand times:
// what comes out has been in, or is the fill.
func TestPlaceNearestMakesNoClass(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var s rgb.Scratch
	for i := range 10000 {
		w, h, channels, depth := 1+rnd.IntN(60), 1+rnd.IntN(60), 1+rnd.IntN(4), 1+rnd.IntN(2)
		src := rgb.Raster{Width: w, Height: h, Channels: channels, Depth: depth, Pix: make([]byte, w*h*channels*depth)}
		have := map[string]bool{}
		for k := 0; k < len(src.Pix); k += channels * depth {
			class := 37 * rnd.IntN(5)
			for c := range channels {
				src.Pix[k+c*depth] = byte(class + c)
			}
			have[string(src.Pix[k:k+channels*depth])] = true
		}
		fill := []uint16{255, 254, 253, 252}[:channels]
		var bare []byte
		for _, v := range fill {
			if bare = append(bare, byte(v)); depth == 2 {
				bare = append(bare, 0)
			}
		}
		p := randomPlacement(rnd, w, h)
		out := outcome(&p, &src)
		if err := s.PlaceNearest(out.Pix, src, &p, fill); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		for k := 0; k < len(out.Pix); k += channels * depth {
			v := out.Pix[k : k+channels*depth]
			x, y := float64(k/(channels*depth)%p.Width)+0.5, float64(k/(channels*depth)/p.Width)+0.5
			shows := x > p.X.Lo && x < p.X.Hi && y > p.Y.Lo && y < p.Y.Hi
			edge := min(math.Abs(x-p.X.Lo), math.Abs(x-p.X.Hi), math.Abs(y-p.Y.Lo), math.Abs(y-p.Y.Hi)) < 1e-6
			if in, out := have[string(v)], bytes.Equal(v, bare); shows && !in && !edge || !shows && !out && !edge || !in && !out {
				t.Fatalf("%d: %+v: pixel (%g, %g) is %v", i, p, x, y, v)
			}
		}
	}
}

// TestPlaceNearestLiesUnderArea: where a picture of large flat squares is resized
// by area to pixels of one square, the nearest one is of that square.
func TestPlaceNearestLiesUnderArea(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	src := rgb.Raster{Width: 120, Height: 90, Channels: 1, Depth: 1}
	for i := range 120 * 90 {
		src.Pix = append(src.Pix, byte((i%120/15+i/120/15)%2*255))
	}
	var s rgb.Scratch
	compared := 0
	for range 500 {
		p := randomPlacement(rnd, src.Width, src.Height)
		if (math.Abs(p.X.Scale) < 1) != (math.Abs(p.Y.Scale) < 1) {
			continue // where one axis grows, INTER_AREA interpolates the other too
		}
		a, b := outcome(&p, &src), outcome(&p, &src)
		if err := s.PlaceArea(a.Pix, src, &p, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.PlaceNearest(b.Pix, src, &p, nil); err != nil {
			t.Fatal(err)
		}
		for i, v := range a.Pix {
			if v == 0 || v == 255 {
				if compared++; v != b.Pix[i] {
					t.Fatalf("%+v: pixel (%d, %d) is %d, by area %d", p, i%p.Width, i/p.Width, b.Pix[i], v)
				}
			}
		}
	}
	t.Log(compared, "pixels")
}

// TestPlaceNearestHalves: centres on an edge take the latter pixel, and a flip
// before or after is the same.
func TestPlaceNearestHalves(t *testing.T) {
	src := rgb.Raster{Width: 6, Height: 1, Channels: 1, Depth: 1, Pix: []byte{0, 1, 2, 3, 4, 5}}
	var s rgb.Scratch
	for _, c := range []struct {
		n    int
		flip bool
		want []byte
	}{{3, false, []byte{1, 3, 5}}, {3, true, []byte{5, 3, 1}}, {2, false, []byte{1, 4}}, {4, false, []byte{0, 2, 3, 5}}, {12, false, []byte{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}}} {
		p := rgb.Place(6, 1)
		p.Crop(rgb.Rect{W: 6, H: 1}, c.n, 1)
		if c.flip {
			p.FlipX()
		}
		got := make([]byte, c.n)
		if err := s.PlaceNearest(got, src, &p, nil); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// TestPlaceAreaCovers holds any placement to sums over the source's pixels in
// float64.
func TestPlaceAreaCovers(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	var s rgb.Scratch
	for i := range 300 {
		channels, depth := 1+i%4, 1+i/4%2
		src := noisy(1+rnd.IntN(25), 1+rnd.IntN(25), channels, depth)
		fill := []uint16{200, 7, 90, 255}[:channels]
		p := randomPlacement(rnd, src.Width, src.Height)
		p.Crop(rgb.Rect{X: -1, Y: 1, W: p.Width + 2, H: p.Height}, 1+rnd.IntN(30), 1+rnd.IntN(30)) // bare at the sides
		out := outcome(&p, &src)
		if err := s.PlaceArea(out.Pix, src, &p, fill); err != nil {
			t.Fatal(err)
		}
		overlap := func(a rgb.Axis, o, k int) float64 { // of an outcome's pixel with a source's
			v0, v1 := a.Scale*float64(k)+a.Shift, a.Scale*float64(k+1)+a.Shift
			return max(0, min(max(v0, v1), a.Hi, float64(o+1))-max(min(v0, v1), a.Lo, float64(o)))
		}
		for y := range p.Height {
			for x := range p.Width {
				for c := range channels {
					sum, shown := 0.0, 0.0
					for sy := range src.Height {
						for sx := range src.Width {
							w := overlap(p.X, x, sx) * overlap(p.Y, y, sy)
							sum, shown = sum+w*float64(at(&src, sx, sy, c)), shown+w
						}
					}
					want := sum + (1-shown)*float64(fill[c])
					if got := at(&out, x, y, c); math.Abs(float64(got)-want) > 0.55 {
						t.Fatalf("case %d, %+v: pixel (%d, %d), channel %d is %d, want %g", i, p, x, y, c, got, want)
					}
				}
			}
		}
	}
}

// TestPlaceNearestAnywhere: rasters may begin at any byte of memory.
func TestPlaceNearestAnywhere(t *testing.T) {
	var s rgb.Scratch
	for _, k := range [][2]int{{1, 1}, {1, 2}, {2, 2}, {3, 1}, {3, 2}, {4, 1}, {4, 2}} {
		src := noisy(50, 40, k[0], k[1])
		p := rgb.Place(50, 40)
		p.Crop(rgb.Rect{X: 3, Y: 4, W: 40, H: 33}, 31, 30)
		want := outcome(&p, &src)
		if err := s.PlaceNearest(want.Pix, src, &p, nil); err != nil {
			t.Fatal(err)
		}
		for off := range 8 {
			moved := src
			moved.Pix = append(make([]byte, off), src.Pix...)[off:]
			got := make([]byte, len(want.Pix)+8)[8-off:][:len(want.Pix)]
			if err := s.PlaceNearest(got, moved, &p, nil); err != nil || !bytes.Equal(got, want.Pix) {
				t.Errorf("%d channels of %d bytes, at %d: %v, or other numbers", k[0], k[1], off, err)
			}
		}
	}
}

func TestPlaceRefuses(t *testing.T) {
	src := noisy(10, 8, 2, 1)
	whole := rgb.Place(10, 8)
	with := func(f func(r *rgb.Raster)) rgb.Raster { r := src; f(&r); return r }
	placed := func(f func(p *rgb.Placement)) rgb.Placement { p := whole; f(&p); return p }
	for _, c := range []struct {
		name string
		src  rgb.Raster
		p    rgb.Placement
		n    int
		fill []uint16
	}{
		{"no channels", with(func(r *rgb.Raster) { r.Channels = 0 }), whole, 160, nil},
		{"five channels", with(func(r *rgb.Raster) { r.Channels = 5 }), whole, 160, nil},
		{"depth", with(func(r *rgb.Raster) { r.Depth = 3 }), whole, 160, nil},
		{"short", with(func(r *rgb.Raster) { r.Pix = r.Pix[1:] }), whole, 160, nil},
		{"no width", with(func(r *rgb.Raster) { r.Width = 0 }), whole, 160, nil},
		{"wide", with(func(r *rgb.Raster) { r.Width = 1 << 40 }), whole, 160, nil},
		{"short memory", src, whole, 159, nil},
		{"fill of one", src, whole, 160, []uint16{1}},
		{"fill of no byte", src, whole, 160, []uint16{1, 256}},
		{"nothing", src, rgb.Placement{}, 0, nil},
		{"another source", src, rgb.Place(11, 8), 176, nil},
		{"no scale", src, placed(func(p *rgb.Placement) { p.X.Scale = 0 }), 160, nil},
		{"NaN", src, placed(func(p *rgb.Placement) { p.Y.Shift = math.NaN() }), 160, nil},
		{"outside", src, placed(func(p *rgb.Placement) { p.X.Hi = 11 }), 160, nil},
		{"before the source", src, placed(func(p *rgb.Placement) { p.X.Shift = 3 }), 160, nil},
		{"the wrong way round", src, placed(func(p *rgb.Placement) { p.X.Lo = 5; p.X.Hi = 4 }), 160, nil},
		{"cut by nothing", src, placed(func(p *rgb.Placement) { p.Crop(rgb.Rect{}, 10, 8) }), 160, nil},
	} {
		var s rgb.Scratch
		dst := bytes.Repeat([]byte{9}, c.n)
		for _, err := range []error{s.PlaceNearest(dst, c.src, &c.p, c.fill), s.PlaceArea(dst, c.src, &c.p, c.fill)} {
			if err == nil || bytes.Count(dst, []byte{9}) != c.n {
				t.Errorf("%s: %v, or something written", c.name, err)
			}
		}
	}
}

func TestPlaceAllocatesNothing(t *testing.T) {
	var s rgb.Scratch
	rnd := rand.New(rand.NewPCG(9, 10))
	for _, src := range []rgb.Raster{noisy(60, 50, 1, 1), noisy(60, 50, 3, 1), noisy(60, 50, 4, 2)} {
		list := make([]rgb.Placement, 40)
		for i := range list {
			list[i] = randomPlacement(rnd, 60, 50)
		}
		dst := make([]byte, 1<<18)
		fill := []uint16{1, 2, 3, 4}[:src.Channels]
		if n := testing.AllocsPerRun(5, func() {
			for i := range list {
				p := &list[i]
				out := dst[:p.Width*p.Height*src.Channels*src.Depth]
				if s.PlaceNearest(out, src, p, fill) != nil || s.PlaceArea(out, src, p, fill) != nil {
					t.Fatal("error")
				}
			}
		}); n != 0 {
			t.Errorf("%d channels of %d bytes: %v allocations", src.Channels, src.Depth, n)
		}
	}
}

func BenchmarkPlace(b *testing.B) {
	for _, k := range []struct{ channels, depth int }{{1, 1}, {3, 1}, {1, 2}, {4, 1}} {
		src := noisy(500, 375, k.channels, k.depth)
		p := rgb.Place(500, 375)
		p.Crop(rgb.Rect{X: 40, Y: 30, W: 400, H: 300}, 224, 224)
		p.FlipX()
		out := outcome(&p, &src)
		var s rgb.Scratch
		for name, place := range map[string]func([]byte, rgb.Raster, *rgb.Placement, []uint16) error{"nearest": s.PlaceNearest, "area": s.PlaceArea} {
			b.Run(fmt.Sprintf("filter=%s/channels=%d/depth=%d", name, k.channels, k.depth), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := place(out.Pix, src, &p, nil); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
