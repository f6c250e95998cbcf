package rgb

import "encoding/binary"

// TIFF tags that are looked at, in TIFF files and in EXIF blocks (which are
// small TIFF files).
const (
	tagWidth       = 256
	tagHeight      = 257
	tagOrientation = 274
)

// tiffHead reads the first image directory of a TIFF file or EXIF block. ok is
// false when it isn't one. A tag that is missing or not a number is 0.
func tiffHead(b []byte) (width, height, orient int, ok bool) {
	if len(b) < 8 {
		return 0, 0, 0, false
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0, 0, 0, false
	}
	first := uint64(order.Uint32(b[4:]))
	if first+2 > uint64(len(b)) {
		return 0, 0, 0, false
	}
	dir := b[first+2:]
	n := min(int(order.Uint16(b[first:])), len(dir)/12)
	for i := range n {
		e := dir[12*i : 12*i+12]
		v := tiffNumber(order, e)
		switch order.Uint16(e) {
		case tagWidth:
			width = v
		case tagHeight:
			height = v
		case tagOrientation:
			if v >= 1 && v <= 8 {
				orient = v
			}
		}
	}
	return width, height, orient, true
}

// tiffNumber is the value of a directory entry that holds one short or long
// number, 0 for any other.
func tiffNumber(order binary.ByteOrder, e []byte) int {
	const short, long = 3, 4
	if order.Uint32(e[4:]) != 1 {
		return 0
	}
	switch order.Uint16(e[2:]) {
	case short:
		return int(order.Uint16(e[8:]))
	case long:
		return int(order.Uint32(e[8:]))
	}
	return 0
}

// orientation is the orientation tag of an EXIF block, 0 when it has none. A
// broken block has none: it must not cost a photo its place.
func orientation(exif []byte) int {
	_, _, o, _ := tiffHead(exif)
	return o
}
