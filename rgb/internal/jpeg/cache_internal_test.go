package jpeg

import (
	"encoding/binary"
	"hash/maphash"
	"testing"
)

// counted is a table that counts how often tables were built.
type counted struct{ _ byte }

var built int

func (*counted) build([]byte) string {
	built++
	return ""
}

// TestFullSet asks in turns for as many tables as a set of the cache has places,
// after others have filled it: each is built a few times at most.
func TestFullSet(t *testing.T) {
	var defs [][]byte // of one set, and alike in the upper half of the hash, as far as it once chose the place
	var place uint64
	for i := uint64(0); len(defs) < 3*cacheWays; i++ {
		def := binary.LittleEndian.AppendUint64(nil, i)
		h := maphash.Bytes(hashSeed, def)
		if at := h%cacheSets<<8 | h>>32%cacheWays; len(defs) == 0 {
			place = at
		} else if at != place {
			continue
		}
		defs = append(defs, def)
	}
	var c tableCache[counted, *counted]
	var own *counted
	ask := func(defs [][]byte) {
		for range 10 {
			for _, def := range defs {
				for range 2 { // one at a time gets in
					c.get(def, &own)
				}
			}
		}
	}
	ask(defs[cacheWays:])
	built = 0
	ask(defs[:cacheWays])
	if built > 2*cacheWays {
		t.Errorf("%d tables, asked for 20 times each, were built %d times, want %d at most", cacheWays, built, 2*cacheWays)
	}
}
