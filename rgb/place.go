package rgb

import (
	"fmt"
	"math"
)

// Placement says where a source picture lies in an outcome of Width x Height
// pixels, after any crops, resizes, flips and shifts: what follows a picture's
// geometry, a mask or boxes, is made from it in one step. Coordinates are of
// pixel edges, from the upper left corner: 0 is where the first pixel begins, 1
// where it ends.
type Placement struct {
	Width, Height int // of the outcome
	X, Y          Axis
}

// Axis is one direction of a [Placement]: outcome x = Scale*source x + Shift. A
// mirrored one has a negative Scale. [Lo, Hi) is the part of the outcome that
// shows the source, within its width; the rest is bare. Lo = Hi when nothing
// shows.
type Axis struct{ Scale, Shift, Lo, Hi float64 }

// Place is a source of width x height pixels as it is.
func Place(width, height int) Placement {
	return Placement{width, height, Axis{Scale: 1, Hi: float64(width)}, Axis{Scale: 1, Hi: float64(height)}}
}

// Crop cuts r out of the outcome so far and resizes it to w x h pixels. Where r
// reaches outside, the new outcome is bare. All four sides must be 1 or more.
func (p *Placement) Crop(r Rect, w, h int) {
	p.X.cut(r.X, r.W, w)
	p.Y.cut(r.Y, r.H, h)
	p.Width, p.Height = w, h
}

// FlipX mirrors the outcome from left to right.
func (p *Placement) FlipX() { p.X.flip(p.Width) }

// FlipY mirrors the outcome from top to bottom.
func (p *Placement) FlipY() { p.Y.flip(p.Height) }

// Shift moves what the outcome shows: its pixel (x, y) becomes (x+dx, y+dy). The
// size stays; what leaves it is gone, what comes in is bare.
func (p *Placement) Shift(dx, dy int) {
	p.X.cut(-dx, p.Width, p.Width)
	p.Y.cut(-dy, p.Height, p.Height)
}

// Box gives the place of a box of the source in the outcome, its corners in
// order and held to what shows, and the share of its area that is left, 0 to 1.
// A box without area is as visible as the point or line that it is.
func (p *Placement) Box(x0, y0, x1, y1 float64) (bx0, by0, bx1, by1 float64, visible float64) {
	bx0, bx1, across := p.X.span(x0, x1)
	by0, by1, down := p.Y.span(y0, y1)
	return bx0, by0, bx1, by1, across * down
}

// cut makes the size pixels from origin the whole of the axis, n pixels now.
func (a *Axis) cut(origin, size, n int) {
	o, k := float64(origin), float64(n)/float64(size)
	to := func(v float64) float64 { return (v - o) * float64(n) / float64(size) }
	a.Scale, a.Shift = a.Scale*k, to(a.Shift)
	a.Lo = min(max(to(a.Lo), 0), float64(n))
	a.Hi = min(max(to(a.Hi), a.Lo), float64(n))
}

// flip mirrors an axis of n pixels.
func (a *Axis) flip(n int) {
	w := float64(n)
	a.Scale, a.Shift, a.Lo, a.Hi = -a.Scale, w-a.Shift, w-a.Hi, w-a.Lo
}

// span brings a stretch of the source to the outcome, and tells what share of it
// shows.
func (a *Axis) span(v0, v1 float64) (lo, hi, share float64) {
	v0, v1 = float64(a.Scale*v0)+a.Shift, float64(a.Scale*v1)+a.Shift
	v0, v1 = min(v0, v1), max(v0, v1)
	lo, hi = min(max(v0, a.Lo), a.Hi), min(max(v1, a.Lo), a.Hi)
	switch {
	case v1 > v0:
		return lo, hi, (hi - lo) / (v1 - v0)
	case lo == v0 && a.Lo < a.Hi:
		return lo, hi, 1
	}
	return lo, hi, 0
}

// source is the place in the source of v in the outcome. Places that lie within
// a millionth of a pixel's edge are on it: the scale has been rounded.
func (a *Axis) source(v float64) float64 {
	s := (v - a.Shift) / a.Scale
	if edge := math.Round(s); math.Abs(s-edge) < 1e-6 {
		return edge
	}
	return s
}

// check refuses an axis that doesn't say where n pixels of an outcome come from,
// of a source of limit pixels.
func (a *Axis) check(name string, n, limit int) error {
	if n < 1 || n > MaxSide {
		return fmt.Errorf("rgb: placement in %d pixels along %s, want 1 to %d", n, name, MaxSide)
	}
	const most = 1 << 40 // no chain of sound crops comes near
	scale := math.Abs(a.Scale)
	if !(scale > 1.0/most && scale < most && math.Abs(a.Shift) < most && a.Lo >= 0 && a.Lo <= a.Hi && a.Hi <= float64(n)) {
		return fmt.Errorf("rgb: placement along %s is %+v, in %d pixels", name, *a, n)
	}
	if a.Lo == a.Hi {
		return nil
	}
	lo, hi := a.source(a.Lo), a.source(a.Hi)
	if lo, hi = min(lo, hi), max(lo, hi); lo < -1e-6 || hi > float64(limit)+1e-6 {
		return fmt.Errorf("rgb: placement along %s shows %g to %g of a source of %d pixels", name, lo, hi, limit)
	}
	return nil
}
