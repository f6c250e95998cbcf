package zarr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/betongo/betongo/internal/shuffle"
)

// A frame of c-blosc 1: this header, little-endian, then u32 offsets of the
// blocks from the frame's begin, then the blocks. A block is one part, or one
// for each byte of an element: i32 size, then so many bytes, packed unless it
// is the part's own size.
//
//	u8 version  u8 version of the packer  u8 flags  u8 element size
//	u32 size  u32 block size  u32 size of the frame
const bloscHeader = 16

const (
	bloscShuffled    = 1
	bloscPlain       = 2 // the bytes follow the header as they are
	bloscBitshuffled = 4
	bloscWhole       = 16 // blocks are one part
)

// The packers, in the upper three bits of the flags.
const (
	bloscLZ = iota
	bloscLZ4
	bloscSnappy
	bloscZlib
	bloscZstd
)

const (
	bloscMaxSplit = 16  // blocks of larger elements are one part
	bloscMinSplit = 128 // and blocks of which a part would be smaller
	bloscMax      = 1<<31 - 1 - bloscHeader
)

// bloscCodec reads any frame. What it writes is told by its fields.
type bloscCodec struct {
	packer    int
	level     int // 1 to 9
	shuffling byte
	size      int // of an element
	block     int // bytes; 0 is chosen
}

// bloscFrame is a checked header.
type bloscFrame struct {
	flags              byte
	typeSize           int
	size, block, count int
}

func parseBlosc(src []byte, most int) (bloscFrame, error) {
	if len(src) < bloscHeader {
		return bloscFrame{}, fmt.Errorf("blosc: %d bytes, want a header of %d", len(src), bloscHeader)
	}
	f := bloscFrame{flags: src[2], typeSize: int(src[3])}
	size, block, whole := binary.LittleEndian.Uint32(src[4:]), binary.LittleEndian.Uint32(src[8:]), binary.LittleEndian.Uint32(src[12:])
	switch {
	case src[0] != 2:
		return f, fmt.Errorf("blosc: format version is %d, want 2", src[0])
	case int64(whole) != int64(len(src)):
		return f, fmt.Errorf("blosc: the header tells a frame of %d bytes, it has %d", whole, len(src))
	case int64(size) > int64(most):
		return f, fmt.Errorf("blosc: the header tells %d bytes, want at most %d", size, most)
	case f.typeSize == 0:
		return f, errors.New("blosc: elements of 0 bytes")
	}
	f.size = int(size)
	if f.size == 0 {
		return f, nil
	}
	if f.flags&bloscPlain != 0 {
		if len(src) != bloscHeader+f.size {
			return f, fmt.Errorf("blosc: a frame of %d bytes that holds %d as they are", len(src), f.size)
		}
		return f, nil
	}
	if block == 0 || block > size {
		return f, fmt.Errorf("blosc: blocks of %d bytes in %d", block, size)
	}
	f.block = int(block)
	f.count = (f.size-1)/f.block + 1
	if f.count > (len(src)-bloscHeader)/4 {
		return f, fmt.Errorf("blosc: %d blocks in a frame of %d bytes", f.count, len(src))
	}
	return f, nil
}

// bloscScratch holds a block before it is put into order.
var bloscScratch = sync.Pool{New: func() any { return new([]byte) }}

func (bloscCodec) decode(dst, src []byte) ([]byte, error) {
	f, err := parseBlosc(src, cap(dst))
	if err != nil || f.size == 0 {
		return dst[:0], err
	}
	dst = dst[:f.size]
	if f.flags&bloscPlain != 0 {
		copy(dst, src[bloscHeader:])
		return dst, nil
	}
	scratch := bloscScratch.Get().(*[]byte)
	defer bloscScratch.Put(scratch)
	for i := range f.count {
		at := int64(binary.LittleEndian.Uint32(src[bloscHeader+4*i:]))
		if at < int64(bloscHeader+4*f.count) || at > int64(len(src)) {
			return nil, fmt.Errorf("blosc: block %d at byte %d of %d", i, at, len(src))
		}
		out := dst[i*f.block : min((i+1)*f.block, f.size)]
		if err := f.decodeBlock(out, src[at:], scratch); err != nil {
			return nil, fmt.Errorf("blosc: block %d: %w", i, err)
		}
	}
	return dst, nil
}

// parts is how many parts a block of n bytes has.
func (f *bloscFrame) parts(n int) int {
	if f.flags&bloscWhole == 0 && f.typeSize <= bloscMaxSplit && f.block/f.typeSize >= bloscMinSplit && n == f.block {
		return f.typeSize
	}
	return 1
}

func (f *bloscFrame) decodeBlock(dst, src []byte, scratch *[]byte) error {
	bytewise := f.flags&bloscShuffled != 0 && f.typeSize > 1
	bitwise := !bytewise && f.flags&bloscBitshuffled != 0 && len(dst) >= f.typeSize
	raw := dst
	if bytewise || bitwise {
		*scratch = slices.Grow((*scratch)[:0], len(dst))
		raw = (*scratch)[:len(dst)]
	}
	parts := f.parts(len(dst))
	size := len(dst) / parts
	if size*parts != len(dst) {
		return fmt.Errorf("%d bytes in %d parts", len(dst), parts)
	}
	for i := range parts {
		if len(src) < 4 {
			return io.ErrUnexpectedEOF
		}
		n := int64(int32(binary.LittleEndian.Uint32(src)))
		if src = src[4:]; n < 0 || n > int64(len(src)) {
			return fmt.Errorf("part %d has %d bytes of %d", i, n, len(src))
		}
		if err := f.unpack(raw[i*size:(i+1)*size:(i+1)*size], src[:n]); err != nil {
			return fmt.Errorf("part %d: %w", i, err)
		}
		src = src[n:]
	}
	switch {
	case bytewise:
		shuffle.Together(dst, raw, f.typeSize)
	case bitwise:
		bitshuffle(dst, raw, f.typeSize, true)
	}
	return nil
}

// unpack fills dst.
func (f *bloscFrame) unpack(dst, src []byte) (err error) {
	if len(src) == len(dst) {
		copy(dst, src)
		return nil
	}
	var out []byte
	switch packer := f.flags >> 5; packer {
	case bloscLZ:
		out, err = unpackBloscLZ(dst, src)
	case bloscLZ4:
		out, err = lz4Block(dst, src)
	case bloscZlib:
		out, err = zlibCodec{}.decode(dst, src)
	case bloscZstd:
		out, err = zstdCodec{}.decode(dst, src)
	case bloscSnappy:
		return unsupported("snappy in blosc")
	default:
		return fmt.Errorf("packer %d", packer)
	}
	if err == nil && len(out) != len(dst) {
		err = fmt.Errorf("unpacks to %d bytes, want %d", len(out), len(dst))
	}
	return err
}

// bloscBlock is the size of blocks that are written where none is asked for:
// what fits into a processor's second cache, with its shuffled copy.
const bloscBlock = 256 << 10

func (c bloscCodec) encode(dst, src []byte) ([]byte, error) {
	if len(src) > bloscMax {
		return nil, fmt.Errorf("blosc: chunks have at most %d bytes, this one %d", bloscMax, len(src))
	}
	size := c.size
	if size < 1 || size > 255 {
		size = 1
	}
	block := c.block
	if block <= 0 {
		block = bloscBlock
	}
	if block = min(block, len(src)); block > size {
		block -= block % size
	}
	flags := c.shuffling | byte(c.packer)<<5
	parts := 1
	if c.packer == bloscLZ4 && size > 1 && size <= bloscMaxSplit && block/size >= bloscMinSplit {
		parts = size // those that don't shrink are left as they are
	} else {
		flags |= bloscWhole
	}
	count := 0
	if block > 0 {
		count = (len(src)-1)/block + 1
	}
	begin := len(dst)
	most := begin + bloscHeader + len(src)
	dst = append(dst, 2, 1, flags, byte(size))
	for _, n := range []int{len(src), block, 0} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	}
	dst = append(dst, make([]byte, 4*count)...)
	scratch := bloscScratch.Get().(*[]byte)
	defer bloscScratch.Put(scratch)
	var err error
	for i := range count {
		binary.LittleEndian.PutUint32(dst[begin+bloscHeader+4*i:], uint32(len(dst)-begin))
		part := src[i*block : min((i+1)*block, len(src))]
		if len(part) < block {
			parts = 1
		}
		if dst, err = c.encodeBlock(dst, part, size, parts, scratch); err != nil {
			return nil, fmt.Errorf("blosc: %w", err)
		}
		if len(dst) >= most {
			break
		}
	}
	if len(dst) >= most {
		// Nothing is won: the bytes as they are.
		dst = append(dst[:begin+bloscHeader], src...)
		dst[begin+2] |= bloscPlain
	}
	binary.LittleEndian.PutUint32(dst[begin+12:], uint32(len(dst)-begin))
	return dst, nil
}

// encodeBlock appends a block.
func (c bloscCodec) encodeBlock(dst, src []byte, size, parts int, scratch *[]byte) ([]byte, error) {
	if c.shuffling != 0 {
		*scratch = slices.Grow((*scratch)[:0], len(src))
		raw := (*scratch)[:len(src)]
		switch {
		case c.shuffling == bloscShuffled && size > 1:
			shuffle.Apart(raw, src, size)
			src = raw
		case c.shuffling == bloscBitshuffled && len(src) >= size:
			bitshuffle(raw, src, size, false)
			src = raw
		}
	}
	n := len(src) / parts
	var err error
	for i := range parts {
		if dst, err = c.encodePart(dst, src[i*n:(i+1)*n]); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func (c bloscCodec) encodePart(dst, src []byte) ([]byte, error) {
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var err error
	switch c.packer {
	case bloscLZ4:
		dst = slices.Grow(dst, lz4Bound(len(src)))
		n := 0
		n, err = packLZ4(dst[at+4:at+4+lz4Bound(len(src))], src, 10-min(c.level, 9))
		dst = dst[:at+4+n]
	case bloscZlib:
		dst, err = zlibCodec{level: c.level}.encode(dst, src)
	case bloscZstd:
		dst, err = zstdCodec{level: zstdOfBlosc(c.level)}.encode(dst, src)
	default:
		err = unsupported(fmt.Sprintf("packer %d to write", c.packer))
	}
	if err != nil {
		return nil, err
	}
	if len(dst)-at-4 >= len(src) {
		dst = append(dst[:at+4], src...)
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, nil
}

// zstdOfBlosc is the level that c-blosc takes for one of its nine.
func zstdOfBlosc(level int) int {
	if level < 9 {
		return max(2*level-1, 1)
	}
	return 22
}

// ratio is that of the best packer.
func (bloscCodec) ratio() int64 { return 1 << 15 }

// maxDistance is how far back BloscLZ's short matches go.
const maxDistance = 8191

// unpackBloscLZ unpacks c-blosc's own packer into dst.
func unpackBloscLZ(dst, src []byte) ([]byte, error) {
	var at, n int // in src, in dst
	for first := true; at < len(src); first = false {
		ctrl := int(src[at])
		if at++; first {
			ctrl &= 31
		}
		if ctrl < 32 {
			ctrl++
			if ctrl > len(src)-at || ctrl > len(dst)-n {
				return nil, fmt.Errorf("blosclz: %d literals at byte %d", ctrl, at)
			}
			n += copy(dst[n:], src[at:at+ctrl])
			at += ctrl
			continue
		}
		size, back := ctrl>>5-1, ctrl&31<<8
		if size == 6 {
			for more := 255; more == 255; at++ {
				if at >= len(src) || size > len(dst) {
					return nil, fmt.Errorf("blosclz: a match at byte %d", at)
				}
				more = int(src[at])
				size += more
			}
		}
		if at >= len(src) {
			return nil, fmt.Errorf("blosclz: a match at byte %d", at)
		}
		low := int(src[at])
		at++
		if size, back = size+3, back+low+1; low == 255 && ctrl&31 == 31 {
			if len(src)-at < 2 {
				return nil, fmt.Errorf("blosclz: a match at byte %d", at)
			}
			back = int(src[at])<<8 + int(src[at+1]) + maxDistance + 1
			at += 2
		}
		if back > n || size > len(dst)-n {
			return nil, fmt.Errorf("blosclz: a match of %d bytes %d back, at byte %d", size, back, n)
		}
		for end := n + size; n < end; {
			// What lies back repeats itself: each round may copy twice as much.
			n += copy(dst[n:end], dst[n-back:n])
		}
	}
	return dst[:n], nil
}
