package view

import (
	"container/list"
	"sync"
)

// picture is a rendered picture, or anything else of a type.
type picture struct {
	kind string // Content-Type
	data []byte // not written to
}

// lru keeps the pictures that were asked for last, in a bounded number of bytes.
// It is safe for concurrent use.
type lru struct {
	mu    sync.Mutex
	most  int64
	bytes int64
	order list.List // of *kept, the one asked for last in front
	byKey map[string]*list.Element
}

// kept is a picture under its key.
type kept struct {
	key string
	picture
}

// lruCost is what an entry takes beside its bytes, about.
const lruCost = 256

func newLRU(most int64) *lru { return &lru{most: most, byKey: map[string]*list.Element{}} }

// get returns the picture of a key.
func (l *lru) get(key string) (picture, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byKey[key]
	if !ok {
		return picture{}, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*kept).picture, true
}

// put keeps a picture under a key, unless it would take more than a quarter of
// all room.
func (l *lru) put(key string, p picture) {
	cost := int64(len(p.data)+len(key)) + lruCost
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.byKey[key]; ok || cost > l.most/4 {
		return
	}
	l.byKey[key] = l.order.PushFront(&kept{key, p})
	l.bytes += cost
	for l.bytes > l.most {
		e := l.order.Back()
		old := l.order.Remove(e).(*kept)
		delete(l.byKey, old.key)
		l.bytes -= int64(len(old.data)+len(old.key)) + lruCost
	}
}
