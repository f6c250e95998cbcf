package rgb_test

import (
	"fmt"
	"image"
	"image/color"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// letters makes a picture of rows of letters, one letter a pixel.
func letters(rows ...string) rgb.Image {
	m := rgb.Image{Width: len(rows[0]), Height: len(rows)}
	for _, r := range rows {
		for _, c := range []byte(r) {
			m.Pix = append(m.Pix, c, c+1, c+2)
		}
	}
	return m
}

// TestOrient follows Pillow's ImageOps.exif_transpose.
func TestOrient(t *testing.T) {
	src := letters("abc", "def")
	for orientation, want := range map[int][]string{
		0: {"abc", "def"},
		1: {"abc", "def"},
		2: {"cba", "fed"},
		3: {"fed", "cba"},
		4: {"def", "abc"},
		5: {"ad", "be", "cf"},
		6: {"da", "eb", "fc"},
		7: {"fc", "eb", "da"},
		8: {"cf", "be", "ad"},
		9: {"abc", "def"},
	} {
		var got rgb.Image
		rgb.Orient(&got, src, orientation)
		w := letters(want...)
		if got.Width != w.Width || got.Height != w.Height || string(got.Pix) != string(w.Pix) {
			t.Errorf("orientation %d: got %dx%d %q, want %q", orientation, got.Width, got.Height, got.Pix, want)
		}
	}
}

func TestContactSheet(t *testing.T) {
	red := rgb.Image{Width: 4, Height: 2, Pix: []byte("\xff\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00")}
	sheet, err := rgb.ContactSheet([]rgb.Image{red, red, red, red, red}, 3, 20)
	if err != nil {
		t.Fatal(err)
	}
	if b := sheet.Bounds(); b != image.Rect(0, 0, 60, 40) {
		t.Fatalf("sheet of %v", b)
	}
	for at, want := range map[image.Point]color.NRGBA{
		{X: 0, Y: 0}:   {255, 255, 255, 255}, // above the first picture, 20x10
		{X: 0, Y: 5}:   {255, 0, 0, 255},
		{X: 59, Y: 14}: {255, 0, 0, 255},
		{X: 59, Y: 15}: {255, 255, 255, 255},
		{X: 30, Y: 30}: {255, 0, 0, 255}, // the fifth
		{X: 50, Y: 30}: {255, 255, 255, 255},
	} {
		if got := sheet.At(at.X, at.Y); got != want {
			t.Errorf("pixel %v is %v, want %v", at, got, want)
		}
	}
	for name, c := range map[string]struct {
		pictures      []rgb.Image
		columns, cell int
	}{
		"nothing":    {nil, 3, 20},
		"no columns": {[]rgb.Image{red}, 0, 20},
		"no cell":    {[]rgb.Image{red}, 1, 0},
		"too large":  {[]rgb.Image{red, red}, 2, 40000},
		"overflow":   {[]rgb.Image{red, red}, 2, 1 << 62},
		"broken":     {[]rgb.Image{{Width: 3, Height: 3}}, 1, 20},
	} {
		if sheet, err := rgb.ContactSheet(c.pictures, c.columns, c.cell); err == nil || sheet != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func ExampleScratch_LoadCrop() {
	// A stored picture of 4x2 raw pixels: black, and its right half white.
	stored := rgb.Encoded{Width: 4, Height: 2, Data: make([]byte, 24)}
	for _, x := range []int{2, 3, 6, 7} {
		copy(stored.Data[3*x:], "\xff\xff\xff")
	}
	var s rgb.Scratch // one for each worker
	var out rgb.Image // its pixels are used again by the next call
	if err := s.LoadCrop(&out, stored, rgb.Rect{X: 1, W: 2, H: 2}, 1, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out.Width, out.Height, out.Pix)
	// Output: 1 1 [128 128 128]
}

func ExampleScanImage() {
	gif := []byte("GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00\x3b")
	fmt.Println(rgb.ScanImage(gif))
	// Output: gif 2 1 0 <nil>
}
