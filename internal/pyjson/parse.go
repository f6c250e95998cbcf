// Package pyjson reads and writes JSON as Python's json module does: NaN and the
// infinities are numbers, and whole numbers are not floats.
package pyjson

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Options say how Parse reads; nil and the zero value are the defaults.
type Options struct {
	// Twice lets a key be in an object twice, of which the last counts, as in
	// Python. By default that is an error.
	Twice bool
	// Number makes a value of a number as it is written, which is a valid one
	// and none of NaN and the infinities. By default that is an int64, or uint64
	// where only that holds it, else a json.Number, of numbers without point and
	// exponent, and a float64 of the others.
	Number func(word string) any
}

// MaxNesting is how deep values may lie in one another.
const MaxNesting = 200

// maxNumber is how many characters a number may have.
const maxNumber = 4096

type parser struct {
	text []byte
	off  int
	opts Options
}

// Parse reads one value, which must be all of the text: nil, bool, string, what
// Options tell of numbers, []any and map[string]any. Errors are *SyntaxError.
func Parse(text []byte, opts *Options) (any, error) {
	p := &parser{text: text}
	if opts != nil {
		p.opts = *opts
	}
	if p.opts.Number == nil {
		p.opts.Number = number
	}
	v, err := p.value(0)
	if err == nil && p.next() != 0 {
		err = p.fail("more text behind the value")
	}
	if err == nil && p.off < len(text) {
		err = p.fail("a zero byte")
	}
	return v, err
}

// SyntaxError says that a text is no JSON.
type SyntaxError struct {
	Offset int // in the text
	Msg    string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("JSON: at byte %d: %s", e.Offset, e.Msg) }

func (p *parser) fail(format string, args ...any) error {
	return &SyntaxError{p.off, fmt.Sprintf(format, args...)}
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
	if depth > MaxNesting {
		return nil, p.fail("nested deeper than %d", MaxNesting)
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
		if _, ok := m[key]; ok && !p.opts.Twice {
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
		if len(w) > maxNumber || !json.Valid([]byte(w)) {
			return nil, p.fail("%q is no value", w[:min(len(w), 40)])
		}
		v = p.opts.Number(w)
	}
	p.off = at
	return v, nil
}

// number is what a number is by default.
func number(w string) any {
	if IsInteger(w) {
		if n, err := strconv.ParseInt(w, 10, 64); err == nil {
			return n
		}
		if n, err := strconv.ParseUint(w, 10, 64); err == nil {
			return n
		}
		return json.Number(w)
	}
	f, _ := strconv.ParseFloat(w, 64) // what is too large is infinite, as in Python
	return f
}

// IsInteger tells whether a number is written as one without a fraction.
func IsInteger(w string) bool {
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
