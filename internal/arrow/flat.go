package arrow

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// Flat reads FlatBuffers: tables of tables, found by offsets. Its first failure
// is kept, and all that is read afterwards is empty.
type Flat struct {
	b      []byte
	budget int // what may still be read; tables may share parts, but not without end
	err    error
}

// NewFlat reads b, which it borrows.
func NewFlat(b []byte) *Flat {
	f := &Flat{b: b, budget: 1 << 20}
	if len(b) < (math.MaxInt-f.budget)/16 {
		f.budget += 16 * len(b)
	}
	return f
}

// Err returns the first failure.
func (f *Flat) Err() error { return f.err }

func (f *Flat) fail(at int, what string) {
	if f.err == nil {
		f.err = fmt.Errorf("at byte %d of the metadata: %s", at, what)
	}
}

// spend counts what is read.
func (f *Flat) spend(at, n int) bool {
	if f.budget -= n; f.budget < 0 {
		f.fail(at, "its parts refer to one another without end")
	}
	return f.err == nil
}

// at returns n bytes; zeros behind the end.
func (f *Flat) at(pos, n int) []byte {
	if f.err == nil && pos >= 0 && pos <= len(f.b)-n {
		return f.b[pos : pos+n]
	}
	f.fail(pos, fmt.Sprintf("%d bytes leave the %d that there are", n, len(f.b)))
	return zeros[:n]
}

var zeros [16]byte

func (f *Flat) u32(pos int) int { return int(binary.LittleEndian.Uint32(f.at(pos, 4))) }

// follow returns where the offset at pos leads.
func (f *Flat) follow(pos int) int {
	n := f.u32(pos)
	if n == 0 || n > len(f.b)-pos {
		f.fail(pos, fmt.Sprintf("an offset of %d", n))
		return 0
	}
	return pos + n
}

// Table is a table at a place, or none: of that every field has its default.
type Table struct {
	f         *Flat
	pos       int
	vtable, n int // where the fields' places are told, and how many bytes do it
}

// Root returns the first table.
func (f *Flat) Root() Table { return f.table(f.follow(0)) }

func (f *Flat) table(pos int) Table {
	if !f.spend(pos, 8) {
		return Table{f: f}
	}
	t := Table{f: f, pos: pos, vtable: pos - int(int32(f.u32(pos)))}
	t.n = int(binary.LittleEndian.Uint16(f.at(t.vtable, 2)))
	if t.n < 4 {
		f.fail(t.vtable, "a table without fields' places")
	}
	if f.err != nil {
		return Table{f: f}
	}
	f.at(t.vtable, t.n&1) // n is even, or an error
	if t.n&1 != 0 || t.vtable > len(f.b)-t.n {
		f.fail(t.vtable, fmt.Sprintf("a table whose fields' places take %d bytes", t.n))
		return Table{f: f}
	}
	return t
}

// IsSet tells whether the table is there at all.
func (t Table) IsSet() bool { return t.n > 0 }

// field returns where a field lies; 0 for one that isn't there.
func (t Table) field(i int) int {
	if t.f.err != nil || 4+2*i+2 > t.n {
		return 0
	}
	off := int(binary.LittleEndian.Uint16(t.f.at(t.vtable+4+2*i, 2)))
	if off == 0 {
		return 0
	}
	return t.pos + off
}

// Int reads a number of 1, 2, 4 or 8 bytes.
func (t Table) Int(i, size int, missing int64) int64 {
	pos := t.field(i)
	if pos == 0 {
		return missing
	}
	b := t.f.at(pos, size)
	switch size {
	case 1:
		return int64(int8(b[0]))
	case 2:
		return int64(int16(binary.LittleEndian.Uint16(b)))
	case 4:
		return int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return int64(binary.LittleEndian.Uint64(b))
}

// Bool reads a truth value that is false where it is missing.
func (t Table) Bool(i int) bool { return t.Int(i, 1, 0) != 0 }

// Text reads a string.
func (t Table) Text(i int) string {
	pos := t.field(i)
	if pos == 0 {
		return ""
	}
	pos = t.f.follow(pos)
	n := t.f.u32(pos)
	if t.f.err != nil || n > len(t.f.b)-pos-4 {
		t.f.fail(pos, fmt.Sprintf("text of %d bytes", n))
		return ""
	}
	if !t.f.spend(pos, n) {
		return ""
	}
	s := string(t.f.b[pos+4 : pos+4+n])
	if !utf8.ValidString(s) {
		t.f.fail(pos, "text that isn't UTF-8")
		return ""
	}
	return s
}

// Table reads a table.
func (t Table) Table(i int) Table {
	pos := t.field(i)
	if pos == 0 {
		return Table{f: t.f}
	}
	return t.f.table(t.f.follow(pos))
}

// Vector returns the bytes of a vector of n elements of some size.
func (t Table) Vector(i, size int) (b []byte, n int) {
	pos, n := t.vector(i, size)
	if n == 0 {
		return nil, 0
	}
	return t.f.b[pos : pos+n*size], n
}

func (t Table) vector(i, size int) (pos, n int) {
	if pos = t.field(i); pos == 0 {
		return 0, 0
	}
	pos = t.f.follow(pos)
	n = t.f.u32(pos)
	pos += 4
	if t.f.err != nil || n > (len(t.f.b)-pos)/size {
		t.f.fail(pos-4, fmt.Sprintf("%d elements of %d bytes leave the %d bytes that there are", n, size, len(t.f.b)))
		return 0, 0
	}
	return pos, n
}

// Tables reads a vector of tables; each is made when it is asked for.
func (t Table) Tables(i int) []Table {
	pos, n := t.vector(i, 4)
	if n == 0 || !t.f.spend(pos, 8*n) {
		return nil
	}
	list := make([]Table, 0, n)
	for k := range n {
		list = append(list, t.f.table(t.f.follow(pos+4*k)))
	}
	return list
}
