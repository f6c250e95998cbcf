// Package literal reads and writes the text of Python's literals, in which NumPy
// tells dtypes and the headers of its files. Nothing is ever run.
package literal

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Python's lists and tuples, as Parse returns them.
type (
	List  []any
	Tuple []any
)

// maxNesting bounds how deep literals nest; real headers need five or so.
const maxNesting = 64

// Parse reads a Python literal: nil for None, bool, int, string, Tuple, List,
// and dicts with string keys, which come as map[string]any. White space may
// follow. Nothing else that Python has is read. Text in
// quotes that isn't UTF-8 is an error.
func Parse(text []byte) (any, error) {
	p := parser{text: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.off < len(text) {
		return nil, p.fail("more text behind the value")
	}
	return v, nil
}

type parser struct {
	text []byte
	off  int
}

func (p *parser) fail(what string) error {
	return fmt.Errorf("at byte %d of %d: %s", p.off, len(p.text), what)
}

func (p *parser) space() {
	for p.off < len(p.text) {
		switch p.text[p.off] {
		case ' ', '\t', '\n', '\r', '\f':
			p.off++
		default:
			return
		}
	}
}

// next skips white space and returns the byte there, 0 at the end.
func (p *parser) next() byte {
	if p.space(); p.off < len(p.text) {
		return p.text[p.off]
	}
	return 0
}

func (p *parser) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, p.fail("nested too deep")
	}
	switch c := p.next(); {
	case p.off == len(p.text):
		return nil, p.fail("it ends where a value should be")
	case c == '{':
		return p.dict(depth)
	case c == '[':
		items, _, err := p.items(']', depth)
		return List(items), err
	case c == '(':
		items, comma, err := p.items(')', depth)
		if err == nil && len(items) == 1 && !comma {
			return items[0], nil // parentheses only
		}
		return Tuple(items), err
	case c == '\'' || c == '"':
		return p.str()
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	start := p.off
	for p.off < len(p.text) && (p.text[p.off]|0x20 >= 'a' && p.text[p.off]|0x20 <= 'z') {
		p.off++
	}
	switch string(p.text[start:p.off]) {
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "None":
		return nil, nil
	}
	p.off = start
	return nil, p.fail(fmt.Sprintf("want a value, found %q", p.text[start]))
}

// items reads a list or tuple; comma tells whether there was any.
func (p *parser) items(end byte, depth int) (items []any, comma bool, err error) {
	p.off++
	for {
		if p.next() == end {
			p.off++
			return items, comma, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, false, err
		}
		items = append(items, v)
		switch p.next() {
		case ',':
			p.off++
			comma = true
		case end:
		default:
			return nil, false, p.fail(fmt.Sprintf("want ',' or %q", end))
		}
	}
}

func (p *parser) dict(depth int) (any, error) {
	m := map[string]any{}
	p.off++
	for {
		switch p.next() {
		case '}':
			p.off++
			return m, nil
		case '\'', '"':
		default:
			return nil, p.fail("want a key in quotes")
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		if p.next() != ':' {
			return nil, p.fail("want ':' behind a key")
		}
		p.off++
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, ok := m[key]; ok {
			return nil, p.fail(fmt.Sprintf("the key %q is there twice", key))
		}
		m[key] = v
		switch p.next() {
		case ',':
			p.off++
		case '}':
		default:
			return nil, p.fail("want ',' or '}'")
		}
	}
}

func (p *parser) number() (any, error) {
	start := p.off
	if p.text[p.off] == '-' {
		p.off++
	}
	for p.off < len(p.text) && p.text[p.off] >= '0' && p.text[p.off] <= '9' {
		p.off++
	}
	n, err := strconv.Atoi(string(p.text[start:p.off]))
	if err != nil {
		p.off = start
		return nil, p.fail("a number that isn't an integer of 64 bits")
	}
	if p.off < len(p.text) && p.text[p.off] == 'L' {
		p.off++ // Python 2 wrote long integers so
	}
	return n, nil
}

// str reads a string without prefix.
func (p *parser) str() (string, error) {
	start, quote := p.off, p.text[p.off]
	var out []byte
	for p.off++; p.off < len(p.text); p.off++ {
		c := p.text[p.off]
		switch {
		case c == quote:
			if !utf8.Valid(out) { // written again it would be other text
				p.off = start
				return "", p.fail("a string that isn't UTF-8")
			}
			p.off++
			return string(out), nil
		case c == '\n':
			return "", p.fail("a line ends inside a string")
		case c != '\\':
			out = append(out, c)
			continue
		}
		n, r, ok := unescape(p.text[p.off:])
		if !ok {
			return "", p.fail("an escape that isn't read here")
		}
		out = utf8.AppendRune(out, r)
		p.off += n - 1
	}
	return "", p.fail("it ends inside a string")
}

// unescape reads one escape of those that repr writes and returns its length.
func unescape(s []byte) (n int, r rune, ok bool) {
	if len(s) < 2 {
		return 0, 0, false
	}
	switch s[1] {
	case '\\', '\'', '"':
		return 2, rune(s[1]), true
	case 'n':
		return 2, '\n', true
	case 't':
		return 2, '\t', true
	case 'r':
		return 2, '\r', true
	case 'x':
		n = 4
	case 'u':
		n = 6
	case 'U':
		n = 10
	default:
		return 0, 0, false
	}
	if len(s) < n {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(string(s[2:n]), 16, 32)
	r = rune(v)
	return n, r, err == nil && v <= utf8.MaxRune && utf8.ValidRune(r)
}
