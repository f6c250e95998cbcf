package zarr

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxNesting is how deep values may lie in one another.
const maxNesting = 200

// parseJSON reads a document as Python's json does: NaN, Infinity and
// -Infinity are numbers, and of a key that is there twice the last counts.
// Numbers without point and exponent are int64, or uint64 where only that
// holds them; all others float64.
func parseJSON(text []byte) (any, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("JSON: not UTF-8")
	}
	p := jsonParser{b: text}
	v, err := p.value(0)
	if err == nil {
		if p.space(); p.at < len(p.b) {
			err = errors.New("something behind the value")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("JSON: at byte %d: %w", p.at, err)
	}
	return v, nil
}

type jsonParser struct {
	b  []byte
	at int
}

func (p *jsonParser) space() {
	for p.at < len(p.b) && (p.b[p.at] == ' ' || p.b[p.at] == '\n' || p.b[p.at] == '\t' || p.b[p.at] == '\r') {
		p.at++
	}
}

// next tells the character at hand behind space; 0 at the end.
func (p *jsonParser) next() byte {
	if p.space(); p.at < len(p.b) {
		return p.b[p.at]
	}
	return 0
}

func (p *jsonParser) take(c byte) bool {
	if p.next() != c || p.at == len(p.b) {
		return false
	}
	p.at++
	return true
}

func (p *jsonParser) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, fmt.Errorf("more than %d values in one another", maxNesting)
	}
	switch c := p.next(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '"':
		return p.text()
	case c == 0:
		return nil, errors.New("the value is missing")
	}
	begin := p.at
	for p.at < len(p.b) && strings.IndexByte(",]} \n\t\r", p.b[p.at]) < 0 {
		p.at++
	}
	v, err := jsonWord(string(p.b[begin:p.at]))
	if err != nil {
		p.at = begin
	}
	return v, err
}

// jsonWord reads a number or a name.
func jsonWord(s string) (any, error) {
	switch s {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	case "-Infinity":
		return math.Inf(-1), nil
	}
	if len(s) > 4096 || !json.Valid([]byte(s)) {
		if len(s) > 40 {
			s = s[:40] + "…"
		}
		return nil, fmt.Errorf("%q is no value", s)
	}
	if !strings.ContainsAny(s, ".eE") {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v, nil
		}
		if v, err := strconv.ParseUint(s, 10, 64); err == nil {
			return v, nil
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(v, 0) {
		return nil, err
	}
	return v, nil
}

func (p *jsonParser) object(depth int) (any, error) {
	p.at++
	m := map[string]any{}
	if p.take('}') {
		return m, nil
	}
	for {
		if p.next() != '"' {
			return nil, errors.New("a key is missing")
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if !p.take(':') {
			return nil, errors.New("':' is missing")
		}
		if m[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
		if p.take('}') {
			return m, nil
		}
		if !p.take(',') {
			return nil, errors.New("',' or '}' is missing")
		}
	}
}

func (p *jsonParser) list(depth int) (any, error) {
	p.at++
	list := []any{}
	if p.take(']') {
		return list, nil
	}
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if p.take(']') {
			return list, nil
		}
		if !p.take(',') {
			return nil, errors.New("',' or ']' is missing")
		}
	}
}

func (p *jsonParser) text() (string, error) {
	begin := p.at
	plain := true
	for p.at++; p.at < len(p.b); p.at++ {
		switch c := p.b[p.at]; {
		case c == '\\':
			plain = false
			p.at++
		case c < ' ':
			return "", errors.New("a control character in a string")
		case c == '"':
			p.at++
			if plain {
				return string(p.b[begin+1 : p.at-1]), nil
			}
			var s string
			err := json.Unmarshal(p.b[begin:p.at], &s)
			return s, err
		}
	}
	p.at = begin
	return "", errors.New("the string has no end")
}

// formatJSON writes a value as Python's json does with an indent of two: keys
// sorted, floats as such, NaN and the infinities by their names.
func formatJSON(v any) ([]byte, error) {
	b, err := appendJSON(nil, v, "\n")
	if err != nil {
		return nil, fmt.Errorf("zarr: %w", err)
	}
	return b, nil
}

// appendJSON writes one value; line is what begins a new line at its depth.
func appendJSON(b []byte, v any, line string) ([]byte, error) {
	if len(line) > 2*maxNesting {
		return nil, fmt.Errorf("JSON: more than %d values in one another", maxNesting)
	}
	switch v := v.(type) {
	case map[string]any:
		return appendObject(b, v, line)
	case []any:
		return appendList(b, v, line)
	case []int:
		list := make([]any, len(v))
		for i, n := range v {
			list[i] = n
		}
		return appendList(b, list, line)
	case float64:
		return appendFloat(b, v, 64), nil
	case float32:
		return appendFloat(b, float64(v), 32), nil
	}
	// Everything else, whatever type a caller's attributes have.
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	switch v.(type) {
	case nil, bool, string, int, int64, uint64:
		return append(b, text...), nil
	}
	plain, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	switch plain.(type) {
	case map[string]any, []any:
		return appendJSON(b, plain, line)
	}
	return append(b, text...), nil
}

func appendObject(b []byte, m map[string]any, line string) ([]byte, error) {
	b = append(b, '{')
	for i, key := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, line...), "  "...)
		text, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		b = append(append(b, text...), ": "...)
		if b, err = appendJSON(b, m[key], line+"  "); err != nil {
			return nil, fmt.Errorf("%q: %w", key, err)
		}
	}
	if len(m) > 0 {
		b = append(b, line...)
	}
	return append(b, '}'), nil
}

func appendList(b []byte, list []any, line string) (_ []byte, err error) {
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, line...), "  "...)
		if b, err = appendJSON(b, v, line+"  "); err != nil {
			return nil, err
		}
	}
	if len(list) > 0 {
		b = append(b, line...)
	}
	return append(b, ']'), nil
}

func appendFloat(b []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(b, "NaN"...)
	case math.IsInf(v, 1):
		return append(b, "Infinity"...)
	case math.IsInf(v, -1):
		return append(b, "-Infinity"...)
	}
	begin := len(b)
	b = strconv.AppendFloat(b, v, 'g', -1, bits)
	if !strings.ContainsAny(string(b[begin:]), ".e") {
		b = append(b, ".0"...)
	}
	return b
}
