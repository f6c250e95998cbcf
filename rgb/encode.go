package rgb

import (
	"fmt"
	"image"
	"image/jpeg"
)

// encodeScratch holds the planes that the encoder reads.
type encodeScratch struct {
	img    image.YCbCr
	cb, cr [2][]byte // two rows of colour at full width
}

// EncodeJPEG is the package's [EncodeJPEG] with this scratch memory.
func (s *Scratch) EncodeJPEG(dst []byte, img Image, quality int) ([]byte, error) {
	if err := img.check(); err != nil {
		return dst, err
	}
	if quality < 1 || quality > 100 {
		return dst, fmt.Errorf("rgb: JPEG quality %d, want 1 to 100", quality)
	}
	s.enc.fill(&img)
	w := appender{b: dst}
	if err := jpeg.Encode(&w, &s.enc.img, &jpeg.Options{Quality: quality}); err != nil {
		return dst, fmt.Errorf("rgb: encode JPEG: %w", err)
	}
	return w.b, nil
}

// appender is a writer into a slice; with all three methods the encoder puts
// no buffer of its own before it.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) { a.b = append(a.b, p...); return len(p), nil }
func (a *appender) WriteByte(c byte) error      { a.b = append(a.b, c); return nil }
func (a *appender) Flush() error                { return nil }

// fill converts a picture to YCbCr 4:2:0 as libjpeg's jccolor.c and jcsample.c
// do: the last row and column stand in for those that an odd size lacks.
func (e *encodeScratch) fill(img *Image) {
	w, h := img.Width, img.Height
	cw, ch := (w+1)/2, (h+1)/2
	m := &e.img
	m.Rect = image.Rect(0, 0, w, h)
	m.SubsampleRatio = image.YCbCrSubsampleRatio420
	m.YStride, m.CStride = w, cw
	m.Y, m.Cb, m.Cr = grow(m.Y, w*h), grow(m.Cb, cw*ch), grow(m.Cr, cw*ch)
	for i := range 2 {
		e.cb[i], e.cr[i] = grow(e.cb[i], 2*cw), grow(e.cr[i], 2*cw)
	}
	for y := range ch {
		for i := range 2 {
			at := min(2*y+i, h-1)
			toYCC(m.Y[w*at:w*(at+1)], e.cb[i], e.cr[i], img.row(at))
		}
		halve(m.Cb[cw*y:][:cw], e.cb[0], e.cb[1])
		halve(m.Cr[cw*y:][:cw], e.cr[0], e.cr[1])
	}
}

// toYCC converts one row; cb and cr are even in length and repeat the last.
func toYCC(luma, cb, cr, row []byte) {
	const half = 1 << 15
	const centre = 128<<16 + half - 1
	cb, cr = cb[:len(cr)], cr[:len(cb)]
	for x := range luma {
		p := row[3*x:][:3]
		r, g, b := int32(p[0]), int32(p[1]), int32(p[2])
		luma[x] = byte((19595*r + 38470*g + 7471*b + half) >> 16)
		cb[x] = byte((-11059*r - 21709*g + 32768*b + centre) >> 16)
		cr[x] = byte((32768*r - 27439*g - 5329*b + centre) >> 16)
	}
	for x := len(luma); x < len(cb); x++ {
		cb[x], cr[x] = cb[x-1], cr[x-1]
	}
}

// halve averages boxes of 2x2; the bias alternates so that rounding has no drift.
func halve(out, a, b []byte) {
	for x := range out {
		p, q := a[2*x:][:2], b[2*x:][:2]
		out[x] = byte((int(p[0]) + int(p[1]) + int(q[0]) + int(q[1]) + 1 + x&1) >> 2)
	}
}
