package mds

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/pyjson"
)

// Kind is how a column's values are encoded.
type Kind uint8

// The kinds of encodings.
const (
	KindBytes   Kind = iota // bytes
	KindText                // str: UTF-8
	KindImage               // jpeg, png: a file's bytes
	KindImages              // jpegarray, list[jpeg], list[png], list[pil]: several of them
	KindPixels              // pil: the pixels of one picture
	KindJSON                // json
	KindNumber              // int, uint8 … float64: one number of a fixed size
	KindDigits              // str_int, str_float, str_decimal: one number as text
	KindArray               // ndarray
	KindPickled             // pkl: Python's objects, which are never read
)

// Encoding is a column's encoding, as an index names it.
type Encoding struct {
	Kind Kind

	// DType is that of a number or of arrays; not Valid for arrays that each have
	// their own.
	DType array.DType

	// Shape is that of arrays; nil for those that each have their own.
	Shape []int

	name string
}

// numbers are the encodings of one number.
var numbers = map[string]array.DType{
	"int":   array.Int64,
	"uint8": array.Uint8, "uint16": array.Uint16, "uint32": array.Uint32, "uint64": array.Uint64,
	"int8": array.Int8, "int16": array.Int16, "int32": array.Int32, "int64": array.Int64,
	"float16": array.Float16, "float32": array.Float32, "float64": array.Float64,
}

// elements are the element types of arrays, and the numbers that stand for them.
var elements = []struct {
	code byte
	name string
	t    array.DType
}{
	{8, "uint8", array.Uint8}, {9, "int8", array.Int8},
	{16, "uint16", array.Uint16}, {17, "int16", array.Int16}, {18, "float16", array.Float16},
	{32, "uint32", array.Uint32}, {33, "int32", array.Int32}, {34, "float32", array.Float32},
	{64, "uint64", array.Uint64}, {65, "int64", array.Int64}, {66, "float64", array.Float64},
}

// kinds are the encodings that have nothing more to tell.
var kinds = map[string]Kind{
	"bytes": KindBytes, "str": KindText, "jpeg": KindImage, "png": KindImage,
	"jpegarray": KindImages, "jpeg_array": KindImages, "list[jpeg]": KindImages, "list[png]": KindImages, "list[pil]": KindImages,
	"pil": KindPixels, "json": KindJSON, "str_int": KindDigits, "str_float": KindDigits, "str_decimal": KindDigits,
	"pkl": KindPickled,
}

// maxDims is how many dimensions an array may have.
const maxDims = 63

// ParseEncoding reads the name of an encoding: int, jpeg, ndarray:float32:3,224 …
func ParseEncoding(text string) (Encoding, error) {
	e := Encoding{name: text}
	name, config, more := strings.Cut(text, ":")
	switch t, number := numbers[name]; {
	case number:
		e.Kind, e.DType = KindNumber, t
	case name == "ndarray":
		e.Kind = KindArray
		return e, e.configure(config)
	default:
		kind, ok := kinds[name]
		if !ok {
			return Encoding{}, fmt.Errorf("encoding %q: none that MDS has", text)
		}
		e.Kind = kind
	}
	if more {
		return Encoding{}, fmt.Errorf("encoding %q: %s takes no settings", text, name)
	}
	return e, nil
}

// configure reads the dtype and shape of arrays: "", "DTYPE" or "DTYPE:SIZE,SIZE…".
func (e *Encoding) configure(config string) error {
	if config == "" {
		return nil
	}
	name, shape, shaped := strings.Cut(config, ":")
	for _, x := range elements {
		if x.name == name {
			e.DType = x.t
		}
	}
	if !e.DType.Valid() {
		return fmt.Errorf("encoding %q: dtype %q is none that MDS has", e.name, name)
	}
	if !shaped {
		return nil
	}
	for _, part := range strings.Split(shape, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 || len(e.Shape) == maxDims {
			return fmt.Errorf("encoding %q: shape %q; expected sizes such as 3,224,224", e.name, shape)
		}
		e.Shape = append(e.Shape, n)
	}
	if n, err := e.spec().Bytes(); err != nil || n > math.MaxUint32 {
		return fmt.Errorf("encoding %q: no shard is that large", e.name)
	}
	return nil
}

func (e Encoding) spec() array.Spec { return array.Spec{DType: e.DType, Shape: e.Shape} }

// String returns the encoding's name.
func (e Encoding) String() string { return e.name }

// Size returns how many bytes each value has, 0 where they differ.
func (e Encoding) Size() int64 {
	switch {
	case e.Kind == KindNumber:
		return int64(e.DType.ItemSize())
	case e.Kind == KindArray && e.Shape != nil:
		n, err := e.spec().Bytes()
		if err == nil {
			return int64(n)
		}
	}
	return 0
}

// AppendValue appends a value as the encoding has it. Whole numbers of every Go type
// serve int, the whole types and str_int, all numbers the float types and
// str_float; strings serve str and str_decimal; []byte serves bytes, jpeg, png and
// json, whose text it then is; other values of json are written as Python writes
// them. array.Array serves ndarray. [][]byte serves the lists of jpeg and png. What
// an encoding can't hold exactly is an error, but for rounding to a float type.
func AppendValue(dst []byte, encoding string, v any) ([]byte, error) {
	e, err := ParseEncoding(encoding)
	if err != nil {
		return nil, err
	}
	out, err := e.append(dst, v)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", encoding, err)
	}
	return out, nil
}

func (e Encoding) append(dst []byte, v any) ([]byte, error) {
	switch e.Kind {
	case KindBytes, KindImage:
		if b, ok := v.([]byte); ok {
			return append(dst, b...), nil
		}
	case KindText:
		if s, ok := v.(string); ok {
			if !utf8.ValidString(s) {
				return nil, errors.New("text that is not UTF-8")
			}
			return append(dst, s...), nil
		}
	case KindJSON:
		return appendJSON(dst, v)
	case KindNumber:
		return e.appendNumber(dst, v)
	case KindDigits:
		return e.appendDigits(dst, v)
	case KindArray:
		if a, ok := v.(array.Array); ok {
			return e.appendArray(dst, a)
		}
	case KindImages:
		if list, ok := v.([][]byte); ok && e.name != "list[pil]" {
			return e.appendImages(dst, list)
		}
	case KindPickled, KindPixels:
		return nil, errors.New("it is not written")
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func appendJSON(dst []byte, v any) ([]byte, error) {
	text, ok := v.([]byte)
	if raw, is := v.(json.RawMessage); is {
		text, ok = raw, true
	}
	if !ok {
		return pyjson.Append(dst, v, 0)
	}
	if _, err := pyjson.Parse(text, &pyjson.Options{Twice: true}); err != nil {
		return nil, err
	}
	return append(dst, text...), nil
}

func (e Encoding) appendNumber(dst []byte, v any) ([]byte, error) {
	r := reflect.ValueOf(v)
	bits := 8 * e.DType.ItemSize()
	var u uint64
	switch kind := e.DType.Kind(); {
	case kind == 'f':
		f, ok := float(r)
		if !ok {
			return nil, fmt.Errorf("a value of type %T", v)
		}
		switch bits {
		case 16:
			u = uint64(array.Float16Bits(float32(f)))
		case 32:
			u = uint64(math.Float32bits(float32(f)))
		default:
			u = math.Float64bits(f)
		}
	case r.IsValid() && r.CanInt():
		n := r.Int()
		if kind == 'u' && (n < 0 || bits < 64 && n>>bits != 0) || kind == 'i' && n<<(64-bits)>>(64-bits) != n {
			return nil, fmt.Errorf("%d is out of range", n)
		}
		u = uint64(n)
	case r.IsValid() && r.CanUint():
		u = r.Uint()
		if kind == 'u' && bits < 64 && u>>bits != 0 || kind == 'i' && u>>(bits-1) != 0 {
			return nil, fmt.Errorf("%d is out of range", u)
		}
	default:
		return nil, fmt.Errorf("a value of type %T", v)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], u)
	return append(dst, b[:bits/8]...), nil
}

// float returns any number as a float.
func float(r reflect.Value) (float64, bool) {
	switch {
	case !r.IsValid():
	case r.CanFloat():
		return r.Float(), true
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	}
	return 0, false
}

func (e Encoding) appendDigits(dst []byte, v any) ([]byte, error) {
	r := reflect.ValueOf(v)
	switch s, text := v.(string); {
	case e.name == "str_decimal" && text:
		if _, _, err := big.ParseFloat(s, 10, 64, big.ToNearestEven); err != nil {
			return nil, fmt.Errorf("%q is no number", s)
		}
		return append(dst, s...), nil
	case e.name == "str_int" && r.IsValid() && r.CanInt():
		return strconv.AppendInt(dst, r.Int(), 10), nil
	case e.name == "str_int" && r.IsValid() && r.CanUint():
		return strconv.AppendUint(dst, r.Uint(), 10), nil
	case e.name == "str_float":
		switch f, ok := float(r); {
		case !ok:
		case math.IsNaN(f):
			return append(dst, "nan"...), nil
		case math.IsInf(f, 0):
			return append(dst, strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', -1, 64)), "+")...), nil
		default:
			return pyjson.Append(dst, f, 0)
		}
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func (e Encoding) appendArray(dst []byte, a array.Array) ([]byte, error) {
	code := byte(0)
	for _, x := range elements {
		if x.t == a.DType {
			code = x.code
		}
	}
	n, err := a.Count()
	switch {
	case err != nil:
		return nil, err
	case code == 0:
		return nil, fmt.Errorf("an array %v, of a dtype that MDS does not have", a.Spec)
	case n == 0 || len(a.Shape) == 0 || len(a.Shape) > maxDims:
		return nil, fmt.Errorf("an array %v; MDS has those of 1 to %d dimensions that are not empty", a.Spec, maxDims)
	case e.DType.Valid() && e.DType != a.DType, e.Shape != nil && !e.spec().Equal(a.Spec):
		return nil, fmt.Errorf("an array %v", a.Spec)
	}
	if !e.DType.Valid() {
		dst = append(dst, code)
	}
	if e.Shape == nil {
		dst = appendShape(dst, a.Shape)
	}
	return append(dst, a.Data...), nil
}

// appendShape writes how many sizes there are, of which width, and the sizes.
func appendShape(dst []byte, shape []int) []byte {
	largest := 0
	for _, n := range shape {
		largest = max(largest, n)
	}
	width := 0 // of 1, 2, 4, 8 bytes
	for width < 3 && uint64(largest)>>(8<<width) != 0 {
		width++
	}
	dst = append(dst, byte(len(shape)<<2|width))
	for _, n := range shape {
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(n))
		dst = append(dst, b[:1<<width]...)
	}
	return dst
}

func (e Encoding) appendImages(dst []byte, list [][]byte) ([]byte, error) {
	if strings.HasPrefix(e.name, "list[") {
		dst = append(dst, 0, 0, 0, 0) // for what may come, says MDS
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(list)))
	for _, b := range list {
		if len(b) > math.MaxUint32 {
			return nil, fmt.Errorf("an image of %d bytes", len(b))
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(b)))
	}
	for _, b := range list {
		dst = append(dst, b...)
	}
	return dst, nil
}
