package arrow

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/betongo/betongo/array"
)

// Catalogue is a file's columns in the file's order: those that are served as
// arrays, and why others aren't. What stands before its methods is set before the
// first Add; behind the last one it is safe for concurrent use. T is what a format
// keeps of a column.
type Catalogue[T any] struct {
	File string   // its path, for errors
	Only []string // the names that are asked for; nil is all
	Rows int      // of every column
	Size int      // of the file, in bytes

	list  []*Entry[T]
	index map[string]int
}

// Entry is one column of a file.
type Entry[T any] struct {
	*Column
	Own T
	err error // why it isn't served
}

// Add finds out how a field is served. find looks for the column's leaves in the
// file; measure returns, for each of its Texts, how long the longest is. Their
// errors say why the column isn't served, but for an *array.FormatError, which is
// Add's own: the file is broken.
func (k *Catalogue[T]) Add(field *Field, own T, find func(*Entry[T]) error, measure func(*Entry[T]) ([]int, error)) error {
	if k.Only != nil && !slices.Contains(k.Only, field.Name) {
		return nil
	}
	e := &Entry[T]{Own: own}
	e.Column = &Column{Field: field, Member: array.Member{Name: field.Name}}
	if _, ok := k.index[field.Name]; ok {
		e.err = errors.New("a column of that name is there already")
	} else {
		if k.index == nil {
			k.index = map[string]int{}
		}
		k.index[field.Name] = len(k.list)
	}
	k.list = append(k.list, e)
	c, texts, err := newColumn(field, nil)
	if e.err = errors.Join(e.err, err); e.err != nil {
		return nil
	}
	e.Column = c
	// Every leaf has its rows, before anybody is told of them.
	err = find(e)
	if err == nil && texts {
		var widths []int
		if widths, err = measure(e); err == nil {
			if c, _, err = newColumn(field, widths); err == nil {
				e.Column = c
			}
		}
	}
	var broken *array.FormatError
	if errors.As(err, &broken) {
		return err
	}
	if err == nil {
		err = e.checkRow(k.Size)
	}
	if e.err = err; err != nil {
		return nil
	}
	return k.counted(e)
}

// counted tells a column its rows.
func (k *Catalogue[T]) counted(e *Entry[T]) error {
	if e.Scalar {
		if k.Rows != 1 {
			return k.bad(e, "%d rows of a column that says it is a scalar", k.Rows)
		}
		return nil
	}
	e.Member.Spec.Shape[0] = k.Rows
	if _, err := e.Member.Spec.Bytes(); err != nil {
		return k.bad(e, "%v", err)
	}
	return nil
}

func (k *Catalogue[T]) bad(e *Entry[T], format string, args ...any) error {
	return &array.FormatError{File: k.File, Array: e.Field.Name, Offset: -1, Msg: fmt.Sprintf(format, args...)}
}

func (k *Catalogue[T]) refused(e *Entry[T]) error {
	return fmt.Errorf("%s%w", array.Place(k.File, e.Field.Name, "", -1), e.err)
}

// Members returns the columns that are served. The caller owns them.
func (k *Catalogue[T]) Members() []array.Member {
	list := make([]array.Member, 0, len(k.list))
	for _, e := range k.list {
		if e.err == nil {
			m := e.Member
			m.Spec.Shape = slices.Clone(m.Spec.Shape)
			m.Attrs = maps.Clone(m.Attrs)
			list = append(list, m)
		}
	}
	return list
}

// Refused returns why columns aren't among the Members, joined; nil where all are.
func (k *Catalogue[T]) Refused() error {
	var errs []error
	for _, e := range k.list {
		if e.err != nil {
			errs = append(errs, k.refused(e))
		}
	}
	return errors.Join(errs...)
}

// Find returns a column by name; "" is the only one. The error of one that isn't
// served says why.
func (k *Catalogue[T]) Find(name string) (*Entry[T], error) {
	i, ok := k.index[name]
	if !ok && name == "" && len(k.list) == 1 {
		i, ok = 0, true
	}
	if !ok {
		return nil, fmt.Errorf("%s: no array %q", k.File, name)
	}
	e := k.list[i]
	if e.err != nil {
		return nil, k.refused(e)
	}
	return e, nil
}

// Whole returns the spec and the bytes of a column that is to be read at once,
// which may have most bytes.
func (k *Catalogue[T]) Whole(e *Entry[T], most int64) (array.Spec, int, error) {
	spec := array.Spec{DType: e.Member.Spec.DType, Shape: slices.Clone(e.Member.Spec.Shape)}
	size, err := spec.Bytes()
	if err != nil {
		return spec, 0, k.bad(e, "%v", err)
	}
	if int64(size) > most {
		return spec, 0, fmt.Errorf("%s%d bytes to read at once, OpenOptions.MaxArray is %d; a stream reads them in parts", array.Place(k.File, e.Field.Name, "", -1), size, most)
	}
	return spec, size, nil
}
