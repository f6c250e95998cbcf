// Package wire reads little-endian numbers from bytes that nobody vouches for.
//
// A Cursor moves through a slice and remembers its first failure, so that a
// parser reads several members and checks once. Nothing it returns is sized by
// a number that was not first compared with the bytes that are left.
package wire

import (
	"encoding/binary"
	"fmt"
)

// ShortError says that a read went past the end of the bytes.
type ShortError struct {
	Offset int // where the read began, from the start of the slice
	Want   int // bytes asked for
	Have   int // bytes left there
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("at byte %d: want %d bytes, %d are left", e.Offset, e.Want, e.Have)
}

// Cursor reads members one after another. After the first failure every read
// returns zero and Err tells the failure. It is not safe for concurrent use.
type Cursor struct {
	buf []byte
	off int
	err error
}

// NewCursor returns a cursor at the start of b, which it borrows.
func NewCursor(b []byte) *Cursor { return &Cursor{buf: b} }

// Err returns the first failure, a *ShortError, or nil.
func (c *Cursor) Err() error { return c.err }

// Offset returns the position of the next read.
func (c *Cursor) Offset() int { return c.off }

// Left returns how many bytes follow the cursor.
func (c *Cursor) Left() int { return len(c.buf) - c.off }

// Bytes borrows the next n bytes of the slice.
func (c *Cursor) Bytes(n int) []byte {
	if c.err == nil && (n < 0 || n > c.Left()) {
		c.err = &ShortError{Offset: c.off, Want: n, Have: c.Left()}
	}
	if c.err != nil {
		return nil
	}
	b := c.buf[c.off : c.off+n : c.off+n]
	c.off += n
	return b
}

// U8 reads one byte.
func (c *Cursor) U8() uint8 {
	if b := c.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// U16 reads two bytes.
func (c *Cursor) U16() uint16 {
	if b := c.Bytes(2); b != nil {
		return binary.LittleEndian.Uint16(b)
	}
	return 0
}

// U32 reads four bytes.
func (c *Cursor) U32() uint32 {
	if b := c.Bytes(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// U64 reads eight bytes.
func (c *Cursor) U64() uint64 {
	if b := c.Bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}
