package zarr

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/pyjson"
)

// maxItem is how many bytes an element may have; NumPy holds sizes in an int32.
const maxItem = math.MaxInt32

// dtype2 reads the type of version 2: NumPy's text, or a list of fields.
func dtype2(v any, depth int) (array.DType, error) {
	switch v := v.(type) {
	case string:
		if v == "|O" {
			return array.DType{}, &array.UnsupportedError{DType: v, Why: "Python objects, strings of any length among them, have no fixed size"}
		}
		t, err := array.ParseDType(v)
		if err == nil && (t.ItemSize() > maxItem || t == array.BFloat16 || t.IsStruct()) {
			err = fmt.Errorf("dtype %s isn't one of version 2", brief(v))
		}
		return t, err
	case []any:
		if depth < pyjson.MaxNesting/10 {
			return struct2(v, depth)
		}
	}
	return array.DType{}, fmt.Errorf("dtype is %s", brief(v))
}

// struct2 reads [name, type] and [name, type, shape]; without a name it is
// padding, as in NumPy's descr.
func struct2(list []any, depth int) (array.DType, error) {
	var fields []array.Field
	at := 0
	for _, v := range list {
		parts, ok := v.([]any)
		if !ok || len(parts) < 2 || len(parts) > 3 {
			return array.DType{}, fmt.Errorf("dtype has the field %s, want [name, type]", brief(v))
		}
		name, ok := parts[0].(string)
		if !ok {
			return array.DType{}, fmt.Errorf("dtype has a field called %s", brief(parts[0]))
		}
		t, err := dtype2(parts[1], depth+1)
		if err != nil {
			return array.DType{}, err
		}
		f := array.Field{Name: name, DType: t, Offset: at}
		if len(parts) == 3 {
			if n, ok := parts[2].(int64); ok {
				parts[2] = []any{n}
			}
			if f.Shape, err = ints(map[string]any{"shape": parts[2]}, "shape"); err != nil {
				return array.DType{}, err
			}
		}
		size, err := f.Spec().Bytes()
		if err != nil || size > maxItem-at {
			return array.DType{}, fmt.Errorf("dtype: field %q is too large", name)
		}
		if at += size; name != "" || t.Kind() != 'V' || t.IsStruct() {
			fields = append(fields, f)
		}
	}
	return array.StructAt(fields, at)
}

// format2 is the type as .zarray tells it.
func format2(t array.DType) (any, error) {
	if !t.IsStruct() {
		if t == array.BFloat16 || t.Swapped() == array.BFloat16 {
			return nil, &array.UnsupportedError{DType: t.String(), Why: "version 2 has no bfloat16, version 3 has"}
		}
		return t.String(), nil
	}
	var list []any
	at := 0
	for _, f := range t.Fields() {
		if f.Offset != at {
			return nil, errPadding(t)
		}
		if f.Title != "" {
			return nil, &array.UnsupportedError{DType: t.String(), Why: "Zarr has no titles of fields"}
		}
		inner, err := format2(f.DType)
		if err != nil {
			return nil, err
		}
		field := []any{f.Name, inner}
		if f.Shape != nil {
			field = append(field, f.Shape)
		}
		list = append(list, field)
		size, _ := f.Spec().Bytes()
		at += size
	}
	if at != t.ItemSize() || at == 0 {
		return nil, errPadding(t)
	}
	return list, nil
}

func errPadding(t array.DType) error {
	return &array.UnsupportedError{DType: t.String(), Why: "Zarr has only packed structs, without padding"}
}

// names3 are the types of version 3 that are names alone.
var names3 = []struct {
	name string
	t    array.DType
}{
	{"bool", array.Bool}, {"int8", array.Int8}, {"int16", array.Int16}, {"int32", array.Int32}, {"int64", array.Int64},
	{"uint8", array.Uint8}, {"uint16", array.Uint16}, {"uint32", array.Uint32}, {"uint64", array.Uint64},
	{"float16", array.Float16}, {"float32", array.Float32}, {"float64", array.Float64},
	{"complex64", array.Complex64}, {"complex128", array.Complex128}, {"bfloat16", array.BFloat16},
	{"complex_float32", array.Complex64}, {"complex_float64", array.Complex128},
}

// dtype3 reads the type of version 3, little-endian.
func dtype3(v any, depth int) (array.DType, error) {
	name, config, err := named(v)
	if err != nil {
		return array.DType{}, fmt.Errorf("data_type: %w", err)
	}
	for _, t := range names3 {
		if t.name == name {
			return t.t, nil
		}
	}
	if digits, ok := strings.CutPrefix(name, "r"); ok {
		if n, err := strconv.ParseUint(digits, 10, 31); err == nil && n%8 == 0 && n > 0 {
			return array.ParseDType(fmt.Sprintf("|V%d", n/8))
		}
	}
	switch name {
	case "null_terminated_bytes":
		return sized3("S", config, 1)
	case "raw_bytes":
		return sized3("V", config, 1)
	case "fixed_length_utf32":
		return sized3("<U", config, 4)
	case "numpy.datetime64":
		return time3("M8", config)
	case "numpy.timedelta64":
		return time3("m8", config)
	case "struct", "structured":
		if depth < pyjson.MaxNesting/10 {
			return struct3(config, depth)
		}
	}
	return array.DType{}, &array.UnsupportedError{DType: brief(name), Why: "not a data type of version 3 with a fixed size"}
}

// sized3 reads a type whose configuration tells its size.
func sized3(letter string, config map[string]any, unit int64) (array.DType, error) {
	n, ok := config["length_bytes"].(int64)
	if !ok || n < 0 || n > maxItem || n%unit != 0 {
		return array.DType{}, fmt.Errorf("data_type: length_bytes is %s", brief(config["length_bytes"]))
	}
	return array.ParseDType(fmt.Sprintf("%s%d", letter, n/unit))
}

// time3 reads a time: a unit, and how many of it are one step.
func time3(letter string, config map[string]any) (array.DType, error) {
	unit, ok := config["unit"].(string)
	n, counted := config["scale_factor"].(int64)
	if !ok || !counted || n < 1 || n > math.MaxInt32 || unit == "" || strings.ContainsAny(unit, "0123456789[]") {
		return array.DType{}, fmt.Errorf("data_type: unit is %s, scale_factor %s", brief(config["unit"]), brief(config["scale_factor"]))
	}
	if unit == "generic" {
		return array.ParseDType("<" + letter)
	}
	if n == 1 {
		return array.ParseDType("<" + letter + "[" + unit + "]")
	}
	return array.ParseDType(fmt.Sprintf("<%s[%d%s]", letter, n, unit))
}

// struct3 reads fields as objects, and as the pairs of older files.
func struct3(config map[string]any, depth int) (array.DType, error) {
	list, ok := config["fields"].([]any)
	if !ok || len(list) == 0 {
		return array.DType{}, errors.New("data_type: a struct without fields")
	}
	var fields []array.Field
	for _, v := range list {
		var name, inner any
		switch f := v.(type) {
		case map[string]any:
			name, inner = f["name"], f["data_type"]
		case []any:
			if len(f) == 2 {
				name, inner = f[0], f[1]
			}
		}
		text, ok := name.(string)
		if !ok {
			return array.DType{}, fmt.Errorf("data_type: field %s", brief(v))
		}
		t, err := dtype3(inner, depth+1)
		if err != nil {
			return array.DType{}, err
		}
		fields = append(fields, array.Field{Name: text, DType: t})
	}
	return array.Struct(fields)
}

// format3 is the type as zarr.json tells it.
func format3(t array.DType) (any, error) {
	sized := func(name string, n int) any {
		return map[string]any{"name": name, "configuration": map[string]any{"length_bytes": n}}
	}
	if t.IsStruct() {
		return formatStruct3(t)
	}
	little := t.WithOrder('<')
	for _, n := range names3 {
		if n.t == little {
			return n.name, nil
		}
	}
	switch t.Kind() {
	case 'S':
		return sized("null_terminated_bytes", t.ItemSize()), nil
	case 'V':
		return sized("raw_bytes", t.ItemSize()), nil
	case 'U':
		return sized("fixed_length_utf32", t.ItemSize()), nil
	case 'M', 'm':
		name := map[byte]string{'M': "numpy.datetime64", 'm': "numpy.timedelta64"}[t.Kind()]
		unit := strings.TrimLeft(t.Unit(), "0123456789")
		scale := 1
		if digits := t.Unit()[:len(t.Unit())-len(unit)]; digits != "" {
			var err error
			if scale, err = strconv.Atoi(digits); err != nil {
				return nil, err
			}
		}
		if unit == "" {
			unit = "generic"
		}
		return map[string]any{"name": name, "configuration": map[string]any{"unit": unit, "scale_factor": scale}}, nil
	}
	return nil, &array.UnsupportedError{DType: t.String(), Why: "Zarr has no such type"}
}

func formatStruct3(t array.DType) (any, error) {
	var list []any
	at := 0
	for _, f := range t.Fields() {
		if f.Offset != at {
			return nil, errPadding(t)
		}
		if f.Shape != nil || f.Title != "" {
			return nil, &array.UnsupportedError{DType: t.String(), Why: "version 3 has neither sub-arrays nor titles in structs; version 2 has sub-arrays"}
		}
		inner, err := format3(f.DType)
		if err != nil {
			return nil, err
		}
		list = append(list, map[string]any{"name": f.Name, "data_type": inner})
		at += f.DType.ItemSize()
	}
	if at != t.ItemSize() || at == 0 {
		return nil, errPadding(t)
	}
	return map[string]any{"name": "struct", "configuration": map[string]any{"fields": list}}, nil
}

// order3 is the byte order that all of an element has; '|' for none.
func order3(t array.DType) (byte, error) {
	if !t.IsStruct() {
		return t.Order(), nil
	}
	switch t {
	case t.WithOrder('<'):
		if t == t.WithOrder('>') {
			return '|', nil
		}
		return '<', nil
	case t.WithOrder('>'):
		return '>', nil
	}
	return 0, &array.UnsupportedError{DType: t.String(), Why: "version 3 has one byte order for all fields; version 2 has one for each"}
}

// maxFill is how large an element may be whose fill value isn't zero.
const maxFill = 1 << 20

// fill2 reads the element of missing chunks in version 2; nil where all its
// bytes are zero. Without one it is undefined there; here it is zero.
func fill2(v any, t array.DType) ([]byte, error) {
	bytes := t.Kind() == 'S' || t.Kind() == 'V'
	if v == nil || v == "" || v == int64(0) && (bytes || t.Kind() == 'U') {
		return nil, nil
	}
	return fill(v, t, func(b []byte) error {
		if bytes {
			return fillBytes(b, v)
		}
		return fillScalar(b, v, t)
	})
}

// fill3 is fill2 for version 3.
func fill3(v any, t array.DType) ([]byte, error) {
	return fill(v, t, func(b []byte) error { return fillAny(b, v, t) })
}

// fill takes memory for an element and has it read. A size beyond maxFill
// stands in the metadata and nowhere else.
func fill(v any, t array.DType, read func([]byte) error) ([]byte, error) {
	if t.ItemSize() > maxFill {
		raw, err := []byte(nil), error(nil)
		if s, ok := v.(string); ok {
			raw, err = base64.StdEncoding.DecodeString(s)
		} else {
			err = unsupported(fmt.Sprintf("a fill value of %d bytes that isn't text", t.ItemSize()))
		}
		if err == nil && !isZero(raw) {
			err = unsupported(fmt.Sprintf("a fill value of %d bytes that isn't zero", t.ItemSize()))
		}
		return nil, err
	}
	b := make([]byte, t.ItemSize())
	if err := read(b); err != nil {
		return nil, err
	}
	if isZero(b) {
		return nil, nil
	}
	return b, nil
}

func fillAny(b []byte, v any, t array.DType) error {
	switch {
	case t.IsStruct():
		return fillStruct(b, v, t)
	case t.Kind() == 'S', t.Kind() == 'V' && t.WithOrder('<') != array.BFloat16:
		return fillBytes(b, v)
	}
	return fillScalar(b, v, t)
}

// isZero tells whether all bytes are 0.
func isZero(b []byte) bool {
	for len(b) >= 8 {
		if binary.LittleEndian.Uint64(b) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// fillStruct reads an object of the fields, or the bytes.
func fillStruct(b []byte, v any, t array.DType) error {
	m, ok := v.(map[string]any)
	if !ok {
		return fillBytes(b, v)
	}
	for _, f := range t.Fields() {
		inner, ok := m[f.Name]
		if !ok {
			return fmt.Errorf("field %q is missing", f.Name)
		}
		if err := fillAny(b[f.Offset:f.Offset+f.DType.ItemSize()], inner, f.DType); err != nil {
			return fmt.Errorf("field %q: %w", f.Name, err)
		}
	}
	return nil
}

// fillBytes reads bytes: in base64, or a list of numbers.
func fillBytes(b []byte, v any) error {
	switch v := v.(type) {
	case string:
		raw, err := base64.StdEncoding.DecodeString(v)
		if err != nil || len(raw) > len(b) {
			return fmt.Errorf("%s, want at most %d bytes in base64", brief(v), len(b))
		}
		copy(b, raw)
		return nil
	case []any:
		if len(v) == len(b) {
			for i, e := range v {
				n, ok := e.(int64)
				if !ok || n < 0 || n > 255 {
					return fmt.Errorf("byte %s", brief(e))
				}
				b[i] = byte(n)
			}
			return nil
		}
	}
	return fmt.Errorf("%s, want %d bytes", brief(v), len(b))
}

// fillScalar reads a number, a truth value or a text.
func fillScalar(b []byte, v any, t array.DType) error {
	bad := fmt.Errorf("%s isn't one of %v", brief(v), t)
	if s, ok := v.(string); ok && strings.HasPrefix(s, "0x") {
		raw, err := hex.DecodeString(s[2:])
		if err != nil || len(raw) != len(b) || t.Kind() != 'f' && t.Kind() != 'V' {
			return bad
		}
		for i := range raw { // hex is big-endian
			if b[i] = raw[i]; t.Order() == '<' {
				b[i] = raw[len(raw)-1-i]
			}
		}
		return nil
	}
	var text string
	switch t.Kind() {
	case 'b':
		truth, ok := v.(bool)
		if n, isInt := v.(int64); isInt && (n == 0 || n == 1) {
			truth, ok = n == 1, true
		}
		if f, isFloat := v.(float64); isFloat && (f == 0 || f == 1) {
			truth, ok = f == 1, true
		}
		if !ok {
			return bad
		}
		if truth {
			b[0] = 1
		}
		return nil
	case 'c':
		return fillComplex(b, v, t)
	case 'M', 'm':
		if v == "NaT" {
			v = int64(math.MinInt64)
		}
		n, ok := v.(int64)
		if !ok {
			return bad
		}
		byteOrder(t).PutUint64(b, uint64(n))
		return nil
	case 'U':
		s, ok := v.(string)
		if !ok {
			return bad
		}
		text = s
	case 'i', 'u':
		if f, ok := v.(float64); ok && f == math.Trunc(f) && math.Abs(f) < 1<<63 {
			v = int64(f)
		}
		switch v.(type) {
		case int64, uint64:
			text = fmt.Sprint(v)
		default:
			return bad
		}
	default:
		s, ok := floatText(v)
		if !ok {
			return bad
		}
		text = s
	}
	if t.Kind() == 'V' { // bfloat16
		var f [4]byte
		if err := array.ParseElement(f[:], text, array.Float32); err != nil {
			return fmt.Errorf("%s: %w", brief(v), err)
		}
		byteOrder(t).PutUint16(b, array.BFloat16Bits(math.Float32frombits(binary.LittleEndian.Uint32(f[:]))))
		return nil
	}
	if err := array.ParseElement(b, text, t); err != nil {
		return fmt.Errorf("%s: %w", brief(v), err)
	}
	return nil
}

func fillComplex(b []byte, v any, t array.DType) error {
	parts, ok := v.([]any)
	if !ok {
		parts = []any{v, int64(0)}
	}
	half := array.Float32
	if len(b) == 16 {
		half = array.Float64
	}
	if half = half.WithOrder(t.Order()); len(parts) != 2 {
		return fmt.Errorf("%s isn't one of %v", brief(v), t)
	}
	if err := fillScalar(b[:len(b)/2], parts[0], half); err != nil {
		return err
	}
	return fillScalar(b[len(b)/2:], parts[1], half)
}

// floatText writes a number as ParseElement reads it.
func floatText(v any) (string, bool) {
	switch v := v.(type) {
	case int64, uint64:
		return fmt.Sprint(v), true
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64), true
	case string:
		s, ok := map[string]string{"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}[v]
		return s, ok
	}
	return "", false
}

func byteOrder(t array.DType) binary.ByteOrder {
	if t.Order() == '>' {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// zero is the element of missing chunks that a writer tells: all bytes zero.
func zero(t array.DType, version int) any {
	if t.IsStruct() && version == 3 {
		m := map[string]any{}
		for _, f := range t.Fields() {
			m[f.Name] = zero(f.DType, 3)
		}
		return m
	}
	switch t.Kind() {
	case 'b':
		return false
	case 'i', 'u', 'M', 'm':
		return 0
	case 'f':
		return 0.0
	case 'c':
		return []any{0.0, 0.0}
	case 'U':
		return ""
	case 'V':
		if t.WithOrder('<') == array.BFloat16 {
			return 0.0
		}
	}
	return base64.StdEncoding.EncodeToString(make([]byte, t.ItemSize()))
}
