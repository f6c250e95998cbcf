package convert

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/betongo/betongo/array"
)

// DTypeError says that the output has no such elements.
type DTypeError struct {
	Array   string      // by its name in the input
	DType   array.DType // its type, after a cast that was asked for
	Format  string      // the output's
	Nearest array.DType // the nearest type that holds all of its values and that the format has; the zero value for none
	Err     error       // the format's own reason
}

func (e *DTypeError) Error() string {
	s := fmt.Sprintf("array %q: %s has no elements of type %s", e.Array, e.Format, e.DType)
	if e.Err != nil {
		var u *array.UnsupportedError
		switch {
		case !errors.As(e.Err, &u):
			s += ": " + e.Err.Error()
		case u.Why != "": // else it says no more than this
			s += ": " + u.Why
		}
	}
	if e.Nearest.Valid() {
		return s + fmt.Sprintf("; the nearest that it has is %s", e.Nearest)
	}
	return s + "; none that it has holds the same values"
}

// Unwrap returns the format's reason.
func (e *DTypeError) Unwrap() error { return e.Err }

// ScalarError says that the output has no arrays without dimensions.
type ScalarError struct {
	Array, Format string
}

func (e *ScalarError) Error() string {
	return fmt.Sprintf("array %q is a scalar, and %s has none", e.Array, e.Format)
}

// SeveralError says that the output holds one array and more were asked for.
type SeveralError struct {
	Format string
	Arrays []string
}

func (e *SeveralError) Error() string {
	list := make([]array.Member, len(e.Arrays))
	for i, name := range e.Arrays {
		list[i].Name = name
	}
	return fmt.Sprintf("%s holds one array; there are %s", e.Format, names(list))
}

// fit decides how each array is added to the output.
func (j *job) fit() error {
	if j.to.Single && len(j.list) > 1 && !strings.Contains(j.out, pattern) {
		e := &SeveralError{Format: j.to.Title}
		for _, it := range j.list {
			e.Arrays = append(e.Arrays, it.src.Name)
		}
		return e
	}
	for i := range j.list {
		if err := j.fitArray(&j.list[i]); err != nil {
			return err
		}
	}
	if j.to.table {
		return j.sameRows()
	}
	return nil
}

func (j *job) fitArray(it *item) error {
	f, t := j.to, it.src.Spec.DType
	if j.opts.DType.Valid() {
		t = j.opts.DType
	}
	it.dst = array.Member{Name: it.name, Spec: array.Spec{DType: t, Shape: it.src.Spec.Shape}}
	if len(it.dst.Spec.Shape) == 0 && !f.scalars {
		if !j.opts.Promote {
			return &ScalarError{Array: it.src.Name, Format: f.Title}
		}
		it.dst.Spec.Shape = []int{1}
		j.note(it.src.Name, "a scalar, stored with the shape (1,)")
	}
	from := it.src.Attrs
	if isFloat8(it.src) && t != it.src.Spec.DType {
		from = maps.Clone(from)
		delete(from, "dtype") // is t now
	}
	it.dst.Attrs = j.carry(it.src.Name, from, f.member)
	if f.takes != nil {
		if err := f.takes(it.dst); err != nil {
			return j.refuse(it, err)
		}
	}
	if f.remark != nil {
		if text := f.remark(it.dst); text != "" {
			j.note(it.src.Name, "%s", text)
		}
	}
	if it.src.Fortran && len(it.dst.Spec.Shape) > 1 {
		it.dst.Fortran = f.fortran
		if !f.fortran {
			j.note(it.src.Name, "in Fortran order, stored in C order")
		}
	}
	if little := t.WithOrder('<'); little != t && !f.order {
		j.note(it.src.Name, "big-endian (%s), stored little-endian", t)
	}
	if t != it.src.Spec.DType {
		j.note(it.src.Name, "cast from %s to %s", it.src.Spec.DType, t)
	}
	return nil
}

// refuse makes a format's refusal of a type one that helps.
func (j *job) refuse(it *item, err error) error {
	var u *array.UnsupportedError
	if !errors.As(err, &u) {
		return fmt.Errorf("array %q: %w", it.src.Name, err)
	}
	e := &DTypeError{Array: it.src.Name, DType: it.dst.Spec.DType, Format: j.to.Title, Err: err}
	list := wider(it.dst.Spec.DType)
	if isFloat8(it.src) && it.dst.Spec.DType == it.src.Spec.DType {
		if list = []array.DType{array.Float16, array.Float32}; it.src.Attrs["dtype"] == "F8_E8M0" {
			list = list[1:]
		}
	}
	for _, t := range list {
		m := it.dst
		m.Spec.DType = t
		if t != it.dst.Spec.DType && (j.to.takes == nil || j.to.takes(m) == nil) {
			e.Nearest = t
			break
		}
	}
	return e
}

// wider lists the types that hold all values of a type, the nearest first;
// times become the numbers that they are.
func wider(t array.DType) []array.DType {
	if t.WithOrder('<') == array.BFloat16 {
		return []array.DType{array.Float32, array.Float64}
	}
	numbers := []array.DType{array.Int8, array.Int16, array.Int32, array.Int64}
	floats := []array.DType{array.Float16, array.Float32, array.Float64}
	var list []array.DType
	larger := func(of []array.DType, size int) {
		for _, c := range of {
			if c.ItemSize() >= size {
				list = append(list, c)
			}
		}
	}
	switch size := t.ItemSize(); t.Kind() {
	case 'b':
		list = append(list, array.Uint8)
		larger(numbers, 1)
		larger(floats, 2)
	case 'u':
		larger([]array.DType{array.Uint8, array.Uint16, array.Uint32, array.Uint64}, size)
		larger(numbers, 2*size)
		larger(floats, 2*size) // of 8 bytes none holds all
	case 'i':
		larger(numbers, size)
		larger(floats, 2*size)
	case 'f':
		larger(floats, size)
	case 'c':
		larger([]array.DType{array.Complex64, array.Complex128}, size)
	case 'M', 'm':
		list = append(list, array.Int64)
	}
	return list
}
