package convert

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/betongo/betongo/array"
)

// attrs says which attributes a format keeps.
type attrs struct {
	kind attrKind
	only []string // these names and no others; nil for any
	// check says whether a value can be written as it is; nil for all. Others are
	// written as plain makes them of what JSON can tell, and for nil as JSON text.
	check func(key string, v any) error
	plain func(v any) any
}

type attrKind int

const (
	noAttrs   attrKind = iota
	textAttrs          // strings; other values are written as JSON text
	jsonAttrs          // what JSON can tell
	anyAttrs           // whatever readers here make of attributes
)

// carry returns the attributes that go along, and notes the others; array is ""
// for those of the file.
func (j *job) carry(name string, from map[string]any, to attrs) map[string]any {
	var out map[string]any
	for _, key := range slices.Sorted(maps.Keys(from)) {
		v, why := carried(key, from[key], to)
		if why != "" {
			j.note(name, "attribute %q %s", key, why)
		}
		if v == nil {
			continue
		}
		if out == nil {
			out = map[string]any{}
		}
		out[key] = *v
	}
	return out
}

// carried returns what an attribute becomes, nil where it stays behind, and what
// is to say about it.
func carried(key string, v any, to attrs) (*any, string) {
	if to.kind == noAttrs || to.only != nil && !slices.Contains(to.only, key) {
		return nil, "isn't kept: there is no place for it"
	}
	switch to.kind {
	case anyAttrs:
		if to.check == nil || to.check(key, v) == nil {
			return &v, ""
		}
	case textAttrs:
		if _, ok := v.(string); ok {
			return &v, ""
		}
	}
	plain, changed, ok := jsonable(v)
	if !ok {
		return nil, fmt.Sprintf("isn't kept: JSON can't tell a %T", v)
	}
	if to.plain != nil {
		if v := to.plain(plain); to.check(key, v) == nil {
			plain = v
			to.kind = jsonAttrs
		}
	}
	if to.kind != jsonAttrs {
		text, err := json.Marshal(plain)
		if err != nil {
			return nil, "isn't kept: " + err.Error()
		}
		var s any = string(text)
		if to.check != nil && to.check(key, s) != nil {
			return nil, "isn't kept: " + to.check(key, s).Error()
		}
		return &s, "is kept as JSON text"
	}
	if changed {
		return &plain, "is kept as a list of numbers, without its type"
	}
	return &plain, ""
}

// dropNamed leaves out attributes that are called as an array.
func (j *job) dropNamed(from map[string]any) {
	for _, it := range j.list {
		if _, ok := from[it.name]; ok {
			delete(from, it.name)
			j.note("", "attribute %q isn't kept: an array is called so", it.name)
		}
	}
}

// pickled makes of what JSON can tell what a pickle has.
func pickled(v any) any {
	switch v := v.(type) {
	case int8:
		return int64(v)
	case int16:
		return int64(v)
	case int32:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		return new(big.Int).SetUint64(v)
	case json.Number:
		if n, ok := new(big.Int).SetString(v.String(), 10); ok && n.IsInt64() {
			return n.Int64()
		} else if ok {
			return n
		}
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = pickled(v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for key := range v {
			m[key] = pickled(v[key])
		}
		return m
	}
	return v
}

// jsonable returns a value as JSON has it. changed tells that it lost a type.
func jsonable(v any) (out any, changed, ok bool) {
	switch v := v.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint8, uint16, uint32, uint64, json.Number:
		return v, false, true
	case float32:
		return jsonable(float64(v))
	case float64:
		return v, false, !math.IsNaN(v) && !math.IsInf(v, 0)
	case []string:
		return v, false, true
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var c bool
			if list[i], c, ok = jsonable(v[i]); !ok {
				return nil, false, false
			}
			changed = changed || c
		}
		return list, changed, true
	case map[string]any:
		m := make(map[string]any, len(v))
		for key := range v {
			var c bool
			if m[key], c, ok = jsonable(v[key]); !ok {
				return nil, false, false
			}
			changed = changed || c
		}
		return m, changed, true
	case array.Array:
		list, ok := numbers(v)
		return list, true, ok
	case array.Strided:
		list, ok := numbers(v.AsContiguous())
		return list, true, ok
	}
	return nil, false, false
}

// maxList is how many elements of an array may become a list in JSON.
const maxList = 1 << 16

// numbers is an array as nested lists of JSON's numbers, bools and strings.
func numbers(a array.Array) (any, bool) {
	if n, err := a.Count(); err != nil || n > maxList {
		return nil, false
	}
	if len(a.Shape) > 0 {
		list := make([]any, a.Shape[0])
		for i := range list {
			var ok bool
			if list[i], ok = numbers(a.Row(i)); !ok {
				return nil, false
			}
		}
		return list, true
	}
	text := array.FormatElement(a.Data, a.DType)
	switch a.DType.Kind() {
	case 'b':
		return text == "True", true
	case 'i', 'u':
		return json.Number(text), true
	case 'f':
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	case 'S', 'U':
		return text, true
	}
	return nil, false
}
