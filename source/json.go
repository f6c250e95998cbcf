package source

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// The functions here walk JSON text that fields.JSONText.Check has passed, in
// Python's dialect (NaN, Infinity and -Infinity are numbers), so that they
// need not check it again.

const jsonSpace = " \t\r\n"

// members calls each with the key of every member of the object text and the
// member's value, a span of text.
func members(text []byte, each func(key string, value []byte) error) error {
	text = bytes.Trim(text, jsonSpace)
	if len(text) == 0 || text[0] != '{' {
		return fmt.Errorf("expected an object {…}, found %s", excerpt(text))
	}
	for i := next(text, 1); text[i] != '}'; {
		end := skipValue(text, i)
		key, err := unquote(text[i:end])
		if err != nil {
			return err
		}
		i = next(text, next(text, end)+1) // behind the colon
		end = skipValue(text, i)
		if err := each(key, text[i:end]); err != nil {
			return err
		}
		if i = next(text, end); text[i] == ',' {
			i = next(text, i+1)
		}
	}
	return nil
}

// next skips white space from i on.
func next(text []byte, i int) int {
	for i < len(text) && strings.IndexByte(jsonSpace, text[i]) >= 0 {
		i++
	}
	return i
}

// skipValue returns where the value that begins at i ends.
func skipValue(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch text[i] {
		case '"':
			i = skipString(text, i)
			if depth == 0 {
				return i
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i // the end of a scalar that is its list's last
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
		}
		i++
	}
	return i
}

func skipString(text []byte, i int) int {
	for i++; text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquote returns the text of a JSON string.
func unquote(value []byte) (string, error) {
	if len(value) == 0 || value[0] != '"' {
		return "", fmt.Errorf("expected a string, found %s", excerpt(value))
	}
	inner := value[1 : len(value)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	v, err := fields.JSONText(value).Value()
	if err != nil {
		return "", err
	}
	s, _ := v.(string)
	// Half a surrogate pair has no UTF-8; it comes back as U+FFFD.
	if strings.Count(s, "\ufffd") > bytes.Count(inner, []byte("\ufffd"))+bytes.Count(bytes.ToLower(inner), []byte(`\ufffd`)) {
		return "", fmt.Errorf("string %s: half a surrogate pair is no text", excerpt(value))
	}
	return s, nil
}

// list reads nested JSON lists as an array of exactly that spec.
func list(text []byte, spec array.Spec) (array.Array, error) {
	size, err := spec.Bytes()
	if err != nil {
		return array.Array{}, err
	}
	if most := len(text); size/max(spec.DType.ItemSize(), 1) > most {
		// Checked before it sizes the memory: each element has a byte of text.
		return array.Array{}, fmt.Errorf("list of %d bytes of text: too short for an array %v", most, spec)
	}
	l := listReader{text: text, spec: spec, data: make([]byte, size)}
	if err := l.read(0); err != nil {
		return array.Array{}, err
	}
	return array.New(spec, l.data)
}

type listReader struct {
	text []byte
	off  int
	spec array.Spec
	data []byte
	n    int // bytes of data filled
}

// read reads the list that is axis number axis, or a scalar behind the last.
func (l *listReader) read(axis int) error {
	l.off = next(l.text, l.off)
	if axis == len(l.spec.Shape) {
		end := skipValue(l.text, l.off)
		item := l.spec.DType.ItemSize()
		err := putElement(l.spec.DType, l.data[l.n:l.n+item], string(l.text[l.off:end]))
		l.off, l.n = end, l.n+item
		return err
	}
	if l.text[l.off] != '[' {
		return fmt.Errorf("expected lists of shape %s, found %s at axis %d", array.ShapeString(l.spec.Shape), excerpt(l.text[l.off:]), axis)
	}
	l.off = next(l.text, l.off+1)
	want, have := l.spec.Shape[axis], 0
	for l.text[l.off] != ']' {
		if have++; have > want {
			break
		}
		if err := l.read(axis + 1); err != nil {
			return err
		}
		if l.off = next(l.text, l.off); l.text[l.off] == ',' {
			l.off = next(l.text, l.off+1)
		}
	}
	if have != want {
		return fmt.Errorf("expected lists of shape %s, found %s than %d elements at axis %d",
			array.ShapeString(l.spec.Shape), map[bool]string{true: "more", false: "fewer"}[have > want], want, axis)
	}
	l.off++
	return nil
}

// excerpt quotes the beginning of a text for an error.
func excerpt[T string | []byte](text T) string {
	const most = 40
	if len(text) == 0 {
		return "nothing"
	}
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
