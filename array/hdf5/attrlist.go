package hdf5

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/betongo/betongo/array"
)

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

var errMixed = errors.New("a list that is no array: its values differ in type, or its lists in length")

// listValue is the array that a list of any values is, with lists in it for
// more dimensions, as JSON has them: of int64, uint64, float64, bool or strings.
func listValue(list []any) (*array.Array, *textValue, error) {
	var leaves []any
	shape, err := flatten(list, 0, &leaves)
	if err != nil {
		return nil, nil, err
	}
	if len(leaves) == 0 {
		return &array.Array{Spec: array.Spec{DType: array.Float64, Shape: shape}}, nil, nil
	}
	if _, ok := leaves[0].(string); ok {
		t := &textValue{shape: shape}
		for _, v := range leaves {
			s, ok := v.(string)
			if !ok {
				return nil, nil, errMixed
			}
			if err := checkText(s); err != nil {
				return nil, nil, err
			}
			t.list = append(t.list, s)
		}
		return nil, t, nil
	}
	a, err := numbers(leaves, shape)
	return &a, nil, err
}

// flatten collects what isn't a list, in order, and returns the shape.
func flatten(list []any, depth int, leaves *[]any) ([]int, error) {
	if depth == maxRank {
		return nil, fmt.Errorf("more than %d lists in one another", maxRank)
	}
	var inner []int
	for i, v := range list {
		var shape []int
		switch v := v.(type) {
		case []any:
			var err error
			if shape, err = flatten(v, depth+1, leaves); err != nil {
				return nil, err
			}
		case []string:
			for _, s := range v {
				*leaves = append(*leaves, s)
			}
			shape = []int{len(v)}
		default:
			*leaves = append(*leaves, v)
		}
		if i > 0 && !slices.Equal(shape, inner) {
			return nil, errMixed
		}
		inner = shape
	}
	return append([]int{len(list)}, inner...), nil
}

// number is what a number of JSON is in Go.
func number(n json.Number) (any, error) {
	if v, err := n.Int64(); err == nil {
		return v, nil
	}
	if v, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return v, nil
	}
	return n.Float64()
}

// numbers are all int64, or uint64 where only those hold them, float64 where
// one is a float, or all bool.
func numbers(leaves []any, shape []int) (array.Array, error) {
	ints, floats, bools := []int64{}, []float64{}, []bool{}
	var large []uint64
	for _, v := range leaves {
		if text, ok := v.(json.Number); ok {
			var err error
			if v, err = number(text); err != nil {
				return array.Array{}, err
			}
		}
		switch v := v.(type) {
		case bool:
			bools = append(bools, v)
			continue
		case int:
			ints = append(ints, int64(v))
		case int64:
			ints = append(ints, v)
		case uint64:
			if v <= math.MaxInt64 {
				ints = append(ints, int64(v))
			} else {
				large = append(large, v)
			}
			floats = append(floats, float64(v))
			continue
		case float32:
			floats = append(floats, float64(v))
			continue
		case float64:
			floats = append(floats, v)
			continue
		default:
			return array.Array{}, fmt.Errorf("a list with a %T", v)
		}
		floats = append(floats, float64(ints[len(ints)-1]))
	}
	switch n := len(leaves); {
	case len(bools) == n:
		return array.Of(bools, shape...)
	case len(bools) > 0:
		return array.Array{}, errMixed
	case len(ints) == n:
		return array.Of(ints, shape...)
	case len(large) == n:
		return array.Of(large, shape...)
	}
	return array.Of(floats, shape...)
}
