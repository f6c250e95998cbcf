package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
)

// member is a field whose values are files: members of a sample in an archive.
type member struct {
	Spec
	exts   []string // of which a sample has one; the first that it has counts
	cell   cell
	spec   array.Spec // of arrays
	labels labels     // of the field of labels
}

// labels are numbers by the names of classes; nil for what are no labels.
type labels map[string]int64

// newMember returns the field of a spec, whose column is extensions with ';' between
// them.
func newMember(s Spec) (member, error) {
	m := member{Spec: s}
	fail := func(what string) (member, error) {
		return member{}, &SpecError{fmt.Errorf("field %q of an archive: %s", s.Name, what)}
	}
	if m.Column == "" {
		m.Column = s.Name
	}
	for _, ext := range strings.Split(m.Column, ";") {
		ext = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(ext), "."))
		if ext == "" || strings.Contains(ext, "/") {
			return fail(fmt.Sprintf("column %q; expected extensions such as jpg;jpeg;png", m.Column))
		}
		m.exts = append(m.exts, ext)
	}
	switch {
	case s.File != "":
		return fail("file= is for arrays; here there is column=, with extensions")
	case s.Inline != InlineDefault:
		return fail("inline= is for tables")
	}
	switch f := plainField(s.Field.Field).(type) {
	case nil:
		return fail("no type")
	case fields.Int:
		m.cell = cellInt
	case fields.Float:
		m.cell = cellFloat
	case fields.JSON:
		m.cell = cellJSON
	case fields.RGBImage, fields.Image, fields.Bytes:
		m.cell = cellText
	case fields.NDArray:
		m.cell, m.spec = cellNPY, array.Spec{DType: f.DType, Shape: f.Shape}
	case fields.TorchTensor:
		m.cell, m.spec = cellNPY, array.Spec{DType: f.DType, Shape: f.Shape}
	default:
		return fail(fmt.Sprintf("values of %T cannot be read from an archive", f))
	}
	return m, nil
}

// imageFiles are the extensions of images that are read.
var imageFiles = []string{"jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"}

// tellKind are the last parts of extensions that tell what a member is and nothing of
// which: of age.cls the field is "age".
var tellKind = append([]string{"cls", "json", "npy", "txt", "text", "bin"}, imageFiles...)

// membersOf chooses fields by the members of a sample: the one image is "image",
// the class "label", others are called as their extensions. What the extensions do
// not tell of arrays, and images that stand beside another one (masks), settle asks
// the files.
func membersOf(exts []string) ([]member, error) {
	var front, rest []member
	single := 0
	for _, ext := range exts {
		if slices.Contains(imageFiles, ext) {
			single++
		}
	}
	for _, ext := range exts {
		s := Spec{Column: ext, Field: Field{Name: strings.ReplaceAll(ext, ".", "_")}}
		kind := ext[strings.LastIndexByte(ext, '.')+1:]
		first := false
		switch {
		case single == 1 && slices.Contains(imageFiles, ext):
			s.Name, s.Column, first = "image", strings.Join(imageFiles, ";"), true
			s.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
		case slices.Contains(imageFiles, kind):
			s.Field.Field = fields.RGBImage{Mode: fields.ModeJPEG}
		case slices.Contains([]string{"cls", "class", "count", "index", "inx", "id"}, kind):
			if ext == "cls" || ext == "class" && !slices.Contains(exts, "cls") {
				s.Name, first = "label", true
			}
			s.Field.Field = fields.Int{}
		case kind == "json" || kind == "jsn":
			s.Field.Field = fields.JSON{}
		case kind == "npy":
			s.Field.Field = fields.NDArray{}
		default:
			s.Field.Field = fields.Bytes{}
		}
		if slices.Contains(tellKind, kind) && kind != ext {
			s.Name = strings.TrimSuffix(s.Name, "_"+kind)
		}
		m, err := newMember(s)
		if err != nil {
			return nil, err
		}
		if first && s.Name == "image" {
			front = append([]member{m}, front...)
		} else if first {
			front = append(front, m)
		} else {
			rest = append(rest, m)
		}
	}
	list := append(front, rest...)
	for i, m := range list { // seg.png and seg.txt
		if slices.ContainsFunc(list[:i], func(o member) bool { return o.Name == m.Name }) {
			list[i].Name = strings.ReplaceAll(m.Column, ".", "_")
		}
	}
	return list, nil
}

// settle looks at the file of the first sample for what the spec leaves open: dtype
// and shape of an array. A PNG that the source chose itself and that stands beside
// the image is kept to the bit, as masks must be.
func (m *member) settle(b []byte, chosen bool) error {
	packed, isPacked := m.Field.Field.(fields.LZ4)
	f := plainField(m.Field.Field)
	switch f := f.(type) {
	case fields.NDArray, fields.TorchTensor:
		a, err := npy.Parse(b)
		if err != nil {
			return err
		}
		if !m.spec.DType.Valid() {
			m.spec.DType = a.DType
		}
		if m.spec.Shape == nil {
			m.spec.Shape = a.Shape
		}
		var field fields.Field = fields.NDArray{DType: m.spec.DType, Shape: m.spec.Shape}
		if _, torch := f.(fields.TorchTensor); torch {
			field = fields.TorchTensor{DType: m.spec.DType, Shape: m.spec.Shape}
		}
		if isPacked {
			packed.Of = field
			field = packed
		}
		m.Field.Field = field
	case fields.RGBImage:
		if !chosen || m.Name == "image" || path.Ext("."+m.exts[0]) != ".png" {
			return nil
		}
		if raster, ok := rasterOf(b); ok {
			m.Field.Field = raster
		}
	}
	return nil
}

// rasterOf returns the field that keeps a PNG to the bit.
func rasterOf(b []byte) (fields.Image, bool) {
	c, err := png.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		return fields.Image{}, false
	}
	f := fields.Image{DType: array.Uint8}
	switch c.ColorModel {
	case color.GrayModel:
		f.Channels = 1
	case color.Gray16Model:
		f.Channels, f.DType = 1, array.Uint16
	case color.RGBAModel: // of PNG without alpha
		f.Channels = 3
	case color.NRGBAModel:
		f.Channels = 4
	case color.RGBA64Model:
		f.Channels, f.DType = 3, array.Uint16
	case color.NRGBA64Model:
		f.Channels, f.DType = 4, array.Uint16
	default:
		if _, palette := c.ColorModel.(color.Palette); !palette {
			return fields.Image{}, false
		}
		f.Channels = 1
	}
	const colourType = 8 + 8 + 9 // behind the signature, the head of a chunk, sizes and depth
	if len(b) > colourType && b[colourType] == 4 {
		f.Channels = 2 // gray with alpha, which the standard library takes for colours
	}
	return f, true
}

// value returns what a file holds. Bytes are borrowed from it.
func (m *member) value(b []byte) (any, error) {
	switch m.cell {
	case cellInt:
		return m.labels.parse(string(bytes.TrimSpace(b)))
	case cellFloat:
		return parseFloat(string(bytes.TrimSpace(b)))
	case cellJSON:
		return json.RawMessage(b), nil
	case cellNPY:
		a, err := npy.Parse(b)
		if err == nil && !a.Spec.Equal(m.spec) {
			err = fmt.Errorf("array %v; the field holds %v", a.Spec, m.spec)
		}
		if err != nil {
			return nil, err
		}
		return a, nil
	}
	return b, nil
}

// parse reads a whole number, or, where there are classes, the name of one.
func (l labels) parse(text string) (any, error) {
	v, err := parseInt(text)
	if err == nil {
		return v, l.check(v.(int64))
	}
	if l == nil {
		return nil, err
	}
	n, ok := l[text]
	if !ok {
		return nil, fmt.Errorf("class %s is not among the %d that are given", excerpt(text), len(l))
	}
	return n, nil
}

// named reads the name of a class out of text, or its number. Of classes that are
// called as other classes' numbers text is the name, and no number: which of the two
// is meant nobody could tell.
func (l labels) named(text string) (any, error) {
	if n, ok := l[text]; ok {
		return n, nil
	}
	for name, label := range l {
		if n, err := strconv.ParseInt(name, 10, 64); err == nil && n != label {
			return nil, fmt.Errorf("class %s is not among the %d that are given, some of which have numbers as names", excerpt(text), len(l))
		}
	}
	return l.parse(text)
}

// check refuses a number that is no class's.
func (l labels) check(n int64) error {
	if l != nil && (n < 0 || n >= int64(len(l))) {
		return fmt.Errorf("label %d; the classes that are given are 0 to %d", n, len(l)-1)
	}
	return nil
}

// labelsOf returns the labels of classes, nil for none. Two of one name are an error.
func labelsOf(classes []string) (labels, error) {
	if classes == nil {
		return nil, nil
	}
	l := make(labels, len(classes))
	for i, c := range classes {
		if first, ok := l[c]; ok {
			return nil, fmt.Errorf("classes: %q is named twice, as class %d and %d", c, first, i)
		}
		l[c] = int64(i)
	}
	return l, nil
}

// labelField returns which of the fields the classes are those of: the whole number
// called label, or the only one. Of none it is -1.
func labelField(specs []Spec) int {
	found, at := 0, -1
	for i, s := range specs {
		if _, ok := plainField(s.Field.Field).(fields.Int); !ok {
			continue
		}
		if s.Name == "label" {
			return i
		}
		found++
		at = i
	}
	if found != 1 {
		return -1
	}
	return at
}

// checkLabels says why classes fit none of the fields.
func checkLabels(specs []Spec, l labels) (at int, err error) {
	if at = labelField(specs); at < 0 && l != nil {
		return at, &SpecError{errors.New("classes are given, and no field of whole numbers called label")}
	}
	return at, nil
}
