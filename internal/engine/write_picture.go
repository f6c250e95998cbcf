package engine

import (
	"github.com/betongo/betongo/rgb"
)

// pictureRequest asks for what an RGBImage field makes of pixels, for a client's
// own field that is made of it: shrunk, and as JPEG if there is a quality.
type pictureRequest struct {
	Do            string `json:"do"`
	Height        int    `json:"height"`
	Width         int    `json:"width"`
	MaxResolution int    `json:"max_resolution"`
	MinResolution int    `json:"min_resolution"`
	Quality       int    `json:"quality"` // 1 to 100; 0: pixels
}

// picture answers {"ok":{"height","width"}} with the bytes.
func (c *conn) picture(r *request) error {
	var q pictureRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	h, w := q.Height, q.Width
	if h < 1 || w < 1 || h > rgb.MaxPixels/w || len(r.payload) != 3*h*w {
		return optionf("picture: %d bytes for %dx%d pixels of 3", len(r.payload), w, h)
	}
	if q.Quality < 0 || q.Quality > 100 {
		return optionf("picture: JPEG quality %d, want 1 to 100", q.Quality)
	}
	img := rgb.Image{Width: w, Height: h, Pix: r.payload}
	w, h = mostSize(w, h, q.MaxResolution)
	if q.MinResolution > 0 {
		w, h = leastSize(w, h, q.MinResolution)
	}
	if w < 1 || h < 1 || w > rgb.MaxSide || h > rgb.MaxSide {
		return optionf("picture: %dx%d pixels become %dx%d; a side has 1 to %d", q.Width, q.Height, w, h, rgb.MaxSide)
	}
	d := decoders.Get().(*decoder)
	defer d.release()
	if w < img.Width || h < img.Height {
		d.ResizeArea(&d.small, img, rgb.Rect{W: img.Width, H: img.Height}, w, h)
		img = d.small
	}
	data := img.Pix
	if q.Quality > 0 {
		var err error
		if data, err = d.EncodeJPEG(nil, img, q.Quality); err != nil {
			return err
		}
	}
	return c.answer(map[string]int{"height": h, "width": w}, data)
}
