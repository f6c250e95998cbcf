package gomlx

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/gomlx/gomlx/pkg/core/dtypes"
	"github.com/gomlx/gomlx/pkg/core/shapes"
	"github.com/gomlx/gomlx/pkg/core/tensors"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// What follows an output's name when its rows' lengths are meant, or where they lie.
const (
	lengths = ".lengths"
	offsets = ".offsets"
)

// source is where a tensor comes from: an output, by its place among all, or what
// is told of its rows.
type source struct {
	output int
	of     string // "", lengths or offsets
}

// sources finds the outputs that names mean.
func sources(outputs []loader.Pipeline, names []string) ([]source, error) {
	list := make([]source, len(names))
	for i, name := range names {
		find := func(name string) int {
			return slices.IndexFunc(outputs, func(p loader.Pipeline) bool { return p.Output == name })
		}
		s := source{output: find(name)}
		for _, suffix := range []string{lengths, offsets} {
			if of, ok := strings.CutSuffix(name, suffix); ok && s.output < 0 {
				s = source{output: find(of), of: suffix}
			}
		}
		if s.output < 0 {
			return nil, fmt.Errorf("no output %q, the loader has %s", name, outputNames(outputs))
		}
		p := &outputs[s.output]
		if s.of != "" {
			if p.Shape != nil {
				return nil, fmt.Errorf("%q: all rows of output %q are as long", name, p.Output)
			}
		} else if t, err := array.ParseDType(p.DType); err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		} else if _, err := dtype(t); err != nil {
			return nil, fmt.Errorf("output %q: %w", name, err)
		}
		list[i] = s
	}
	return list, nil
}

func outputNames(outputs []loader.Pipeline) string {
	var names []string
	for _, p := range outputs {
		names = append(names, fmt.Sprintf("%q", p.Output))
	}
	return strings.Join(names, ", ")
}

// kinds are GoMLX's element types.
var kinds = map[array.DType]dtypes.DType{
	array.Bool:         dtypes.Bool,
	array.Int8:         dtypes.Int8,
	array.Int16:        dtypes.Int16,
	array.Int32:        dtypes.Int32,
	array.Int64:        dtypes.Int64,
	array.Uint8:        dtypes.Uint8,
	array.Uint16:       dtypes.Uint16,
	array.Uint32:       dtypes.Uint32,
	array.Uint64:       dtypes.Uint64,
	array.Float16:      dtypes.Float16,
	array.Float32:      dtypes.Float32,
	array.Float64:      dtypes.Float64,
	array.Complex64:    dtypes.Complex64,
	array.Complex128:   dtypes.Complex128,
	transform.BFloat16: dtypes.BFloat16,
}

func dtype(t array.DType) (dtypes.DType, error) {
	k, ok := kinds[t]
	if !ok {
		return k, fmt.Errorf("element type %v: GoMLX has none like it", t)
	}
	return k, nil
}

// tensors makes the tensors of a batch, inputs before labels.
func (d *Dataset) tensors(b *loader.Batch) ([]*tensors.Tensor, error) {
	all, columns := make([]*tensors.Tensor, 0, len(d.inputs)+len(d.labels)), b.Outputs()
	for _, list := range [][]source{d.inputs, d.labels} {
		for _, s := range list {
			c := &columns[s.output]
			t, err := d.tensor(c, s)
			if err != nil {
				err = fmt.Errorf("output %q: %w", c.Name, err)
				for _, t := range all {
					err = errors.Join(err, t.FinalizeAll())
				}
				return nil, err
			}
			all = append(all, t)
		}
	}
	return all, nil
}

// tensor makes one tensor.
func (d *Dataset) tensor(c *loader.Column, s source) (*tensors.Tensor, error) {
	switch s.of {
	case lengths:
		list := make([]int64, len(c.Lengths))
		for i, v := range c.Lengths {
			list[i] = int64(v)
		}
		return d.numbers(list)
	case offsets:
		if c.Offsets == nil {
			return nil, errors.New("its rows have no offsets: they are padded, loader.Output.Ragged is not set")
		}
		return d.numbers(c.Offsets)
	}
	return d.copied(c.Spec, c.Data)
}

// numbers makes a tensor of a list.
func (d *Dataset) numbers(list []int64) (*tensors.Tensor, error) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), 8*len(list))
	return d.copied(array.Spec{DType: array.Int64, Shape: []int{len(list)}}, b)
}

// copied makes a tensor of elements, of which it keeps nothing.
func (d *Dataset) copied(spec array.Spec, data []byte) (*tensors.Tensor, error) {
	kind, err := dtype(spec.DType)
	if err != nil {
		return nil, err
	}
	if _, err := array.New(spec, data); err != nil {
		return nil, err
	}
	shape := shapes.Make(kind, spec.Shape...)
	if d.opts.Backend != nil {
		flat := reflect.SliceAt(kind.GoType(), unsafe.Pointer(unsafe.SliceData(data)), shape.Size()).Interface()
		buffer, err := d.opts.Backend.BufferFromFlatData(d.opts.Device, flat, shape)
		if err != nil {
			return nil, err
		}
		return tensors.FromBuffer(d.opts.Backend, buffer)
	}
	t := tensors.FromShape(shape)
	if len(data) == 0 {
		return t, nil
	}
	return t, t.MutableBytes(func(dst []byte) { copy(dst, data) })
}
