package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// operations are the decoders and operations that a client can name.
var operations = byName(
	loader.Raw{},
	// decoders, some of them operations as well
	transform.CenterCrop{}, transform.RandomCrop{}, transform.RandomResizedCrop{}, transform.Resize{},
	transform.ResizeCenterCrop{}, transform.Simple{},
	transform.Area{}, transform.Boxes{}, transform.Mask{},
	// on one sample
	transform.Brightness{}, transform.ColorJitter{}, transform.Contrast{}, transform.Convert{}, transform.Cutout{},
	transform.GaussianBlur{}, transform.Grayscale{}, transform.HorizontalFlip{}, transform.Hue{}, transform.MixupToOneHot{},
	transform.Normalize{}, transform.Poison{}, transform.RandomErasing{}, transform.ReplaceLabel{}, transform.Saturation{},
	transform.Solarize{}, transform.ToCHW{}, transform.Translate{}, transform.VerticalFlip{}, transform.View{},
	// on batches
	transform.ImageCutMix{}, transform.ImageMixup{}, transform.LabelCutMix{}, transform.LabelMixup{},
)

func byName(list ...any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, v := range list {
		types[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	return types
}

// operation makes a decoder or operation of {"op": its type's name, …}, the
// other keys its settings; null is nil.
func operation(text json.RawMessage) (any, error) {
	return named(text, "op", "operation", operations, nil)
}

// named makes a value of the type that an object names with key; what says what
// these are. floats is what a setting can take numbers from instead of a list.
func named(text json.RawMessage, key, what string, types map[string]reflect.Type, floats func(n int) ([]float64, error)) (any, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	var settings map[string]json.RawMessage
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, optionf("%s: want a JSON object, got %.40s", what, text)
	}
	var name string
	if err := json.Unmarshal(settings[key], &name); err != nil {
		return nil, optionf("%s: %q is %.40s, want the name of one", what, key, settings[key])
	}
	t, ok := types[name]
	if !ok {
		return nil, unknown(what, name, slices.Sorted(maps.Keys(types)))
	}
	delete(settings, key)
	v := reflect.New(t).Elem()
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		f, ok := t.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, k) })
		if !ok || !f.IsExported() {
			return nil, noSetting(name, k, t)
		}
		if err := setting(v.FieldByIndex(f.Index), settings[k], floats); err != nil {
			return nil, optionf("%s: %s: %v", name, f.Name, err)
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
	if len(known) == 0 {
		return optionf("%s: setting %q is unknown; it has none", name, key)
	}
	return unknown(name+": setting", key, known)
}

var (
	typeDType  = reflect.TypeFor[array.DType]()
	typeFilter = reflect.TypeFor[rgb.Filter]()
	typeBoxes  = reflect.TypeFor[transform.BoxFormat]()
	typeOrder  = reflect.TypeFor[loader.Order]()
)

// numbered are the names of settings that are numbers in Go.
var numbered = map[reflect.Type][]string{
	typeFilter: {"area", "bilinear"},
	typeBoxes:  {"corners", "cornersize"},
}

// setting reads a setting. What JSON would read in a way of its own is read here:
// element types, names of numbers, bytes (which come as numbers), lists of a
// fixed length.
func setting(v reflect.Value, text json.RawMessage, floats func(int) ([]float64, error)) error {
	t := v.Type()
	switch {
	case t == typeDType:
		return setDType(v, text)
	case t == typeOrder:
		o, err := named(text, "name", "order", orders, floats)
		if err == nil && o != nil {
			v.Set(reflect.ValueOf(plain(o)))
		}
		return err
	case numbered[t] != nil && text[0] == '"':
		var name string
		if err := json.Unmarshal(text, &name); err != nil {
			return err
		}
		i := slices.Index(numbered[t], strings.ToLower(name))
		if i < 0 {
			return unknown("name", name, numbered[t])
		}
		v.SetUint(uint64(i))
		return nil
	case t.Kind() == reflect.Func:
		return setFunc(v, text)
	case t.Kind() == reflect.Interface:
		return fmt.Errorf("can't be set from here")
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
	case floats != nil && t == reflect.TypeFor[[]float64]() && text[0] != '[' && text[0] != 'n':
		var n int
		if err := json.Unmarshal(text, &n); err != nil {
			return fmt.Errorf("%.40s, want a list of numbers, or how many come in the payload", text)
		}
		list, err := floats(n)
		v.Set(reflect.ValueOf(list))
		return err
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
