package rgb

import (
	"encoding/binary"
	"fmt"
)

// Raster is a picture of 1 to 4 channels of whole numbers, which nothing here
// takes for colours: a mask of class numbers, a depth map, RGB with alpha.
// Pixels are row after row from the top, channels interleaved, without padding;
// numbers of two bytes are little-endian.
type Raster struct {
	Width, Height int
	Channels      int    // 1 to 4
	Depth         int    // bytes a number, 1 or 2
	Pix           []byte // Width*Height*Channels*Depth bytes
}

// placeScratch is what PlaceNearest and PlaceArea keep from one to the next.
type placeScratch struct {
	columns, rows places
	x, y          shares
	numbers       []int32   // a row of the source
	line          []float32 // the same
	row, sum      []float32
	first, second []float32 // rows that interpolation lies between
	bare          []byte    // a bare row of the outcome
	bareSums      [4]float32
}

// size is the bytes of a pixel.
func (r *Raster) size() int { return r.Channels * r.Depth }

// line is row y.
func (r *Raster) line(y int) []byte {
	n := r.Width * r.size()
	return r.Pix[y*n:][:n]
}

// check refuses a raster whose numbers do not fit together.
func (r *Raster) check() error {
	if err := checkSize("", r.Width, r.Height); err != nil {
		return err
	}
	if r.Channels < 1 || r.Channels > 4 || r.Depth != 1 && r.Depth != 2 {
		return fmt.Errorf("rgb: raster of %d channels of %d bytes, want 1 to 4 of 1 or 2", r.Channels, r.Depth)
	}
	if want := r.Width * r.Height * r.size(); len(r.Pix) != want {
		return fmt.Errorf("rgb: raster of %dx%d, %d channels of %d bytes, has %d bytes, want %d", r.Width, r.Height, r.Channels, r.Depth, len(r.Pix), want)
	}
	return nil
}

// checkPlace refuses what cannot be placed.
func (r *Raster) checkPlace(dst []byte, p *Placement, fill []uint16) error {
	if err := r.check(); err != nil {
		return err
	}
	if err := p.X.check("x", p.Width, r.Width); err != nil {
		return err
	}
	if err := p.Y.check("y", p.Height, r.Height); err != nil {
		return err
	}
	if p.Width > MaxPixels/p.Height {
		return fmt.Errorf("rgb: placement in %dx%d: a picture may have %d pixels at most", p.Width, p.Height, MaxPixels)
	}
	if want := p.Width * p.Height * r.size(); len(dst) != want {
		return fmt.Errorf("rgb: an outcome of %dx%d, %d channels of %d bytes, takes %d bytes, got %d", p.Width, p.Height, r.Channels, r.Depth, want, len(dst))
	}
	if fill != nil && len(fill) != r.Channels {
		return fmt.Errorf("rgb: fill of %d numbers for %d channels", len(fill), r.Channels)
	}
	for c, v := range fill {
		if r.Depth == 1 && v > 255 {
			return fmt.Errorf("rgb: fill of channel %d is %d, a byte holds 255", c, v)
		}
	}
	return nil
}

// bareRow makes n pixels of fill.
func (z *placeScratch) bareRow(r *Raster, n int, fill []uint16) {
	size := r.size()
	z.bare = grow(z.bare, n*size)
	if fill == nil {
		clear(z.bare)
		return
	}
	for c, v := range fill {
		if r.Depth == 1 {
			z.bare[c] = byte(v)
		} else {
			binary.LittleEndian.PutUint16(z.bare[2*c:], v)
		}
	}
	for have := size; have < len(z.bare); have *= 2 {
		copy(z.bare[have:], z.bare[:have])
	}
}
