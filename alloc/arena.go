package alloc

import (
	"fmt"
	"iter"
)

const (
	blockSize = 1 << 20 // of a standard block
	maxRegion = 1 << 40 // a region beyond it is a mistake, not a value

	// firstPtr is the provisional pointer of an arena's first region; it lies
	// beyond every file, so that one which was never rewritten is noticed.
	firstPtr = 1 << 63
)

// Region is a run of bytes that a sample keeps, staged in an Arena.
type Region struct {
	Ptr  uint64 // provisional, as Alloc returned it
	Size int    // bytes of the value, 0 for an empty one
	Buf  []byte // what goes into the file: the value, or one zero byte for an empty one

	block *block
	off   int
}

// block is a piece of an arena's memory. Bytes from dirty on are zero.
type block struct {
	buf   []byte
	off   int // the next region begins here
	dirty int
	used  bool // since the last Reset
}

// take returns the next n bytes, zeroed.
func (b *block) take(n int) []byte {
	at := b.off
	b.off += n
	if at < b.dirty {
		clear(b.buf[at:min(b.off, b.dirty)])
	}
	b.dirty = max(b.dirty, b.off)
	return b.buf[at:b.off:b.off]
}

// Arena is the staging memory for the regions of a chunk of samples. Regions
// lie behind each other without a gap, as they will in the file, in blocks
// that never move: a slice from Alloc stays good until Reset or Truncate. The
// zero Arena is ready. It is not safe for concurrent use.
type Arena struct {
	regions []Region
	cur     *block
	blocks  []*block // all, in no order
	free    []*block // standard ones with nothing in them
	large   []*block // longer than a standard block, used or not
}

// Alloc reserves size bytes and returns a provisional pointer and the zeroed
// bytes; it fits fields.Alloc. Pointers count up by one from region to
// region. An empty region has a pointer and a byte of its own too.
func (a *Arena) Alloc(size int) (ptr uint64, buf []byte, err error) {
	if size < 0 || size > maxRegion {
		return 0, nil, fmt.Errorf("a region of %d bytes: want 0 to %d", size, maxRegion)
	}
	n := max(size, 1)
	b := a.block(n)
	r := Region{Ptr: firstPtr + uint64(len(a.regions)), Size: size, block: b, off: b.off}
	r.Buf = b.take(n)
	a.regions = append(a.regions, r)
	return r.Ptr, r.Buf[:size:size], nil
}

// block returns a block with room for n bytes.
func (a *Arena) block(n int) *block {
	if a.cur != nil && n <= len(a.cur.buf)-a.cur.off {
		return a.cur
	}
	b := a.spare(n)
	b.used = true
	// The rest of the old block stays in use when it is the longer one, so
	// that a small region after a large one costs no block.
	if a.cur == nil || len(b.buf)-n > len(a.cur.buf)-a.cur.off {
		a.cur = b
	}
	return b
}

// spare returns an empty block of at least n bytes.
func (a *Arena) spare(n int) *block {
	if n <= blockSize {
		if last := len(a.free) - 1; last >= 0 {
			b := a.free[last]
			a.free = a.free[:last]
			return b
		}
		b := &block{buf: make([]byte, blockSize)}
		a.blocks = append(a.blocks, b)
		return b
	}
	var best *block
	for _, b := range a.large {
		if b.off == 0 && n <= len(b.buf) && (best == nil || len(b.buf) < len(best.buf)) {
			best = b
		}
	}
	if best == nil {
		best = &block{buf: make([]byte, (n+blockSize-1)/blockSize*blockSize)}
		a.large = append(a.large, best)
	}
	return best
}

// Mark returns how many regions there are: the index of the next one.
func (a *Arena) Mark() int { return len(a.regions) }

// Regions returns the regions from a mark on, in the order of their Alloc.
// The slice is the arena's, valid until its next call.
func (a *Arena) Regions(from int) []Region { return a.regions[from:] }

// Truncate drops the regions from a mark on, as of a sample that failed.
func (a *Arena) Truncate(mark int) {
	for i := len(a.regions) - 1; i >= mark; i-- {
		// Backwards, so that a block ends where its first dropped region began.
		r := &a.regions[i]
		b := r.block
		b.off = r.off
		if b.off == 0 && b != a.cur && len(b.buf) == blockSize {
			a.free = append(a.free, b)
		}
		*r = Region{}
	}
	a.regions = a.regions[:mark]
}

// Spans yields what to write where when region i goes to ptrs[i]: regions that
// follow each other here and there come as one. ptrs is as long as Mark says;
// the bytes are the arena's, valid until its next call.
func (a *Arena) Spans(ptrs []uint64) iter.Seq2[uint64, []byte] {
	if len(ptrs) != len(a.regions) {
		panic(fmt.Sprintf("alloc: %d pointers for %d regions", len(ptrs), len(a.regions)))
	}
	return func(yield func(uint64, []byte) bool) {
		for i := 0; i < len(ptrs); {
			r := &a.regions[i]
			at, end := ptrs[i], r.off+len(r.Buf)
			for i++; i < len(ptrs); i++ {
				next := &a.regions[i]
				if next.block != r.block || next.off != end || ptrs[i] != at+uint64(end-r.off) {
					break
				}
				end += len(next.Buf)
			}
			if !yield(at, r.block.buf[r.off:end:end]) {
				return
			}
		}
	}
}

// Reset drops all regions and keeps the memory for the next ones, except
// blocks for large regions that were not used since the last Reset: one
// unusual sample does not hold its memory for ever.
func (a *Arena) Reset() {
	clear(a.regions)
	a.regions = a.regions[:0]
	a.cur = nil
	a.free = append(a.free[:0], a.blocks...)
	for _, b := range a.blocks {
		b.off = 0
	}
	kept := a.large[:0]
	for _, b := range a.large {
		if b.used {
			b.off, b.used = 0, false
			kept = append(kept, b)
		}
	}
	clear(a.large[len(kept):])
	a.large = kept
}
