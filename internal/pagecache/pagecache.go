// Package pagecache reads a file larger than the memory through a cache of
// fixed size, ahead of those who need it.
//
// The file is cut into blocks; a block that is in memory lies in a frame, and
// the frames lie outside the Go heap. Whoever will need bytes says so with
// WillNeed: a few goroutines, which are there only then, read them, neighbours
// with one call, and they stay until they have been used once. Everything is
// bounded by the budget, reads in progress too, since they go right into the
// frames.
//
// Which frame a new block takes is decided in this order: one that is empty; the
// one that was last used up, each of its bytes having been read once; the one
// not read for the longest time. So a pass over a file larger than the budget
// goes through a few frames, which stay in the processor's cache, and does not
// throw out what the next pass can find in the others. Blocks that will be
// needed soon give way to nobody. For a value smaller than a block the neighbours
// are read too, so long as what gives way has been used up. Where no frame can be had a read goes past the
// cache, into the caller's buffer, and so does a long one that nobody announced.
//
// Where the file has room as a whole nothing gives way, and its bytes can be lent as
// they lie in memory instead of being copied (Lend).
package pagecache

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/bits"
	"sync"
	"unsafe"

	"github.com/betongo/betongo/internal/mmap"
)

const (
	// BlockSize is the size of a block. A sample's first and last block hold
	// bytes of others: the smaller, the fewer are read for nothing.
	BlockSize = 16 << 10

	// runFrames is how many frames are read with one call at most: 1 MiB.
	runFrames = 64
	// direct is the number of missing blocks from which a read that was not
	// announced goes past the cache.
	direct = 4
	// maxAround is how many blocks are read for one value at most: 512 KiB.
	maxAround = 32
	// learnFrames is after how many evictions that number is looked at.
	learnFrames = 256
	// minFrames keeps the smallest cache from being none.
	minFrames = 8
	// diskReaders is the number of goroutines that read ahead from a disk: what one
	// can do at a time with gain. What is farther away says more (Distant).
	diskReaders = 8
	mostReaders = 256
	// defaultGap is worth a read: at 20 ms and 32 reads at a time as many bytes come
	// in a read's time from 100 MB/s.
	defaultGap = 64 << 10
)

// Options are the choices of New.
type Options struct {
	// Budget is the memory that the cache may take in bytes, with its
	// bookkeeping. The frames are touched, and so taken, when they are first
	// needed.
	Budget int64
	// BlockSize is a power of two; 0 means the constant.
	BlockSize int
	// Direct reads blocks past the system's cache, where r is an *os.File and
	// the system can (Linux, most file systems), else as without it. Of Files
	// their own Direct says so.
	Direct bool
}

// Stats counts blocks, since New. A block that is read twice counts twice.
type Stats struct {
	Hits   int64 // reads of blocks that were there
	Waits  int64 // reads of blocks that were just being read
	Misses int64 // reads of blocks that were not there, announced or not
	Ahead  int64 // blocks read ahead
	Failed int64 // blocks whose reading ahead failed: who needs them tries again
	Late   int64 // announced blocks that had no room
	Bytes  int64 // read from the file
}

// Cache is a cache of a file's blocks. It is safe for concurrent use.
type Cache struct {
	r     io.ReaderAt
	vec   vector // reads into frames; nil: r alone
	size  int64
	shift int
	block int64
	arena []byte
	limit int // frames that may be announced at a time
	stale int64
	far   bool // r is Distant
	ahead streams
	gap   int64 // blocks
	run   int   // frames that are read with one call at most

	bounce int // and where they are read elsewhere, and copied

	mu                sync.Mutex
	maxReaders        int
	settled           sync.Cond // some load has ended, or the last user has left after Close
	readers           int       // that run
	closed            bool
	busy              int // calls that use frames or r
	heads             []int32
	frames            []frame
	lists             [numLists]list
	hinted            int   // frames with the flag
	term              int   // counts Forget
	given             int64 // bytes to callers
	scan              bool  // most will be read, and all has room
	around            int64 // blocks of a group that is read as one for a small value; a power of two
	evictions, usedUp int
	stats             Stats
	spare             []*load
	whole             whole
	running           sync.WaitGroup // readers
}

// Range is a run of bytes of a file.
type Range = struct{ Off, Len int64 }

// Distant is the ability of an io.ReaderAt that is farther away than a disk to
// say how many reads at a time are worth it. With Gap it also says how many bytes
// that nobody asked for are read along where that saves a read, else defaultGap.
type Distant interface{ Reads() int }

// Gapped is Distant with a Gap.
type Gapped interface {
	Distant
	Gap() int64
}

// Pieces is the ability of a Distant to read into several pieces, one after
// another, with one read. errors.ErrUnsupported means that it can't here: it is
// asked for one piece then, and the bytes are copied.
type Pieces interface {
	ReadPieces(pieces [][]byte, off int64) (int64, error)
}

// New returns a cache over the size bytes of r, which must be safe for
// concurrent use. It owns r from then on: Close closes it, if it is an
// io.Closer. After an error r stays the caller's.
func New(r io.ReaderAt, size int64, opts Options) (*Cache, error) {
	block := int64(opts.BlockSize)
	if block == 0 {
		block = BlockSize
	}
	if block < 0 || block > 1<<29 || bits.OnesCount64(uint64(block)) != 1 {
		return nil, fmt.Errorf("page cache: blocks of %d bytes, want a power of two up to %d", block, 1<<29)
	}
	if size < 0 {
		return nil, fmt.Errorf("page cache: a file of %d bytes", size)
	}
	each := block + int64(unsafe.Sizeof(frame{})) + 8 // up to two heads
	c := &Cache{r: r, size: size, shift: bits.TrailingZeros64(uint64(block)), block: block, maxReaders: diskReaders, run: runFrames, around: 1}
	n := (opts.Budget - c.setFar(opts.Budget)) / each
	if n < minFrames {
		return nil, fmt.Errorf("page cache: a budget of %d bytes, want at least %d", opts.Budget, minFrames*each)
	}
	all := (size + block - 1) / block
	if n > all {
		n = max(all, minFrames)
	}
	n = min(n, math.MaxInt32/2)
	arena, err := mmap.Anon(int(n * block)) // first: it is what a budget can be too large for
	if err != nil {
		return nil, fmt.Errorf("page cache: %w", err)
	}
	c.arena, c.limit, c.stale = arena, int(n-n/4), 2*n*block
	c.settled.L = &c.mu
	for i := range c.lists {
		c.lists[i] = list{head: none, tail: none}
	}
	c.frames = make([]frame, n)
	for i := len(c.frames) - 1; i >= 0; i-- {
		c.frames[i] = frame{block: -1, chain: none}
		c.pushBack(empty, int32(i)) // frame 0 is taken first
	}
	if n >= all {
		c.setWhole(all)
	} else {
		mmap.Huge(arena)
		c.heads = make([]int32, 1<<bits.Len64(uint64(n-1)))
		for i := range c.heads {
			c.heads[i] = none
		}
	}
	if c.vec = fileVector(r, opts.Direct); c.far {
		c.vec = farVector{c}
	}
	return c, nil
}

// setFar looks whether r is farther away than a disk, and returns how much of the
// budget the buffers take then in which several frames arrive.
func (c *Cache) setFar(budget int64) int64 {
	d, ok := c.r.(Distant)
	if !ok {
		return 0
	}
	gap := int64(defaultGap)
	if g, ok := c.r.(Gapped); ok {
		gap = max(g.Gap(), 0)
	}
	c.far, c.maxReaders, c.gap = true, max(1, min(d.Reads(), mostReaders)), gap>>c.shift
	c.bounce = int(max(1, min(budget/8/c.block/int64(c.maxReaders), runFrames)))
	if _, ok := c.r.(Pieces); !ok {
		c.run = c.bounce
	}
	if c.bounce == 1 {
		return 0 // right into its frame
	}
	return int64(c.maxReaders) * int64(c.bounce) * c.block
}

// Size returns the file's size.
func (c *Cache) Size() int64 { return c.size }

// Distant says whether the file is farther away than a disk.
func (c *Cache) Distant() bool { return c.far }

// Stats returns the counts so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Hits += c.whole.hits.Load()
	return s
}

// WillNeed announces ranges of bytes that will be read soon, each once. It does
// not wait. What lies outside of the file is left out, and so is what finds no
// room among all that was announced before and not read yet.
func (c *Cache) WillNeed(ranges []Range) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	runs := 0
	for _, r := range ranges {
		runs += c.announce(r)
	}
	c.startReaders(runs)
}

// startReaders starts so many goroutines that read ahead, or as many as may be more.
func (c *Cache) startReaders(n int) {
	for range min(n, c.maxReaders-c.readers) { // each ends when nothing is queued; Close waits for it
		c.readers++
		c.running.Add(1)
		go c.readAhead()
	}
}

// WillScan tells that most of the file will be read, in whatever order. From afar,
// and where all of it has room, neighbours of what is announced are then read along:
// a few long reads instead of one for each value. The memory is laid out in huge pages
// only then, where each block has its place: of a file that is read here and there
// each block would take one.
func (c *Cache) WillScan() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.scan = c.far && c.run > 1 && c.isWhole()
	if c.isWhole() && !c.whole.huge && !c.closed {
		c.whole.huge = true
		mmap.Huge(c.arena)
	}
}

// scanAround is how many blocks are read together then.
func (c *Cache) scanAround() int64 {
	return 1 << (bits.Len64(uint64(min(maxAround, c.run))) - 1)
}

// announce announces a range. It returns how many reads that makes at most.
func (c *Cache) announce(r Range) int {
	if r.Off < 0 || r.Len <= 0 || r.Off >= c.size {
		return 0
	}
	first, last := r.Off>>c.shift, (r.Off+min(r.Len, c.size-r.Off)-1)>>c.shift
	if c.isWhole() && c.areThere(first, last) {
		return 0
	}
	before := c.lists[queue].tail
	switch {
	case c.scan:
		for b := first; b <= last; b = (b | (c.scanAround() - 1)) + 1 {
			if c.find(b) == none {
				c.wantAround(b, c.scanAround())
			}
		}
	case r.Len < c.block && c.around > 1 && c.lists[queue].n < len(c.frames)/4 && c.find(first) == none:
		c.wantAround(first, c.around)
	}
	for b := first; b <= last; b++ {
		if !c.want(b) {
			c.stats.Late += last - b + 1
			break
		}
	}
	if c.lists[queue].tail == before {
		return 0
	}
	return 1 + int(last-first)/runFrames
}

// want announces a block, if there is room.
func (c *Cache) want(b int64) bool {
	i := c.find(b)
	if i != none && c.frames[i].hinted {
		return true
	}
	if c.hinted >= c.limit && !c.dropStale() {
		return false
	}
	if i == none {
		if i = c.take(b); i == none {
			return false
		}
		c.pushBack(queue, i)
	} else if f := &c.frames[i]; f.state == ready {
		if f.used >= c.valid(b) {
			f.used = 0
		}
		if f.pins == 0 {
			c.unlist(i)
			c.pushBack(soon, i)
		}
	}
	c.setHinted(i, true)
	c.frames[i].at = c.given
	return true
}

// wantAround queues the missing ones among the n neighbours of a missing block, a
// power of two: for small values as long as what is read turns out to be used, so
// that an order that goes through one part of the file after another gets each
// with a few long reads.
func (c *Cache) wantAround(b, n int64) {
	lo := b &^ (n - 1)
	for at := lo; at < lo+n && at<<c.shift < c.size; at++ {
		if c.find(at) != none {
			continue
		}
		i := c.take(at)
		if i == none {
			return
		}
		c.pushBack(queue, i)
	}
}

// evicted counts whether blocks were used up before they gave way, and sets
// around by it.
func (c *Cache) evicted(used bool) {
	if c.evictions++; used {
		c.usedUp++
	}
	if c.evictions < learnFrames {
		return
	}
	switch {
	case c.usedUp > learnFrames*7/8:
		c.around = min(2*c.around, maxAround, int64(len(c.frames)/8))
	case c.usedUp < learnFrames/2:
		c.around = max(c.around/2, 1)
	}
	c.evictions, c.usedUp = 0, 0
}

// dropStale gives up the oldest announcement, if it is so old that nobody will
// come for it.
func (c *Cache) dropStale() bool {
	i := c.lists[soon].head
	if i == none || c.given-c.frames[i].at < c.stale {
		return false
	}
	c.setHinted(i, false)
	c.unlist(i)
	c.pushBack(idle, i)
	return true
}

// Forget takes back all announcements. What was read stays until its room is
// needed.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.term++
	c.dropQueue()
	c.ahead = streams{}
	for i := c.lists[soon].head; i != none; i = c.lists[soon].head {
		c.setHinted(i, false)
		c.unlist(i)
		c.pushBack(idle, i)
	}
}

// dropQueue empties the queue.
func (c *Cache) dropQueue() {
	for i := c.lists[queue].head; i != none; i = c.lists[queue].head {
		c.unlist(i)
		c.drop(i)
	}
}

// ReadAt is io.ReaderAt. A failure to read is that of r; bytes that are missing
// before the size given to New are io.ErrUnexpectedEOF.
func (c *Cache) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: "page cache", Err: errors.New("negative offset")}
	}
	if off >= c.size {
		return 0, io.EOF
	}
	var end error
	if int64(len(p)) > c.size-off {
		p, end = p[:c.size-off], io.EOF
	}
	c.mu.Lock()
	c.busy++
	if c.far && !c.closed && len(p) > 0 {
		c.follow(off>>c.shift, (off+int64(len(p))-1)>>c.shift)
	}
	for n < len(p) && err == nil {
		var m int
		m, err = c.some(p[n:], off+int64(n))
		n += m
	}
	if c.busy--; c.closed && c.busy == 0 {
		c.settled.Broadcast()
	}
	c.mu.Unlock()
	if err == nil {
		err = end
	}
	return n, err
}

// some reads the first bytes of p, at least one. It is called with mu held.
func (c *Cache) some(p []byte, off int64) (int, error) {
	var run [runFrames]int32
	first, last := off>>c.shift, (off+int64(len(p))-1)>>c.shift
	last = min(last, first+int64(c.run)-1)
	for !c.closed {
		i := c.find(first)
		if i == none {
			return c.miss(run[:c.missing(first, last)], p, off)
		}
		switch c.frames[i].state {
		case ready:
			n := c.pinReady(&run, first, last)
			c.stats.Hits += int64(n)
			return c.copyOut(run[:n], p, off), nil
		case queued: // nobody has come to it: read it here
			return c.fill(c.unqueue(&run, first, last), p, off)
		}
		c.stats.Waits++
		c.settled.Wait()
	}
	return 0, fs.ErrClosed
}

// missing is how many of the blocks from first on are nowhere, of which first is one.
func (c *Cache) missing(first, last int64) int {
	n := 1
	for first+int64(n) <= last && c.find(first+int64(n)) == none {
		n++
	}
	return n
}

// unqueue takes the blocks from first on that are queued, of which first is one, for
// the caller to read.
func (c *Cache) unqueue(run *[runFrames]int32, first, last int64) []int32 {
	n := 0
	for b := first; b <= last; b++ {
		i := c.find(b)
		if i == none || c.frames[i].state != queued {
			break
		}
		c.unlist(i)
		c.setHinted(i, false)
		run[n] = i
		n++
	}
	return run[:n]
}

// miss reads len(run) blocks that are nowhere: into frames, or past them.
func (c *Cache) miss(run []int32, p []byte, off int64) (int, error) {
	first := off >> c.shift
	if len(run) < direct {
		n := 0
		for n < len(run) {
			if run[n] = c.take(first + int64(n)); run[n] == none {
				break
			}
			n++
		}
		if n > 0 {
			return c.fill(run[:n], p, off)
		}
	}
	c.stats.Misses += int64(len(run))
	return c.past(p[:min(int64(len(p)), (first+int64(len(run)))<<c.shift-off)], off)
}

// past reads p from the file.
func (c *Cache) past(p []byte, off int64) (int, error) {
	c.mu.Unlock()
	n, err := readFull(c.r, p, off)
	c.mu.Lock()
	c.stats.Bytes += int64(n)
	c.given += int64(n)
	return n, err
}

// fill reads the blocks of run, which are the caller's, and copies what p wants
// of them. If they cannot all be read the caller may still want none of the
// bytes that failed.
func (c *Cache) fill(run []int32, p []byte, off int64) (int, error) {
	c.stats.Misses += int64(len(run))
	if err := c.load(run); err != nil {
		for _, i := range run {
			c.drop(i)
		}
		c.settled.Broadcast()
		if c.far { // it was tried often enough
			return 0, err
		}
		return c.past(p[:min(int64(len(p)), (off>>c.shift+int64(len(run)))<<c.shift-off)], off)
	}
	for _, i := range run {
		c.came(i)
		c.frames[i].pins = 1
	}
	c.settled.Broadcast()
	return c.copyOut(run, p, off), nil
}

// pinReady pins the blocks from first on that are in memory.
func (c *Cache) pinReady(run *[runFrames]int32, first, last int64) int {
	n := 0
	for b := first; b <= last; b++ {
		i := c.find(b)
		if i == none || c.frames[i].state != ready {
			break
		}
		f := &c.frames[i]
		if f.pins++; f.pins == 1 {
			c.unlist(i)
		}
		c.setHinted(i, false)
		run[n] = i
		n++
	}
	return n
}

// copyOut copies from the pinned frames of run, which hold the blocks from off's
// on, to p, and lets them go.
func (c *Cache) copyOut(run []int32, p []byte, off int64) int {
	c.mu.Unlock()
	at, n := off&(c.block-1), 0
	for _, i := range run {
		n += copy(p[n:], c.bytes(i)[at:])
		at = 0
	}
	c.mu.Lock()
	c.given += int64(n)
	at = off & (c.block - 1)
	for left := int64(n); len(run) > 0; run = run[1:] {
		m := min(left, c.block-at)
		c.unpin(run[0], m)
		left, at = left-m, 0
	}
	return n
}

// unpin lets go of a frame, of which n bytes were used.
func (c *Cache) unpin(i int32, n int64) {
	f := &c.frames[i]
	f.used = min(f.used+int32(n), 1<<30)
	if f.pins--; f.pins > 0 {
		return
	}
	switch {
	case f.hinted:
		c.pushBack(soon, i)
	case f.used >= c.valid(f.block):
		c.pushBack(spent, i)
	default:
		c.pushBack(idle, i)
	}
}

// readFull is r.ReadAt for all of p. A panic of r is an error: it may come in a
// goroutine of the cache's own.
func readFull(r io.ReaderAt, p []byte, off int64) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			n, err = 0, fmt.Errorf("read %d bytes at %d: %T panics: %v", len(p), off, r, v)
		}
	}()
	n, err = r.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if n < 0 || n > len(p) {
		return 0, fmt.Errorf("%T says that it read %d of %d bytes", r, n, len(p))
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close waits for reads in progress, ahead and by callers, after it has closed r,
// which may end them early; none are begun. The memory is
// freed. Later reads fail with fs.ErrClosed. It is idempotent.
func (c *Cache) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.whole.ended.Store(true)
	c.dropQueue()
	c.settled.Broadcast()
	c.mu.Unlock()
	if was {
		return nil
	}
	var errs []error
	if r, ok := c.r.(io.Closer); ok {
		errs = append(errs, r.Close())
	}
	c.running.Wait()
	c.mu.Lock()
	for c.busy > 0 || c.whole.lent.Load() > 0 {
		c.settled.Wait()
	}
	if c.vec != nil {
		errs = append(errs, c.vec.close())
	}
	errs = append(errs, mmap.Free(c.arena))
	c.arena = nil
	c.mu.Unlock()
	return errors.Join(errs...)
}
