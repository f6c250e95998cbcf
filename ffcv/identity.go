package ffcv

import "hash/crc32"

// Identity tells a file from others, also from what stood under its name
// before: for what is kept beside a file and must belong to it. It is no proof.
// Two files may have one identity that differ in their pages alone.
type Identity struct {
	Size    int64  // of the file
	Samples int    // their number
	Sum     uint32 // see docs/format.md, "Side file of marks"
}

// Windows of the allocation table that Identity looks at.
const (
	identityWindows = 16
	identityWindow  = 4 << 10
)

// Identity reads the header, the descriptors, the extension block's trailer and
// at most 64 KiB of the allocation table, whatever the file's size.
func (f *File) Identity() (Identity, error) {
	id := Identity{Size: f.src.Size(), Samples: f.Len()}
	var buf [identityWindow]byte
	add := func(off, end int64) error {
		for ; off < end; off += identityWindow {
			b, err := f.read(off, min(identityWindow, end-off), buf[:])
			if err != nil {
				return err
			}
			id.Sum = crc32.Update(id.Sum, castagnoli, b)
		}
		return nil
	}
	err := f.guard(func() error {
		if err := add(0, f.meta); err != nil {
			return err
		}
		table := int64(f.header.AllocTable)
		if err := add(max(f.meta, table-trailerSize), table); err != nil {
			return err
		}
		n := id.Size - table
		if n <= identityWindows*identityWindow {
			return add(table, id.Size)
		}
		for k := range int64(identityWindows) {
			// The last one ends with the table. Divided first: sizes may be any.
			off := table + (n-identityWindow)/(identityWindows-1)*k
			if k == identityWindows-1 {
				off = id.Size - identityWindow
			}
			if err := add(off, off+identityWindow); err != nil {
				return err
			}
		}
		return nil
	})
	return id, err
}
