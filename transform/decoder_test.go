package transform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// scripted is a random source that gives Float64 the numbers k/2^53 it was told.
type scripted struct{ k []uint64 }

func (s *scripted) Uint64() uint64 {
	k := s.k[0]
	s.k = s.k[1:]
	return k
}

// gradient is a raw picture whose pixels tell where they are.
func gradient(w, h int) rgb.Encoded {
	e := rgb.Encoded{Width: w, Height: h, Data: make([]byte, 3*w*h)}
	for i := range w * h {
		e.Data[3*i], e.Data[3*i+1], e.Data[3*i+2] = byte(i%w), byte(i/w), byte(i%w*5+i/w*3)
	}
	return e
}

func TestCropBoxes(t *testing.T) {
	var list struct {
		Random []struct {
			Size         [2]int
			Scale, Ratio [2]float64
			Draws        []string
			Box          [4]int
		}
		Center []struct {
			Size  [2]int
			Ratio float64
			Box   [4]int
		}
	}
	b, err := os.ReadFile("../testdata/transform/crops.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if len(list.Random) < 90 || len(list.Center) < 20 {
		t.Fatalf("only %d and %d cases", len(list.Random), len(list.Center))
	}
	fallbacks := 0
	for _, c := range list.Random {
		src := &scripted{}
		for _, d := range c.Draws {
			k, err := strconv.ParseUint(d, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			src.k = append(src.k, k)
		}
		if len(c.Draws) == 20 {
			fallbacks++
		}
		crop := transform.RandomResizedCrop{Scale: c.Scale, Ratio: c.Ratio}
		got := crop.Box(c.Size[0], c.Size[1], rand.New(src))
		if want := (rgb.Rect{X: c.Box[0], Y: c.Box[1], W: c.Box[2], H: c.Box[3]}); got != want {
			t.Errorf("%v scale %v ratio %v: got %v, want %v", c.Size, c.Scale, c.Ratio, got, want)
		}
		if len(src.k) != 0 {
			t.Errorf("%v: %d numbers not drawn", c.Size, len(src.k))
		}
	}
	if fallbacks < 5 {
		t.Errorf("only %d cases where ten tries fail", fallbacks)
	}
	for _, c := range list.Center {
		got := transform.CenterCrop{Ratio: c.Ratio}.Box(c.Size[0], c.Size[1])
		if want := (rgb.Rect{X: c.Box[0], Y: c.Box[1], W: c.Box[2], H: c.Box[3]}); got != want {
			t.Errorf("%v ratio %v: got %v, want %v", c.Size, c.Ratio, got, want)
		}
	}
}

// TestCropBoxesInside draws boxes with plain and with hostile settings.
func TestCropBoxesInside(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []transform.RandomResizedCrop{
		{},
		{Scale: [2]float64{1e-9, 1e-9}},
		{Scale: [2]float64{5, 9}, Ratio: [2]float64{50, 60}},
		{Ratio: [2]float64{1e-9, 1e-8}},
		{Ratio: [2]float64{1e30, 1e30}},
	} {
		for range 2000 {
			w, h := 1+rng.IntN(300), 1+rng.IntN(300)
			b := c.Box(w, h, rng)
			if b.X < 0 || b.Y < 0 || b.W < 1 || b.H < 1 || b.X+b.W > w || b.Y+b.H > h {
				t.Fatalf("%+v of %dx%d: %v", c, w, h, b)
			}
		}
	}
}

// TestRandomResizedCropSpread checks that areas, shapes and places are spread
// evenly over what is allowed.
func TestRandomResizedCropSpread(t *testing.T) {
	const n, w, h = 20000, 800, 800
	rng := rand.New(rand.NewPCG(3, 4))
	var area, left [4]int
	for range n {
		b := transform.RandomResizedCrop{Scale: [2]float64{0.1, 0.5}}.Box(w, h, rng)
		share := float64(b.W*b.H) / (w * h)
		aspect := float64(b.W) / float64(b.H)
		if share < 0.099 || share > 0.501 || aspect < 0.745 || aspect > 1.345 {
			t.Fatalf("box %v: share %f, aspect %f", b, share, aspect)
		}
		area[min(3, max(0, int((share-0.1)/0.1)))]++
		left[4*b.X/(w-b.W+1)]++
	}
	for i := range 4 {
		for _, got := range []int{area[i], left[i]} {
			if got < n/4-400 || got > n/4+400 {
				t.Errorf("quarter %d: areas %v, places %v of %d", i, area, left, n)
			}
		}
	}
}

func TestDecoders(t *testing.T) {
	e := gradient(50, 40)
	var s rgb.Scratch
	for name, c := range map[string]struct {
		bind func(int, int) (array.Spec, transform.DecodeFunc, error)
		crop rgb.Rect
	}{
		"simple": {transform.Simple{}.BindImage, rgb.Rect{W: 50, H: 40}},
		"center": {transform.CenterCrop{Width: 24, Height: 17}.BindImage, rgb.Rect{X: 7, Y: 2, W: 35, H: 35}},
	} {
		out, decode, err := c.bind(50, 40)
		if err != nil {
			t.Fatal(err)
		}
		var want rgb.Image
		rgb.ResizeArea(&want, rgb.Image{Width: 50, Height: 40, Pix: e.Data}, c.crop, out.Shape[1], out.Shape[0])
		buf := bytes.Repeat([]byte{77}, len(want.Pix)+10)
		dst := buf[:len(want.Pix)]
		if err := decode(dst, e, nil, &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(dst, want.Pix) {
			t.Errorf("%s: pixels differ", name)
		}
		if !bytes.Equal(buf[len(dst):], bytes.Repeat([]byte{77}, 10)) {
			t.Errorf("%s: wrote past dst", name)
		}
		if err := decode(dst[1:], e, nil, &s); err == nil {
			t.Errorf("%s: no error for a short dst", name)
		}
	}
}

func TestRandomResizedCropDeterministic(t *testing.T) {
	e := gradient(120, 90)
	var s rgb.Scratch
	crop := transform.RandomResizedCrop{Width: 32, Height: 20, Exact: true}
	_, decode, err := crop.BindImage(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]byte, 3*32*20), make([]byte, 3*32*20)
	for seed := range uint64(20) {
		if err := decode(a, e, rand.New(rand.NewPCG(seed, 9)), &s); err != nil {
			t.Fatal(err)
		}
		if err := decode(b, e, rand.New(rand.NewPCG(seed, 9)), &s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Fatalf("seed %d: two outcomes", seed)
		}
		box := crop.Box(120, 90, rand.New(rand.NewPCG(seed, 9)))
		var want rgb.Image
		rgb.ResizeArea(&want, rgb.Image{Width: 120, Height: 90, Pix: e.Data}, box, 32, 20)
		if !bytes.Equal(a, want.Pix) {
			t.Fatalf("seed %d: not the box %v", seed, box)
		}
	}
}

func TestDecodersRefuse(t *testing.T) {
	nan := math.NaN()
	for name, bind := range map[string]func(int, int) (array.Spec, transform.DecodeFunc, error){
		"CenterCrop without a size":          transform.CenterCrop{}.BindImage,
		"CenterCrop too large":               transform.CenterCrop{Width: 65536, Height: 1}.BindImage,
		"CenterCrop ratio 1.1":               transform.CenterCrop{Width: 8, Height: 8, Ratio: 1.1}.BindImage,
		"CenterCrop ratio -1":                transform.CenterCrop{Width: 8, Height: 8, Ratio: -1}.BindImage,
		"CenterCrop ratio NaN":               transform.CenterCrop{Width: 8, Height: 8, Ratio: nan}.BindImage,
		"RandomResizedCrop of negative size": transform.RandomResizedCrop{Width: -8, Height: 8}.BindImage,
		"RandomResizedCrop scale turned":     transform.RandomResizedCrop{Width: 8, Height: 8, Scale: [2]float64{1, 0.5}}.BindImage,
		"RandomResizedCrop scale from 0":     transform.RandomResizedCrop{Width: 8, Height: 8, Scale: [2]float64{0, 0.5}}.BindImage,
		"RandomResizedCrop ratio NaN":        transform.RandomResizedCrop{Width: 8, Height: 8, Ratio: [2]float64{nan, 1}}.BindImage,
		"RandomResizedCrop ratio infinite":   transform.RandomResizedCrop{Width: 8, Height: 8, Ratio: [2]float64{1, math.Inf(1)}}.BindImage,
	} {
		if _, decode, err := bind(50, 40); err == nil || decode != nil {
			t.Errorf("%s: no error", name)
		}
	}
	for _, size := range [][2]int{{0, 0}, {0, 5}, {-1, 5}, {70000, 5}} {
		if _, _, err := (transform.Simple{}).BindImage(size[0], size[1]); err == nil {
			t.Errorf("Simple of %v: no error", size)
		}
	}
}

func TestDecodersOnBadSamples(t *testing.T) {
	_, simple, err := transform.Simple{}.BindImage(50, 40)
	if err != nil {
		t.Fatal(err)
	}
	_, crop, err := transform.RandomResizedCrop{Width: 50, Height: 40}.BindImage(50, 40)
	if err != nil {
		t.Fatal(err)
	}
	var s rgb.Scratch
	dst := make([]byte, 3*50*40)
	rng := rand.New(rand.NewPCG(1, 1))
	err = simple(dst, gradient(40, 50), rng, &s)
	if err == nil || !strings.Contains(err.Error(), "40x50") || !strings.Contains(err.Error(), "50x40") {
		t.Errorf("another size: %v, want an error with both", err)
	}
	short := gradient(50, 40)
	short.Data = short.Data[:len(short.Data)-1]
	for name, e := range map[string]rgb.Encoded{
		"short":           short,
		"not a JPEG":      {JPEG: true, Width: 50, Height: 40, Data: []byte("no")},
		"no pixels":       {Width: 0, Height: 40},
		"negative":        {Width: -50, Height: -40, Data: make([]byte, 3*50*40)},
		"product too big": {Width: 1 << 62, Height: 1 << 62},
	} {
		for i, decode := range []transform.DecodeFunc{simple, crop} {
			if err := decode(dst, e, rng, &s); err == nil {
				t.Errorf("%s, decoder %d: no error", name, i)
			}
		}
	}
}

func BenchmarkDecoders(b *testing.B) {
	e := gradient(256, 256)
	for _, c := range []struct {
		name string
		bind func(int, int) (array.Spec, transform.DecodeFunc, error)
	}{
		{"Simple", transform.Simple{}.BindImage},
		{"CenterCrop224", transform.CenterCrop{Width: 224, Height: 224}.BindImage},
		{"RandomResizedCrop224", transform.RandomResizedCrop{Width: 224, Height: 224}.BindImage},
	} {
		b.Run(fmt.Sprintf("raw256/%s", c.name), func(b *testing.B) {
			spec, decode, err := c.bind(256, 256)
			if err != nil {
				b.Fatal(err)
			}
			n, _ := spec.Bytes()
			dst, rng := make([]byte, n), rand.New(rand.NewPCG(1, 2))
			var s rgb.Scratch
			for range 100 { // let the scratch grow
				if err := decode(dst, e, rng, &s); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(dst, e, rng, &s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestOnDamage gives every decoder half a photo, alone and fused.
func TestOnDamage(t *testing.T) {
	whole := encodedPhotos(t, 1)[0]
	half := whole
	half.Data = whole.Data[:len(whole.Data)/2]
	told := 0
	count := func(error) { told++ }
	for _, c := range []struct{ silent, asked viewer }{
		{transform.Simple{}, transform.Simple{OnDamage: count}},
		{transform.CenterCrop{Width: 32, Height: 32}, transform.CenterCrop{Width: 32, Height: 32, OnDamage: count}},
		{transform.RandomResizedCrop{Width: 32, Height: 32, Scale: [2]float64{1, 1}}, transform.RandomResizedCrop{Width: 32, Height: 32, Scale: [2]float64{1, 1}, OnDamage: count}},
	} {
		var s rgb.Scratch
		decode := func(f viewer, fused bool) ([]byte, error) {
			spec, plain, err := f.BindImage(half.Width, half.Height)
			if err != nil {
				t.Fatal(err)
			}
			dst := make([]byte, spec.Shape[0]*spec.Shape[1]*spec.Shape[2])
			if !fused {
				return dst, plain(dst, half, streams(1)(0), &s)
			}
			_, _, target, view, _, err := f.BindView(half.Width, half.Height, nil)
			if err != nil {
				t.Fatal(err)
			}
			return dst, render(dst, half, view, streams(1), target, &s)
		}
		for _, fused := range []bool{false, true} {
			if _, err := decode(c.silent, fused); err == nil {
				t.Errorf("%T, fused %v: half a photo and no error", c.silent, fused)
			}
			told = 0
			dst, err := decode(c.asked, fused)
			if err != nil || told != 1 {
				t.Errorf("%T, fused %v: told %d times, %v", c.asked, fused, told, err)
			}
			if gray := bytes.Count(dst, []byte{128}); gray < len(dst)/10 || gray > len(dst)*9/10 {
				t.Errorf("%T, fused %v: %d of %d bytes are gray", c.asked, fused, gray, len(dst))
			}
		}
	}
}
