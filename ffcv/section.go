package ffcv

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/internal/wire"
)

// The payloads of this version's sections.
//
// CLAS: u32 count, then for each class u32 length and that many bytes, UTF-8 as
// a rule: a folder's name may be anything, and is kept.
//
// NAME: u64 count (the number of samples), count+1 u64 offsets from the end of
// this index, the first 0 and none smaller than the one before, then the bytes:
// name i lies between offsets i and i+1. Names are relative and have '/'
// between their parts; an empty name is none.
//
// NIDX: u64 slots, their number a power of two and above the number of names;
// see nameTable.
//
// MARK: see marksSection.

const maxClassBytes = 64 << 20 // bounds what Classes reads into memory

// appendClasses appends the payload of a CLAS section.
func appendClasses(dst []byte, classes []string) ([]byte, error) {
	if uint64(len(classes)) > math.MaxUint32 {
		return nil, fmt.Errorf("%d classes: at most %d fit", len(classes), uint32(math.MaxUint32))
	}
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(classes)))
	for i, c := range classes {
		if len(c) > maxClassBytes {
			return nil, fmt.Errorf("name of class %d has %d bytes", i, len(c))
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(c)))
		dst = append(dst, c...)
	}
	if n := len(dst) - start; n > maxClassBytes {
		return nil, fmt.Errorf("class names take %d bytes: at most %d", n, maxClassBytes)
	}
	return dst, nil
}

// namesSize is the payload size of a NAME section of count names of total bytes.
func namesSize(count, total int64) int64 { return 8 + 8*(count+1) + total }

// nameOffset is where offset i of a NAME payload at payload lies.
func nameOffset(payload, i int64) int64 { return payload + 8 + 8*i }

// nameTable is the payload of a NIDX section: open addressing with linear
// probing. A slot is 0 when empty; otherwise its low 40 bits are sample+1 and
// its high 24 bits those of the name's hash. The search for a name begins at
// slot hash mod slots and ends at an empty one. Names are entered in sample
// order, of several alike only the first; empty ones not at all. A table over
// the same names is therefore always the same.
type nameTable []byte

const (
	slotSampleBits = 40
	slotSampleMask = 1<<slotSampleBits - 1
	maxNames       = slotSampleMask - 1 // samples that a NIDX section can name
)

// nameTableSize is the size in bytes of the table for count names: at most
// three quarters of the slots are taken, and one is free.
func nameTableSize(count int64) int64 {
	want := uint64(count) + uint64(count)/3 + 1
	return 8 << bits.Len64(want-1)
}

// put enters a sample's name by its hash. same says whether an earlier sample
// has the same name; it is asked about few. The table has room when it was
// sized for all its names.
func (t nameTable) put(hash uint64, sample int64, same func(earlier int64) bool) {
	mask := uint64(len(t)/8 - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		slot := binary.LittleEndian.Uint64(t[i*8:])
		if slot == 0 {
			binary.LittleEndian.PutUint64(t[i*8:], hash&^slotSampleMask|uint64(sample+1))
			return
		}
		if slot&^slotSampleMask == hash&^slotSampleMask && same(int64(slot&slotSampleMask)-1) {
			return
		}
	}
}

// nameHash is the hash of NIDX: FNV-1a of 64 bits over the name's bytes, then
// mixed as MurmurHash3 ends (fmix64), since FNV leaves the high bits of short
// names alike.
func nameHash[T string | []byte](name T) uint64 {
	h := hash.FNV(name)
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// parseClasses reads the payload of a CLAS section.
func parseClasses(b []byte) ([]string, error) {
	c := wire.NewCursor(b)
	n := c.U32()
	if c.Err() == nil && int64(n) > int64(c.Left()/4) {
		return nil, fmt.Errorf("%d classes in %d bytes", n, len(b))
	}
	list := make([]string, 0, n)
	for range n {
		name := c.Bytes(int(c.U32()))
		list = append(list, string(name))
	}
	if c.Err() != nil {
		return nil, fmt.Errorf("class %d of %d: %w", len(list), n, c.Err())
	}
	if c.Left() != 0 {
		return nil, fmt.Errorf("%d bytes after the last class", c.Left())
	}
	return list, nil
}
