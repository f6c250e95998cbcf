package torchfile

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// OpenOptions say how Open and Load read; nil and the zero value are the
// defaults.
type OpenOptions struct {
	// MaxMemory is how many bytes the values that the pickle makes may take,
	// roughly, tensors' bytes not among them; 0 is 1 GiB. The default is wrong
	// for a file of millions of tensors, or of long lists of numbers, that comes
	// from somebody trusted.
	MaxMemory int64
}

const defaultMemory = 1 << 30

func (o *OpenOptions) budget() *budget {
	n := int64(defaultMemory)
	if o != nil && o.MaxMemory > 0 {
		n = o.MaxMemory
	}
	return &budget{left: n, all: n}
}

// File is an open file. Its methods are safe for concurrent use, except for
// Close; a stream is for one goroutine.
type File struct {
	m       *mmap.Map
	file    *os.File
	value   any
	members []member
	index   map[string]int
	attrs   map[string]any
}

// member is a tensor with its name.
type member struct {
	array.Member
	tensor *Tensor
	err    error // why it isn't served
}

// Open maps a file, reads its pickle and checks it.
func Open(path string, opts *OpenOptions) (*File, error) {
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{m: m}
	if f.file, err = regular.Open(path); err == nil {
		budget := opts.budget()
		s := &source{name: path, b: m.Bytes(), budget: budget}
		if f.value, err = s.read(); err == nil {
			err = f.flatten(budget)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Load reads a whole file into memory and returns its value, as File.Value does;
// it needs no Close.
func Load(path string, opts *OpenOptions) (any, error) {
	b, err := regular.ReadFile(path, 1<<62)
	if err != nil {
		return nil, err
	}
	s := &source{name: path, b: b, budget: opts.budget()}
	return s.read()
}

// Parse returns the value of a whole file, whose bytes the tensors borrow.
func Parse(file []byte, opts *OpenOptions) (any, error) {
	s := &source{b: file, budget: opts.budget()}
	return s.read()
}

// Value returns what the file holds: *Dict, *List, Tuple, *Set, *Tensor, or one
// of the plain values. It is shared by all callers, who must not change it; the
// tensors' bytes are the file's, read-only and valid until Close.
func (f *File) Value() any { return f.value }

// maxDepth bounds how deep dicts and lists may lie in each other.
const maxDepth = 1000

// flatten gives tensors and plain values their names.
func (f *File) flatten(b *budget) error {
	f.index, f.attrs = map[string]int{}, map[string]any{}
	w := &walk{f: f, budget: b}
	if _, ok := f.value.(*Tensor); ok {
		base := filepath.Base(f.m.Name())
		w.visit(strings.TrimSuffix(base, filepath.Ext(base)), f.value, 0)
	} else {
		w.visit("", f.value, 0)
	}
	if w.err != nil {
		return &FormatError{File: f.m.Name(), Msg: w.err.Error()}
	}
	return nil
}

type walk struct {
	f      *File
	budget *budget
	err    error
}

// visit names one value and those in it. A value that is at many places has
// many names, which the budget bounds.
func (w *walk) visit(name string, v any, depth int) {
	if w.err != nil {
		return
	}
	if w.err = w.budget.take(objectSize + len(name)); w.err != nil {
		return
	}
	if depth > maxDepth {
		w.err = fmt.Errorf("values lie more than %d deep in each other, or in themselves", maxDepth)
		return
	}
	sub := func(key string, v any) {
		if name != "" {
			key = name + "." + key
		}
		w.visit(key, v, depth+1)
	}
	items := func(items []any) {
		for i, v := range items {
			sub(strconv.Itoa(i), v)
		}
	}
	switch v := v.(type) {
	case *Dict:
		for _, item := range v.Items {
			sub(keyText(item.Key), item.Value)
		}
	case *List:
		items(v.Items)
	case Tuple:
		items(v)
	case *Set:
		items(v.Items)
	case *Tensor:
		w.f.add(name, v)
	case *Refused:
		w.f.refuse(name, &array.UnsupportedError{Why: v.Why})
	case Constant:
		w.attr(name, string(v))
	case Device:
		w.attr(name, string(v))
	case nil, bool, int64, float64, complex128, string, []byte, *big.Int:
		w.attr(name, v)
	}
}

func (w *walk) attr(name string, v any) {
	if _, ok := w.f.attrs[name]; !ok {
		w.f.attrs[name] = v
	}
}

func keyText(key any) string {
	switch k := key.(type) {
	case string:
		return k
	case int64:
		return strconv.FormatInt(k, 10)
	}
	return fmt.Sprint(key)
}

// add makes a tensor a member.
func (f *File) add(name string, t *Tensor) {
	m := array.Member{Name: name, Spec: t.Spec, Fortran: !t.IsContiguous() && t.IsFortran()}
	set := func(key string, v any) {
		if m.Attrs == nil {
			m.Attrs = map[string]any{}
		}
		m.Attrs[key] = v
	}
	if t.Parameter {
		set("parameter", true)
	}
	if t.RequiresGrad {
		set("requires_grad", true)
	}
	if t.Float8 != "" {
		set("dtype", t.Float8)
	}
	if _, ok := f.index[name]; ok {
		f.refuse(name, errors.New("more than one tensor has this name; Value tells them apart"))
		return
	}
	f.index[name] = len(f.members)
	f.members = append(f.members, member{Member: m, tensor: t})
}

// refuse notes a tensor that isn't served; a served one keeps its name.
func (f *File) refuse(name string, why error) {
	if _, ok := f.index[name]; !ok {
		f.index[name] = len(f.members)
	}
	f.members = append(f.members, member{Member: array.Member{Name: name}, err: fmt.Errorf("%s: array %q: %w", f.Name(), name, why)})
}

// Name returns the file's path as Open got it.
func (f *File) Name() string { return f.m.Name() }

// Members returns the tensors that are served, in the value's order. A tensor
// that is the whole value is called as the file without its extension.
func (f *File) Members() []array.Member {
	list := make([]array.Member, 0, len(f.members))
	for i := range f.members {
		if m := &f.members[i]; m.err == nil {
			one := m.Member
			one.Spec.Shape = slices.Clone(one.Spec.Shape)
			one.Attrs = maps.Clone(one.Attrs)
			list = append(list, one)
		}
	}
	return list
}

// Refused returns why tensors of the file aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error {
	var errs []error
	for i := range f.members {
		errs = append(errs, f.members[i].err)
	}
	return errors.Join(errs...)
}

// Attrs returns the value's numbers, strings, bools, bytes and None, by their
// names.
func (f *File) Attrs() map[string]any { return maps.Clone(f.attrs) }

// find returns a tensor by name; "" is the only one.
func (f *File) find(name string) (*member, error) {
	i, ok := f.index[name]
	if !ok && name == "" && len(f.members) == 1 {
		i, ok = 0, true
	}
	if !ok {
		return nil, fmt.Errorf("%s: no array %q", f.Name(), name)
	}
	return &f.members[i], f.members[i].err
}

// Array returns a tensor, a view of the file with the tensor's own strides:
// read-only, valid until Close.
func (f *File) Array(name string) (array.Strided, error) {
	m, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	return m.tensor.Strided, nil
}

// Close unmaps and closes the file. A second Close does nothing.
func (f *File) Close() error {
	var err error
	if f.file != nil {
		err = f.file.Close()
		f.file = nil
	}
	return errors.Join(err, f.m.Close())
}

// MaxRow is how large a row may be that the file doesn't have as often as the
// tensor tells.
const MaxRow = 1 << 30

// Stream gives the rows of a tensor in C order, about chunk bytes at a time (0
// is array.DefaultChunk) and at least one row, in one buffer of its own. A tensor
// that lies in C order is read from the file, the others are gathered from the
// map.
//
// A tensor that is larger than what it lies in, as torch.Tensor.expand makes
// them, has rows of any size: one of more than the file and MaxRow bytes is
// refused.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	m, err := f.find(name)
	if err != nil {
		return nil, err
	}
	t := m.tensor
	size, err := t.Spec.Bytes()
	if err != nil {
		return nil, err
	}
	if t.IsContiguous() && size > 0 {
		return array.StreamExtent(m.Name, array.Extent{Spec: t.Spec, File: f.file, Offset: t.at + int64(t.Offset)}, chunk)
	}
	row := size
	if len(t.Shape) > 0 && t.Shape[0] > 0 {
		row /= t.Shape[0]
	}
	if int64(row) > max(f.m.Size(), MaxRow) {
		return nil, fmt.Errorf("%s: array %q: rows of %d bytes over %d bytes of data", f.Name(), m.Name, row, len(t.Data))
	}
	return array.StreamOf(t.Strided, chunk), nil
}
