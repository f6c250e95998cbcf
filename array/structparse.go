package array

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/internal/literal"
)

// parseStruct reads a list or dict.
func parseStruct(s string) (DType, error) {
	v, err := literal.Parse([]byte(s))
	if err != nil {
		return DType{}, fmt.Errorf("dtype %s: %w", excerpt(s), err)
	}
	t, shape, err := fromLiteral(v, false)
	if err == nil && len(shape) > 0 {
		err = &UnsupportedError{s, "a sub-array type; give the dimensions in the shape"}
	}
	if err != nil {
		return DType{}, fmt.Errorf("dtype %s: %w", excerpt(s), err)
	}
	return t, nil
}

// excerpt quotes at most the first 100 bytes.
func excerpt(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return strconv.Quote(s)
}

// fromLiteral returns the type that a literal tells, with the shape of a
// sub-array.
func fromLiteral(v any, aligned bool) (DType, []int, error) {
	switch v := v.(type) {
	case string:
		t, shape, err := parseMember(v)
		return t, shape, err
	case literal.List:
		t, err := fromList(v, aligned)
		return t, nil, err
	case map[string]any:
		t, err := fromDict(v, aligned)
		return t, nil, err
	case literal.Tuple:
		if len(v) != 2 {
			break
		}
		t, inner, err := fromLiteral(v[0], aligned)
		if err != nil {
			return DType{}, nil, err
		}
		shape, err := fromShape(v[1])
		return t, append(shape, inner...), err
	}
	return DType{}, nil, fmt.Errorf("%s is no type", literal.Describe(v))
}

// fromShape reads (2, 3), or 2 for (2,).
func fromShape(v any) ([]int, error) {
	items, ok := v.(literal.Tuple)
	if n, one := v.(int); one {
		items, ok = literal.Tuple{n}, true
	}
	if !ok {
		return nil, fmt.Errorf("%s is no shape", literal.Describe(v))
	}
	shape := []int{}
	for _, item := range items {
		n, ok := item.(int)
		if !ok || n < 0 {
			return nil, fmt.Errorf("%s is no shape", literal.Describe(v))
		}
		shape = append(shape, n)
	}
	return shape, nil
}

// fromList reads dtype.descr.
func fromList(list literal.List, aligned bool) (DType, error) {
	fields := make([]Field, 0, len(list))
	var gaps []bool
	padded := false
	for i, item := range list {
		m, ok := item.(literal.Tuple)
		if !ok || len(m) < 2 || len(m) > 3 {
			return DType{}, fmt.Errorf("member %d is %s, want a tuple of name, type and perhaps shape", i, literal.Describe(item))
		}
		var f Field
		switch name := m[0].(type) {
		case string:
			f.Name = name
		case literal.Tuple:
			title, ok1 := at(name, 0).(string)
			str, ok2 := at(name, 1).(string)
			if len(name) != 2 || !ok1 || !ok2 {
				return DType{}, fmt.Errorf("member %d has the name %s, want a title and a name", i, literal.Describe(name))
			}
			f.Title, f.Name = title, str
		default:
			return DType{}, fmt.Errorf("member %d has the name %s", i, literal.Describe(name))
		}
		if err := f.setType(m[1], aligned); err != nil {
			return DType{}, fmt.Errorf("member %d, %q: %w", i, f.Name, err)
		}
		if len(m) == 3 {
			shape, err := fromShape(m[2])
			if err != nil {
				return DType{}, fmt.Errorf("member %d, %q: %w", i, f.Name, err)
			}
			f.Shape = append(shape, f.Shape...)
		}
		gap := f.Name == "" && f.DType.kind == 'V' && !f.DType.IsStruct() && len(f.Shape) == 0
		gaps, padded = append(gaps, gap), padded || gap
		if f.Name == "" {
			f.Name = "f" + strconv.Itoa(i)
		}
		fields = append(fields, f)
	}
	if !padded {
		return place(fields, aligned)
	}
	return placeGaps(fields, gaps)
}

// placeGaps lays the fields out one behind another and drops the gaps, so that
// what is left lies where the list says.
func placeGaps(fields []Field, gaps []bool) (DType, error) {
	for i := range fields { // the names of gaps are no names
		if gaps[i] {
			fields[i].Name = "\x00" + strconv.Itoa(i)
		}
	}
	t, err := place(fields, false)
	if err != nil {
		return DType{}, err
	}
	var kept []Field
	for i, f := range t.Fields() {
		if !gaps[i] {
			kept = append(kept, f)
		}
	}
	return StructAt(kept, t.ItemSize())
}

// at returns an item, or nil where there is none.
func at[S ~[]any](items S, i int) any {
	if i < len(items) {
		return items[i]
	}
	return nil
}

func (f *Field) setType(v any, aligned bool) (err error) {
	f.DType, f.Shape, err = fromLiteral(v, aligned)
	return err
}

// fromDict reads NumPy's dict of lists, or of fields.
func fromDict(dict map[string]any, aligned bool) (DType, error) {
	names, ok1 := dict["names"].(literal.List)
	formats, ok2 := dict["formats"].(literal.List)
	if !ok1 || !ok2 {
		return fromFieldDict(dict, aligned)
	}
	if len(names) != len(formats) {
		return DType{}, fmt.Errorf("%d names and %d formats", len(names), len(formats))
	}
	if v, ok := dict["aligned"].(bool); ok {
		aligned = aligned || v
	}
	fields := make([]Field, len(names))
	offsets, given := dict["offsets"].(literal.List)
	titles, _ := dict["titles"].(literal.List)
	for i := range fields {
		f := &fields[i]
		var ok bool
		if f.Name, ok = names[i].(string); !ok {
			return DType{}, fmt.Errorf("the name %s, want a string", literal.Describe(names[i]))
		}
		f.Title, _ = at(titles, i).(string)
		if err := f.setType(formats[i], aligned); err != nil {
			return DType{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if !given {
			continue
		}
		if f.Offset, ok = at(offsets, i).(int); !ok {
			return DType{}, fmt.Errorf("field %q: the offset %s, want a number", f.Name, literal.Describe(at(offsets, i)))
		}
	}
	for key := range dict {
		if !slices.Contains([]string{"names", "formats", "offsets", "titles", "itemsize", "aligned"}, key) {
			return DType{}, fmt.Errorf("an unknown key %q", key)
		}
	}
	return finish(fields, dict, given, aligned)
}

// finish places fields where a dict gives no offsets, and checks its itemsize.
func finish(fields []Field, dict map[string]any, given, aligned bool) (DType, error) {
	if !given {
		t, err := place(fields, aligned)
		if err != nil {
			return DType{}, err
		}
		if _, ok := dict["itemsize"]; !ok {
			return t, nil
		}
		fields = t.Fields()
	}
	end, most := 0, 1
	for _, f := range fields {
		n, err := f.Spec().Bytes()
		if err != nil {
			return DType{}, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if f.Offset < 0 || f.Offset > maxItem || n > maxItem {
			return DType{}, fmt.Errorf("field %q: %d bytes at offset %d", f.Name, n, f.Offset)
		}
		end, most = max(end, f.Offset+n), max(most, f.DType.Align())
		if a := f.DType.Align(); aligned && f.Offset%a != 0 {
			return DType{}, fmt.Errorf("field %q: offset %d is no multiple of %d, in an aligned struct", f.Name, f.Offset, a)
		}
	}
	if aligned {
		end = roundUp(end, most)
	}
	switch size := dict["itemsize"].(type) {
	case nil:
	case int:
		if size < end || aligned && size%most != 0 {
			return DType{}, fmt.Errorf("itemsize %d, the fields need %d", size, end)
		}
		end = size
	default:
		return DType{}, fmt.Errorf("itemsize %s, want a number", literal.Describe(size))
	}
	return StructAt(fields, end)
}

const maxItem = 1 << 31

// fromFieldDict reads {'a': ('<f4', 0), 'b': ('<i8', 4, 'title')}.
func fromFieldDict(dict map[string]any, aligned bool) (DType, error) {
	var fields []Field
	for name, v := range dict {
		m, ok := v.(literal.Tuple)
		offset, isInt := at(m, 1).(int)
		if !ok || len(m) < 2 || len(m) > 3 || !isInt {
			return DType{}, fmt.Errorf("the key %q has %s; want names and formats, or a tuple of type and offset", name, literal.Describe(v))
		}
		f := Field{Name: name, Offset: offset}
		if f.Title, ok = at(m, 2).(string); !ok && len(m) == 3 {
			return DType{}, fmt.Errorf("field %q: the title %s, want a string", name, literal.Describe(m[2]))
		}
		if err := f.setType(m[0], aligned); err != nil {
			return DType{}, fmt.Errorf("field %q: %w", name, err)
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return DType{}, errors.New("a dict without fields")
	}
	slices.SortFunc(fields, func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Name, b.Name))
	})
	return finish(fields, nil, true, aligned)
}

// splitMembers cuts "i4, (2,3)f8" at the commas outside of brackets.
func splitMembers(s string) []string {
	var parts []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth == 0 {
				parts, start = append(parts, s[start:i]), i+1
			}
		}
	}
	if rest := s[start:]; strings.TrimSpace(rest) != "" || len(parts) == 0 {
		parts = append(parts, rest)
	} else {
		parts = append(parts, "") // "i4," is a struct of one
	}
	return parts
}

// parseMembers reads a struct with commas: fields f0, f1 and so on.
func parseMembers(s string) (DType, error) {
	parts := splitMembers(s)
	if parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	fields := make([]Field, len(parts))
	for i, part := range parts {
		f := Field{Name: "f" + strconv.Itoa(i)}
		var err error
		if f.DType, f.Shape, err = parseMember(strings.TrimSpace(part)); err != nil {
			return DType{}, fmt.Errorf("dtype %s: member %d: %w", excerpt(s), i, err)
		}
		fields[i] = f
	}
	return Struct(fields)
}

// parseMember reads a scalar type with a shape before it: "3i4", "(2,3)<f8".
func parseMember(s string) (DType, []int, error) {
	order, body := "", s
	if s != "" && strings.IndexByte("<>=|", s[0]) >= 0 {
		order, body = s[:1], s[1:]
	}
	var shape []int
	switch {
	case strings.HasPrefix(body, "("):
		end := strings.IndexByte(body, ')') + 1
		if end == 0 {
			return DType{}, nil, fmt.Errorf("dtype %q: no ')'", s)
		}
		v, err := literal.Parse([]byte(body[:end]))
		if err != nil {
			return DType{}, nil, fmt.Errorf("dtype %q: shape: %w", s, err)
		}
		if shape, err = fromShape(v); err != nil {
			return DType{}, nil, fmt.Errorf("dtype %q: %w", s, err)
		}
		body = body[end:]
	case body != "" && body[0] >= '0' && body[0] <= '9':
		rest := strings.TrimLeft(body, "0123456789")
		n, err := strconv.Atoi(body[:len(body)-len(rest)])
		if err != nil {
			return DType{}, nil, fmt.Errorf("dtype %q: %w", s, err)
		}
		shape, body = []int{n}, rest
	}
	if body != s && shape != nil && strings.ContainsAny(body, "({") {
		return DType{}, nil, fmt.Errorf("dtype %q: two shapes", s)
	}
	t, err := ParseDType(order + body)
	return t, shape, err
}
