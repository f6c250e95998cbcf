package npk

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"sync/atomic"
)

// A bitmap file is
//
//	u64  the number of rows, dropped ones included
//	u64  how many are dropped
//	u64  words, bit i%64 of word i/64 is 1 where row i is left
//
// or, of an older NumPack, only the words, at least two. NumPack 0.7 sets bits again when
// rows are appended, without counting: the bits are right, not the count.
const (
	bitmapHeader = 16
	bitmapLimit  = 1 << 30 // bytes of the file that are read: 8 billion rows
)

// bitmap tells which rows are left. A nil one says all are.
type bitmap struct {
	words []uint64
	rows  int
	left  int  // rows that are left
	ahead bool // the file tells of more rows

	// ranks are the rows that are left before every rankWords words, nil until
	// asked for, which a File's readers do at once.
	ranks atomic.Pointer[[]int]
}

const rankWords = 8

func words(rows int) int { return rows/64 + min(1, rows%64) }

// newBitmap says that all rows are left.
func newBitmap(rows int) *bitmap {
	b := &bitmap{}
	b.extend(rows)
	return b
}

// parseBitmap reads a bitmap for an array of this many rows. More of them are
// rows that were being appended when a process ended: they don't count.
func parseBitmap(file []byte, rows int) (*bitmap, error) {
	n := words(rows)
	have := uint64(rows)
	body := file
	if len(file) >= bitmapHeader {
		told := binary.LittleEndian.Uint64(file)
		if told/64+min(1, told%64) == uint64(len(file)-bitmapHeader)/8 && len(file)%8 == 0 {
			have, body = told, file[bitmapHeader:]
		}
	}
	headless := len(body) == len(file)
	if have < uint64(rows) || len(body)%8 != 0 || len(body)/8 < n || len(file) < bitmapHeader || headless && len(body)/8 != n {
		return nil, fmt.Errorf("%d bytes for %d rows, the array has %d", len(file), have, rows)
	}
	if headless && binary.LittleEndian.Uint64(file) == uint64(rows) {
		return nil, fmt.Errorf("%d bytes, as of an older NumPack, but they begin as a header does: the file was cut short", len(file))
	}
	b := &bitmap{words: make([]uint64, n), rows: rows, ahead: have > uint64(rows)}
	for i := range b.words {
		b.words[i] = binary.LittleEndian.Uint64(body[i*8:])
	}
	if rows%64 != 0 {
		b.words[n-1] &= 1<<(rows%64) - 1
	}
	for _, w := range b.words {
		b.left += bits.OnesCount64(w)
	}
	return b, nil
}

// format writes the file.
func (b *bitmap) format() []byte {
	out := make([]byte, 0, bitmapHeader+8*len(b.words))
	out = binary.LittleEndian.AppendUint64(out, uint64(b.rows))
	out = binary.LittleEndian.AppendUint64(out, uint64(b.rows-b.left))
	for _, w := range b.words {
		out = binary.LittleEndian.AppendUint64(out, w)
	}
	return out
}

func (b *bitmap) clone() *bitmap {
	if b == nil {
		return nil
	}
	return &bitmap{words: slices.Clone(b.words), rows: b.rows, left: b.left, ahead: b.ahead}
}

// extend adds rows that are left.
func (b *bitmap) extend(rows int) {
	for end := b.rows + rows; b.rows < end; {
		if b.rows%64 == 0 {
			b.words = append(b.words, 0)
		}
		n := min(64-b.rows%64, end-b.rows)
		b.words[b.rows/64] |= (^uint64(0) >> (64 - n)) << (b.rows % 64)
		b.rows += n
		b.left += n
	}
	b.ranks.Store(nil)
}

// drop takes a row away.
func (b *bitmap) drop(row int) {
	if bit := uint64(1) << (row % 64); b.words[row/64]&bit != 0 {
		b.words[row/64] &^= bit
		b.left--
		b.ranks.Store(nil)
	}
}

// rank makes the table that find needs.
func (b *bitmap) rank() {
	if b == nil || b.ranks.Load() != nil {
		return
	}
	ranks := make([]int, 0, len(b.words)/rankWords+1)
	n := 0
	for i, w := range b.words {
		if i%rankWords == 0 {
			ranks = append(ranks, n)
		}
		n += bits.OnesCount64(w)
	}
	b.ranks.Store(&ranks)
}

// find returns where row i of those that are left lies; rank must have been
// called.
func (b *bitmap) find(i int) int {
	if b == nil {
		return i
	}
	ranks := *b.ranks.Load()
	block := sort.SearchInts(ranks, i+1) - 1
	i -= ranks[block]
	for k := block * rankWords; ; k++ {
		w := b.words[k]
		n := bits.OnesCount64(w)
		if i >= n {
			i -= n
			continue
		}
		for ; i > 0; i-- {
			w &= w - 1
		}
		return k*64 + bits.TrailingZeros64(w)
	}
}

// run returns the first rows that are left from row at on: they begin at lo
// and there are n, no more than most. No more rows are n = 0.
func (b *bitmap) run(at, rows, most int) (lo, n int) {
	if b == nil {
		return at, min(rows-at, most)
	}
	lo = b.next(at, 0)
	n = min(b.next(lo, ^uint64(0))-lo, most)
	return lo, n
}

// next returns the first row from at on whose bit isn't that of skip.
func (b *bitmap) next(at int, skip uint64) int {
	for at < b.rows {
		if w := (b.words[at/64] ^ skip) >> (at % 64); w != 0 {
			return min(at+bits.TrailingZeros64(w), b.rows)
		}
		at = at/64*64 + 64
	}
	return b.rows
}
