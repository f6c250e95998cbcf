package fields

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"

	"github.com/betongo/betongo/rgb"
)

// fromImage takes a picture whose kind is the field's; dst is memory to use.
func (f Image) fromImage(dst *rgb.Raster, src image.Image) (rgb.Raster, error) {
	channels, depth := f.Kind()
	got, bytes := 0, 1
	opaque := func(o interface{ Opaque() bool }) int {
		if channels == 3 && o.Opaque() {
			return 3
		}
		return 4
	}
	switch m := src.(type) {
	case *image.Gray, *image.Paletted:
		got = 1
	case *image.Gray16:
		got, bytes = 1, 2
	case *image.NRGBA:
		got = opaque(m)
	case *image.RGBA:
		got = opaque(m)
	case *image.NRGBA64:
		got, bytes = opaque(m), 2
	case *image.RGBA64:
		got, bytes = opaque(m), 2
	default:
		return *dst, wrongType("image", src, "Gray, Gray16, Paletted, NRGBA, NRGBA64, or RGBA or RGBA64 without transparency")
	}
	if got != channels || bytes != depth {
		return *dst, fmt.Errorf("image: a %T of %s, want %s: %w", src, kind(got, bytes), kind(channels, depth), ErrValue)
	}
	if err := bounded("image", src.Bounds().Dx(), src.Bounds().Dy(), f.MaxPixels); err != nil {
		return *dst, err
	}
	return *dst, copyImage(dst, src, channels, depth)
}

// copyImage sets dst to the first channels (or, of two, gray and alpha) of a
// picture whose numbers have depth bytes.
func copyImage(dst *rgb.Raster, src image.Image, channels, depth int) error {
	b := src.Bounds()
	if err := checkSides(b.Dx(), b.Dy()); err != nil {
		return fmt.Errorf("image: %w: %w", err, ErrValue)
	}
	var pix []byte
	var stride, from int // bytes of a row, numbers of a pixel
	plain := true        // not multiplied by alpha
	switch m := src.(type) {
	case *image.Gray:
		pix, stride, from = m.Pix, m.Stride, 1
	case *image.Paletted:
		pix, stride, from = m.Pix, m.Stride, 1
	case *image.Gray16:
		pix, stride, from = m.Pix, m.Stride, 1
	case *image.NRGBA:
		pix, stride, from = m.Pix, m.Stride, 4
	case *image.NRGBA64:
		pix, stride, from = m.Pix, m.Stride, 4
	case *image.RGBA:
		pix, stride, from, plain = m.Pix, m.Stride, 4, m.Opaque()
	case *image.RGBA64:
		pix, stride, from, plain = m.Pix, m.Stride, 4, m.Opaque()
	}
	if !plain {
		return fmt.Errorf("image: a %T, whose colours are multiplied by alpha, want them straight (as in image.NRGBA): %w", src, ErrValue)
	}
	if from < channels {
		return fmt.Errorf("image: a %T has no %d channels: %w", src, channels, ErrValue)
	}
	dst.Width, dst.Height, dst.Channels, dst.Depth = b.Dx(), b.Dy(), channels, depth
	row := channels * depth * dst.Width
	dst.Pix = room(dst.Pix, row*dst.Height)
	for y := range dst.Height {
		copyRow(dst.Pix[y*row:][:row], pix[y*stride:], channels, from, depth)
	}
	return nil
}

// copyRow copies channels of the from numbers that each pixel has in a picture
// of package image, whose numbers of two bytes are big-endian.
func copyRow(dst, src []byte, channels, from, depth int) {
	if channels == from && depth == 1 {
		copy(dst, src)
		return
	}
	for i := 0; i < len(dst)/depth; i++ {
		c := i % channels
		if channels == 2 && c == 1 {
			c = from - 1 // alpha
		}
		at := i/channels*from + c
		if depth == 1 {
			dst[i] = src[at]
		} else {
			binary.LittleEndian.PutUint16(dst[2*i:], binary.BigEndian.Uint16(src[2*at:]))
		}
	}
}

// fromFile decodes an image file whose kind is the field's; dst is memory to
// use. Headers are held to the field before anything is decoded.
func (f Image) fromFile(dst *rgb.Raster, data []byte) (rgb.Raster, error) {
	format, w, h, _, err := rgb.ScanImage(data)
	if err != nil {
		return *dst, err
	}
	if err := checkSides(w, h); err != nil {
		return *dst, &rgb.InvalidError{Format: format, Offset: -1, Err: err}
	}
	if err := bounded("image", w, h, f.MaxPixels); err != nil {
		return *dst, err
	}
	got, depth, err := fileKind(format, data)
	if err != nil {
		return *dst, err
	}
	channels, want := f.Kind()
	if got != channels || depth != want {
		return *dst, fmt.Errorf("image: a %s file of %s, want %s: %w", format, kind(got, depth), kind(channels, want), ErrValue)
	}
	if format == rgb.JPEG {
		return *dst, fromJPEG(dst, data, channels)
	}
	// What no compression makes of so few bytes is not given memory to.
	const most = 8192
	if w*h/8/most > len(data) {
		return *dst, &rgb.InvalidError{Format: format, Offset: len(data), Err: fmt.Errorf("too few bytes for %dx%d: truncated", w, h)}
	}
	var m image.Image
	switch format {
	case rgb.PNG:
		m, err = png.Decode(bytes.NewReader(data))
	case rgb.TIFF:
		var r io.Reader
		if r, err = rgb.TIFFReader(data); err == nil {
			m, err = tiff.Decode(r)
		}
	case rgb.BMP:
		m, err = bmp.Decode(bytes.NewReader(data))
	case rgb.GIF:
		m, err = gif.Decode(bytes.NewReader(data))
	}
	if err == nil && (m.Bounds().Dx() != w || m.Bounds().Dy() != h) {
		err = fmt.Errorf("the first picture is %dx%d, the whole %dx%d", m.Bounds().Dx(), m.Bounds().Dy(), w, h)
	}
	if err != nil {
		return *dst, &rgb.InvalidError{Format: format, Offset: -1, Err: err}
	}
	return *dst, copyImage(dst, m, channels, depth)
}

// fileKind tells channels and bytes of a number by a file's header, which
// rgb.ScanImage has read.
func fileKind(format rgb.Format, data []byte) (channels, depth int, err error) {
	unsupported := func(format rgb.Format, what string, args ...any) error {
		return &rgb.UnsupportedError{Format: format, What: fmt.Sprintf(what, args...)}
	}
	depth = 1
	switch format {
	case rgb.PNG:
		const depthAt, kindAt = 24, 25
		channels = map[byte]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[kindAt]]
		if data[depthAt] == 16 {
			depth = 2
		}
	case rgb.GIF:
		channels = 1
	case rgb.BMP:
		if len(data) < 30 {
			return 0, 0, unsupported(format, "a header of OS/2")
		}
		// Only headers of later versions, which are longer, make the fourth byte
		// of a pixel alpha.
		bits, header := binary.LittleEndian.Uint16(data[28:]), binary.LittleEndian.Uint32(data[14:])
		channels = map[uint16]int{1: 1, 2: 1, 4: 1, 8: 1, 24: 3, 32: 3}[bits]
		if bits == 32 && header > 40 {
			channels = 4
		}
		if channels == 0 {
			return 0, 0, unsupported(format, "%d bits a pixel", bits)
		}
	case rgb.JPEG:
		info, err := rgb.ScanJPEG(data)
		if err == nil {
			err = info.Storable()
		}
		return info.Components, 1, err
	case rgb.TIFF:
		t := readTIFF(data)
		if t.turned > 1 {
			return 0, 0, unsupported(format, "orientation %d of a picture that must not change", t.turned)
		}
		channels = max(t.channels, 1)
		if t.bits == 16 {
			depth = 2
		}
	default:
		return 0, 0, unsupported(format, "where no pixel may change; PNG, TIFF, BMP, GIF and JPEG are read")
	}
	return channels, depth, nil
}

// fromJPEG decodes a JPEG of one or three channels.
func fromJPEG(dst *rgb.Raster, data []byte, channels int) error {
	img := rgb.Image{Pix: dst.Pix}
	if err := rgb.Decode(&img, data); err != nil {
		return err
	}
	if channels == 1 { // repeated three times
		for i := range len(img.Pix) / 3 {
			img.Pix[i] = img.Pix[3*i]
		}
		img.Pix = img.Pix[:len(img.Pix)/3]
	}
	*dst = rgb.Raster{Width: img.Width, Height: img.Height, Channels: channels, Depth: 1, Pix: img.Pix}
	return nil
}

// tiffInfo is what a TIFF's directory says of its numbers, 0 where it says
// nothing.
type tiffInfo struct{ channels, bits, turned int }

// readTIFF reads the first directory. What is broken the decoder refuses.
func readTIFF(b []byte) (t tiffInfo) {
	const bits, samples, orientation = 258, 277, 274
	var order binary.ByteOrder = binary.LittleEndian
	if b[0] == 'M' {
		order = binary.BigEndian
	}
	if len(b) < 8 {
		return t
	}
	first := uint64(order.Uint32(b[4:]))
	if first+2 > uint64(len(b)) {
		return t
	}
	dir := b[first+2:]
	for i := range min(int(order.Uint16(b[first:])), len(dir)/12) {
		e := dir[12*i : 12*i+12]
		v := int(order.Uint16(e[8:]))
		switch order.Uint16(e) {
		case samples:
			t.channels = v
		case orientation:
			t.turned = v
		case bits:
			// One number for each channel; more than two lie elsewhere.
			if at := uint64(order.Uint32(e[8:])); order.Uint32(e[4:]) > 2 && at+2 <= uint64(len(b)) {
				v = int(order.Uint16(b[at:]))
			}
			t.bits = v
		}
	}
	return t
}
