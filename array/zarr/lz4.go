package zarr

import (
	"encoding/binary"
	"math/bits"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// lz4Bound is how many bytes a packed block may need.
func lz4Bound(n int) int { return lz4.CompressBlockBound(n) }

var lz4ers = sync.Pool{New: func() any { return new(lz4.Compressor) }}

// packLZ4 writes a block of LZ4, for which dst has lz4Bound bytes. Where nothing
// repeats itself small blocks are looked at in steps from hurry on.
func packLZ4(dst, src []byte, hurry int) (int, error) {
	if len(src) <= lz4Small {
		table := lz4Tables.Get().(*lz4Table)
		defer lz4Tables.Put(table)
		return packSmall(dst, src, table, hurry), nil
	}
	c := lz4ers.Get().(*lz4.Compressor)
	defer lz4ers.Put(c)
	n, err := c.CompressBlock(src, dst)
	if err != nil || n > 0 {
		return n, err
	}
	// It doesn't get smaller.
	return lz4Literals(dst, 0, src), nil
}

const (
	lz4Small    = 1 << 16 // positions fit into 16 bits
	lz4HashBits = 13
	lz4Tail     = 12 // the last match begins before so many bytes
	lz4Last     = 5  // the last bytes are literals
	lz4MinMatch = 4
)

// lz4Table finds where four bytes were last, by their hash.
type lz4Table [1 << lz4HashBits]uint16

var lz4Tables = sync.Pool{New: func() any { return new(lz4Table) }}

// packSmall packs up to 64 KiB, those that don't repeat themselves with ever
// larger steps. It is faster than the library on the planes of shuffled
// elements, which are that small.
func packSmall(dst, src []byte, table *lz4Table, hurry int) int {
	*table = lz4Table{}
	n, anchor := 0, 0
	limit := len(src) - lz4Tail
	for at := 1; at <= limit; {
		var back int
		misses := hurry << 6
		for {
			v := binary.LittleEndian.Uint32(src[at:])
			h := v * 2654435761 >> (32 - lz4HashBits)
			back = int(table[h])
			table[h] = uint16(at)
			if back < at && v == binary.LittleEndian.Uint32(src[back:]) {
				break
			}
			at += misses >> 6
			misses++
			if at > limit {
				return n + lz4Literals(dst[n:], 0, src[anchor:])
			}
		}
		for at > anchor && back > 0 && src[at-1] == src[back-1] {
			at, back = at-1, back-1
		}
		size := lz4MinMatch + same(src[at+lz4MinMatch:len(src)-lz4Last], src[back+lz4MinMatch:])
		n += lz4Literals(dst[n:], size, src[anchor:at])
		binary.LittleEndian.PutUint16(dst[n:], uint16(at-back))
		n += 2
		if size >= lz4MinMatch+15 {
			n = lz4Length(dst, n, size-lz4MinMatch-15)
		}
		at += size
		if anchor = at; at <= limit {
			table[binary.LittleEndian.Uint32(src[at-2:])*2654435761>>(32-lz4HashBits)] = uint16(at - 2)
		}
	}
	return n + lz4Literals(dst[n:], 0, src[anchor:])
}

// same counts the bytes at the begin of a that b has too; b is longer.
func same(a, b []byte) int {
	n := 0
	for len(a)-n >= 8 {
		if d := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); d != 0 {
			return n + bits.TrailingZeros64(d)/8
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}

// lz4Literals writes the begin of a sequence: its token, and the literals. A
// match of size bytes follows; 0 is none.
func lz4Literals(dst []byte, size int, src []byte) int {
	n := 1
	token := byte(min(max(size-lz4MinMatch, 0), 15))
	if len(src) < 15 {
		dst[0] = byte(len(src))<<4 | token
	} else {
		dst[0] = 0xF0 | token
		n = lz4Length(dst, n, len(src)-15)
	}
	return n + copy(dst[n:], src)
}

// lz4Length writes what of a length the token doesn't hold.
func lz4Length(dst []byte, n, left int) int {
	for ; left >= 255; left -= 255 {
		dst[n] = 255
		n++
	}
	dst[n] = byte(left)
	return n + 1
}
