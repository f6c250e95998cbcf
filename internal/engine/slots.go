package engine

import (
	"errors"
	"os"
	"slices"
	"sync"
	"unsafe"
)

// Blocks up to an eighth of a segment share one, so that an output of a few
// bytes a row doesn't take a mapping and a descriptor on each side. The more
// segments there are, the larger are new ones.
const (
	leastSegment  = 1 << 20
	largerEvery   = 32 // segments: then new ones are twice as large
	largestShared = 1 << 30
	leastKept     = 2 << 20 // bytes, for single samples that are asked for one by one
)

// slots is the memory of a connection's batches: segments that the client maps
// too. It is a loader.Allocator. What it gave out it never writes to or frees by
// itself.
type slots struct {
	mu       sync.Mutex
	blocks   map[*byte]block // by first byte
	segments map[int]*segment
	open     *segment   // with room for small blocks
	live     int        // bytes given out and not freed
	kept     []*segment // of one freed block each, for others of their size, the oldest first
	keeps    int        // their bytes; no more than live ones, or leastKept
	next     int        // number of the next segment
	dropped  []int      // segments freed that the client has mapped
	closed   bool
}

// block is what Alloc gave.
type block struct {
	of     *segment
	offset int
	size   int
}

// segment is memory that can be mapped by another process.
type segment struct {
	number int
	mem    []byte
	file   *os.File // until the client has it
	used   int      // bytes given out, from the first on
	blocks int      // given out and not freed
}

func newSlots() *slots {
	return &slots{blocks: map[*byte]block{}, segments: map[int]*segment{}}
}

var errSlotsClosed = errors.New("engine: memory for batches: the connection is closed")

// Alloc implements loader.Allocator.
func (s *slots) Alloc(n int) ([]byte, error) {
	size := (n + pageSize - 1) &^ (pageSize - 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errSlotsClosed
	}
	shared := min(leastSegment<<(len(s.segments)/largerEvery), largestShared)
	g := s.open
	switch {
	case size > shared/8:
		var err error
		if g, err = s.whole(size); err != nil {
			return nil, err
		}
		size = len(g.mem)
	case g == nil || len(g.mem)-g.used < size:
		var err error
		if g, err = s.add(shared); err != nil {
			return nil, err
		}
		if old := s.open; old != nil && old.blocks == 0 {
			s.drop(old)
		}
		s.open = g
	}
	b := g.mem[g.used : g.used+size : g.used+size]
	s.blocks[unsafe.SliceData(b)] = block{g, g.used, size}
	g.used += size
	g.blocks++
	s.live += size
	return b, nil
}

// whole returns a segment for one block: a kept one that is not much larger, or
// a new one, for which the oldest kept one goes. s is locked.
func (s *slots) whole(size int) (*segment, error) {
	for i, g := range s.kept {
		if n := len(g.mem); n >= size && n <= size+size/2 {
			s.kept = slices.Delete(s.kept, i, i+1)
			s.keeps -= n
			g.used = 0
			return g, nil
		}
	}
	if err := s.forget(len(s.kept) - 1); err != nil {
		return nil, err
	}
	return s.add(size)
}

// forget frees kept segments, the oldest first, until there are no more than
// these. s is locked.
func (s *slots) forget(most int) error {
	for len(s.kept) > max(most, 0) {
		g := s.kept[0]
		s.kept = s.kept[1:]
		s.keeps -= len(g.mem)
		discard(g.mem)
		if err := s.drop(g); err != nil {
			return err
		}
	}
	return nil
}

// add makes a segment. s is locked.
func (s *slots) add(size int) (*segment, error) {
	mem, file, err := newSegment(size)
	if err != nil {
		return nil, err
	}
	g := &segment{number: s.next, mem: mem, file: file}
	s.segments[g.number] = g
	s.next++
	return g, nil
}

// Free implements loader.Allocator. As much as is in use is kept, for batches that
// come; the rest goes back to the system at once, also where the client still maps
// it. After close nothing is kept, and what the client maps stays as it is.
func (s *slots) Free(b []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.blocks[unsafe.SliceData(b)]
	if !ok {
		return errors.New("engine: memory is freed that is not the connection's")
	}
	delete(s.blocks, unsafe.SliceData(b))
	s.live -= at.size
	g := at.of
	g.blocks--
	switch {
	case s.closed && g.blocks == 0:
		return s.drop(g)
	case s.closed:
		return nil
	case at.size == len(g.mem) && g != s.open:
		s.kept = append(s.kept, g)
		s.keeps += at.size
	default:
		discard(b)
		if g.blocks == 0 && g == s.open {
			g.used = 0
		} else if g.blocks == 0 {
			if err := s.drop(g); err != nil {
				return err
			}
		}
	}
	for s.keeps > max(s.live, leastKept) {
		if err := s.forget(len(s.kept) - 1); err != nil {
			return err
		}
	}
	return nil
}

// drop frees a segment without blocks. s is locked.
func (s *slots) drop(g *segment) error {
	delete(s.segments, g.number)
	if g.file == nil {
		s.dropped = append(s.dropped, g.number)
	}
	return g.free()
}

// free ends the engine's part of a segment.
func (g *segment) free() error {
	if g.file != nil {
		g.file.Close()
		g.file = nil
	}
	mem := g.mem
	g.mem = nil
	return unmap(mem)
}

// close unmaps what is free, and lets what is not go as it is freed. What the
// client maps stays as it is, and its own.
func (s *slots) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.open, s.kept = nil, nil
	var errs []error
	for _, g := range s.segments {
		if g.blocks == 0 {
			errs = append(errs, s.drop(g))
		}
	}
	return errors.Join(errs...)
}

// place is where a column's bytes lie.
type place struct{ segment, offset int }

// shipment is what a client needs to know of memory with its next batch.
type shipment struct {
	places  []place
	fresh   []*segment // that it sees for the first time; their files are the shipment's to close
	files   []*os.File
	dropped []int
}

// ship fills in where data lie, blocks or beginnings of such. Empty ones lie
// nowhere, in segment -1.
func (s *slots) ship(to *shipment, data [][]byte) error {
	to.places, to.fresh, to.files = to.places[:0], to.fresh[:0], to.files[:0]
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range data {
		if len(b) == 0 {
			to.places = append(to.places, place{-1, 0})
			continue
		}
		at, ok := s.blocks[unsafe.SliceData(b)]
		if !ok || len(b) > at.size {
			return errors.New("engine: a batch lies outside of shared memory")
		}
		if at.of.file != nil && !slices.Contains(to.fresh, at.of) {
			to.fresh = append(to.fresh, at.of)
		}
		to.places = append(to.places, place{at.of.number, at.offset})
	}
	for _, g := range to.fresh {
		to.files = append(to.files, g.file)
		g.file = nil
	}
	to.dropped = append(to.dropped[:0], s.dropped...)
	s.dropped = s.dropped[:0]
	return nil
}
