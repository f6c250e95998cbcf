package rgb_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

func TestPixelTypeBits(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		kind rgb.PixelType
		v    float64
		want uint32
	}{
		{rgb.Uint8, -3, 0}, {rgb.Uint8, 2.5, 2}, {rgb.Uint8, 3.5, 4}, {rgb.Uint8, 300, 255},
		{rgb.Float32, 1, 0x3f800000}, {rgb.Float32, -0.1, 0xbdcccccd},
		{rgb.Float16, 0, 0}, {rgb.Float16, math.Copysign(0, -1), 0x8000}, {rgb.Float16, 1, 0x3c00},
		{rgb.Float16, -2.117904, 0xc03c}, {rgb.Float16, 255, 0x5bf8},
		{rgb.Float16, 2049, 0x6800}, {rgb.Float16, 2051, 0x6802}, // ties, to even
		{rgb.Float16, 65504, 0x7bff}, {rgb.Float16, 65519.99, 0x7bff}, {rgb.Float16, 65520, 0x7c00}, {rgb.Float16, -1e9, 0xfc00},
		{rgb.Float16, 0x1p-24, 1}, {rgb.Float16, 0x1p-25, 0}, {rgb.Float16, 0x1.8p-24, 2}, {rgb.Float16, 0x1.8p-25, 1},
		{rgb.Float16, 0x1.ff8p-15, 0x3ff}, {rgb.Float16, 0x1.ffcp-15, 0x400}, // the largest subnormal, and up from it
		{rgb.Float16, inf, 0x7c00}, {rgb.Float16, math.NaN(), 0x7e00},
		{rgb.BFloat16, 1, 0x3f80}, {rgb.BFloat16, -0.1, 0xbdcd}, {rgb.BFloat16, 255, 0x437f},
		{rgb.BFloat16, 257, 0x4380}, {rgb.BFloat16, 259, 0x4382}, // ties, to even
		{rgb.BFloat16, math.MaxFloat32, 0x7f80}, {rgb.BFloat16, inf, 0x7f80}, {rgb.BFloat16, -inf, 0xff80},
		{rgb.BFloat16, math.NaN(), 0x7fc0}, {rgb.BFloat16, 0x1p-133, 1}, {rgb.BFloat16, 5e-324, 0},
	} {
		if got := c.kind.Bits(c.v); got != c.want {
			t.Errorf("%v of %v: %#x, want %#x", c.kind, c.v, got, c.want)
		}
	}
}

// number reads number i of a target's bytes.
func number(b []byte, kind rgb.PixelType, i int) uint32 {
	switch kind.Size() {
	case 4:
		return binary.LittleEndian.Uint32(b[4*i:])
	case 2:
		return uint32(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return uint32(b[i])
}

// TestRenderExact holds Render's exact way to LoadCrop for every layout, type,
// flip and normalisation.
func TestRenderExact(t *testing.T) {
	mean, std := [3]float64{123.675, 116.28, 103.53}, [3]float64{58.395, 57.12, 57.375}
	sources := append(stored("rgb_jpg")[:2], stored("rgb_raw")[:2]...)
	var s, plain rgb.Scratch
	var img rgb.Image
	for i, src := range sources {
		crop := rgb.Rect{X: 1, Y: 2, W: src.Width - 3, H: src.Height - 2}
		for _, w := range []int{7, 24, 2*src.Width + 1} {
			const h = 19
			if err := plain.LoadCrop(&img, src, crop, w, h); err != nil {
				t.Fatal(err)
			}
			for bit := range 32 {
				target := rgb.Target{Width: w, Height: h, Layout: rgb.Layout(bit & 1), Type: rgb.PixelType(bit >> 1 & 3), Exact: true}
				flip := bit&8 != 0
				if bit&16 != 0 {
					if target.Type == rgb.Uint8 {
						continue
					}
					target.Mean, target.Std = mean, std
				}
				dst := make([]byte, target.Bytes())
				if err := s.Render(dst, src, crop, flip, &target); err != nil {
					t.Fatalf("picture %d, %+v: %v", i, target, err)
				}
				if err := sameNumbers(dst, &img, flip, &target); err != nil {
					t.Errorf("picture %d, flip %v, %+v: %v", i, flip, target, err)
				}
			}
		}
	}
}

// sameNumbers holds a target's bytes to the pixels that they were made of.
func sameNumbers(dst []byte, img *rgb.Image, flip bool, t *rgb.Target) error {
	for i, v := range img.Pix {
		x, y, c := i/3%t.Width, i/3/t.Width, i%3
		if flip {
			x = t.Width - 1 - x
		}
		at := 3*(y*t.Width+x) + c
		if t.Layout == rgb.CHW {
			at = (c*t.Height+y)*t.Width + x
		}
		f := float64(v)
		if t.Std != [3]float64{} {
			f = (f - t.Mean[c]) / t.Std[c]
		}
		if got, want := number(dst, t.Type, at), t.Type.Bits(f); got != want {
			return fmt.Errorf("row %d, column %d, channel %d of %d: %#x, want %#x", y, x, c, v, got, want)
		}
	}
	return nil
}

// TestRenderExactPillow holds the exact bilinear way to Pillow's pixels.
func TestRenderExactPillow(t *testing.T) {
	var cases struct {
		Cases []struct {
			Source    string
			Size, Out [2]int
			Crop      [4]int
			Pixels    string
		}
	}
	readJSON(t, filepath.Join("..", "testdata", "resize", "bilinear.json"), &cases)
	n := 0
	for _, c := range cases.Cases {
		if c.Source != "noise" {
			continue
		}
		n++
		want, err := base64.StdEncoding.DecodeString(c.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		m := noise(c.Size[0], c.Size[1])
		src := rgb.Encoded{Width: m.Width, Height: m.Height, Data: m.Pix}
		target := rgb.Target{Width: c.Out[0], Height: c.Out[1], Filter: rgb.Bilinear, Exact: true}
		got := make([]byte, target.Bytes())
		var s rgb.Scratch
		if err := s.Render(got, src, rgb.Rect{X: c.Crop[0], Y: c.Crop[1], W: c.Crop[2], H: c.Crop[3]}, false, &target); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			most, mean := golden.Distance(got, want)
			t.Errorf("%v of %v to %v: differs by %d at most, %f on average", c.Crop, c.Size, c.Out, most, mean)
		}
	}
	if n < 15 {
		t.Fatalf("only %d cases", n)
	}
}

// TestRenderRefuses holds what can't be rendered to an error that says why.
func TestRenderRefuses(t *testing.T) {
	src := stored("rgb_jpg")[0]
	whole := rgb.Rect{W: src.Width, H: src.Height}
	ok := rgb.Target{Width: 4, Height: 4}
	with := func(f func(*rgb.Target)) rgb.Target { t := ok; f(&t); return t }
	std := [3]float64{1, 1, 1}
	for _, c := range []struct {
		what string
		t    rgb.Target
		crop rgb.Rect
		n    int
	}{
		{"no size", rgb.Target{}, whole, 0},
		{"too wide", with(func(t *rgb.Target) { t.Width = rgb.MaxSide + 1 }), whole, 48},
		{"layout", with(func(t *rgb.Target) { t.Layout = 2 }), whole, 48},
		{"type", with(func(t *rgb.Target) { t.Type = 4 }), whole, 48},
		{"filter", with(func(t *rgb.Target) { t.Filter = 2 }), whole, 48},
		{"normalised bytes", with(func(t *rgb.Target) { t.Std = std }), whole, 48},
		{"a mean alone", with(func(t *rgb.Target) { t.Type, t.Mean = rgb.Float32, std }), whole, 4 * 48},
		{"a deviation of 0", with(func(t *rgb.Target) { t.Type, t.Std = rgb.Float32, [3]float64{1, 0, 1} }), whole, 4 * 48},
		{"a mean of NaN", with(func(t *rgb.Target) { t.Type, t.Std, t.Mean[1] = rgb.Float32, std, math.NaN() }), whole, 4 * 48},
		{"short memory", ok, whole, 47},
		{"long memory", ok, whole, 49},
		{"an empty crop", ok, rgb.Rect{W: 1}, 48},
		{"a crop outside", ok, rgb.Rect{X: 1, W: src.Width, H: 1}, 48},
	} {
		var s rgb.Scratch
		if err := s.Render(make([]byte, c.n), src, c.crop, false, &c.t); err == nil {
			t.Errorf("%s: no error", c.what)
		}
	}
}

// TestAppendMarks holds marks to pictures that can have them, and to being the
// same pixels.
func TestAppendMarks(t *testing.T) {
	for i, src := range stored("rgb_jpg") {
		marks, err := rgb.AppendMarks([]byte{7}, src.Data)
		if err != nil || len(marks) < 1 || marks[0] != 7 {
			t.Fatalf("picture %d: %v, %v", i, marks, err)
		}
		var s rgb.Scratch
		target := rgb.Target{Width: 9, Height: 9}
		var got [2][]byte
		for k, m := range [][]byte{nil, marks[1:]} {
			src.Marks = m
			got[k] = make([]byte, target.Bytes())
			crop := rgb.Rect{X: src.Width / 2, Y: src.Height / 2, W: src.Width / 3, H: src.Height / 3}
			if err := s.Render(got[k], src, crop, false, &target); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got[0], got[1]) {
			t.Errorf("picture %d: other pixels with marks", i)
		}
	}
	if marks, err := rgb.AppendMarks(nil, []byte("\x89PNG\r\n\x1a\n")); err != nil || marks != nil {
		t.Errorf("PNG: %v, %v", marks, err)
	}
	if _, err := rgb.AppendMarks(nil, []byte{0xFF, 0xD8, 0xFF, 0xD9}); err == nil {
		t.Error("a JPEG without a picture: no error")
	}
}
