// Package imagefile reads a folder of images, or one image file, as an array,
// and writes an array as images.
//
// A folder, with the folders in it, is one member, "images": N×H×W of gray
// images, N×H×W×3 of coloured ones, N×H×W×4 where one has transparency; |u1, and
// <u2 of PNG and TIFF of 16 bits. Images come in the order of their names, which
// are the attribute "files" ([]string, with '/' between folders). All must have
// one size and one depth. Gray ones among coloured ones become coloured, those
// without alpha among others get an opaque one. One file is the member "image",
// H×W, H×W×3 or H×W×4.
//
// Pixels are those of package rgb, so of Pillow: EXIF orientation is left to
// the caller, a TIFF's is applied, palettes are looked up, a GIF gives its first
// frame. Transparency of GIF and BMP is dropped.
//
// Hidden files and folders (a dot begins their name), and files that are no
// images by name and content, are left aside and told by Skipped.
package imagefile

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"

	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
)

// FormatError says what of a file is not as it should be.
type FormatError = array.FormatError

// Names of the members and of the attribute.
const (
	Folder = "images" // of a folder
	Single = "image"  // of one file
	Files  = "files"  // the files' names
)

// shape is what an image's header tells.
type shape struct {
	format        rgb.Format
	width, height int
	channels      int // 1 gray, 3 colours, 4 with alpha
	deep          bool
}

func (s shape) size() string { return fmt.Sprintf("%d×%d", s.width, s.height) }

func (s shape) depth() int {
	if s.deep {
		return 16
	}
	return 8
}

// dims are the dimensions of one image.
func (s shape) dims() []int {
	if s.channels == 1 {
		return []int{s.height, s.width}
	}
	return []int{s.height, s.width, s.channels}
}

func (s shape) dtype() array.DType {
	if s.deep {
		return array.Uint16
	}
	return array.Uint8
}

// bytes is the size of one image.
func (s shape) bytes() int { return s.width * s.height * s.channels * s.depth() / 8 } // at most MaxPixels

// look reads a header.
func look(data []byte) (shape, error) {
	f, w, h, _, err := rgb.ScanImage(data)
	if err != nil {
		return shape{}, err
	}
	s := shape{format: f, width: w, height: h, channels: 3}
	switch f {
	case rgb.PNG:
		lookPNG(&s, data)
	case rgb.JPEG:
		c, err := jpeg.DecodeConfig(bytes.NewReader(data))
		if err == nil && c.ColorModel == color.GrayModel { // what it refuses may be colour for rgb
			s.channels = 1
		}
	case rgb.TIFF:
		c, err := tiff.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return shape{}, err
		}
		switch c.ColorModel {
		case color.GrayModel, color.Gray16Model:
			s.channels = 1
		case color.NRGBAModel, color.NRGBA64Model:
			s.channels = 4
		}
		s.deep = c.ColorModel == color.Gray16Model || c.ColorModel == color.RGBA64Model || c.ColorModel == color.NRGBA64Model
	case rgb.WebP:
		c, err := webp.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return shape{}, err
		}
		if c.ColorModel == color.NRGBAModel || c.ColorModel == color.NYCbCrAModel {
			s.channels = 4
		}
	}
	return s, nil
}

// lookPNG tells a PNG's channels: transparency may come in a chunk of its own.
func lookPNG(s *shape, data []byte) {
	const depthAt, kindAt = 24, 25 // in a header that ScanImage has read
	kind := data[kindAt]
	s.deep = data[depthAt] == 16
	switch kind {
	case 0:
		s.channels = 1
	case 4, 6:
		s.channels = 4
		return
	}
	for at := 8; at+8 <= len(data); {
		n := int(data[at])<<24 | int(data[at+1])<<16 | int(data[at+2])<<8 | int(data[at+3])
		switch string(data[at+4 : at+8]) {
		case "tRNS":
			s.channels = 4
			return
		case "IDAT":
			return
		}
		at += 12 + n
	}
}

// decoder decodes one image after another.
type decoder struct {
	scratch rgb.Scratch
	pix     rgb.Image
}

// decode writes an image as s has it, which may be more channels than it has of
// its own.
func (d *decoder) decode(dst []byte, data []byte, s shape) error {
	own, err := look(data)
	if err != nil {
		return err
	}
	if own.width != s.width || own.height != s.height || own.deep != s.deep || own.channels > s.channels {
		return fmt.Errorf("the file has changed since it was opened: now %s, %d channels of %d bits", own.size(), own.channels, own.depth())
	}
	if own.deep || own.channels == 4 {
		return d.wide(dst, data, own, s)
	}
	if s.channels == 3 { // right into its place
		pix := rgb.Image{Pix: dst[:len(dst):len(dst)]}
		if err := d.scratch.Decode(&pix, data); err != nil {
			return err
		}
		if &pix.Pix[0] != &dst[0] {
			copy(dst, pix.Pix)
		}
		return nil
	}
	if err := d.scratch.Decode(&d.pix, data); err != nil {
		return err
	}
	for i, at := 0, 0; i < len(d.pix.Pix); i, at = i+3, at+s.channels {
		if dst[at] = d.pix.Pix[i]; s.channels == 4 {
			dst[at+1], dst[at+2], dst[at+3] = d.pix.Pix[i+1], d.pix.Pix[i+2], 0xff
		}
	}
	return nil
}

// wide decodes what has alpha or 16 bits, which package rgb doesn't keep.
func (d *decoder) wide(dst, data []byte, own, s shape) error {
	// No format packs pixels to less than an 8192th; more is a bomb.
	if own.bytes()/8192 > len(data) {
		return fmt.Errorf("%d bytes are too few for %s: truncated", len(data), own.size())
	}
	img, err := decodeStandard(data, own.format)
	if err != nil {
		return err
	}
	b := img.Bounds()
	if b.Dx() != s.width || b.Dy() != s.height {
		return fmt.Errorf("pixels of %d×%d, a TIFF with an orientation is only served with 8 bits and without alpha", b.Dx(), b.Dy())
	}
	size := s.bytes() / s.height
	for y := range s.height {
		if s.deep {
			row16(dst[y*size:(y+1)*size], img, b.Min.Y+y, s.channels)
		} else {
			row8(dst[y*size:(y+1)*size], img, b.Min.Y+y, s.channels)
		}
	}
	return nil
}

// row8 takes a row of 8 bits with alpha.
func row8(dst []byte, img image.Image, y, channels int) {
	b := img.Bounds()
	if m, ok := img.(*image.NRGBA); ok && channels == 4 {
		copy(dst, m.Pix[m.PixOffset(b.Min.X, y):])
		return
	}
	for x := b.Min.X; x < b.Max.X; x++ {
		c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
		copy(dst, []byte{c.R, c.G, c.B, c.A}[:channels])
		dst = dst[channels:]
	}
}

// row16 takes a row of 16 bits, least byte first.
func row16(dst []byte, img image.Image, y, channels int) {
	b := img.Bounds()
	put := func(v uint16) {
		dst[0], dst[1] = byte(v), byte(v>>8)
		dst = dst[2:]
	}
	all := func(list ...uint16) {
		for _, v := range list[:channels] {
			put(v)
		}
	}
	switch m := img.(type) {
	case *image.Gray16:
		if channels == 1 {
			for x := b.Min.X; x < b.Max.X; x++ {
				put(m.Gray16At(x, y).Y)
			}
			return
		}
	case *image.NRGBA64:
		for x := b.Min.X; x < b.Max.X; x++ {
			c := m.NRGBA64At(x, y)
			all(c.R, c.G, c.B, c.A)
		}
		return
	case *image.RGBA64: // opaque: of files without alpha
		for x := b.Min.X; x < b.Max.X; x++ {
			c := m.RGBA64At(x, y)
			all(c.R, c.G, c.B, c.A)
		}
		return
	}
	for x := b.Min.X; x < b.Max.X; x++ {
		c := color.NRGBA64Model.Convert(img.At(x, y)).(color.NRGBA64)
		all(c.R, c.G, c.B, c.A)
	}
}
