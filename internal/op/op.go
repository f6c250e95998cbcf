// Package op is decoders and operations as JSON: objects {"op": the name of a type
// of package transform, or "Raw", and its settings}, such as
//
//	{"op": "RandomResizedCrop", "width": 224, "height": 224, "filter": "bilinear"}
//
// Settings are the type's exported fields, in any case. Element types are NumPy's
// names or "bfloat16", numbers with names come as these, bytes as a list of numbers,
// and OnDamage, a function in Go, as true.
package op

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// all are the decoders and operations that can be named.
var all = Kind{Key: "op", What: "operation", Types: byName(
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
)}

func byName(list ...any) map[string]reflect.Type {
	types := map[string]reflect.Type{}
	for _, v := range list {
		types[reflect.TypeOf(v).Name()] = reflect.TypeOf(v)
	}
	return types
}

// Names lists the names of all decoders and operations, sorted.
func Names() []string { return slices.Sorted(maps.Keys(all.Types)) }

// Type returns the type of that name, nil for none.
func Type(name string) reflect.Type { return all.Types[name] }

// Parse makes the decoder or operation of an object; null, and nothing, are nil. Wrong
// text is an *Error.
func Parse(text json.RawMessage) (any, error) { return all.Parse(text) }

// New makes the decoder or operation of that name with these settings, which are not
// kept. What is wrong is an *Error.
func New(name string, settings map[string]json.RawMessage) (any, error) {
	return all.New(name, settings)
}

// Error is an object that describes nothing.
type Error struct {
	Op    string // the type's name; "" where it is that which is wrong
	Param string // the setting concerned, as its type or else the object has it; "" none
	What  string // the whole message, Op and Param among it
}

func (e *Error) Error() string { return e.What }

// Unknown is the *Error of a name that there isn't, with the nearest there is. what
// says of what kind it is.
func Unknown(what, name string, known []string) error {
	if near := Nearest(name, known); near != "" {
		return &Error{What: fmt.Sprintf("%s %q is unknown; the nearest is %q", what, name, near)}
	}
	return &Error{What: fmt.Sprintf("%s %q is unknown; known are %s", what, name, strings.Join(known, ", "))}
}

// Nearest returns the name that takes the fewest edits, none when it is too far away
// to be meant.
func Nearest(name string, known []string) (best string) {
	least := max(2, min(len(name), 64)/2) + 1
	for _, k := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// edits is the distance of Levenshtein. Long names are cut.
func edits(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
