package pagecache

import (
	"errors"
	"fmt"
	"os"
)

// vector reads into several pieces with one call.
type vector interface {
	// read reads the bytes at off into one of l's pieces after another. It may
	// write behind a piece's end, up to its capacity. It is called by many
	// goroutines at once, each with a load of its own.
	read(l *load, off int64) (int64, error)
	// single tells whether it serves for one piece too.
	single() bool
	close() error
}

// Files is the ability of an io.ReaderAt that is files one after another, with
// zeros between them, to tell them: they are read as one file is.
type Files interface{ Files() FileList }

// FileList is regular files of these sizes, which begin at these places, ascending
// multiples of a cache's blocks.
type FileList struct {
	List         []*os.File
	Bases, Sizes []int64
	Direct       bool // read them past the system's cache, as with Options.Direct
}

// load is what reading into frames needs, kept so that nothing is allocated.
type load struct {
	run    [runFrames]int32  // the frames
	pieces [runFrames][]byte // their memory; nil: a block that is read along, and dropped
	n      int
	far    farState
	vectorState
}

// farState is what a farVector needs.
type farState struct {
	list [][]byte // pieces, neighbours in memory as one
	buf  []byte
}

// farVector reads what lies together with one read: from afar one costs more than
// copying, where it can't be right into the frames.
type farVector struct{ c *Cache }

func (v farVector) read(l *load, off int64) (n int64, err error) {
	if p, ok := v.c.r.(Pieces); ok {
		n, err = readPieces(p, v.gather(l, off), off)
		clear(l.far.list)
		if !errors.Is(err, errors.ErrUnsupported) {
			return n, err
		}
	}
	n, err = 0, nil
	for k := 0; k < l.n && err == nil; k += v.c.bounce {
		var m int64
		m, err = v.copied(l, k, min(k+v.c.bounce, l.n), off+int64(k)<<v.c.shift)
		n += m
	}
	return n, err
}

// gather lists where the bytes from off on go: frames that are neighbours in memory
// are one piece, and what is dropped goes to memory for that.
func (v farVector) gather(l *load, off int64) [][]byte {
	c, s := v.c, &l.far
	s.list = s.list[:0]
	for k, i := range l.run[:l.n] {
		size := int(c.valid(off>>c.shift + int64(k)))
		switch {
		case i == none:
			s.list = append(s.list, s.memory(int(c.block))[:size])
		case k > 0 && l.run[k-1] != none && i == l.run[k-1]+1:
			last := &s.list[len(s.list)-1]
			*last = (*last)[:len(*last)+size]
		default:
			s.list = append(s.list, c.arena[int(i)<<c.shift:][:size])
		}
	}
	return s.list
}

// memory returns n bytes.
func (s *farState) memory(n int) []byte {
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	return s.buf[:n]
}

// copied reads the blocks from lo to hi with one read, and copies them.
func (v farVector) copied(l *load, lo, hi int, off int64) (int64, error) {
	c := v.c
	b := l.pieces[lo]
	if hi-lo > 1 || b == nil {
		b = l.far.memory(int(min(int64(hi-lo)<<c.shift, c.size-off)))
	}
	n, err := readFull(c.r, b, off)
	if err != nil || hi-lo == 1 {
		return int64(n), err
	}
	for _, p := range l.pieces[lo:hi] {
		copy(p, b)
		b = b[min(c.block, int64(len(b))):]
	}
	return int64(n), nil
}

// readPieces is r.ReadPieces, of which a panic is an error as readFull's.
func readPieces(r Pieces, pieces [][]byte, off int64) (n int64, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("read %d pieces at %d: %T panics: %v", len(pieces), off, r, v)
		}
	}()
	total := int64(0)
	for _, p := range pieces {
		total += int64(len(p))
	}
	if n, err = r.ReadPieces(pieces, off); err == nil && n != total {
		return 0, fmt.Errorf("%T says that it read %d of %d bytes", r, n, total)
	}
	return n, err
}

func (farVector) single() bool { return false }
func (farVector) close() error { return nil }

// readAhead is a reader: it reads until nothing is queued.
func (c *Cache) readAhead() {
	defer c.running.Done()
	var run [runFrames]int32
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.lists[queue].head != none {
		n, term := c.dequeue(&run), c.term
		err := c.load(run[:n])
		for _, i := range run[:n] {
			if i == none {
				continue
			}
			if c.term != term {
				c.setHinted(i, false)
			}
			c.loaded(i, err)
		}
		c.settled.Broadcast()
	}
	c.readers--
}

// dequeue takes the first queued frame and those of the blocks behind it that
// follow in the queue; from afar those of the blocks around it that are queued.
func (c *Cache) dequeue(run *[runFrames]int32) int {
	if c.far {
		return c.dequeueAround(run)
	}
	n := 0
	for n < len(run) {
		i := c.lists[queue].head
		if i == none || n > 0 && c.frames[i].block != c.frames[run[n-1]].block+1 {
			break
		}
		c.unlist(i)
		run[n] = i
		n++
	}
	return n
}

// dequeueAround takes the first queued frame and those of the blocks around it that
// are queued too, wherever in the queue, with no more than gap others between two
// of them. Those others get frames while some are to spare.
func (c *Cache) dequeueAround(run *[runFrames]int32) int {
	lo := c.frames[c.lists[queue].head].block
	hi := lo
	for d := int64(1); d <= c.gap+1 && hi+d-lo < int64(c.run); d++ {
		if c.isQueued(hi + d) {
			hi, d = hi+d, 0
		}
	}
	for d := int64(1); d <= c.gap+1 && hi+d-lo < int64(c.run); d++ {
		if c.isQueued(lo - d) {
			lo, d = lo-d, 0
		}
	}
	for b := lo; b <= hi; b++ {
		i := c.find(b)
		switch {
		case i == none:
			i = c.takeSpare(b)
		case c.frames[i].state == queued:
			c.unlist(i)
		default:
			i = none // it is there already
		}
		run[b-lo] = i
	}
	return int(hi - lo + 1)
}

func (c *Cache) isQueued(b int64) bool {
	i := c.find(b)
	return i != none && c.frames[i].state == queued
}

// loaded files a frame that was read ahead. One that failed is empty again: who
// needs its block reads it himself, and gets the error.
func (c *Cache) loaded(i int32, err error) {
	if err != nil {
		c.stats.Failed++
		c.drop(i)
		return
	}
	c.stats.Ahead++
	c.came(i)
	c.file(i)
}

// file puts a frame that came, and of which nothing was used, into its list.
func (c *Cache) file(i int32) {
	if c.frames[i].hinted {
		c.pushBack(soon, i)
	} else {
		c.pushBack(idle, i) // nobody waits for it, or not yet
	}
}

// load reads consecutive blocks into their frames, which are in no list. It is
// called with mu held, and gives it up meanwhile.
func (c *Cache) load(run []int32) error {
	for _, i := range run {
		if i != none {
			c.frames[i].state = loading
		}
	}
	first := c.frames[run[0]].block
	l := c.getLoad()
	c.busy++
	c.mu.Unlock()
	off, total := first<<c.shift, int64(0)
	for k, i := range run {
		size := c.valid(first + int64(k))
		if total += int64(size); i != none {
			l.pieces[k] = c.bytes(i)[:size]
		}
	}
	l.n = copy(l.run[:], run)
	n, err := c.readPieces(l, off, total)
	c.mu.Lock()
	c.stats.Bytes += n
	c.spare = append(c.spare, l)
	if c.busy--; c.closed && c.busy == 0 {
		c.settled.Broadcast()
	}
	return err
}

// getLoad returns a load that nobody uses.
func (c *Cache) getLoad() *load {
	if n := len(c.spare); n > 0 {
		l := c.spare[n-1]
		c.spare = c.spare[:n-1]
		return l
	}
	l := new(load)
	l.init()
	return l
}

// readPieces reads all of the pieces, and returns how many bytes came.
func (c *Cache) readPieces(l *load, off, total int64) (n int64, err error) {
	defer clear(l.pieces[:l.n])
	if c.vec != nil && (l.n > 1 || c.vec.single()) {
		if n, err = c.vec.read(l, off); err == nil && n >= total {
			return total, nil
		}
		// A file may give less than it has: what is missing is read piece by
		// piece, and so is what failed. From afar it would fail again, each time
		// after a while.
		if c.far {
			return n, err
		}
	}
	got := int64(0)
	for _, p := range l.pieces[:l.n] {
		m, err := readFull(c.r, p, off+got)
		got += int64(m)
		if err != nil {
			return got, err
		}
	}
	return got, nil
}
