package view

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
)

//go:generate go test -run TestDocs -update

// opAnswer is a decoder or an operation that the playground knows.
type opAnswer struct {
	Name string `json:"name"`
	// Kind is "decoder", "image" (an operation on a picture) or "batch" (on a whole
	// batch). A decoder that Also is an operation may stand anywhere.
	Kind   string        `json:"kind"`
	Also   bool          `json:"also,omitempty"`
	Doc    string        `json:"doc"`
	Params []paramAnswer `json:"params"`
}

// paramAnswer is a setting.
type paramAnswer struct {
	Name string `json:"name"`
	// Default is what a step has that leaves the setting out.
	Default any `json:"default"`
	// Type is int, float, bool, floats, ints, text or enum.
	Type   string   `json:"type"`
	Values []string `json:"values,omitempty"` // of an enum
	Count  int      `json:"count,omitempty"`  // of floats and ints, where it is fixed
	Doc    string   `json:"doc,omitempty"`
}

// preset is a pipeline to begin with.
type preset struct {
	Name     string `json:"name"`
	Pipeline []step `json:"pipeline"`
}

// opsAnswer is what the playground has.
type opsAnswer struct {
	Ops     []opAnswer `json:"ops"`
	Presets []preset   `json:"presets"`
}

// unseen are what package op knows and the playground has no use for: of labels, of
// other outputs, of bytes, or with settings as large as a picture.
var unseen = []string{"Raw", "Area", "Boxes", "Mask", "LabelCutMix", "LabelMixup", "MixupToOneHot", "Poison", "ReplaceLabel", "View"}

// standsFor is what a setting's zero stands for.
var standsFor = map[string]map[string]any{
	"Brightness":        {"P": 0.5},
	"CenterCrop":        {"Ratio": 224. / 256},
	"ColorJitter":       {"P": 1.},
	"Contrast":          {"P": 0.5},
	"Cutout":            {"Fill": []int{0, 0, 0}, "P": 1.},
	"GaussianBlur":      {"Sigma": []float64{0.1, 2}, "P": 1.},
	"Grayscale":         {"P": 0.1},
	"HorizontalFlip":    {"P": 0.5},
	"Hue":               {"P": 0.5},
	"ImageCutMix":       {"Alpha": 1.},
	"ImageMixup":        {"Alpha": 1.},
	"Normalize":         {"DType": "<f4"},
	"RandomCrop":        {"Fill": []int{0, 0, 0}},
	"RandomErasing":     {"P": 0.5, "Area": []float64{0.02, 0.3}, "Aspect": []float64{0.3, 1 / 0.3}, "Count": 1, "Fill": []int{0, 0, 0}},
	"RandomResizedCrop": {"Scale": []float64{0.08, 1}, "Ratio": []float64{3. / 4, 4. / 3}},
	"Saturation":        {"P": 0.5},
	"Solarize":          {"Threshold": 128, "P": 0.5},
	"Translate":         {"Fill": []int{0, 0, 0}},
	"VerticalFlip":      {"P": 0.5},
}

// toBegin are settings whose zero is of no use or shows nothing: a step of a
// pipeline that leaves one out has it.
var toBegin = map[string]map[string]any{
	"Brightness":        {"Magnitude": 0.4},
	"CenterCrop":        {"Width": 224, "Height": 224},
	"ColorJitter":       {"Brightness": 0.4, "Contrast": 0.4, "Saturation": 0.4, "Hue": 0.1},
	"Contrast":          {"Magnitude": 0.4},
	"Convert":           {"DType": "<f4"},
	"Cutout":            {"Size": 64},
	"GaussianBlur":      {"Size": 7},
	"Hue":               {"Magnitude": 0.1},
	"Normalize":         {"Mean": imageNetMean, "Std": imageNetStd},
	"RandomCrop":        {"Width": 224, "Height": 224, "PadIfNeeded": true},
	"RandomResizedCrop": {"Width": 224, "Height": 224},
	"Resize":            {"Width": 224, "Height": 224},
	"ResizeCenterCrop":  {"Size": 256, "Width": 224, "Height": 224},
	"Saturation":        {"Magnitude": 0.4},
	"Translate":         {"Padding": 16},
}

// complete is a step's settings with those that it leaves out.
func (st step) complete() map[string]json.RawMessage {
	all := args(toBegin[st.Op])
	for k, v := range st.Args {
		for name := range all {
			if strings.EqualFold(name, k) {
				delete(all, name)
			}
		}
		if all == nil {
			all = map[string]json.RawMessage{}
		}
		all[k] = v
	}
	return all
}

// ImageNet's mean and standard deviation, in units of pixel values.
var (
	imageNetMean = []float64{0.485 * 255, 0.456 * 255, 0.406 * 255}
	imageNetStd  = []float64{0.229 * 255, 0.224 * 255, 0.225 * 255}
)

// dtypeChoices are the element types that a form offers: of those which an
// operation takes.
var dtypeChoices = map[string][]string{
	"Convert":   {"<f4", "<f2", "bfloat16", "<f8", "<i2", "<i4", "<i8"},
	"Normalize": {"<f4", "<f2", "bfloat16"},
}

// presets are pipelines that people use.
var presets = []preset{
	{"Training: random crop and flip", steps("RandomResizedCrop", "HorizontalFlip")},
	{"Training, as floats for PyTorch", steps("RandomResizedCrop", "HorizontalFlip", "Normalize", "ToCHW")},
	{"Training: crop, flip, colours, erasing", steps("RandomResizedCrop", "HorizontalFlip", "ColorJitter", "RandomErasing")},
	{"Evaluation: FFCV's centre crop", steps("CenterCrop")},
	{"Evaluation: torchvision's resize and centre crop", steps("ResizeCenterCrop")},
	{"Small pictures of one size, as CIFAR's", []step{
		{Op: "Simple"}, {Op: "HorizontalFlip"},
		{Op: "Translate", Args: args(map[string]any{"Padding": 2})},
		{Op: "Cutout", Args: args(map[string]any{"Size": 4, "Fill": []int{127, 127, 127}})},
	}},
	{"Mixup", steps("RandomResizedCrop", "HorizontalFlip", "ImageMixup")},
	{"As stored", []step{}},
}

// steps are these operations with their usual settings.
func steps(names ...string) []step {
	list := []step{}
	for _, name := range names {
		list = append(list, step{Op: name})
	}
	return list
}

// args are settings as JSON.
func args(settings map[string]any) map[string]json.RawMessage {
	if len(settings) == 0 {
		return nil
	}
	list := map[string]json.RawMessage{}
	for k, v := range settings {
		list[k], _ = json.Marshal(v) // numbers
	}
	return list
}

// allOps describes what the playground knows.
var allOps = func() opsAnswer {
	a := opsAnswer{Presets: presets}
	for _, name := range op.Names() {
		if !slices.Contains(unseen, name) {
			a.Ops = append(a.Ops, describeOp(name))
		}
	}
	return a
}()

// describeOp describes one by its type.
func describeOp(name string) opAnswer {
	t := op.Type(name)
	v := reflect.Zero(t).Interface()
	a := opAnswer{Name: name, Kind: "image", Doc: opDocs[name], Params: []paramAnswer{}}
	_, works := v.(loader.Op)
	if decodes(v) {
		a.Kind, a.Also = "decoder", works
	}
	if is[loader.BatchOp](v) {
		a.Kind = "batch"
	}
	for _, f := range reflect.VisibleFields(t) {
		p := paramAnswer{Name: f.Name, Doc: opDocs[name+"."+f.Name]}
		p.describe(name, f.Type)
		for _, usual := range []map[string]any{standsFor[name], toBegin[name]} {
			if v, ok := usual[f.Name]; ok {
				p.Default = v
			}
		}
		a.Params = append(a.Params, p)
	}
	return a
}

// describe sets the type of a setting, its zero value and its choices.
func (p *paramAnswer) describe(name string, t reflect.Type) {
	if p.Values = op.Choices(t); p.Values != nil {
		p.Type, p.Default = "enum", p.Values[0]
		return
	}
	if t == reflect.TypeFor[array.DType]() {
		p.Type, p.Values = "enum", dtypeChoices[name]
		p.Default = p.Values[0]
		return
	}
	list := map[reflect.Kind]string{reflect.Float64: "floats", reflect.Int: "ints", reflect.Uint8: "ints"}
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		p.Type, p.Default = "int", 0
	case reflect.Float64:
		p.Type, p.Default = "float", 0.
	case reflect.Bool, reflect.Func: // OnDamage
		p.Type, p.Default = "bool", false
	case reflect.Array:
		p.Type, p.Default, p.Count = list[t.Elem().Kind()], reflect.Zero(t).Interface(), t.Len()
	case reflect.Slice:
		p.Type = list[t.Elem().Kind()] // none: null
	default:
		p.Type, p.Default = "text", ""
	}
}

func (s *Server) listOps(w http.ResponseWriter, r *http.Request) error {
	return writeJSON(w, allOps)
}
