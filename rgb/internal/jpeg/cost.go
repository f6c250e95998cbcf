package jpeg

import (
	"encoding/binary"
	"image"
)

// What it takes to step over an MCU and to decode one, in units of about 0.1 us
// as measured on photos; and to find a row's place by marks or restart markers.
const (
	skipCost   = 2
	decodeCost = 3
	seekCost   = 1
)

// Cost estimates what [Decoder.Region] takes for the same arguments, in some
// unit: it is for who weighs one region against several.
func (d *Decoder) Cost(r image.Rectangle, scale int, marks []byte) int {
	h := &d.header
	if d.scan.n != len(h.Components) {
		return decodeCost * h.Cols * h.Rows * len(h.Components)
	}
	m := h.mcus(r.Intersect(image.Rect(0, 0, h.Width, h.Height)), scale)
	cost := decodeCost * m.Dx() * m.Dy()
	every := 0
	if h.Restart > 0 {
		every = h.Restart
	} else if len(marks) > 1 {
		n, _ := binary.Uvarint(marks[1:])
		every = int(min(n, uint64(h.Cols)))
	}
	switch {
	case every == 0: // from the picture's first MCU on
		return cost + skipCost*(h.Cols*(m.Max.Y-1)+m.Max.X-m.Dx()*m.Dy())
	case h.Restart > h.Cols: // from a row above on
		before := (m.Min.Y*h.Cols + m.Min.X) % every
		return cost + skipCost*(before+(h.Cols-m.Dx())*(m.Dy()-1))
	}
	return cost + m.Dy()*(seekCost+skipCost*(m.Min.X%every))
}

// mcus is the MCUs that a region within the picture takes, with what is needed
// around it.
func (h *Header) mcus(r image.Rectangle, scale int) image.Rectangle {
	r = h.withContext(r, scale).Intersect(image.Rect(0, 0, h.Width, h.Height))
	return image.Rect(r.Min.X/h.MCUWidth, r.Min.Y/h.MCUHeight, ceil(r.Max.X, h.MCUWidth), ceil(r.Max.Y, h.MCUHeight))
}
