package pagecache

// none is no frame.
const none = int32(-1)

// frame is what the cache knows of one frame.
type frame struct {
	block      int64 // its number in the file; -1 none
	at         int64 // bytes given out when it was announced
	chain      int32 // the next one in the table of blocks
	prev, next int32 // in its list
	pins       int32 // copies in progress
	used       int32 // bytes given out since it was read
	state      state
	list       listID // noList while it is loading or pinned
	hinted     bool   // announced, and not read since
}

type state uint8

const (
	vacant  state = iota
	queued        // waits for a reader
	loading       // is being read
	ready
)

// listID names the list that a frame is in.
type listID uint8

const (
	noList listID = iota
	empty
	queue // to be read, in the order in which they were announced
	soon  // ready and announced, likewise
	spent // each byte was used, the last at the back
	idle  // the one used last at the back
	numLists
)

// list is a doubly linked list of frames.
type list struct {
	head, tail int32
	n          int
}

func (c *Cache) pushBack(id listID, i int32) {
	l, f := &c.lists[id], &c.frames[i]
	f.list, f.prev, f.next = id, l.tail, none
	if l.tail != none {
		c.frames[l.tail].next = i
	} else {
		l.head = i
	}
	l.tail = i
	l.n++
}

// unlist takes a frame out of its list.
func (c *Cache) unlist(i int32) {
	f := &c.frames[i]
	l := &c.lists[f.list]
	if f.prev != none {
		c.frames[f.prev].next = f.next
	} else {
		l.head = f.next
	}
	if f.next != none {
		c.frames[f.next].prev = f.prev
	} else {
		l.tail = f.prev
	}
	f.list = noList
	l.n--
}

// head is where the chain of a block begins.
func (c *Cache) head(b int64) *int32 {
	// Fibonacci hashing: neighbours and blocks at equal distances spread.
	return &c.heads[uint64(b)*0x9e3779b97f4a7c15>>32&uint64(len(c.heads)-1)]
}

// find returns the frame of a block, none for none.
func (c *Cache) find(b int64) int32 {
	if c.isWhole() {
		if uint64(b) < uint64(len(c.frames)) && c.frames[b].state != vacant {
			return int32(b)
		}
		return none
	}
	i := *c.head(b)
	for i != none && c.frames[i].block != b {
		i = c.frames[i].chain
	}
	return i
}

// take makes a frame the one of block b, which has none: it is in no list, and
// to be read. It returns none when all frames are needed.
func (c *Cache) take(b int64) int32 {
	if c.isWhole() {
		c.give(int32(b), b)
		return int32(b)
	}
	i := c.lists[empty].tail
	if i == none {
		i = c.lists[spent].tail
	}
	if i == none {
		i = c.lists[idle].head
	}
	if i == none {
		return none
	}
	c.give(i, b)
	return i
}

// takeSpare is take of what is empty or used up.
func (c *Cache) takeSpare(b int64) int32 {
	if c.isWhole() {
		return c.take(b)
	}
	i := c.lists[empty].tail
	if i == none {
		i = c.lists[spent].tail
	}
	if i != none {
		c.give(i, b)
	}
	return i
}

// give makes a frame that is in a list and not needed block b's.
func (c *Cache) give(i int32, b int64) {
	c.unlist(i)
	f := &c.frames[i]
	if f.block >= 0 {
		c.evicted(f.used >= c.valid(f.block))
		c.forget(i)
	}
	f.block, f.used, f.state = b, 0, queued
	if !c.isWhole() {
		h := c.head(b)
		f.chain, *h = *h, i
	}
}

// drop makes a frame that is in no list empty.
func (c *Cache) drop(i int32) {
	c.setHinted(i, false)
	c.forget(i)
	c.pushBack(empty, i)
}

// forget takes a frame's block out of the table.
func (c *Cache) forget(i int32) {
	f := &c.frames[i]
	if !c.isWhole() {
		at := c.head(f.block)
		for *at != i {
			at = &c.frames[*at].chain
		}
		*at = f.chain
	}
	f.block, f.chain, f.state = -1, none, vacant
}

func (c *Cache) setHinted(i int32, on bool) {
	f := &c.frames[i]
	if f.hinted == on {
		return
	}
	if f.hinted = on; on {
		c.hinted++
	} else {
		c.hinted--
	}
}

// bytes is a frame's memory.
func (c *Cache) bytes(i int32) []byte {
	at := int(i) << c.shift
	return c.arena[at : at+int(c.block) : at+int(c.block)]
}

// valid returns how many bytes of a block lie in the file.
func (c *Cache) valid(b int64) int32 { return int32(min(c.block, c.size-b<<c.shift)) }
