// Package parquet reads and writes Parquet files of samples, as Hugging Face's
// datasets library makes and reads them: a row is a sample, a column one of its
// values. An image is a struct of its encoded bytes and its path; the names of a
// label's classes are in the schema's metadata.
//
// A Writer keeps one row group in memory and writes the same bytes for the same
// rows. It writes values plain and uncompressed: photographs don't get smaller.
//
//	w, err := parquet.NewWriter(out, []parquet.Column{
//		{Name: "image", Kind: parquet.Image},
//		{Name: "label", Kind: parquet.ClassLabel, Names: []string{"cat", "dog"}},
//	}, nil)
//	err = w.Write([]any{parquet.File{Bytes: jpeg, Path: "cat/1.jpg"}, int64(0)})
//	err = w.Close()
package parquet

import (
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
)

// Kind is what a column's values are.
type Kind int

// The kinds that are written, with the Go type of their values in a row.
const (
	Image      Kind = iota + 1 // File: an encoded image
	ClassLabel                 // int64: the place of a name in Column.Names, or -1 for none
	Int64                      // int64
	Float64                    // float64
	String                     // string, of UTF-8
	Binary                     // []byte
	JSON                       // []byte, written as text
	List                       // array.Array, of Column.DType and Column.Shape
)

var kindNames = [...]string{"", "image", "class label", "int64", "float64", "string", "binary", "json", "list"}

// String returns the kind's name.
func (k Kind) String() string {
	if k > 0 && int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Column is a column of the file.
type Column struct {
	Name  string
	Kind  Kind
	Names []string // of a ClassLabel: its classes, at least one
	// DType is of a List's elements: truth values, whole numbers, and floats of 2,
	// 4 and 8 bytes, little-endian.
	DType array.DType
	// Shape is that of every row of a List. Nil: rows have one dimension and any
	// length.
	Shape []int
}

// File is the value of an image.
type File struct {
	Bytes []byte // encoded, as they lie in the file
	Path  string // where it came from, "" for nowhere
}

// maxDims bounds how deep a list's lists nest.
const maxDims = 32

// check says what is wrong with a column.
func (c *Column) check() error {
	if c.Kind < Image || c.Kind > List {
		return fmt.Errorf("no kind %d", c.Kind)
	}
	if (c.Kind == ClassLabel) != (len(c.Names) > 0) {
		return fmt.Errorf("a %v of %d class names", c.Kind, len(c.Names))
	}
	if c.Kind != List {
		if c.DType.Valid() || c.Shape != nil {
			return fmt.Errorf("a %v with a shape or element type", c.Kind)
		}
		return nil
	}
	if _, ok := elements[c.DType]; !ok {
		return &array.UnsupportedError{DType: c.DType.String(), Why: "lists are of truth values, whole numbers and floats, little-endian"}
	}
	if c.Shape == nil {
		return nil
	}
	if len(c.Shape) == 0 || len(c.Shape) > maxDims || slices.Min(c.Shape) < 1 || slices.Max(c.Shape) > math.MaxInt32 {
		return fmt.Errorf("lists of shape %s", array.ShapeString(c.Shape))
	}
	_, err := array.Spec{DType: c.DType, Shape: c.Shape}.Bytes()
	return err
}
