package ffcv

import (
	"encoding/binary"
	"fmt"
)

// Version is the one version of the format that FFCV ever wrote or reads.
const Version = 2

// Sizes of the format's fixed parts, in bytes.
const (
	HeaderSize     = 24
	DescriptorSize = 1041
	NameSize       = 16
)

// Page sizes are powers of two. A writer takes MinPageSize to MaxPageSize; a
// reader also takes 2 GiB, which FFCV writes although its own page cache then
// loses the last bytes of each page.
const (
	MinPageSize     = 2 << 20
	MaxPageSize     = 1 << 30
	maxReadPageSize = 2 << 30
	DefaultPageSize = 8 << 20 // FFCV's default too
)

// MaxFields is the largest number of fields: the header counts them in 16 bits.
const MaxFields = 1<<16 - 1

// Header is the first 24 bytes of a file.
type Header struct {
	Version    uint16 // at 0
	NumFields  uint16 // at 2
	PageSize   uint32 // at 4
	NumSamples uint64 // at 8
	AllocTable uint64 // at 16: offset of the allocation table; 0 in an unfinished file
}

// Put writes the header's HeaderSize bytes at the start of b.
func (h Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	le := binary.LittleEndian
	le.PutUint16(b[0:], h.Version)
	le.PutUint16(b[2:], h.NumFields)
	le.PutUint32(b[4:], h.PageSize)
	le.PutUint64(b[8:], h.NumSamples)
	le.PutUint64(b[16:], h.AllocTable)
}

// HeaderAt reads a header from the first HeaderSize bytes of b, which must be
// there. It checks nothing.
func HeaderAt(b []byte) Header {
	_ = b[HeaderSize-1]
	le := binary.LittleEndian
	return Header{
		Version:    le.Uint16(b[0:]),
		NumFields:  le.Uint16(b[2:]),
		PageSize:   le.Uint32(b[4:]),
		NumSamples: le.Uint64(b[8:]),
		AllocTable: le.Uint64(b[16:]),
	}
}

// CheckPageSize says whether files may be written with pages of n bytes.
func CheckPageSize(n int64) error {
	if n < MinPageSize || n > MaxPageSize || n&(n-1) != 0 {
		return fmt.Errorf("page size %d: want a power of two from %d to %d", n, MinPageSize, MaxPageSize)
	}
	return nil
}
