package fields

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// How an Image's numbers are coded. These are part of the wire format.
//
// The codings with differences keep, instead of each number, what it is more
// than the number step before it, modulo the range of the type; step is that of
// one pixel (left) or of one row (up), and before the first number there are
// zeros. Differences of two bytes are folded, so that small ones of either sign
// have a zero byte: d becomes 2d, or -2d-1 when it is negative; and all their
// low bytes come before all their high bytes.
const (
	codingPlain = iota // as in rgb.Raster
	codingLZ4          // an LZ4 block of the plain bytes
	codingLeft         // an LZ4 block of the differences from the pixel to the left
	codingUp           // an LZ4 block of the differences from the pixel above
	codings
)

// maxPacked returns how many bytes an LZ4 block of n bytes can stand for at
// most: a byte of a match's length 255, and the block's last 16 bytes or fewer
// some more.
func maxPacked(n uint64) uint64 {
	if n > 1<<40 {
		return 1 << 48
	}
	return 255*n + 64
}

// rasterCoder is memory that Encode and Check work in.
type rasterCoder struct {
	fast   lz4.Compressor
	deep   lz4.CompressorHC
	raster rgb.Raster
	data   []byte // an image file
	small  []byte // a raster that was shrunk
	pixels rgb.Scratch

	numbers     []byte // differences
	best, trial []byte // coded
}

// coders belong to nobody in particular. What one is left with doesn't show in
// what it codes next: the compressors forget before they begin.
var coders = sync.Pool{New: func() any { return new(rasterCoder) }}

// release puts the coder back, without buffers that one huge picture left.
func (c *rasterCoder) release() {
	for _, b := range []*[]byte{&c.data, &c.small, &c.raster.Pix, &c.numbers, &c.best, &c.trial} {
		if cap(*b) > maxKept {
			*b = nil
		}
	}
	coders.Put(c)
}

// shrink makes r as small as the maximum of its longer side, 0 none, wants it.
func (c *rasterCoder) shrink(r *rgb.Raster, most int) error {
	w, h := shrunk(r.Width, r.Height, most)
	if w == r.Width && h == r.Height {
		return nil
	}
	if w < 1 || h < 1 {
		return fmt.Errorf("image: a picture of %dx%d pixels, shrunk to %d, becomes %dx%d: %w", r.Width, r.Height, most, w, h, ErrValue)
	}
	p := rgb.Place(r.Width, r.Height)
	p.Crop(rgb.Rect{W: r.Width, H: r.Height}, w, h)
	n := w * h * r.Channels * r.Depth
	c.small = slices.Grow(c.small[:0], n)[:n]
	if err := c.pixels.PlaceNearest(c.small, *r, &p, nil); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	r.Width, r.Height, r.Pix = w, h, c.small
	return nil
}

const (
	// leastSaved is the share of its bytes that a coding must save to be worth
	// the time of decoding: one in leastSaved.
	leastSaved = 8
	// The coding that is smallest by a quick search is searched again, trying
	// more earlier places for each: flatSearch of them where a value shrinks to
	// one in flatBelow of its bytes, as masks do, which makes it smaller by a
	// third and quicker to decode; elsewhere fewer, as there they cost more and
	// give less: a sixth of photographs, a quarter of noisy depth maps.
	flatBelow   = 4
	flatSearch  = 64
	otherSearch = 16
	// deepMost is the largest value that is searched again.
	deepMost = 1 << 30
)

// code returns the coding that is smallest (of equals the first) and the bytes,
// which are r's or the coder's until its next call.
func (c *rasterCoder) code(r rgb.Raster) (coding byte, data []byte) {
	size := len(r.Pix)
	most := size - (size+leastSaved-1)/leastSaved
	c.best = c.best[:0]
	for k := byte(codingLZ4); k < codings; k++ {
		src := c.source(r, k)
		c.trial = room(c.trial, lz4.CompressBlockBound(size))
		n, err := c.fast.CompressBlock(src, c.trial)
		if err == nil && n > 0 && n <= most && (coding == codingPlain || n < len(c.best)) {
			coding, c.best, c.trial = k, c.trial[:n], c.best
		}
	}
	if coding == codingPlain {
		return codingPlain, r.Pix
	}
	if size <= deepMost {
		src := c.source(r, coding)
		c.trial = room(c.trial, lz4.CompressBlockBound(size))
		c.deep.Level = otherSearch
		if len(c.best) <= size/flatBelow {
			c.deep.Level = flatSearch
		}
		if n, err := c.deep.CompressBlock(src, c.trial); err == nil && n > 0 && n < len(c.best) {
			c.best, c.trial = c.trial[:n], c.best
		}
	}
	return coding, c.best
}

// source returns the bytes that a coding hands to LZ4: r's or the coder's own.
func (c *rasterCoder) source(r rgb.Raster, coding byte) []byte {
	if coding == codingLZ4 {
		return r.Pix
	}
	c.numbers = room(c.numbers, len(r.Pix))
	step := r.Channels
	if coding == codingUp {
		step *= r.Width
	}
	if r.Depth == 1 {
		differ8(c.numbers, r.Pix, step)
	} else {
		differ16(c.numbers, r.Pix, step)
	}
	return c.numbers
}

// room returns b with length n; what it holds is left over.
func room(b []byte, n int) []byte {
	if cap(b) >= n {
		return b[:n]
	}
	return make([]byte, n)
}

// foldings holds what differences of two bytes are unpacked to, before they
// become numbers elsewhere.
var foldings = sync.Pool{New: func() any { return new([]byte) }}

// decode makes the pixels of b; len(pix) is m.size().
func (m *storedRaster) decode(pix, b []byte) error {
	if m.coding == codingPlain {
		copy(pix, b)
		return nil
	}
	if m.coding == codingLZ4 {
		return unpack(pix, b)
	}
	step := m.channels
	if m.coding == codingUp {
		step *= m.width
	}
	if m.depth == 1 {
		if err := unpack(pix, b); err != nil {
			return err
		}
		sum8(pix, step)
		return nil
	}
	f := foldings.Get().(*[]byte)
	*f = room(*f, len(pix))
	err := unpack(*f, b)
	if err == nil {
		sum16(pix, *f, step)
	}
	if cap(*f) > maxKept {
		*f = nil
	}
	foldings.Put(f)
	return err
}

// unpack decodes an LZ4 block that must fill dst.
func unpack(dst, src []byte) error {
	mmap.Touch(src)
	n, err := lz4.UncompressBlock(src, dst)
	if err == nil && n == len(dst) {
		return nil
	}
	return fmt.Errorf("image: %w", packFault(src, len(dst)))
}

// packFault walks an LZ4 block that doesn't decode to want bytes, and tells
// where it goes wrong.
func packFault(src []byte, want int) error {
	at, made := 0, 0
	fault := func(format string, args ...any) error {
		return fmt.Errorf("byte %d of %d of lz4: %s", at, len(src), fmt.Sprintf(format, args...))
	}
	length := func(n int) int {
		for more := n == 15; more && at < len(src) && n <= want; at++ {
			n += int(src[at])
			more = src[at] == 255
		}
		return n
	}
	for at < len(src) {
		token := src[at]
		at++
		n := length(int(token >> 4))
		switch {
		case n > len(src)-at:
			return fault("%d bytes as they are, beyond the end", n)
		case n > want-made:
			return fault("%d bytes more, want %d in all", made+n, want)
		}
		at, made = at+n, made+n
		if at == len(src) {
			break
		}
		if len(src)-at < 2 {
			return fault("ends inside of an offset")
		}
		back := int(binary.LittleEndian.Uint16(src[at:]))
		if back == 0 || back > made {
			return fault("a copy from %d bytes back, %d are there", back, made)
		}
		at += 2
		if n = 4 + length(int(token&15)); n > want-made {
			return fault("%d bytes more, want %d in all", made+n, want)
		}
		made += n
	}
	if made != want {
		return fault("ends after %d bytes, want %d", made, want)
	}
	return fault("not as lz4 ends a block")
}
