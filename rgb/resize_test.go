package rgb_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// TestResizeAreaFFCV holds ResizeArea to what FFCV's own crop and resize gave.
func TestResizeAreaFFCV(t *testing.T) {
	var cases []struct {
		Source, Npy, Why string
		Sample           int
		Crop             [4]int `json:"crop_row_col_h_w"`
		Out              [2]int `json:"out_h_w"`
	}
	golden.JSON("resize.json", &cases)
	if len(cases) < 17 {
		t.Fatalf("only %d cases", len(cases))
	}
	src := stored("rgb_raw")
	var s rgb.Scratch
	var dst rgb.Image
	for _, c := range cases {
		e := src[c.Sample]
		crop := rgb.Rect{Y: c.Crop[0], X: c.Crop[1], H: c.Crop[2], W: c.Crop[3]}
		if err := s.LoadCrop(&dst, e, crop, c.Out[1], c.Out[0]); err != nil {
			t.Fatalf("%s: %v", c.Npy, err)
		}
		want := golden.Pixels(c.Npy)
		if !bytes.Equal(dst.Pix, want) {
			most, mean := golden.Distance(dst.Pix, want)
			t.Errorf("%s (%s): differs, at most %d, mean %f", c.Npy, c.Why, most, mean)
		}
	}
}

// noise is the picture that testdata/rgb/resize.py makes for a size.
func noise(w, h int) rgb.Image {
	m := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	for i := range m.Pix {
		v := (uint32(i) + uint32(w)*7919) * 2654435761
		v ^= v >> 15
		v *= 2246822519
		m.Pix[i] = byte(v >> 24)
	}
	return m
}

// TestResizeAreaOpenCV holds ResizeArea to OpenCV on many sizes and crops.
func TestResizeAreaOpenCV(t *testing.T) {
	var list struct {
		Cases []struct {
			Src    [2]int // width, height
			Crop   [4]int // x, y, w, h
			Out    [2]int // width, height
			SHA256 string
		}
	}
	readJSON(t, "../testdata/rgb/resize.json", &list)
	if len(list.Cases) < 100 {
		t.Fatalf("only %d cases", len(list.Cases))
	}
	var dst rgb.Image
	var s rgb.Scratch
	for _, c := range list.Cases {
		src := noise(c.Src[0], c.Src[1])
		crop := rgb.Rect{X: c.Crop[0], Y: c.Crop[1], W: c.Crop[2], H: c.Crop[3]}
		s.ResizeArea(&dst, src, crop, c.Out[0], c.Out[1])
		sum := sha256.Sum256(dst.Pix)
		if got := hex.EncodeToString(sum[:]); got != c.SHA256 {
			t.Errorf("%v of %v to %v: pixels differ from OpenCV's", crop, c.Src, c.Out)
		}
	}
}

func TestResizeAreaKeepsToTheCrop(t *testing.T) {
	src := noise(40, 30)
	crop := rgb.Rect{X: 5, Y: 6, W: 21, H: 17}
	for _, out := range [][2]int{{7, 5}, {21, 17}, {40, 40}, {3, 40}, {1, 1}} {
		var a, b rgb.Image
		rgb.ResizeArea(&a, src, crop, out[0], out[1])
		other := rgb.Image{Width: 40, Height: 30, Pix: bytes.Repeat([]byte{255}, len(src.Pix))}
		for y := crop.Y; y < crop.Y+crop.H; y++ {
			from, to := 3*(40*y+crop.X), 3*(40*y+crop.X+crop.W)
			copy(other.Pix[from:to], src.Pix[from:to])
		}
		rgb.ResizeArea(&b, other, crop, out[0], out[1])
		if !bytes.Equal(a.Pix, b.Pix) {
			t.Errorf("to %v: pixels outside the crop changed the result", out)
		}
	}
}

func TestResizeAreaPanics(t *testing.T) {
	src := noise(8, 6)
	big := int(^uint(0) >> 1)
	for _, c := range []struct {
		crop rgb.Rect
		w, h int
	}{
		{rgb.Rect{W: 0, H: 6}, 4, 4},
		{rgb.Rect{W: 9, H: 6}, 4, 4},
		{rgb.Rect{X: 1, W: 8, H: 6}, 4, 4},
		{rgb.Rect{X: -1, W: 4, H: 4}, 4, 4},
		{rgb.Rect{X: big, W: 4, H: 4}, 4, 4},
		{rgb.Rect{Y: 3, W: 4, H: 4}, 4, 4},
		{rgb.Rect{W: 8, H: 6}, 0, 4},
		{rgb.Rect{W: 8, H: 6}, 4, -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v to %dx%d: no panic", c.crop, c.w, c.h)
				}
			}()
			rgb.ResizeArea(&rgb.Image{}, src, c.crop, c.w, c.h)
		}()
	}
}

func BenchmarkResizeArea(b *testing.B) {
	src := noise(500, 375)
	for _, c := range []struct {
		name string
		crop rgb.Rect
		w, h int
	}{
		{"shrink", rgb.Rect{X: 40, Y: 20, W: 330, H: 300}, 224, 224},
		{"grow", rgb.Rect{X: 40, Y: 20, W: 168, H: 168}, 224, 224},
		{"half", rgb.Rect{X: 0, Y: 0, W: 448, H: 374}, 224, 187},
		{"third", rgb.Rect{X: 0, Y: 0, W: 333, H: 333}, 111, 111},
	} {
		b.Run(fmt.Sprintf("%s/%dx%d", c.name, c.w, c.h), func(b *testing.B) {
			var s rgb.Scratch
			var dst rgb.Image
			s.ResizeArea(&dst, src, c.crop, c.w, c.h)
			b.ReportAllocs()
			for b.Loop() {
				s.ResizeArea(&dst, src, c.crop, c.w, c.h)
			}
		})
	}
}
