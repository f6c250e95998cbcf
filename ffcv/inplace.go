package ffcv

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"

	"github.com/betongo/betongo/alloc"
)

// Sealing in place appends an extension block and an allocation table behind
// those that a file has, and then has the header's pointer lead to the new
// table. The block's first section, SEAL, is written and synced before all the
// rest: until the pointer is switched it tells readers where the old table
// ends, which nothing else does where there are custom fields, and whoever
// repairs the file whether the rest has come to the disk.

// TagSeal is the section of a file that was sealed in place, or is about to be.
const TagSeal Tag = 'S' | 'E'<<8 | 'A'<<16 | 'L'<<24

const (
	sealVersion = 1
	sealLength  = 64 // of the payload
	// sealBytes are those of the whole section.
	sealBytes = sectionHeaderSize + sealLength
)

// sealIntent is a SEAL section: version at 0, zeros at 4, then where the old
// table is (8), its size (16), where the data pages end (24), where the new
// table is (32) and where the new file ends (40), a CRC32C of what is appended
// (48): the sections behind this one up to the trailer and the new table,
// another of header and descriptors as they were (52), zeros, and one of the
// section's bytes before it (60).
type sealIntent struct {
	table, size int64 // of the old table
	data        int64 // where the data pages end
	newTable    int64
	newEnd      int64
	crc         uint32 // of the sections behind, without the trailer, and the new table
	head        uint32 // of header and descriptors as they were
}

// end is where the file ended.
func (s *sealIntent) end() int64 { return s.table + s.size }

// at is where the section begins, and with it the new block.
func (s *sealIntent) at() int64 { return alignUp(s.end(), sectionAlign) }

// put writes the section with its header.
func (s *sealIntent) put(b []byte) {
	b = b[:sealBytes]
	clear(b)
	putSectionHeader(b, TagSeal, 0, sealLength)
	le, p := binary.LittleEndian, b[sectionHeaderSize:]
	le.PutUint32(p, sealVersion)
	for i, n := range []int64{s.table, s.size, s.data, s.newTable, s.newEnd} {
		le.PutUint64(p[8+8*i:], uint64(n))
	}
	le.PutUint32(p[48:], s.crc)
	le.PutUint32(p[52:], s.head)
	le.PutUint32(p[60:], crc32.Checksum(b[:sealBytes-4], castagnoli))
}

// sealAt reads a section with its header; false for anything else.
func sealAt(b []byte) (s sealIntent, ok bool) {
	le := binary.LittleEndian
	if len(b) < sealBytes || Tag(le.Uint32(b)) != TagSeal || le.Uint64(b[8:]) != sealLength ||
		le.Uint32(b[sealBytes-4:]) != crc32.Checksum(b[:sealBytes-4], castagnoli) {
		return s, false
	}
	p := b[sectionHeaderSize:]
	if le.Uint32(p) != sealVersion {
		return s, false
	}
	for i, to := range []*int64{&s.table, &s.size, &s.data, &s.newTable, &s.newEnd} {
		n := le.Uint64(p[8+8*i:])
		if n > math.MaxInt64/4 {
			return s, false
		}
		*to = int64(n)
	}
	s.crc, s.head = le.Uint32(p[48:]), le.Uint32(p[52:])
	return s, s.data <= s.table && s.at()+sealBytes+trailerSize <= s.newTable && s.newTable+s.size == s.newEnd
}

// UnfinishedSeal tells of a file that was about to be sealed in place when the
// writer stopped: what it had, up to End, is whole, and is what a File reads.
// FFCV reads the allocation table to the file's end, and so must not be given
// the file. FinishSeal ends it.
type UnfinishedSeal struct {
	Table, TableSize int64 // the table that the header leads to, in bytes
	End              int64 // of the file as it was
	Size             int64 // of the file now
	// Where the new table begins, or would, and where the file ends when it is
	// sealed; 0 when not even the section that tells of it came to the disk.
	NewTable, NewEnd int64
}

// Unfinished returns what was left behind of sealing in place; nil for a file
// without that.
func (f *File) Unfinished() *UnfinishedSeal {
	u := UnfinishedSeal{Table: int64(f.header.AllocTable), Size: f.src.Size()}
	if s := f.leftSeal(); s != nil {
		u.NewTable, u.NewEnd, u.End = s.newTable, s.newEnd, s.end()
	} else if f.torn > 0 {
		u.End = u.Size - f.torn
	} else {
		return nil
	}
	u.TableSize = u.End - u.Table
	return &u
}

// leftSeal is the SEAL section of an unfinished file, nil for none.
func (f *File) leftSeal() (s *sealIntent) {
	if s = f.unfinished; s == nil && f.row < 0 {
		_ = f.guard(func() error { s = f.scanSeal(); return nil }) // who cannot read the table has nothing to tell of it
	}
	return s
}

// endTable finds where the allocation table ends when something stands behind
// it. All regions of builtin fields are in it, so that it ends with the last of
// them; custom fields may keep more, and then a SEAL section tells.
func (f *File) endTable(builtin bool) {
	n, k := f.header.NumSamples, uint64(f.ptrs)
	if f.row < 0 || k > 0 && n > uint64(f.count)/k {
		return
	}
	want := int64(n * k)
	end := int64(f.header.AllocTable) + want*alloc.EntrySize
	if end == f.src.Size() {
		return
	}
	if s, ok := f.sealBehind(end); ok {
		f.unfinished = &s
	} else if f.tornBehind(end) {
		f.torn = f.src.Size() - end
	}
	if builtin || f.unfinished != nil || f.torn > 0 {
		f.count = want
	}
}

// tornBehind says whether what stands behind a table that ends at end is the
// SEAL section of which not all came to the disk: no byte but of it, or a zero.
// What is compared is more than can be in an entry of a table, whose pointer is
// no zero.
func (f *File) tornBehind(end int64) bool {
	n, pad := f.src.Size()-end, alignUp(end, sectionAlign)-end
	if n > pad+sealBytes {
		return false
	}
	b, err := f.read(end, n, nil)
	if err != nil {
		return false
	}
	var want [sectionAlign + sealBytes]byte
	s := sealIntent{table: int64(f.header.AllocTable), size: end - int64(f.header.AllocTable)}
	s.put(want[pad:])
	known := pad + sectionHeaderSize + 24 // up to where the data pages end
	for i, c := range b[:min(n, known)] {
		if c != 0 && c != want[i] {
			return false
		}
	}
	return true
}

// sealBehind reads the SEAL section of a file whose table ends at end.
func (f *File) sealBehind(end int64) (s sealIntent, ok bool) {
	at := alignUp(end, sectionAlign)
	if f.src.Size()-at < sealBytes {
		return s, false
	}
	b, err := f.read(at, sealBytes, nil)
	if err != nil {
		return s, false
	}
	s, ok = sealAt(b)
	return s, ok && s.table == int64(f.header.AllocTable) && s.end() == end
}

// scanSeal looks for a SEAL section behind any number of entries: those of a
// file whose rows are not known.
func (f *File) scanSeal() *sealIntent {
	const piece = 1 << 12 // entries
	table, size := int64(f.header.AllocTable), f.src.Size()
	first := alignUp(table, sectionAlign)
	buf := make([]byte, min(piece*alloc.EntrySize, size))
	for off := first; off+sealBytes <= size; {
		b, err := f.read(off, min(size-off, piece*alloc.EntrySize), buf)
		if err != nil {
			return nil
		}
		for i := 0; i+4 <= len(b); i += alloc.EntrySize {
			if Tag(binary.LittleEndian.Uint32(b[i:])) != TagSeal {
				continue
			}
			if s, ok := f.sealBehind(table + off - first + int64(i)); ok {
				return &s
			}
		}
		off += piece * alloc.EntrySize
	}
	return nil
}

// readSeal takes the end of the data pages from the SEAL section that the
// block of a file begins with which was sealed in place. A damaged one costs
// nothing: then the pages seem to go up to it.
func (f *File) readSeal(low int64) {
	if f.ext.length < sealBytes {
		return
	}
	b, err := f.read(f.ext.off, sealBytes, nil)
	if err != nil {
		return
	}
	s, ok := sealAt(b)
	if ok && s.at() == f.ext.off && s.newTable == int64(f.header.AllocTable) && s.data >= low {
		f.sealed = &s
		f.data = s.data
		f.pages = min(f.pages, f.data)
	}
}

// seals checks what is left of sealing in place, and the section of a file that
// was sealed so.
func (v *verify) seals() error {
	f := v.f
	if u := f.Unfinished(); u != nil {
		return v.emit(f.flaw(u.End, "sealing in place was not finished: %d bytes behind the allocation table, with which FFCV misreads the file; 'ffcv repair' puts it right", u.Size-u.End))
	}
	if f.ext.seal && f.sealed == nil {
		return v.emit(f.flaw(f.ext.off, "extension block: section %v, which it begins with, is damaged or of another file", TagSeal))
	}
	if s := f.sealed; s != nil && s.newEnd != f.src.Size() {
		return v.emit(f.flaw(f.ext.off, "extension section %v: the file was sealed in place with %d bytes, it has %d", TagSeal, s.newEnd, f.src.Size()))
	}
	return nil
}

// tailError is about what stands behind the allocation table; nil when that is
// nothing.
func (f *File) tailError(custom bool) *FormatError {
	table, size := int64(f.header.AllocTable), f.src.Size()
	if n := (size - table) % alloc.EntrySize; n != 0 {
		return f.flaw(size-n, "%d bytes after the last whole entry of the allocation table", n)
	}
	// N*k does not overflow: Open found room for as many entries.
	if want, n := int64(f.Len())*int64(f.ptrs), (size-table)/alloc.EntrySize; !custom && n != want {
		return f.flaw(table, "allocation table of %d entries, want %d", n, want)
	}
	return nil
}

// ErrUnfinishedSeal says that a file must be given to FinishSeal first.
var ErrUnfinishedSeal = errors.New("sealing in place was not finished; 'ffcv repair' puts the file right")
