// Package alloc gives out space in the data pages of a .beton file and keeps
// the allocation table, which says how long each region is.
//
// A writer stages samples in an Arena, where encoding goes on in parallel,
// and asks Pages for their places in sample order: the order of the calls
// decides every pointer, so that a file does not depend on how many workers
// encoded it. A reader asks a Table for the size of a region.
package alloc

import "encoding/binary"

// EntrySize is the length of a table entry in the file. It is part of the
// wire format.
const EntrySize = 24

// Entry says that a sample keeps Size bytes at Ptr. The table has one for
// each region; it stores no count, it ends with the file.
type Entry struct {
	Sample uint64 // u64 at 0: the sample's row in the metadata table
	Ptr    uint64 // u64 at 8: offset in the file
	Size   uint64 // u64 at 16: bytes; 0 for an empty value
}

// The last member ends where the entry does: 16 + 8 == EntrySize.
const (
	_ uint = EntrySize - (16 + 8)
	_ uint = (16 + 8) - EntrySize
)

// Put writes the entry to the first EntrySize bytes of b; a shorter b panics.
func (e Entry) Put(b []byte) {
	b = b[:EntrySize]
	binary.LittleEndian.PutUint64(b[0:], e.Sample)
	binary.LittleEndian.PutUint64(b[8:], e.Ptr)
	binary.LittleEndian.PutUint64(b[16:], e.Size)
}

// EntryAt reads the entry in the first EntrySize bytes of b; a shorter b
// gives the zero Entry.
func EntryAt(b []byte) Entry {
	if len(b) < EntrySize {
		return Entry{}
	}
	return Entry{
		Sample: binary.LittleEndian.Uint64(b[0:]),
		Ptr:    binary.LittleEndian.Uint64(b[8:]),
		Size:   binary.LittleEndian.Uint64(b[16:]),
	}
}
