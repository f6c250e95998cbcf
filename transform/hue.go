package transform

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/betongo/betongo/array"
)

// Hue turns the colours of an image round the colour circle by a random part of
// it, uniform from -Magnitude to Magnitude. The formula is torchvision's
// adjust_hue for tensors: to hue, saturation and value in float32, the turn, and
// back, the fraction dropped. It draws two numbers, whether it applies and the
// turn, both always.
type Hue struct {
	Magnitude float64 // 0 to 0.5, of the whole circle; 0: nothing is turned
	P         float64 // how probable it is that it applies; 0: 0.5
}

// Bind takes images; the outcome is one of the same size. It works in place.
func (h Hue) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	n, err := pixelsOf("Hue", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := h.jitter()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	return in, j.bind("Hue", n, turn), true, nil
}

func (h Hue) jitter() (jitter, error) {
	if !(h.Magnitude >= 0 && h.Magnitude <= 0.5) {
		return jitter{}, fmt.Errorf("transform: Hue with Magnitude %v, want 0 to 0.5", h.Magnitude)
	}
	p, err := chance("Hue", h.P, 0.5)
	return jitter{p: p, lo: -h.Magnitude, hi: h.Magnitude}, err
}

// Drawn tells what Bind's function would draw: applied, and the factor, which is
// the turn, if so.
func (h Hue) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := h.jitter()
	return j.drawn(err, rng)
}

// turn changes pixels of three channels.
func turn(pix []byte, by float64) { hues(pix, float32(by)) }

// turned is one pixel after a turn. Every operation is float32's, in the order
// that torchvision does them in.
func turned(r8, g8, b8 byte, by float32) (byte, byte, byte) {
	r, g, b := float32(r8)/255, float32(g8)/255, float32(b8)/255
	most, least := max(r, g, b), min(r, g, b)
	s, h := float32(0), float32(0)
	if span := most - least; span != 0 {
		s = span / most
		rc, gc, bc := (most-r)/span, (most-g)/span, (most-b)/span
		switch most {
		case r:
			h = bc - gc
		case g:
			h = 2 + rc - bc
		default:
			h = 4 + gc - rc
		}
	}
	h = whole(h/6 + 1)
	h = whole(h + by)
	h6 := float32(h * 6)
	i := float32(math.Floor(float64(h6)))
	f := h6 - i
	p := byte(float32(clamp1(float32(most*(1-s))) * 255))
	q := byte(float32(clamp1(float32(most*(1-float32(s*f)))) * 255))
	t := byte(float32(clamp1(float32(most*(1-float32(s*(1-f))))) * 255))
	v := byte(float32(most * 255))
	switch int(i) {
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	case 5:
		return v, p, q
	}
	return v, t, p // 0, and 6 that a turn by less than nothing rounds up to
}

// whole takes the whole turns off a hue from -1 to 2.
func whole(h float32) float32 {
	switch {
	case h >= 1:
		return h - 1
	case h < 0:
		return h + 1
	}
	return h
}

func clamp1(v float32) float32 { return min(max(v, 0), 1) }
