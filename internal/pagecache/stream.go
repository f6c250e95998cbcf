package pagecache

// Who reads on and on, a verifier or a copier, tells nothing ahead, and from afar
// waits for every read. So blocks behind those that are read one after another are
// read ahead, the more the longer that goes on.

const (
	maxStreams = 8
	// firstAhead is how many blocks are read ahead of a stream at first.
	firstAhead = 4
	// mostAhead is how many at most: 8 MiB.
	mostAhead = 512
)

// streams are the places where somebody reads on, the one used last at the front.
type streams [maxStreams]stream

// stream is a run of blocks that are read in order.
type stream struct {
	next   int64 // block behind the last that was read; 0 none
	end    int64 // behind the last that was read ahead
	window int64 // blocks
}

// follow notes that the blocks from first to last are read, and reads ahead if
// that is what somebody goes on with. What was announced needs none of it.
func (c *Cache) follow(first, last int64) {
	if i := c.find(first); i != none && c.frames[i].hinted {
		return
	}
	k := 0
	for k < maxStreams-1 && !c.ahead[k].takes(first) {
		k++
	}
	s := c.ahead[k]
	if !s.takes(first) {
		s = stream{}
	}
	copy(c.ahead[1:k+1], c.ahead[:k])
	if last < s.next { // still the same blocks
		c.ahead[0] = s
		return
	}
	if s.next > 0 && s.end-last <= s.window/2 {
		s.window = min(max(2*s.window, firstAhead), mostAhead, int64(len(c.frames)/8))
		c.queueAhead(max(s.end, last+1), last+1+s.window)
		s.end = last + 1 + s.window
	}
	s.next = last + 1
	c.ahead[0] = s
}

// takes says whether a stream goes on with a block: the last that it read, or the
// next.
func (s *stream) takes(b int64) bool { return s.next > 0 && (b == s.next || b == s.next-1) }

// queueAhead queues the blocks from b to end that are missing, as far as there are
// frames for them.
func (c *Cache) queueAhead(b, end int64) {
	runs := 0
	for ; b < end && b<<c.shift < c.size; b++ {
		if c.find(b) != none {
			continue
		}
		i := c.take(b)
		if i == none {
			break
		}
		c.pushBack(queue, i)
		runs++
	}
	c.startReaders((runs + c.run - 1) / c.run)
}
