package wire_test

import (
	"errors"
	"testing"

	"github.com/betongo/betongo/internal/wire"
)

func TestCursor(t *testing.T) {
	b := []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	c := wire.NewCursor(b)
	if g := c.U8(); g != 1 {
		t.Errorf("U8 = %d", g)
	}
	if g := c.U16(); g != 0x0302 {
		t.Errorf("U16 = %#x", g)
	}
	if g := c.U32(); g != 0x07060504 {
		t.Errorf("U32 = %#x", g)
	}
	if g := c.U64(); g != 0x0f0e0d0c0b0a0908 {
		t.Errorf("U64 = %#x", g)
	}
	if c.Err() != nil || c.Offset() != 15 || c.Left() != 1 {
		t.Fatalf("after 15 bytes: %v, offset %d, left %d", c.Err(), c.Offset(), c.Left())
	}
	if g := c.U16(); g != 0 {
		t.Errorf("U16 past the end = %d", g)
	}
	var short *wire.ShortError
	if !errors.As(c.Err(), &short) || *short != (wire.ShortError{Offset: 15, Want: 2, Have: 1}) {
		t.Fatalf("Err = %v", c.Err())
	}
	if g := c.U8(); g != 0 || c.Offset() != 15 {
		t.Errorf("a read after a failure moved: %d at %d", g, c.Offset())
	}
}

func TestCursorSizes(t *testing.T) {
	for _, n := range []int{-1, 4, 1 << 62} {
		c := wire.NewCursor([]byte{1, 2, 3})
		if b := c.Bytes(n); b != nil || c.Err() == nil {
			t.Errorf("Bytes(%d) = %v, %v", n, b, c.Err())
		}
	}
	c := wire.NewCursor([]byte{1, 2, 3})
	if b := c.Bytes(3); len(b) != 3 || cap(b) != 3 || c.Err() != nil {
		t.Errorf("Bytes(3) = %v (cap %d), %v", b, cap(b), c.Err())
	}
	if b := c.Bytes(0); len(b) != 0 || c.Err() != nil {
		t.Errorf("Bytes(0) at the end = %v, %v", b, c.Err())
	}
}
