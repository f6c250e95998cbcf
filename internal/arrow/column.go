package arrow

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/array"
)

// Keys of fields' metadata. Those with betongo's name bring back what Arrow's
// types don't tell; for others they mean nothing.
const (
	dtypeKey     = "betongo:dtype"  // NumPy's dtype, where the type alone gives another
	ScalarKey    = "betongo:scalar" // the one row is an array of no dimensions
	jsonKey      = "betongo:json"   // the keys beside it whose values are JSON
	extensionKey = "ARROW:extension:name"
	paramsKey    = "ARROW:extension:metadata"
	tensorName   = "arrow.fixed_shape_tensor"
)

// Dim is one axis of a leaf within a row: N elements, Stride bytes apart.
type Dim struct{ N, Stride int }

// Leaf is one kind of elements in a column's rows: the column's own, or a
// field's of a struct. They are stored one after another, in the order of Dims.
type Leaf struct {
	Path   []int       // of children, from the column's field to the leaf's
	Type   *Field      // how the elements are stored
	DType  array.DType // what they are in the array
	Offset int         // of the first one in a row
	Dims   []Dim
	Count  int // elements in a row
}

// Column is a field as an array.
type Column struct {
	Field  *Field
	Member array.Member // Shape[0] is -1
	Scalar bool         // the one row is all of it, of no dimensions
	Leaves []Leaf
	Row    int   // bytes of a row
	Order  []int // of a tensor stored in another order: the stored axis of each axis of a row
}

// Plain tells whether the rows are the leaf's elements one after another.
func (c *Column) Plain() bool { return len(c.Leaves) == 1 && c.Leaves[0].Fills(c.Row) }

// Fills tells whether the leaf's elements, one after another, are rows of row
// bytes.
func (l *Leaf) Fills(row int) bool { return l.run() == row && l.Count*l.DType.ItemSize() == row }

// run is how many bytes of the leaf lie together in a row.
func (l *Leaf) run() int {
	n := l.DType.ItemSize()
	for _, d := range slices.Backward(l.Dims) {
		if d.Stride != n {
			break
		}
		n *= d.N
	}
	return n
}

// checkRow tells of rows so large that a file of some bytes hardly has them: one
// is made room for before it is read.
func (c *Column) checkRow(file int) error {
	const free, ratio = 16 << 20, 1024
	if c.Row > free && c.Row/ratio > file {
		return unsupported(c.Field, fmt.Sprintf("rows of %d bytes in a file of %d", c.Row, file))
	}
	return nil
}

// Part returns the spec of n of the column's rows. It has the shape that room
// keeps, which is the same for parts of as many rows, one after another.
func (c *Column) Part(n int, room *[]int) array.Spec {
	spec := c.Member.Spec
	if c.Scalar {
		return spec
	}
	if s := *room; len(s) == 0 || s[0] != n {
		*room = append([]int{n}, spec.Shape[1:]...)
	}
	spec.Shape = *room
	return spec
}

// Step returns how many rows, of those that are left, are about some bytes; at
// least one, and all where they have none.
func (c *Column) Step(left, bytes int) int {
	if c.Row == 0 {
		return left
	}
	return min(left, max(1, bytes/c.Row))
}

// Texts returns the leaves whose elements have each their own length.
func (c *Column) Texts() []int {
	var list []int
	for i := range c.Leaves {
		if c.Leaves[i].Type.Type.Text() {
			list = append(list, i)
		}
	}
	return list
}

// maxDims is how many dimensions NumPy's arrays have at most.
const maxDims = 64

// newColumn finds the array that a field is. Text is as wide as the field's
// metadata tell or, where they don't, as wides does: for each leaf of text in
// turn how many characters (or bytes) the longest has; without it measure says
// that it is to be found out, and the column serves for just that. An error is
// an *array.UnsupportedError.
func newColumn(f *Field, widths []int) (c *Column, measure bool, err error) {
	if text, ok := Get(f.Meta, dtypeKey); ok {
		if c, err := known(f, text); err == nil {
			return c, false, c.attrs()
		}
		// The column was made another one since: its own type tells.
	}
	n := naming{widths: widths}
	t, shape, err := n.natural(f, 0)
	if err != nil {
		return nil, false, err
	}
	if c, err = column(f, t, shape); err != nil {
		return nil, false, err
	}
	return c, n.texts > 0 && widths == nil, c.attrs()
}

func unsupported(f *Field, why string) error {
	return &array.UnsupportedError{DType: f.Type.String(), Why: why}
}

// known makes the column of a dtype that the metadata tell, if the field's type
// is the one that it is written as.
func known(f *Field, text string) (*Column, error) {
	t, err := array.ParseDType(text)
	if err != nil {
		return nil, err
	}
	_, shape, err := (&naming{loose: true}).dims(f, t)
	if err != nil {
		return nil, err
	}
	return column(f, t, shape)
}

// column lays the field's leaves out in rows of a type and shape.
func column(f *Field, t array.DType, shape []int) (*Column, error) {
	spec := array.Spec{DType: t, Shape: shape}
	row, err := spec.Bytes()
	if err != nil || row > math.MaxInt32*64 {
		return nil, unsupported(f, fmt.Sprintf("rows of %v are too large", spec))
	}
	c := &Column{Field: f, Row: row}
	_, c.Scalar = Get(f.Meta, ScalarKey)
	c.Scalar = c.Scalar && len(shape) == 0
	c.Member = array.Member{Name: f.Name, Spec: spec}
	if !c.Scalar {
		c.Member.Spec.Shape = append([]int{-1}, shape...)
	}
	if len(c.Member.Spec.Shape) > maxDims {
		return nil, unsupported(f, fmt.Sprintf("%d dimensions, NumPy has %d at most", len(shape)+1, maxDims))
	}
	c.Order = permutation(f, len(shape))
	l := layout{c: c}
	if err := l.walk(f, t, shape, 0, nil, nil); err != nil {
		return nil, err
	}
	return c, nil
}

// layout finds the leaves.
type layout struct{ c *Column }

// walk goes down to the leaves of a field that is elements of type t in shape.
func (l *layout) walk(f *Field, t array.DType, shape []int, off int, dims []Dim, path []int) error {
	if len(shape) > 0 {
		strides := make([]int, len(shape))
		step := t.ItemSize()
		for i := len(shape) - 1; i >= 0; i-- {
			strides[i] = step
			step *= shape[i]
		}
		own := make([]Dim, len(shape))
		for i, d := range shape {
			at := i
			if len(path) == 0 && l.c.Order != nil {
				at = l.c.Order[i]
			}
			own[at] = Dim{d, strides[i]}
		}
		f, path, ok := lists(f, shape, path)
		if !ok {
			return unsupported(f, "its lists aren't as its dtype's")
		}
		return l.walk(f, t, nil, off, slices.Concat(dims, own), path)
	}
	switch {
	case t.IsStruct() && f.Type == Struct && f.Dict == nil:
		fields := t.Fields()
		if len(fields) != len(f.Children) {
			return unsupported(f, "its fields aren't its dtype's")
		}
		for i, field := range fields {
			if err := l.walk(&f.Children[i], field.DType, field.Shape, off+field.Offset, dims, append(slices.Clone(path), i)); err != nil {
				return err
			}
		}
		return nil
	case t.Kind() == 'c' && f.Type == FixedSizeList && f.Size == 2:
		half, err := array.ParseDType(string([]byte{t.Order()}) + "f" + fmt.Sprint(t.ItemSize()/2))
		if err != nil {
			return err
		}
		return l.walk(&f.Children[0], half, nil, off, append(slices.Clone(dims), Dim{2, half.ItemSize()}), append(slices.Clone(path), 0))
	}
	if !stores(f, t) {
		return unsupported(f, fmt.Sprintf("its elements aren't stored as %v is", t))
	}
	leaf := Leaf{Path: path, Type: f, DType: t, Offset: off, Dims: dims, Count: 1}
	for _, d := range dims {
		leaf.Count *= d.N
	}
	l.c.Leaves = append(l.c.Leaves, leaf)
	return nil
}

// lists goes through the fixed-size lists that hold a shape: one in the other,
// or all in one.
func lists(f *Field, shape, path []int) (*Field, []int, bool) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if f.Type == FixedSizeList && f.Dict == nil && f.Size == n && (len(shape) == 1 || f.Size != shape[0] || f.Children[0].Type != FixedSizeList) {
		return &f.Children[0], append(slices.Clone(path), 0), true
	}
	for _, d := range shape {
		if f.Type != FixedSizeList || f.Dict != nil || f.Size != d {
			return f, path, false
		}
		f, path = &f.Children[0], append(slices.Clone(path), 0)
	}
	return f, path, true
}

// tensor is what the metadata of a tensor tell.
type tensor struct {
	Shape       []int    `json:"shape"`
	Permutation []int    `json:"permutation,omitempty"`
	Names       []string `json:"dim_names,omitempty"`
}

// tensorOf returns what a field tells of a tensor, if it is one.
func tensorOf(f *Field) (tensor, bool) {
	var t tensor
	if name, _ := Get(f.Meta, extensionKey); name != tensorName || f.Type != FixedSizeList || f.Dict != nil {
		return t, false
	}
	text, _ := Get(f.Meta, paramsKey)
	if json.Unmarshal([]byte(text), &t) != nil || len(t.Shape) > maxDims {
		return t, false
	}
	n, err := array.Spec{DType: array.Uint8, Shape: t.Shape}.Count()
	if err != nil || n != f.Size || !isPermutation(t.Permutation, len(t.Shape)) {
		return t, false
	}
	if slices.IsSorted(t.Permutation) { // in order, which is as good as none
		t.Permutation = nil
	}
	return t, true
}

// isPermutation tells whether a list has each axis once, or is empty.
func isPermutation(axes []int, n int) bool {
	seen := make([]bool, n)
	for _, a := range axes {
		if len(axes) != n || a < 0 || a >= n || seen[a] {
			return false
		}
		seen[a] = true
	}
	return true
}

// permutation returns, for a tensor of n axes that is stored in another order,
// the stored axis of each of the array's.
func permutation(f *Field, n int) []int {
	if t, ok := tensorOf(f); ok && len(t.Permutation) == n {
		return t.Permutation
	}
	return nil
}

// turned returns the array's shape of a tensor.
func (t tensor) turned() []int {
	if t.Permutation == nil {
		return t.Shape
	}
	shape := make([]int, len(t.Shape))
	for i, axis := range t.Permutation {
		shape[i] = t.Shape[axis]
	}
	return shape
}

// naming finds dtypes of fields.
type naming struct {
	widths []int
	texts  int  // seen so far
	loose  bool // the dtype is known: only dimensions are asked for
}

// dims takes the dimensions off a field that is elements of type t.
func (n *naming) dims(f *Field, t array.DType) (*Field, []int, error) {
	if tensor, ok := tensorOf(f); ok {
		return &f.Children[0], tensor.turned(), nil
	}
	var shape []int
	for f.Type == FixedSizeList && f.Dict == nil && !(t.Kind() == 'c' && f.Children[0].Type == Float) {
		if len(shape) == maxDims {
			return nil, nil, unsupported(f, "too many lists in one another")
		}
		shape = append(shape, f.Size)
		f = &f.Children[0]
	}
	return f, shape, nil
}

// natural returns the type and the dimensions that a field has by its own type.
func (n *naming) natural(f *Field, depth int) (array.DType, []int, error) {
	f, shape, err := n.dims(f, array.DType{})
	if err != nil {
		return array.DType{}, nil, err
	}
	if f.Type != Struct || f.Dict != nil {
		t, err := n.leaf(f)
		return t, shape, err
	}
	fields := make([]array.Field, len(f.Children))
	for i := range f.Children {
		t, inner, err := n.natural(&f.Children[i], depth+1)
		if err != nil {
			return array.DType{}, nil, fmt.Errorf("field %q: %w", f.Children[i].Name, err)
		}
		fields[i] = array.Field{Name: f.Children[i].Name, DType: t, Shape: inner}
	}
	if len(fields) == 0 {
		return array.DType{}, nil, unsupported(f, "it has no fields")
	}
	t, err := array.Struct(fields)
	if err != nil {
		return array.DType{}, nil, unsupported(f, err.Error())
	}
	return t, shape, nil
}

// leaf returns the type of a field without parts.
func (n *naming) leaf(f *Field) (array.DType, error) {
	name := ""
	switch f.Type {
	case Bool:
		return array.Bool, nil
	case Int:
		name = fmt.Sprintf("u%d", f.Bits/8)
		if f.Signed {
			name = fmt.Sprintf("i%d", f.Bits/8)
		}
	case Float:
		name = fmt.Sprintf("f%d", f.Bits/8)
	case Date:
		name = "M8[D]"
		if f.Bits == 64 {
			name = "M8[ms]"
		}
	case Timestamp:
		name = "M8[" + f.Unit + "]"
	case Duration, Time:
		name = "m8[" + f.Unit + "]"
	case FixedSizeBinary:
		name = fmt.Sprintf("V%d", f.Size)
	case Utf8, LargeUtf8, Utf8View, Binary, LargeBinary, BinaryView:
		width := 0
		if n.texts < len(n.widths) {
			width = n.widths[n.texts]
		}
		n.texts++
		name = fmt.Sprintf("S%d", width)
		if f.Type.utf8() {
			name = fmt.Sprintf("U%d", width)
		}
	default:
		return array.DType{}, unsupported(f, why(f))
	}
	t, err := array.ParseDType(name)
	if err != nil {
		return t, unsupported(f, err.Error())
	}
	return t, nil
}

// why tells what stands against a type.
func why(f *Field) string {
	switch f.Type {
	case List, LargeList, ListView, LargeListView, Map:
		return "its rows have each their own length"
	case Decimal:
		return "NumPy has no decimal numbers; cast it to a float before"
	case Null:
		return "it has no values"
	}
	return "NumPy has no such type"
}

// stores tells whether a field without parts is how elements of a dtype are
// kept, so that Unpack brings them back.
func stores(f *Field, t array.DType) bool {
	if t.IsStruct() || f.Type == Struct || len(f.Children) > 0 {
		return false
	}
	size := t.ItemSize()
	kind := t.Kind()
	switch f.Type {
	case Bool:
		return kind == 'b'
	case Int:
		return (kind == 'i' && f.Signed || kind == 'u' && !f.Signed || (kind == 'M' || kind == 'm') && f.Signed) && f.Bits == 8*size
	case Float:
		return kind == 'f' && f.Bits == 8*size
	case Date:
		return kind == 'M' && (f.Bits == 32 && t.Unit() == "D" || f.Bits == 64 && t.Unit() == "ms")
	case Time, Duration:
		return kind == 'm' && t.Unit() == f.Unit
	case Timestamp:
		return kind == 'M' && t.Unit() == f.Unit
	case FixedSizeBinary:
		return f.Size == size && kind != 'b'
	}
	return f.Type.Text() && (kind == 'U' && f.Type.utf8() || kind == 'S' && !f.Type.utf8())
}
