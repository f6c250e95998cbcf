package main

import (
	"fmt"
	"image"
	"math"

	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

const (
	side    = 144 // of the pictures, in pixels
	cell    = side + 4
	columns = 5
)

// lay puts pictures of at most side x side pixels, and larger ones made
// smaller, on a sheet, with white between them.
func lay(pictures []rgb.Image) (rgb.Image, error) {
	cells := make([]rgb.Image, len(pictures))
	for i, p := range pictures {
		cells[i] = frame(p)
	}
	sheet, err := rgb.ContactSheet(cells, columns, cell)
	if err != nil {
		return rgb.Image{}, err
	}
	m, ok := sheet.(*image.NRGBA)
	if !ok {
		return rgb.Image{}, fmt.Errorf("a contact sheet is %T, want *image.NRGBA", sheet)
	}
	out := blank(m.Rect.Dx(), m.Rect.Dy())
	for y := range out.Height {
		for x := range out.Width {
			copy(out.Pix[3*(y*out.Width+x):][:3], m.Pix[m.PixOffset(x, y):])
		}
	}
	return out, nil
}

func blank(width, height int) rgb.Image {
	m := rgb.Image{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	return m
}

// frame puts a picture in the middle of a white cell. Pixels stay as they are
// unless the picture is too large.
func frame(p rgb.Image) rgb.Image {
	if long := max(p.Width, p.Height); long > side {
		var small rgb.Image
		rgb.ResizeArea(&small, p, rgb.Rect{W: p.Width, H: p.Height},
			max(1, (p.Width*side+long/2)/long), max(1, (p.Height*side+long/2)/long))
		p = small
	}
	out := blank(cell, cell)
	x0, y0 := (cell-p.Width)/2, (cell-p.Height)/2
	for y := range p.Height {
		copy(out.Pix[3*((y0+y)*cell+x0):], p.Pix[3*y*p.Width:][:3*p.Width])
	}
	return out
}

// picture copies row i of an output of shape (height, width, 3), uint8, or
// (height, width, 1), which becomes gray.
func picture(c loader.Column, i int) rgb.Image {
	p := rgb.Image{Height: c.Shape[1], Width: c.Shape[2]}
	row := c.Value(i)
	if c.Shape[3] == 3 {
		p.Pix = append(p.Pix, row...)
		return p
	}
	for _, v := range row {
		p.Pix = append(p.Pix, v, v, v)
	}
	return p
}

// tints are the colours of classes; the background has none.
var tints = [...][3]byte{red: {0, 90, 255}, shadow: {255, 220, 0}}

// tint colours the pixels of a picture by their classes.
func tint(p rgb.Image, mask []byte) {
	for i, class := range mask {
		if class == background {
			continue
		}
		for c, v := range tints[class] {
			p.Pix[3*i+c] = byte((int(p.Pix[3*i+c]) + int(v)) / 2)
		}
	}
}

// outline draws the edges of a box, rounded to pixels.
func outline(p rgb.Image, left, top, right, bottom float32) {
	x0, y0 := round(left), round(top)
	x1, y1 := max(x0, round(right)-1), max(y0, round(bottom)-1)
	for x := x0; x <= x1; x++ {
		dot(p, x, y0)
		dot(p, x, y1)
	}
	for y := y0; y <= y1; y++ {
		dot(p, x0, y)
		dot(p, x1, y)
	}
}

func round(v float32) int { return int(math.Round(float64(v))) }

func dot(p rgb.Image, x, y int) {
	if x >= 0 && x < p.Width && y >= 0 && y < p.Height {
		copy(p.Pix[3*(y*p.Width+x):], []byte{255, 255, 255})
	}
}

// strips takes every other strip of p, from the second, from q.
func strips(p, q rgb.Image) {
	const width = side / 6
	for i := range p.Width * p.Height {
		if i%p.Width/width%2 == 1 {
			copy(p.Pix[3*i:3*i+3], q.Pix[3*i:])
		}
	}
}

// bars draws a bar for each of a row of shares, 0 to 1, upon a black strip at
// the bottom of a picture: one a class.
func bars(p rgb.Image, shares []float32) {
	const high = 16
	for y := p.Height - high; y < p.Height; y++ {
		for x := range p.Width {
			bar := x * len(shares) / p.Width
			edge := x == 0 || (x-1)*len(shares)/p.Width != bar
			v := byte(0)
			switch {
			case edge:
				v = 128
			case float32(p.Height-y) <= shares[bar]*high:
				v = 255
			}
			copy(p.Pix[3*(y*p.Width+x):], []byte{v, v, v})
		}
	}
}
