package op

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// Kind is types that objects can name, structs each. It is safe for concurrent use.
type Kind struct {
	Key   string // of the object's member that is the type's name
	What  string // what these are, for errors
	Types map[string]reflect.Type
	// Setting reads a setting of a type that this package knows nothing of; done is
	// false for those that are to be read as others are. nil reads none.
	Setting func(v reflect.Value, text json.RawMessage) (done bool, err error)
}

// Parse makes a value of the type that an object names; null, and nothing, are nil.
// Wrong text is an *Error.
func (k *Kind) Parse(text json.RawMessage) (any, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, &Error{What: fmt.Sprintf("%s: want a JSON object, got %.40s", k.What, text)}
	}
	var name string
	if err := json.Unmarshal(settings[k.Key], &name); err != nil {
		return nil, &Error{What: fmt.Sprintf("%s: %q is %.40s, want the name of one", k.What, k.Key, settings[k.Key])}
	}
	delete(settings, k.Key)
	return k.New(name, settings)
}

// New makes a value of the type of that name with these settings, which are not kept.
// What is wrong is an *Error.
func (k *Kind) New(name string, settings map[string]json.RawMessage) (any, error) {
	t, ok := k.Types[name]
	if !ok {
		return nil, Unknown(k.What, name, slices.Sorted(maps.Keys(k.Types)))
	}
	v := reflect.New(t).Elem()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		f, ok := t.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, key) })
		if !ok || !f.IsExported() {
			return nil, noSetting(name, key, t)
		}
		if err := k.set(v.FieldByIndex(f.Index), settings[key]); err != nil {
			return nil, &Error{Op: name, Param: f.Name, What: fmt.Sprintf("%s: %s: %v", name, f.Name, err)}
		}
	}
	return v.Interface(), nil
}

// noSetting is the error of a setting that a type doesn't have.
func noSetting(name, key string, t reflect.Type) error {
	var known []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			known = append(known, f.Name)
		}
	}
	e := &Error{What: fmt.Sprintf("%s: setting %q is unknown; it has none", name, key)}
	if len(known) > 0 {
		errors.As(Unknown(name+": setting", key, known), &e)
	}
	e.Op, e.Param = name, key
	return e
}

var (
	typeDType  = reflect.TypeFor[array.DType]()
	typeFilter = reflect.TypeFor[rgb.Filter]()
	typeBoxes  = reflect.TypeFor[transform.BoxFormat]()
)

// numbered are the names of settings that are numbers in Go.
var numbered = map[reflect.Type][]string{
	typeFilter: {"area", "bilinear"},
	typeBoxes:  {"corners", "cornersize"},
}

// Choices returns the names of a setting's numbers, in their order from 0, nil for one
// whose numbers have none.
func Choices(t reflect.Type) []string { return slices.Clone(numbered[t]) }

// set reads a setting. What JSON would read in a way of its own is read here:
// element types, names of numbers, bytes (which come as numbers), lists of a
// fixed length.
func (k *Kind) set(v reflect.Value, text json.RawMessage) error {
	t := v.Type()
	if k.Setting != nil {
		if done, err := k.Setting(v, text); done || err != nil {
			return err
		}
	}
	switch {
	case len(text) == 0:
		return fmt.Errorf("nothing, want %s", t)
	case t == typeDType:
		return setDType(v, text)
	case numbered[t] != nil && text[0] == '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return err
		}
		i := slices.Index(numbered[t], strings.ToLower(name))
		if i < 0 {
			return Unknown("name", name, numbered[t])
		}
		v.SetUint(uint64(i))
		return nil
	case t.Kind() == reflect.Func:
		return setFunc(v, text)
	case t.Kind() == reflect.Interface:
		return errors.New("can't be set from here")
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return setBytes(v, text)
	case t.Kind() == reflect.Array && text[0] == '[':
		var list []json.RawMessage
		if err := json.Unmarshal(text, &list); err != nil {
			return err
		}
		if len(list) != t.Len() {
			return fmt.Errorf("%d values, want %d", len(list), t.Len())
		}
	}
	if err := json.Unmarshal(text, v.Addr().Interface()); err != nil {
		return fmt.Errorf("%.40s, want %s", text, t)
	}
	return nil
}

// setDType reads an element type as NumPy writes it, or bfloat16.
func setDType(v reflect.Value, text json.RawMessage) error {
	var name string
	if err := json.Unmarshal(text, &name); err != nil {
		return fmt.Errorf("%.40s, want an element type such as \"<f4\"", text)
	}
	if name == "" {
		return nil
	}
	if strings.EqualFold(name, "bfloat16") {
		v.Set(reflect.ValueOf(transform.BFloat16))
		return nil
	}
	t, err := array.ParseDType(name)
	if err != nil {
		return err
	}
	v.Set(reflect.ValueOf(t))
	return nil
}

// setFunc sets OnDamage, the one function that can be meant by true: damaged
// pictures come as far as they can be had, and are counted.
func setFunc(v reflect.Value, text json.RawMessage) error {
	var on bool
	if v.Type() != reflect.TypeFor[func(error)]() || json.Unmarshal(text, &on) != nil {
		return fmt.Errorf("%.40s: a function can't be set from here, only true for OnDamage", text)
	}
	if on {
		v.Set(reflect.ValueOf(func(error) {}))
	}
	return nil
}

// setBytes reads bytes from a list of numbers.
func setBytes(v reflect.Value, text json.RawMessage) error {
	var list []uint16
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("%.40s, want a list of numbers from 0 to 255", text)
	}
	if list == nil {
		return nil
	}
	b := make([]byte, len(list))
	for i, n := range list {
		if n > 255 {
			return fmt.Errorf("%d, want numbers from 0 to 255", n)
		}
		b[i] = byte(n)
	}
	v.SetBytes(b)
	return nil
}
