package rgb

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
)

// The entropy decoder and inverse DCT are the standard library's; what follows
// them, chroma upsampling and colour conversion, is libjpeg's, so that pixels
// differ from libjpeg's by the rounding of the DCT only.

// jpegScratch holds a decoder's memory beside the result.
type jpegScratch struct {
	in     bytes.Reader
	cb, cr []byte // one row of chroma at full width
}

// DecodeJPEG is the package's [DecodeJPEG] with this scratch memory.
func (s *Scratch) DecodeJPEG(dst *Image, data []byte) error {
	info, err := ScanJPEG(data)
	if err != nil {
		return err
	}
	return s.decodeScanned(dst, data, &info)
}

// decodeScanned decodes a JPEG whose markers have been walked.
func (s *Scratch) decodeScanned(dst *Image, data []byte, info *JPEGInfo) error {
	if err := info.Storable(); err != nil && !(info.CMYK && info.Precision == 8 && !info.Lossless && !info.Arithmetic) {
		return err
	}
	if err := checkSize(JPEG, info.Width, info.Height); err != nil {
		return err
	}
	img, err := jpeg.Decode(s.jpeg.open(data, info))
	if err != nil {
		return jpegError(err)
	}
	switch m := img.(type) {
	case *image.Gray:
		dst.setSize(info.Width, info.Height)
		for y := range info.Height {
			grayRow(dst.row(y), m.Pix[y*m.Stride:])
		}
	case *image.YCbCr:
		c, err := chromaOf(m, info)
		if err != nil {
			return err
		}
		dst.setSize(info.Width, info.Height)
		s.jpeg.convert(dst, m.Y, m.YStride, c, info.ycc())
	case *image.CMYK:
		return s.jpeg.convertCMYK(dst, m, info)
	default:
		return unsupported(JPEG, "pixels of type %T", img)
	}
	return nil
}

// open gives the stream to the standard decoder, which decides on colour
// itself. Where its choice would hide what it decoded, a segment that says
// otherwise is slipped in before the first scan: then RGB arrives as three
// planes as they are, four components as four.
func (s *jpegScratch) open(data []byte, info *JPEGInfo) io.Reader {
	var segment string
	switch {
	case info.Components == 4:
		segment = "\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x00"
	case info.Components == 3 && !info.JFIF:
		segment = "\xFF\xE0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
	default:
		s.in.Reset(data[:info.Size])
		return &s.in
	}
	return io.MultiReader(bytes.NewReader(data[:info.sos]), bytes.NewReader([]byte(segment)),
		bytes.NewReader(data[info.sos:info.Size]))
}

// jpegError makes this package's error of the standard decoder's.
func jpegError(err error) error {
	var u jpeg.UnsupportedError
	if errors.As(err, &u) {
		return unsupported(JPEG, "%s", string(u))
	}
	var f jpeg.FormatError
	if errors.As(err, &f) {
		return invalid(JPEG, -1, "%s", string(f))
	}
	return &InvalidError{Format: JPEG, Offset: -1, What: "decode", Err: err}
}

// ycc says whether the first three components are YCbCr, by libjpeg's rules.
func (i *JPEGInfo) ycc() bool {
	switch {
	case i.Components == 4:
		return i.Adobe > 0
	case i.JFIF:
		return true
	case i.Adobe >= 0:
		return i.Adobe != 0
	}
	return !(i.comp[0].id == 'R' && i.comp[1].id == 'G' && i.comp[2].id == 'B')
}

// chroma is the two colour planes of a picture, smaller than it by hs and vs.
type chroma struct {
	cb, cr []byte
	stride int
	w, h   int // of a plane, without its padding
	hs, vs int
}

// chromaOf takes the colour planes out of a decoded picture.
func chromaOf(m *image.YCbCr, info *JPEGInfo) (chroma, error) {
	c := chroma{cb: m.Cb, cr: m.Cr, stride: m.CStride}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
		c.hs, c.vs = 1, 1
	case image.YCbCrSubsampleRatio440:
		c.hs, c.vs = 1, 2
	case image.YCbCrSubsampleRatio422:
		c.hs, c.vs = 2, 1
	case image.YCbCrSubsampleRatio420:
		c.hs, c.vs = 2, 2
	case image.YCbCrSubsampleRatio411:
		c.hs, c.vs = 4, 1
	case image.YCbCrSubsampleRatio410:
		c.hs, c.vs = 4, 2
	default:
		return chroma{}, unsupported(JPEG, "chroma subsampling %v", m.SubsampleRatio)
	}
	c.w, c.h = (info.Width+c.hs-1)/c.hs, (info.Height+c.vs-1)/c.vs
	return c, nil
}

// convert writes the rows of dst from a luma plane and its chroma.
func (s *jpegScratch) convert(dst *Image, luma []byte, stride int, c chroma, ycc bool) {
	s.cb, s.cr = grow(s.cb, c.w*c.hs), grow(s.cr, c.w*c.hs)
	for y := range dst.Height {
		cb := c.row(s.cb, c.cb, y)
		cr := c.row(s.cr, c.cr, y)
		if ycc {
			yccRow(dst.row(y), luma[y*stride:], cb, cr)
		} else {
			mergeRow(dst.row(y), luma[y*stride:], cb, cr)
		}
	}
}

// convertCMYK makes RGB of four components. The standard decoder has inverted
// them all and repeated the smaller planes' samples.
func (s *jpegScratch) convertCMYK(dst *Image, m *image.CMYK, info *JPEGInfo) error {
	c := chroma{hs: 1, vs: 1}
	if info.comp[0].h != info.comp[1].h {
		c.hs, c.vs = 2, 2
	}
	c.w, c.h = (info.Width+c.hs-1)/c.hs, (info.Height+c.vs-1)/c.vs
	c.stride = c.w
	c.cb, c.cr = make([]byte, c.w*c.h), make([]byte, c.w*c.h)
	for y := range c.h {
		row := m.Pix[y*c.vs*m.Stride:]
		for x := range c.w {
			c.cb[y*c.w+x] = ^row[4*c.hs*x+1]
			c.cr[y*c.w+x] = ^row[4*c.hs*x+2]
		}
	}
	luma := make([]byte, info.Width*info.Height)
	for y := range info.Height {
		row := m.Pix[y*m.Stride:]
		for x := range info.Width {
			luma[y*info.Width+x] = ^row[4*x]
		}
	}
	dst.setSize(info.Width, info.Height)
	s.convert(dst, luma, info.Width, c, info.ycc())
	// Pillow takes every such file as Adobe's inverted kind: samples say how
	// much colour an ink leaves. libjpeg has inverted YCCK's once before that.
	var invert int
	if !info.ycc() {
		invert = 255
	}
	for y := range info.Height {
		out, row := dst.row(y), m.Pix[y*m.Stride:]
		for x := range info.Width {
			k := int(row[4*x+3])
			for i := range 3 {
				out[3*x+i] = inkToRGB(invert^int(out[3*x+i]), k)
			}
		}
	}
	return nil
}

// inkToRGB is one channel of Pillow's CMYK to RGB: white less black, less that
// share of the ink.
func inkToRGB(ink, black int) byte {
	white := 255 - black
	t := ink*white + 128
	return byte(max(0, white-(t>>8+t)>>8))
}

// row is row y of a picture.
func (m *Image) row(y int) []byte { return m.Pix[3*m.Width*y:][:3*m.Width] }
