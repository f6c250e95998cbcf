package ffcv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
)

// The extension block lies between the last data page (or the metadata) and
// the allocation table, where FFCV never looks: sections one after another
// from a multiple of 8, then a trailer that ends exactly at the header's
// alloc_table_ptr. docs/format.md has the tables.

// Tag names the kind of a section: four ASCII letters, first letter in the
// lowest byte.
type Tag uint32

// The tags of this version. Readers skip the ones that they do not know.
const (
	TagClasses   Tag = 'C' | 'L'<<8 | 'A'<<16 | 'S'<<24 // class names
	TagNames     Tag = 'N' | 'A'<<8 | 'M'<<16 | 'E'<<24 // each sample's source path or key
	TagNameIndex Tag = 'N' | 'I'<<8 | 'D'<<16 | 'X'<<24 // hash table name -> sample
	TagMarks     Tag = 'M' | 'A'<<8 | 'R'<<16 | 'K'<<24 // checkpoints of a field's values
	TagSums      Tag = 'S' | 'U'<<8 | 'M'<<16 | 'S'<<24 // checksums of the samples
)

func (t Tag) String() string {
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], uint32(t))
	for _, c := range b {
		if c <= ' ' || c > '~' {
			return fmt.Sprintf("0x%08x", uint32(t))
		}
	}
	return string(b[:])
}

// FlagRequired marks a section without which the samples cannot be read
// rightly: a reader that does not know its tag must refuse the file.
const FlagRequired = 1

// Section is one section of the extension block, as its header says.
type Section struct {
	Tag    Tag
	Flags  uint32
	Offset int64 // of the payload in the file
	Length int64 // of the payload, without padding
}

const (
	sectionHeaderSize = 16
	sectionAlign      = 8
	trailerSize       = 64
	trailerVersion    = 1
	trailerRequired   = 1 // trailer flag: some section has FlagRequired
	trailerSeal       = 2 // trailer flag: the first section is SEAL
	maxSections       = 4096
)

// trailerMagic is not text, so that text does not end with it by chance.
var trailerMagic = [8]byte{0x89, 'b', 't', 'n', 'g', 'x', '\r', '\n'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// trailer is the block's last 64 bytes: magic at 0, version at 8, flags at 12,
// offset of the first section at 16, length of all sections at 24, their
// CRC32C at 32, zeros from 36, the CRC32C of the bytes before it at 60.
type trailer struct {
	version uint32
	flags   uint32
	offset  uint64
	length  uint64
	crc     uint32
}

func (t trailer) put(b []byte) {
	b = b[:trailerSize]
	clear(b)
	le := binary.LittleEndian
	copy(b, trailerMagic[:])
	le.PutUint32(b[8:], t.version)
	le.PutUint32(b[12:], t.flags)
	le.PutUint64(b[16:], t.offset)
	le.PutUint64(b[24:], t.length)
	le.PutUint32(b[32:], t.crc)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// errTrailerCRC says that a trailer has the magic but not its own CRC.
var errTrailerCRC = errors.New("trailer: wrong checksum")

// trailerAt reads a trailer from b. found is false when the magic is not
// there: then the file has no extension block. With an error the numbers must
// not be used.
func trailerAt(b []byte) (t trailer, found bool, err error) {
	if len(b) < trailerSize || [8]byte(b[:8]) != trailerMagic {
		return trailer{}, false, nil
	}
	le := binary.LittleEndian
	if got, want := le.Uint32(b[60:]), crc32.Checksum(b[:60], castagnoli); got != want {
		return trailer{}, true, fmt.Errorf("%w: 0x%08x, want 0x%08x", errTrailerCRC, got, want)
	}
	return trailer{
		version: le.Uint32(b[8:]),
		flags:   le.Uint32(b[12:]),
		offset:  le.Uint64(b[16:]),
		length:  le.Uint64(b[24:]),
		crc:     le.Uint32(b[32:]),
	}, true, nil
}

// putSectionHeader writes a section's 16 header bytes: tag at 0, flags at 4,
// payload length at 8.
func putSectionHeader(b []byte, tag Tag, flags uint32, length int64) {
	_ = b[sectionHeaderSize-1]
	le := binary.LittleEndian
	le.PutUint32(b[0:], uint32(tag))
	le.PutUint32(b[4:], flags)
	le.PutUint64(b[8:], uint64(length))
}

// blockWriter writes an extension block as a stream: for each section begin,
// then exactly its length by Write; at last finish. The first error sticks. It
// is not safe for concurrent use.
//
//	b := newBlockWriter(f, off)   // f stands at off; at most 7 zeros are written to reach a multiple of 8
//	b.begin(TagClasses, 0, int64(len(p)))
//	b.Write(p)                    // …
//	table, err := b.finish()      // where the allocation table begins (Header.AllocTable)
type blockWriter struct {
	w     io.Writer
	start int64 // of the first section
	at    int64 // next byte in the file
	left  int64 // bytes that the section still lacks
	flags uint32
	crc   uint32
	err   error
}

// newBlockWriter begins a block at offset off of the file, where w stands.
func newBlockWriter(w io.Writer, off int64) *blockWriter {
	b := &blockWriter{w: w, at: off}
	b.pad()
	b.start, b.crc = b.at, 0
	return b
}

// begin starts a section with a payload of length bytes.
func (b *blockWriter) begin(tag Tag, flags uint32, length int64) {
	if b.err == nil && b.left != 0 {
		b.err = fmt.Errorf("extension block: section %v begins, but the one before lacks %d bytes", tag, b.left)
	}
	if b.err == nil && length < 0 {
		b.err = fmt.Errorf("extension block: section %v of %d bytes", tag, length)
	}
	b.pad()
	var h [sectionHeaderSize]byte
	putSectionHeader(h[:], tag, flags, length)
	b.left = sectionHeaderSize
	b.Write(h[:])
	b.left = length
	if flags&FlagRequired != 0 {
		b.flags |= trailerRequired
	}
	if tag == TagSeal {
		b.flags |= trailerSeal
	}
}

// Write adds to the payload of the section begun last.
func (b *blockWriter) Write(p []byte) (int, error) {
	if b.err == nil && int64(len(p)) > b.left {
		b.err = fmt.Errorf("extension block: %d bytes more than the section's length", int64(len(p))-b.left)
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.w.Write(p)
	b.crc = crc32.Update(b.crc, castagnoli, p[:n])
	b.at += int64(n)
	b.left -= int64(n)
	b.err = err
	return n, err
}

// pad writes zeros up to the next multiple of 8.
func (b *blockWriter) pad() {
	var zeros [sectionAlign]byte
	n := alignUp(b.at, sectionAlign) - b.at
	b.left += n
	b.Write(zeros[:n])
}

// finish ends the block with its trailer and returns the offset just after
// it, where the allocation table must begin.
func (b *blockWriter) finish() (end int64, err error) {
	if b.err == nil && b.left != 0 {
		b.err = fmt.Errorf("extension block: the last section lacks %d bytes", b.left)
	}
	b.pad()
	if b.err != nil {
		return 0, b.err
	}
	t := trailer{version: trailerVersion, flags: b.flags, offset: uint64(b.start), length: uint64(b.at - b.start), crc: b.crc}
	var p [trailerSize]byte
	t.put(p[:])
	if _, b.err = b.w.Write(p[:]); b.err != nil {
		return 0, b.err
	}
	b.at += trailerSize
	return b.at, nil
}

// blockRange checks where the trailer at offset end-64 says that its sections
// lie: at or after low, 8-aligned, up to the trailer exactly.
func (t trailer) blockRange(low, end int64) (off, length int64, err error) {
	at := uint64(end - trailerSize)
	switch {
	case t.version != trailerVersion:
		return 0, 0, fmt.Errorf("version %d, this package knows %d: %w", t.version, trailerVersion, ErrUnsupported)
	case t.offset > math.MaxInt64 || t.offset%sectionAlign != 0 || int64(t.offset) < low:
		return 0, 0, fmt.Errorf("trailer: block at %d, want a multiple of %d at or after %d", t.offset, sectionAlign, low)
	case t.offset > at || t.length != at-t.offset:
		return 0, 0, fmt.Errorf("trailer: block of %d bytes at %d does not end at the trailer, %d", t.length, t.offset, at)
	}
	return int64(t.offset), int64(t.length), nil
}

// walkSections reads the section headers of the block of length bytes at off,
// which lies inside what read reads, and touches nothing else of it. On an
// error it also returns the sections before the bad one.
func walkSections(read func(p []byte, off int64) error, off, length int64) ([]Section, error) {
	var list []Section
	var h [sectionHeaderSize]byte
	for end := off + length; off < end; {
		if len(list) == maxSections {
			return list, fmt.Errorf("more than %d sections", maxSections)
		}
		if end-off < sectionHeaderSize {
			return list, fmt.Errorf("%d bytes at %d, want a section header of %d", end-off, off, sectionHeaderSize)
		}
		if err := read(h[:], off); err != nil {
			return list, err
		}
		s := Section{
			Tag:    Tag(binary.LittleEndian.Uint32(h[0:])),
			Flags:  binary.LittleEndian.Uint32(h[4:]),
			Offset: off + sectionHeaderSize,
		}
		n, left := binary.LittleEndian.Uint64(h[8:]), end-off-sectionHeaderSize
		if n > uint64(left) {
			return list, fmt.Errorf("section %v at %d has %d bytes, %d are left", s.Tag, off, n, left)
		}
		s.Length = int64(n)
		list = append(list, s)
		off = s.Offset + min(alignUp(s.Length, sectionAlign), left)
	}
	return list, nil
}
