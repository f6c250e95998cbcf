package view

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/fields"
)

// needle is a text that is looked for in others, whatever the case of letters.
type needle struct {
	lower   string
	ascii   bool
	escaped *needle // as JSON may spell it; nil: no other way
}

func newNeedle(text string) *needle {
	n := &needle{lower: strings.ToLower(text)}
	n.ascii = !strings.ContainsFunc(n.lower, func(r rune) bool { return r >= utf8.RuneSelf })
	if spelled, err := fields.AppendJSON(nil, text); err == nil && string(spelled) != `"`+text+`"` {
		n.escaped = &needle{lower: strings.ToLower(string(spelled[1 : len(spelled)-1])), ascii: true}
	}
	return n
}

// in says whether b contains the text.
func (n *needle) in(b []byte) bool {
	if !n.ascii {
		return strings.Contains(strings.ToLower(string(b)), n.lower)
	}
	if n.lower == "" {
		return true
	}
	lower, upper := n.lower[0], n.lower[0]
	if lower >= 'a' && lower <= 'z' {
		upper -= 'a' - 'A'
	}
	for len(b) >= len(n.lower) {
		at := bytes.IndexByte(b[:len(b)-len(n.lower)+1], lower)
		if upper != lower {
			end := len(b) - len(n.lower) + 1
			if at >= 0 {
				end = at
			}
			if first := bytes.IndexByte(b[:end], upper); first >= 0 {
				at = first
			}
		}
		if at < 0 {
			return false
		}
		if n.begins(b[at:]) {
			return true
		}
		b = b[at+1:]
	}
	return false
}

func (n *needle) begins(b []byte) bool {
	for i := range len(n.lower) {
		c := b[i]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != n.lower[i] {
			return false
		}
	}
	return true
}
