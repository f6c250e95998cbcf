package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// Arrays are .npy files that share their first axis: row i of each is a value
// of sample i. Rows are not copied: values borrow from the mapped files until
// Close. Samples have no keys.
type Arrays struct {
	columns []arrayColumn
}

type arrayColumn struct {
	Field
	file *npy.File
	rows int
	row  array.Spec // of one row
	one  bool       // a row is one element, stored as shape (1,)
}

// OpenArrays maps the file of each spec. A spec without a field gets the one
// that its rows fit: Int for single integers or bools, Float for single floats
// of up to 64 bits, all kept exactly, NDArray for everything else. An Int or
// Float field takes rows of one element, RGBImage rows of shape (height, width,
// 3) and Bytes rows of shape (n,), both of dtype uint8, Image rows of its own
// dtype and shape (height, width, channels), or (height, width) with one channel;
// an NDArray or TorchTensor without dtype or shape takes the file's. Single elements as
// NDArray have shape (1,): the format keeps no zero-dimensional arrays.
func OpenArrays(specs []Spec) (*Arrays, error) {
	if len(specs) == 0 {
		return nil, errors.New("arrays: no files; expected at least one .npy file")
	}
	a := &Arrays{}
	for _, s := range specs {
		if err := a.open(s); err != nil {
			a.Close()
			return nil, fmt.Errorf("field %q of arrays: %w", s.Name, err)
		}
		if n := a.columns[len(a.columns)-1].rows; n != a.columns[0].rows {
			a.Close()
			return nil, fmt.Errorf("field %q of arrays: %s: %d rows; %s has %d", s.Name, s.File, n, specs[0].File, a.columns[0].rows)
		}
	}
	return a, nil
}

// open maps one file.
func (a *Arrays) open(s Spec) error {
	if s.Column != "" || s.Inline != InlineDefault {
		return &SpecError{errors.New("column= and inline= are for tables; an array has file=")}
	}
	if s.File == "" {
		return &SpecError{fmt.Errorf("no file; expected the .npy file as %s=FILE or in file=FILE", s.Name)}
	}
	f, err := npy.Open(s.File)
	if err != nil {
		return err
	}
	a.columns = append(a.columns, arrayColumn{Field: s.Field, file: f})
	c := &a.columns[len(a.columns)-1]
	spec := f.Array().Spec
	if len(spec.Shape) == 0 {
		return fmt.Errorf("%s: a single value; expected an array whose first axis counts samples", s.File)
	}
	c.rows = spec.Shape[0]
	if err := c.choose(array.Spec{DType: spec.DType, Shape: slices.Clone(spec.Shape[1:])}); err != nil {
		return fmt.Errorf("%s: array %v: %w", s.File, spec, err)
	}
	return nil
}

// choosePlain is choose for the field whose values they become.
func (c *arrayColumn) choosePlain(row array.Spec) error {
	c.row = row
	count, err := row.Count()
	if err != nil {
		return err
	}
	if c.Field.Field == nil {
		switch scalar := len(row.Shape) == 0; {
		case scalar && whole(row.DType):
			c.Field.Field = fields.Int{}
		case scalar && realFloat(row.DType):
			c.Field.Field = fields.Float{}
		default:
			c.Field.Field = fields.NDArray{}
		}
	}
	switch f := c.Field.Field.(type) {
	case fields.Int:
		if count != 1 || !whole(row.DType) {
			return errors.New("an int field takes rows of one integer or bool")
		}
	case fields.Float:
		if count != 1 || !realFloat(row.DType) {
			return errors.New("a float field takes rows of one float of at most 64 bits")
		}
	case fields.RGBImage:
		if len(row.Shape) != 3 || row.Shape[2] != 3 || row.DType != array.Uint8 {
			return errors.New("an rgb field takes rows of dtype |u1 and shape (height, width, 3)")
		}
	case fields.Image:
		channels, depth := f.Kind()
		dtype := [...]array.DType{1: array.Uint8, 2: array.Uint16}[depth]
		flat := len(row.Shape) == 2 && channels == 1
		if !flat && (len(row.Shape) != 3 || row.Shape[2] != channels) || row.DType != dtype {
			return fmt.Errorf("this image field takes rows of dtype %v and shape (height, width, %d)", dtype, channels)
		}
	case fields.Bytes:
		if len(row.Shape) != 1 || row.DType != array.Uint8 {
			return errors.New("a bytes field takes rows of dtype |u1 and one axis")
		}
	case fields.NDArray:
		spec, err := c.fit(array.Spec{DType: f.DType, Shape: f.Shape})
		f.DType, f.Shape = spec.DType, spec.Shape
		c.Field.Field = f
		return err
	case fields.TorchTensor:
		spec, err := c.fit(array.Spec{DType: f.DType, Shape: f.Shape})
		f.DType, f.Shape = spec.DType, spec.Shape
		c.Field.Field = f
		return err
	default:
		return fmt.Errorf("values of %T cannot be read from arrays", f)
	}
	return nil
}

// fit completes the spec of an array field by the rows', and compares.
func (c *arrayColumn) fit(want array.Spec) (array.Spec, error) {
	if c.row.DType.IsStruct() {
		return want, &array.UnsupportedError{DType: c.row.DType.String(), Why: "structured; make an array of each of its fields"}
	}
	if len(c.row.Shape) == 0 {
		c.row.Shape, c.one = []int{1}, true
	}
	if !want.DType.Valid() {
		want.DType = c.row.DType
	}
	if len(want.Shape) == 0 {
		want.Shape = c.row.Shape
	}
	if !want.Equal(c.row) {
		return want, fmt.Errorf("the field holds %v", want)
	}
	return want, nil
}

// Len returns the number of rows.
func (a *Arrays) Len() int { return a.columns[0].rows }

// Classes returns nil: arrays name no classes.
func (a *Arrays) Classes() []string { return nil }

// Fields returns the fields, those without a given type as OpenArrays chose.
func (a *Arrays) Fields() []Field {
	var out []Field
	for _, c := range a.columns {
		out = append(out, c.Field)
	}
	return out
}

// Close unmaps the files. Values that Sample returned must not be used after.
func (a *Arrays) Close() error {
	var errs []error
	for _, c := range a.columns {
		errs = append(errs, c.file.Close())
	}
	return errors.Join(errs...)
}

// Sample returns row i of every file. The key is "".
func (a *Arrays) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if i < 0 || i >= a.Len() {
		return nil, "", fmt.Errorf("arrays: sample %d of %d", i, a.Len())
	}
	values = make([]any, len(a.columns))
	for k := range a.columns {
		c := &a.columns[k]
		if values[k], err = c.value(c.file.Array().Row(i)); err != nil {
			return nil, "", fmt.Errorf("field %q: %s: row %d: %w", c.Name, filepath.Base(c.file.Name()), i, err)
		}
	}
	return values, "", nil
}

func (c *arrayColumn) value(row array.Array) (any, error) {
	switch plainField(c.Field.Field).(type) {
	case fields.Int:
		return wholeAt(row.DType, row.Data)
	case fields.Float:
		return floatAt(row.DType, row.Data), nil
	case fields.RGBImage:
		return rgb.Image{Height: row.Shape[0], Width: row.Shape[1], Pix: row.Data}, nil
	case fields.Bytes:
		return row.Data, nil
	}
	if c.one {
		row.Shape = c.row.Shape
	}
	return row, nil
}
