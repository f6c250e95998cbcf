package jpeg

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// A table cache is shared by all decoders of the process. It holds up to 64
// tables, found by the bytes that define them; a hit takes an atomic load or a
// few and never waits. A definition gets in when it misses for the second time
// within a short while, so that photos with tables of their own push nothing
// out and allocate nothing: their tables are built in the decoder's memory.
type tableCache[T any, P interface {
	*T
	build(def []byte) string
}] struct {
	slots [cacheSets][cacheWays]atomic.Pointer[cachedTable[T]]
	seen  [cacheSets * cacheWays]atomic.Uint64 // hashes of late misses
	turn  [cacheSets]atomic.Uint32             // the place of a full set that is given away next
}

const (
	cacheSets = 16
	cacheWays = 4
)

type cachedTable[T any] struct {
	def   []byte
	table T
}

var (
	dcCache  tableCache[dcTable, *dcTable]
	acCache  tableCache[acTable, *acTable]
	hashSeed = maphash.MakeSeed()
)

// get gives the table that def defines (16 counts and the symbols): the
// cache's, or one built in *own. The string says what is wrong with def.
func (c *tableCache[T, P]) get(def []byte, own *P) (P, string) {
	h := maphash.Bytes(hashSeed, def)
	set := &c.slots[h%cacheSets]
	free := -1
	for i := range set {
		switch t := set[i].Load(); {
		case t == nil:
			free = i
		case bytes.Equal(t.def, def):
			return &t.table, ""
		}
	}
	if seen := &c.seen[h%uint64(len(c.seen))]; seen.Swap(h) == h {
		t := &cachedTable[T]{def: bytes.Clone(def)}
		if what := P(&t.table).build(def); what != "" {
			return nil, what
		}
		if free < 0 {
			// In turns, or two tables of one photo could push each other out for ever.
			free = int(c.turn[h%cacheSets].Add(1) % cacheWays)
		}
		set[free].Store(t)
		return &t.table, ""
	}
	if *own == nil {
		*own = new(T)
	}
	return *own, (*own).build(def)
}
