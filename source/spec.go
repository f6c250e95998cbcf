package source

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
)

// Spec is a field as the writer of a table or of arrays asks for it, with
// where its values come from.
type Spec struct {
	Field
	Column string // of a table; "" is the field's name
	File   string // the .npy file of an array
	Inline Inline // how a table's cell holds the value
}

// Inline says whether the cell of a table holds a value itself or names a file
// with it.
type Inline uint8

// The zero value is a file for images and bytes, lists for arrays.
const (
	InlineDefault Inline = iota
	InlineNo             // the cell names a file
	InlineYes            // bytes as the cell's text, arrays as lists
	InlineBase64         // bytes and images as base64 text
)

// String returns the value as ParseSpec reads it.
func (n Inline) String() string {
	switch n {
	case InlineNo:
		return "false"
	case InlineYes:
		return "true"
	case InlineBase64:
		return "base64"
	}
	return ""
}

// SpecError says that a spec does not suit the kind of source, whatever the
// source holds.
type SpecError struct {
	Err error
}

func (e *SpecError) Error() string { return e.Err.Error() }

func (e *SpecError) Unwrap() error { return e.Err }

// ParseSpec reads a field written as NAME=TYPE[:KEY=VALUE,…], such as
// "image=rgb:mode=jpg,max_resolution=500", "x=ndarray:dtype=<f4,shape=32x4",
// "y=float" or "doc=bytes:column=text,inline=true". The settings of an rgb
// field are image's where the text has none. The types and keys are:
//
//	rgb      mode max_resolution smart_threshold quality compress_probability
//	         reencode orient strip, inline (false or base64)
//	image    channels (1 to 4; 1 without), dtype (u1 or u2; u1 without),
//	         compression (auto or none), max_resolution (by nearest pixels),
//	         inline (false or base64): masks, depth maps and whatever else must
//	         not change by a bit
//	int float
//	json     lz4 (true or false)
//	bytes    inline (true, false or base64), lz4
//	ndarray  dtype, shape (as 32x4), inline (true or false), lz4
//	torch    as ndarray
//
// lz4=true keeps the values in a fields.LZ4, each compressed where that takes an
// eighth off.
//
// and for all of them column (a table's column) and file (an array's .npy
// file).
func ParseSpec(text string, image fields.RGBImage) (Spec, error) {
	fail := func(err error) (Spec, error) { return Spec{}, fmt.Errorf("field %q: %w", text, err) }
	name, rest, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return fail(errors.New("expected NAME=TYPE[:KEY=VALUE,…], such as label=int"))
	}
	typ, settings, more := strings.Cut(rest, ":")
	p := specParser{image: image}
	p.spec.Name = name
	keys, ok := p.kinds()[typ]
	if !ok {
		return fail(fmt.Errorf("type %q: expected one of %s", typ, strings.Join(typeNames, ", ")))
	}
	keys["column"], keys["file"] = text1(&p.spec.Column), text1(&p.spec.File)
	if more {
		if err := set(settings, keys); err != nil {
			return fail(err)
		}
	}
	p.spec.Field.Field = p.field(typ)
	if p.lz4 {
		p.spec.Field.Field = fields.LZ4{Of: p.spec.Field.Field}
	}
	return p.spec, nil
}

// typeNames are the types in the order in which they are told.
var typeNames = []string{"rgb", "image", "int", "float", "bytes", "json", "ndarray", "torch"}

// setting stores the value of a key.
type setting func(value string) error

// set applies KEY=VALUE,… to the settings by key.
func set(text string, keys map[string]setting) error {
	seen := map[string]bool{}
	for _, part := range strings.Split(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return fmt.Errorf("%q: expected KEY=VALUE", part)
		}
		store, known := keys[key]
		if !known {
			var names []string
			for k := range keys {
				names = append(names, k)
			}
			slices.Sort(names)
			return fmt.Errorf("key %q: this type has %s", key, strings.Join(names, ", "))
		}
		if seen[key] {
			return fmt.Errorf("key %q is given twice", key)
		}
		seen[key] = true
		if err := store(value); err != nil {
			return fmt.Errorf("%s=%s: %w", key, value, err)
		}
	}
	return nil
}

type specParser struct {
	spec   Spec
	image  fields.RGBImage
	raster fields.Image
	array  array.Spec
	lz4    bool
}

// kinds returns the keys of each type.
func (p *specParser) kinds() map[string]map[string]setting {
	img := &p.image
	arrays := func() map[string]setting {
		return map[string]setting{"dtype": p.dtype, "shape": p.shape, "inline": p.inline(InlineYes, InlineNo), "lz4": truth(&p.lz4)}
	}
	return map[string]map[string]setting{
		"int": {}, "float": {},
		"json":    {"lz4": truth(&p.lz4)},
		"bytes":   {"inline": p.inline(InlineYes, InlineNo, InlineBase64), "lz4": truth(&p.lz4)},
		"ndarray": arrays(),
		"torch":   arrays(),
		"image": {
			"channels":       number(&p.raster.Channels, 1, 4),
			"dtype":          p.rasterType,
			"compression":    func(v string) error { return ParseCompression(&p.raster.Compression, v) },
			"max_resolution": number(&p.raster.MaxResolution, 1, math.MaxUint16),
			"inline":         p.inline(InlineNo, InlineBase64),
		},
		"rgb": {
			"mode":                 func(v string) error { return ParseMode(&img.Mode, v) },
			"max_resolution":       number(&img.MaxResolution, 1, math.MaxUint16),
			"smart_threshold":      number(&img.SmartThreshold, 1, math.MaxInt),
			"quality":              number(&img.Quality, 1, 100),
			"compress_probability": p.probability,
			"reencode":             func(v string) error { return ParseReencode(&img.Reencode, v) },
			"orient":               truth(&img.Orient),
			"strip":                truth(&img.Strip),
			"inline":               p.inline(InlineNo, InlineBase64),
		},
	}
}

func (p *specParser) field(typ string) fields.Field {
	switch typ {
	case "rgb":
		return p.image
	case "image":
		return p.raster
	case "int":
		return fields.Int{}
	case "float":
		return fields.Float{}
	case "bytes":
		return fields.Bytes{}
	case "json":
		return fields.JSON{}
	case "ndarray":
		return fields.NDArray{DType: p.array.DType, Shape: p.array.Shape}
	default: // "torch"; kinds knows no other
		return fields.TorchTensor{DType: p.array.DType, Shape: p.array.Shape}
	}
}

func (p *specParser) dtype(value string) (err error) {
	p.array.DType, err = array.ParseDType(value)
	return err
}

func (p *specParser) rasterType(value string) error {
	t, err := array.ParseDType(value)
	if err != nil || t != array.Uint8 && t != array.Uint16 {
		return errors.New("expected u1 or u2")
	}
	p.raster.DType = t
	return nil
}

// maxDims is how many dimensions an array field describes.
const maxDims = 32

func (p *specParser) shape(value string) error {
	for _, part := range strings.Split(value, "x") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return errors.New("expected sizes such as 32x4")
		}
		p.array.Shape = append(p.array.Shape, n)
	}
	if len(p.array.Shape) > maxDims {
		return fmt.Errorf("%d dimensions; an array has at most %d", len(p.array.Shape), maxDims)
	}
	_, err := p.array.Count()
	return err
}

func (p *specParser) inline(allowed ...Inline) setting {
	return func(value string) error {
		var names []string
		for _, n := range allowed {
			if n.String() == value {
				p.spec.Inline = n
				return nil
			}
			names = append(names, n.String())
		}
		return fmt.Errorf("expected %s", strings.Join(names, " or "))
	}
}

func (p *specParser) probability(value string) error {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || !(f > 0 && f <= 1) {
		return errors.New("expected a number above 0 up to 1")
	}
	p.image.CompressProbability = f
	return nil
}

// ParseMode reads a mode by its name.
func ParseMode(dst *fields.ImageMode, value string) error {
	for m := fields.ModeJPEG; m <= fields.ModeProportion; m++ {
		if m.String() == value {
			*dst = m
			return nil
		}
	}
	return errors.New("expected jpg, raw, smart or proportion")
}

// ParseReencode reads auto or always.
func ParseReencode(dst *fields.Reencode, value string) error {
	switch value {
	case "auto":
		*dst = fields.ReencodeAuto
	case "always":
		*dst = fields.ReencodeAlways
	default:
		return errors.New("expected auto or always")
	}
	return nil
}

// ParseCompression reads auto or none.
func ParseCompression(dst *fields.Compression, value string) error {
	for c := fields.CompressAuto; c <= fields.CompressNone; c++ {
		if c.String() == value {
			*dst = c
			return nil
		}
	}
	return errors.New("expected auto or none")
}

func text1(dst *string) setting {
	return func(value string) error {
		*dst = value
		return nil
	}
}

func truth(dst *bool) setting {
	return func(value string) error {
		if value != "true" && value != "false" {
			return errors.New("expected true or false")
		}
		*dst = value == "true"
		return nil
	}
}

func number(dst *int, low, high int) setting {
	return func(value string) error {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return fmt.Errorf("expected a whole number from %d to %d", low, high)
		}
		*dst = n
		return nil
	}
}
