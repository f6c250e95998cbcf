// Package rgb works on pixels: it decodes an image file's bytes, encodes JPEG,
// crops and resizes. Pixels are 8-bit RGB, interleaved, row after row without
// padding (NumPy shape (height, width, 3), dtype |u1).
//
// Pictures are looked at on three levels, from cheap to dear:
//
//   - [Sniff] names the format from a file's first bytes,
//   - [ScanImage] and [ScanJPEG] read headers and markers, without allocating,
//   - [Decode] and [Scratch] give pixels.
//
// Decode follows Pillow's convert('RGB') and, for JPEG, libjpeg-turbo: a
// dataset packed here holds the pixels that a Python program would have packed.
// ResizeArea is OpenCV's INTER_AREA, bit for bit.
//
// [Scratch.Render] goes from a stored picture to a crop in a batch, and
// [Scratch.RenderViews] to several. A [Placement] says where the picture lies in
// what has become of it, so that a mask ([Raster]) or boxes go the same way.
//
// What is decoded into an Image belongs to the caller: dst.Pix is used again
// when it is large enough, so that a loop over pictures allocates nothing. All
// package functions are safe for concurrent use; a Scratch serves one goroutine
// at a time.
//
// Not supported: JPEG of 12 bits, lossless, arithmetic or hierarchical JPEG,
// animated WebP, BMP with run lengths or 16 bits a pixel, TIFF with JPEG or CMYK
// inside.
//
// This file is the room's one door; everything else is behind it.
package rgb

import (
	"fmt"
	"sync"
)

// MaxSide is the largest width and height that a .beton can hold, and the
// largest that anything here decodes or encodes.
const MaxSide = 65535

// MaxPixels is the largest picture that is decoded, in pixels. It bounds what
// a hostile header can make the decoder allocate.
const MaxPixels = 1 << 28

// Image is a picture in memory: len(Pix) = 3*Width*Height.
type Image struct {
	Width, Height int
	Pix           []byte
}

// Encoded is a picture as a .beton stores it: JPEG bytes, or raw pixels as in
// Image. Data and Marks are borrowed from whoever made
// the value.
type Encoded struct {
	JPEG          bool
	Width, Height int // as the metadata says
	Data          []byte
	Marks         []byte // of a JPEG, from AppendMarks; nil when there are none
}

// Rect is a region of a picture in pixels: rows [Y, Y+H), columns [X, X+W).
type Rect struct{ X, Y, W, H int }

// Decode decodes an image file of any known format into dst, as Pillow's
// convert('RGB') does: palettes are looked up, alpha is dropped (not blended),
// gray is repeated, 16-bit gray is cut off at 255, CMYK is taken apart the
// simple way. A GIF gives its first frame. EXIF orientation is not applied; a
// TIFF's orientation tag is.
//
// Bad input is an *InvalidError, valid input of a kind that isn't read here an
// *UnsupportedError. On error dst holds no picture.
func Decode(dst *Image, data []byte) error {
	s := pool.Get().(*Scratch)
	defer pool.Put(s)
	return s.Decode(dst, data)
}

// DecodeJPEG decodes a whole JPEG into dst as libjpeg does, with its smooth
// ("fancy") chroma upsampling and its integer colour conversion. Truncated or
// corrupt data is an error, never part of a picture. Errors as in [Decode].
//
// Pixels of sequential JPEGs are libjpeg's bit for bit. Progressive ones and those
// of four components (CMYK) are transformed by another decoder, and differ from
// libjpeg's by a level or a few.
func DecodeJPEG(dst *Image, data []byte) error {
	s := pool.Get().(*Scratch)
	defer pool.Put(s)
	return s.DecodeJPEG(dst, data)
}

// EncodeJPEG appends img as a baseline 4:2:0 JPEG to dst and returns the
// extended slice: byte for byte what libjpeg, and so OpenCV, Pillow and FFCV's
// writer, makes of the same pixels and quality, 1 to 100. On error it returns
// dst as it was.
func EncodeJPEG(dst []byte, img Image, quality int) ([]byte, error) {
	s := pool.Get().(*Scratch)
	defer pool.Put(s)
	return s.EncodeJPEG(dst, img, quality)
}

// ResizeArea resizes the region crop of src to w x h pixels into dst, bit for
// bit as cv2.resize(src[crop], (w, h), interpolation=INTER_AREA): no pixel
// outside the crop has a part in the result. dst.Pix must not overlap src.Pix.
// It panics when crop is empty or reaches outside src, or w or h is below 1.
func ResizeArea(dst *Image, src Image, crop Rect, w, h int) {
	s := pool.Get().(*Scratch)
	defer pool.Put(s)
	s.ResizeArea(dst, src, crop, w, h)
}

// Scratch holds the memory that decoding and resizing need beside their
// result. Its zero value is ready; it grows to what the largest picture needs
// and then allocates no more. One goroutine may use it at a time: give each
// worker its own.
type Scratch struct {
	whole  Image // the picture before a crop
	small  Image // the crop before it becomes other numbers
	spread spreader
	jpeg   jpegScratch
	enc    encodeScratch
	resize resizeScratch
	render renderScratch
	place  placeScratch
	views  viewScratch
}

// pool serves the package's functions, whose callers keep no Scratch.
var pool = sync.Pool{New: func() any { return new(Scratch) }}

// Load gives the whole of a stored picture in dst. The size that the JPEG
// stream or the length of raw pixels tells must be src's.
func (s *Scratch) Load(dst *Image, src Encoded) error {
	if err := src.check(); err != nil {
		return err
	}
	if src.JPEG {
		return s.decodeStored(dst, src)
	}
	dst.setSize(src.Width, src.Height)
	copy(dst.Pix, src.Data)
	return nil
}

// LoadCrop gives the region crop of a stored picture, resized to w x h as
// [ResizeArea] does it, in dst. Raw pixels are read in place.
func (s *Scratch) LoadCrop(dst *Image, src Encoded, crop Rect, w, h int) error {
	if err := src.check(); err != nil {
		return err
	}
	if !crop.within(src.Width, src.Height) {
		return fmt.Errorf("rgb: crop %v is not inside a picture of %dx%d", crop, src.Width, src.Height)
	}
	if w < 1 || h < 1 || w > MaxSide || h > MaxSide {
		return fmt.Errorf("rgb: crop to %dx%d: a side must be 1 to %d pixels", w, h, MaxSide)
	}
	pixels := Image{Width: src.Width, Height: src.Height, Pix: src.Data}
	if src.JPEG {
		if err := s.decodeStored(&s.whole, src); err != nil {
			return err
		}
		pixels = s.whole
	}
	s.ResizeArea(dst, pixels, crop, w, h)
	return nil
}

// decodeStored decodes a stored JPEG and holds it to the size in its metadata
// before it allocates anything.
func (s *Scratch) decodeStored(dst *Image, src Encoded) error {
	info, err := ScanJPEG(src.Data)
	if err != nil {
		return err
	}
	if info.Width != src.Width || info.Height != src.Height {
		return invalid(JPEG, info.sof, "the stream is %dx%d, the metadata says %dx%d",
			info.Width, info.Height, src.Width, src.Height)
	}
	return s.decodeScanned(dst, src.Data, &info)
}

// check refuses sizes that no stored picture has, and raw data of a wrong length.
func (e Encoded) check() error {
	if err := checkSize("", e.Width, e.Height); err != nil {
		return err
	}
	if want := 3 * e.Width * e.Height; !e.JPEG && len(e.Data) != want {
		return invalid("", -1, "raw pixels of %dx%d take %d bytes, found %d", e.Width, e.Height, want, len(e.Data))
	}
	return nil
}

// within says whether r is a non-empty region of a picture; written so that no
// sum can overflow.
func (r Rect) within(w, h int) bool {
	return r.W >= 1 && r.H >= 1 && r.X >= 0 && r.Y >= 0 && r.W <= w && r.H <= h && r.X <= w-r.W && r.Y <= h-r.H
}

// setSize makes room for w x h pixels, in the old Pix where it is large enough.
func (m *Image) setSize(w, h int) {
	m.Width, m.Height = w, h
	m.Pix = grow(m.Pix, 3*w*h)
}

// check refuses an Image whose numbers do not fit together.
func (m *Image) check() error {
	if err := checkSize("", m.Width, m.Height); err != nil {
		return err
	}
	if want := 3 * m.Width * m.Height; len(m.Pix) != want {
		return fmt.Errorf("rgb: a picture of %dx%d has %d bytes of pixels, found %d", m.Width, m.Height, want, len(m.Pix))
	}
	return nil
}

// grow returns b with length n, in the same memory where that is large enough.
// What it holds is left over from earlier use.
func grow[T any](b []T, n int) []T {
	if cap(b) >= n {
		return b[:n]
	}
	return make([]T, n)
}
