package ffcv

import (
	"fmt"
	"math"

	"github.com/betongo/betongo/fields"
)

// rowLayout says where each field's member lies in a sample's metadata row.
// It is NumPy's align=True: a member begins at a multiple of its alignment,
// and rows are padded to the largest alignment.
type rowLayout struct {
	offsets []int // of each field; -1 from a field of unknown layout on
	size    int   // bytes a row; -1 when a field's layout is unknown
}

// maxRowSize bounds a row, far beyond any real one: it keeps every product of
// offsets and counts within 63 bits once the samples are known to fit a file.
const maxRowSize = 1 << 30

// layoutRow lays out one member a field. A nil member is a field of unknown
// layout.
func layoutRow(members []*fields.Layout) (rowLayout, error) {
	l := rowLayout{offsets: make([]int, len(members))}
	align := 1
	for i, m := range members {
		if l.size < 0 {
			l.offsets[i] = -1
			continue
		}
		if m == nil { // where it begins depends on its alignment, so that is unknown too
			l.offsets[i], l.size = -1, -1
			continue
		}
		if m.Align < 1 || m.Align&(m.Align-1) != 0 || m.Align > 4096 || m.Size < 0 || m.Size > maxRowSize {
			return rowLayout{}, fmt.Errorf("member %d: size %d, alignment %d: want a size up to %d and a power of two", i, m.Size, m.Align, maxRowSize)
		}
		at := alignUp(l.size, m.Align)
		if at > maxRowSize-m.Size {
			return rowLayout{}, fmt.Errorf("member %d: the row is larger than %d bytes", i, maxRowSize)
		}
		l.offsets[i], l.size = at, at+m.Size
		align = max(align, m.Align)
	}
	if l.size >= 0 {
		l.size = alignUp(l.size, align)
	}
	return l, nil
}

func alignUp[T int | int64](n, align T) T { return (n + align - 1) &^ (align - 1) }

// metadataOffset is where the first metadata row begins.
func metadataOffset(numFields int) int64 {
	return HeaderSize + int64(numFields)*DescriptorSize
}

// metadataEnd is the offset just after the last of n rows of size bytes; ok is
// false when it is beyond what a file can have.
func metadataEnd(numFields, size int, n uint64) (end int64, ok bool) {
	start := metadataOffset(numFields)
	if size > 0 && n > uint64(math.MaxInt64-start)/uint64(size) {
		return 0, false
	}
	return start + int64(n)*int64(size), true
}

// firstPage is where the data pages may begin: the first multiple of the page
// size at or after the end of the metadata. ok is as for metadataEnd.
func firstPage(numFields, size int, n uint64, pageSize int64) (off int64, ok bool) {
	end, ok := metadataEnd(numFields, size, n)
	if !ok || end > math.MaxInt64-pageSize {
		return 0, false
	}
	return alignUp(end, pageSize), true
}
