// Package safetensors reads and writes SafeTensors files: named tensors behind
// a header in JSON, without anything that could run.
//
// Open maps a file: every tensor is a view of the map. ReadHeader reads the
// names, types, shapes and metadata alone. What a Writer writes lies as the
// original library lays it out, byte for byte (keys of the metadata are sorted,
// which the original leaves to chance): by type, the widest first, then by name.
//
// All rules of the format are checked when a file is opened: the header's size,
// its JSON, no name twice, and tensors that fill the data without overlap or
// hole.
//
// BF16 is array.BFloat16. The types of eight bits, F8_E4M3 and its like, which
// NumPy doesn't know, are void bytes, "|V1"; the member's attribute "dtype"
// tells the name, and a Writer takes it from there. F4 and F6, whose elements
// are no whole bytes, are listed by Header and served by nothing else.
package safetensors

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

const (
	prefixSize = 8 // u64, the header's size
	// MaxHeader is the largest header that the format allows, in bytes.
	MaxHeader   = 100_000_000
	metadataKey = "__metadata__"
)

// FormatError says that a file is no SafeTensors file, or a broken one.
type FormatError = array.FormatError

// dtype is an element type of the format.
type dtype struct {
	name string
	bits int
	t    array.DType // the zero value where elements are no whole bytes
}

// dtypes are in the original's order, from which the order of tensors follows.
var dtypes = []dtype{
	{"BOOL", 8, array.Bool},
	{"F4", 4, array.DType{}}, {"F6_E2M3", 6, array.DType{}}, {"F6_E3M2", 6, array.DType{}},
	{"U8", 8, array.Uint8}, {"I8", 8, array.Int8},
	{"F8_E5M2", 8, void1}, {"F8_E4M3", 8, void1}, {"F8_E8M0", 8, void1}, {"F8_E4M3FNUZ", 8, void1}, {"F8_E5M2FNUZ", 8, void1},
	{"I16", 16, array.Int16}, {"U16", 16, array.Uint16}, {"F16", 16, array.Float16}, {"BF16", 16, array.BFloat16},
	{"I32", 32, array.Int32}, {"U32", 32, array.Uint32}, {"F32", 32, array.Float32},
	{"C64", 64, array.Complex64}, {"F64", 64, array.Float64}, {"I64", 64, array.Int64}, {"U64", 64, array.Uint64},
}

var void1 = func() array.DType {
	t, err := array.ParseDType("|V1")
	if err != nil {
		panic("safetensors: " + err.Error())
	}
	return t
}()

// rank finds a type by the format's name, as its place in dtypes.
var rank = func() map[string]int {
	m := make(map[string]int, len(dtypes))
	for i, d := range dtypes {
		m[d.name] = i
	}
	return m
}()

// rankOf finds the format's type of a member.
func rankOf(m array.Member) (int, error) {
	t := m.Spec.DType
	if t.Kind() == 'V' && t.ItemSize() == 1 && !t.IsStruct() {
		name, _ := m.Attrs["dtype"].(string)
		if r, ok := rank[name]; ok && dtypes[r].t == void1 {
			return r, nil
		}
		return 0, &array.UnsupportedError{DType: t.String(), Why: `SafeTensors has no void bytes; the attribute "dtype" may name a float of eight bits, like F8_E4M3`}
	}
	t = t.WithOrder('<')
	for i, d := range dtypes {
		if d.t == t && t.Valid() {
			return i, nil
		}
	}
	return 0, &array.UnsupportedError{DType: m.Spec.DType.String(), Why: "SafeTensors has no such type"}
}

// Info is what the header tells of a tensor.
type Info struct {
	Name       string
	DType      string // the format's name: "F32", "BF16"
	Shape      []int
	Begin, End int64 // in the data, which lie behind the header
}

// member returns the tensor as an array, and why it isn't one.
func (t *Info) member() (array.Member, error) {
	d := dtypes[rank[t.DType]]
	m := array.Member{Name: t.Name, Spec: array.Spec{DType: d.t, Shape: t.Shape}}
	if !d.t.Valid() {
		return m, &array.UnsupportedError{DType: t.DType, Why: "its elements are no whole bytes"}
	}
	if d.t == void1 {
		m.Attrs = map[string]any{"dtype": t.DType}
	}
	return m, nil
}

// Header is what lies before the data.
type Header struct {
	Tensors  []Info // as their data lie
	Metadata map[string]string
	Data     int64 // where the data begin in the file

	index map[string]int
}

// appendHeader writes the JSON as the original does, spaces behind it up to a
// multiple of 8. The tensors must be in order.
func appendHeader(b []byte, tensors []Info, metadata map[string]string) []byte {
	begin := len(b)
	b = append(b, '{')
	if metadata != nil {
		b = append(b, `"__metadata__":{`...)
		keys := make([]string, 0, len(metadata))
		for k := range metadata {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for i, k := range keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, k), ':')
			b = appendString(b, metadata[k])
		}
		b = append(b, '}')
	}
	for i := range tensors {
		t := &tensors[i]
		if i > 0 || metadata != nil {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(append(append(b, `:{"dtype":"`...), t.DType...), `","shape":[`...)
		for k, d := range t.Shape {
			if k > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = strconv.AppendInt(append(b, `],"data_offsets":[`...), t.Begin, 10)
		b = strconv.AppendInt(append(b, ','), t.End, 10)
		b = append(b, "]}"...)
	}
	b = append(b, '}')
	for (len(b)-begin)%8 != 0 {
		b = append(b, ' ')
	}
	return b
}

// appendString writes a JSON string with no more escapes than it must have.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			if c < 0x20 {
				b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				b = append(b, c)
			}
		}
	}
	return append(b, '"')
}

// checkName tells why a tensor can't be called so.
func checkName(name string) error {
	switch {
	case name == metadataKey:
		return fmt.Errorf("array %q: the format keeps that name for the metadata", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("array %q: the name isn't UTF-8", name)
	}
	return nil
}
