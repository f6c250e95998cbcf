package rgb

import (
	"bytes"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"io"

	"github.com/betongo/betongo/rgb/internal/jpeg"
)

// Sequential JPEGs are decoded by internal/jpeg, bit for bit as libjpeg does.
// The rest, progressive files and ones of four components, goes to the standard
// library's decoder; what follows its transform, chroma upsampling and colour
// conversion, is libjpeg's too, so that pixels differ from libjpeg's by the
// rounding of the transform only.

// jpegScratch holds a decoder's memory beside the result.
type jpegScratch struct {
	dec    jpeg.Decoder
	planes jpeg.Planes
	in     bytes.Reader
	rows   [3][]byte // one row of each plane at full width
	up     upsampler
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
	if err := checkSize(JPEG, info.Width, info.Height); err != nil {
		return err
	}
	err := s.jpeg.decode(dst, data[:info.Size])
	if !errors.Is(err, jpeg.ErrUnsupported) {
		return jpegError(err)
	}
	if err := info.Storable(); err != nil && !(info.CMYK && info.Precision == 8 && !info.Lossless && !info.Arithmetic) {
		return err
	}
	return s.jpeg.decodeStandard(dst, data, info)
}

// decode is for the JPEGs that internal/jpeg reads.
func (s *jpegScratch) decode(dst *Image, data []byte) error {
	h, err := s.dec.Open(data)
	if err != nil {
		return err
	}
	defer s.dec.Close()
	if err := s.dec.Decode(&s.planes); err != nil {
		return err
	}
	s.interleave(dst, h)
	return nil
}

// salvage gives what can be decoded of a damaged JPEG, mid-gray for the rest,
// and says whether there is such a picture.
func (s *Scratch) salvage(dst *Image, src Encoded) bool {
	j := &s.jpeg
	h, err := j.dec.Open(src.Data)
	if err != nil {
		return false
	}
	defer j.dec.Close()
	if h.Width != src.Width || h.Height != src.Height {
		return false
	}
	if err := j.dec.Decode(&j.planes); err != nil && (!damaged(err) || j.planes.Rect.Empty()) {
		return false
	}
	j.interleave(dst, h)
	return true
}

// damaged says whether internal/jpeg calls a stream broken.
func damaged(err error) bool {
	var bad *jpeg.Error
	return errors.As(err, &bad)
}

// interleave makes pixels of the decoded planes.
func (s *jpegScratch) interleave(dst *Image, h *jpeg.Header) {
	p := &s.planes
	var planes [3]plane
	for c := range h.Components {
		planes[c] = plane{p.Pix[c], p.Stride[c], p.W[c], p.H[c], p.SubX[c], p.SubY[c]}
	}
	dst.setSize(h.Width, h.Height)
	switch h.Transform {
	case jpeg.Gray:
		for y := range dst.Height {
			grayRow(dst.row(y), planes[0].pix[y*planes[0].stride:])
		}
	default:
		s.convert(dst, &planes, h.Transform == jpeg.YCbCr)
	}
}

// decodeStandard is for those that the standard library reads.
func (s *jpegScratch) decodeStandard(dst *Image, data []byte, info *JPEGInfo) error {
	img, err := stdjpeg.Decode(s.open(data, info))
	if err != nil {
		return standardError(err)
	}
	switch m := img.(type) {
	case *image.Gray:
		dst.setSize(info.Width, info.Height)
		for y := range info.Height {
			grayRow(dst.row(y), m.Pix[y*m.Stride:])
		}
	case *image.YCbCr:
		planes, err := planesOf(m, info)
		if err != nil {
			return err
		}
		dst.setSize(info.Width, info.Height)
		s.convert(dst, &planes, info.ycc())
	case *image.CMYK:
		return s.convertCMYK(dst, m, info)
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

// jpegError makes this package's error of internal/jpeg's.
func jpegError(err error) error {
	if err == nil {
		return nil
	}
	var bad *jpeg.Error
	if errors.As(err, &bad) {
		return invalid(JPEG, bad.Offset, "%s", bad.What)
	}
	return err
}

// standardError makes this package's error of the standard decoder's.
func standardError(err error) error {
	var u stdjpeg.UnsupportedError
	if errors.As(err, &u) {
		return unsupported(JPEG, "%s", string(u))
	}
	var f stdjpeg.FormatError
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

// planesOf takes a picture decoded by the standard library apart.
func planesOf(m *image.YCbCr, info *JPEGInfo) (p [3]plane, err error) {
	hs, vs := 1, 1
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
	case image.YCbCrSubsampleRatio440:
		vs = 2
	case image.YCbCrSubsampleRatio422:
		hs = 2
	case image.YCbCrSubsampleRatio420:
		hs, vs = 2, 2
	case image.YCbCrSubsampleRatio411:
		hs = 4
	case image.YCbCrSubsampleRatio410:
		hs, vs = 4, 2
	default:
		return p, unsupported(JPEG, "chroma subsampling %v", m.SubsampleRatio)
	}
	w, h := (info.Width+hs-1)/hs, (info.Height+vs-1)/vs
	p[0] = plane{m.Y, m.YStride, info.Width, info.Height, 1, 1}
	p[1] = plane{m.Cb, m.CStride, w, h, hs, vs}
	p[2] = plane{m.Cr, m.CStride, w, h, hs, vs}
	return p, nil
}

// convert writes the rows of dst from three planes.
func (s *jpegScratch) convert(dst *Image, planes *[3]plane, ycc bool) {
	var row [3][]byte
	for c, p := range planes {
		s.rows[c] = grow(s.rows[c], p.w*p.hs)
	}
	for y := range dst.Height {
		for c := range planes {
			row[c] = planes[c].row(&s.up, s.rows[c], y)
		}
		if ycc {
			s.up.yccRow(dst.row(y), row[0], row[1], row[2])
		} else {
			mergeRow(dst.row(y), row[0], row[1], row[2])
		}
	}
}

// convertCMYK makes RGB of four components. The standard decoder has inverted
// them all and repeated the smaller planes' samples.
func (s *jpegScratch) convertCMYK(dst *Image, m *image.CMYK, info *JPEGInfo) error {
	hs, vs := 1, 1
	if info.comp[0].h != info.comp[1].h {
		hs, vs = 2, 2
	}
	w, h := (info.Width+hs-1)/hs, (info.Height+vs-1)/vs
	planes := [3]plane{
		{make([]byte, info.Width*info.Height), info.Width, info.Width, info.Height, 1, 1},
		{make([]byte, w*h), w, w, h, hs, vs},
		{make([]byte, w*h), w, w, h, hs, vs},
	}
	for c, p := range planes {
		for y := range p.h {
			row := m.Pix[y*p.vs*m.Stride:]
			for x := range p.w {
				p.pix[y*p.w+x] = ^row[4*p.hs*x+c]
			}
		}
	}
	dst.setSize(info.Width, info.Height)
	s.convert(dst, &planes, info.ycc())
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
