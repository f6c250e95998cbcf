package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

// Encodings, by the numbers of parquet.thrift.
const (
	plain           = 0
	plainDictionary = 2
	rle             = 3
	bitPacked       = 4
	deltaPacked     = 5
	deltaLength     = 6
	deltaStrings    = 7
	rleDictionary   = 8
	streamSplit     = 9
)

// ErrShort says that a page has fewer values than it tells.
var ErrShort = errors.New("the page ends before its values")

// Levels reads runs of one number, and numbers packed into bits.
type Levels struct {
	b      []byte
	width  int // bits of a number, at most 32
	same   int // left of a run
	value  uint32
	packed int // left of packed ones
	at     int // bits of b that are passed, of packed ones
	bytes  int // of packed ones
}

// run begins the next run.
func (h *Levels) run() error {
	head, n := binary.Uvarint(h.b)
	if n <= 0 || head>>1 > math.MaxInt32 {
		return ErrShort
	}
	h.b = h.b[n:]
	if head&1 == 0 {
		size := (h.width + 7) / 8
		if len(h.b) < size {
			return ErrShort
		}
		h.same, h.value = int(head>>1), 0
		for i := range size {
			h.value |= uint32(h.b[i]) << (8 * i)
		}
		h.b = h.b[size:]
		return nil
	}
	// What is missing at the end of the last group counts as there.
	h.packed, h.at = 8*int(head>>1), 0
	h.bytes = min(int(head>>1)*h.width, len(h.b))
	if h.width > 0 {
		h.packed = min(h.packed, 8*h.bytes/h.width)
	}
	return nil
}

// Next reads some numbers of the current run, at most len(dst); all that are
// of one value give no dst but their number and value.
func (h *Levels) Next(dst []uint32) (n int, same bool, value uint32, err error) {
	for h.same == 0 && h.packed == 0 {
		if h.at > 0 || h.bytes > 0 {
			h.b = h.b[h.bytes:]
			h.at, h.bytes = 0, 0
		}
		if err := h.run(); err != nil {
			return 0, false, 0, err
		}
	}
	if h.same > 0 {
		n = min(h.same, len(dst))
		h.same -= n
		return n, true, h.value, nil
	}
	n = min(h.packed, len(dst))
	if h.width == 0 {
		h.packed -= n
		return n, true, 0, nil
	}
	unpack(dst[:n], h.b[:h.bytes], h.at, h.width)
	h.packed -= n
	h.at += n * h.width
	return n, false, 0, nil
}

// unpack reads numbers of some bits, the lowest first, from bit number at on.
func unpack(dst []uint32, b []byte, at, width int) {
	mask := uint64(1)<<width - 1
	for i := range dst {
		k := at >> 3
		var v uint64
		if k+8 <= len(b) {
			v = binary.LittleEndian.Uint64(b[k:])
		} else {
			for j := k; j < len(b); j++ {
				v |= uint64(b[j]) << (8 * (j - k))
			}
		}
		dst[i] = uint32(v >> (at & 7) & mask)
		at += width
	}
}

// Again takes the rest of a run of one number, at most so many; 0 for none.
func (h *Levels) Again(most int) (n int, value uint32, err error) {
	if h.same == 0 && h.packed == 0 {
		if _, _, _, err := h.Next(nil); err != nil {
			return 0, 0, err
		}
	}
	n = min(h.same, most)
	h.same -= n
	return n, h.value, nil
}

// Fill reads all of dst.
func (h *Levels) Fill(dst []uint32) error {
	for len(dst) > 0 {
		n, same, v, err := h.Next(dst)
		if err != nil {
			return err
		}
		if same {
			for i := range dst[:n] {
				dst[i] = v
			}
		}
		dst = dst[n:]
	}
	return nil
}

// levelBits is how many bits the levels up to most have.
func levelBits(most int) int { return bits.Len(uint(most)) }

// deltas reads DELTA_BINARY_PACKED.
type deltas struct {
	b        []byte
	block    int // numbers in one
	mini     int // numbers in one of its parts
	widths   []byte
	left     int // numbers in all
	last     int64
	first    bool
	min      int64
	at       int // bit in the current part
	inPart   int // left in the current part
	part     int
	partSize int
}

func newDeltas(b []byte) (*deltas, error) {
	d := &deltas{b: b, first: true}
	block, parts, total := d.uvarint(), d.uvarint(), d.uvarint()
	first := d.uvarint()
	d.last = int64(first>>1) ^ -int64(first&1)
	if d.b == nil || block == 0 || block > 1<<20 || parts == 0 || parts > block || block%parts != 0 || block/parts%8 != 0 || total > math.MaxInt32 {
		return nil, fmt.Errorf("deltas of %d numbers in blocks of %d, of %d parts", total, block, parts)
	}
	d.block, d.mini, d.left = int(block), int(block/parts), int(total)
	d.part = int(parts)
	return d, nil
}

func (d *deltas) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.b = nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// Next reads the next number.
func (d *deltas) next() (int64, error) {
	if d.left == 0 {
		return 0, ErrShort
	}
	d.left--
	if d.first {
		d.first = false
		return d.last, nil
	}
	if d.inPart == 0 {
		if err := d.advance(); err != nil {
			return 0, err
		}
	}
	width := int(d.widths[d.part])
	v := uint64(0)
	if width > 0 {
		k := d.at >> 3
		if d.at+width > 8*d.partSize || d.partSize > len(d.b) && d.at+width > 8*len(d.b) {
			return 0, ErrShort
		}
		for j, shift := k, -(d.at & 7); shift < width; j, shift = j+1, shift+8 {
			if shift < 0 {
				v |= uint64(d.b[j]) >> -shift
			} else {
				v |= uint64(d.b[j]) << shift
			}
		}
		if width < 64 {
			v &= 1<<width - 1
		}
		d.at += width
	}
	d.inPart--
	d.last += d.min + int64(v)
	return d.last, nil
}

// advance goes to the next part of a block, or to the next block.
func (d *deltas) advance() error {
	if err := d.leave(); err != nil {
		return err
	}
	d.part++
	if d.widths == nil || d.part >= len(d.widths) {
		first := d.uvarint()
		parts := d.block / d.mini
		if d.b == nil || len(d.b) < parts {
			return ErrShort
		}
		d.min = int64(first>>1) ^ -int64(first&1)
		d.widths, d.b, d.part = d.b[:parts], d.b[parts:], 0
	}
	if d.widths[d.part] > 64 {
		return fmt.Errorf("deltas of %d bits", d.widths[d.part])
	}
	d.partSize, d.at, d.inPart = d.mini/8*int(d.widths[d.part]), 0, d.mini
	return nil
}

// leave passes the bytes of the current part.
func (d *deltas) leave() error {
	if d.partSize > len(d.b) {
		if d.left > 0 {
			return ErrShort
		}
		d.b = d.b[len(d.b):]
	} else {
		d.b = d.b[d.partSize:]
	}
	d.partSize = 0
	return nil
}

// rest is what lies behind all numbers, which must have been read.
func (d *deltas) rest() []byte {
	if d.widths != nil {
		_ = d.leave() // nothing is left, and so nothing fails
	}
	return d.b
}

// lengths reads all numbers, none of which is negative.
func (d *deltas) lengths() ([]int32, error) {
	list := make([]int32, 0, min(d.left, 1<<16))
	for d.left > 0 {
		v, err := d.next()
		if err != nil {
			return nil, err
		}
		if v < 0 || v > math.MaxInt32 {
			return nil, fmt.Errorf("a length of %d", v)
		}
		list = append(list, int32(v))
	}
	return list, nil
}

// Texts gives values of no fixed size, one after another. What Next returns is
// borrowed until the next call.
type Texts interface{ Next() ([]byte, error) }

type plainTexts struct{ b []byte }

func (p *plainTexts) Next() ([]byte, error) {
	if len(p.b) < 4 {
		return nil, ErrShort
	}
	n := int64(binary.LittleEndian.Uint32(p.b))
	if n > int64(len(p.b)-4) {
		return nil, fmt.Errorf("a value of %d bytes, the page has %d", n, len(p.b)-4)
	}
	v := p.b[4 : 4+n]
	p.b = p.b[4+n:]
	return v, nil
}

// sizedTexts is DELTA_LENGTH_BYTE_ARRAY.
type sizedTexts struct {
	b     []byte
	sizes []int32
}

func newSizedTexts(b []byte) (*sizedTexts, error) {
	d, err := newDeltas(b)
	if err != nil {
		return nil, err
	}
	s := &sizedTexts{}
	if s.sizes, err = d.lengths(); err != nil {
		return nil, err
	}
	s.b = d.rest()
	return s, nil
}

func (s *sizedTexts) Next() ([]byte, error) {
	if len(s.sizes) == 0 || int(s.sizes[0]) > len(s.b) {
		return nil, ErrShort
	}
	n := s.sizes[0]
	v := s.b[:n]
	s.b, s.sizes = s.b[n:], s.sizes[1:]
	return v, nil
}

// frontTexts is DELTA_BYTE_ARRAY: each begins as the one before.
type frontTexts struct {
	same []int32
	rest *sizedTexts
	last []byte
}

func newFrontTexts(b []byte) (*frontTexts, error) {
	d, err := newDeltas(b)
	if err != nil {
		return nil, err
	}
	f := &frontTexts{}
	if f.same, err = d.lengths(); err != nil {
		return nil, err
	}
	f.rest, err = newSizedTexts(d.rest())
	return f, err
}

func (f *frontTexts) Next() ([]byte, error) {
	if len(f.same) == 0 || int(f.same[0]) > len(f.last) {
		return nil, ErrShort
	}
	tail, err := f.rest.Next()
	if err != nil {
		return nil, err
	}
	f.last = append(f.last[:f.same[0]], tail...)
	f.same = f.same[1:]
	return f.last, nil
}
