// Package array is a shaped block of typed elements: NumPy's element types by
// NumPy's names, and arrays over borrowed bytes.
//
// An Array never owns more than its slice: who made the slice says how long it
// lives. All values are safe for concurrent use as long as nobody writes to
// the bytes.
//
// Python's objects are not served; ParseDType answers them with an
// *UnsupportedError.
package array

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Spec is the element type and shape of a value, without its bytes. A Shape of
// length zero is a scalar.
type Spec struct {
	DType DType
	Shape []int
}

// Count returns how many elements a value has: the product of the shape, 1 for
// a scalar. A negative dimension, and a product that an int doesn't hold, are
// errors; the latter also when another dimension is 0, as in NumPy.
func (s Spec) Count() (int, error) {
	return s.product(1)
}

// Bytes returns the size of a value, Count times the element's size, under the
// same conditions as Count.
func (s Spec) Bytes() (int, error) {
	return s.product(s.DType.ItemSize())
}

func (s Spec) product(item int) (int, error) {
	n, empty := item, item == 0
	if empty {
		n = 1
	}
	for _, d := range s.Shape {
		switch {
		case d < 0:
			return 0, fmt.Errorf("array %v: negative dimension %d", s, d)
		case d == 0:
			empty = true
		case n > math.MaxInt/d:
			return 0, fmt.Errorf("array %v: larger than %d bytes", s, math.MaxInt)
		default:
			n *= d
		}
	}
	if empty {
		return 0, nil
	}
	return n, nil
}

// Equal tells whether both have the same element type, byte order included,
// and the same shape.
func (s Spec) Equal(t Spec) bool {
	return s.DType == t.DType && slices.Equal(s.Shape, t.Shape)
}

// String returns the element type and the shape as NumPy writes them, like
// "<f4 (3, 224)".
func (s Spec) String() string {
	return s.DType.String() + " " + ShapeString(s.Shape)
}

// Flat tells whether C and Fortran order are the same for the shape: not two of
// its dimensions are larger than 1, or one is 0.
func (s Spec) Flat() bool {
	long := 0
	for _, d := range s.Shape {
		if d == 0 {
			return true
		}
		if d > 1 {
			long++
		}
	}
	return long < 2
}

// ShapeString returns a shape as Python writes a tuple: "()", "(3,)", "(3, 4)".
func ShapeString(shape []int) string {
	var b strings.Builder
	b.WriteByte('(')
	for i, d := range shape {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(d))
	}
	if len(shape) == 1 {
		b.WriteByte(',')
	}
	b.WriteByte(')')
	return b.String()
}

// Array is a C-contiguous (row-major) block of elements.
type Array struct {
	Spec
	Data []byte // len = Spec.Bytes()
}

// New returns an array over data, which it borrows. The error tells when the
// element type isn't one, the shape isn't valid, or data hasn't the size that
// the spec gives.
func New(spec Spec, data []byte) (Array, error) {
	if !spec.DType.Valid() {
		return Array{}, fmt.Errorf("array of shape %s: no dtype", ShapeString(spec.Shape))
	}
	n, err := spec.Bytes()
	if err != nil {
		return Array{}, err
	}
	if len(data) != n {
		return Array{}, fmt.Errorf("array %v: %d bytes of data, want %d", spec, len(data), n)
	}
	return Array{Spec: spec, Data: data}, nil
}

// Row returns element i of the first axis. It borrows the array's bytes and
// shape. Like an index expression it panics on a scalar and out of range.
func (a Array) Row(i int) Array {
	n := a.Shape[0]
	if i < 0 || i >= n {
		panic(fmt.Sprintf("array: row %d of %v", i, a.Spec))
	}
	size := len(a.Data) / n
	return Array{
		Spec: Spec{DType: a.DType, Shape: a.Shape[1:len(a.Shape):len(a.Shape)]},
		Data: a.Data[i*size : (i+1)*size : (i+1)*size],
	}
}
