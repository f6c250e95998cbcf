// Package jpeg decodes JPEG files to planes: what libjpeg calls raw data, one
// plane of samples for each component at its own resolution. It is made for
// crops: [Decoder.Region] decodes the blocks of a region only, starts at the
// nearest mark (a checkpoint made by [AppendMarks]) or restart marker before
// it, stops at its last row, and can halve the resolution inside the inverse
// transform.
//
// It reads baseline and extended sequential Huffman-coded JPEGs of 8 bits and
// one or three components, with whole sampling ratios. Everything else that may
// be a sound JPEG is [ErrUnsupported]; a stream that isn't is an [*Error], and part
// of a picture is never given out as the whole: whoever wants it finds it beside
// the error.
//
// Samples are libjpeg-turbo's, bit for bit: its "islow" transform, and its
// reduced ones where the resolution is halved. On amd64 with AVX2 the inner
// loops are assembly; the build tag purego leaves it out.
package jpeg

import (
	"errors"
	"fmt"
	"image"
)

// ErrUnsupported marks JPEGs that this package leaves to another decoder:
// progressive, lossless, arithmetic, 12 bits, two or four components, a height
// told by a DNL marker, sampling factors that do not divide each other.
var ErrUnsupported = errors.New("jpeg: unsupported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// Error reports a broken stream.
type Error struct {
	Offset int // in the file, of where it was noticed
	What   string
}

func (e *Error) Error() string { return fmt.Sprintf("jpeg: at byte %d: %s", e.Offset, e.What) }

func broken(offset int, format string, args ...any) error {
	return &Error{offset, fmt.Sprintf(format, args...)}
}

// Transform says what the components mean.
type Transform int

const (
	Gray Transform = iota
	YCbCr
	RGB
)

// Component is one colour channel and how often it is sampled.
type Component struct {
	H, V int // sampling factors, 1 to 4; of a lone component always 1

	id, quant byte
}

// Header is what the bytes before the coded data say.
type Header struct {
	Width, Height       int
	Components          []Component // one or three
	MCUWidth, MCUHeight int         // pixels of the smallest unit that holds all components
	Cols, Rows          int         // of such units
	Transform           Transform
	Restart             int // units between restart markers, 0 without

	comps   [3]Component
	adobe   int // colour transform of the Adobe segment, -1 without one
	jfif    bool
	maxH    int
	maxV    int
	scanned bool // the first scan's header has been read
}

// Planes is a decoded picture or part of one. Sample (x, y) of component c is
// Pix[c][y*Stride[c]+x], with x < W[c] and y < H[c]: W and H end at the
// picture's edge; in memory whole blocks follow. Decoding uses the memory of
// earlier results again.
type Planes struct {
	Rect       image.Rectangle // the pixels of the photo that the planes cover
	Scale      int             // pixels across one sample of the finest plane: 1, 2, 4 or 8
	Pix        [3][]byte
	Stride     [3]int
	W, H       [3]int
	SubX, SubY [3]int // samples of the finest plane for one of this
}

// Decoder decodes one JPEG after another. Its zero value is ready; it keeps its
// memory, so that a loop over photos allocates nothing. One goroutine may use
// it at a time.
type Decoder struct {
	header Header
	data   []byte // the file, borrowed from Open to the next

	quant   [4][64]int16 // natural order
	haveQ   [4]bool
	dc      [4]*dcTable
	ac      [4]*acTable
	ownDC   [4]*dcTable // memory for tables that aren't in the cache
	ownAC   [4]*acTable
	scan    scanHeader
	cur     cursor
	points  []point // marks being made
	markBuf []byte  // marks being read
	mcu     mcu
	last    [maxBlocks + 1]uint8
	places  [maxBlocks + 1]place
	pairs   [maxBlocks/2 + 1]quantPair // quantisers of blocks 2i and 2i+1
	done    [3]int                     // where in each plane rows are still to come
	spare   [64]byte                   // pixels of the block beyond an odd number
	plain   bool                       // no assembly, for tests
}

// scanHeader is what an SOS segment says.
type scanHeader struct {
	n    int     // components
	comp [3]int  // their indices in the frame
	td   [3]byte // their Huffman tables' slots
	ta   [3]byte
	at   int // file offset of the coded data
}

// Open reads the markers of a JPEG up to its coded data, which it then holds
// to the least that the picture's size takes. The header is the Decoder's: it,
// and data, must stay as they are until the last call about this picture.
func (d *Decoder) Open(data []byte) (*Header, error) {
	d.data = data
	d.header = Header{adobe: -1}
	d.haveQ, d.dc, d.ac, d.scan = [4]bool{}, [4]*dcTable{}, [4]*acTable{}, scanHeader{}
	if len(data) < 2 || data[0] != 0xFF || data[1] != soi {
		d.data = nil
		return nil, broken(0, "no SOI marker")
	}
	if err := d.markers(2); err != nil {
		d.data = nil
		return nil, err
	}
	return &d.header, nil
}

// Close lets go of the picture's bytes. What was decoded stays.
func (d *Decoder) Close() { d.data, d.cur.file = nil, nil }
