package rgb

import (
	"fmt"
	"image"
	"image/color"

	"github.com/disintegration/imaging"
)

// ContactSheet lays pictures out in rows of the given number of columns, each
// shrunk or enlarged to fit a cell of cell x cell pixels with its shape kept,
// on white. It returns an error for a picture whose numbers don't fit together
// or a sheet that is empty or larger than [MaxPixels].
func ContactSheet(pictures []Image, columns, cell int) (image.Image, error) {
	if len(pictures) == 0 || columns < 1 || cell < 1 {
		return nil, fmt.Errorf("rgb: contact sheet of %d pictures in %d columns of %d pixels", len(pictures), columns, cell)
	}
	columns = min(columns, len(pictures))
	rows := (len(pictures) + columns - 1) / columns
	if cell > MaxSide || columns > MaxSide/cell || rows > MaxSide/cell {
		return nil, fmt.Errorf("rgb: contact sheet of %dx%d cells of %d pixels: a side may have %d pixels", columns, rows, cell, MaxSide)
	}
	if err := checkSize("", columns*cell, rows*cell); err != nil {
		return nil, err
	}
	sheet := imaging.New(columns*cell, rows*cell, color.White)
	for i, p := range pictures {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("contact sheet, picture %d: %w", i, err)
		}
		thumb := imaging.Resize(p.nrgba(), fit(p.Width, p.Height, cell), fit(p.Height, p.Width, cell), imaging.Box)
		at := image.Pt(i%columns*cell+(cell-thumb.Rect.Dx())/2, i/columns*cell+(cell-thumb.Rect.Dy())/2)
		// Paste copies the sheet each time; draw into it instead.
		for y := range thumb.Rect.Dy() {
			copy(sheet.Pix[sheet.PixOffset(at.X, at.Y+y):], thumb.Pix[y*thumb.Stride:][:4*thumb.Rect.Dx()])
		}
	}
	return sheet, nil
}

// fit is the length of side a when the longer of a and b becomes cell.
func fit(a, b, cell int) int { return max(1, (a*cell+max(a, b)/2)/max(a, b)) }

// nrgba copies a picture into the standard library's kind.
func (m *Image) nrgba() *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		o := out.Pix[4*i:][:4]
		copy(o, m.Pix[3*i:3*i+3])
		o[3] = 255
	}
	return out
}
