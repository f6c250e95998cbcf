package hdf5

import (
	"fmt"
	"io"
	"math"
)

const signature = "\x89HDF\r\n\x1a\n"

// superblock is what a file begins with, behind its user block.
type superblock struct {
	at      int64 // where it is: the size of the user block
	version byte
	end     uint64 // where the file must end at least, from there on
	writing bool   // a writer didn't close the file
	root    uint64 // where the header of the root group is
	address int    // bytes of an address
	length  int    // bytes of a size
}

// readSuperblock looks at the begin of a file of size bytes before the library
// does: a file that is something else, cut off, or written by a release to come
// is found here.
func readSuperblock(r io.ReaderAt, size int64) (*superblock, error) {
	var b [128]byte
	for at := int64(0); at <= size-int64(len(signature)); at = max(512, 2*at) {
		n, err := r.ReadAt(b[:], at)
		if err != nil && err != io.EOF {
			return nil, err
		}
		if n >= len(signature) && string(b[:len(signature)]) == signature {
			return parseSuperblock(b[:n], at, size)
		}
		if at > math.MaxInt64/2 {
			break
		}
	}
	return nil, &FormatError{Offset: 0, Msg: fmt.Sprintf("%d bytes and no HDF5: its signature is at none of the bytes 0, 512, 1024 and so on", size)}
}

func parseSuperblock(b []byte, at, size int64) (*superblock, error) {
	bad := func(off int, format string, args ...any) error {
		return &FormatError{Offset: at + int64(off), Msg: "superblock: " + fmt.Sprintf(format, args...)}
	}
	if len(b) < 16 {
		return nil, bad(0, "the file ends in it")
	}
	s := &superblock{at: at, version: b[8]}
	addresses, flags := 0, 0 // where the addresses and the flags are
	switch s.version {
	case 0, 1:
		s.address, s.length, addresses = int(b[13]), int(b[14]), 24+4*int(s.version)
	case 2, 3:
		s.address, s.length, addresses, flags = int(b[9]), int(b[10]), 12, 11
	default:
		return nil, unsupported(fmt.Sprintf("superblock of version %d, known are 0 to 3", s.version))
	}
	for _, n := range []int{s.address, s.length} {
		if n != 2 && n != 4 && n != 8 {
			return nil, bad(9, "addresses of %d bytes and sizes of %d, want 2, 4 or 8", s.address, s.length)
		}
	}
	root := addresses + 3*s.address
	if s.version < 2 {
		root += s.address + s.length // the root's name comes before
	}
	if len(b) < root+s.address {
		return nil, bad(addresses, "the file ends in it")
	}
	s.root = number64(b[root:], s.address)
	address := func(i int) uint64 { return number64(b[addresses+i*s.address:], s.address) }
	// Base address, then one of something else, then the end, which counts from
	// the begin of the file. A user block may have come before it since.
	base, end := address(0), address(2)
	if end < base {
		return nil, bad(addresses, "the file ends at %d, before it begins at %d", end, base)
	}
	if s.end = end - base; s.end > uint64(size-at) {
		return nil, bad(addresses+2*s.address, "the file is cut off: it has %d bytes, want %d", size, s.end+uint64(at))
	}
	s.writing = s.version == 3 && b[flags]&1 != 0
	return s, nil
}
