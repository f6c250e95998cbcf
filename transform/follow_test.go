package transform_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// placement is what random crops, flips and shifts come to.
func placement(w, h int, rng *rand.Rand) rgb.Placement {
	p := rgb.Place(w, h)
	transform.RandomResizedCrop{Width: 40, Height: 32}.Move(pixels(h, w), &p, rng)
	transform.HorizontalFlip{}.Move(pixels(32, 40), &p, rng)
	transform.VerticalFlip{}.Move(pixels(32, 40), &p, rng)
	transform.Translate{Padding: 4}.Move(pixels(32, 40), &p, rng)
	return p
}

// TestMaskKeepsClasses follows 10,000 random crops with masks of a few class
// numbers, of one byte and of two.
func TestMaskKeepsClasses(t *testing.T) {
	classes := map[int][]uint16{1: {3, 17, 200}, 2: {3, 700, 65535}}
	var s rgb.Scratch
	rng := rand.New(rand.NewPCG(1, 7))
	for depth, list := range classes {
		const w, h = 75, 50
		src := rgb.Raster{Width: w, Height: h, Channels: 1, Depth: depth, Pix: make([]byte, w*h*depth)}
		for i := range w * h {
			v := list[(i%w/9+i/w/7)%len(list)]
			src.Pix[i*depth] = byte(v)
			if depth == 2 {
				src.Pix[2*i+1] = byte(v >> 8)
			}
		}
		fill := uint16(255)
		spec, apply, err := transform.Mask{Fill: []uint16{fill}}.BindFollowRaster(1, depth, 40, 32)
		if err != nil {
			t.Fatal(err)
		}
		if want := map[int]array.DType{1: array.Uint8, 2: array.Uint16}[depth]; spec.DType != want || !slices.Equal(spec.Shape, []int{32, 40, 1}) {
			t.Fatalf("gives %v", spec)
		}
		n, _ := spec.Bytes()
		dst := make([]byte, n)
		seen := map[uint16]bool{}
		for range 10000 / len(classes) {
			p := placement(w, h, rng)
			if err := apply(dst, src, &p, &s); err != nil {
				t.Fatal(err)
			}
			for i := 0; i < n; i += depth {
				v := uint16(dst[i])
				if depth == 2 {
					v |= uint16(dst[i+1]) << 8
				}
				seen[v] = true
			}
		}
		for v := range seen {
			if v != fill && !slices.Contains(list, v) {
				t.Errorf("class %d has appeared", v)
			}
		}
		if len(seen) != len(list)+1 {
			t.Errorf("seen %v", seen)
		}
		if err := apply(dst, rgb.Raster{Width: w, Height: h, Channels: 1, Depth: 3 - depth, Pix: src.Pix}, new(rgb.Placement), &s); err == nil {
			t.Error("no error for a mask of another depth")
		}
	}
}

// TestAreaFollows compares a picture that follows itself with the operations.
func TestAreaFollows(t *testing.T) {
	const w, h = 60, 44
	pix := smooth(w, h)
	in := pixels(h, w)
	var s rgb.Scratch
	_, follow, err := transform.Area{}.BindFollowRaster(3, 1, 20, 24)
	if err != nil {
		t.Fatal(err)
	}
	crop, flip := transform.RandomResizedCrop{Width: 20, Height: 24, Exact: true}, transform.HorizontalFlip{}
	cropped, cut := bound(t, crop, in)
	_, mirror := bound(t, flip, cropped)
	dst := make([]byte, 3*20*24)
	for seed := range uint64(50) {
		want := mirror(cut(pix, rand.New(rand.NewPCG(seed, 1))), rand.New(rand.NewPCG(seed, 2)))
		p := rgb.Place(w, h)
		crop.Move(in, &p, rand.New(rand.NewPCG(seed, 1)))
		flip.Move(cropped, &p, rand.New(rand.NewPCG(seed, 2)))
		if err := follow(dst, rgb.Raster{Width: w, Height: h, Channels: 3, Depth: 1, Pix: pix}, &p, &s); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(dst, want) {
			t.Fatalf("seed %d: other pixels than the operations give", seed)
		}
	}
}

func TestFollowersRefuse(t *testing.T) {
	for name, bind := range map[string]func() error{
		"mask of 5 channels": func() error { _, _, err := transform.Mask{}.BindFollowRaster(5, 1, 8, 8); return err },
		"mask of 3 bytes":    func() error { _, _, err := transform.Mask{}.BindFollowRaster(1, 3, 8, 8); return err },
		"mask without width": func() error { _, _, err := transform.Mask{}.BindFollowRaster(1, 1, 0, 8); return err },
		"two fills": func() error {
			_, _, err := transform.Mask{Fill: []uint16{1, 2}}.BindFollowRaster(1, 1, 8, 8)
			return err
		},
		"fill 256": func() error {
			_, _, err := transform.Area{Fill: []uint16{256}}.BindFollowRaster(1, 1, 8, 8)
			return err
		},
		"bilinear": func() error {
			_, _, err := transform.CenterCrop{Width: 8, Height: 8, Filter: rgb.Bilinear}.BindRaster(0, 0, 1, 1)
			return err
		},
		"any size": func() error { _, _, err := transform.Simple{}.BindRaster(0, 0, 1, 1); return err },
	} {
		if bind() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// rasterDecoder is package loader's interface of a decoder of Image fields.
type rasterDecoder interface {
	BindRaster(width, height, channels, depth int) (array.Spec, transform.RasterFunc, error)
}

// TestRasters compares decoders of Image fields with those of RGB images.
func TestRasters(t *testing.T) {
	const w, h = 50, 37
	e := rgb.Encoded{Width: w, Height: h, Data: smooth(w, h)}
	src := rgb.Raster{Width: w, Height: h, Channels: 3, Depth: 1, Pix: e.Data}
	wide := rgb.Raster{Width: w, Height: h, Channels: 3, Depth: 2, Pix: make([]byte, 2*len(e.Data))}
	for i, v := range e.Data {
		wide.Pix[2*i] = v
	}
	var s rgb.Scratch
	for _, d := range []interface {
		rasterDecoder
		BindImage(width, height int) (array.Spec, transform.DecodeFunc, error)
	}{
		transform.Simple{}, transform.CenterCrop{Width: 13, Height: 11, Exact: true},
		transform.RandomResizedCrop{Width: 13, Height: 11, Exact: true}, transform.Resize{Width: 13, Height: 70, Exact: true},
		transform.ResizeCenterCrop{Size: 20, Width: 13, Height: 11}, transform.ResizeCenterCrop{Size: 20, Width: 13, Height: 11, Exact: true},
		transform.RandomCrop{Width: 13, Height: 11},
		transform.RandomCrop{Width: 60, Height: 11, Padding: 2, PadIfNeeded: true, Fill: []uint8{9, 8, 7}},
	} {
		spec, decode, err := d.BindImage(w, h)
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := d.(transform.ResizeCenterCrop); ok && !c.Exact { // exact rows of what the fast way sees
			r := c.Box(w, h)
			decode = func(dst []byte, _ rgb.Encoded, _ *rand.Rand, s *rgb.Scratch) error {
				return s.Render(dst, e, r, false, &rgb.Target{Width: 13, Height: 11, Exact: true})
			}
		}
		raster, apply, err := d.BindRaster(w, h, 3, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !raster.Equal(spec) {
			t.Errorf("%T gives %v, of an image %v", d, raster, spec)
		}
		wideSpec, applyWide, err := d.BindRaster(w, h, 3, 2)
		if err != nil || wideSpec.DType != array.Uint16 {
			t.Fatalf("%T gives %v (%v)", d, wideSpec, err)
		}
		n, _ := spec.Bytes()
		want, got, gotWide := make([]byte, n), make([]byte, n), make([]byte, 2*n)
		rng := func(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 5)) }
		for seed := range uint64(30) {
			if err := decode(want, e, rng(seed), &s); err != nil {
				t.Fatal(err)
			}
			if err := apply(got, src, rng(seed), &s); err != nil {
				t.Fatal(err)
			}
			if err := applyWide(gotWide, wide, rng(seed), &s); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%T, seed %d: other pixels than of an image", d, seed)
			}
			for i := range got {
				a, b := int(got[i]), int(gotWide[2*i])|int(gotWide[2*i+1])<<8
				if a-b > 1 || b-a > 1 {
					t.Fatalf("%T, seed %d: %d in one byte, %d in two", d, seed, a, b)
				}
			}
		}
		if err := apply(got, wide, rng(1), &s); err == nil {
			t.Errorf("%T: no error for a picture of another depth", d)
		}
		if err := apply(got[1:], src, rng(1), &s); err == nil {
			t.Errorf("%T: no error for a row of another length", d)
		}
	}
	_, apply, err := transform.RandomCrop{Width: 60, Height: 11}.BindRaster(0, 0, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if apply(make([]byte, 3*60*11), src, rand.New(rand.NewPCG(1, 1)), &s) == nil {
		t.Error("no error for a picture smaller than the crop")
	}
}

// packed is rows of numbers as a type.
func packed(t *testing.T, d array.DType, rows ...[]float64) []byte {
	t.Helper()
	var b []byte
	for _, row := range rows {
		for _, v := range row {
			switch d {
			case array.Float32:
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
			case array.Float64:
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
			case array.Int32:
				b = binary.LittleEndian.AppendUint32(b, uint32(int32(v)))
			case array.Int64:
				b = binary.LittleEndian.AppendUint64(b, uint64(int64(v)))
			default:
				t.Fatalf("no way to pack %v", d)
			}
		}
	}
	return b
}

func floats(b []byte) (v []float64) {
	for ; len(b) > 0; b = b[4:] {
		v = append(v, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
	}
	return v
}

func TestBoxes(t *testing.T) {
	p := rgb.Place(100, 50)
	p.Crop(rgb.Rect{X: 20, Y: 10, W: 40, H: 40}, 20, 80) // half as wide, twice as high
	p.FlipX()
	rows := [][]float64{
		{30, 20, 40, 30, 7},    // inside
		{0, 0, 40, 20, 8},      // its lower right quarter is seen
		{70, 10, 90, 30, 9},    // beside the crop
		{-1, -1, -1, -1, -1},   // fills the array up
		{20, 10, 60, 50, 1000}, // the crop itself
		{50, 30, 30, 40, 5},    // no box
	}
	inside, quarter, whole := []float64{10, 20, 15, 40, 7}, []float64{10, 0, 20, 20, 8}, []float64{0, 0, 20, 80, 1000}
	none := []float64{-1, -1, -1, -1, -1}
	for _, c := range []struct {
		name string
		b    transform.Boxes
		want [][]float64
	}{
		{"all", transform.Boxes{}, [][]float64{inside, quarter, whole, none, none, none}},
		{"half visible", transform.Boxes{MinVisible: 0.5}, [][]float64{inside, whole, none, none, none, none}},
		{"a quarter visible", transform.Boxes{MinVisible: 0.25}, [][]float64{inside, quarter, whole, none, none, none}},
		{"exactly enough", transform.Boxes{Max: 3}, [][]float64{inside, quarter, whole}},
	} {
		for _, d := range []array.DType{array.Float32, array.Float64, array.Int32, array.Int64} {
			src := packed(t, d, rows...)
			arrayIn := array.Spec{DType: d, Shape: []int{len(rows), 5}}
			bytesIn := array.Spec{DType: array.Uint8, Shape: []int{0}}
			ofBytes := c.b
			ofBytes.DType, ofBytes.Columns = d, 5
			if ofBytes.Max == 0 {
				ofBytes.Max = len(rows)
			}
			for in, b := range map[*array.Spec]transform.Boxes{&arrayIn: c.b, &bytesIn: ofBytes} {
				spec, apply, err := b.BindFollowArray(*in, 20, 80)
				if err != nil {
					t.Fatal(err)
				}
				if !spec.Equal(array.Spec{DType: array.Float32, Shape: []int{len(c.want), 5}}) {
					t.Errorf("%s: %v gives %v", c.name, in, spec)
				}
				dst := make([]byte, 4*5*len(c.want))
				if err := apply(dst, src, &p); err != nil {
					t.Fatal(err)
				}
				if got, want := floats(dst), slices.Concat(c.want...); !slices.Equal(got, want) {
					t.Errorf("%s of %v: %v, want %v", c.name, in, got, want)
				}
				if k := testing.AllocsPerRun(20, func() { apply(dst, src, &p) }); k != 0 {
					t.Errorf("%s: %v allocations", c.name, k)
				}
				if apply(dst[1:], src, &p) == nil || apply(dst, src[1:], &p) == nil {
					t.Errorf("%s of %v: no error for other lengths", c.name, in)
				}
			}
		}
	}
	// COCO's boxes, of a field of bytes, and none at all.
	b := transform.Boxes{Format: transform.CornerSize, Max: 2}
	_, apply, err := b.BindFollowArray(array.Spec{DType: array.Uint8, Shape: []int{0}}, 20, 80)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]byte, 4*4*2)
	if err := apply(dst, packed(t, array.Float32, []float64{30, 20, 10, 10}), &p); err != nil || !slices.Equal(floats(dst), []float64{10, 20, 15, 40, -1, -1, -1, -1}) {
		t.Errorf("corner and size: %v (%v)", floats(dst), err)
	}
	if err := apply(dst, nil, &p); err != nil || !slices.Equal(floats(dst), []float64{-1, -1, -1, -1, -1, -1, -1, -1}) {
		t.Errorf("no boxes: %v (%v)", floats(dst), err)
	}
	three := packed(t, array.Float32, []float64{30, 20, 10, 10}, []float64{30, 20, 10, 10}, []float64{30, 20, 10, 10})
	if err := apply(dst, three, &p); err == nil || !strings.Contains(err.Error(), "3 can be seen, Max is 2") {
		t.Errorf("three boxes for two rows: %v", err)
	}
	nan, inf := math.NaN(), math.Inf(1)
	if err := apply(dst, packed(t, array.Float32, []float64{nan, 0, 1, 1}, []float64{0, 0, inf, 1}, []float64{30, 20, nan, 4}), &p); err != nil || floats(dst)[0] != -1 {
		t.Errorf("boxes that are no numbers: %v (%v)", floats(dst), err)
	}
}

// TestBoxesFollowPixels paints boxes into a mask and lets both follow: the box is
// around what is painted.
func TestBoxesFollowPixels(t *testing.T) {
	const w, h = 75, 50
	var s rgb.Scratch
	rng := rand.New(rand.NewPCG(1, 7))
	_, mask, err := transform.Mask{}.BindFollowRaster(1, 1, 40, 32)
	if err != nil {
		t.Fatal(err)
	}
	_, boxes, err := transform.Boxes{}.BindFollowArray(array.Spec{DType: array.Int64, Shape: []int{1, 4}}, 40, 32)
	if err != nil {
		t.Fatal(err)
	}
	pix, painted, moved := make([]byte, w*h), make([]byte, 40*32), make([]byte, 16)
	seen := 0
	for range 3000 {
		x, y := rng.IntN(w-10), rng.IntN(h-10)
		bw, bh := 1+rng.IntN(w-x), 1+rng.IntN(h-y)
		clear(pix)
		for i := range bw * bh {
			pix[(y+i/bw)*w+x+i%bw] = 1
		}
		p := placement(w, h, rng)
		if err := mask(painted, rgb.Raster{Width: w, Height: h, Channels: 1, Depth: 1, Pix: pix}, &p, &s); err != nil {
			t.Fatal(err)
		}
		if err := boxes(moved, packed(t, array.Int64, []float64{float64(x), float64(y), float64(x + bw), float64(y + bh)}), &p); err != nil {
			t.Fatal(err)
		}
		b := floats(moved)
		in := 0
		for i, v := range painted {
			cx, cy := float64(i%40)+0.5, float64(i/40)+0.5
			inside := cx > b[0] && cx < b[2] && cy > b[1] && cy < b[3]
			onEdge := min(math.Abs(cx-b[0]), math.Abs(cx-b[2]), math.Abs(cy-b[1]), math.Abs(cy-b[3])) < 1e-4
			if inside {
				in++
			}
			if inside != (v == 1) && !onEdge {
				t.Fatalf("box %v: pixel (%v, %v) is %d", b, cx, cy, v)
			}
		}
		if in > 0 {
			seen++
		}
	}
	if seen < 1000 {
		t.Errorf("only %d boxes were seen", seen)
	}
}

func TestBoxesRefuse(t *testing.T) {
	ofBytes := array.Spec{DType: array.Uint8, Shape: []int{0}}
	table := func(d array.DType, shape ...int) array.Spec { return array.Spec{DType: d, Shape: shape} }
	for _, c := range []struct {
		b    transform.Boxes
		in   array.Spec
		want string
	}{
		{transform.Boxes{}, ofBytes, "need Max"},
		{transform.Boxes{Max: 3, Columns: 3}, ofBytes, "3 columns, want 4 or more"},
		{transform.Boxes{Max: 3, DType: array.Float16}, ofBytes, "Boxes of <f2"},
		{transform.Boxes{Max: -1}, ofBytes, "Max -1"},
		{transform.Boxes{Max: math.MaxInt}, ofBytes, "Max "},
		{transform.Boxes{Max: 3, Columns: math.MaxInt}, ofBytes, "columns"},
		{transform.Boxes{}, table(array.Float32, 9, 3), "3 columns"},
		{transform.Boxes{}, table(array.Uint8, 9, 4), "Boxes of |u1"},
		{transform.Boxes{}, table(array.Float32, 9), "takes (rows, columns) or Bytes"},
		{transform.Boxes{}, table(array.Float32, 9, 4, 1), "takes (rows, columns) or Bytes"},
		{transform.Boxes{Columns: 5}, table(array.Float32, 9, 4), "are for Bytes fields"},
		{transform.Boxes{DType: array.Int64}, table(array.Float32, 9, 4), "are for Bytes fields"},
		{transform.Boxes{MinVisible: 1.5}, table(array.Float32, 9, 4), "MinVisible 1.5"},
		{transform.Boxes{MinVisible: math.NaN()}, table(array.Float32, 9, 4), "MinVisible NaN"},
		{transform.Boxes{Format: 2}, table(array.Float32, 9, 4), "Format 2"},
	} {
		_, apply, err := c.b.BindFollowArray(c.in, 8, 8)
		if err == nil || apply != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %v: %v, want %q", fmt.Sprintf("%+v", c.b), c.in, err, c.want)
		}
	}
}

// FuzzBoxes moves whatever bytes say: what comes out lies in the outcome or is -1.
func FuzzBoxes(f *testing.F) {
	f.Add([]byte{}, 20, 10, 40, 40, uint8(0))
	f.Add(bytes.Repeat([]byte{0, 0, 0x20, 0x41}, 4), 20, 10, 40, 40, uint8(1))
	f.Add(bytes.Repeat([]byte{0xFF, 0xFF, 0x7F, 0x7F}, 8), -5, 10, 400, 1, uint8(2))
	f.Add(bytes.Repeat([]byte{0, 0, 0xC0, 0x7F}, 8), 0, 0, 1, 1, uint8(7))
	kinds := []array.DType{array.Float32, array.Float64, array.Int32, array.Int64}
	f.Fuzz(func(t *testing.T, src []byte, x, y, w, h int, kind uint8) {
		const limit = 1 << 16
		if x < -limit || y < -limit || x > limit || y > limit || w < 1 || h < 1 || w > limit || h > limit {
			return
		}
		b := transform.Boxes{Max: 8, DType: kinds[kind%4], Format: transform.BoxFormat(kind >> 2 % 2)}
		_, apply, err := b.BindFollowArray(array.Spec{DType: array.Uint8, Shape: []int{0}}, 30, 20)
		if err != nil {
			t.Fatal(err)
		}
		p := rgb.Place(100, 50)
		p.Crop(rgb.Rect{X: x, Y: y, W: w, H: h}, 30, 20)
		if kind&16 != 0 {
			p.FlipX()
		}
		dst := make([]byte, 8*4*4)
		if apply(dst, src, &p) != nil {
			return
		}
		for v := floats(dst); len(v) > 0; v = v[4:] {
			none := v[0] == -1 && v[1] == -1 && v[2] == -1 && v[3] == -1
			if !none && !(v[0] >= 0 && v[0] <= v[2] && v[2] <= 30 && v[1] >= 0 && v[1] <= v[3] && v[3] <= 20) {
				t.Fatalf("box %v", v[:4])
			}
		}
	})
}

// TestResizeCenterCropMoves: both ways put the picture's middle in the
// outcome's, at nearly one scale.
func TestResizeCenterCropMoves(t *testing.T) {
	for _, size := range [][2]int{{500, 375}, {333, 500}, {64, 64}, {91, 4000}} {
		var p [2]rgb.Placement
		for i, exact := range []bool{false, true} {
			p[i] = rgb.Place(size[0], size[1])
			c := transform.ResizeCenterCrop{Size: 64, Width: 56, Height: 48, Exact: exact}
			c.Move(pixels(size[1], size[0]), &p[i], nil)
			if p[i].Width != 56 || p[i].Height != 48 {
				t.Errorf("%v: outcome of %dx%d", size, p[i].Width, p[i].Height)
			}
			x, y, _, _, _ := p[i].Box(float64(size[0])/2, float64(size[1])/2, float64(size[0]), float64(size[1]))
			if math.Abs(x-28) > 1 || math.Abs(y-24) > 1 {
				t.Errorf("%v, exact %v: the middle lies at %v, %v", size, exact, x, y)
			}
		}
		if k := p[0].X.Scale / p[1].X.Scale; k < 0.97 || k > 1.03 {
			t.Errorf("%v: scales of %v and %v", size, p[0].X.Scale, p[1].X.Scale)
		}
	}
}
