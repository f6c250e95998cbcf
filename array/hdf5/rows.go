package hdf5

import (
	"fmt"
	"slices"

	"github.com/betongo/betongo/array"
)

// Rows reads rows of one dataset at any place: of an array, or of sequences of bytes
// (vlen of uint8), which Members has not. It is not safe for concurrent use.
type Rows struct {
	r    *reader
	view []byte // of an array whose data lie in one piece
}

// Rows opens a dataset of at least one axis. Close it after its last use.
func (f *File) Rows(name string) (*Rows, error) {
	n, err := f.find(name)
	if n != nil && n.data != nil && n.data.seq {
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if len(n.data.dims) == 0 {
		return nil, fmt.Errorf("%sa single value; expected an axis of rows", array.Place(f.path, n.Name, "", -1))
	}
	if n.data.seq {
		if len(n.data.dims) != 1 {
			return nil, fmt.Errorf("%ssequences in %d axes; expected one", array.Place(f.path, n.Name, "", -1), len(n.data.dims))
		}
		r := &reader{f: f, n: n, d: n.data, count: n.data.dims[0], heap: f.newHeap()}
		r.heap.seq = true
		if n.data.refs(r.heap.refSize()) == nil {
			return nil, fmt.Errorf("%ssequences in chunks that pass filters of the library", array.Place(f.path, n.Name, "", -1))
		}
		if err := r.open(); err != nil {
			return nil, err
		}
		return &Rows{r: r}, nil
	}
	r, err := f.reader(n)
	if err != nil {
		return nil, err
	}
	rows := &Rows{r: r}
	if n.data.viewable() {
		a, err := f.Array(name)
		if err != nil {
			r.close()
			return nil, err
		}
		rows.view = a.AsContiguous().Data
	}
	return rows, nil
}

// open opens the dataset.
func (r *reader) open() error {
	return r.f.locked(func() error {
		if r.id = r.f.l.Dopen(r.f.id, r.n.target, 0); r.id < 0 {
			return r.f.l.explain(r.f.l.fail("open it"), r.f.path, r.n.Name)
		}
		return nil
	})
}

// Names returns the names of all that Rows opens, sorted as Members are.
func (f *File) Names() []string {
	var list []string
	for _, n := range f.arrays {
		if n.data != nil && len(n.data.dims) > 0 && (n.data.seq || f.resolve(n) == nil) {
			list = append(list, n.Name)
		}
	}
	return list
}

// Len returns the number of rows.
func (r *Rows) Len() int { return r.r.count }

// Row returns the type and shape of each row; of sequences uint8 and a shape of -1.
func (r *Rows) Row() array.Spec {
	if r.r.d.seq {
		return array.Spec{DType: array.Uint8, Shape: []int{-1}}
	}
	spec := r.r.n.Spec
	return array.Spec{DType: spec.DType, Shape: slices.Clone(spec.Shape[1:])}
}

// Together returns how many rows are unpacked together: reading begins at a multiple
// of it.
func (r *Rows) Together() int {
	if r.view == nil && r.r.d.chunks != nil {
		return max(r.r.d.chunks[0], 1)
	}
	return 1
}

// Read returns the bytes of rows from lo, a multiple of Together, up to hi. What is a
// view of the file is valid until the file's Close, all else is the caller's.
func (r *Rows) Read(lo, hi int) ([][]byte, error) {
	if lo < 0 || hi < lo || hi > r.r.count || lo%r.Together() != 0 {
		return nil, fmt.Errorf("%srows %d to %d of %d", array.Place(r.r.f.path, r.r.n.Name, "", -1), lo, hi, r.r.count)
	}
	list := make([][]byte, 0, hi-lo)
	if r.r.d.seq {
		err := r.r.eachText(lo, hi, func(b []byte, _ int) error {
			list = append(list, slices.Clip(b))
			return nil
		})
		if err != nil {
			return nil, r.r.f.l.explain(err, r.r.f.path, r.r.n.Name)
		}
		return list, nil
	}
	row := r.r.row
	data := r.view
	if data == nil {
		if row > 0 && int64(hi-lo) > r.r.f.opts.MaxArray/int64(row) {
			return nil, &FormatError{File: r.r.f.path, Array: r.r.n.Name, Offset: -1, Msg: fmt.Sprintf("%d rows of %d bytes are read together, at most %d bytes are", hi-lo, row, r.r.f.opts.MaxArray)}
		}
		data = make([]byte, (hi-lo)*row)
		if err := r.r.rows(data, lo, hi, true); err != nil {
			return nil, r.r.f.l.explain(err, r.r.f.path, r.r.n.Name)
		}
		hi, lo = hi-lo, 0
	}
	for i := lo; i < hi; i++ {
		list = append(list, data[i*row:(i+1)*row:(i+1)*row])
	}
	return list, nil
}

// Close closes the dataset. A second Close does nothing.
func (r *Rows) Close() {
	if r.r.id >= 0 {
		r.r.close()
		r.r.id = -1
	}
}
