package fieldtest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
)

// marking is a sound fields.Marker, whose marks are a value's first byte, with
// one thing wrong.
type marking struct {
	fields.Bytes
	append func(dst, meta []byte, data [][]byte) ([]byte, error)
	check  func(data [][]byte, marks []byte) error
}

func (f marking) AppendMarks(dst, meta []byte, data [][]byte) ([]byte, error) {
	if f.append != nil {
		return f.append(dst, meta, data)
	}
	if len(data) != 1 {
		return dst, errors.New("no data")
	}
	return append(dst, data[0][:min(1, len(data[0]))]...), nil
}

func (f marking) CheckMarks(meta []byte, data [][]byte, marks []byte) error {
	if f.check != nil {
		return f.check(data, marks)
	}
	if want, err := f.AppendMarks(nil, meta, data); err != nil || !bytes.Equal(marks, want) {
		return errors.New("other marks")
	}
	return nil
}

func TestMarks(t *testing.T) {
	calls := byte(0)
	for _, c := range []struct {
		name, want string // want is "" for a sound one
		f          marking
	}{
		{"sound", "", marking{}},
		{"no marks", "", marking{append: func(dst, _ []byte, _ [][]byte) ([]byte, error) { return dst, nil }}},
		{"not appended", "want these and 3 others", marking{append: func(_, _ []byte, data [][]byte) ([]byte, error) { return data[0], nil }}},
		{"not the same twice", "want these", marking{append: func(dst, _ []byte, _ [][]byte) ([]byte, error) { calls++; return append(dst, calls), nil }}},
		{"refuses", "AppendMarks: no", marking{append: func(dst, _ []byte, _ [][]byte) ([]byte, error) { return dst, errors.New("no") }}},
		{"changes data", "changed the metadata or the data", marking{append: func(dst, _ []byte, data [][]byte) ([]byte, error) { data[0][0]++; return dst, nil }}},
		{"panics without data", "damaged: panic in AppendMarks", marking{append: func(dst, _ []byte, data [][]byte) ([]byte, error) { return append(dst, data[0][0]), nil }}},
		{"refuses its own", "its own marks: no", marking{check: func([][]byte, []byte) error { return errors.New("no") }}},
		{"panics on others", "panic in CheckMarks", marking{check: func(_ [][]byte, m []byte) error { _ = m[:1][0]; return nil }}},
	} {
		r := &recorder{TB: t}
		marks(r, c.f, []any{[]byte("abc")})
		said := strings.Join(r.said, "\n")
		if c.want == "" && said != "" || !strings.Contains(said, c.want) {
			t.Errorf("%s: %q, want %q", c.name, said, c.want)
		}
	}
}
