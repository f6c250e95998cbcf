// Package rgb works on pixels: it decodes an image file's bytes, encodes JPEG,
// crops and resizes. Pixels are 8-bit RGB, interleaved, row after row without
// padding (NumPy shape (height, width, 3), dtype |u1).
//
// This file is the room's one door; everything else is behind it.
package rgb

// Image is a picture in memory: len(Pix) = 3*Width*Height.
type Image struct {
	Width, Height int
	Pix           []byte
}

// Encoded is a picture as a .beton stores it: JPEG bytes, or raw pixels as in
// Image. Data is borrowed from whoever made the value.
type Encoded struct {
	JPEG          bool
	Width, Height int // as the metadata says
	Data          []byte
}

// Rect is a region of a picture in pixels: rows [Y, Y+H), columns [X, X+W).
type Rect struct{ X, Y, W, H int }
