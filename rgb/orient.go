package rgb

// Orient turns and mirrors src so that it stands as its EXIF orientation
// (1 to 8) means it to be seen; any other value copies. dst.Pix must not
// overlap src.Pix.
func Orient(dst *Image, src Image, orientation int) {
	w, h := src.Width, src.Height
	// Pixel (x, y) of the result is at start + x*dx + y*dy of the source,
	// counted in pixels.
	last := w - 1
	bottom := w * (h - 1)
	start, dx, dy := 0, 1, w
	switch orientation {
	case 2: // mirrored
		start, dx = last, -1
	case 3: // upside down
		start, dx, dy = bottom+last, -1, -w
	case 4: // mirrored upside down
		start, dy = bottom, -w
	case 5: // mirrored, then turned left
		dx, dy = w, 1
	case 6: // turned left
		start, dx, dy = bottom, -w, 1
	case 7: // mirrored, then turned right
		start, dx, dy = bottom+last, -w, -1
	case 8: // turned right
		start, dx, dy = last, w, -1
	}
	if orientation >= 5 && orientation <= 8 {
		w, h = h, w
	}
	dst.setSize(w, h)
	if dx == 1 && dy == w {
		copy(dst.Pix, src.Pix)
		return
	}
	for y := range h {
		out := dst.row(y)
		at := 3 * (start + y*dy)
		for x := range w {
			copy(out[3*x:3*x+3], src.Pix[at:at+3])
			at += 3 * dx
		}
	}
}
