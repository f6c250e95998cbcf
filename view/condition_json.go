package view

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// jsonCondition compares what lies at a path inside JSON: a list on the way holds
// if one of its elements does.
func jsonCondition(c clause, k int, rest string) condition {
	var path []string
	if rest != "" {
		path = strings.Split(rest, ".")
	}
	n := newNeedle(c.Value)
	x, err := strconv.ParseFloat(c.Value, 64)
	isNumber := err == nil && !c.Quoted
	whole, err := strconv.ParseInt(c.Value, 10, 64)
	isWhole := err == nil && !c.Quoted
	leaf := func(v any) bool {
		switch v := v.(type) {
		case string:
			if c.Op == "~" {
				return n.in([]byte(v))
			}
			return compared(c.Op, strings.Compare(v, c.Value))
		case int64:
			if isWhole && c.Op != "~" {
				return compared(c.Op, order(v, whole))
			}
			return isNumber && c.Op != "~" && ordered(c.Op, float64(v), x)
		case float64:
			return isNumber && c.Op != "~" && ordered(c.Op, v, x)
		case json.Number:
			f, err := v.Float64()
			return err == nil && isNumber && c.Op != "~" && ordered(c.Op, f, x)
		case bool:
			return !c.Quoted && (c.Op == "=" || c.Op == "!=") && compared(c.Op, strings.Compare(strconv.FormatBool(v), c.Value))
		case nil:
			return !c.Quoted && (c.Op == "=" || c.Op == "!=") && compared(c.Op, strings.Compare("null", c.Value))
		}
		return false
	}
	return condition{cost: costData, reads: []int{k}, holds: func(p *probe) (bool, error) {
		v, err := p.json(k)
		return err == nil && inside(v, path, leaf), err
	}}
}

// inside says whether something at a path holds.
func inside(v any, path []string, leaf func(any) bool) bool {
	if list, ok := v.([]any); ok {
		if len(path) > 0 {
			if i, err := strconv.Atoi(path[0]); err == nil {
				return i >= 0 && i < len(list) && inside(list[i], path[1:], leaf)
			}
		}
		return slices.ContainsFunc(list, func(e any) bool { return inside(e, path, leaf) })
	}
	if len(path) == 0 {
		return leaf(v)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return false
	}
	for n := len(path); n > 0; n-- { // a key may have dots
		if e, ok := object[strings.Join(path[:n], ".")]; ok {
			return inside(e, path[n:], leaf)
		}
	}
	return false
}
