package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// feature is what Hugging Face's datasets keep of a column.
type feature struct {
	Type  string   `json:"_type"`
	Names []string `json:"names"`
	Shape []int    `json:"shape"` // of Array2D and more dimensions
}

// featuresOf returns the features of a file's columns; nil where it has none.
func featuresOf(pairs []arrow.KeyValue) (map[string]feature, error) {
	text, ok := arrow.Get(pairs, "huggingface")
	if !ok {
		return nil, nil
	}
	var info struct {
		Info struct {
			Features map[string]json.RawMessage `json:"features"`
		} `json:"info"`
	}
	if err := json.Unmarshal([]byte(text), &info); err != nil {
		return nil, fmt.Errorf("huggingface's metadata: %w", err)
	}
	list := map[string]feature{}
	for name, raw := range info.Info.Features {
		var f feature
		if json.Unmarshal(raw, &f) == nil { // else it is a struct or a list, without a type of its own
			list[name] = f
		}
	}
	return list, nil
}

// readColumn is a column of a file that is read.
type readColumn struct {
	Column
	node  *parquet.Node
	field arrow.Field
	leaf  *parquet.Node // of values of one leaf; of an Image, its bytes
	path  *parquet.Node // of an Image; nil for none
	err   error         // why it isn't served
}

// newReadColumn finds out what a column is.
func newReadColumn(n *parquet.Node, f arrow.Field, ft feature) *readColumn {
	c := &readColumn{Column: Column{Name: n.Name}, node: n, field: f}
	c.err = c.classify(ft)
	return c
}

func (c *readColumn) classify(ft feature) error {
	switch ft.Type {
	case "Audio", "Video", "Pdf", "Nifti", "Mesh", "Translation", "TranslationVariableLanguages":
		return fmt.Errorf("a column of %s is not supported", ft.Type)
	}
	f := &c.field
	switch {
	case f.Type == arrow.Struct && c.image():
		c.Kind = Image
	case f.Type == arrow.Int || f.Type == arrow.Bool:
		c.Kind, c.leaf = Int64, c.node
		if ft.Type == "ClassLabel" {
			c.Kind, c.Names = ClassLabel, ft.Names
		}
	case f.Type == arrow.Float:
		c.Kind, c.leaf = Float64, c.node
	case f.Type == arrow.Utf8:
		c.Kind, c.leaf = String, c.node
	case f.Type == arrow.Binary:
		c.Kind, c.leaf = Binary, c.node
		if ft.Type == "Image" {
			c.Kind = Image
		}
	default:
		return c.nested(ft)
	}
	switch {
	case ft.Type == "ClassLabel" && c.Kind != ClassLabel:
		return fmt.Errorf("class labels in a column of %v", f.Type)
	case ft.Type == "Image" && c.Kind != Image:
		return fmt.Errorf("images in a column of %v; expected a struct of bytes and path", f.Type)
	case c.Kind == ClassLabel && len(c.Names) == 0:
		c.Kind = Int64
	case c.leaf != nil && (c.leaf.Physical < 0 || c.leaf.Rep > 0):
		return fmt.Errorf("a column of %v in lists is not supported", f.Type)
	}
	return nil
}

// image tells the struct of an image from others, and finds its parts.
func (c *readColumn) image() bool {
	for i, f := range c.field.Children {
		n := c.node.Children[i]
		switch {
		case f.Name == "bytes" && f.Type == arrow.Binary && n.Rep == 0 && c.leaf == nil:
			c.leaf = n
		case f.Name == "path" && f.Type == arrow.Utf8 && n.Rep == 0 && c.path == nil:
			c.path = n
		default:
			return false
		}
	}
	return c.leaf != nil
}

// nested finds out what a list or a struct is: an array where all rows have one
// shape, and JSON otherwise.
func (c *readColumn) nested(ft feature) error {
	if err := jsonable(&c.field, true); err != nil {
		return err
	}
	c.Kind = JSON
	var shape []int
	f, n, fixed := &c.field, c.node, true
	for f.Type == arrow.List || f.Type == arrow.FixedSizeList {
		fixed = fixed && f.Type == arrow.FixedSizeList
		shape = append(shape, f.Size)
		e := parquet.Element(n)
		if e == nil {
			return nil
		}
		f, n = &f.Children[0], e
	}
	if !fixed && len(ft.Shape) == len(shape) && len(ft.Type) == len("Array2D") && ft.Type[:5] == "Array" {
		fixed, shape = true, ft.Shape
	}
	t, ok := dtypeOf(f)
	if !ok || !fixed || n.Physical < 0 || len(shape) > maxDims || n.Rep != len(shape) {
		return nil
	}
	if len(shape) == 0 || slices.Min(shape) < 1 {
		return nil
	}
	spec := array.Spec{DType: t, Shape: shape}
	if size, err := spec.Bytes(); err != nil || size > maxValue {
		return fmt.Errorf("lists of %v: more than %d bytes", spec, maxValue)
	}
	c.Kind, c.DType, c.Shape, c.leaf = List, t, shape, n
	return nil
}

// jsonable says why a field can't be JSON: top is the column itself.
func jsonable(f *arrow.Field, top bool) error {
	switch f.Type {
	case arrow.Int, arrow.Bool, arrow.Float, arrow.Utf8:
		return nil
	case arrow.List, arrow.FixedSizeList:
		return jsonable(&f.Children[0], false)
	case arrow.Struct:
		for i := range f.Children {
			if err := jsonable(&f.Children[i], false); err != nil {
				return fmt.Errorf("field %q: %w", f.Children[i].Name, err)
			}
		}
		if len(f.Children) > 0 {
			return nil
		}
		return errors.New("a struct without fields is not supported")
	}
	if top {
		return fmt.Errorf("a column of %v is not supported", f.Type)
	}
	return fmt.Errorf("%v in lists and structs is not supported", f.Type)
}

// dtypeOf returns the type of a list's elements.
func dtypeOf(f *arrow.Field) (array.DType, bool) {
	for t, e := range elements {
		if e.field.Type == f.Type && e.field.Bits == f.Bits && e.field.Signed == f.Signed {
			return t, true
		}
	}
	return array.DType{}, false
}
