package arrow

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
)

// Attributes that an array gets from its type and not from the pairs beside it.
const (
	zoneAttr  = "timezone"    // of times
	orderAttr = "permutation" // of a tensor: the stored axis of each axis of a row
	namesAttr = "dim_names"   // of a tensor: the stored axes' names
)

// attrs gives the column what is kept beside its field.
func (c *Column) attrs() error {
	var hidden []string
	for _, kv := range c.Field.Meta {
		if kv.Key == extensionKey && kv.Value == tensorName {
			hidden = []string{extensionKey, paramsKey}
		}
	}
	attrs := Attrs(c.Field.Meta, hidden...)
	put := func(key string, v any) {
		if attrs == nil {
			attrs = map[string]any{}
		}
		attrs[key] = v
	}
	if t, ok := tensorOf(c.Field); ok {
		if t.Permutation != nil {
			put(orderAttr, t.Permutation)
		}
		if t.Names != nil {
			put(namesAttr, t.Names)
		}
	}
	if c.Field.Zone != "" {
		put(zoneAttr, c.Field.Zone)
	}
	c.Member.Attrs = attrs
	return nil
}

// Attrs returns pairs as attributes: text, but for those that were written as
// JSON. Arrow's and this package's own keys, and hidden ones, aren't among them.
func Attrs(meta []KeyValue, hidden ...string) map[string]any {
	var coded []string
	if text, ok := Get(meta, jsonKey); ok {
		_ = json.Unmarshal([]byte(text), &coded) // else all is text
	}
	var attrs map[string]any
	for _, kv := range meta {
		switch {
		case kv.Key == dtypeKey, kv.Key == ScalarKey, kv.Key == jsonKey, kv.Key == "ARROW:schema", slices.Contains(hidden, kv.Key):
			continue
		case strings.HasPrefix(kv.Key, "PARQUET:"): // pyarrow's note of where a column was
			continue
		}
		if attrs == nil {
			attrs = map[string]any{}
		}
		if _, ok := attrs[kv.Key]; ok {
			continue
		}
		var v any = kv.Value
		if slices.Contains(coded, kv.Key) {
			if err := json.Unmarshal([]byte(kv.Value), &v); err != nil {
				v = kv.Value
			}
		}
		attrs[kv.Key] = v
	}
	return attrs
}

// Pairs is the way back of Attrs: values that aren't text become JSON, and a
// pair of its own tells which did.
func Pairs(attrs map[string]any) ([]KeyValue, error) {
	var list []KeyValue
	var coded []string
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		text, ok := attrs[key].(string)
		if !ok {
			b, err := json.Marshal(attrs[key])
			if err != nil {
				return nil, fmt.Errorf("attribute %q: %w", key, err)
			}
			text = string(b)
			coded = append(coded, key)
		}
		list = append(list, KeyValue{key, text})
	}
	if coded != nil {
		b, err := json.Marshal(coded)
		if err != nil {
			return nil, err
		}
		list = append(list, KeyValue{jsonKey, string(b)})
	}
	return list, nil
}

// NewField returns the field that an array's rows are written as, and the
// column of it. Large says that text may be more than 2 GiB.
func NewField(m array.Member, large bool) (*Field, *Column, error) {
	t := m.Spec.DType
	own := map[string]any{}
	for k, v := range m.Attrs {
		own[k] = v
	}
	var shape []int
	if len(m.Spec.Shape) > 0 {
		shape = m.Spec.Shape[1:]
	}
	f, err := leafOf(t, large)
	if err != nil {
		return nil, nil, err
	}
	switch order, names := ints(own[orderAttr]), texts(own[namesAttr]); {
	case (f.Type == Int || f.Type == Float) && (len(shape) > 1 || len(shape) > 0 && (order != nil || names != nil)):
		// Of other elements pyarrow makes no tensors.
		if f, err = asTensor(f, shape, order, names); err != nil {
			return nil, nil, err
		}
		delete(own, orderAttr)
		delete(own, namesAttr)
	default:
		for _, d := range slices.Backward(shape) {
			f = listOf(f, d)
		}
	}
	if zone, ok := own[zoneAttr].(string); ok && f.Type == Timestamp {
		f.Zone = zone
		delete(own, zoneAttr)
	}
	f.Name = m.Name
	meta, err := Pairs(own)
	if err != nil {
		return nil, nil, err
	}
	f.Meta = append(f.Meta, meta...)
	if len(m.Spec.Shape) == 0 {
		f.Meta = append(f.Meta, KeyValue{ScalarKey, "1"})
	}
	if c, measure, err := newColumn(&f, nil); err == nil && !measure && c.Member.Spec.DType == t && slices.Equal(c.Member.Spec.Shape[min(1, len(c.Member.Spec.Shape)):], shape) {
		return &f, c, nil
	}
	f.Meta = append(f.Meta, KeyValue{dtypeKey, t.String()})
	c, measure, err := newColumn(&f, nil)
	if err == nil && (measure || c.Member.Spec.DType != t) {
		err = &array.UnsupportedError{DType: t.String(), Why: "Arrow has no way to keep it"}
	}
	return &f, c, err
}

func listOf(f Field, n int) Field {
	f.Name = "item"
	return Field{Type: FixedSizeList, Size: n, Children: []Field{f}}
}

// asTensor wraps elements into a fixed-shape tensor.
func asTensor(f Field, shape, order []int, names []string) (Field, error) {
	n, err := array.Spec{DType: array.Uint8, Shape: shape}.Count()
	if err != nil {
		return f, err
	}
	t := tensor{Shape: shape}
	if len(order) == len(shape) && isPermutation(order, len(order)) {
		t.Permutation = order
		t.Shape = make([]int, len(shape))
		for i, axis := range order {
			t.Shape[axis] = shape[i]
		}
	}
	if len(names) == len(shape) {
		t.Names = names
	}
	text, err := json.Marshal(t)
	if err != nil {
		return f, err
	}
	f.Nullable = true // which is the only kind that pyarrow takes for a tensor
	l := listOf(f, n)
	l.Meta = []KeyValue{{extensionKey, tensorName}, {paramsKey, string(text)}}
	return l, nil
}

// ints returns a list of whole numbers, as attributes have them; nil for
// anything else.
func ints(v any) []int {
	switch v := v.(type) {
	case []int:
		return v
	case []any:
		list := make([]int, len(v))
		for i, x := range v {
			f, ok := x.(float64)
			if !ok || f != float64(int(f)) {
				return nil
			}
			list[i] = int(f)
		}
		return list
	}
	return nil
}

func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		list := make([]string, len(v))
		for i, x := range v {
			s, ok := x.(string)
			if !ok {
				return nil
			}
			list[i] = s
		}
		return list
	}
	return nil
}

// leafOf returns the field of one element of a type.
func leafOf(t array.DType, large bool) (Field, error) {
	size := t.ItemSize()
	bits := 8 * size
	f := Field{Bits: bits}
	switch {
	case t.IsStruct():
		f = Field{Type: Struct}
		for _, field := range t.Fields() {
			child, err := leafOf(field.DType, large)
			if err != nil {
				return f, fmt.Errorf("field %q: %w", field.Name, err)
			}
			for _, d := range slices.Backward(field.Shape) {
				child = listOf(child, d)
			}
			child.Name = field.Name
			f.Children = append(f.Children, child)
		}
		return f, nil
	case t.Kind() == 'b':
		return Field{Type: Bool}, nil
	case t.Kind() == 'i' || t.Kind() == 'u':
		f.Type, f.Signed = Int, t.Kind() == 'i'
		return f, nil
	case t.Kind() == 'f' && size <= 8:
		f.Type = Float
		return f, nil
	case t.Kind() == 'c' && size <= 16:
		return listOf(Field{Type: Float, Bits: bits / 2}, 2), nil
	case t.Kind() == 'M' || t.Kind() == 'm':
		return leafOfTime(t), nil
	case t.Kind() == 'U' || t.Kind() == 'S':
		f = Field{Type: Binary}
		if t.Kind() == 'U' {
			f.Type = Utf8
		}
		if large {
			f.Type += LargeBinary - Binary
		}
		return f, nil
	}
	if size == 0 {
		return f, &array.UnsupportedError{DType: t.String(), Why: "its elements have no bytes"}
	}
	return Field{Type: FixedSizeBinary, Size: size}, nil
}

// leafOfTime returns the field of a time: whole numbers for the units that Arrow
// doesn't have.
func leafOfTime(t array.DType) Field {
	f := Field{Type: Duration, Unit: t.Unit(), Nullable: true}
	if t.Kind() == 'M' {
		f.Type = Timestamp
	}
	switch t.Unit() {
	case "s", "ms", "us", "ns":
	case "D":
		if f.Type == Timestamp {
			return Field{Type: Date, Bits: 32, Nullable: true}
		}
		fallthrough
	default:
		return Field{Type: Int, Bits: 64, Signed: true, Nullable: true}
	}
	return f
}
