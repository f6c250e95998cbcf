package rgb

// Raster is a picture of 1 to 4 channels of whole numbers, which nothing here
// takes for colours: a mask of class numbers, a depth map, RGB with alpha.
// Pixels are row after row from the top, channels interleaved, without padding;
// numbers of two bytes are little-endian.
type Raster struct {
	Width, Height int
	Channels      int    // 1 to 4
	Depth         int    // bytes a number, 1 or 2
	Pix           []byte // Width*Height*Channels*Depth bytes
}
