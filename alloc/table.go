package alloc

import (
	"fmt"
	"iter"
	"math"
	"sync"
	"sync/atomic"
)

const (
	chunkEntries = 4096 // that a walk over the table reads at once
	pieceEntries = 32   // that a look-up reads at once
)

// piece is what a look-up reads into.
type piece [pieceEntries * EntrySize]byte

// Table is the reading view of an allocation table. Nothing is loaded before
// it is asked for. It is safe for concurrent use when its read function is.
type Table struct {
	read      func(off, n int64, buf []byte) ([]byte, error)
	entries   int64
	perSample int

	pieces sync.Pool // *piece
	mu     sync.Mutex
	index  atomic.Pointer[index] // of a foreign table; nil until it is needed
}

// NewTable returns the view of a table of so many entries. read returns n
// bytes from off on, counted from the table's first byte: either borrowed ones
// or buf, filled, which is n bytes long. They must stay good only until its
// caller's next call with the same buf. perSample is how many regions a sample
// of this file has, 0 when that is not known.
func NewTable(read func(off, n int64, buf []byte) ([]byte, error), entries int64, perSample int) *Table {
	t := &Table{
		read:      read,
		entries:   min(max(entries, 0), math.MaxInt64/EntrySize),
		perSample: min(max(perSample, 0), math.MaxInt32),
	}
	t.pieces.New = func() any { return new(piece) }
	return t
}

// Len returns the number of entries.
func (t *Table) Len() int64 { return t.entries }

// At returns entry i.
func (t *Table) At(i int64) (Entry, error) {
	if i < 0 || i >= t.entries {
		return Entry{}, fmt.Errorf("allocation table: entry %d of %d", i, t.entries)
	}
	buf := t.pieces.Get().(*piece)
	defer t.pieces.Put(buf)
	b, err := t.bytes(i, 1, buf[:EntrySize])
	if err != nil {
		return Entry{}, err
	}
	return EntryAt(b), nil
}

// Size returns how long region j of a sample is, the one that begins at ptr.
// ok is false when the table has no entry of that sample with that pointer.
//
// Our files and FFCV's of one worker keep their entries in sample order, so
// that entry sample*perSample+j is looked at first, and believed when sample
// and pointer agree: no flag in the file can be wrong about it. For the other
// tables an index is made once, at the first need. Of several entries of a
// sample with one pointer (FFCV gives an empty value the pointer of the next)
// the one in position j counts where positions can be told, else the first
// that is not empty.
func (t *Table) Size(sample, j int, ptr uint64) (size int64, ok bool, err error) {
	if sample < 0 || j < 0 {
		return 0, false, nil
	}
	if i, in := t.position(sample, j); in {
		e, err := t.At(i)
		if err != nil {
			return 0, false, err
		}
		if e.Sample == uint64(sample) && e.Ptr == ptr {
			return checkedSize(e)
		}
	}
	x, err := t.foreign()
	if err != nil {
		return 0, false, err
	}
	return t.search(x, sample, j, ptr)
}

// position returns where the entry is in a table in sample order, and whether
// there is such a place.
func (t *Table) position(sample, j int) (int64, bool) {
	if j >= t.perSample || int64(sample) > t.entries/int64(t.perSample) {
		return 0, false
	}
	i := int64(sample)*int64(t.perSample) + int64(j)
	return i, i < t.entries
}

func checkedSize(e Entry) (int64, bool, error) {
	if e.Size > math.MaxInt64 {
		return 0, false, fmt.Errorf("allocation table: sample %d has a region of %d bytes at %d", e.Sample, e.Size, e.Ptr)
	}
	return int64(e.Size), true, nil
}

// Entries yields every entry in the table's order, read in pieces of a fixed
// size. A failure to read is yielded once, as the last pair.
func (t *Table) Entries() iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		buf := make([]byte, min(chunkEntries, t.entries)*EntrySize)
		for i := int64(0); i < t.entries; i += chunkEntries {
			n := min(chunkEntries, t.entries-i)
			b, err := t.bytes(i, n, buf[:n*EntrySize])
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for ; len(b) > 0; b = b[EntrySize:] {
				if !yield(EntryAt(b), nil) {
					return
				}
			}
		}
	}
}

// bytes reads n entries from entry i on.
func (t *Table) bytes(i, n int64, buf []byte) ([]byte, error) {
	b, err := t.read(i*EntrySize, n*EntrySize, buf)
	if err != nil {
		return nil, fmt.Errorf("allocation table, entry %d: %w", i, err)
	}
	if int64(len(b)) != n*EntrySize {
		return nil, fmt.Errorf("allocation table, entry %d: got %d bytes, want %d", i, len(b), n*EntrySize)
	}
	return b, nil
}

// foreign returns the index, made by the first caller that needs it while the
// others wait. A failure is returned and not kept: the next call tries again.
func (t *Table) foreign() (*index, error) {
	if x := t.index.Load(); x != nil {
		return x, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if x := t.index.Load(); x != nil {
		return x, nil
	}
	x, err := newIndex(t.Entries())
	if err != nil {
		return nil, err
	}
	t.index.Store(x)
	return x, nil
}

// search looks the region up through the index.
func (t *Table) search(x *index, sample, j int, ptr uint64) (int64, bool, error) {
	p := pick{sample: uint64(sample), j: j, ptr: ptr}
	groups := 0
	for first := range x.groups(p.sample) {
		groups++
		if err := t.scan(first, &p); err != nil {
			return 0, false, err
		}
	}
	if !p.ok {
		return 0, false, nil
	}
	if p.okInPlace && !p.disorder && groups == 1 && p.seen == t.perSample {
		return checkedSize(p.inPlace)
	}
	return checkedSize(p.found)
}

// pick chooses among a sample's entries.
type pick struct {
	sample uint64
	j      int
	ptr    uint64

	seen     int    // entries of the sample so far
	end      uint64 // of the last one's region
	disorder bool   // they were not allocated one after another: a position does not tell a field

	found, inPlace Entry // the first with the pointer, not empty if there is one; the one in position j
	ok, okInPlace  bool
}

func (p *pick) see(e Entry) {
	p.disorder = p.disorder || e.Ptr < p.end
	p.end = e.Ptr + e.Size
	if e.Ptr == p.ptr {
		if p.seen == p.j {
			p.inPlace, p.okInPlace = e, true
		}
		if !p.ok || p.found.Size == 0 {
			p.found, p.ok = e, true
		}
	}
	p.seen++
}

// scan shows p the entries of its sample from entry i on.
func (t *Table) scan(i int64, p *pick) error {
	buf := t.pieces.Get().(*piece)
	defer t.pieces.Put(buf)
	for i < t.entries {
		n := min(pieceEntries, t.entries-i)
		b, err := t.bytes(i, n, buf[:n*EntrySize])
		if err != nil {
			return err
		}
		for ; len(b) > 0; b = b[EntrySize:] {
			e := EntryAt(b)
			if e.Sample != p.sample {
				return nil
			}
			p.see(e)
		}
		i += n
	}
	return nil
}
