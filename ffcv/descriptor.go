package ffcv

import (
	"bytes"
	"fmt"

	"github.com/betongo/betongo/fields"
)

const _ = uint(DescriptorSize - (1 + NameSize + fields.ArgsSize)) // the three parts fill a descriptor
const _ = uint((1 + NameSize + fields.ArgsSize) - DescriptorSize)

// FieldDesc is one field descriptor: type id at 0, name at 1, arguments at 17.
type FieldDesc struct {
	Type fields.TypeID
	// Name is what stands before the first NUL of the 16 name bytes. In a file
	// that was read it may be empty, not ASCII, not even UTF-8, or the same as
	// another field's.
	Name string
	Args fields.Args
}

// Put writes the descriptor's DescriptorSize bytes at the start of b. The name
// must have passed CheckNames: what is longer than NameSize bytes is cut.
func (d *FieldDesc) Put(b []byte) {
	_ = b[DescriptorSize-1]
	b[0] = byte(d.Type)
	name := b[1 : 1+NameSize]
	clear(name[copy(name, d.Name):])
	copy(b[1+NameSize:], d.Args[:])
}

// FieldDescAt reads a descriptor from the first DescriptorSize bytes of b,
// which must be there. Everything is kept as it stands.
func FieldDescAt(b []byte) FieldDesc {
	_ = b[DescriptorSize-1]
	name := b[1 : 1+NameSize]
	if i := bytes.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	d := FieldDesc{Type: fields.TypeID(b[0]), Name: string(name)}
	copy(d.Args[:], b[1+NameSize:])
	return d
}

// CheckNames says whether the names can be written as field names: ASCII
// without NUL, at most NameSize bytes, no two alike. (FFCV cuts longer names,
// and misreads every row when two are alike after the cut.)
func CheckNames(names []string) error {
	if len(names) > MaxFields {
		return fmt.Errorf("%d fields: the format holds at most %d", len(names), MaxFields)
	}
	at := make(map[string]int, len(names))
	for i, name := range names {
		if len(name) > NameSize {
			return fmt.Errorf("field name %q has %d bytes: at most %d fit", name, len(name), NameSize)
		}
		for j := 0; j < len(name); j++ {
			if c := name[j]; c == 0 || c >= 0x80 {
				return fmt.Errorf("field name %q: byte %d is 0x%02x, want ASCII without NUL", name, j, c)
			}
		}
		if first, ok := at[name]; ok {
			return fmt.Errorf("field name %q is used twice, by fields %d and %d", name, first, i)
		}
		at[name] = i
	}
	return nil
}
