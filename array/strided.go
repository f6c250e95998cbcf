package array

import (
	"fmt"
	"slices"
)

// Strided is an array over borrowed bytes whose neighbours along axis i lie
// Strides[i] bytes apart, 0 and negative numbers included. The first element
// begins at Data[Offset]. Its methods never change the bytes; they return
// views of the same memory unless they say otherwise.
type Strided struct {
	Spec
	Strides []int
	Data    []byte
	Offset  int
}

// NewStrided checks that every element lies in data.
func NewStrided(spec Spec, strides []int, data []byte, offset int) (Strided, error) {
	if !spec.DType.Valid() {
		return Strided{}, fmt.Errorf("array of shape %s: no dtype", ShapeString(spec.Shape))
	}
	n, err := spec.Bytes()
	if err != nil {
		return Strided{}, err
	}
	if len(strides) != len(spec.Shape) {
		return Strided{}, fmt.Errorf("array %v: %d strides, want %d", spec, len(strides), len(spec.Shape))
	}
	s := Strided{Spec: spec, Strides: strides, Data: data, Offset: offset}
	if n == 0 {
		s.Offset = 0
		return s, nil
	}
	lo, hi, item := offset, offset, spec.DType.ItemSize()
	for i, d := range spec.Shape {
		// The size of d-1 steps must not overflow; len(data) bounds it.
		step := strides[i]
		if d > 1 && (step > len(data)/(d-1) || step < -len(data)/(d-1)) {
			return Strided{}, fmt.Errorf("array %v: stride %d of axis %d leaves the %d bytes of data", spec, step, i, len(data))
		}
		if d = (d - 1) * step; d > 0 {
			hi += d
		} else {
			lo += d
		}
		if lo < 0 || hi > len(data) {
			break
		}
	}
	if offset < 0 || lo < 0 || hi > len(data)-item {
		return Strided{}, fmt.Errorf("array %v with strides %v: its elements from byte %d on leave the %d bytes of data", spec, strides, offset, len(data))
	}
	return s, nil
}

// Strided returns the array as one of strides, over the same bytes.
func (a Array) Strided() Strided {
	return Strided{Spec: a.Spec, Strides: contiguous(a.Spec), Data: a.Data}
}

// contiguous returns the strides of C order.
func contiguous(spec Spec) []int {
	strides := make([]int, len(spec.Shape))
	step := spec.DType.ItemSize()
	for i := len(strides) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(spec.Shape[i], 1)
	}
	return strides
}

// FortranOf returns the array of data in Fortran order (column-major): the
// first axis is the fastest. The size is checked as New does.
func FortranOf(spec Spec, data []byte) (Strided, error) {
	if _, err := New(spec, data); err != nil {
		return Strided{}, err
	}
	strides := make([]int, len(spec.Shape))
	step := spec.DType.ItemSize()
	for i, d := range spec.Shape {
		strides[i] = step
		step *= max(d, 1)
	}
	return Strided{Spec: spec, Strides: strides, Data: data}, nil
}

// Over returns the array of data in Fortran or in C order, by FortranOf or New.
func Over(spec Spec, fortran bool, data []byte) (Strided, error) {
	if fortran {
		return FortranOf(spec, data)
	}
	a, err := New(spec, data)
	return a.Strided(), err
}

// IsContiguous tells whether the elements lie in C order without gaps.
func (s Strided) IsContiguous() bool {
	step := s.DType.ItemSize()
	for i := len(s.Shape) - 1; i >= 0; i-- {
		if s.Shape[i] == 0 {
			return true
		}
	}
	for i := len(s.Shape) - 1; i >= 0; i-- {
		if s.Shape[i] != 1 && s.Strides[i] != step {
			return false
		}
		step *= s.Shape[i]
	}
	return true
}

// IsFortran tells whether the elements lie in Fortran order without gaps; many
// arrays, those of one dimension among them, are in both orders.
func (s Strided) IsFortran() bool { return s.Transpose().IsContiguous() }

// AsContiguous returns the array in C order: over the same bytes where they
// lie so already, else in a copy.
func (s Strided) AsContiguous() Array {
	n, err := s.Spec.Bytes()
	if err != nil {
		panic("array: " + err.Error())
	}
	if n == 0 {
		return Array{Spec: s.Spec}
	}
	if s.IsContiguous() {
		return Array{Spec: s.Spec, Data: s.Data[s.Offset : s.Offset+n : s.Offset+n]}
	}
	a := Array{Spec: s.Spec, Data: make([]byte, n)}
	s.CopyTo(a.Data)
	return a
}

// AsFortran returns the array in Fortran order: over the same bytes where they
// lie so already, else in a copy.
func (s Strided) AsFortran() Strided {
	return s.Transpose().AsContiguous().Strided().Transpose()
}

// Transpose returns the array with its axes in another order: axis i of the
// result is axes[i] of s. Without axes the order is reversed. It panics where
// axes aren't each axis once.
func (s Strided) Transpose(axes ...int) Strided {
	n := len(s.Shape)
	if len(axes) == 0 {
		for i := n - 1; i >= 0; i-- {
			axes = append(axes, i)
		}
	}
	t := s
	t.Shape, t.Strides = make([]int, n), make([]int, n)
	seen := make([]bool, n)
	for i, axis := range axes {
		if len(axes) != n || axis < 0 || axis >= n || seen[axis] {
			panic(fmt.Sprintf("array: transpose %v by the axes %v", s.Spec, axes))
		}
		seen[axis] = true
		t.Shape[i], t.Strides[i] = s.Shape[axis], s.Strides[axis]
	}
	return t
}

// Slice returns the elements lo, lo+step, … of an axis up to but without hi,
// as Python's range(lo, hi, step) counts; with a negative step hi may be -1.
// It panics for a step of 0, and where an index lies outside.
func (s Strided) Slice(axis, lo, hi, step int) Strided {
	n := 0
	switch {
	case step > 0 && lo < hi:
		n = (hi-lo-1)/step + 1
	case step < 0 && lo > hi:
		n = (lo-hi-1)/-step + 1
	}
	if axis < 0 || axis >= len(s.Shape) || step == 0 || n > 0 && (lo < 0 || lo >= s.Shape[axis] || hi < -1 || hi > s.Shape[axis]) {
		panic(fmt.Sprintf("array: slice %d:%d:%d of axis %d of %v", lo, hi, step, axis, s.Spec))
	}
	t := s
	t.Shape, t.Strides = slices.Clone(s.Shape), slices.Clone(s.Strides)
	t.Shape[axis] = n
	t.Strides[axis] *= step
	if n > 0 {
		t.Offset += lo * s.Strides[axis]
	}
	return t
}

// Row returns element i of the first axis. It panics on a scalar and out of
// range.
func (s Strided) Row(i int) Strided {
	if len(s.Shape) == 0 || i < 0 || i >= s.Shape[0] {
		panic(fmt.Sprintf("array: row %d of %v", i, s.Spec))
	}
	t := s
	t.Shape, t.Strides = s.Shape[1:len(s.Shape):len(s.Shape)], s.Strides[1:len(s.Strides):len(s.Strides)]
	t.Offset += i * s.Strides[0]
	return t
}

// Field returns one field of a structured array; a field that is a sub-array
// adds its dimensions at the end.
func (s Strided) Field(name string) (Strided, error) {
	f, ok := s.DType.Field(name)
	if !ok {
		return Strided{}, fmt.Errorf("array %v: no field %q", s.Spec, name)
	}
	t := s
	t.DType = f.DType
	t.Shape = slices.Concat(s.Shape, f.Shape)
	t.Strides = slices.Concat(s.Strides, contiguous(f.Spec()))
	t.Offset += f.Offset
	return t, nil
}

// View returns the same bytes as elements of another type, by NumPy's rules:
// where the size differs, the last axis must be without gaps and grows or
// shrinks, a whole number of elements; a scalar can't.
func (s Strided) View(t DType) (Strided, error) {
	v := s
	v.DType = t
	from, to := s.DType.ItemSize(), t.ItemSize()
	last := len(s.Shape) - 1
	switch {
	case !t.Valid():
		return Strided{}, fmt.Errorf("array %v: a view without a dtype", s.Spec)
	case from == to:
		return v, nil
	case last < 0:
		return Strided{}, fmt.Errorf("array %v viewed as %v: a scalar keeps its size", s.Spec, t)
	case s.Shape[last] != 1 && s.Strides[last] != from:
		return Strided{}, fmt.Errorf("array %v viewed as %v: its last axis has gaps", s.Spec, t)
	case to == 0:
		return Strided{}, fmt.Errorf("array %v viewed as %v: elements of no bytes", s.Spec, t)
	case s.Shape[last]*from%to != 0: // fits: the array's own bytes
		return Strided{}, fmt.Errorf("array %v viewed as %v: the last axis has %d bytes, no multiple of %d", s.Spec, t, s.Shape[last]*from, to)
	}
	v.Shape, v.Strides = slices.Clone(s.Shape), slices.Clone(s.Strides)
	v.Shape[last] = s.Shape[last] * from / to
	v.Strides[last] = to
	return v, nil
}
