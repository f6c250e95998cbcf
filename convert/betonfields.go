package convert

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// tagArrays is the section of the extension block that tells of which arrays a
// file's fields were made, where the fields alone don't tell: docs/format.md.
const tagArrays ffcv.Tag = 'A' | 'R'<<8 | 'R'<<16 | 'Y'<<24

// maxArrays is how large that section may be.
const maxArrays = 64 << 20

// record is the section's JSON text.
type record struct {
	Version int            `json:"version"` // 1
	Attrs   map[string]any `json:"attrs,omitempty"`
	Arrays  []recorded     `json:"arrays,omitempty"`
}

// recorded is an array that its fields alone don't tell.
type recorded struct {
	Name   string         `json:"name"`
	DType  string         `json:"dtype"`
	Shape  []int          `json:"shape"`  // of a row
	Fields []string       `json:"fields"` // in the order of the type's parts
	Attrs  map[string]any `json:"attrs,omitempty"`
}

// part is what becomes a field: an array, or a field of its structs.
type part struct {
	path   string // within the struct, with dots; "" is the whole element
	dtype  array.DType
	shape  []int // of the part in one element
	offset int   // in the element
}

// parts divides elements into what fields can hold.
func parts(t array.DType) ([]part, error) {
	if !t.IsStruct() {
		return []part{{dtype: t}}, nil
	}
	var list []part
	for _, f := range t.Fields() {
		inner, err := parts(f.DType)
		if err != nil {
			return nil, err
		}
		if f.Shape != nil && f.DType.IsStruct() {
			return nil, &array.UnsupportedError{DType: t.String(), Why: "its part " + f.Name + " is an array of structs"}
		}
		for _, p := range inner {
			p.path = strings.TrimSuffix(f.Name+"."+p.path, ".")
			p.offset += f.Offset
			if f.Shape != nil {
				p.shape = f.Shape
			}
			list = append(list, p)
		}
	}
	if list == nil {
		return nil, &array.UnsupportedError{DType: t.String(), Why: "a struct without fields"}
	}
	return list, nil
}

// field is the field of a part, for rows of the given shape. plain tells that
// the field alone tells type and shape.
func (p part) field(row []int) (f fields.Field, plain bool) {
	t := p.dtype.WithOrder('<')
	shape := slices.Concat(row, p.shape)
	switch {
	case len(shape) > 0:
		return fields.NDArray{DType: t, Shape: shape}, true
	case t == array.Int64:
		return fields.Int{}, true
	case t == array.Float64:
		return fields.Float{}, true
	}
	return fields.NDArray{DType: t, Shape: []int{1}}, false
}

// size is the bytes of a part in one element.
func (p part) size() int {
	n, err := array.Spec{DType: p.dtype, Shape: p.shape}.Bytes()
	if err != nil {
		return 0 // it is a part of what has a size
	}
	return n
}

// readRecord reads the section; nil where there is none.
func readRecord(f *ffcv.File) (*record, error) {
	list, err := f.Sections()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(s ffcv.Section) bool { return s.Tag == tagArrays })
	if i < 0 {
		return nil, nil
	}
	if n := list[i].Length; n > maxArrays {
		return nil, fmt.Errorf("section %v of %d bytes, at most %d", tagArrays, n, maxArrays)
	}
	text, err := io.ReadAll(f.OpenSection(list[i]))
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var r record
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("section %v: %w", tagArrays, err)
	}
	if r.Version != 1 {
		return nil, fmt.Errorf("section %v of version %d, 1 is read", tagArrays, r.Version)
	}
	r.Attrs = unnumber(r.Attrs).(map[string]any)
	for i := range r.Arrays {
		r.Arrays[i].Attrs = unnumber(r.Arrays[i].Attrs).(map[string]any)
	}
	return &r, nil
}

// unnumber makes int64 and float64 of a JSON text's numbers.
func unnumber(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		if f, err := v.Float64(); err == nil {
			return f
		}
	case []any:
		for i := range v {
			v[i] = unnumber(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = unnumber(v[key])
		}
	}
	return v
}
