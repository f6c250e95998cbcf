package fields

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
)

// Opaque is a custom field of which only the NumPy dtype of its metadata is
// known. Values are a []byte of that size, stored as they are; Decode returns
// a copy of the metadata. It keeps no data regions: pointers inside the
// metadata are bytes like any others, so it reads every custom field but
// writes only those without.
type Opaque struct {
	// DType is a scalar's dtype ("<u4"), with sub-array dimensions before it
	// if there are ("(2,3)<f4", "3u1"), or several with commas between, which
	// is NumPy's packed struct ("<u4,|u1").
	DType string
}

// TypeID returns TypeCustom.
func (Opaque) TypeID() TypeID { return TypeCustom }

// Args returns zeros. The error tells when DType isn't one.
func (f Opaque) Args() (Args, error) {
	_, err := f.layout()
	return Args{}, err
}

// Layout has the size and alignment of the dtype; zero when it isn't one,
// which Args tells.
func (f Opaque) Layout() Layout {
	l, _ := f.layout()
	return l
}

func (f Opaque) layout() (Layout, error) {
	members := splitMembers(f.DType)
	total := Layout{Align: 1}
	for _, m := range members {
		size, align, err := memberSize(strings.TrimSpace(m))
		if err != nil {
			return Layout{}, err
		}
		if size > math.MaxInt32-total.Size {
			return Layout{}, fmt.Errorf("dtype %q: larger than %d bytes", f.DType, math.MaxInt32)
		}
		total.Size += size
		if len(members) == 1 {
			total.Align = align
		}
	}
	if total.Size == 0 {
		return Layout{}, fmt.Errorf("dtype %q: no bytes", f.DType)
	}
	return total, nil
}

// splitMembers splits at commas outside of parentheses.
func splitMembers(s string) []string {
	var members []string
	depth, start := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				members = append(members, s[start:i])
				start = i + 1
			}
		}
	}
	return append(members, s[start:])
}

// memberSize reads one scalar or sub-array.
func memberSize(s string) (size, align int, err error) {
	shape, str, err := cutShape(s)
	if err != nil {
		return 0, 0, err
	}
	t, err := array.ParseDType(str)
	if err != nil {
		return 0, 0, err
	}
	size, err = array.Spec{DType: t, Shape: shape}.Bytes()
	return size, t.Align(), err
}

// cutShape takes the dimensions from the front of a sub-array dtype.
func cutShape(s string) (shape []int, rest string, err error) {
	dims := ""
	if inner, ok := strings.CutPrefix(s, "("); ok {
		if dims, rest, ok = strings.Cut(inner, ")"); !ok {
			return nil, "", fmt.Errorf("dtype %q: no ')'", s)
		}
		dims = strings.TrimSuffix(strings.TrimSpace(dims), ",")
	} else {
		rest = strings.TrimLeft(s, "0123456789")
		dims = s[:len(s)-len(rest)]
	}
	if dims == "" {
		return nil, rest, nil
	}
	for _, d := range strings.Split(dims, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(d))
		if err != nil || n < 0 {
			return nil, "", fmt.Errorf("dtype %q: dimension %q", s, d)
		}
		shape = append(shape, n)
	}
	return shape, rest, nil
}

// Encode stores the bytes.
func (f Opaque) Encode(meta []byte, value any, _ At) error {
	b, ok := value.([]byte)
	if !ok {
		return wrongType("custom "+f.DType, value, "the []byte of its metadata")
	}
	if len(b) != len(meta) {
		return fmt.Errorf("custom %s: %d bytes of metadata, want %d: %w", f.DType, len(b), len(meta), ErrValue)
	}
	copy(meta, b)
	return nil
}

// Regions returns none.
func (f Opaque) Regions(dst []Region, meta []byte) ([]Region, error) {
	l, err := f.layout()
	if err != nil {
		return nil, err
	}
	return dst, checkMeta("custom "+f.DType, meta, l.Size)
}

// Decode returns a copy of the metadata.
func (f Opaque) Decode(meta []byte, _ [][]byte) (any, error) {
	if _, err := f.Regions(nil, meta); err != nil {
		return nil, err
	}
	return append([]byte{}, meta...), nil
}
