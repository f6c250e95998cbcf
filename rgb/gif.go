package rgb

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/gif"
	"io"
)

// gifHead is what a GIF tells up to its first frame's pixels.
type gifHead struct {
	width, height int    // of the canvas, grown to hold the frame
	grown         bool   // it had to be
	palette       []byte // the frame's colours, three bytes each
	transparent   int    // index, 0 when there is none
}

// scanGIF walks a GIF's blocks to its first frame.
func scanGIF(b []byte) (gifHead, error) {
	if len(b) < 13 {
		return gifHead{}, invalid(GIF, len(b), "no screen descriptor: truncated")
	}
	g := gifHead{width: int(binary.LittleEndian.Uint16(b[6:])), height: int(binary.LittleEndian.Uint16(b[8:]))}
	off := 13
	var err error
	if g.palette, off, err = gifColours(b, off, b[10]); err != nil {
		return gifHead{}, err
	}
	for off < len(b) {
		switch b[off] {
		case 0x21: // extension: label, then sub-blocks until an empty one
			if len(b)-off >= 8 && b[off+1] == 0xF9 && b[off+3]&1 != 0 {
				g.transparent = int(b[off+6])
			}
			for off += 2; off < len(b) && b[off] != 0; {
				off += 1 + int(b[off])
			}
			off++
		case 0x2C:
			return g.frame(b, off)
		default:
			return gifHead{}, invalid(GIF, off, "block %#02x before the first frame", b[off])
		}
	}
	return gifHead{}, invalid(GIF, len(b), "no frame: truncated")
}

// frame reads the frame descriptor at off.
func (g gifHead) frame(b []byte, off int) (gifHead, error) {
	if len(b)-off < 10 {
		return gifHead{}, invalid(GIF, off, "frame descriptor: truncated")
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(b[off+i:])) }
	w, h := max(g.width, at(1)+at(5)), max(g.height, at(3)+at(7))
	g.grown = w != g.width || h != g.height
	g.width, g.height = w, h
	local, _, err := gifColours(b, off+10, b[off+9])
	if err != nil {
		return gifHead{}, err
	}
	if local != nil {
		g.palette = local
	}
	return g, nil
}

// gifColours takes the colour table at off, if flags say that there is one,
// and the offset after it.
func gifColours(b []byte, off int, flags byte) ([]byte, int, error) {
	if flags&0x80 == 0 {
		return nil, off, nil
	}
	n := 3 << (flags&7 + 1)
	if n > len(b)-off {
		return nil, 0, invalid(GIF, off, "colour table of %d bytes, %d are left: truncated", n, len(b)-off)
	}
	return b[off : off+n], off + n, nil
}

// decodeGIF gives the first frame on its canvas. What the frame leaves bare
// has the transparent colour's index, as in Pillow. The standard decoder has
// lost that colour, so colours come from the file's own table.
func decodeGIF(dst *Image, data []byte) error {
	g, err := scanGIF(data)
	if err != nil {
		return err
	}
	if err := checkSize(GIF, g.width, g.height); err != nil {
		return err
	}
	var in io.Reader = bytes.NewReader(data)
	if g.grown {
		head := bytes.Clone(data[:13])
		binary.LittleEndian.PutUint16(head[6:], uint16(g.width))
		binary.LittleEndian.PutUint16(head[8:], uint16(g.height))
		in = io.MultiReader(bytes.NewReader(head), bytes.NewReader(data[13:]))
	}
	img, err := gif.Decode(in)
	if err != nil {
		return &InvalidError{Format: GIF, Offset: -1, Err: err}
	}
	m, ok := img.(*image.Paletted)
	if !ok {
		return unsupported(GIF, "pixels of type %T", img)
	}
	var colours [256][3]byte
	for i := range len(g.palette) / 3 {
		colours[i] = [3]byte(g.palette[3*i:])
	}
	dst.setSize(g.width, g.height)
	for i := 0; i < len(dst.Pix); i += 3 {
		copy(dst.Pix[i:i+3], colours[g.transparent][:])
	}
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		out := dst.row(y)[3*m.Rect.Min.X:]
		for x, v := range m.Pix[(y-m.Rect.Min.Y)*m.Stride:][:m.Rect.Dx()] {
			copy(out[3*x:3*x+3], colours[v][:])
		}
	}
	return nil
}
