package view

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// mostSearched bounds a text that a search looks into.
const mostSearched = 16 << 20

// condition is a term of a query, bound to a dataset.
type condition struct {
	cost int // what asking takes, in steps of some ten times
	holds
	reads []int // the fields whose bytes it looks at
}

// holds says whether a condition holds for a sample. An error is of the sample,
// which then is left out and counted.
type holds func(p *probe) (bool, error)

// Costs of conditions: what they look at.
const (
	costRow   = iota // the metadata row
	costTable        // the allocation table, or the names
	costData         // values
)

// search is a query bound to a dataset.
type search struct {
	s      *Server
	lo, hi int // the samples that can match
	list   []condition
}

// probe is a sample that a search looks at. One goroutine uses it; it goes from
// sample to sample.
type probe struct {
	s      *Server
	f      *file
	index  int // in the dataset
	sample int // in the file
	row    []byte
	v      value
	texts  []text // by field, of this sample

	rows   []byte // memory for rows that are not borrowed
	ranges []ffcv.Range
}

// text is the JSON of a field of a sample, read at most once.
type text struct {
	read   bool
	parsed bool
	raw    []byte
	value  any
	err    error
}

// member is a field's bytes in the row.
func (p *probe) member(k int) []byte {
	d := p.f.field(k)
	return p.row[d.Offset:][:d.Size]
}

// at looks a field's value up.
func (p *probe) at(k int) (*value, error) {
	p.v = value{f: p.f, sample: p.sample, k: k, d: &p.s.fields[k], regions: p.v.regions[:0]}
	return &p.v, p.v.look(p.row)
}

// announce tells a dataset that is far away which values of n samples from lo on
// are looked at next, and how many bytes of each: they come together then, and not
// one after another.
func (p *probe) announce(list []int, most int64, rows []byte, width, lo, n int) {
	p.ranges = p.ranges[:0]
	for i := range n {
		p.sample, p.row = lo+i, rows[i*width:][:width:width]
		for _, k := range list {
			v, err := p.at(k)
			if err != nil {
				continue
			}
			for _, g := range v.regions {
				if g.Ptr <= math.MaxInt64 && g.Size > 0 {
					p.ranges = append(p.ranges, ffcv.Range{Off: int64(g.Ptr), Len: min(g.Size, most)})
				}
			}
		}
	}
	p.f.ds.WillNeed(p.ranges)
}

// reads are the fields whose bytes a search looks at; of a search for all samples
// those of which a gallery shows the beginning.
func (q *search) reads() (list []int, most int64) {
	if len(q.list) == 0 {
		for k := range q.s.fields {
			if kind := q.s.kindOf(k); kind == kindBytes || kind == kindJSON {
				list = append(list, k)
			}
		}
		return list, sniffed
	}
	for _, c := range q.list {
		list = append(list, c.reads...)
	}
	return list, mostSearched
}

// raw is a field's bytes, if they are not too many to be looked through.
func (p *probe) raw(k int) ([]byte, error) {
	if p.texts == nil {
		p.texts = make([]text, len(p.s.fields))
	}
	t := &p.texts[k]
	if !t.read {
		t.read = true
		t.raw, t.err = p.content(k)
	}
	return t.raw, t.err
}

func (p *probe) content(k int) ([]byte, error) {
	v, err := p.at(k)
	if err != nil {
		return nil, err
	}
	n, err := v.plainSize()
	if err != nil {
		return nil, err
	}
	if n > mostSearched {
		return nil, v.flaw(errorf(422, "%d bytes; a search looks through %d", n, mostSearched))
	}
	b, err := v.content()
	if p.s.kindOf(k) == kindJSON {
		if end := bytes.IndexByte(b, 0); end >= 0 {
			b = b[:end]
		}
	}
	return b, err
}

// json is what a field's JSON says.
func (p *probe) json(k int) (any, error) {
	b, err := p.raw(k)
	if err != nil {
		return nil, err
	}
	t := &p.texts[k]
	if !t.parsed {
		t.parsed = true
		t.value, t.err = fields.JSONText(b).Value()
	}
	return t.value, t.err
}

// bind gives a query's names their meaning.
func (s *Server) bind(list []clause) (*search, error) {
	q := &search{s: s, hi: s.ds.Len()}
	for _, c := range list {
		made, err := s.condition(q, c)
		if err != nil {
			return nil, err
		}
		if made.holds != nil {
			q.list = append(q.list, made)
		}
	}
	slices.SortStableFunc(q.list, func(a, b condition) int { return a.cost - b.cost })
	return q, nil
}

// cost is that of the dearest condition.
func (q *search) cost() int {
	if len(q.list) == 0 {
		return costRow
	}
	return q.list[len(q.list)-1].cost
}

// holds says whether all conditions hold for a sample.
func (q *search) holds(p *probe) (bool, error) {
	for i := range q.list {
		if ok, err := q.list[i].holds(p); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// condition binds one term. A span of indices bounds the search instead.
func (s *Server) condition(q *search, c clause) (condition, error) {
	switch c.Op {
	case "":
		return s.word(c.Value), nil
	case ":":
		switch strings.ToLower(c.Name) {
		case "label":
			return s.labelled(c)
		case "class":
			return s.classed(c)
		case "index":
			return condition{}, q.span(c)
		case "key":
			return s.keyed(c)
		}
		return condition{}, queryError(c.At, "%q: label:, class:, index: and key: are known; put quotes around a text with a colon", c.Name+":")
	}
	if k, rest, ok := s.fieldIn(c.Name); ok {
		return s.compare(c, k, rest)
	}
	switch c.Name {
	case "width", "height", "bytes":
		return s.measure(c, c.Name, func(int) bool { return true })
	}
	return condition{}, queryError(c.At, "no field %q; there are %s, and width, height and bytes", c.Name, strings.Join(s.names, ", "))
}

// fieldIn finds the field that a name begins with, and what follows its dot: the
// longest one, as names may have dots.
func (s *Server) fieldIn(name string) (k int, rest string, ok bool) {
	best := -1
	for i, field := range s.names {
		if len(field) <= best || !strings.HasPrefix(name, field) {
			continue
		}
		if after := name[len(field):]; after == "" || after[0] == '.' {
			best, k, rest, ok = len(field), i, strings.TrimPrefix(after, "."), true
		}
	}
	return k, rest, ok
}

// span bounds the search: index:7, index:100-200, index:100-.
func (q *search) span(c clause) error {
	a, b, several := strings.Cut(c.Value, "-")
	lo, err := strconv.Atoi(a)
	hi := lo
	if several && err == nil {
		if hi = math.MaxInt - 1; b != "" {
			hi, err = strconv.Atoi(b)
		}
	}
	if err != nil || lo < 0 || hi < lo || hi == math.MaxInt {
		return queryError(c.At, "index:%s; expected a number, or two such as 100-200", c.Value)
	}
	q.lo, q.hi = max(q.lo, lo), min(q.hi, hi+1)
	return nil
}

func (s *Server) labelled(c clause) (condition, error) {
	n, err := strconv.ParseInt(c.Value, 10, 64)
	if err != nil {
		return condition{}, queryError(c.At, "label:%s; expected a whole number", c.Value)
	}
	if s.label < 0 {
		return condition{}, queryError(c.At, "no field says the samples' labels; it would be the only int field, or be called label")
	}
	return condition{cost: costRow, holds: func(p *probe) (bool, error) { return integer(p.member(s.label)) == n, nil }}, nil
}

// classed is class:dog and class:terrier*, of any case.
func (s *Server) classed(c clause) (condition, error) {
	if len(s.classes) == 0 {
		return condition{}, queryError(c.At, "the dataset names no classes; label:N finds labels")
	}
	begin, prefix := strings.CutSuffix(c.Value, "*")
	if c.Quoted || !prefix {
		return s.ofClass(func(name string) bool { return strings.EqualFold(name, c.Value) }), nil
	}
	return s.ofClass(func(name string) bool {
		return len(name) >= len(begin) && strings.EqualFold(name[:len(begin)], begin)
	}), nil
}

// ofClass holds for the samples whose class has a name that fits.
func (s *Server) ofClass(fits func(name string) bool) condition {
	set := s.classesThat(fits)
	return condition{cost: costRow, holds: func(p *probe) (bool, error) { return set.has(integer(p.member(s.label))), nil }}
}

// labels is a set of labels that have names.
type labels []uint64

func (l labels) has(n int64) bool {
	return n >= 0 && n>>6 < int64(len(l)) && l[n>>6]>>(n&63)&1 != 0
}

func (s *Server) classesThat(fit func(name string) bool) labels {
	set := make(labels, (len(s.classes)+63)/64)
	for i, name := range s.classes {
		if fit(name) {
			set[i>>6] |= 1 << (i & 63)
		}
	}
	return set
}

func (s *Server) keyed(c clause) (condition, error) {
	if !s.look().Keys {
		return condition{}, queryError(c.At, "the samples have no keys")
	}
	n := newNeedle(c.Value)
	return condition{cost: costTable, holds: func(p *probe) (bool, error) {
		key, err := p.key()
		return n.in([]byte(key)), err
	}}, nil
}

// key is the sample's name.
func (p *probe) key() (string, error) {
	if k, ok := p.f.ds.(loader.Keyer); ok {
		return k.Key(p.sample)
	}
	return "", nil
}

// word holds where a key, a class or a JSON text contains it.
func (s *Server) word(text string) condition {
	n := newNeedle(text)
	set := s.classesThat(func(name string) bool { return n.in([]byte(name)) })
	var texts []int
	for k := range s.fields {
		if s.kindOf(k) == kindJSON {
			texts = append(texts, k)
		}
	}
	keys := s.look().Keys
	cost := costTable
	if len(texts) > 0 {
		cost = costData
	}
	return condition{cost: cost, reads: texts, holds: func(p *probe) (bool, error) {
		if s.label >= 0 && set.has(integer(p.member(s.label))) {
			return true, nil
		}
		if keys {
			if key, err := p.key(); err == nil && n.in([]byte(key)) {
				return true, nil
			}
		}
		for _, k := range texts {
			b, err := p.raw(k)
			if err != nil {
				return false, err
			}
			if n.in(b) || n.escaped != nil && n.escaped.in(b) {
				return true, nil
			}
		}
		return false, nil
	}}
}

// compare is a condition on a field, or on what lies inside it.
func (s *Server) compare(c clause, k int, rest string) (condition, error) {
	d := &s.fields[k]
	switch {
	case s.kindOf(k) == kindJSON && rest == "bytes" && c.Op != "~", s.kindOf(k) == kindImage && rest != "", rest == "bytes" && s.kindOf(k) != kindJSON:
		return s.measure(c, rest, func(field int) bool { return field == k })
	case s.kindOf(k) == kindJSON:
		return jsonCondition(c, k, rest), nil
	case rest != "":
		return condition{}, queryError(c.At, "field %q is no JSON: it has no %q inside", s.names[k], rest)
	case d.Type == fields.TypeInt, d.Type == fields.TypeFloat:
		return numberCondition(c, d, k)
	case c.Op == "~" && s.kindOf(k) == kindBytes:
		n := newNeedle(c.Value)
		return condition{cost: costData, reads: []int{k}, holds: func(p *probe) (bool, error) {
			b, err := p.raw(k)
			return err == nil && n.in(b), err
		}}, nil
	}
	return condition{}, queryError(c.At, "field %q is of type %s: it can't be searched so", s.names[k], s.typeName(k))
}

// numberCondition compares an int field exactly, a float field as its numbers
// are.
func numberCondition(c clause, d *ffcv.Field, k int) (condition, error) {
	if c.Op == "~" {
		return condition{}, queryError(c.At, "%q holds numbers; ~ is for text", c.Name)
	}
	x, err := strconv.ParseFloat(c.Value, 64)
	if err != nil {
		return condition{}, queryError(c.At, "%s%s%s: expected a number", c.Name, c.Op, c.Value)
	}
	if d.Type == fields.TypeFloat {
		return condition{cost: costRow, holds: func(p *probe) (bool, error) { return ordered(c.Op, float(p.member(k)), x), nil }}, nil
	}
	if n, err := strconv.ParseInt(c.Value, 10, 64); err == nil {
		return condition{cost: costRow, holds: func(p *probe) (bool, error) { return compared(c.Op, order(integer(p.member(k)), n)), nil }}, nil
	}
	return condition{cost: costRow, holds: func(p *probe) (bool, error) { return ordered(c.Op, float64(integer(p.member(k))), x), nil }}, nil
}

func order[T int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// compared says whether an operator holds of two values in this order.
func compared(op string, order int) bool {
	switch op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

// ordered is compared of numbers. A NaN is equal to a NaN, that one can look for
// them, and in no order with anything.
func ordered(op string, a, b float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		same := math.IsNaN(a) == math.IsNaN(b)
		return op == "=" && same || op == "!=" && !same
	}
	return compared(op, order(a, b))
}
