package tfrecord

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind is what a feature is a list of.
type Kind int

// The kinds, by the numbers of feature.proto; None is a feature without a list.
const (
	None   Kind = 0
	Bytes  Kind = 1
	Floats Kind = 2
	Ints   Kind = 3
)

// String returns the kind's name.
func (k Kind) String() string {
	switch k {
	case None:
		return "nothing"
	case Bytes:
		return "bytes"
	case Floats:
		return "floats"
	case Ints:
		return "ints"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Feature is a list of values of one kind.
type Feature struct {
	Kind Kind
	// Which one is set says Kind. Bytes are borrowed from the message.
	Bytes  [][]byte
	Floats []float32
	Ints   []int64
}

// Len returns how many values there are.
func (f *Feature) Len() int { return len(f.Bytes) + len(f.Floats) + len(f.Ints) }

// Named is a feature by its name in a message.
type Named struct {
	Name    string
	Feature Feature
}

// NamedList is a list of features by its name in a SequenceExample.
type NamedList struct {
	Name string
	List []Feature
}

// Example is a tf.train.Example, or a tf.train.SequenceExample, of which Features
// are the context and Lists the feature lists.
type Example struct {
	Features []Named // in the order of their names
	Lists    []NamedList
}

// Feature returns a feature by its name, nil for none.
func (e *Example) Feature(name string) *Feature {
	i, ok := slices.BinarySearchFunc(e.Features, name, func(n Named, name string) int { return strings.Compare(n.Name, name) })
	if !ok {
		return nil
	}
	return &e.Features[i].Feature
}

// List returns a feature list by its name, nil for none.
func (e *Example) List(name string) *NamedList {
	for i := range e.Lists {
		if e.Lists[i].Name == name {
			return &e.Lists[i]
		}
	}
	return nil
}

// Parse reads a message. Only features that want tells by their names are read, all
// for nil. What it returns borrows from b.
func Parse(b []byte, want func(name string) bool) (*Example, error) {
	e := &Example{}
	m := message{b: b}
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			m.err = e.features(m.value, want)
		case m.is(2, wireBytes):
			m.err = e.lists(m.value, want)
		}
	}
	if m.err != nil {
		return nil, fmt.Errorf("no tf.train.Example: %w", m.err)
	}
	// Of a name that is there twice the last one counts, as in any map of Protobuf.
	slices.SortStableFunc(e.Features, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	e.Features = lastOf(e.Features, func(n Named) string { return n.Name })
	slices.SortStableFunc(e.Lists, func(a, b NamedList) int { return strings.Compare(a.Name, b.Name) })
	e.Lists = lastOf(e.Lists, func(n NamedList) string { return n.Name })
	return e, nil
}

// lastOf keeps the last of those that have one name, in a sorted list.
func lastOf[T any](list []T, name func(T) string) []T {
	kept := list[:0]
	for i, v := range list {
		if i+1 == len(list) || name(list[i+1]) != name(v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// entry reads an entry of a map: its name, and its message.
func entry(b []byte) (name string, value []byte, err error) {
	m := message{b: b}
	var key []byte
	for m.next() {
		switch {
		case m.is(1, wireBytes):
			key = m.value
		case m.is(2, wireBytes):
			value = m.value
		}
	}
	if m.err == nil && !utf8.Valid(key) {
		m.err = errors.New("a name that isn't UTF-8")
	}
	return string(key), value, m.err
}

// features reads a tf.train.Features.
func (e *Example) features(b []byte, want func(string) bool) error {
	m := message{b: b}
	for m.next() {
		if !m.is(1, wireBytes) {
			continue
		}
		name, value, err := entry(m.value)
		if err != nil {
			return err
		}
		if want != nil && !want(name) {
			continue
		}
		f, err := parseFeature(value)
		if err != nil {
			return fmt.Errorf("feature %q: %w", name, err)
		}
		e.Features = append(e.Features, Named{name, f})
	}
	return m.err
}

// lists reads a tf.train.FeatureLists.
func (e *Example) lists(b []byte, want func(string) bool) error {
	m := message{b: b}
	for m.next() {
		if !m.is(1, wireBytes) {
			continue
		}
		name, value, err := entry(m.value)
		if err != nil {
			return err
		}
		if want != nil && !want(name) {
			continue
		}
		l := NamedList{Name: name}
		inner := message{b: value}
		for inner.next() {
			if !inner.is(1, wireBytes) {
				continue
			}
			f, err := parseFeature(inner.value)
			if err != nil {
				return fmt.Errorf("feature list %q: %w", name, err)
			}
			l.List = append(l.List, f)
		}
		if inner.err != nil {
			return fmt.Errorf("feature list %q: %w", name, inner.err)
		}
		e.Lists = append(e.Lists, l)
	}
	return m.err
}

// parseFeature reads a tf.train.Feature.
func parseFeature(b []byte) (f Feature, err error) {
	m := message{b: b}
	for m.next() {
		if m.wire != wireBytes || m.field < 1 || m.field > 3 {
			continue
		}
		if kind := Kind(m.field); f.Kind != kind { // the last one counts
			f = Feature{Kind: kind}
		}
		if err := f.add(m.value); err != nil {
			return Feature{}, err
		}
	}
	if m.err != nil {
		return Feature{}, m.err
	}
	return f, nil
}

// add reads a list behind the values that are there.
func (f *Feature) add(b []byte) error {
	m := message{b: b}
	for m.next() {
		switch {
		case m.field != 1:
		case f.Kind == Bytes && m.wire == wireBytes:
			f.Bytes = append(f.Bytes, m.value)
		case f.Kind == Floats && m.wire == wireFixed32:
			f.Floats = append(f.Floats, math.Float32frombits(uint32(m.number)))
		case f.Kind == Ints && m.wire == wireVarint:
			f.Ints = append(f.Ints, int64(m.number))
		case f.Kind == Floats && m.wire == wireBytes:
			if len(m.value)%4 != 0 {
				return fmt.Errorf("floats of %d bytes", len(m.value))
			}
			f.Floats = slices.Grow(f.Floats, len(m.value)/4)
			for at := 0; at < len(m.value); at += 4 {
				f.Floats = append(f.Floats, math.Float32frombits(binary.LittleEndian.Uint32(m.value[at:])))
			}
		case f.Kind == Ints && m.wire == wireBytes:
			for v := m.value; len(v) > 0; {
				n, k := binary.Uvarint(v)
				if k <= 0 {
					return errors.New("a number that is cut off")
				}
				f.Ints = append(f.Ints, int64(n))
				v = v[k:]
			}
		}
	}
	return m.err
}

// How a field is stored, by the numbers of Protobuf's encoding.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// message goes through the fields of a Protobuf message.
type message struct {
	b      []byte
	field  uint64
	wire   int
	value  []byte // of wireBytes
	number uint64 // of the others
	err    error
}

func (m *message) is(field uint64, wire int) bool { return m.field == field && m.wire == wire }

// next reads the next field, and says whether there is one.
func (m *message) next() bool {
	if m.err != nil || len(m.b) == 0 {
		return false
	}
	tag, ok := m.varint()
	if !ok {
		return false
	}
	m.field, m.wire = tag>>3, int(tag&7)
	if m.field == 0 || m.field > 1<<29-1 {
		m.err = fmt.Errorf("a field %d", m.field)
		return false
	}
	switch m.wire {
	case wireVarint:
		m.number, ok = m.varint()
	case wireFixed64, wireFixed32:
		size := 4
		if m.wire == wireFixed64 {
			size = 8
		}
		if len(m.b) < size {
			m.err = fmt.Errorf("a number of %d bytes, %d are left", size, len(m.b))
			return false
		}
		if m.number = 0; size == 4 {
			m.number = uint64(binary.LittleEndian.Uint32(m.b))
		} else {
			m.number = binary.LittleEndian.Uint64(m.b)
		}
		m.b = m.b[size:]
	case wireBytes:
		var n uint64
		if n, ok = m.varint(); ok {
			if n > uint64(len(m.b)) {
				m.err = fmt.Errorf("a value of %d bytes, %d are left", n, len(m.b))
				return false
			}
			m.value, m.b = m.b[:n:n], m.b[n:]
		}
	default:
		m.err = fmt.Errorf("field %d is stored in way %d", m.field, m.wire)
		return false
	}
	return ok
}

func (m *message) varint() (uint64, bool) {
	v, n := binary.Uvarint(m.b)
	if n <= 0 {
		m.err = errors.New("a number that is cut off")
		return 0, false
	}
	m.b = m.b[n:]
	return v, true
}
