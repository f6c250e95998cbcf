package engine

import (
	"os"
	"unsafe"
)

// newSegment makes memory that another process can map: a temporary file whose
// name is gone at once.
func newSegment(size int) ([]byte, *os.File, error) {
	f, err := os.CreateTemp("", "betongo-*")
	if err != nil {
		return nil, nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		err = f.Truncate(int64(size))
	}
	return mapShared(f, size, false, err)
}

// discards tells whether discard does anything.
const discards = false

// discard does nothing: the memory goes when the last who maps it does.
func discard([]byte) {}

// reserve is not asked for here.
func reserve(int) (unsafe.Pointer, error) { return nil, os.ErrInvalid }
