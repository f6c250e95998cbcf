package torchfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// CreateOptions say how Create and Save write; nil and the zero value are the
// defaults.
type CreateOptions struct {
	Overwrite bool // a file that is there already is replaced
	// Bare makes the file hold the one tensor itself, and no dict. Create only.
	Bare bool
}

// Writer writes a dict of tensors beside the file's place, where Close puts it.
// Every byte is written once. It is not safe for concurrent use. After an error
// it only gives that error, and Close leaves nothing.
type Writer struct {
	p       *pack
	opts    CreateOptions
	tensors []added
	names   map[string]bool
	attrs   map[string]any
	state   *array.Writing
}

// added is a tensor whose elements are storage i.
type added struct {
	name string
	t    Tensor
}

// Create begins a file.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	p, err := newPack(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	return &Writer{p: p, opts: *opts, names: map[string]bool{}, state: array.NewWriting(p.f.Target())}, nil
}

// SetAttrs sets values that go into the dict behind the tensors, under their
// keys: anything that Save takes. They must not be called as a tensor.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if err := w.state.Ready(); err != nil {
		return err
	}
	w.attrs = attrs
	return nil
}

// CheckAttr says whether a value can be one of Writer.SetAttrs.
func CheckAttr(name string, v any) error {
	err := errors.New("it is a tensor")
	if !hasTensor(v) {
		err = newEncoder(nil).value(v, 0)
	}
	if err != nil {
		return fmt.Errorf("attribute %q: %w", name, err)
	}
	return nil
}

// check tells why PyTorch can't hold an array.
func check(spec array.Spec, float8 string) error {
	t := spec.DType
	if !t.Valid() {
		return errors.New("no dtype")
	}
	if t = t.WithOrder('<'); storageNames[t] == "" {
		if _, ok := findNew(t, float8); !ok {
			return &array.UnsupportedError{DType: spec.DType.String(), Why: "PyTorch has no such type"}
		}
	}
	_, err := spec.Bytes()
	return err
}

// Add begins a tensor, called as it will be in the dict, dots and all. Shape[0]
// may be -1 where the rows are to be counted. The attributes "parameter",
// "requires_grad" and "dtype" are those that Members gives; big-endian rows are
// written little-endian.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	switch {
	case w.names[m.Name]:
		return nil, w.state.Fail(fmt.Errorf("array %q is there already", m.Name))
	case !utf8.ValidString(m.Name):
		return nil, w.state.Fail(fmt.Errorf("array %q: the name isn't UTF-8", m.Name))
	case w.opts.Bare && len(w.tensors) > 0:
		return nil, w.state.Fail(fmt.Errorf("array %q: a bare file holds one", m.Name))
	}
	spec := array.Spec{DType: m.Spec.DType, Shape: slices.Clone(m.Spec.Shape)}
	counted := len(spec.Shape) > 0 && spec.Shape[0] == -1
	if counted {
		spec.Shape[0] = 0
	}
	t := Tensor{}
	t.Float8, _ = m.Attrs["dtype"].(string)
	if spec.DType != void1 {
		t.Float8 = ""
	}
	if err := check(spec, t.Float8); err != nil {
		return nil, w.state.Fail(fmt.Errorf("array %q: %w", m.Name, err))
	}
	t.Spec = spec
	t.Parameter, _ = m.Attrs["parameter"].(bool)
	t.RequiresGrad, _ = m.Attrs["requires_grad"].(bool)
	w.names[m.Name] = true
	w.p.begin("data/" + strconv.Itoa(len(w.tensors)))
	w.tensors = append(w.tensors, added{m.Name, t})
	i := len(w.tensors) - 1
	return w.state.Begin(m, array.Taker{
		Rows: w.p.rows,
		End: func(rows int, failed error) error {
			if failed != nil {
				return nil
			}
			if len(spec.Shape) > 0 {
				w.tensors[i].t.Shape[0] = rows
			}
			return w.p.end()
		},
	})
}

// Close completes the file and puts it in its place. On an error nothing is
// left, and what was there stays.
func (w *Writer) Close() error { return w.state.Close(w.finish, w.p.f.Commit, w.p.f.Abort) }

// Abort removes what was written. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(w.p.f.Abort) }

// finish writes the pickle and the archive's list.
func (w *Writer) finish() error {
	next := 0
	e := newEncoder(func(t *Tensor) (stored, error) {
		n, err := t.Spec.Count()
		st := stored{key: strconv.Itoa(next), n: n, strides: rowMajor(t.Shape)}
		next++
		return st, err
	})
	var v any
	if w.opts.Bare {
		if len(w.tensors) != 1 || len(w.attrs) > 0 {
			return fmt.Errorf("a bare file holds one tensor and nothing else, not %d and %d attributes", len(w.tensors), len(w.attrs))
		}
		v = &w.tensors[0].t
	} else {
		d := &Dict{}
		for i := range w.tensors {
			d.Items = append(d.Items, Item{w.tensors[i].name, &w.tensors[i].t})
		}
		keys := make([]string, 0, len(w.attrs))
		for k := range w.attrs {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if w.names[k] {
				return fmt.Errorf("attribute %q is called as an array", k)
			}
			if hasTensor(w.attrs[k]) {
				return fmt.Errorf("attribute %q is a tensor; add it", k)
			}
			d.Items = append(d.Items, Item{k, w.attrs[k]})
		}
		v = d
	}
	if err := e.value(v, 0); err != nil {
		return err
	}
	return w.p.finish(append(e.b, opStop))
}

// rowMajor are the strides of C order, in elements, as torch tells them.
func rowMajor(shape []int) []int {
	strides := make([]int, len(shape))
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = step
		step *= max(shape[i], 1)
	}
	return strides
}
