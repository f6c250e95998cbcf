package npy

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// A file begins with the magic, the version (major, minor), the header's
// length (u2 in version 1, u4 later) and the header: the text of a Python dict.
const (
	magic      = "\x93NUMPY"
	prefixSize = 10      // of version 1; 12 later
	maxHeader  = 1 << 20 // NumPy itself reads 10,000 bytes unless told otherwise
	maxDims    = 64      // NumPy's own limit
)

// headerSize tells how many bytes lie before the data. Of a file's beginning
// it asks for no more than prefixSize bytes and 2 later ones.
func headerSize(b []byte) (int, error) {
	if len(b) < prefixSize {
		return 0, fmt.Errorf("%d bytes, a header alone has more", len(b))
	}
	if string(b[:len(magic)]) != magic {
		return 0, fmt.Errorf("the file begins with %q, want %q", b[:len(magic)], magic)
	}
	switch major, minor := b[6], b[7]; {
	case minor != 0 || major < 1 || major > 3:
		return 0, fmt.Errorf("format version %d.%d, want 1.0, 2.0 or 3.0", major, minor)
	case major == 1:
		return prefixSize + int(binary.LittleEndian.Uint16(b[8:])), nil
	case len(b) < prefixSize+2:
		return prefixSize + 2, nil
	}
	n := binary.LittleEndian.Uint32(b[8:])
	if n > maxHeader {
		return 0, fmt.Errorf("a header of %d bytes, at most %d are read", n, maxHeader)
	}
	return prefixSize + 2 + int(n), nil
}

// parseHeader returns dtype, shape and where the data begin.
func parseHeader(b []byte) (array.Spec, int, error) {
	off, err := headerSize(b)
	if err != nil {
		return array.Spec{}, 0, err
	}
	if off > len(b) {
		return array.Spec{}, 0, fmt.Errorf("the header ends at byte %d, the file at %d", off, len(b))
	}
	start := prefixSize
	if b[6] > 1 {
		start += 2
	}
	if start > off {
		return array.Spec{}, 0, fmt.Errorf("no header")
	}
	spec, err := parseDict(b[start:off])
	if err != nil {
		return array.Spec{}, 0, fmt.Errorf("header: %w", err)
	}
	return spec, off, nil
}

// parseDict reads {'descr': …, 'fortran_order': …, 'shape': …}.
func parseDict(text []byte) (array.Spec, error) {
	dict, err := parseLiteral(text)
	if err != nil {
		return array.Spec{}, err
	}
	m, ok := dict.(map[string]any)
	if !ok {
		return array.Spec{}, fmt.Errorf("%s, want a dict", describe(dict))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if _, ok := m[key]; !ok {
			return array.Spec{}, fmt.Errorf("no key %q", key)
		}
	}
	if len(m) != 3 {
		return array.Spec{}, fmt.Errorf("%d keys, want descr, fortran_order and shape only", len(m))
	}
	dtype, err := parseDescr(m["descr"])
	if err != nil {
		return array.Spec{}, err
	}
	shape, err := parseShape(m["shape"])
	if err != nil {
		return array.Spec{}, err
	}
	fortran, ok := m["fortran_order"].(bool)
	if !ok {
		return array.Spec{}, fmt.Errorf("fortran_order is %s, want True or False", describe(m["fortran_order"]))
	}
	spec := array.Spec{DType: dtype, Shape: shape}
	if fortran && !flat(shape) {
		return array.Spec{}, fmt.Errorf("an array %v in Fortran order (fortran_order: True): its rows don't lie together; save numpy.ascontiguousarray(a) instead", spec)
	}
	return spec, nil
}

// flat tells whether both orders are the same: at most one dimension counts.
func flat(shape []int) bool {
	long := 0
	for _, d := range shape {
		if d == 0 {
			return true
		}
		if d > 1 {
			long++
		}
	}
	return long <= 1
}

func parseDescr(v any) (array.DType, error) {
	switch v := v.(type) {
	case string:
		return array.ParseDType(v)
	case list, tuple:
		return array.DType{}, &array.UnsupportedError{DType: literalText(v), Why: "structured; take one member's column, or view it as bytes"}
	}
	return array.DType{}, fmt.Errorf("descr is %s, want a string", describe(v))
}

func parseShape(v any) ([]int, error) {
	t, ok := v.(tuple)
	if !ok {
		return nil, fmt.Errorf("shape is %s, want a tuple", describe(v))
	}
	if len(t) > maxDims {
		return nil, fmt.Errorf("shape has %d dimensions, at most %d are possible", len(t), maxDims)
	}
	shape := make([]int, len(t))
	for i, d := range t {
		n, ok := d.(int)
		if !ok || n < 0 {
			return nil, fmt.Errorf("dimension %d of the shape is %s, want a number not below 0", i, describe(d))
		}
		shape[i] = n
	}
	return shape, nil
}

// describe names a literal in an error.
func describe(v any) string {
	if s := literalText(v); len(s) <= 60 {
		return s
	}
	switch v.(type) {
	case map[string]any:
		return "a dict"
	case list:
		return "a list"
	case tuple:
		return "a tuple"
	}
	return "a long string"
}

// literalText writes a literal back, as it is read in NumPy's own spelling.
func literalText(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		if !utf8.ValidString(v) {
			return fmt.Sprintf("%q", v)
		}
		return "'" + v + "'"
	case list:
		return "[" + joined(v) + "]"
	case tuple:
		if len(v) == 1 {
			return "(" + joined(v) + ",)"
		}
		return "(" + joined(v) + ")"
	case map[string]any:
		return "a dict"
	}
	return fmt.Sprint(v)
}

func joined(vs []any) string {
	s := ""
	for i, v := range vs {
		if i > 0 {
			s += ", "
		}
		s += literalText(v)
	}
	return s
}
