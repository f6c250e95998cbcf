package fields

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"io"
	"sync"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/rgb"
)

// imageScratch is memory that one call of Encode works in.
type imageScratch struct {
	rgb.Scratch
	data []byte    // an image file
	jpeg []byte    // a new JPEG, or one without its metadata
	made bool      // it is new: the one that was encoded last
	a, b rgb.Image // decoded; turned or resized
}

// scratches belong to nobody in particular: Encode is called by as many
// workers as the writer has, and each finds one warm.
var scratches = sync.Pool{New: func() any { return new(imageScratch) }}

// release puts the scratch back, without buffers that one huge picture left.
func (s *imageScratch) release() {
	for _, b := range []*[]byte{&s.data, &s.jpeg, &s.a.Pix, &s.b.Pix} {
		if cap(*b) > maxKept {
			*b = nil
		}
	}
	scratches.Put(s)
}

// imageEncoder stores one picture.
type imageEncoder struct {
	field   RGBImage
	scratch *imageScratch
	meta    []byte
	at      At
}

// imagePlan is what becomes of a picture.
type imagePlan struct {
	keep          bool // it is a JPEG whose bytes can be stored
	stripped      int  // and how many of them were metadata that was dropped
	tagged        bool // it has an EXIF orientation other than upright
	orient        int  // EXIF orientation to apply, 0 for none
	width, height int  // before shrinking, turned
	w, h          int  // as stored
	jpeg          bool // stored as JPEG
}

func (p *imagePlan) resized() bool { return p.w != p.width || p.h != p.height }

// plan decides by the picture's size and orientation alone.
func (e *imageEncoder) plan(width, height, orientation int) (imagePlan, error) {
	p := imagePlan{width: width, height: height, tagged: orientation > 1}
	if err := e.bounded(width, height); err != nil {
		return p, err
	}
	if e.field.Orient && p.tagged {
		p.orient = orientation
		if orientation >= 5 {
			p.width, p.height = height, width
		}
	}
	p.w, p.h = shrunk(p.width, p.height, e.field.MaxResolution)
	switch {
	case p.w < 1 || p.h < 1:
		return p, fmt.Errorf("rgb: a picture of %dx%d pixels, shrunk to %d, becomes %dx%d: %w", p.width, p.height, e.field.MaxResolution, p.w, p.h, ErrValue)
	case p.w > rgb.MaxSide || p.h > rgb.MaxSide:
		return p, fmt.Errorf("rgb: a picture of %dx%d pixels, a side can have %d: %w", p.w, p.h, rgb.MaxSide, ErrValue)
	}
	switch e.field.Mode {
	case ModeJPEG:
		p.jpeg = true
	case ModeSmart:
		p.jpeg = e.field.SmartThreshold > 0 && 3*p.w*p.h > e.field.SmartThreshold
	case ModeProportion:
		share := e.field.CompressProbability
		if share == 0 {
			share = 0.5
		}
		p.jpeg = float64(e.at.Rand>>11)/(1<<53) < share
	}
	return p, nil
}

// bounded refuses a picture of more than the field's MaxPixels.
func (e *imageEncoder) bounded(width, height int) error {
	return bounded("rgb", width, height, e.field.MaxPixels)
}

// bounded refuses a picture of more than most pixels, 0 any number, for the field
// what.
func bounded(what string, width, height, most int) error {
	if most > 0 && height > 0 && width > most/height {
		return fmt.Errorf("%s: a picture of %dx%d pixels, at most %d are taken: %w", what, width, height, most, ErrValue)
	}
	return nil
}

// shrunk is what the maximum of the longer side, 0 none, makes of a size. A side
// may come to 0.
func shrunk(width, height, most int) (w, h int) {
	long := max(width, height)
	if most <= 0 || most >= long {
		return width, height
	}
	// FFCV's own expression, whose rounding others rely on.
	ratio := float64(most) / float64(long)
	return int(ratio * float64(width)), int(ratio * float64(height))
}

// file stores an image file. A JPEG that can stay as it is costs a walk over
// its markers and one copy.
func (e *imageEncoder) file(data []byte) error {
	width, height, orientation, storable := 0, 0, 0, false
	var err error
	if rgb.Sniff(data) == rgb.JPEG {
		var info rgb.JPEGInfo
		info, err = rgb.ScanJPEG(data)
		width, height, orientation = info.Width, info.Height, info.Orientation
		storable = err == nil && info.Storable() == nil
	} else {
		_, width, height, orientation, err = rgb.ScanImage(data)
	}
	if err != nil {
		return err
	}
	p, err := e.plan(width, height, orientation)
	if err != nil {
		return err
	}
	untouched := p.orient == 0 && !p.resized()
	p.keep = storable && untouched && p.jpeg && e.field.Reencode == ReencodeAuto
	switch {
	case p.keep:
		err = e.storeKept(&p, data)
	case untouched && !p.jpeg:
		err = e.decodeInPlace(&p, data)
	default:
		if err = e.scratch.Decode(&e.scratch.a, data); err == nil {
			err = e.picture(&p, e.scratch.a)
		}
	}
	if err != nil {
		return err
	}
	e.count(&p)
	return nil
}

// pixels stores a picture in memory.
func (e *imageEncoder) pixels(img rgb.Image) error {
	if img.Width < 1 || img.Height < 1 || len(img.Pix)%3 != 0 || len(img.Pix)/3/img.Width != img.Height || len(img.Pix)/3%img.Width != 0 {
		return fmt.Errorf("rgb: %d bytes of pixels for a picture of %dx%d: %w", len(img.Pix), img.Width, img.Height, ErrValue)
	}
	p, err := e.plan(img.Width, img.Height, 0)
	if err != nil {
		return err
	}
	if err := e.picture(&p, img); err != nil {
		return err
	}
	e.count(&p)
	return nil
}

// encoded stores what a .beton held: unchanged, but for what Strip drops.
func (e *imageEncoder) encoded(v rgb.Encoded) error {
	p := imagePlan{width: v.Width, height: v.Height, w: v.Width, h: v.Height, jpeg: v.JPEG, keep: v.JPEG}
	switch {
	case v.Width < 1 || v.Height < 1 || v.Width > rgb.MaxSide || v.Height > rgb.MaxSide:
		return fmt.Errorf("rgb: a stored picture of %dx%d pixels, a side has 1 to %d: %w", v.Width, v.Height, rgb.MaxSide, ErrValue)
	case e.bounded(v.Width, v.Height) != nil:
		return e.bounded(v.Width, v.Height)
	case !v.JPEG && len(v.Data) != 3*v.Width*v.Height:
		return fmt.Errorf("rgb: %d bytes of pixels for a stored picture of %dx%d: %w", len(v.Data), v.Width, v.Height, ErrValue)
	}
	if v.JPEG {
		info, err := rgb.ScanJPEG(v.Data)
		if err == nil {
			err = info.Storable()
		}
		if err != nil {
			return err
		}
		if info.Width != v.Width || info.Height != v.Height {
			return fmt.Errorf("rgb: a stored JPEG of %dx%d pixels, said to have %dx%d: %w", info.Width, info.Height, v.Width, v.Height, ErrValue)
		}
		p.tagged = info.Orientation > 1
	}
	var err error
	if p.keep {
		err = e.storeKept(&p, v.Data)
	} else {
		err = e.store(&p, v.Data)
	}
	if err != nil {
		return err
	}
	e.count(&p)
	return nil
}

// picture turns, shrinks and stores a decoded picture.
func (e *imageEncoder) picture(p *imagePlan, img rgb.Image) error {
	s := e.scratch
	if p.orient != 0 {
		rgb.Orient(&s.b, img, p.orient)
		s.a, s.b = s.b, s.a
		img = s.a
	}
	if img.Width != p.width || img.Height != p.height {
		return fmt.Errorf("rgb: the picture decodes to %dx%d pixels, its header says %dx%d", img.Width, img.Height, p.width, p.height)
	}
	if p.resized() {
		s.ResizeArea(&s.b, img, rgb.Rect{W: p.width, H: p.height}, p.w, p.h)
		img = s.b
	}
	if !p.jpeg {
		return e.store(p, img.Pix)
	}
	quality := e.field.Quality
	if quality == 0 {
		quality = 90
	}
	var err error
	s.jpeg, err = s.EncodeJPEG(s.jpeg[:0], img, quality)
	if s.made = err == nil; !s.made {
		return err
	}
	return e.store(p, s.jpeg)
}

// storeKept stores a JPEG as it is, or without its metadata.
func (e *imageEncoder) storeKept(p *imagePlan, data []byte) error {
	if !e.field.Strip {
		return e.store(p, data)
	}
	var err error
	e.scratch.made = false
	if e.scratch.jpeg, err = rgb.StripJPEG(e.scratch.jpeg[:0], data); err != nil {
		return err
	}
	p.stripped = len(data) - len(e.scratch.jpeg)
	return e.store(p, e.scratch.jpeg)
}

// store copies a picture's bytes into the sample.
func (e *imageEncoder) store(p *imagePlan, data []byte) error {
	buf, err := e.place(p, len(data))
	if err != nil {
		return err
	}
	copy(buf, data)
	return nil
}

// decodeInPlace decodes a file's pixels where they are stored.
func (e *imageEncoder) decodeInPlace(p *imagePlan, data []byte) error {
	buf, err := e.place(p, 3*p.w*p.h)
	if err != nil {
		return err
	}
	img := rgb.Image{Pix: buf[:0:len(buf)]}
	if err := e.scratch.Decode(&img, data); err != nil {
		return err
	}
	if img.Width != p.w || img.Height != p.h {
		return fmt.Errorf("rgb: the picture decodes to %dx%d pixels, its header says %dx%d", img.Width, img.Height, p.w, p.h)
	}
	if &img.Pix[0] != &buf[0] {
		copy(buf, img.Pix) // the decoder preferred memory of its own
	}
	return nil
}

// place reserves size bytes and writes the metadata.
func (e *imageEncoder) place(p *imagePlan, size int) ([]byte, error) {
	ptr, buf, err := e.at.Alloc(size)
	if err != nil {
		return nil, err
	}
	e.meta[0] = modeByteRaw
	if p.jpeg {
		e.meta[0] = modeByteJPEG
	}
	binary.LittleEndian.PutUint16(e.meta[1:], uint16(p.w))
	binary.LittleEndian.PutUint16(e.meta[3:], uint16(p.h))
	binary.LittleEndian.PutUint64(e.meta[imagePtr:], ptr)
	return buf, nil
}

func (e *imageEncoder) count(p *imagePlan) {
	s := e.field.Stats
	if s == nil {
		return
	}
	switch {
	case p.keep:
		s.Kept.Add(1)
		if p.stripped > 0 {
			s.Stripped.Add(1)
			s.StrippedBytes.Add(int64(p.stripped))
		}
	case p.jpeg:
		s.Encoded.Add(1)
	default:
		s.Raw.Add(1)
	}
	if p.resized() {
		s.Resized.Add(1)
	}
	if p.orient != 0 {
		s.Oriented.Add(1)
	} else if p.tagged {
		s.OrientationIgnored.Add(1)
	}
	s.Pixels.Add(int64(p.w) * int64(p.h))
}

// maxFile is how many bytes an image's file may have: more than the largest
// picture's pixels take.
const maxFile = 4 << 30

// lookFrom is from how many bytes on a file's size is asked for before more of
// it is read; to ask for every photograph's costs an allocation each.
const lookFrom = 16 << 20

// readFile appends a file's bytes to dst; of one that begins as no image does
// only the beginning.
func readFile(dst []byte, name string) ([]byte, error) {
	f, err := regular.Open(name)
	if err != nil {
		return dst, err
	}
	defer f.Close()
	for {
		if len(dst) == cap(dst) {
			if len(dst) >= lookFrom {
				if info, err := f.Stat(); err != nil {
					return dst, err
				} else if info.Size() > maxFile {
					return dst, fmt.Errorf("read %s: %d bytes, more than %d", name, info.Size(), maxFile)
				}
			}
			grown := make([]byte, len(dst), max(64<<10, 2*cap(dst)))
			dst = grown[:copy(grown, dst)]
		}
		n, err := f.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if len(dst) > maxFile {
			return dst, fmt.Errorf("read %s: more than %d bytes", name, maxFile)
		}
		if errors.Is(err, io.EOF) || len(dst) >= 64 && rgb.Sniff(dst) == "" {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
}

// fromImage copies a picture's pixels, without alpha.
func fromImage(src image.Image) (rgb.Image, error) {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	if w < 1 || h < 1 || w > rgb.MaxPixels/h {
		return rgb.Image{}, fmt.Errorf("rgb: a %T of %dx%d pixels: %w", src, w, h, ErrValue)
	}
	straight, ok := src.(*image.NRGBA)
	if !ok {
		straight = image.NewNRGBA(image.Rect(0, 0, w, h))
		if o, ok := src.(interface{ Opaque() bool }); ok && o.Opaque() {
			// Without transparency both pixel layouts are one, and draw knows fast ways to RGBA.
			flat := &image.RGBA{Pix: straight.Pix, Stride: straight.Stride, Rect: straight.Rect}
			draw.Draw(flat, flat.Rect, src, b.Min, draw.Src)
		} else {
			for y := range h {
				for x := range w {
					straight.SetNRGBA(x, y, color.NRGBAModel.Convert(src.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA))
				}
			}
		}
	}
	dst := rgb.Image{Width: w, Height: h, Pix: make([]byte, 3*w*h)}
	lo := straight.Rect.Min
	for y := range h {
		in := straight.Pix[straight.PixOffset(lo.X, lo.Y+y):]
		out := dst.Pix[3*w*y:][:3*w]
		for x := range w {
			copy(out[3*x:3*x+3], in[4*x:4*x+3])
		}
	}
	return dst, nil
}
