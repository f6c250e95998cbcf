package pyjson

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Append writes v as Python's json.dumps(sort_keys=True) does, behind dst: on one
// line where indent is 0, else on lines that begin with so many blanks a level.
// Besides what Parse gives it takes all numbers, slices, maps with keys of
// strings, and what encoding/json can write.
func Append(dst []byte, v any, indent int) ([]byte, error) {
	w := &writer{b: dst, indent: indent}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b, nil
}

type writer struct {
	b      []byte
	indent int
}

func (w *writer) value(v any, depth int) error {
	if depth > MaxNesting {
		return fmt.Errorf("JSON: nested deeper than %d", MaxNesting)
	}
	switch v := v.(type) {
	case nil:
		w.b = append(w.b, "null"...)
		return nil
	case json.Number:
		if _, err := strconv.ParseFloat(string(v), 64); !json.Valid([]byte(v)) || err != nil && !IsInteger(string(v)) {
			return fmt.Errorf("JSON: %q is no number", string(v))
		}
		w.b = append(w.b, v...)
		return nil
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		w.b = strconv.AppendBool(w.b, r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		w.b = strconv.AppendInt(w.b, r.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		w.b = strconv.AppendUint(w.b, r.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		w.float(r.Float(), r.Type().Bits())
	case reflect.String:
		return w.text(r.String())
	case reflect.Slice, reflect.Array:
		return w.list(r, depth)
	case reflect.Map:
		if r.Type().Key().Kind() == reflect.String {
			return w.object(r, depth)
		}
		return w.other(v, depth)
	default:
		return w.other(v, depth)
	}
	return nil
}

// other writes what encoding/json knows.
func (w *writer) other(v any, depth int) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("JSON has no %T: %w", v, err)
	}
	plain, err := Parse(text, nil)
	if err != nil {
		return err
	}
	return w.value(plain, depth+1)
}

// line begins the next of several values, or the end behind them.
func (w *writer) line(depth int) {
	if w.indent > 0 {
		w.b = append(w.b, '\n')
		for range w.indent * depth {
			w.b = append(w.b, ' ')
		}
	}
}

// comma goes on to value i of those at a depth.
func (w *writer) comma(i, depth int) {
	if i > 0 {
		w.b = append(w.b, ',')
		if w.indent == 0 {
			w.b = append(w.b, ' ')
		}
	}
	w.line(depth)
}

func (w *writer) list(r reflect.Value, depth int) error {
	w.b = append(w.b, '[')
	for i := range r.Len() {
		w.comma(i, depth+1)
		if err := w.value(r.Index(i).Interface(), depth+1); err != nil {
			return err
		}
	}
	if r.Len() > 0 {
		w.line(depth)
	}
	w.b = append(w.b, ']')
	return nil
}

func (w *writer) object(r reflect.Value, depth int) error {
	values := make(map[string]reflect.Value, r.Len())
	for _, k := range r.MapKeys() {
		values[k.String()] = r.MapIndex(k)
	}
	w.b = append(w.b, '{')
	for i, key := range slices.Sorted(maps.Keys(values)) {
		w.comma(i, depth+1)
		if err := w.text(key); err != nil {
			return err
		}
		w.b = append(w.b, ": "...)
		if err := w.value(values[key].Interface(), depth+1); err != nil {
			return fmt.Errorf("%q: %w", key, err)
		}
	}
	if len(values) > 0 {
		w.line(depth)
	}
	w.b = append(w.b, '}')
	return nil
}

// float writes the shortest text that reads back as the same number, as Python's
// repr does.
func (w *writer) float(f float64, bits int) {
	switch {
	case math.IsNaN(f):
		w.b = append(w.b, "NaN"...)
		return
	case math.IsInf(f, 1):
		w.b = append(w.b, "Infinity"...)
		return
	case math.IsInf(f, -1):
		w.b = append(w.b, "-Infinity"...)
		return
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	begin := len(w.b)
	w.b = strconv.AppendFloat(w.b, f, format, -1, bits)
	if format == 'f' && !strings.Contains(string(w.b[begin:]), ".") {
		w.b = append(w.b, ".0"...)
	}
}

// text writes ASCII only, as Python does.
func (w *writer) text(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("JSON: %q is not UTF-8", s)
	}
	w.b = append(w.b, '"')
	for _, r := range s {
		const from, to = "\"\\\b\f\n\r\t", `"\bfnrt`
		if i := slices.Index([]rune(from), r); i >= 0 {
			w.b = append(w.b, '\\', to[i])
		} else if r >= ' ' && r < 0x7f || r == 0x7f {
			w.b = append(w.b, byte(r))
		} else if r < 0x10000 {
			w.b = fmt.Appendf(w.b, `\u%04x`, r)
		} else {
			hi, lo := utf16.EncodeRune(r)
			w.b = fmt.Appendf(w.b, `\u%04x\u%04x`, hi, lo)
		}
	}
	w.b = append(w.b, '"')
	return nil
}
