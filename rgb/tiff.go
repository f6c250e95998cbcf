package rgb

import (
	"bytes"
	"encoding/binary"
	"io"
	"iter"
)

// TIFF tags that are looked at, in TIFF files and in EXIF blocks (which are
// small TIFF files).
const (
	tagWidth       = 256
	tagHeight      = 257
	tagOrientation = 274
	tagStripCounts = 279 // bytes of each strip
	tagStripRows   = 278
	tagTileWidth   = 322
	tagTileHeight  = 323
	tagTileCounts  = 325
)

// The types of numbers of an entry that are read.
const tiffShort, tiffLong = 3, 4

// tiffHead reads the first image directory of a TIFF file or EXIF block. ok is
// false when it isn't one. A tag that is missing or not a number is 0.
func tiffHead(b []byte) (width, height, orient int, ok bool) {
	d, ok := tiffDirectory(b)
	for e := range d.entries() {
		n, _ := d.first(e)
		v := int(n)
		switch d.order.Uint16(e) {
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
	return width, height, orient, ok
}

// orientation is the orientation tag of an EXIF block, 0 when it has none. A
// broken block has none: it must not cost a photo its place.
func orientation(exif []byte) int {
	_, _, o, _ := tiffHead(exif)
	return o
}

// maxTile is how many pixels a tile may have that is larger than four of its
// pictures.
const maxTile = 1 << 22

// TIFFReader returns a TIFF file as golang.org/x/image/tiff is to read it, in
// which the work and memory that it asks for is bounded by its pixels and its
// length: the decoder unpacks as much of a strip or tile as its rows by its width
// could hold, whatever of them lies in the picture, and reads bytes as often as
// they are named. An *InvalidError or *UnsupportedError is one that asks for more;
// what is no TIFF is left to the decoder. data is only read.
func TIFFReader(data []byte) (io.Reader, error) {
	d, ok := tiffDirectory(data)
	if !ok {
		return bytes.NewReader(data), nil
	}
	width, height, _, _ := tiffHead(data)
	if err := checkSize(TIFF, width, height); err != nil {
		return nil, err
	}
	var tile [2]uint64
	for e := range d.entries() {
		v, ok := d.first(e)
		switch tag := d.order.Uint16(e); tag {
		case tagTileWidth, tagTileHeight:
			if !ok {
				return nil, unsupported(TIFF, "a tile's size in an odd form")
			}
			tile[tag-tagTileWidth] = v
		case tagStripCounts, tagTileCounts:
			if sum, ok := d.sum(e); !ok || sum > 2*uint64(len(data)) {
				return nil, invalid(TIFF, len(data), "strips or tiles of more bytes than there are")
			}
		}
	}
	if w, h := tile[0], tile[1]; w > 0 && (h > maxTile || w > maxTile || w*h > max(maxTile, 4*uint64(width)*uint64(height))) {
		return nil, unsupported(TIFF, "tiles of %dx%d pixels in a picture of %dx%d", w, h, width, height)
	}
	for e := range d.entries() {
		if v, ok := d.first(e); d.order.Uint16(e) == tagStripRows && (!ok || v > uint64(height)) {
			return bytes.NewReader(d.withRows(e, uint32(height))), nil
		}
	}
	return bytes.NewReader(data), nil
}

// tiffDir is the first image directory of a TIFF file.
type tiffDir struct {
	data  []byte
	order binary.ByteOrder
	at, n int // where its entries begin, and how many there are
}

const tiffEntry = 12 // bytes

func tiffDirectory(b []byte) (d tiffDir, ok bool) {
	if len(b) < 8 {
		return d, false
	}
	d.data = b
	switch string(b[:4]) {
	case "II*\x00":
		d.order = binary.LittleEndian
	case "MM\x00*":
		d.order = binary.BigEndian
	default:
		return d, false
	}
	first := uint64(d.order.Uint32(b[4:]))
	if first+2 > uint64(len(b)) {
		return d, false
	}
	d.at = int(first) + 2
	d.n = min(int(d.order.Uint16(b[first:])), (len(b)-d.at)/tiffEntry)
	return d, true
}

// entries yields the entries, in the file's memory.
func (d *tiffDir) entries() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range d.n {
			if !yield(d.data[d.at+tiffEntry*i:][:tiffEntry:tiffEntry]) {
				return
			}
		}
	}
}

// first is the number of an entry that has one, as a short or a long.
func (d *tiffDir) first(e []byte) (v uint64, ok bool) {
	switch kind, n := d.order.Uint16(e[2:]), d.order.Uint32(e[4:]); {
	case n == 1 && kind == tiffShort:
		return uint64(d.order.Uint16(e[8:])), true
	case n == 1 && kind == tiffLong:
		return uint64(d.order.Uint32(e[8:])), true
	}
	return 0, false
}

// sum adds an entry's numbers up.
func (d *tiffDir) sum(e []byte) (sum uint64, ok bool) {
	n, size := uint64(d.order.Uint32(e[4:])), uint64(0)
	switch d.order.Uint16(e[2:]) {
	case tiffShort:
		size = 2
	case tiffLong:
		size = 4
	default:
		return 0, false
	}
	list := e[8:]
	if n*size > 4 {
		at := uint64(d.order.Uint32(e[8:]))
		if n*size > uint64(len(d.data)) || at > uint64(len(d.data))-n*size {
			return 0, false
		}
		list = d.data[at:]
	}
	for i := range n {
		if size == 2 {
			sum += uint64(d.order.Uint16(list[2*i:]))
		} else {
			sum += uint64(d.order.Uint32(list[4*i:]))
		}
	}
	return sum, true
}

// withRows is a copy of the file whose entry e, the rows of a strip, is v.
func (d *tiffDir) withRows(e []byte, v uint32) []byte {
	b := bytes.Clone(d.data)
	i := 0
	for at := range d.entries() {
		if &at[0] == &e[0] {
			break
		}
		i++
	}
	e = b[d.at+tiffEntry*i:][:tiffEntry]
	d.order.PutUint16(e[2:], tiffLong)
	d.order.PutUint32(e[4:], 1)
	d.order.PutUint32(e[8:], v)
	return b
}
