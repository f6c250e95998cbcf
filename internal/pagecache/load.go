package pagecache

import "os"

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
	pieces [runFrames][]byte
	n      int
	vectorState
}

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
// follow in the queue.
func (c *Cache) dequeue(run *[runFrames]int32) int {
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

// loaded files a frame that was read ahead. One that failed is empty again: who
// needs its block reads it himself, and gets the error.
func (c *Cache) loaded(i int32, err error) {
	if err != nil {
		c.stats.Failed++
		c.drop(i)
		return
	}
	c.stats.Ahead++
	c.frames[i].state = ready
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
		c.frames[i].state = loading
	}
	first := c.frames[run[0]].block
	l := c.getLoad()
	c.busy++
	c.mu.Unlock()
	off, total := first<<c.shift, int64(0)
	for k, i := range run {
		l.pieces[k] = c.bytes(i)[:c.valid(first+int64(k))]
		total += int64(len(l.pieces[k]))
	}
	l.n = len(run)
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
		// piece, and so is what failed.
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
