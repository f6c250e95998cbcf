package array

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
	"unique"
)

// DType names an element type as NumPy does: a kind, a size, a byte order, for
// times a unit, and for structured types the fields. Values are comparable with
// ==, structured ones too: the same fields at the same places are the same type.
// The zero value is not a type (Valid tells).
type DType struct {
	kind   byte   // one of "biufcSUVMm"
	order  byte   // '<' or '>', '|' where bytes have no order
	size   int32  // bytes an element
	unit   string // of a time; the name of a type that NumPy knows as void
	fields unique.Handle[member]
}

// The common element types, little-endian.
var (
	Bool       = DType{kind: 'b', order: '|', size: 1}
	Int8       = DType{kind: 'i', order: '|', size: 1}
	Int16      = DType{kind: 'i', order: '<', size: 2}
	Int32      = DType{kind: 'i', order: '<', size: 4}
	Int64      = DType{kind: 'i', order: '<', size: 8}
	Uint8      = DType{kind: 'u', order: '|', size: 1}
	Uint16     = DType{kind: 'u', order: '<', size: 2}
	Uint32     = DType{kind: 'u', order: '<', size: 4}
	Uint64     = DType{kind: 'u', order: '<', size: 8}
	Float16    = DType{kind: 'f', order: '<', size: 2}
	Float32    = DType{kind: 'f', order: '<', size: 4}
	Float64    = DType{kind: 'f', order: '<', size: 8}
	Complex64  = DType{kind: 'c', order: '<', size: 8}
	Complex128 = DType{kind: 'c', order: '<', size: 16}

	// BFloat16 is the upper half of a float32, which NumPy doesn't know: its
	// Kind is 'V' and its String "bfloat16". It equals no other type.
	BFloat16 = DType{kind: 'V', order: '<', size: 2, unit: bfloat16}
)

const bfloat16 = "bfloat16"

// UnsupportedError says that a dtype is NumPy's, but not one that this package
// serves: object and variable-width string types, sub-arrays outside of a
// struct, and structs where only plain elements are served.
type UnsupportedError struct {
	DType string // as it was given; "" where it isn't the type
	Why   string
}

func (e *UnsupportedError) Error() string {
	if e.DType == "" {
		return "not supported: " + e.Why
	}
	return fmt.Sprintf("dtype %q is not supported: %s", e.DType, e.Why)
}

// names are NumPy's other spellings of a kind and size: its type names and its
// one-letter codes (on 64-bit Linux and macOS).
var names = map[string]string{
	"?": "b1", "bool": "b1", "bool_": "b1",
	"b": "i1", "h": "i2", "i": "i4", "l": "i8", "q": "i8", "p": "i8",
	"B": "u1", "H": "u2", "I": "u4", "L": "u8", "Q": "u8", "P": "u8",
	"e": "f2", "f": "f4", "d": "f8", "g": "f16",
	"F": "c8", "D": "c16", "G": "c32",
	"S": "S0", "U": "U0", "V": "V0", "M": "M8", "m": "m8",
	"int8": "i1", "int16": "i2", "int32": "i4", "int64": "i8", "int": "i8",
	"uint8": "u1", "uint16": "u2", "uint32": "u4", "uint64": "u8", "uint": "u8",
	"float16": "f2", "float32": "f4", "float64": "f8", "float128": "f16", "float": "f8",
	"half": "f2", "single": "f4", "double": "f8", "longdouble": "f16",
	"complex64": "c8", "complex128": "c16", "complex256": "c32", "complex": "c16",
	"byte": "i1", "short": "i2", "intc": "i4", "int_": "i8", "intp": "i8", "long": "i8", "longlong": "i8",
	"ubyte": "u1", "ushort": "u2", "uintc": "u4", "uintp": "u8", "ulong": "u8", "ulonglong": "u8",
	"csingle": "c8", "cdouble": "c16", "clongdouble": "c32",
	"datetime64": "M8", "timedelta64": "m8",
}

// ParseDType reads a dtype in any of NumPy's spellings: dtype.str ("<f4"), a
// name ("float32", and "bfloat16"), and structs as dtype.descr
// ("[('a', '<f4'), ('b', '<i8', (2, 3))]", where (”, '|V4') is padding), as a
// dict ("{'names': ['a'], 'formats': ['<f4'], 'offsets': [4], 'itemsize': 8}",
// with 'titles' and 'aligned' too, or "{'a': ('<f4', 4)}") and with commas
// ("i4, (2,3)f8"). Without a byte order, and with '=' or '|', it is
// little-endian, as are the machines that this module builds for. Object types,
// strings without a fixed size, and sub-arrays outside of a struct give an
// *UnsupportedError.
func ParseDType(s string) (DType, error) {
	switch {
	case !utf8.ValidString(s): // a struct's names could not be told again
		return DType{}, fmt.Errorf("dtype %s: not UTF-8", excerpt(s))
	case s != "" && (s[0] == '[' || s[0] == '{'):
		return parseStruct(s)
	case strings.Contains(s, ",") && len(splitMembers(s)) > 1:
		return parseMembers(s)
	}
	if err := unsupported(s); err != nil {
		return DType{}, err
	}
	body, order := s, byte('<')
	if s != "" && strings.IndexByte("<>=|", s[0]) >= 0 {
		body = s[1:]
		if s[0] == '>' {
			order = '>'
		}
	}
	if body == bfloat16 {
		return BFloat16.WithOrder(order), nil
	}
	body, unit, hasUnit := cutUnit(body)
	if code, ok := names[body]; ok {
		body = code
	}
	t := DType{order: order}
	n, ok := parseSize(body)
	if ok {
		t.kind = body[0]
		ok = t.setSize(n)
	}
	if !ok {
		return DType{}, fmt.Errorf("dtype %q: not one of NumPy's element types", s)
	}
	if t.kind == 'M' || t.kind == 'm' {
		t.unit, ok = parseUnit(unit, hasUnit)
	} else {
		ok = !hasUnit
	}
	if !ok {
		return DType{}, fmt.Errorf("dtype %q: bad time unit %q", s, unit)
	}
	return t, nil
}

// unsupported tells the types that NumPy knows and this package doesn't serve.
func unsupported(s string) error {
	switch body := strings.TrimLeft(s, "<>=|"); {
	case body == "":
		return nil
	case body == "O", body == "O8", body == "O4", body == "object", body == "object_":
		return &UnsupportedError{s, "its elements are Python objects, which have no bytes of their own"}
	case body == "T", body == "T16", body == "str", body == "StringDType()":
		return &UnsupportedError{s, "its elements have no fixed size"}
	case body[0] >= '1' && body[0] <= '9', body[0] == '(':
		return &UnsupportedError{s, "a sub-array type; give the dimensions in the shape"}
	}
	return nil
}

// cutUnit splits "M8[ns]" into "M8" and "ns".
func cutUnit(s string) (body, unit string, ok bool) {
	body, rest, ok := strings.Cut(s, "[")
	if !ok {
		return s, "", false
	}
	if unit, ok = strings.CutSuffix(rest, "]"); !ok {
		return s, rest, false // the bracket left in the body makes it no type
	}
	return body, unit, true
}

// parseSize reads the digits behind the kind's letter.
func parseSize(body string) (int, bool) {
	if len(body) < 2 {
		return 0, false
	}
	for i := 1; i < len(body); i++ {
		if body[i] < '0' || body[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(body[1:])
	return n, err == nil
}

// setSize checks the number behind the kind and sets size and order from it.
func (t *DType) setSize(n int) bool {
	ok := false
	switch t.kind {
	case 'b':
		ok = n == 1
	case 'i', 'u':
		ok = n == 1 || n == 2 || n == 4 || n == 8
	case 'f':
		ok = n == 2 || n == 4 || n == 8 || n == 16
	case 'c':
		ok = n == 8 || n == 16 || n == 32
	case 'M', 'm':
		ok = n == 8
	case 'S', 'V':
		ok, t.order = n <= math.MaxInt32, '|'
	case 'U':
		ok = n <= math.MaxInt32/4
		n *= 4 // code points of four bytes
	}
	if !ok {
		return false
	}
	if n == 1 {
		t.order = '|'
	}
	t.size = int32(n)
	return true
}

// parseUnit reads a time unit and brings it to NumPy's own spelling: "1s" is
// "s", and no unit at all is "generic".
func parseUnit(s string, given bool) (string, bool) {
	if !given || s == "generic" {
		return "", true
	}
	name := strings.TrimLeft(s, "0123456789")
	digits := s[:len(s)-len(name)]
	switch name {
	case "Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as":
	case "μs", "µs":
		name = "us"
	default:
		return "", false
	}
	if digits == "" {
		return name, true
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 1 {
		return "", false
	}
	if n == 1 {
		return name, true
	}
	return strconv.FormatInt(n, 10) + name, true
}

// String returns NumPy's dtype.str, "<f4", "|u1", ">U5", "<M8[ns]", for a struct
// the text of its descr or, where the fields overlap or aren't in order, of its
// dict; "" for the zero value. ParseDType reads it back.
func (t DType) String() string {
	switch {
	case !t.Valid():
		return ""
	case t.IsStruct():
		return t.structText(true)
	case t.kind == 'V' && t.unit != "":
		if t.order == '>' {
			return ">" + t.unit
		}
		return t.unit
	}
	n := int64(t.size)
	if t.kind == 'U' {
		n /= 4
	}
	s := string([]byte{t.order, t.kind}) + strconv.FormatInt(n, 10)
	if t.unit != "" {
		s += "[" + t.unit + "]"
	}
	return s
}

// Valid tells whether t is a type, so not the zero value.
func (t DType) Valid() bool { return t.kind != 0 }

// ItemSize returns the size of an element in bytes; 0 is possible for the
// kinds S, U and V.
func (t DType) ItemSize() int { return int(t.size) }

// Kind returns NumPy's letter: b bool, i signed, u unsigned, f float, c
// complex, S bytes, U text, V void, M time, m time difference.
func (t DType) Kind() byte { return t.kind }

// Order returns the byte order, '<' or '>', or '|' where bytes have none.
func (t DType) Order() byte { return t.order }

// Unit returns the unit of a time or time difference as in "<M8[25s]", here
// "25s"; "" for generic times and all other kinds.
func (t DType) Unit() string {
	if t.kind == 'V' {
		return ""
	}
	return t.unit
}

// Swapped returns the type with the other byte order, of all fields for a
// struct; a type without an order is its own.
func (t DType) Swapped() DType {
	switch {
	case t.IsStruct():
		return t.eachField(DType.Swapped)
	case t.order == '<':
		t.order = '>'
	case t.order == '>':
		t.order = '<'
	}
	return t
}

// WithOrder returns the type with byte order '<' or '>', of all fields for a
// struct; '=' and '|' are '<'. A type without an order is its own.
func (t DType) WithOrder(order byte) DType {
	if order != '>' {
		order = '<'
	}
	switch {
	case t.IsStruct():
		return t.eachField(func(f DType) DType { return f.WithOrder(order) })
	case t.order == '<' || t.order == '>':
		t.order = order
	}
	return t
}

// Align returns the alignment of the type as a member of an aligned struct
// (NumPy's dtype.alignment on 64-bit machines); 1 for the zero value. A struct
// whose fields all lie as an aligned one's has the largest of theirs, any other 1.
func (t DType) Align() int {
	if t.IsStruct() {
		return t.structAlign()
	}
	if t == BFloat16 || t.Swapped() == BFloat16 {
		return 2
	}
	switch t.kind {
	case 'b', 'i', 'u', 'f', 'M', 'm':
		return int(t.size)
	case 'c':
		return int(t.size) / 2
	case 'U':
		return 4
	}
	return 1
}
