package safetensors

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// headerSize returns the size of the header that the first bytes of a file of
// size bytes tell.
func headerSize(prefix []byte, size int64) (int64, error) {
	if len(prefix) < prefixSize {
		return 0, &FormatError{Offset: 0, Msg: fmt.Sprintf("%d bytes, want at least the %d of the header's size", size, prefixSize)}
	}
	n := binary.LittleEndian.Uint64(prefix)
	switch {
	case n > MaxHeader:
		return 0, &FormatError{Offset: 0, Msg: fmt.Sprintf("a header of %d bytes, the format allows %d", n, MaxHeader)}
	case int64(n) > size-prefixSize:
		return 0, &FormatError{Offset: 0, Msg: fmt.Sprintf("a header of %d bytes, in a file of %d", n, size)}
	}
	return int64(n), nil
}

// parse reads the JSON of a header, b, of a file of size bytes, and checks
// everything that it tells.
func parse(b []byte, size int64) (*Header, error) {
	h := &Header{Data: prefixSize + int64(len(b)), index: map[string]int{}}
	if !utf8.Valid(b) {
		return nil, &FormatError{Offset: prefixSize, Msg: "the header isn't UTF-8"}
	}
	s := &scanner{b: b}
	s.header(h)
	if s.err != nil {
		return nil, s.err
	}
	order := func(a, b Info) int { return cmp.Or(cmp.Compare(a.Begin, b.Begin), cmp.Compare(a.End, b.End)) }
	if !slices.IsSortedFunc(h.Tensors, order) {
		slices.SortStableFunc(h.Tensors, order)
	}
	at := int64(0)
	for i := range h.Tensors {
		t := &h.Tensors[i]
		if err := h.check(t, at); err != nil {
			return nil, err
		}
		at = t.End
		h.index[t.Name] = i
	}
	if at != size-h.Data {
		name := "" // of the first tensor that isn't whole
		if i := slices.IndexFunc(h.Tensors, func(t Info) bool { return t.End > size-h.Data }); i >= 0 {
			name = h.Tensors[i].Name
		}
		return nil, &FormatError{Array: name, Offset: h.Data + min(at, size-h.Data), Msg: fmt.Sprintf("the tensors have %d bytes, in the file are %d", at, size-h.Data)}
	}
	return h, nil
}

// check compares a tensor's place with where the one before ends, and its size
// with its shape.
func (h *Header) check(t *Info, at int64) error {
	bad := func(format string, args ...any) error {
		return &FormatError{Array: t.Name, Offset: h.Data + min(t.Begin, math.MaxInt64-h.Data), Msg: fmt.Sprintf(format, args...)}
	}
	switch {
	case t.End < t.Begin:
		return bad("its data end at %d, before they begin at %d", t.End, t.Begin)
	case t.Begin < at:
		return bad("its data begin at %d and overlap others that end at %d", t.Begin, at)
	case t.Begin > at:
		return bad("its data begin at %d, behind a hole from %d on", t.Begin, at)
	}
	d := dtypes[rank[t.DType]]
	n, err := array.Spec{DType: array.Uint8, Shape: t.Shape}.Count()
	if err != nil || n > math.MaxInt/d.bits {
		return bad("a shape of %d dimensions, too large", len(t.Shape))
	}
	if n*d.bits%8 != 0 {
		return bad("%d elements of %d bits are no whole bytes", n, d.bits)
	}
	if want := int64(n * d.bits / 8); t.End-t.Begin != want {
		return bad("%d bytes of data, want %d for %s %s", t.End-t.Begin, want, t.DType, array.ShapeString(t.Shape))
	}
	return nil
}

// scanner reads the JSON of a header. After the first failure it stays at the
// end and err tells it.
type scanner struct {
	b   []byte
	i   int
	err *FormatError
}

func (s *scanner) fail(name, format string, args ...any) {
	if s.err == nil {
		s.err = &FormatError{Array: name, Offset: int64(prefixSize + s.i), Msg: "header: " + fmt.Sprintf(format, args...)}
	}
	s.i = len(s.b)
}

// peek passes over white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take passes over one byte that must be c.
func (s *scanner) take(name string, c byte) {
	if got := s.peek(); got != c {
		if s.i == len(s.b) {
			s.fail(name, "it ends, want %q", c)
		} else {
			s.fail(name, "%q, want %q", got, c)
		}
		return
	}
	s.i++
}

// more passes over a comma, or the end of what it is in, which it tells.
func (s *scanner) more(name string, end byte, first bool) bool {
	if s.err != nil {
		return false
	}
	if s.peek() == end {
		s.i++
		return false
	}
	if !first {
		s.take(name, ',')
	}
	return s.err == nil
}

// header reads the outermost object.
func (s *scanner) header(h *Header) {
	if len(s.b) == 0 || s.b[0] != '{' {
		s.fail("", "it doesn't begin with '{'")
		return
	}
	s.i++
	metadata := false
	for first := true; s.more("", '}', first); first = false {
		name := s.str("")
		s.take(name, ':')
		if s.err != nil {
			return
		}
		if name == metadataKey {
			if metadata {
				s.fail("", "%s is there twice", metadataKey)
			}
			metadata = true
			h.Metadata = s.metadata()
			continue
		}
		if _, ok := h.index[name]; ok {
			s.fail(name, "there twice")
			return
		}
		h.index[name] = len(h.Tensors)
		h.Tensors = append(h.Tensors, s.tensor(name))
	}
	if s.peek(); s.i < len(s.b) {
		s.fail("", "%q behind its end", s.b[s.i])
	}
}

// metadata reads an object of strings.
func (s *scanner) metadata() map[string]string {
	if s.peek() == 'n' {
		s.skip(metadataKey) // null
		return nil
	}
	m := map[string]string{}
	s.take(metadataKey, '{')
	for first := true; s.more(metadataKey, '}', first); first = false {
		key := s.str(metadataKey)
		s.take(metadataKey, ':')
		value := s.str(metadataKey)
		if _, ok := m[key]; ok {
			s.fail(metadataKey, "key %q is there twice", key)
		}
		m[key] = value
	}
	return m
}

// tensor reads the object of one tensor. Keys that the format doesn't know are
// passed over, as the original does.
func (s *scanner) tensor(name string) Info {
	t := Info{Name: name}
	const hasType, hasShape, hasOffsets = 1, 2, 4
	has := 0
	once := func(bit int, key string) {
		if has&bit != 0 {
			s.fail(name, "%q is there twice", key)
		}
		has |= bit
	}
	s.take(name, '{')
	for first := true; s.more(name, '}', first); first = false {
		key := s.str(name)
		s.take(name, ':')
		switch key {
		case "dtype":
			once(hasType, key)
			at := s.i
			t.DType = s.str(name)
			if _, ok := rank[t.DType]; !ok && s.err == nil {
				s.i = at
				s.fail(name, "dtype %q: not one that this package knows", t.DType)
			}
		case "shape":
			once(hasShape, key)
			t.Shape = s.shape(name)
		case "data_offsets":
			once(hasOffsets, key)
			s.take(name, '[')
			t.Begin = s.number(name)
			s.take(name, ',')
			t.End = s.number(name)
			s.take(name, ']')
		default:
			s.skip(name)
		}
	}
	if has != hasType|hasShape|hasOffsets {
		s.fail(name, "not all of dtype, shape and data_offsets are there")
	}
	return t
}

func (s *scanner) shape(name string) []int {
	shape := []int{}
	s.take(name, '[')
	for first := true; s.more(name, ']', first); first = false {
		shape = append(shape, int(s.number(name)))
	}
	return shape
}

// number reads a whole number from 0 to 2^63-1.
func (s *scanner) number(name string) int64 {
	s.peek()
	begin, n := s.i, int64(0)
	for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
		d := int64(s.b[s.i] - '0')
		if n > (math.MaxInt64-d)/10 {
			s.fail(name, "a number that is too large")
			return 0
		}
		n = n*10 + d
		s.i++
	}
	if s.i == begin || s.b[begin] == '0' && s.i > begin+1 {
		s.i = begin
		s.fail(name, "want a whole number, not negative")
		return 0
	}
	return n
}

// str reads a string; its quotes and escapes must be right.
func (s *scanner) str(name string) string {
	s.take(name, '"')
	begin, plain := s.i, true
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			text := s.b[begin:s.i]
			s.i++
			if plain {
				return string(text)
			}
			var v string
			if err := json.Unmarshal(s.b[begin-1:s.i], &v); err != nil {
				s.i = begin
				s.fail(name, "string: %v", err)
			}
			return v
		case c == '\\':
			plain = false
			s.i++
		case c < 0x20:
			s.fail(name, "a control character in a string")
			return ""
		}
	}
	s.fail(name, "a string without an end")
	return ""
}

// maxDepth bounds what unknown keys may hold.
const maxDepth = 64

// skip passes over any value.
func (s *scanner) skip(name string) {
	depth := 0
	begin := s.i
	for {
		switch c := s.peek(); c {
		case 0:
			if s.i >= len(s.b) {
				s.fail(name, "a value without an end")
				return
			}
			s.i++
		case '"':
			s.str(name)
		case '{', '[':
			if depth++; depth > maxDepth {
				s.fail(name, "a value nested more than %d deep", maxDepth)
				return
			}
			s.i++
		case '}', ']':
			depth--
			s.i++
		default:
			s.i++
			for depth == 0 && s.i < len(s.b) && s.b[s.i] != ',' && s.b[s.i] != '}' {
				s.i++
			}
		}
		if s.err != nil || depth <= 0 {
			break
		}
	}
	if s.err == nil && !json.Valid(s.b[begin:s.i]) {
		s.i = begin
		s.fail(name, "a value that is no JSON")
	}
}
