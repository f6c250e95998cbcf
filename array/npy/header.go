package npy

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/literal"
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
	text := b[start:off]
	if b[6] < 3 {
		text = fromLatin1(text)
	}
	spec, err := parseDict(text)
	if err != nil {
		return array.Spec{}, 0, fmt.Errorf("header: %w", err)
	}
	return spec, off, nil
}

// fromLatin1 returns the header of versions 1 and 2 as UTF-8.
func fromLatin1(text []byte) []byte {
	if !slices.ContainsFunc(text, func(c byte) bool { return c >= utf8.RuneSelf }) {
		return text
	}
	var b []byte
	for _, c := range text {
		b = utf8.AppendRune(b, rune(c))
	}
	return b
}

// parseDict reads {'descr': …, 'fortran_order': …, 'shape': …}.
func parseDict(text []byte) (array.Spec, error) {
	dict, err := literal.Parse(text)
	if err != nil {
		return array.Spec{}, err
	}
	m, ok := dict.(map[string]any)
	if !ok {
		return array.Spec{}, fmt.Errorf("%s, want a dict", literal.Describe(dict))
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
		return array.Spec{}, fmt.Errorf("fortran_order is %s, want True or False", literal.Describe(m["fortran_order"]))
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
	case literal.List:
		return array.ParseDType(literal.Text(v))
	case literal.Tuple:
		return array.DType{}, &array.UnsupportedError{DType: literal.Text(v), Why: "a sub-array type; give the dimensions in the shape"}
	}
	return array.DType{}, fmt.Errorf("descr is %s, want a string or a list", literal.Describe(v))
}

func parseShape(v any) ([]int, error) {
	t, ok := v.(literal.Tuple)
	if !ok {
		return nil, fmt.Errorf("shape is %s, want a tuple", literal.Describe(v))
	}
	if len(t) > maxDims {
		return nil, fmt.Errorf("shape has %d dimensions, at most %d are possible", len(t), maxDims)
	}
	shape := make([]int, len(t))
	for i, d := range t {
		n, ok := d.(int)
		if !ok || n < 0 {
			return nil, fmt.Errorf("dimension %d of the shape is %s, want a number not below 0", i, literal.Describe(d))
		}
		shape[i] = n
	}
	return shape, nil
}

// formatHeader returns what lies before the data, as numpy.save writes it:
// version 1 where the text is Latin-1 and short, else 2, else 3.
func formatHeader(spec array.Spec, fortran bool) ([]byte, error) {
	return sizedHeader(spec, fortran, 0)
}

// sizedHeader is formatHeader with spaces up to size bytes in all, where it is
// shorter. A longer one comes as long as it is.
func sizedHeader(spec array.Spec, fortran bool, size int) ([]byte, error) {
	if !spec.DType.Valid() {
		return nil, fmt.Errorf("array of shape %s: no dtype", array.ShapeString(spec.Shape))
	}
	if !spec.DType.HasDescr() {
		return nil, &array.UnsupportedError{DType: spec.DType.String(), Why: "its fields overlap or are out of order, which a .npy file can't tell"}
	}
	if len(spec.Shape) > maxDims {
		return nil, fmt.Errorf("a shape of %d dimensions, at most %d are possible", len(spec.Shape), maxDims)
	}
	order := "False"
	if fortran {
		order = "True"
	}
	text := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", spec.DType.Descr(), order, array.ShapeString(spec.Shape))
	if n := len(spec.Shape); n > 0 {
		// NumPy leaves room for the dimension that grows to have 21 digits.
		grows := spec.Shape[0]
		if fortran {
			grows = spec.Shape[n-1]
		}
		text += strings.Repeat(" ", 21-len(strconv.Itoa(grows)))
	}
	version, body := byte(1), []byte(text)
	if latin, ok := toLatin1(text); ok {
		body = latin
	} else {
		version = 3
	}
	// The header ends in a newline, at a multiple of 64; version 1 has a length of two bytes.
	pad := func(prefix int) {
		n := 64 - (prefix+len(body)+1)%64
		n = max(n, size-prefix-len(body)-1)
		body = append(body, strings.Repeat(" ", n)...)
		body = append(body, '\n')
	}
	if version == 1 {
		if n := len(body); prefixSize+n+64 < math.MaxUint16 && size <= math.MaxUint16 {
			pad(prefixSize)
			file := append([]byte(magic), 1, 0)
			return append(binary.LittleEndian.AppendUint16(file, uint16(len(body))), body...), nil
		}
		version = 2
	}
	pad(prefixSize + 2)
	if len(body) > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes, at most %d are read", len(body), maxHeader)
	}
	file := append([]byte(magic), version, 0)
	return append(binary.LittleEndian.AppendUint32(file, uint32(len(body))), body...), nil
}

// toLatin1 returns text in a byte a character, where that can be.
func toLatin1(text string) ([]byte, bool) {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}
