package parquet

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// Cache keeps what was decoded or fetched last, for any number of Readers. It is
// safe for concurrent use. What somebody still uses, and what is being made, comes
// to its size.
type Cache struct {
	mu      sync.Mutex
	limit   int64
	largest int64
	used    int64
	entries map[cacheKey]*entry
	recent  list.List // of *entry, the last used first
}

// DefaultCache is how many bytes a Cache holds that a Reader makes for itself.
const DefaultCache = 128 << 20

// NewCache returns a cache of about so many bytes, or of twice its largest entry if
// that is more: or else pages that are used in turn would throw each other out.
func NewCache(size int64) *Cache {
	return &Cache{limit: size, entries: map[cacheKey]*entry{}}
}

// cacheKey is what an entry is of: a page of a leaf, a whole chunk, a block of the
// file.
type cacheKey struct {
	r           *Reader
	what        int32
	leaf, group int32
	at          int64
}

const (
	keyPage = iota
	keyDict
	keyChunk
	keyBlock
)

type entry struct {
	key   cacheKey
	done  chan struct{} // closed when value and err are set
	value any
	err   error
	size  int64
	place *list.Element
}

// get returns the value of a key, which one caller makes for all who wait. An error
// is not kept. Who stops waiting because ctx is done leaves the maker to others.
func get[T any](ctx context.Context, c *Cache, key cacheKey, do func() (value T, size int64, err error)) (T, error) {
	for {
		v, made, err := getOnce(ctx, c, key, do)
		if made || ctx.Err() != nil || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return v, err
		}
		// Who made it has given up, and not the value.
	}
}

func getOnce[T any](ctx context.Context, c *Cache, key cacheKey, do func() (value T, size int64, err error)) (v T, made bool, err error) {
	var none T
	c.mu.Lock()
	e, ok := c.entries[key]
	if ok {
		if e.place != nil {
			c.recent.MoveToFront(e.place)
		}
		c.mu.Unlock()
	} else {
		e = &entry{key: key, done: make(chan struct{})}
		c.entries[key] = e
		c.mu.Unlock()
		c.fill(e, func() (any, int64, error) { return do() })
	}
	select {
	case <-e.done:
	case <-ctx.Done():
		return none, !ok, ctx.Err()
	}
	if e.err != nil {
		return none, !ok, e.err
	}
	return e.value.(T), !ok, nil
}

// fill makes an entry.
func (c *Cache) fill(e *entry, do func() (any, int64, error)) {
	finished := false
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !finished || e.err != nil { // what panicked is nobody's
			if e.err == nil {
				e.err = context.Canceled
			}
			delete(c.entries, e.key)
		} else {
			c.used += e.size
			c.largest = max(c.largest, e.size)
			e.place = c.recent.PushFront(e)
			c.trim()
		}
		close(e.done)
	}()
	e.value, e.size, e.err = do()
	finished = true
}

// trim lets the entries go that were not used for longest.
func (c *Cache) trim() {
	for limit := max(c.limit, 2*c.largest); c.used > limit && c.recent.Len() > 1; {
		old := c.recent.Remove(c.recent.Back()).(*entry)
		delete(c.entries, old.key)
		c.used -= old.size
	}
}

// forget lets all entries of a reader go.
func (c *Cache) forget(r *Reader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.entries {
		if key.r == r && e.place != nil {
			c.recent.Remove(e.place)
			delete(c.entries, key)
			c.used -= e.size
		}
	}
}
