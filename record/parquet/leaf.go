package parquet

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// leaf is a column of plain values: a column of the file, or a part of one. It
// keeps the values of the current row group as they will lie in the file.
type leaf struct {
	path     []string // from the column down to the values
	physical int32
	def, rep int // the highest levels

	data       []byte // of the current page
	defs, reps []byte
	pages      []page   // that are complete
	levels     []byte   // of all of them
	sealed     int64    // bytes of their values
	total      int      // values in the row group, missing ones among them
	free       [][]byte // pages' memory
}

// page is a page of the current row group.
type page struct {
	levels int // where they end, in the leaf's
	data   []byte
	values int // missing ones among them
}

const (
	pageBytes  = 1 << 20 // of values, where the page ends behind the next
	pageValues = 1 << 17
	largePage  = 4 * pageBytes // whose memory is not kept
	// maxValue bounds one value, as the sizes of pages have 31 bits.
	maxValue = 1 << 30
)

// newLeaves returns a field's leaves.
func newLeaves(f *arrow.Field, path []string, def, rep int, leaves []*leaf) []*leaf {
	path = append(path[:len(path):len(path)], f.Name)
	def++ // every field may be missing
	switch f.Type {
	case arrow.Struct:
		for i := range f.Children {
			leaves = newLeaves(&f.Children[i], path, def, rep, leaves)
		}
		return leaves
	case arrow.List, arrow.FixedSizeList:
		return newLeaves(&f.Children[0], append(path, "list"), def+1, rep+1, leaves)
	}
	physical, _ := physical(f)
	return append(leaves, &leaf{path: path, physical: physical, def: def, rep: rep})
}

// physical returns how a field is stored, and in how many bytes if they are of a
// fixed length.
func physical(f *arrow.Field) (t int32, size int32) {
	switch {
	case f.Type == arrow.Bool:
		return parquet.Boolean, 0
	case f.Type == arrow.Int && f.Bits == 64:
		return parquet.Int64, 0
	case f.Type == arrow.Int:
		return parquet.Int32, 0
	case f.Type == arrow.Float && f.Bits == 16:
		return parquet.FixedLen, 2
	case f.Type == arrow.Float && f.Bits == 32:
		return parquet.Float, 0
	case f.Type == arrow.Float:
		return parquet.Double, 0
	}
	return parquet.ByteArray, 0
}

// level says how far the next value is there, and, of a list's, which list it
// goes on with.
func (l *leaf) level(def, rep int) {
	l.defs = append(l.defs, byte(def))
	if l.rep > 0 {
		l.reps = append(l.reps, byte(rep))
	}
}

// bytes takes a value of no fixed size.
func (l *leaf) bytes(b []byte) {
	l.data = append(binary.LittleEndian.AppendUint32(l.data, uint32(len(b))), b...)
	l.level(l.def, 0)
}

// number takes a value of 8 bytes.
func (l *leaf) number(v uint64) {
	l.data = binary.LittleEndian.AppendUint64(l.data, v)
	l.level(l.def, 0)
}

// missing takes nothing.
func (l *leaf) missing(def int) { l.level(def, 0) }

// elements takes the elements of a row of a list.
func (l *leaf) elements(e element, size int, b []byte) {
	n := len(b) / size
	switch {
	case e.stored == 0 || e.stored == size: // truth values become bits with their page
		l.data = append(l.data, b...)
	default:
		for i := range n {
			l.data = binary.LittleEndian.AppendUint32(l.data, widened(b[i*size:(i+1)*size], e.field.Signed))
		}
	}
}

// widened returns a number of 1 or 2 bytes as one of 4.
func widened(b []byte, signed bool) uint32 {
	switch {
	case len(b) == 1 && signed:
		return uint32(int32(int8(b[0])))
	case len(b) == 1:
		return uint32(b[0])
	case signed:
		return uint32(int32(int16(binary.LittleEndian.Uint16(b))))
	}
	return uint32(binary.LittleEndian.Uint16(b))
}

// row ends a row: the page too where it is large enough.
func (l *leaf) row() {
	if len(l.data) >= pageBytes || len(l.defs) >= pageValues {
		l.seal()
	}
}

// seal ends the current page.
func (l *leaf) seal() {
	if len(l.defs) == 0 {
		return
	}
	if l.physical == parquet.Boolean {
		l.pack()
	}
	if l.rep > 0 {
		l.levels = appendLevels(l.levels, l.reps, l.rep)
	}
	l.levels = appendLevels(l.levels, l.defs, l.def)
	l.total += len(l.defs)
	l.pages = append(l.pages, page{len(l.levels), l.data, len(l.defs)})
	l.sealed += int64(len(l.data))
	l.defs, l.reps = l.defs[:0], l.reps[:0]
	if n := len(l.free); n > 0 {
		l.data, l.free = l.free[n-1], l.free[:n-1]
	} else {
		l.data = make([]byte, 0, min(len(l.data)+len(l.data)/8, largePage))
	}
}

// pack makes bits of the current page's truth values.
func (l *leaf) pack() {
	b := l.data
	n := (len(b) + 7) / 8
	for i := range n {
		bits := byte(0)
		for k, v := range b[8*i : min(8*i+8, len(b))] {
			bits |= v & 1 << k
		}
		b[i] = bits
	}
	l.data = b[:n]
}

// size is how many bytes wait.
func (l *leaf) size() int64 {
	return l.sealed + int64(len(l.data)+len(l.levels)+len(l.defs)+len(l.reps))
}

// write gives the row group's pages to put, and forgets them.
func (l *leaf) write(put func(...[]byte) error) error {
	l.seal()
	var t compact
	levels := 0
	for _, p := range l.pages {
		lv, values := l.levels[levels:p.levels], p.data
		size := len(lv) + len(values)
		if size > math.MaxInt32 {
			return fmt.Errorf("a page of %d bytes", size)
		}
		t.b = t.b[:0]
		t.pageHeader(int32(size), int32(p.values), crc32.Update(crc32.ChecksumIEEE(lv), crc32.IEEETable, values))
		if err := put(t.b, lv, values); err != nil {
			return err
		}
		levels = p.levels
	}
	return nil
}

// reset forgets what waits, and keeps its memory.
func (l *leaf) reset() {
	for _, p := range l.pages {
		if cap(p.data) <= largePage {
			l.free = append(l.free, p.data[:0])
		}
	}
	clear(l.pages)
	l.data, l.defs, l.reps, l.levels, l.pages = l.data[:0], l.defs[:0], l.reps[:0], l.levels[:0], l.pages[:0]
	l.sealed, l.total = 0, 0
}

// Encodings, by the numbers of parquet.thrift.
const (
	plain = 0
	rle   = 3
)

// pageHeader appends the header of a data page that isn't compressed.
func (t *compact) pageHeader(size, values int32, sum uint32) {
	t.open(0)
	t.i32(1, 0) // a data page
	t.i32(2, size)
	t.i32(3, size)
	t.i32(4, int32(sum))
	t.open(5)
	t.i32(1, values)
	t.i32(2, plain)
	t.i32(3, rle)
	t.i32(4, rle)
	t.close()
	t.close()
}
