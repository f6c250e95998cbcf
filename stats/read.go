package stats

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
)

// reader reads values one by one: those that the loader could not load all
// fields of, and those that are to be compared. One goroutine uses it at a time.
type reader struct {
	ds      loader.Dataset
	fields  []ffcv.Field
	regions []fields.Region
}

func newReader(ds loader.Dataset) *reader { return &reader{ds: ds, fields: ds.Fields()} }

// value returns a value's metadata and data, borrowed or fresh.
func (r *reader) value(i, k int) (meta []byte, data [][]byte, err error) {
	row, err := r.ds.Rows(i, 1, nil)
	if err != nil {
		return nil, nil, err
	}
	d := &r.fields[k]
	if d.Field == nil || d.Offset < 0 || d.Size > len(row)-d.Offset {
		return nil, nil, fmt.Errorf("field %q: %w", d.Name, ffcv.ErrUnknownField)
	}
	meta = row[d.Offset:][:d.Size]
	if r.regions, err = d.Field.Regions(r.regions[:0], meta); err != nil {
		return nil, nil, err
	}
	for _, g := range r.regions {
		if g.Size < 0 {
			if g.Size, err = r.ds.RegionSize(i, k, g.Ptr); err != nil {
				return nil, nil, err
			}
		}
		b, err := r.ds.Bytes(i, g.Ptr, g.Size, nil)
		if err != nil {
			return nil, nil, err
		}
		data = append(data, b)
	}
	return meta, data, nil
}

// guarded runs do, which looks at a value, and returns a fault of memory or a
// panic in a custom field as an error.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &ffcv.PanicError{Value: v}
		}
	}()
	return mmap.Guard(do)
}

// flaw says which value is broken, and where it lies as far as that is known.
func (r *reader) flaw(i, k int, cause error) Broken {
	b := Broken{File: r.ds.Name(), Field: r.fields[k].Name, Sample: i, Index: i, Offset: -1}
	if l, ok := r.ds.(loader.Locator); ok {
		b.File, b.Sample = l.Locate(i, k)
	}
	var format *ffcv.FormatError
	if errors.As(cause, &format) {
		b.Offset = format.Offset
		bare := &ffcv.FormatError{Sample: -1, Offset: -1, What: format.What, Err: format.Err}
		cause = bare
	} else if ptr, ok := r.pointer(i, k); ok {
		b.Offset = int64(ptr)
		if l, ok := r.ds.(loader.PointerLocator); ok {
			b.Offset = l.LocatePointer(i, k, ptr)
		}
	}
	var sample *loader.SampleError
	if errors.As(cause, &sample) {
		cause = sample.Err
	}
	b.What = cause.Error()
	return b
}

// pointer is where a value's first region begins.
func (r *reader) pointer(i, k int) (ptr uint64, ok bool) {
	err := guarded(func() error {
		row, err := r.ds.Rows(i, 1, nil)
		if err != nil {
			return err
		}
		d := &r.fields[k]
		list, err := d.Field.Regions(nil, row[d.Offset:][:d.Size])
		if err == nil && len(list) > 0 {
			ptr, ok = list[0].Ptr, true
		}
		return err
	})
	return ptr, ok && err == nil
}
