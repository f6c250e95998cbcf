package view

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	mostQuery   = 4 << 10 // bytes
	mostClauses = 32
)

// clause is one term of a query, all of which have to hold:
//
//	sunset  "two words"     a word: Op is ""
//	label:7  class:dog*     Op is ":"
//	score>=0.5  meta.a~b    Op is one of = != ~ < <= > >=
type clause struct {
	At     int // the character that it begins at, from 1
	Name   string
	Op     string
	Value  string // or the word
	Quoted bool   // the value, or a part of it, stood in quotes
}

// queryError says what is wrong with a query, and where.
func queryError(at int, format string, args ...any) error {
	e := errorf(http.StatusBadRequest, "the search, at character %d: %s", at, fmt.Sprintf(format, args...))
	e.more = map[string]any{"at": at}
	return e
}

// operators, longer ones before those that they begin with.
var operators = []string{"!=", "<=", ">=", "=", "~", "<", ">", ":"}

// parseQuery takes a query apart. What its names mean is not looked at.
func parseQuery(text string) ([]clause, error) {
	if len(text) > mostQuery {
		return nil, queryError(1, "%d bytes; at most %d", len(text), mostQuery)
	}
	if !utf8.ValidString(text) {
		return nil, queryError(1, "it is no UTF-8")
	}
	p := queryParser{rest: text, at: 1}
	var list []clause
	for {
		p.space()
		if p.rest == "" {
			return list, nil
		}
		c, err := p.clause()
		if err != nil {
			return nil, err
		}
		if list = append(list, c); len(list) > mostClauses {
			return nil, queryError(c.At, "more than %d terms", mostClauses)
		}
	}
}

// queryParser is what of a query has not been read.
type queryParser struct {
	rest string
	at   int // its first character, from 1
}

// take reads n bytes.
func (p *queryParser) take(n int) string {
	s := p.rest[:n]
	p.rest, p.at = p.rest[n:], p.at+utf8.RuneCountInString(s)
	return s
}

func (p *queryParser) space() {
	p.take(len(p.rest) - len(strings.TrimLeftFunc(p.rest, unicode.IsSpace)))
}

// operator returns the operator that comes next, "" for none.
func (p *queryParser) operator() string {
	for _, op := range operators {
		if strings.HasPrefix(p.rest, op) {
			return op
		}
	}
	return ""
}

// clause reads a term up to a space that is not in quotes.
func (p *queryParser) clause() (clause, error) {
	c := clause{At: p.at}
	left, quotedLeft, err := p.text(true)
	if err != nil {
		return c, err
	}
	if c.Op = p.operator(); c.Op == "" {
		c.Value, c.Quoted = left, quotedLeft
		return c, nil
	}
	if left == "" {
		return c, queryError(p.at, "nothing stands before %q; put quotes around a text that begins so", c.Op)
	}
	p.take(len(c.Op))
	c.Name = left
	at := p.at
	if c.Value, c.Quoted, err = p.text(false); err != nil {
		return c, err
	}
	if c.Value == "" && !c.Quoted {
		return c, queryError(at, "nothing stands behind %q", c.Op)
	}
	return c, nil
}

// text reads characters and what is in quotes, up to a space; of what may be a
// name up to an operator too.
func (p *queryParser) text(name bool) (text string, quoted bool, err error) {
	var b strings.Builder
	for p.rest != "" {
		r, n := utf8.DecodeRuneInString(p.rest)
		switch {
		case unicode.IsSpace(r), name && p.operator() != "":
			return b.String(), quoted, nil
		case r == '"':
			s, err := p.quoted()
			if err != nil {
				return "", false, err
			}
			b.WriteString(s)
			quoted = true
		default:
			b.WriteString(p.take(n))
		}
	}
	return b.String(), quoted, nil
}

// quoted reads what is in quotes, where \" and \\ are characters.
func (p *queryParser) quoted() (string, error) {
	at := p.at
	p.take(1)
	var b strings.Builder
	for p.rest != "" {
		_, n := utf8.DecodeRuneInString(p.rest)
		switch c := p.take(n); {
		case c == `"`:
			return b.String(), nil
		case c == `\` && p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\\'):
			b.WriteString(p.take(1))
		default:
			b.WriteString(c)
		}
	}
	return "", queryError(at, `a " without its end`)
}
