package op_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

func TestParse(t *testing.T) {
	for _, test := range []struct {
		text string
		want any
	}{
		{``, nil},
		{`null`, nil},
		{`{"op":"Raw"}`, loader.Raw{}},
		{`{"op":"HorizontalFlip","P":0.25}`, transform.HorizontalFlip{P: 0.25}},
		{`{"op":"RandomResizedCrop","width":8,"HEIGHT":9,"scale":[0.1,1],"filter":"Bilinear"}`,
			transform.RandomResizedCrop{Width: 8, Height: 9, Scale: [2]float64{0.1, 1}, Filter: rgb.Bilinear}},
		{`{"op":"CenterCrop","filter":1}`, transform.CenterCrop{Filter: rgb.Bilinear}},
		{`{"op":"Cutout","size":2,"fill":[1,2,255]}`, transform.Cutout{Size: 2, Fill: []uint8{1, 2, 255}}},
		{`{"op":"Cutout","fill":null}`, transform.Cutout{}},
		{`{"op":"Convert","dtype":"<f2"}`, transform.Convert{DType: array.Float16}},
		{`{"op":"Convert","dtype":"BFloat16"}`, transform.Convert{DType: transform.BFloat16}},
		{`{"op":"Convert","dtype":""}`, transform.Convert{}},
		{`{"op":"Boxes","format":"cornersize"}`, transform.Boxes{Format: 1}},
		{`{"op":"Poison","indices":[3,1]}`, transform.Poison{Indices: []int{3, 1}}},
	} {
		got, err := op.Parse(json.RawMessage(test.text))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %#v, %v, want %#v", test.text, got, err, test.want)
		}
	}
	v, err := op.Parse(json.RawMessage(`{"op":"Simple","ondamage":true}`))
	if s, ok := v.(transform.Simple); err != nil || !ok || s.OnDamage == nil {
		t.Errorf("OnDamage: %#v, %v", v, err)
	}
}

// TestParseErrors: each names the operation and the setting, and what may have been
// meant.
func TestParseErrors(t *testing.T) {
	for _, test := range []struct{ text, op, param, want string }{
		{`7`, "", "", "want a JSON object"},
		{`[]`, "", "", "want a JSON object"},
		{`{}`, "", "", `"op"`},
		{`{"op":7}`, "", "", `"op" is 7`},
		{`{"op":"RandomResizeCrop"}`, "", "", `the nearest is "RandomResizedCrop"`},
		{`{"op":"x y z w"}`, "", "", "known are"},
		{`{"op":"CenterCrop","widht":3}`, "CenterCrop", "widht", `the nearest is "Width"`},
		{`{"op":"ToCHW","x":1}`, "ToCHW", "x", "it has none"},
		{`{"op":"CenterCrop","width":"a"}`, "CenterCrop", "Width", `"a", want int`},
		{`{"op":"CenterCrop","width":1.5}`, "CenterCrop", "Width", "1.5, want int"},
		{`{"op":"CenterCrop","width":1e30}`, "CenterCrop", "Width", "want int"},
		{`{"op":"CenterCrop","filter":"areal"}`, "CenterCrop", "Filter", `the nearest is "area"`},
		{`{"op":"CenterCrop","filter":-1}`, "CenterCrop", "Filter", "-1"},
		{`{"op":"CenterCrop","ondamage":3}`, "CenterCrop", "OnDamage", "function"},
		{`{"op":"RandomResizedCrop","scale":[1]}`, "RandomResizedCrop", "Scale", "1 values, want 2"},
		{`{"op":"RandomResizedCrop","scale":[1,2,3]}`, "RandomResizedCrop", "Scale", "3 values, want 2"},
		{`{"op":"Cutout","fill":[256]}`, "Cutout", "Fill", "256"},
		{`{"op":"Cutout","fill":[-1]}`, "Cutout", "Fill", "0 to 255"},
		{`{"op":"Convert","dtype":"floot32"}`, "Convert", "DType", "floot32"},
		{`{"op":"Convert","dtype":7}`, "Convert", "DType", "element type"},
	} {
		v, err := op.Parse(json.RawMessage(test.text))
		var wrong *op.Error
		if v != nil || !errors.As(err, &wrong) {
			t.Errorf("%s: got %#v, %v", test.text, v, err)
			continue
		}
		if wrong.Op != test.op || wrong.Param != test.param || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v of %q, %q; want %q, %q and %q", test.text, err, wrong.Op, wrong.Param, test.op, test.param, test.want)
		}
	}
}

// TestNewSettings: what is wrong without JSON in between is an error too.
func TestNewSettings(t *testing.T) {
	settings := map[string]json.RawMessage{"Size": json.RawMessage("3")}
	if v, err := op.New("Cutout", settings); err != nil || !reflect.DeepEqual(v, transform.Cutout{Size: 3}) || len(settings) != 1 {
		t.Errorf("got %#v, %v; %v", v, err, settings)
	}
	for _, text := range []string{"", "{", "[", "nul"} {
		for _, name := range []string{"Size", "Fill"} {
			if v, err := op.New("Cutout", map[string]json.RawMessage{name: json.RawMessage(text)}); err == nil {
				t.Errorf("%s %q: got %#v", name, text, v)
			}
		}
	}
}

// TestNamesAreAll: what package transform exports can be named.
func TestNamesAreAll(t *testing.T) {
	names := op.Names()
	if !slices.IsSorted(names) {
		t.Errorf("not sorted: %q", names)
	}
	for _, name := range names {
		if v, err := op.Parse([]byte(`{"op":"` + name + `"}`)); err != nil || reflect.TypeOf(v) != op.Type(name) {
			t.Errorf("%s: %v, %v", name, v, err)
		}
	}
	for _, name := range exported(t) {
		if op.Type(name) == nil {
			t.Errorf("%s of package transform can't be named", name)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"random", "sequential", "quasi_random"}
	for name, want := range map[string]string{"Random": "random", "rnadom": "random", "seqential": "sequential", "quasirandom": "quasi_random", "x": "", "": "", "something else": "",
		strings.Repeat("é", 1000): ""} {
		if got := op.Nearest(name, known); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
}

// TestChoices: numbers have the names that Go gives them.
func TestChoices(t *testing.T) {
	got := op.Choices(reflect.TypeFor[rgb.Filter]())
	if want := []string{rgb.Area.String(), rgb.Bilinear.String()}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := op.Choices(reflect.TypeFor[int]()); got != nil {
		t.Errorf("of an int: %q", got)
	}
}

// FuzzParse reads objects as they may come: a value of a named type, or an *Error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"op":"RandomResizedCrop","width":8,"height":8,"scale":[0.1,1],"filter":"area","exact":true}`,
		`{"op":"Cutout","size":2,"fill":[1,2,3]}`, `{"op":"Normalize","mean":[1,2,3],"dtype":"<f2"}`,
		`{"op":"Boxes","format":"cornersize"}`, `{"op":"Simple","ondamage":true}`, `{"op":"Poison","mask":[1],"clamp":[0,255]}`, `null`, `{"op":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := op.Parse(text)
		switch {
		case err != nil:
			if v != nil || !errors.As(err, new(*op.Error)) {
				t.Fatalf("%#v, %T %v", v, err, err)
			}
		case v != nil && op.Type(reflect.TypeOf(v).Name()) != reflect.TypeOf(v):
			t.Fatalf("%T", v)
		}
	})
}
