package npy

import (
	"encoding/binary"
	"errors"
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

// bad is an error at a byte of a file, or of an archive's entry.
func bad(off int, format string, args ...any) error {
	return &FormatError{Offset: int64(off), Msg: fmt.Sprintf(format, args...)}
}

// named tells where an error of a header belongs: in which file, to which array,
// and where what has the header begins, -1 inside of compressed data.
func named(err error, file, name string, begin int64) error {
	var f *FormatError
	if !errors.As(err, &f) {
		return fmt.Errorf("%s%w", array.Place(file, name, "", -1), err)
	}
	f.File, f.Array = file, name
	if f.Offset += begin; begin < 0 {
		f.Offset = -1
	}
	return f
}

// headerSize tells how many bytes lie before the data. Of a file's beginning
// it asks for no more than prefixSize bytes and 2 later ones.
func headerSize(b []byte) (int, error) {
	if len(b) < prefixSize {
		return 0, bad(len(b), "the file ends in the header")
	}
	if string(b[:len(magic)]) != magic {
		return 0, bad(0, "the file begins with %q, want %q", b[:len(magic)], magic)
	}
	switch major, minor := b[6], b[7]; {
	case minor != 0 || major < 1 || major > 3:
		return 0, bad(len(magic), "format version %d.%d, want 1.0, 2.0 or 3.0", major, minor)
	case major == 1:
		return prefixSize + int(binary.LittleEndian.Uint16(b[8:])), nil
	case len(b) < prefixSize+2:
		return prefixSize + 2, nil
	}
	n := binary.LittleEndian.Uint32(b[8:])
	if n > maxHeader {
		return 0, bad(len(magic)+2, "a header of %d bytes, at most %d are read", n, maxHeader)
	}
	return prefixSize + 2 + int(n), nil
}

// head is what a header tells.
type head struct {
	spec    array.Spec
	fortran bool // and not the same in both orders
	flag    bool // fortran_order as it stands there
	off     int  // where the data begin
	version byte
}

// strided returns the array over its bytes.
func (h *head) strided(data []byte) (array.Strided, error) {
	return array.Over(h.spec, h.fortran, data)
}

// rows refuses what has no rows that lie together.
func (h *head) rows() error {
	if h.fortran {
		return fmt.Errorf("an array %v in Fortran order (fortran_order: True): its rows don't lie together; save numpy.ascontiguousarray(a) instead", h.spec)
	}
	return nil
}

// parseHeader reads the header at the front of b.
func parseHeader(b []byte) (head, error) {
	off, err := headerSize(b)
	if err != nil {
		return head{}, err
	}
	if off > len(b) {
		return head{}, bad(len(b), "the file ends there, the header at byte %d", off)
	}
	start := prefixSize
	if b[6] > 1 {
		start += 2
	}
	if start > off {
		return head{}, bad(len(magic)+2, "no header")
	}
	text := b[start:off]
	if b[6] < 3 {
		text = fromLatin1(text)
	}
	h, err := parseDict(text)
	var u *array.UnsupportedError
	if errors.As(err, &u) {
		return head{}, fmt.Errorf("header: %w", err)
	}
	if err != nil {
		return head{}, bad(start, "header: %v", err)
	}
	h.off, h.version = off, b[6]
	return h, nil
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
func parseDict(text []byte) (head, error) {
	dict, err := literal.Parse(text)
	if err != nil {
		return head{}, err
	}
	m, ok := dict.(map[string]any)
	if !ok {
		return head{}, fmt.Errorf("%s, want a dict", literal.Describe(dict))
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if _, ok := m[key]; !ok {
			return head{}, fmt.Errorf("no key %q", key)
		}
	}
	if len(m) != 3 {
		return head{}, fmt.Errorf("%d keys, want descr, fortran_order and shape only", len(m))
	}
	dtype, err := parseDescr(m["descr"])
	if err != nil {
		return head{}, err
	}
	shape, err := parseShape(m["shape"])
	if err != nil {
		return head{}, err
	}
	fortran, ok := m["fortran_order"].(bool)
	if !ok {
		return head{}, fmt.Errorf("fortran_order is %s, want True or False", literal.Describe(m["fortran_order"]))
	}
	spec := array.Spec{DType: dtype, Shape: shape}
	if _, err := spec.Bytes(); err != nil {
		return head{}, err
	}
	return head{spec: spec, fortran: fortran && !spec.Flat(), flag: fortran}, nil
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

// headerText is the dict, with the room that NumPy leaves for the dimension
// that grows to have 21 digits.
func headerText(spec array.Spec, fortran bool) (string, error) {
	if !spec.DType.Valid() {
		return "", fmt.Errorf("array of shape %s: no dtype", array.ShapeString(spec.Shape))
	}
	if !spec.DType.HasDescr() {
		return "", &array.UnsupportedError{DType: spec.DType.String(), Why: "its fields overlap or are out of order, which a .npy file can't tell"}
	}
	if len(spec.Shape) > maxDims {
		return "", fmt.Errorf("a shape of %d dimensions, at most %d are possible", len(spec.Shape), maxDims)
	}
	text, grows := dictText(spec, fortran), 0
	if n := len(spec.Shape); n > 0 {
		if grows = spec.Shape[0]; fortran {
			grows = spec.Shape[n-1]
		}
		text += strings.Repeat(" ", 21-len(strconv.Itoa(grows)))
	}
	return text, nil
}

func dictText(spec array.Spec, fortran bool) string {
	order := "False"
	if fortran {
		order = "True"
	}
	return fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", spec.DType.Descr(), order, array.ShapeString(spec.Shape))
}

// formatHeader returns what lies before the data, as numpy.save writes it:
// version 1 where the text is Latin-1 and short, else 2, else 3.
func formatHeader(spec array.Spec, fortran bool) ([]byte, error) {
	text, err := headerText(spec, fortran)
	if err != nil {
		return nil, err
	}
	version, body := byte(1), []byte(text)
	if latin, ok := toLatin1(text); ok {
		body = latin
	} else {
		version = 3
	}
	if version == 1 && padded(prefixSize, len(body)) > prefixSize+math.MaxUint16 {
		version = 2
	}
	return assemble(version, body, 0)
}

// padded is the size of a header in all: it ends in a newline at a multiple of
// 64, and as NumPy's has at least one space before it.
func padded(prefix, text int) int { return prefix + text + 1 + 64 - (prefix+text+1)%64 }

// assemble puts prefix, text and spaces together: size bytes, or for 0 as few
// as NumPy writes.
func assemble(version byte, text []byte, size int) ([]byte, error) {
	prefix := prefixSize
	if version > 1 {
		prefix += 2
	}
	if size == 0 {
		size = padded(prefix, len(text))
	}
	n := size - prefix
	if n < len(text)+1 || n > maxHeader || version == 1 && n > math.MaxUint16 {
		return nil, fmt.Errorf("a header of %d bytes does not fit in %d", len(text)+1, n)
	}
	file := append(make([]byte, 0, size), magic...)
	file = append(file, version, 0)
	if version == 1 {
		file = binary.LittleEndian.AppendUint16(file, uint16(n))
	} else {
		file = binary.LittleEndian.AppendUint32(file, uint32(n))
	}
	file = append(file, text...)
	for len(file) < size-1 {
		file = append(file, ' ')
	}
	return append(file, '\n'), nil
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
