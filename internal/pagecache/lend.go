package pagecache

import (
	"io/fs"
	"sync/atomic"
)

// Where all of a file has room in the memory, each block has a frame of its own: block
// b lies in frame b, neighbours in the file are neighbours in memory, and nothing ever
// gives way. So bytes that came once can be lent as they lie.

// whole is what a cache with room for all of its file knows beside.
type whole struct {
	there []atomic.Uint64 // a bit for each block that came; nil: not all has room
	lent  atomic.Int64    // loans that were not given back
	ended atomic.Bool     // Close has begun
	huge  bool            // the memory may be laid out in huge pages
	hits  atomic.Int64    // blocks that were lent at once
	back  func()          // ends a loan
}

// setWhole makes each block's frame its own.
func (c *Cache) setWhole(blocks int64) {
	c.whole.there = make([]atomic.Uint64, (blocks+63)/64)
	c.whole.back = c.giveBack
	c.limit = len(c.frames)
}

func (c *Cache) isWhole() bool { return c.whole.there != nil }

// came notes that a frame's block is there, for good where all has room.
func (c *Cache) came(i int32) {
	c.frames[i].state = ready
	if c.isWhole() {
		c.whole.there[i>>6].Or(1 << (i & 63))
	}
}

// areThere tells whether blocks are there that stay. It needs no lock.
func (c *Cache) areThere(first, last int64) bool {
	for b := first; b <= last; b++ {
		if c.whole.there[b>>6].Load()>>(b&63)&1 == 0 {
			return false
		}
	}
	return true
}

// Lend returns n bytes at off as they lie in memory, to be read only, until done is
// called, once. It waits until they are there. A nil done lends nothing, without an
// error: not all of the file has room, the bytes are not all in the file, or ReadAt is
// the better way to them. Close waits for what is lent.
func (c *Cache) Lend(off, n int64) (b []byte, done func(), err error) {
	if !c.isWhole() || off < 0 || n <= 0 || n > c.size-off {
		return nil, nil, nil
	}
	c.whole.lent.Add(1)
	if c.whole.ended.Load() {
		c.giveBack()
		return nil, nil, fs.ErrClosed
	}
	first, last := off>>c.shift, (off+n-1)>>c.shift
	if c.areThere(first, last) {
		c.whole.hits.Add(last - first + 1)
	} else if ok, err := c.bringAll(first, last); !ok {
		c.giveBack()
		return nil, nil, err
	}
	return c.arena[off : off+n : off+n], c.whole.back, nil
}

// giveBack ends a loan.
func (c *Cache) giveBack() {
	if c.whole.lent.Add(-1) == 0 && c.whole.ended.Load() {
		c.mu.Lock()
		c.settled.Broadcast()
		c.mu.Unlock()
	}
}

// bringAll waits for blocks, and reads those that nobody has come to. It is false
// where one can't be had, without an error where ReadAt may do better.
func (c *Cache) bringAll(first, last int64) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var run [runFrames]int32
	failed := func(err error) (bool, error) {
		if !c.far {
			err = nil
		}
		return false, err
	}
	for b := first; b <= last; {
		if c.closed {
			return false, fs.ErrClosed
		}
		i := c.find(b)
		switch {
		case i == none:
			n := c.missing(b, min(last, b+direct-1))
			if n == direct {
				return false, nil // long, and not announced
			}
			for k := range n {
				run[k] = c.take(b + int64(k))
			}
			if err := c.bring(run[:n]); err != nil {
				return failed(err)
			}
			b += int64(n)
		case c.frames[i].state == queued:
			mine := c.unqueue(&run, b, min(last, b+int64(c.run)-1))
			if err := c.bring(mine); err != nil {
				return failed(err)
			}
			b += int64(len(mine))
		case c.frames[i].state == ready:
			c.stats.Hits++
			b++
		default:
			c.stats.Waits++
			c.settled.Wait()
		}
	}
	return true, nil
}

// bring reads the blocks of run, which are the caller's, into their frames. What
// failed from afar was tried often enough; on a disk ReadAt may need less of it.
func (c *Cache) bring(run []int32) error {
	c.stats.Misses += int64(len(run))
	err := c.load(run)
	for _, i := range run {
		if err != nil {
			c.drop(i)
			continue
		}
		c.came(i)
		c.file(i)
	}
	c.settled.Broadcast()
	return err
}
