package fields

import (
	"encoding"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSONText is JSON as Python's json module reads and writes it, kept as text:
// RFC 8259 plus the literals NaN, Infinity and -Infinity, integers of any
// size. It ends without the NUL that files keep behind it.
type JSONText []byte

// Check tells whether the text is one JSON value, and where it isn't.
func (t JSONText) Check() error {
	_, err := parseJSON(t, false)
	return err
}

// Value returns what the text says: nil, bool, string, []any, map[string]any;
// numbers without fraction and exponent as int64, or json.Number when larger;
// other numbers as float64, ±Inf when too large for one, as in Python. Of
// equal keys the last one counts. Nothing borrows the text.
func (t JSONText) Value() (any, error) { return parseJSON(t, true) }

// MarshalJSON returns the text itself, so that it stands in other JSON as it
// is; encoding/json refuses NaN and the infinities there.
func (t JSONText) MarshalJSON() ([]byte, error) { return t, nil }

// String returns the text.
func (t JSONText) String() string { return string(t) }

// maxDepth bounds how deep values nest, on both roads; it also ends cycles.
const maxDepth = 10000

// AppendJSON appends v as Python's json.dumps writes it with its defaults:
// ASCII only, ", " and ": " between, floats as repr gives them, NaN and
// infinities as literals. Map keys come in byte order, because Go's maps have
// none of their own.
//
// JSONText and json.RawMessage stand verbatim once checked. Structs and other
// json.Marshalers go through encoding/json, so their numbers are spelled as Go
// does. A []byte has no meaning in JSON and is refused, as are invalid UTF-8
// and what JSON can't hold; these errors wrap ErrValue.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	return appendJSON(dst, v, 0)
}

func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("json: nested deeper than %d values: %w", maxDepth, ErrValue)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case string:
		return appendString(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendFloat(dst, v), nil
	case JSONText:
		return appendVerbatim(dst, v)
	case json.RawMessage:
		return appendVerbatim(dst, v)
	case json.Number:
		if _, err := parseJSON([]byte(v), false); err != nil || strings.Trim(string(v), "+-.eE0123456789") != "" {
			return nil, fmt.Errorf("json: %q is not a number: %w", string(v), ErrValue)
		}
		return append(dst, v...), nil
	case []byte:
		return nil, fmt.Errorf("json: a []byte is no JSON value (text that already is JSON: JSONText): %w", ErrValue)
	case json.Marshaler, encoding.TextMarshaler:
		return appendMarshaled(dst, v)
	}
	return appendReflect(dst, reflect.ValueOf(v), depth)
}

func appendReflect(dst []byte, v reflect.Value, depth int) ([]byte, error) {
	switch v.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, v.Bool()), nil
	case reflect.String:
		return appendString(dst, v.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.AppendUint(dst, v.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, v.Float()), nil
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return append(dst, "null"...), nil
		}
		return appendJSON(dst, v.Elem().Interface(), depth+1)
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil, fmt.Errorf("json: a %v is no JSON value: %w", v.Type(), ErrValue)
		}
		return appendList(dst, v, depth)
	case reflect.Map:
		return appendMap(dst, v, depth)
	case reflect.Struct:
		return appendMarshaled(dst, v.Interface())
	}
	return nil, fmt.Errorf("json: a %v is no JSON value: %w", v.Type(), ErrValue)
}

func appendList(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range v.Len() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendJSON(dst, v.Index(i).Interface(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendMap(dst []byte, v reflect.Value, depth int) (_ []byte, err error) {
	if k := v.Type().Key().Kind(); k != reflect.String {
		return nil, fmt.Errorf("json: a %v: keys must be strings: %w", v.Type(), ErrValue)
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendString(dst, k.String()); err != nil {
			return nil, err
		}
		dst = append(dst, ": "...)
		if dst, err = appendJSON(dst, v.MapIndex(k).Interface(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendVerbatim(dst, text []byte) ([]byte, error) {
	if err := JSONText(text).Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrValue)
	}
	return append(dst, text...), nil
}

// appendMarshaled takes a value's own JSON and brings its strings and
// separators to Python's spelling.
func appendMarshaled(dst []byte, v any) ([]byte, error) {
	text, err := json.Marshal(v) // compact and valid
	if err != nil {
		return nil, fmt.Errorf("json: %w: %w", err, ErrValue)
	}
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '"':
			p := jsonParser{text: text, off: i}
			s, err := p.str(true)
			if err != nil {
				return nil, err
			}
			if dst, err = appendString(dst, s); err != nil {
				return nil, err
			}
			i = p.off - 1
		case ',', ':':
			dst = append(dst, c, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst, nil
}

const hexDigits = "0123456789abcdef"

// appendString writes what json.dumps does with ensure_ascii.
func appendString(dst []byte, s string) ([]byte, error) {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c <= '~' && c != '"' && c != '\\' {
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return nil, fmt.Errorf("json: string with byte 0x%02x at %d is not UTF-8: %w", c, i, ErrValue)
		}
		i += n
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\b':
			dst = append(dst, `\b`...)
		default:
			if r >= 0x10000 {
				r -= 0x10000
				dst = appendEscape(dst, 0xd800|uint16(r>>10))
				r = 0xdc00 | r&0x3ff
			}
			dst = appendEscape(dst, uint16(r))
		}
	}
	return append(dst, '"'), nil
}

func appendEscape(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

// appendFloat writes Python's repr: the shortest digits that read back as f,
// as a decimal between 1e-4 and 1e16 and with an exponent of two digits or
// more elsewhere, never looking like an integer.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}
