package rgb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/png"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// Decode is the package's [Decode] with this scratch memory.
func (s *Scratch) Decode(dst *Image, data []byte) error {
	if f := Sniff(data); f != JPEG {
		return decodeOdd(dst, f, data)
	}
	return s.DecodeJPEG(dst, data)
}

// decodeOdd decodes the formats other than JPEG.
func decodeOdd(dst *Image, f Format, data []byte) error {
	_, w, h, _, err := ScanImage(data)
	if err != nil {
		return err
	}
	switch f {
	case PNG:
		return decodePNG(dst, data, w, h)
	case GIF:
		return decodeGIF(dst, data)
	case BMP:
		// Rows are not packed, so a file can't be smaller than its pixels.
		if len(data) >= 30 && w*h/8*int(binary.LittleEndian.Uint16(data[28:])) > len(data) {
			return invalid(BMP, len(data), "%d bytes are too few for %dx%d: truncated", len(data), w, h)
		}
		img, err := bmp.Decode(bytes.NewReader(data))
		if errors.Is(err, bmp.ErrUnsupported) {
			return unsupported(BMP, "compression or depth")
		}
		return convert(dst, BMP, img, err)
	case TIFF:
		return decodeTIFF(dst, data, w, h)
	default:
		return decodeWebP(dst, data)
	}
}

// decodeTIFF turns the picture as its orientation tag says: Pillow does so for
// TIFF, and for no other format.
func decodeTIFF(dst *Image, data []byte, w, h int) error {
	// A bit a pixel at least, and no compression makes 8192 bytes of one.
	if w*h/8/8192 > len(data) {
		return invalid(TIFF, len(data), "%d bytes are too few for %dx%d: truncated", len(data), w, h)
	}
	r, err := TIFFReader(data)
	if err != nil {
		return err
	}
	img, err := tiff.Decode(r)
	var u tiff.UnsupportedError
	if errors.As(err, &u) {
		return unsupported(TIFF, "%s", string(u))
	}
	orient := orientation(data)
	if orient <= 1 {
		return convert(dst, TIFF, img, err)
	}
	var lying Image
	if err := convert(&lying, TIFF, img, err); err != nil {
		return err
	}
	Orient(dst, lying, orient)
	return nil
}

// decodePNG differs from the other formats in 16-bit gray with transparency,
// which the standard decoder gives as colour with alpha.
func decodePNG(dst *Image, data []byte, w, h int) error {
	// Deflate packs 1032 to 1 at best: less data can't hold the rows.
	const depthAt, kindAt, maxRatio = 24, 25, 1032
	if rows := h * (1 + w*int(data[depthAt])/8); rows/maxRatio > len(data) {
		return invalid(PNG, len(data), "%d bytes are too few for %dx%d: truncated", len(data), w, h)
	}
	img, err := png.Decode(bytes.NewReader(data))
	var u png.UnsupportedError
	if errors.As(err, &u) {
		return unsupported(PNG, "%s", string(u))
	}
	if m, ok := img.(*image.NRGBA64); ok && err == nil && data[kindAt] == 0 {
		dst.setSize(w, h)
		for y := range h {
			clipRow(dst.row(y), m.Pix[y*m.Stride:], 8)
		}
		return nil
	}
	return convert(dst, PNG, img, err)
}

// convert makes RGB of what a decoder gave, by Pillow's rules.
func convert(dst *Image, f Format, img image.Image, err error) error {
	if err != nil {
		return &InvalidError{Format: f, Offset: -1, Err: err}
	}
	b := img.Bounds()
	if err := checkSize(f, b.Dx(), b.Dy()); err != nil {
		return err
	}
	rows := func(pix []byte, stride int, row func(out, in []byte)) {
		dst.setSize(b.Dx(), b.Dy())
		for y := range b.Dy() {
			row(dst.row(y), pix[y*stride:])
		}
	}
	switch m := img.(type) {
	case *image.Gray:
		rows(m.Pix, m.Stride, grayRow)
	case *image.Gray16:
		rows(m.Pix, m.Stride, func(out, in []byte) { clipRow(out, in, 2) })
	case *image.Paletted:
		colours := paletteRGB(m.Palette)
		rows(m.Pix, m.Stride, func(out, in []byte) {
			for x := range len(out) / 3 {
				copy(out[3*x:3*x+3], colours[in[x]][:])
			}
		})
	case *image.NRGBA:
		dropAlpha(dst, m.Pix, m.Stride, b)
	case *image.RGBA:
		rows(m.Pix, m.Stride, straightRow)
	case *image.NRGBA64:
		rows(m.Pix, m.Stride, highRow)
	case *image.RGBA64:
		rows(m.Pix, m.Stride, highRow)
	case *image.CMYK:
		rows(m.Pix, m.Stride, inkRow)
	default:
		return unsupported(f, "pixels of type %T", img)
	}
	return nil
}

// dropAlpha keeps the colours of RGBA pixels, whatever their alpha.
func dropAlpha(dst *Image, pix []byte, stride int, b image.Rectangle) {
	dst.setSize(b.Dx(), b.Dy())
	for y := range b.Dy() {
		out, in := dst.row(y), pix[y*stride:]
		for x := range b.Dx() {
			copy(out[3*x:3*x+3], in[4*x:4*x+3])
		}
	}
}

// straightRow takes alpha out of colours that were multiplied by it, rounding
// down as Pillow does.
func straightRow(out, in []byte) {
	for x := range len(out) / 3 {
		p, o := in[4*x:][:4], out[3*x:][:3]
		a := int(p[3])
		for i := range o {
			switch a {
			case 255:
				o[i] = p[i]
			case 0:
				o[i] = 0
			default:
				o[i] = byte(min(255*int(p[i])/a, 255))
			}
		}
	}
}

// highRow keeps the high bytes of 16-bit RGBA.
func highRow(out, in []byte) {
	for x := range len(out) / 3 {
		out[3*x], out[3*x+1], out[3*x+2] = in[8*x], in[8*x+2], in[8*x+4]
	}
}

// clipRow makes gray of 16-bit values, step bytes apart, as Pillow's I;16 to
// RGB does it: they are cut off at 255, not scaled.
func clipRow(out, in []byte, step int) {
	for x := range len(out) / 3 {
		v := byte(255)
		if in[step*x] == 0 {
			v = in[step*x+1]
		}
		out[3*x], out[3*x+1], out[3*x+2] = v, v, v
	}
}

// inkRow makes RGB of CMYK.
func inkRow(out, in []byte) {
	for x := range len(out) / 3 {
		for i := range 3 {
			out[3*x+i] = inkToRGB(int(in[4*x+i]), int(in[4*x+3]))
		}
	}
}

// paletteRGB is a palette's colours without alpha; indices past it are black.
func paletteRGB(p color.Palette) (colours [256][3]byte) {
	for i, c := range p[:min(len(p), 256)] {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		colours[i] = [3]byte{n.R, n.G, n.B}
	}
	return colours
}
