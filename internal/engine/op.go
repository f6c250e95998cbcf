package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
)

// operation makes a decoder or operation of {"op": its type's name, …}, the
// other keys its settings; null is nil.
func operation(text json.RawMessage) (any, error) {
	v, err := op.Parse(text)
	return v, fromOp(err)
}

// fromOp makes a client's mistake of what package op finds wrong.
func fromOp(err error) error {
	if wrong := (*op.Error)(nil); errors.As(err, &wrong) {
		return optionf("%s", wrong.What)
	}
	return err
}

// namedOrder makes a value of the type that an object names. floats is what a setting
// can take numbers from instead of a list.
func namedOrder(text json.RawMessage, floats func(n int) ([]float64, error)) (any, error) {
	k := op.Kind{Key: "name", What: "order", Types: orders}
	k.Setting = func(v reflect.Value, text json.RawMessage) (done bool, err error) {
		switch {
		case v.Type() == reflect.TypeFor[loader.Order]():
			o, err := k.Parse(text)
			if err == nil && o != nil {
				v.Set(reflect.ValueOf(plain(o)))
			}
			return true, err
		case floats != nil && v.Type() == reflect.TypeFor[[]float64]() && text[0] != '[' && text[0] != 'n':
			var n int
			if err := json.Unmarshal(text, &n); err != nil {
				return true, fmt.Errorf("%.40s, want a list of numbers, or how many come in the payload", text)
			}
			list, err := floats(n)
			v.Set(reflect.ValueOf(list))
			return true, err
		}
		return false, nil
	}
	v, err := k.Parse(text)
	return v, fromOp(err)
}
