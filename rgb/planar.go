package rgb

import (
	"errors"
	"image"

	"github.com/betongo/betongo/rgb/internal/jpeg"
	"github.com/betongo/betongo/rgb/internal/resize"
)

// renderScratch is what the fast way of [Scratch.Render] keeps.
type renderScratch struct {
	resizer resize.Resizer
	target  resize.Target
	photo   resize.Photo
	packed  resize.Plane
}

// renderFast renders from the planes of a JPEG's region, each resized at its own
// resolution, or from raw pixels. The error is jpeg.ErrUnsupported where only
// renderExact can help.
func (s *Scratch) renderFast(dst []byte, src Encoded, crop Rect, flip bool, t *Target) error {
	r := &s.render
	r.setTarget(t)
	if src.JPEG {
		return jpegError(s.renderPlanes(dst, src, crop, flip, t))
	}
	r.packed = resize.Plane{Pix: src.Data, Stride: 3 * src.Width, W: src.Width, H: src.Height}
	c := resize.Crop{X: float64(crop.X), Y: float64(crop.Y), W: float64(crop.W), H: float64(crop.H), Flip: flip}
	return r.resizer.Packed(dst, &r.packed, c, &r.target, resize.Filter(t.Filter))
}

func (r *renderScratch) setTarget(t *Target) {
	r.target = resize.Target{Width: t.Width, Height: t.Height, Layout: resize.Layout(t.Layout), Type: resize.Type(t.Type)}
	for c := range 3 {
		r.target.Mean[c], r.target.Std[c] = float32(t.Mean[c]), float32(t.Std[c])
	}
}

func (s *Scratch) renderPlanes(dst []byte, src Encoded, crop Rect, flip bool, t *Target) error {
	d, p := &s.jpeg.dec, &s.jpeg.planes
	h, err := s.openStored(src)
	if err != nil {
		return err
	}
	defer d.Close()
	area, scale := crop.bounds(), t.scale(crop)
	err = d.Region(area, scale, src.Marks, p)
	if err != nil && len(src.Marks) > 0 && !errors.Is(err, jpeg.ErrUnsupported) {
		err = d.Region(area, scale, nil, p) // the marks may be what is wrong
	}
	damage := err
	if err != nil && t.OnDamage != nil && damaged(err) && !p.Rect.Empty() {
		err = nil
	}
	if err != nil {
		return err
	}
	if !s.render.setPhoto(h, p) {
		return jpeg.ErrUnsupported
	}
	if err := s.resizePlanes(dst, crop, flip, t); err != nil {
		return err
	}
	if damage != nil {
		t.OnDamage(jpegError(damage))
	}
	return nil
}

// openStored opens a stored JPEG, which is then to be closed, and holds it to the
// size in its metadata.
func (s *Scratch) openStored(src Encoded) (*jpeg.Header, error) {
	h, err := s.jpeg.dec.Open(src.Data)
	if err == nil && (h.Width != src.Width || h.Height != src.Height) {
		s.jpeg.dec.Close()
		return nil, invalid(JPEG, -1, "the stream is %dx%d, the metadata says %dx%d", h.Width, h.Height, src.Width, src.Height)
	}
	return h, err
}

// resizePlanes brings a crop of the decoded planes, which setPhoto has taken, to
// the target that setTarget has.
func (s *Scratch) resizePlanes(dst []byte, crop Rect, flip bool, t *Target) error {
	p, r := &s.jpeg.planes, &s.render
	k := 1 / float64(p.Scale)
	c := resize.Crop{
		X: float64(crop.X-p.Rect.Min.X) * k, Y: float64(crop.Y-p.Rect.Min.Y) * k,
		W: float64(crop.W) * k, H: float64(crop.H) * k, Flip: flip,
	}
	return r.resizer.Planar(dst, &r.photo, c, &r.target, resize.Filter(t.Filter))
}

// bounds is r as the image package has it.
func (r Rect) bounds() image.Rectangle { return image.Rect(r.X, r.Y, r.X+r.W, r.Y+r.H) }

// setPhoto hands decoded planes to the resizer, unless they are sampled in a way
// that it doesn't know.
func (r *renderScratch) setPhoto(h *jpeg.Header, p *jpeg.Planes) bool {
	photo := &r.photo
	*photo = resize.Photo{Gray: h.Transform == jpeg.Gray, RGB: h.Transform == jpeg.RGB, H: p.SubX[1], V: p.SubY[1]}
	if !photo.Gray {
		known := p.SubX[0] == 1 && p.SubY[0] == 1 && p.SubX[1] == p.SubX[2] && p.SubY[1] == p.SubY[2]
		if !known || photo.H == 3 || photo.V == 3 {
			return false
		}
	}
	for c, plane := range [3]*resize.Plane{&photo.Y, &photo.Cb, &photo.Cr} {
		*plane = resize.Plane{Pix: p.Pix[c], Stride: p.Stride[c], W: p.W[c], H: p.H[c]}
	}
	return true
}

// scale is how far the resolution of a crop may be lowered while it is decoded:
// so that twice the target's is left at least. Down to the target's own it would
// be faster by a twentieth, but what the transform leaves out is not what Area
// leaves out: photos came as near as 35 dB to the exact way then, 43 so, and 50
// at full resolution.
func (t *Target) scale(crop Rect) int {
	scale := 1
	for scale < 8 && crop.W >= 4*scale*t.Width && crop.H >= 4*scale*t.Height {
		scale *= 2
	}
	return scale
}
