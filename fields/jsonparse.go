package fields

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// parseJSON reads text as one JSON value in Python's dialect; without build it
// only checks, allocating nothing.
func parseJSON(text []byte, build bool) (any, error) {
	p := jsonParser{text: text}
	v, err := p.value(build, 0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.off < len(text) {
		return nil, p.fail("more text behind the value")
	}
	return v, nil
}

// jsonParser walks a JSON text. Offsets in its errors are from the text's
// start.
type jsonParser struct {
	text []byte
	off  int
}

func (p *jsonParser) fail(what string) error {
	return fmt.Errorf("json text: at byte %d of %d: %s", p.off, len(p.text), what)
}

func (p *jsonParser) space() {
	for p.off < len(p.text) {
		switch p.text[p.off] {
		case ' ', '\t', '\n', '\r':
			p.off++
		default:
			return
		}
	}
}

// peek returns the byte at the cursor, 0 at the end.
func (p *jsonParser) peek() byte {
	if p.off < len(p.text) {
		return p.text[p.off]
	}
	return 0
}

func (p *jsonParser) value(build bool, depth int) (any, error) {
	if depth > maxDepth {
		return nil, p.fail(fmt.Sprintf("nested deeper than %d values", maxDepth))
	}
	p.space()
	if p.off == len(p.text) {
		return nil, p.fail("it ends where a value should be")
	}
	switch c := p.text[p.off]; {
	case c == '"':
		s, err := p.str(build)
		if err != nil || !build {
			return nil, err
		}
		return s, nil
	case c == '{':
		return p.object(build, depth)
	case c == '[':
		return p.list(build, depth)
	case c == '-' || c >= '0' && c <= '9':
		return p.number(build)
	case p.literal("true"):
		return true, nil
	case p.literal("false"):
		return false, nil
	case p.literal("null"):
		return nil, nil
	case p.literal("NaN"):
		return p.float(math.NaN(), build)
	case p.literal("Infinity"):
		return p.float(math.Inf(1), build)
	}
	return nil, p.fail(fmt.Sprintf("want a value, found %q", p.text[p.off]))
}

// float keeps a number from being boxed when nobody wants it.
func (p *jsonParser) float(f float64, build bool) (any, error) {
	if !build {
		return nil, nil
	}
	return f, nil
}

func (p *jsonParser) literal(s string) bool {
	if len(p.text)-p.off < len(s) || string(p.text[p.off:p.off+len(s)]) != s {
		return false
	}
	p.off += len(s)
	return true
}

func (p *jsonParser) object(build bool, depth int) (any, error) {
	var m map[string]any
	if build {
		m = map[string]any{}
	}
	p.off++
	if p.space(); p.peek() == '}' {
		p.off++
		return m, nil
	}
	for {
		if p.space(); p.peek() != '"' {
			return nil, p.fail("want a key in quotes")
		}
		key, err := p.str(build)
		if err != nil {
			return nil, err
		}
		if p.space(); p.peek() != ':' {
			return nil, p.fail("want ':' behind a key")
		}
		p.off++
		v, err := p.value(build, depth+1)
		if err != nil {
			return nil, err
		}
		if build {
			m[key] = v
		}
		p.space()
		switch p.peek() {
		case ',':
			p.off++
		case '}':
			p.off++
			return m, nil
		default:
			return nil, p.fail("want ',' or '}' in an object")
		}
	}
}

func (p *jsonParser) list(build bool, depth int) (any, error) {
	var l []any
	if build {
		l = []any{}
	}
	p.off++
	if p.space(); p.peek() == ']' {
		p.off++
		return l, nil
	}
	for {
		v, err := p.value(build, depth+1)
		if err != nil {
			return nil, err
		}
		if build {
			l = append(l, v)
		}
		p.space()
		switch p.peek() {
		case ',':
			p.off++
		case ']':
			p.off++
			return l, nil
		default:
			return nil, p.fail("want ',' or ']' in a list")
		}
	}
}

// digits skips decimal digits and tells whether there were any.
func (p *jsonParser) digits() bool {
	start := p.off
	for c := p.peek(); c >= '0' && c <= '9'; c = p.peek() {
		p.off++
	}
	return p.off > start
}

func (p *jsonParser) number(build bool) (any, error) {
	start, whole := p.off, true
	if p.peek() == '-' {
		p.off++
		if p.literal("Infinity") {
			return p.float(math.Inf(-1), build)
		}
	}
	if p.peek() == '0' {
		p.off++ // a zero stands alone: 01 is two values and so an error further on
	} else if !p.digits() {
		return nil, p.fail("want a digit")
	}
	if p.peek() == '.' {
		whole = false
		if p.off++; !p.digits() {
			return nil, p.fail("want a digit behind the point")
		}
	}
	if c := p.peek(); c == 'e' || c == 'E' {
		whole = false
		p.off++
		if c := p.peek(); c == '+' || c == '-' {
			p.off++
		}
		if !p.digits() {
			return nil, p.fail("want a digit in the exponent")
		}
	}
	if !build {
		return nil, nil
	}
	s := string(p.text[start:p.off])
	if whole {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n, nil
		}
		return json.Number(s), nil
	}
	f, _ := strconv.ParseFloat(s, 64) // its one possible failure is ±Inf for a number too large, as in Python
	return f, nil
}

// str reads a string with its quotes. Half of a surrogate pair, which Python
// lets pass, becomes U+FFFD.
func (p *jsonParser) str(build bool) (string, error) {
	p.off++
	start, plain := p.off, true
	var out []byte
	for {
		if p.off == len(p.text) {
			return "", p.fail("it ends inside a string")
		}
		c := p.text[p.off]
		switch {
		case c == '"':
			s := p.text[start:p.off]
			p.off++
			if !build {
				return "", nil
			}
			if plain {
				return string(s), nil
			}
			return string(out), nil
		case c == '\\':
			if plain && build {
				out = append(out, p.text[start:p.off]...)
			}
			plain = false
			r, err := p.escape()
			if err != nil {
				return "", err
			}
			if build {
				out = utf8.AppendRune(out, r)
			}
			continue
		case c < ' ':
			return "", p.fail(fmt.Sprintf("control character 0x%02x in a string", c))
		}
		n := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, n = utf8.DecodeRune(p.text[p.off:]); r == utf8.RuneError && n == 1 {
				return "", p.fail(fmt.Sprintf("byte 0x%02x is not UTF-8", c))
			}
		}
		if !plain && build {
			out = append(out, p.text[p.off:p.off+n]...)
		}
		p.off += n
	}
}

// escape reads one escape, or two that are a surrogate pair.
func (p *jsonParser) escape() (rune, error) {
	if p.off+1 >= len(p.text) {
		return 0, p.fail("it ends inside a string")
	}
	c := p.text[p.off+1]
	switch c {
	case '"', '\\', '/':
		p.off += 2
		return rune(c), nil
	case 'n':
		p.off += 2
		return '\n', nil
	case 't':
		p.off += 2
		return '\t', nil
	case 'r':
		p.off += 2
		return '\r', nil
	case 'b':
		p.off += 2
		return '\b', nil
	case 'f':
		p.off += 2
		return '\f', nil
	case 'u':
		r, ok := p.hex4(p.off)
		if !ok {
			return 0, p.fail(`want four hex digits behind \u`)
		}
		p.off += 6
		if utf16.IsSurrogate(r) {
			low, ok := p.hex4(p.off)
			if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
				p.off += 6
				return pair, nil
			}
			return utf8.RuneError, nil
		}
		return r, nil
	}
	return 0, p.fail(fmt.Sprintf(`no such escape: \%c`, c))
}

// hex4 reads \uXXXX at off.
func (p *jsonParser) hex4(off int) (rune, bool) {
	if len(p.text)-off < 6 || p.text[off] != '\\' || p.text[off+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range p.text[off+2 : off+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
