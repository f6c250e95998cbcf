package jpeg

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The encoder writes what libjpeg, and so Pillow, OpenCV and FFCV's writer,
// writes for the same pixels and quality, byte for byte: baseline, chroma halved
// both ways, the standard's tables, the "islow" transform. The edge is
// libjpeg's too: the last column is repeated up to the block's end and the last
// row of each plane likewise, and blocks wholly beyond the picture that fill up
// an MCU have the DC value of the block before and nothing else.

// unitBlocks is how many blocks an MCU of 16x16 pixels has: four of luma, row by
// row, then one of each chroma.
const unitBlocks = 6

// unit is one MCU's quantised coefficients in coding order, and which of them
// are not 0, the first in the lowest bit.
type unit struct {
	coefs [unitBlocks][64]int16
	some  [unitBlocks]uint64
}

// worstUnit is how many bytes an MCU may take: 64 codes of 16 bits at most and
// as many values of 11, every byte stuffed; and the word before them.
const worstUnit = 2 * (unitBlocks*64*(16+11)/8 + 8)

// Encoder makes JPEGs. Its zero value is ready; it keeps its memory, so that a
// loop over pictures allocates nothing. One goroutine may use it at a time.
type Encoder struct {
	quality int // of the tables below, 0 without
	table   [2][64]byte
	quant   [2]quantiser

	luma, chroma []byte // the planes of one row of MCUs
	tail         [2][3 * 16]byte
	unit         unit
	coder        coder
	plain        bool // no assembly, for tests

	// For the marks of the JPEG made last.
	header Header // its Cols and Rows
	coded  int    // bytes behind the scan's header
	starts []start
	points []point
}

// sizeLimit is the largest width and height that the format can tell.
const sizeLimit = 1<<16 - 1

// Append appends a JPEG of a picture to dst and returns the extended slice. pix
// holds 3*width*height bytes, red, green and blue of each pixel, row by row.
// Width and height are 1 to 65535, quality is 1 to 100 with libjpeg's meaning.
// On error it returns dst as it was.
func (e *Encoder) Append(dst, pix []byte, width, height, quality int) ([]byte, error) {
	switch {
	case width < 1 || height < 1 || width > sizeLimit || height > sizeLimit:
		return dst, fmt.Errorf("jpeg: a picture of %dx%d pixels, a side has 1 to %d", width, height, sizeLimit)
	case len(pix) != 3*width*height:
		return dst, fmt.Errorf("jpeg: a picture of %dx%d has %d bytes of pixels, found %d", width, height, 3*width*height, len(pix))
	case quality < 1 || quality > 100:
		return dst, fmt.Errorf("jpeg: quality %d, want 1 to 100", quality)
	}
	e.setQuality(quality)
	base := len(dst)
	dst = e.appendHead(dst, width, height)
	head := len(dst)
	cols, rows := ceil(width, 16), ceil(height, 16)
	e.header.Cols, e.header.Rows, e.starts = cols, rows, e.starts[:0]
	if cap(e.luma) < 256*cols {
		e.luma, e.chroma = make([]byte, 256*cols), make([]byte, 128*cols)
	}
	e.luma, e.chroma = e.luma[:256*cols], e.chroma[:128*cols]
	e.coder.start()
	for row := range rows {
		e.fill(pix, width, height, 16*row)
		blocks := min(2, ceil(height-16*row, 8))
		for col := range cols {
			e.transform(col, 16*cols)
			e.unit.fillUp(min(2, ceil(width-16*col, 8)), blocks)
			e.note(len(dst) - base)
			dst = slices.Grow(dst, worstUnit)
			dst = dst[:len(dst)+e.coder.emit(dst[len(dst):len(dst)+worstUnit], &e.unit, e.plain)]
		}
	}
	dst = append(e.coder.end(dst), 0xFF, eoi)
	e.coded = len(dst) - head
	return dst, nil
}

// fill makes the planes of a row of MCUs, whose first row of pixels is top.
// Chroma's plane has a row's 8 samples of one kind beside those of the other.
func (e *Encoder) fill(pix []byte, width, height, top int) {
	stride := 16 * ceil(width, 16)
	for y := 0; y < 16; y += 2 {
		luma, chroma := e.luma[y*stride:][:2*stride], e.chroma[y/2*stride:][:stride]
		if at := top + y; at < height {
			upper := pix[3*width*at:][:3*width]
			lower := upper
			if at+1 < height {
				lower = pix[3*width*(at+1):][:3*width]
			}
			e.convert(luma, chroma, upper, lower)
			continue
		}
		copy(luma, e.luma[(y-1)*stride:][:stride])
		copy(luma[stride:], e.luma[(y-1)*stride:][:stride])
		copy(chroma, e.chroma[(y/2-1)*stride:][:stride])
	}
}

// convert makes two rows of luma, one after the other, and one of chroma.
func (e *Encoder) convert(luma, chroma, upper, lower []byte) {
	whole := len(upper) / 48
	e.convertWhole(luma, chroma, upper, lower, whole)
	n := len(upper) - 48*whole
	if n == 0 {
		return
	}
	for i, row := range [2][]byte{upper, lower} {
		t := &e.tail[i]
		copy(t[:], row[48*whole:])
		for x := n; x < len(t); x++ {
			t[x] = t[x-3]
		}
	}
	e.convertWhole(luma[16*whole:], chroma[16*whole:], e.tail[0][:], e.tail[1][:], 1)
}

// convertWhole converts n times 16 columns. Luma's second row lies
// a stride behind the first.
func (e *Encoder) convertWhole(luma, chroma, upper, lower []byte, n int) {
	stride := len(e.luma) / 16
	if n > 0 && haveSIMD && !e.plain {
		_, _, _, _ = luma[stride+16*n-1], chroma[16*n-1], upper[48*n-1], lower[48*n-1]
		convertRows(&luma[0], stride, &chroma[0], &upper[0], &lower[0], n)
		return
	}
	for i := range n {
		convertGo(luma[16*i:], stride, chroma[16*i:], upper[48*i:], lower[48*i:])
	}
}

// convertGo converts 16x2 pixels as jccolor.c and jcsample.c do. The bias of
// the means alternates, so that rounding has no drift.
func convertGo(luma []byte, stride int, chroma, upper, lower []byte) {
	const half = 1 << 15
	const centre = 128<<16 + half - 1
	chroma = chroma[:16]
	var cb, cr [16]int32
	for i, row := range [2][]byte{upper, lower} {
		out := luma[i*stride:][:16]
		for x := range out {
			p := row[3*x:][:3]
			r, g, b := int32(p[0]), int32(p[1]), int32(p[2])
			out[x] = byte((19595*r + 38470*g + 7471*b + half) >> 16)
			cb[x] += (-11059*r - 21709*g + 32768*b + centre) >> 16
			cr[x] += (32768*r - 27439*g - 5329*b + centre) >> 16
		}
	}
	for x := range 8 {
		bias := int32(1 + x&1)
		chroma[x] = byte((cb[2*x] + cb[2*x+1] + bias) >> 2)
		chroma[8+x] = byte((cr[2*x] + cr[2*x+1] + bias) >> 2)
	}
}

// transform makes the coefficients of an MCU, pair by pair of blocks that lie
// beside each other in the planes.
func (e *Encoder) transform(col, stride int) {
	for i := range unitBlocks / 2 {
		src, q := e.chroma, &e.quant[1]
		if i < 2 {
			src, q = e.luma[8*i*stride:], &e.quant[0]
		}
		src = src[16*col:]
		coefs, some := (*[2][64]int16)(e.unit.coefs[2*i:]), (*[2]uint64)(e.unit.some[2*i:])
		if haveSIMD && !e.plain {
			_ = src[7*stride+15]
			fdctPair(&src[0], stride, q, coefs, some)
			continue
		}
		for b := range 2 {
			some[b] = fdctGo(src[8*b:], stride, q, &coefs[b])
		}
	}
}

// fillUp replaces the luma blocks beyond the picture, which has so many columns
// and rows of them in this MCU.
func (u *unit) fillUp(cols, rows int) {
	flat := func(i int, dc int16) {
		u.coefs[i], u.some[i] = [64]int16{dc}, 0
	}
	if cols == 1 {
		flat(1, u.coefs[0][0])
	}
	switch {
	case rows == 1:
		flat(2, u.coefs[1][0])
		flat(3, u.coefs[1][0])
	case cols == 1:
		flat(3, u.coefs[2][0])
	}
}

// appendHead appends everything before the coded data.
func (e *Encoder) appendHead(dst []byte, width, height int) []byte {
	segment := func(marker byte, parts ...string) {
		n := 2
		for _, p := range parts {
			n += len(p)
		}
		dst = append(dst, 0xFF, marker, byte(n>>8), byte(n))
		for _, p := range parts {
			dst = append(dst, p...)
		}
	}
	dst = append(dst, 0xFF, soi)
	segment(app0, "JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
	for i := range e.table {
		dst = append(dst, 0xFF, dqt, 0, 2+1+64, byte(i))
		for k := range 64 {
			dst = append(dst, e.table[i][zigzag[k]])
		}
	}
	dst = append(dst, 0xFF, sof0, 0, 2+6+9, 8)
	dst = binary.BigEndian.AppendUint16(dst, uint16(height))
	dst = binary.BigEndian.AppendUint16(dst, uint16(width))
	dst = append(dst, "\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"...)
	for i := range usualDC {
		segment(dht, string(rune(i)), usualDC[i])
		segment(dht, string(rune(0x10+i)), usualAC[i])
	}
	segment(sos, "\x03\x01\x00\x02\x11\x03\x11\x00\x3F\x00")
	return dst
}
