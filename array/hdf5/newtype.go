package hdf5

import (
	"fmt"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// newType makes the library's type of a dtype, which the caller closes. Text
// (U) is strings of any length in UTF-8.
func (l *library) newType(t array.DType) (hid, error) {
	if t.ItemSize() == 0 {
		return -1, &array.UnsupportedError{DType: t.String(), Why: "HDF5 has no elements without bytes"}
	}
	id := hid(-1)
	switch {
	case t.IsStruct():
		return l.newCompound(t)
	case t.WithOrder('<') == array.BFloat16, t.Kind() == 'f':
		id = l.newFloat(t)
	case t.Kind() == 'i' || t.Kind() == 'u':
		id = l.newInt(t)
	case t.Kind() == 'b':
		id = l.newBool()
	case t.Kind() == 'c':
		part := mustDType(fmt.Sprintf("f%d", t.ItemSize()/2)).WithOrder(t.Order())
		return l.newMembers([]array.Field{{Name: "r", DType: part}, {Name: "i", DType: part, Offset: part.ItemSize()}}, t.ItemSize())
	case t.Kind() == 'S':
		id = l.Tcopy(l.cstr)
		if id >= 0 && (l.Tset_size(id, uintptr(t.ItemSize())) < 0 || l.Tset_strpad(id, padZero) < 0) {
			l.Tclose(id)
			id = -1
		}
	case t.Kind() == 'U':
		id = l.newText()
	case t.Kind() == 'V':
		id = l.newOpaque(t.ItemSize(), "")
	case t.Kind() == 'M' || t.Kind() == 'm':
		id = l.newOpaque(t.ItemSize(), tagNumPy+t.String())
	}
	if id < 0 {
		return -1, l.fail("make a type of %v", t)
	}
	return id, nil
}

// newText is strings of any length in UTF-8, as h5py writes str.
func (l *library) newText() hid {
	id := l.Tcopy(l.cstr)
	if id >= 0 && (l.Tset_size(id, variableSize) < 0 || l.Tset_cset(id, charUTF8) < 0) {
		l.Tclose(id)
		return -1
	}
	return id
}

func (l *library) newInt(t array.DType) hid {
	i := map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[t.ItemSize()]
	if t.Kind() == 'u' {
		i += 4
	}
	return l.ordered(l.Tcopy(l.ints[i]), t)
}

// ordered gives a type the byte order of t.
func (l *library) ordered(id hid, t array.DType) hid {
	if id >= 0 && t.Order() == '>' && l.Tset_order(id, orderBig) < 0 {
		l.Tclose(id)
		return -1
	}
	return id
}

func (l *library) newFloat(t array.DType) hid {
	switch t.WithOrder('<') {
	case array.Float32:
		return l.ordered(l.Tcopy(l.float32s), t)
	case array.Float64:
		return l.ordered(l.Tcopy(l.float64s), t)
	}
	for f, dtype := range floats {
		if dtype != t.WithOrder('<') {
			continue
		}
		// From a type that is larger, or made so, as no field may ever leave it.
		id := l.Tcopy(l.float64s)
		if id < 0 {
			return -1
		}
		if f.size > 8 && (l.Tset_size(id, f.size) < 0 || l.Tset_precision(id, f.precision) < 0 || l.Tset_norm(id, normNone) < 0) ||
			l.Tset_fields(id, f.sign, f.exp, f.expSize, f.man, f.manSize) < 0 ||
			f.size < 8 && (l.Tset_precision(id, f.precision) < 0 || l.Tset_size(id, f.size) < 0) ||
			l.Tset_ebias(id, f.bias) < 0 {
			l.Tclose(id)
			return -1
		}
		return l.ordered(id, t)
	}
	return -1
}

func (l *library) newBool() hid {
	id := l.Tenum_create(l.ints[0])
	for i, name := range []string{"FALSE", "TRUE"} {
		value := [8]byte{byte(i)}
		if id >= 0 && l.Tenum_insert(id, name, unsafe.Pointer(&value)) < 0 {
			l.Tclose(id)
			return -1
		}
	}
	return id
}

func (l *library) newOpaque(size int, tag string) hid {
	id := l.Tcreate(classOpaque, uintptr(size))
	if id >= 0 && l.Tset_tag(id, tag) < 0 {
		l.Tclose(id)
		return -1
	}
	return id
}

func (l *library) newCompound(t array.DType) (hid, error) {
	fields := t.Fields()
	if len(fields) == 0 {
		return -1, &array.UnsupportedError{DType: t.String(), Why: "HDF5 has no structs without fields"}
	}
	return l.newMembers(fields, t.ItemSize())
}

func (l *library) newMembers(fields []array.Field, size int) (hid, error) {
	id := l.Tcreate(classCompound, uintptr(size))
	if id < 0 {
		return -1, l.fail("make a compound type of %d bytes", size)
	}
	for _, f := range fields {
		if err := l.insert(id, f); err != nil {
			l.Tclose(id)
			return -1, fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return id, nil
}

func (l *library) insert(id hid, f array.Field) error {
	if f.DType.Kind() == 'U' {
		return &array.UnsupportedError{DType: f.DType.String(), Why: "HDF5 has no text of four bytes a letter, and none of any length is written in a struct"}
	}
	if err := checkText(f.Name); err != nil {
		return err
	}
	member, err := l.newType(f.DType)
	if err != nil {
		return err
	}
	defer func() { l.Tclose(member) }()
	if len(f.Shape) > 0 {
		dims := make([]uint64, len(f.Shape))
		for i, d := range f.Shape {
			dims[i] = uint64(d)
		}
		whole := l.Tarray_create(member, uint32(len(dims)), &dims[0])
		if whole < 0 {
			return l.fail("make an array type %s", array.ShapeString(f.Shape))
		}
		l.Tclose(member)
		member = whole
	}
	if l.Tinsert(id, f.Name, uintptr(f.Offset), member) < 0 {
		return l.fail("put it at byte %d", f.Offset)
	}
	return nil
}
