package view

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"slices"
	"sync"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

var _ = register((*Server).pictureRoutes)

func (s *Server) pictureRoutes() []route {
	return []route{{"GET", "/api/sample/{i}/image", s.showPicture}}
}

const (
	mostSmall   = 2048      // pixels of a side, of a picture that is made smaller
	quality     = 85        // of the JPEGs that are made
	mostDrawing = 768 << 20 // bytes, of all pictures that are being drawn
	mostFile    = 64 << 20  // bytes of a picture that lies as a file in a field of bytes
	mostKept    = 32 << 20  // bytes that a brush may have grown to, and be used again
)

// pictureSize reads from a picture's metadata how large it is.
func (s *Server) pictureSize(k int, meta []byte) (width, height int, err error) {
	switch f := plainField(&s.fields[k]).(type) {
	case fields.RGBImage:
		if len(meta) < 5 {
			return 0, 0, fmt.Errorf("%d bytes of metadata", len(meta))
		}
		return int(binary.LittleEndian.Uint16(meta[1:])), int(binary.LittleEndian.Uint16(meta[3:])), nil
	case fields.Image:
		return f.Size(meta)
	}
	return 0, 0, fmt.Errorf("field %q has no pictures", s.names[k])
}

// measured returns a picture's size and how it is stored, without decoding it.
func (s *Server) measured(v *value) (width, height int, mode string, err error) {
	switch plainField(v.d).(type) {
	case fields.RGBImage:
		mode = "jpg"
		if len(v.meta) > 0 && v.meta[0] == 1 {
			mode = "raw"
		}
	case fields.Image:
		mode = "raster"
	default:
		head, err := v.head(64 << 10)
		if err != nil {
			return 0, 0, "", err
		}
		f, width, height, _, err := rgb.ScanImage(head)
		if err != nil { // its size lies behind, or it is damaged: drawing it tells
			return 0, 0, string(pictureType(head)), nil
		}
		return width, height, string(f), nil
	}
	width, height, err = s.pictureSize(v.k, v.meta)
	return width, height, mode, v.flaw(err)
}

// showPicture answers with a picture, within side x side pixels or, of side 0, as
// it is stored.
func (s *Server) showPicture(w http.ResponseWriter, r *http.Request) error {
	i, err := s.sampleNamed(r)
	if err != nil {
		return err
	}
	side, err := number(r, "side", 0, 0, mostSmall)
	if err != nil {
		return err
	}
	k, err := s.fieldNamed(r, "pictures", kindImage, kindBytes)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%d/%d/%d", i, k, side)
	p, ok := s.pictures.get(key)
	if !ok {
		done, err := s.busy(r.Context())
		if err != nil {
			return err
		}
		defer done()
		if p, err = s.draw(r, i, k, int(side)); err != nil {
			return err
		}
		s.pictures.put(key, p)
	}
	w.Header().Set("Content-Type", p.kind)
	w.Header().Set("Content-Length", fmt.Sprint(len(p.data)))
	w.Write(p.data) // an error is of a browser that has gone
	return nil
}

// brush is what pictures are drawn with, one at a time.
type brush struct {
	scratch rgb.Scratch
	img     rgb.Image
	raster  rgb.Raster
	pix     []byte
}

var brushes = sync.Pool{New: func() any { return new(brush) }}

// draw makes a picture of a value.
func (s *Server) draw(r *http.Request, i, k, side int) (p picture, err error) {
	v, err := s.find(i, k)
	if err != nil {
		return p, err
	}
	switch f := plainField(v.d).(type) {
	case fields.RGBImage:
		width, height, err := s.pictureSize(k, v.meta)
		if err != nil {
			return p, v.flaw(err)
		}
		data, err := v.content()
		if err != nil {
			return p, err
		}
		e := rgb.Encoded{JPEG: v.meta[0] == 0, Width: width, Height: height, Data: data}
		return s.paint(r, v, cost(e), func(b *brush) (picture, error) { return b.encoded(e, side) })
	case fields.Image:
		width, height, err := f.Size(v.meta)
		if err != nil {
			return p, v.flaw(err)
		}
		channels, depth := f.Kind()
		stored, err := v.bytes(0, v.size())
		if err != nil {
			return p, err
		}
		return s.paint(r, v, 12*int64(width)*int64(height)*int64(channels*depth), func(b *brush) (picture, error) {
			mmap.Touch(stored)
			if err := f.DecodeRaster(&b.raster, v.meta, [][]byte{stored}); err != nil {
				return p, err
			}
			return b.shown(b.raster, side)
		})
	}
	head, err := v.head(sniffed)
	if err != nil {
		return p, err
	}
	if pictureType(head) == "" {
		return p, errorf(http.StatusUnprocessableEntity, "field %q of sample %d is no picture", s.names[k], i)
	}
	if n, err := v.plainSize(); err != nil || n > mostFile {
		return p, cmp.Or(err, tooLarge("field %q of sample %d: a picture's file of %d MiB", s.names[k], i, n>>20))
	}
	data, err := v.content()
	if err != nil {
		return p, err
	}
	f, width, height, _, err := rgb.ScanImage(data)
	if err != nil {
		return p, v.flaw(err)
	}
	e := rgb.Encoded{JPEG: f == rgb.JPEG, Width: width, Height: height, Data: data}
	if e.JPEG {
		return s.paint(r, v, cost(e), func(b *brush) (picture, error) { return b.encoded(e, side) })
	}
	return s.paint(r, v, 12*int64(width)*int64(height), func(b *brush) (picture, error) { return b.file(f, data, side) })
}

// cost is about how many bytes it takes to draw a stored picture.
func cost(e rgb.Encoded) int64 {
	pixels := int64(e.Width) * int64(e.Height)
	if !e.JPEG {
		return 4 * pixels
	}
	if info, err := rgb.ScanJPEG(e.Data); err == nil && (info.Progressive || info.CMYK) {
		return 20 * pixels // all coefficients lie in memory
	}
	return 5 * pixels
}

// paint has a brush make a picture, when there is memory for it.
func (s *Server) paint(r *http.Request, v *value, cost int64, do func(b *brush) (picture, error)) (picture, error) {
	if cost > mostDrawing {
		return picture{}, tooLarge("field %q of sample %d: the picture takes some %d MiB to draw, more than the %d that a page may take", v.d.Name, v.sample, cost>>20, mostDrawing>>20)
	}
	if err := s.drawing.Acquire(r.Context(), cost); err != nil {
		return picture{}, err
	}
	defer s.drawing.Release(cost)
	b := brushes.Get().(*brush)
	p, err := do(b)
	if cost <= mostKept {
		brushes.Put(b) // one that has drawn a large picture is large
	}
	return p, v.flaw(err)
}

// tooLarge is the error of a picture that is not drawn here.
func tooLarge(format string, args ...any) error {
	e := errorf(http.StatusUnprocessableEntity, format, args...)
	e.hint = "'ffcv sample' writes it as a file"
	return e
}

// fit returns the size of a picture within side x side pixels: no larger than it
// is, and its own for side 0.
func fit(width, height, side int) (w, h int) {
	long := max(width, height)
	if side == 0 || long <= side {
		return width, height
	}
	return max(1, (width*side+long/2)/long), max(1, (height*side+long/2)/long)
}

// encoded draws a picture of an image field. One that is not made smaller stays
// as it is, once it was seen that it can be decoded.
func (b *brush) encoded(e rgb.Encoded, side int) (picture, error) {
	mmap.Touch(e.Data)
	if e.Width < 1 || e.Height < 1 {
		return picture{}, fmt.Errorf("a picture of %dx%d", e.Width, e.Height)
	}
	w, h := fit(e.Width, e.Height, side)
	whole := w == e.Width && h == e.Height
	if whole {
		if err := b.scratch.Load(&b.img, e); err != nil {
			return picture{}, err
		}
		if e.JPEG {
			return picture{"image/jpeg", bytes.Clone(e.Data)}, nil
		}
		return b.lossless(rgb.Raster{Width: w, Height: h, Channels: 3, Depth: 1, Pix: b.img.Pix})
	}
	t := rgb.Target{Width: w, Height: h}
	b.pix = grown(b.pix, t.Bytes())
	if err := b.scratch.Render(b.pix, e, rgb.Rect{W: e.Width, H: e.Height}, false, &t); err != nil {
		return picture{}, err
	}
	return b.jpeg(rgb.Image{Width: w, Height: h, Pix: b.pix})
}

// file draws a picture of an image file's bytes.
func (b *brush) file(f rgb.Format, data []byte, side int) (picture, error) {
	mmap.Touch(data)
	if err := b.scratch.Decode(&b.img, data); err != nil {
		return picture{}, err
	}
	w, h := fit(b.img.Width, b.img.Height, side)
	switch whole := w == b.img.Width && h == b.img.Height; {
	case whole && f == rgb.PNG:
		return picture{"image/png", bytes.Clone(data)}, nil
	case whole:
		return b.lossless(rgb.Raster{Width: w, Height: h, Channels: 3, Depth: 1, Pix: b.img.Pix})
	}
	var small rgb.Image
	small.Pix = b.pix
	b.scratch.ResizeArea(&small, b.img, rgb.Rect{W: b.img.Width, H: b.img.Height}, w, h)
	b.pix = small.Pix
	return b.jpeg(small)
}

func (b *brush) jpeg(img rgb.Image) (picture, error) {
	data, err := b.scratch.EncodeJPEG(nil, img, quality)
	return picture{"image/jpeg", data}, err
}

// shown draws a raster: as it is, or for a glance. There the numbers of classes
// get colours, and numbers of two bytes are spread over what a screen shows.
func (b *brush) shown(r rgb.Raster, side int) (picture, error) {
	if side == 0 {
		return b.lossless(r)
	}
	w, h := fit(r.Width, r.Height, side)
	place := rgb.Place(r.Width, r.Height)
	place.Crop(rgb.Rect{W: r.Width, H: r.Height}, w, h)
	mask := r.Channels == 1 && r.Depth == 1 && slices.Max(r.Pix) < mostClassesDrawn
	b.pix = grown(b.pix, w*h*r.Channels*r.Depth)
	var err error
	if mask {
		err = b.scratch.PlaceNearest(b.pix, r, &place, nil)
	} else {
		err = b.scratch.PlaceArea(b.pix, r, &place, nil)
	}
	if err != nil {
		return picture{}, err
	}
	small := rgb.Raster{Width: w, Height: h, Channels: r.Channels, Depth: r.Depth, Pix: b.pix}
	switch {
	case mask:
		return encoded(&image.Paletted{Pix: small.Pix, Stride: w, Rect: image.Rect(0, 0, w, h), Palette: classColours})
	case r.Depth == 2 && r.Channels == 1:
		return b.lossless(stretched(small))
	}
	return b.lossless(small)
}

// mostClassesDrawn is how many numbers a raster has at most that are taken for
// classes, and get a colour each.
const mostClassesDrawn = 40

// classColours are far apart one by one: steps of the golden angle around the
// circle of hues. The first is the background's.
var classColours = func() color.Palette {
	p := color.Palette{color.Gray{0}}
	for i := range mostClassesDrawn - 1 {
		hue := float64(i) * 0.618034 * 6
		p = append(p, hueOf(hue-6*float64(int(hue/6)), [3]float64{1, 0.7, 0.85}[i%3]))
	}
	return p
}()

// hueOf is a colour of a hue, 0 to 6, and a lightness.
func hueOf(hue, light float64) color.Color {
	ramp := func(at float64) uint8 {
		d := hue - at
		if d > 3 {
			d -= 6
		}
		if d < -3 {
			d += 6
		}
		v := min(1, max(0.1, 2-max(d, -d)))
		return uint8(255 * light * v)
	}
	return color.RGBA{ramp(0), ramp(2), ramp(4), 255}
}

// stretched makes a raster of bytes whose numbers go from black to white, of one of
// two bytes.
func stretched(r rgb.Raster) rgb.Raster {
	lo, hi := uint16(0xffff), uint16(0)
	for i := 0; i+1 < len(r.Pix); i += 2 {
		v := binary.LittleEndian.Uint16(r.Pix[i:])
		lo, hi = min(lo, v), max(hi, v)
	}
	pix := make([]byte, len(r.Pix)/2)
	for i := range pix {
		v := binary.LittleEndian.Uint16(r.Pix[2*i:])
		pix[i] = uint8((uint32(v) - uint32(lo)) * 255 / cmp.Or(uint32(hi)-uint32(lo), 1))
	}
	return rgb.Raster{Width: r.Width, Height: r.Height, Channels: 1, Depth: 1, Pix: pix}
}

// lossless is a raster as a PNG. Two channels are gray and alpha.
func (b *brush) lossless(r rgb.Raster) (picture, error) {
	if len(r.Pix) != r.Width*r.Height*r.Channels*r.Depth {
		return picture{}, fmt.Errorf("%d bytes of pixels; want %dx%d of %d channels of %d bytes", len(r.Pix), r.Width, r.Height, r.Channels, r.Depth)
	}
	box := image.Rect(0, 0, r.Width, r.Height)
	switch {
	case r.Channels == 1 && r.Depth == 1:
		return encoded(&image.Gray{Pix: r.Pix, Stride: r.Width, Rect: box})
	case r.Channels == 1:
		g := image.NewGray16(box)
		for i := range len(r.Pix) / 2 {
			g.Pix[2*i], g.Pix[2*i+1] = r.Pix[2*i+1], r.Pix[2*i]
		}
		return encoded(g)
	case r.Depth == 1:
		n := image.NewNRGBA(box)
		for i := range r.Width * r.Height {
			colours(n.Pix[4*i:][:4], r.Pix[i*r.Channels:][:r.Channels], 0xff)
		}
		return encoded(n)
	}
	n := image.NewNRGBA64(box)
	var from, to [4]uint16
	for i := range r.Width * r.Height {
		for c := range r.Channels {
			from[c] = binary.LittleEndian.Uint16(r.Pix[2*(i*r.Channels+c):])
		}
		colours(to[:], from[:r.Channels], 0xffff)
		for c, v := range to {
			binary.BigEndian.PutUint16(n.Pix[8*i+2*c:], v)
		}
	}
	return encoded(n)
}

// colours makes red, green, blue and alpha of a pixel of 2 to 4 channels.
func colours[T uint8 | uint16](dst, src []T, opaque T) {
	if dst[3] = opaque; len(src) == 2 {
		dst[0], dst[1], dst[2], dst[3] = src[0], src[0], src[0], src[1]
		return
	}
	copy(dst, src)
}

// encoded is a picture as a PNG.
func encoded(img image.Image) (picture, error) {
	var out bytes.Buffer
	e := png.Encoder{CompressionLevel: png.BestSpeed}
	err := e.Encode(&out, img)
	return picture{"image/png", out.Bytes()}, err
}

// grown returns n bytes, those of b if they are enough.
func grown(b []byte, n int) []byte { return slices.Grow(b[:0], n)[:n] }
