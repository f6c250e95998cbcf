package gnz

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// maxNesting bounds how deep JSON values nest.
const maxNesting = 100

// parser reads JSON as Python does: NaN and Infinity are numbers. Numbers come
// as int, as float64, or, where an int doesn't hold them, as json.Number. A key
// that is there twice is an error.
type parser struct {
	text []byte
	off  int
}

func parseJSON(text []byte) (any, error) {
	p := &parser{text: text}
	v, err := p.value(0)
	if err == nil && p.next() != 0 {
		err = p.fail("more text behind the value")
	}
	if err == nil && p.off < len(text) {
		err = p.fail("a zero byte")
	}
	return v, err
}

// syntaxError is a failure at a byte of the text.
type syntaxError struct {
	off int
	msg string
}

func (e *syntaxError) Error() string { return fmt.Sprintf("byte %d of the JSON: %s", e.off, e.msg) }

func (p *parser) fail(format string, args ...any) error {
	return &syntaxError{p.off, fmt.Sprintf(format, args...)}
}

// next skips white space and returns the byte there, 0 at the end.
func (p *parser) next() byte {
	for ; p.off < len(p.text); p.off++ {
		if c := p.text[p.off]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, p.fail("nested deeper than %d", maxNesting)
	}
	switch c := p.next(); c {
	case '{':
		return p.object(depth)
	case '[':
		return p.list(depth)
	case '"':
		return p.str()
	case 0:
		return nil, p.fail("no value")
	default:
		return p.word()
	}
}

func (p *parser) object(depth int) (any, error) {
	m := map[string]any{}
	p.off++
	if p.next() == '}' {
		p.off++
		return m, nil
	}
	for {
		if p.next() != '"' {
			return nil, p.fail("no key")
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if _, ok := m[key]; ok {
			return nil, p.fail("the key %q is there twice", key)
		}
		if p.next() != ':' {
			return nil, p.fail("no colon behind the key %q", key)
		}
		p.off++
		if m[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if done, err := p.more('}'); done || err != nil {
			return m, err
		}
	}
}

func (p *parser) list(depth int) (any, error) {
	l := []any{}
	p.off++
	if p.next() == ']' {
		p.off++
		return l, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		l = append(l, v)
		if done, err := p.more(']'); done || err != nil {
			return l, err
		}
	}
}

// more passes a comma, or the end of an object or list.
func (p *parser) more(end byte) (done bool, err error) {
	switch p.next() {
	case ',':
	case end:
		done = true
	default:
		return false, p.fail("neither a comma nor %q", end)
	}
	p.off++
	return done, nil
}

// word reads a number or a constant.
func (p *parser) word() (any, error) {
	at := p.off
	for at < len(p.text) && (p.text[at] >= '0' && p.text[at] <= '9' || p.text[at]|32 >= 'a' && p.text[at]|32 <= 'z' ||
		p.text[at] == '+' || p.text[at] == '-' || p.text[at] == '.') {
		at++
	}
	w := string(p.text[p.off:at])
	var v any
	switch w {
	case "null":
	case "true":
		v = true
	case "false":
		v = false
	case "NaN":
		v = math.NaN()
	case "Infinity":
		v = math.Inf(1)
	case "-Infinity":
		v = math.Inf(-1)
	default:
		if !json.Valid([]byte(w)) {
			return nil, p.fail("%q is no value", w[:min(len(w), 40)])
		}
		if n, err := strconv.Atoi(w); err == nil {
			v = n
		} else if f, err := strconv.ParseFloat(w, 64); err == nil && !isInteger(w) {
			v = f
		} else {
			v = json.Number(w)
		}
	}
	p.off = at
	return v, nil
}

// isInteger tells whether a number is written as one without a fraction.
func isInteger(w string) bool {
	for _, c := range w {
		if c == '.' || c|32 == 'e' {
			return false
		}
	}
	return true
}

// str reads a string.
func (p *parser) str() (string, error) {
	p.off++
	var out []byte
	for p.off < len(p.text) {
		c := p.text[p.off]
		switch {
		case c == '"':
			p.off++
			return string(out), nil
		case c < ' ':
			return "", p.fail("a control character in a string")
		case c == '\\':
			var err error
			if out, err = p.escape(out); err != nil {
				return "", err
			}
		case c < utf8.RuneSelf:
			out = append(out, c)
			p.off++
		default:
			r, n := utf8.DecodeRune(p.text[p.off:])
			if r == utf8.RuneError && n == 1 {
				return "", p.fail("not UTF-8")
			}
			out = append(out, p.text[p.off:p.off+n]...)
			p.off += n
		}
	}
	return "", p.fail("a string without an end")
}

func (p *parser) escape(out []byte) ([]byte, error) {
	if p.off+1 >= len(p.text) {
		return nil, p.fail("a string without an end")
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	c := p.text[p.off+1]
	if i := slices.Index([]byte(from), c); i >= 0 {
		p.off += 2
		return append(out, to[i]), nil
	}
	r, err := p.hex()
	if err != nil {
		return nil, err
	}
	if utf16.IsSurrogate(r) {
		low, err := p.hex()
		if err != nil {
			return nil, err
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			return nil, p.fail("half of a character")
		}
	}
	return utf8.AppendRune(out, r), nil
}

// hex reads \uXXXX.
func (p *parser) hex() (rune, error) {
	if len(p.text)-p.off < 6 || p.text[p.off] != '\\' || p.text[p.off+1] != 'u' {
		return 0, p.fail("an escape that JSON doesn't have")
	}
	n, err := strconv.ParseUint(string(p.text[p.off+2:p.off+6]), 16, 16)
	if err != nil {
		return 0, p.fail("an escape that JSON doesn't have")
	}
	p.off += 6
	return rune(n), nil
}

// appendJSON writes v as Python's json.dumps does with sort_keys=True.
func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case json.Number:
		if _, err := strconv.ParseFloat(string(v), 64); !json.Valid([]byte(v)) || err != nil && !isInteger(string(v)) {
			return nil, fmt.Errorf("%q is no number", string(v))
		}
		return append(dst, v...), nil
	case string:
		return appendString(dst, v)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Bool:
		return strconv.AppendBool(dst, r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.AppendInt(dst, r.Int(), 10), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return strconv.AppendUint(dst, r.Uint(), 10), nil
	case reflect.Float32, reflect.Float64:
		return appendFloat(dst, r.Float()), nil
	case reflect.String:
		return appendString(dst, r.String())
	case reflect.Slice, reflect.Array:
		return appendList(dst, r, depth)
	case reflect.Map:
		if r.Type().Key().Kind() == reflect.String {
			return appendObject(dst, r, depth)
		}
	}
	return nil, fmt.Errorf("JSON has no %T", v)
}

func appendList(dst []byte, r reflect.Value, depth int) (_ []byte, err error) {
	dst = append(dst, '[')
	for i := range r.Len() {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendJSON(dst, r.Index(i).Interface(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendObject(dst []byte, r reflect.Value, depth int) (_ []byte, err error) {
	keys := r.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		switch {
		case a.String() < b.String():
			return -1
		case a.String() > b.String():
			return 1
		}
		return 0
	})
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = appendString(dst, k.String()); err != nil {
			return nil, err
		}
		dst = append(dst, ": "...)
		if dst, err = appendJSON(dst, r.MapIndex(k).Interface(), depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return append(dst, array.FormatElement(array.BytesOf([]float64{f}), array.Float64)...)
}

// appendString writes ASCII only, as Python does.
func appendString(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("%q is not UTF-8", s)
	}
	dst = append(dst, '"')
	for _, r := range s {
		const from, to = "\"\\\b\f\n\r\t", `"\bfnrt`
		if i := slices.Index([]rune(from), r); i >= 0 {
			dst = append(dst, '\\', to[i])
		} else if r >= ' ' && r < 0x7f || r == 0x7f {
			dst = append(dst, byte(r))
		} else if r < 0x10000 {
			dst = fmt.Appendf(dst, `\u%04x`, r)
		} else {
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		}
	}
	return append(dst, '"'), nil
}
