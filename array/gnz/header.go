package gnz

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/pyjson"
)

// header is what lies before the arrays.
type header struct {
	metadata map[string]any
	entries  []*entry // by offset
}

// parseHeader reads the header of a file whose bytes these are. Nothing is
// sized by what it tells: the text is the file's own, and arrays lie within
// the file and beside one another.
func parseHeader(path string, file []byte) (*header, error) {
	bad := func(off int, format string, args ...any) error {
		return &FormatError{File: path, Offset: int64(off), Msg: fmt.Sprintf(format, args...)}
	}
	if len(file) < prefixSize || string(file[:4]) != magic {
		return nil, bad(0, "the file begins with %q, want %q and a length", file[:min(len(file), prefixSize)], magic)
	}
	n := int64(binary.LittleEndian.Uint32(file[4:]))
	if n > int64(len(file))-prefixSize {
		return nil, bad(4, "a header of %d bytes in a file of %d", n, len(file))
	}
	v, err := pyjson.Parse(file[prefixSize:prefixSize+n], &pyjson.Options{Number: number})
	if err != nil {
		off := prefixSize
		var syntax *pyjson.SyntaxError
		if errors.As(err, &syntax) {
			off += syntax.Offset
		}
		return nil, bad(off, "header: %v", err)
	}
	top, ok := v.(map[string]any)
	if !ok {
		return nil, bad(prefixSize, "the header is a %T, want an object", v)
	}
	if top["version"] != version {
		if n, ok := top["version"].(int); ok && n > version {
			return nil, fmt.Errorf("%s: %w", path, &array.UnsupportedError{Why: fmt.Sprintf("version %d of GNZ1, version %d is read", n, version)})
		}
		return nil, bad(prefixSize, "version %v, want %d", top["version"], version)
	}
	h := &header{metadata: map[string]any{}}
	if m, ok := top["metadata"]; ok && m != nil {
		if h.metadata, ok = m.(map[string]any); !ok {
			return nil, bad(prefixSize, "the metadata are a %T, want an object", m)
		}
	}
	arrays, ok := top["arrays"].(map[string]any)
	if !ok {
		return nil, bad(prefixSize, "the arrays are a %T, want an object", top["arrays"])
	}
	for name, v := range arrays {
		e, err := parseEntry(name, v, prefixSize+n, int64(len(file)))
		if err != nil {
			var u *array.UnsupportedError
			if errors.As(err, &u) {
				return nil, fmt.Errorf("%s: array %q: %w", path, name, err)
			}
			return nil, &FormatError{File: path, Array: name, Offset: prefixSize, Msg: err.Error()}
		}
		h.entries = append(h.entries, e)
	}
	return h, h.arrange(path)
}

// number is an int, a float64, or, where those don't hold it, as it is written.
func number(word string) any {
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil && !pyjson.IsInteger(word) {
		return f
	}
	return json.Number(word)
}

// parseEntry reads what the header tells of one array.
func parseEntry(name string, v any, begin, end int64) (*entry, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("it is a %T, want an object", v)
	}
	e := &entry{name: name}
	var err error
	if e.spec.DType, err = parseType(m); err != nil {
		return nil, err
	}
	shape, ok := m["shape"].([]any)
	if !ok || len(shape) > maxDims {
		return nil, fmt.Errorf("shape %.80v, want a list of at most %d numbers", fmt.Sprint(m["shape"]), maxDims)
	}
	e.spec.Shape = make([]int, len(shape))
	for i, d := range shape {
		if e.spec.Shape[i], ok = d.(int); !ok {
			return nil, fmt.Errorf("dimension %d is %v, want a whole number", i, d)
		}
	}
	switch order := m["order"]; order {
	case "C", nil:
	case "F":
		e.fortran = !e.spec.Flat()
	default:
		return nil, fmt.Errorf("order %v, want C or F", order)
	}
	size, err := e.spec.Bytes()
	if err != nil {
		return nil, err
	}
	e.size = int64(size)
	offset, ok := m["offset"].(int)
	if !ok || offset < 0 {
		return nil, fmt.Errorf("offset %v, want a whole number", m["offset"])
	}
	e.offset = int64(offset)
	switch {
	case e.size == 0:
	case e.offset < begin:
		return nil, fmt.Errorf("its data begin at byte %d, in the header, which ends at %d", e.offset, begin)
	case e.offset > end || e.size > end-e.offset:
		return nil, fmt.Errorf("%d bytes from byte %d on, in a file of %d", e.size, e.offset, end)
	}
	return e, nil
}

// parseType reads an array's element type: that of "descr" where it is there.
func parseType(m map[string]any) (array.DType, error) {
	s, ok := m["dtype"].(string)
	if !ok {
		return array.DType{}, fmt.Errorf("dtype %v, want a string", m["dtype"])
	}
	t, err := array.ParseDType(s)
	if err != nil || m["descr"] == nil {
		return t, err
	}
	d, ok := m["descr"].(string)
	if !ok {
		return t, fmt.Errorf("descr %v, want a string", m["descr"])
	}
	full, err := array.ParseDType(d)
	if err == nil && full.ItemSize() != t.ItemSize() {
		err = fmt.Errorf("descr %s of %d bytes beside dtype %s of %d", d, full.ItemSize(), s, t.ItemSize())
	}
	return full, err
}

// arrange sorts the arrays as they lie in the file, and refuses those that
// share bytes.
func (h *header) arrange(path string) error {
	slices.SortFunc(h.entries, func(a, b *entry) int {
		switch {
		case a.offset != b.offset:
			return int(max(-1, min(1, a.offset-b.offset)))
		case a.size != b.size && min(a.size, b.size) == 0:
			return int(max(-1, min(1, a.size-b.size))) // an empty one before what lies at its place
		}
		return strings.Compare(a.name, b.name)
	})
	end, before := int64(0), ""
	for _, e := range h.entries {
		if e.size == 0 {
			continue
		}
		if e.offset < end {
			return &FormatError{File: path, Array: e.name, Offset: e.offset, Msg: fmt.Sprintf("its data begin within those of array %q, which end at byte %d", before, end)}
		}
		end, before = e.offset+e.size, e.name
	}
	return nil
}

// format writes the header, without the zeros behind.
func (h *header) format() ([]byte, error) {
	arrays := make(map[string]any, len(h.entries))
	for _, e := range h.entries {
		order := "C"
		if e.fortran {
			order = "F"
		}
		m := map[string]any{"dtype": e.spec.DType.String(), "offset": e.offset, "order": order, "shape": e.spec.Shape}
		if t := e.spec.DType; t.IsStruct() || t == array.BFloat16 {
			m["dtype"], m["descr"] = fmt.Sprintf("|V%d", t.ItemSize()), t.String()
		}
		arrays[e.name] = m
	}
	metadata := h.metadata
	if metadata == nil {
		metadata = map[string]any{}
	}
	text, err := pyjson.Append(make([]byte, prefixSize), map[string]any{"arrays": arrays, "metadata": metadata, "version": version}, 0)
	if err != nil {
		return nil, fmt.Errorf("gnz: header: %w", err)
	}
	if len(text)-prefixSize > maxHeader {
		return nil, fmt.Errorf("gnz: a header of %d bytes, at most %d fit", len(text), maxHeader)
	}
	copy(text, magic)
	binary.LittleEndian.PutUint32(text[4:], uint32(len(text)-prefixSize))
	return text, nil
}

// layout places the arrays one behind the other, the first at least start
// bytes from the file's begin and behind the header, and returns the header.
// Later places make longer numbers, and those a longer header: it ends where
// that no longer changes anything.
func (h *header) layout(start int64) ([]byte, error) {
	start = up(start)
	for {
		if err := h.place(start); err != nil {
			return nil, err
		}
		text, err := h.format()
		if err != nil || up(int64(len(text))) <= start {
			return text, err
		}
		start = up(int64(len(text)))
	}
}

// place gives out the offsets.
func (h *header) place(at int64) error {
	for _, e := range h.entries {
		if e.size > math.MaxInt64-2*page-at {
			return fmt.Errorf("gnz: array %q: no file holds %d bytes from byte %d on", e.name, e.size, at)
		}
		e.offset = at
		at = up(at + e.size)
	}
	return nil
}

// end is where the last array ends, in whole pages, as placed.
func (h *header) end() int64 {
	if len(h.entries) == 0 {
		return 0
	}
	last := h.entries[len(h.entries)-1]
	return up(last.offset + last.size)
}
