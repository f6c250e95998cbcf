package pagecache

import "fmt"

// Memory is where the blocks lie.
func (c *Cache) Memory() []byte { return c.arena }

// Invariants checks the bookkeeping of a cache that nobody uses.
func (c *Cache) Invariants() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, hinted := 0, 0
	for id := range c.lists {
		last, before := none, seen
		for i := c.lists[id].head; i != none; i = c.frames[i].next {
			f := &c.frames[i]
			if f.list != listID(id) || f.prev != last || f.pins != 0 {
				return fmt.Errorf("frame %d in list %d: %+v", i, id, *f)
			}
			if (f.block < 0) != (id == int(empty)) || f.block >= 0 && c.find(f.block) != i {
				return fmt.Errorf("frame %d in list %d of block %d is not found", i, id, f.block)
			}
			if id != int(queue) && f.hinted != (id == int(soon)) {
				return fmt.Errorf("frame %d in list %d: announced: %v", i, id, f.hinted)
			}
			if f.hinted {
				hinted++
			}
			last = i
			seen++
		}
		if c.lists[id].tail != last || c.lists[id].n != seen-before {
			return fmt.Errorf("list %d of %d ends with %d, not %d of %d", id, c.lists[id].n, c.lists[id].tail, last, seen-before)
		}
	}
	loading := 0
	for i := range c.frames {
		if c.frames[i].list == noList {
			loading++
			if c.frames[i].hinted {
				hinted++
			}
		}
	}
	if seen+loading != len(c.frames) || hinted != c.hinted {
		return fmt.Errorf("%d frames in lists, %d loading, of %d; %d announced, counted %d", seen, loading, len(c.frames), hinted, c.hinted)
	}
	return nil
}
