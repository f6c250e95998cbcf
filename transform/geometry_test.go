package transform_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// planes is the spec of images of so many channels.
func planes(h, w, channels int) array.Spec {
	return array.Spec{DType: array.Uint8, Shape: []int{h, w, channels}}
}

func TestVerticalFlip(t *testing.T) {
	for _, h := range []int{1, 2, 3, 8, 9} {
		for _, w := range []int{1, 5, 400} { // rows shorter and longer than what is held while they are exchanged
			e := gradient(w, h)
			_, flip := bound(t, transform.VerticalFlip{P: 1}, pixels(h, w))
			got := flip(e.Data, rand.New(rand.NewPCG(1, 1)))
			for y := range h {
				if !bytes.Equal(got[3*w*y:3*w*(y+1)], e.Data[3*w*(h-1-y):3*w*(h-y)]) {
					t.Fatalf("%dx%d: row %d", w, h, y)
				}
			}
		}
	}
}

// framed cuts a window out of a picture with a frame without end.
func framed(src []byte, w, h, channels int, r rgb.Rect, fill []byte) []byte {
	var out []byte
	for y := r.Y; y < r.Y+r.H; y++ {
		for x := r.X; x < r.X+r.W; x++ {
			if x < 0 || y < 0 || x >= w || y >= h {
				out = append(out, fill...)
			} else {
				out = append(out, src[channels*(y*w+x):][:channels]...)
			}
		}
	}
	return out
}

var randomCrops = []transform.RandomCrop{
	{Width: 5, Height: 4},
	{Width: 12, Height: 9},
	{Width: 3, Height: 3, Padding: 2, Fill: []uint8{7, 8, 9}},
	{Width: 12, Height: 9, Padding: 4, Fill: []uint8{7, 8, 9}},
	{Width: 2, Height: 1, Padding: 20},
	{Width: 15, Height: 4, PadIfNeeded: true, Fill: []uint8{7, 8, 9}},
	{Width: 50, Height: 60, PadIfNeeded: true},
	{Width: 15, Height: 11, Padding: 1, PadIfNeeded: true},
	{Width: 14, Height: 11, Padding: 1},
}

// TestRandomCrop compares the operation and the decoder with windows of a framed
// picture, and looks that every place is drawn.
func TestRandomCrop(t *testing.T) {
	const w, h = 12, 9
	e := gradient(w, h)
	for i := range e.Data {
		e.Data[i] += 50 // nothing looks like the fill
	}
	var s rgb.Scratch
	for _, c := range randomCrops {
		spec, apply := bound(t, c, pixels(h, w))
		if !spec.Equal(pixels(c.Height, c.Width)) {
			t.Errorf("%+v gives %v", c, spec)
		}
		_, decode, err := c.BindImage(w, h)
		if err != nil {
			t.Fatal(err)
		}
		fill := c.Fill
		if fill == nil {
			fill = make([]byte, 3)
		}
		seen := map[string]bool{}
		for seed := range uint64(3000) {
			rng := func() *rand.Rand { return rand.New(rand.NewPCG(seed, 5)) }
			drawn := c.Drawn(pixels(h, w), rng())
			r := rgb.Rect{X: drawn["x"].(int), Y: drawn["y"].(int), W: c.Width, H: c.Height}
			seen[fmt.Sprint(r)] = true
			want := framed(e.Data, w, h, 3, r, fill)
			if got := apply(e.Data, rng()); !bytes.Equal(got, want) {
				t.Fatalf("%+v at %v: %v, want %v", c, r, got, want)
			}
			dst := make([]byte, 3*c.Width*c.Height)
			if err := decode(dst, e, rng(), &s); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(dst, want) {
				t.Fatalf("decoder %+v at %v: %v, want %v", c, r, dst, want)
			}
		}
		places := func(n, size int) int {
			n += 2 * c.Padding
			if c.PadIfNeeded {
				n += 2 * max(0, size-n)
			}
			return n - size + 1
		}
		if want := places(w, c.Width) * places(h, c.Height); want < 1000 && len(seen) != want {
			t.Errorf("%+v: %d places, want %d", c, len(seen), want)
		}
	}
}

// TestRandomCropView holds the view to what the decoder draws.
func TestRandomCropView(t *testing.T) {
	c := transform.RandomCrop{Width: 10, Height: 8}
	n, spec, target, view, what, err := c.BindView(0, 0, []any{transform.HorizontalFlip{P: 1}, transform.Cutout{Size: 2}})
	if err != nil || n != 1 || view == nil || what != "RandomCrop 10x8 by area, HorizontalFlip" || !spec.Equal(pixels(8, 10)) {
		t.Fatalf("%d operations, %v, %q, %v", n, spec, what, err)
	}
	rng := func() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }
	crop, flip, err := view(40, 30, func(int) *rand.Rand { return rng() })
	drawn := c.Drawn(pixels(30, 40), rng())
	if want := (rgb.Rect{X: drawn["x"].(int), Y: drawn["y"].(int), W: 10, H: 8}); err != nil || crop != want || !flip || target.Width != 10 {
		t.Errorf("%v, flip %v, %v, want %v", crop, flip, err, want)
	}
	if _, _, err := view(9, 30, func(int) *rand.Rand { return rng() }); err == nil {
		t.Error("no error for an image narrower than the crop")
	}
	for _, c := range []transform.RandomCrop{{Width: 10, Height: 8, Padding: 1}, {Width: 10, Height: 8, PadIfNeeded: true}} {
		if _, _, _, view, _, err := c.BindView(0, 0, nil); view != nil || err != nil {
			t.Errorf("%+v has a view (%v)", c, err)
		}
	}
}

// TestRandomCropJPEG compares crops that decode their neighbourhood with crops
// of the whole picture.
func TestRandomCropJPEG(t *testing.T) {
	data, err := rgb.EncodeJPEG(nil, rgb.Image{Width: 150, Height: 110, Pix: smooth(150, 110)}, 95)
	if err != nil {
		t.Fatal(err)
	}
	e := rgb.Encoded{JPEG: true, Width: 150, Height: 110, Data: data}
	var whole rgb.Image
	if err := rgb.DecodeJPEG(&whole, data); err != nil {
		t.Fatal(err)
	}
	var s rgb.Scratch
	for _, c := range []transform.RandomCrop{
		{Width: 40, Height: 30}, {Width: 40, Height: 30, Exact: true}, {Width: 150, Height: 110, Padding: 8},
		{Width: 200, Height: 30, PadIfNeeded: true, Exact: true},
	} {
		_, decode, err := c.BindImage(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		dst := make([]byte, 3*c.Width*c.Height)
		for seed := range uint64(20) {
			drawn := c.Drawn(pixels(110, 150), rand.New(rand.NewPCG(seed, 5)))
			want := framed(whole.Pix, 150, 110, 3, rgb.Rect{X: drawn["x"].(int), Y: drawn["y"].(int), W: c.Width, H: c.Height}, make([]byte, 3))
			if err := decode(dst, e, rand.New(rand.NewPCG(seed, 5)), &s); err != nil {
				t.Fatal(err)
			}
			worst := 0
			for i := range dst {
				worst = max(worst, int(dst[i])-int(want[i]), int(want[i])-int(dst[i]))
			}
			if c.Exact && worst > 0 || worst > 6 {
				t.Errorf("%+v, seed %d: %d levels beside the whole picture's crop", c, seed, worst)
			}
		}
	}
}

// smooth is a picture without edges.
func smooth(w, h int) []byte {
	pix := make([]byte, 3*w*h)
	for i := range w * h {
		x, y := float64(i%w), float64(i/w)
		pix[3*i] = byte(128 + 100*math.Sin(x/20))
		pix[3*i+1] = byte(128 + 100*math.Sin(y/15+x/60))
		pix[3*i+2] = byte(128 + 100*math.Cos((x+y)/30))
	}
	return pix
}

func TestCutoutSometimes(t *testing.T) {
	src := bytes.Repeat([]byte{200}, 30)
	o := transform.Cutout{Size: 1, P: 0.3}
	_, apply := bound(t, o, planes(5, 6, 1))
	cut := 0
	for seed := range uint64(5000) {
		got := apply(src, rand.New(rand.NewPCG(seed, 1)))
		drawn := o.Drawn(planes(5, 6, 1), rand.New(rand.NewPCG(seed, 1)))
		if drawn["cut"] == true {
			cut++
			if got[drawn["y"].(int)*6+drawn["x"].(int)] != 0 {
				t.Fatalf("%v, but %v", drawn, got)
			}
		} else if !bytes.Equal(got, src) {
			t.Fatalf("%v, but %v", drawn, got)
		}
	}
	if math.Abs(float64(cut)/5000-0.3) > 0.03 {
		t.Errorf("cut %d of 5000", cut)
	}
}

func TestRandomErasing(t *testing.T) {
	const w, h = 40, 30
	in := pixels(h, w)
	src := bytes.Repeat([]byte{200}, 3*w*h)
	for _, o := range []transform.RandomErasing{
		{Fill: []uint8{1, 2, 3}},
		{P: 1, Count: 5, Fill: []uint8{1, 2, 3}},
		{P: 1, Area: [2]float64{1, 1}, Aspect: [2]float64{0.01, 100}, Fill: []uint8{1, 2, 3}},
		{P: 1, Area: [2]float64{0, 0.001}, Fill: []uint8{1, 2, 3}},
		{P: 1, Aspect: [2]float64{1e-38, math.MaxFloat32}, Fill: []uint8{1, 2, 3}},
	} {
		_, apply := bound(t, o, in)
		erased, counts, edges := 0, map[int]int{}, [4]bool{}
		for seed := range uint64(2000) {
			got := apply(src, rand.New(rand.NewPCG(seed, 9)))
			boxes := o.Drawn(in, rand.New(rand.NewPCG(seed, 9)))["boxes"].([][4]int)
			want := bytes.Clone(src)
			for _, b := range boxes {
				if b[0] < 0 || b[1] < 0 || b[0]+b[2] > w || b[1]+b[3] > h {
					t.Fatalf("%+v: box %v", o, b)
				}
				for y := range b[3] {
					for x := range b[2] {
						copy(want[3*((b[1]+y)*w+b[0]+x):], []byte{1, 2, 3})
					}
				}
				edges[0], edges[1] = edges[0] || b[0] == 0, edges[1] || b[1] == 0
				edges[2], edges[3] = edges[2] || b[0]+b[2] == w, edges[3] || b[1]+b[3] == h
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%+v: not the boxes %v", o, boxes)
			}
			counts[len(boxes)]++
			if len(boxes) > 0 {
				erased++
			}
		}
		if edges != [4]bool{true, true, true, true} {
			t.Errorf("%+v: some edge is never reached: %v", o, edges)
		}
		if p := float64(erased) / 2000; o.P == 0 && math.Abs(p-0.5) > 0.05 || o.P == 1 && p != 1 {
			t.Errorf("%+v: %v of the images", o, p)
		}
		if o.Count == 5 {
			for k := 1; k <= 5; k++ {
				if counts[k] < 300 {
					t.Errorf("%d rectangles came %d times of 2000", k, counts[k])
				}
			}
		}
	}
}

// TestRandomErasingNoise looks at the mean and the deviation of the noise.
func TestRandomErasingNoise(t *testing.T) {
	const w, h = 100, 100
	o := transform.RandomErasing{P: 1, Area: [2]float64{1, 1}, Aspect: [2]float64{1, 1}, Fill: []uint8{124, 30, 103}, Noise: []float64{58, 5, 0}}
	_, apply := bound(t, o, pixels(h, w))
	got := apply(make([]byte, 3*w*h), rand.New(rand.NewPCG(5, 9)))
	for c := range 3 {
		n, sum, squares := 0.0, 0.0, 0.0
		for i := c; i < len(got); i += 3 {
			v := float64(got[i])
			n, sum, squares = n+1, sum+v, squares+v*v
		}
		mean := sum / n
		deviation := math.Sqrt(squares/n - mean*mean)
		if math.Abs(mean-float64(o.Fill[c])) > 2 || math.Abs(deviation-o.Noise[c]) > 0.05*o.Noise[c]+0.01 {
			t.Errorf("channel %d: mean %.1f and deviation %.2f, want %d and %v", c, mean, deviation, o.Fill[c], o.Noise[c])
		}
	}
}

// geometric is an operation that moves pixels.
type geometric interface {
	op
	Move(in array.Spec, p *rgb.Placement, rng *rand.Rand)
}

// TestMove chains operations on a picture of one channel and on a placement, and
// brings the picture where the placement says in one step: the outcomes are the
// same, and so is what the generators gave.
func TestMove(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	var s rgb.Scratch
	for i := range 2000 {
		w, h := 4+rnd.IntN(12), 4+rnd.IntN(12)
		in := planes(h, w, 1)
		p := rgb.Place(w, h)
		src := make([]byte, w*h)
		for k := range src {
			src[k] = byte(1 + k)
		}
		pix := src
		var chain []string
		for range 1 + rnd.IntN(5) {
			o := []geometric{
				transform.HorizontalFlip{}, transform.VerticalFlip{}, transform.Translate{Padding: 2},
				transform.RandomCrop{Width: 3, Height: 4, Padding: 1},
				transform.RandomCrop{Width: 9, Height: 8, PadIfNeeded: true},
				transform.Resize{Width: 2 * in.Shape[1], Height: in.Shape[0]},
			}[rnd.IntN(5)]
			chain = append(chain, fmt.Sprintf("%T", o))
			seed := rnd.Uint64()
			a, b := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
			out, apply := bound(t, o, in)
			pix = apply(pix, a)
			o.Move(in, &p, b)
			if a.Uint64() != b.Uint64() {
				t.Fatalf("%T: Move draws other than the function", o)
			}
			in = out
		}
		if p.Width != in.Shape[1] || p.Height != in.Shape[0] {
			t.Fatalf("case %d, %v: placement in %dx%d, outcome %v", i, chain, p.Width, p.Height, in)
		}
		got := make([]byte, len(pix))
		if err := s.PlaceNearest(got, rgb.Raster{Width: w, Height: h, Channels: 1, Depth: 1, Pix: src}, &p, nil); err != nil {
			t.Fatalf("case %d, %v: %v", i, chain, err)
		}
		if !bytes.Equal(got, pix) {
			t.Fatalf("case %d, %v: at once %v, one by one %v", i, chain, got, pix)
		}
	}
	// Resizes, where nearest pixels are not means: by area, for both ways.
	for seed := range uint64(50) {
		in := planes(37, 53, 2)
		src := make([]byte, 37*53*2)
		for k := range src {
			src[k] = byte(k * k >> 3)
		}
		for _, o := range []geometric{
			transform.RandomResizedCrop{Width: 11, Height: 9}, transform.Resize{Width: 20, Height: 50},
		} {
			out, apply := bound(t, o, in)
			want := apply(src, rand.New(rand.NewPCG(seed, 2)))
			p := rgb.Place(53, 37)
			o.Move(in, &p, rand.New(rand.NewPCG(seed, 2)))
			n, _ := out.Bytes()
			got := make([]byte, n)
			if err := s.PlaceArea(got, rgb.Raster{Width: 53, Height: 37, Channels: 2, Depth: 1, Pix: src}, &p, nil); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%T: placed otherwise", o)
			}
		}
	}
}

// TestChannels applies every operation on pixels to 1, 2 and 4 channels, and
// compares each channel with the operation on it alone.
func TestChannels(t *testing.T) {
	const w, h = 14, 11
	for _, o := range []op{
		transform.HorizontalFlip{}, transform.VerticalFlip{}, transform.Translate{Padding: 4}, transform.Cutout{Size: 3},
		transform.RandomCrop{Width: 6, Height: 20, PadIfNeeded: true}, transform.RandomErasing{Count: 2},
		transform.RandomResizedCrop{Width: 5, Height: 6, Exact: true}, transform.Resize{Width: 3, Height: 5, Exact: true},
	} {
		for _, channels := range []int{2, 3, 4} {
			src := make([]byte, w*h*channels)
			for k := range src {
				src[k] = byte(k*k>>2 + k)
			}
			_, all := bound(t, o, planes(h, w, channels))
			_, alone := bound(t, o, planes(h, w, 1))
			for seed := range uint64(20) {
				got := all(src, rand.New(rand.NewPCG(seed, 3)))
				for c := range channels {
					var one, of []byte
					for k := c; k < len(src); k += channels {
						one = append(one, src[k])
					}
					for k := c; k < len(got); k += channels {
						of = append(of, got[k])
					}
					if want := alone(one, rand.New(rand.NewPCG(seed, 3))); !bytes.Equal(of, want) {
						t.Fatalf("%T: channel %d of %d is %v, alone it is %v", o, c, channels, of, want)
					}
				}
			}
		}
	}
	for channels := 1; channels <= 2; channels++ {
		z := transform.Normalize{Mean: [3]float64{10, 20}, Std: [3]float64{3, 4}}
		out, apply := bound(t, z, planes(2, 2, channels))
		if got := apply(make([]byte, 4*channels), nil); len(got) != 16*channels || !slices.Equal(out.Shape, []int{2, 2, channels}) {
			t.Errorf("Normalize of %d channels gives %v", channels, out)
		}
	}
}

// TestWrong looks at what is said of settings and orders that can't work.
func TestWrong(t *testing.T) {
	nan := math.NaN()
	float, chw := array.Spec{DType: array.Float32, Shape: []int{32, 32, 3}}, planes(3, 32, 32)
	for _, c := range []struct {
		op   op
		in   array.Spec
		want string
	}{
		{transform.Cutout{Size: 4}, float, "Cutout takes |u1 (height, width, channels), got <f4 (32, 32, 3): put it before what changes the type (Normalize, Convert)"},
		{transform.Translate{Padding: 4}, chw, "Translate takes |u1 (height, width, channels), got |u1 (3, 32, 32): put it before ToCHW"},
		{transform.Translate{Padding: -8}, pixels(8, 20), "Translate with Padding -8, want 0 to 65535"},
		{transform.HorizontalFlip{}, chw, "put it before ToCHW"},
		{transform.ToCHW{}, chw, "got |u1 (3, 32, 32): its channels are in front already"},
		{transform.Convert{}, pixels(8, 8), `Convert to "", want an integer or float`},
		{transform.VerticalFlip{}, array.Spec{DType: array.Float32, Shape: []int{1, 32, 32}}, "put it before ToCHW"},
		{transform.RandomErasing{}, planes(8, 8, 5), "of 1 to 4 channels, got |u1 (8, 8, 5)"},
		{transform.Normalize{Std: [3]float64{1, 1, 1}}, planes(8, 8, 4), "of 1 to 3 channels"},
		{transform.VerticalFlip{P: -0.5}, pixels(8, 8), "P -0.5, want 0 to 1"},
		{transform.VerticalFlip{P: nan}, pixels(8, 8), "P NaN, want 0 to 1"},
		{transform.Cutout{Size: 2, P: 1.5}, pixels(8, 8), "P 1.5, want 0 to 1"},
		{transform.Cutout{Size: 9}, pixels(20, 8), "Cutout of 9 pixels in an image of 8x20, want 1 to 8"},
		{transform.Cutout{Size: 2, Fill: []uint8{1}}, pixels(8, 8), "Fill of 1 numbers for 3 channels"},
		{transform.Translate{Fill: []uint8{}}, pixels(8, 8), "Fill of 0 numbers for 3 channels"},
		{transform.RandomCrop{Width: 9, Height: 8}, pixels(8, 8), "RandomCrop of 9x8 in an image of 8x8 with Padding 0: larger than that, and PadIfNeeded is not set"},
		{transform.RandomCrop{Width: 11, Height: 8, Padding: 1}, pixels(8, 8), "larger than that"},
		{transform.RandomCrop{Width: 0, Height: 8}, pixels(8, 8), "a side must be 1"},
		{transform.RandomCrop{Width: 4, Height: 4, Padding: -1}, pixels(8, 8), "Padding -1"},
		{transform.RandomCrop{Width: 4, Height: 4, Fill: make([]uint8, 3)}, planes(8, 8, 1), "Fill of 3 numbers for 1 channels"},
		{transform.RandomErasing{P: 2}, pixels(8, 8), "P 2, want 0 to 1"},
		{transform.RandomErasing{Area: [2]float64{0.5, 0.2}}, pixels(8, 8), "Area [0.5 0.2]"},
		{transform.RandomErasing{Area: [2]float64{0.5, 1.2}}, pixels(8, 8), "Area [0.5 1.2]"},
		{transform.RandomErasing{Aspect: [2]float64{0, 1}}, pixels(8, 8), "Aspect [0 1]"},
		{transform.RandomErasing{Count: -1}, pixels(8, 8), "Count -1"},
		{transform.RandomErasing{Fill: []uint8{1}}, pixels(8, 8), "Fill of 1 numbers for 3 channels"},
		{transform.RandomErasing{Noise: []float64{1}}, pixels(8, 8), "Noise of 1 numbers for 3 channels"},
		{transform.RandomErasing{Noise: []float64{1, nan, 1}}, pixels(8, 8), "Noise [1 NaN 1]"},
		{transform.RandomResizedCrop{Width: 4}, pixels(8, 8), "a side must be 1"},
		{transform.RandomResizedCrop{Width: 4, Height: 4, Scale: [2]float64{2, 1}}, pixels(8, 8), "Scale [2 1]"},
		{transform.Resize{Width: 4, Height: 4, Filter: rgb.Bilinear}, planes(8, 8, 1), "Resize by bilinear"},
		{transform.Resize{Width: 4, Height: 4}, float, "put it before"},
	} {
		_, apply, _, err := c.op.Bind(c.in)
		if err == nil || apply != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v of %v: %v, want %q", c.op, c.in, err, c.want)
		}
	}
	type decoder interface {
		BindImage(width, height int) (array.Spec, transform.DecodeFunc, error)
		BindView(width, height int, ops []any) (n int, spec array.Spec, target *rgb.Target, view transform.ViewFunc, what string, err error)
	}
	for _, d := range []decoder{
		transform.RandomCrop{Width: 9, Height: 8}, transform.RandomCrop{Width: 4, Height: 4, Fill: []uint8{1}},
		transform.Resize{Width: 4}, transform.Resize{Width: 4, Height: 4, Filter: 9},
		transform.ResizeCenterCrop{Width: 4, Height: 4}, transform.ResizeCenterCrop{Size: 3, Width: 4, Height: 3},
		transform.ResizeCenterCrop{Size: 3}, transform.ResizeCenterCrop{Size: rgb.MaxSide + 1, Width: 3, Height: 3},
	} {
		if _, decode, err := d.BindImage(8, 8); err == nil || decode != nil {
			t.Errorf("%+v: no error", d)
		}
		if _, _, _, view, _, err := d.BindView(8, 8, nil); err == nil || view != nil {
			t.Errorf("%+v: no error for its view", d)
		}
	}
}

// TestResizeCenterCropAnySize takes pictures of any shape through both ways.
func TestResizeCenterCropAnySize(t *testing.T) {
	var s rgb.Scratch
	for _, exact := range []bool{false, true} {
		c := transform.ResizeCenterCrop{Size: 8, Width: 7, Height: 8, Exact: exact}
		_, decode, err := c.BindImage(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range [][2]int{{1, 1}, {1, 500}, {500, 1}, {7, 8}, {8, 8}, {9, 8}, {100, 3}, {3, 100}, {65, 64}} {
			e := gradient(size[0], size[1])
			dst := make([]byte, 3*7*8)
			if err := decode(dst, e, nil, &s); err != nil {
				t.Errorf("exact %v, %v: %v", exact, size, err)
			}
			if r := c.Box(size[0], size[1]); r.X < 0 || r.Y < 0 || r.W < 1 || r.H < 1 || r.X+r.W > size[0] || r.Y+r.H > size[1] {
				t.Errorf("%v: sees %v", size, r)
			}
		}
		if err := decode(make([]byte, 3*7*8), rgb.Encoded{Width: rgb.MaxSide + 1, Height: 1}, nil, &s); err == nil {
			t.Error("no error for a picture of too many pixels")
		}
	}
	// A whole picture without resizing is the picture.
	e := gradient(20, 20)
	_, decode, err := transform.ResizeCenterCrop{Size: 20, Width: 20, Height: 20}.BindImage(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, len(e.Data))
	if err := decode(dst, e, nil, &s); err != nil || !bytes.Equal(dst, e.Data) {
		t.Errorf("a picture of its own size changes (%v)", err)
	}
}

// TestGeometryAllocs checks that operations and decoders allocate nothing.
func TestGeometryAllocs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, o := range []op{
		transform.HorizontalFlip{P: 1}, transform.VerticalFlip{P: 1}, transform.Translate{Padding: 4}, transform.Cutout{Size: 5, P: 0.5},
		transform.RandomCrop{Width: 20, Height: 20, Padding: 4}, transform.RandomErasing{P: 1, Count: 3},
		transform.RandomErasing{P: 1, Fill: []uint8{9, 9, 9}, Noise: []float64{9, 9, 9}},
		transform.RandomResizedCrop{Width: 20, Height: 20}, transform.RandomResizedCrop{Width: 20, Height: 20, Exact: true},
		transform.Resize{Width: 20, Height: 20}, transform.Normalize{Std: [3]float64{1, 2, 3}},
	} {
		out, apply, inPlace, err := o.Bind(pixels(32, 32))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := out.Bytes()
		src := make([]byte, 3*32*32)
		dst := make([]byte, n)
		if inPlace {
			dst = src
		}
		if k := testing.AllocsPerRun(200, func() { apply(dst, src, rng) }); k >= 1 && !race.Enabled {
			t.Errorf("%T allocates %v times", o, k)
		}
		if apply(make([]byte, n-1), src, rng) == nil || apply(dst, make([]byte, 3*32*32+1), rng) == nil {
			t.Errorf("%T: no error for slices of other lengths", o)
		}
	}
	data, err := rgb.EncodeJPEG(nil, rgb.Image{Width: 150, Height: 110, Pix: smooth(150, 110)}, 95)
	if err != nil {
		t.Fatal(err)
	}
	var s rgb.Scratch
	e := rgb.Encoded{JPEG: true, Width: 150, Height: 110, Data: data}
	dst := make([]byte, 3*64*64)
	for _, d := range []interface {
		BindImage(width, height int) (array.Spec, transform.DecodeFunc, error)
	}{
		transform.RandomCrop{Width: 64, Height: 64}, transform.RandomCrop{Width: 64, Height: 64, Padding: 9},
		transform.Resize{Width: 64, Height: 64}, transform.ResizeCenterCrop{Size: 80, Width: 64, Height: 64},
		transform.ResizeCenterCrop{Size: 80, Width: 64, Height: 64, Exact: true},
	} {
		_, decode, err := d.BindImage(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		run := func() {
			if err := decode(dst, e, rng, &s); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			run()
		}
		if k := testing.AllocsPerRun(200, run); k >= 1 && !race.Enabled {
			t.Errorf("%T allocates %v times", d, k)
		}
		if decode(dst[1:], e, rng, &s) == nil {
			t.Errorf("%T: no error for a row of another length", d)
		}
	}
}
