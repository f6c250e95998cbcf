package splice

import (
	"context"
	"errors"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// Column is a field more, with a value for each sample.
type Column struct {
	Name  string
	Field fields.Field
	Len   int // values
	// At returns the value of a sample, one that Field encodes or an *ffcv.Stored.
	// It is called concurrently.
	At func(sample int) (any, error)
}

// Stored returns a column of what another file stores in a field: its values
// are copied as they are, sample i's for sample i.
func Stored(name string, f *ffcv.File, field int) (Column, error) {
	specs, err := f.Specs()
	if err != nil {
		return Column{}, err
	}
	if field < 0 || field >= len(specs) {
		return Column{}, fmt.Errorf("%s: field %d of %d", f.Name(), field, len(specs))
	}
	return Column{Name: name, Field: specs[field].Field, Len: f.Len(), At: func(sample int) (any, error) {
		return &ffcv.Stored{File: f, Sample: sample, Field: field}, nil
	}}, nil
}

// Add writes a file with the samples of f and more fields, which come after its
// own. If none of them keeps bytes in data pages (Int, Float), the pages of f
// are copied as they are. Otherwise the values are placed anew: all bytes of a
// sample belong into one page, and there is no room left in its own. (FFCV
// would read a sample in two pages in the order of the file, but QUASI_RANDOM
// gives it twice.)
func Add(ctx context.Context, path string, f *ffcv.File, columns []Column, opts *Options) (ffcv.Stats, error) {
	o := opts.get()
	stats, err := add(ctx, path, f, columns, o)
	if err != nil {
		return stats, fmt.Errorf("add to %s: %w", f.Name(), err)
	}
	return stats, nil
}

func add(ctx context.Context, path string, f *ffcv.File, columns []Column, o Options) (ffcv.Stats, error) {
	if len(columns) == 0 {
		return ffcv.Stats{}, errors.New("no field; want at least one")
	}
	specs, err := f.Specs()
	if err != nil {
		return ffcv.Stats{}, err
	}
	copied := !o.Repack
	for _, c := range columns {
		if c.Len != f.Len() {
			return ffcv.Stats{}, fmt.Errorf("field %q: %d values, want %d, one for each sample", c.Name, c.Len, f.Len())
		}
		if c.Field == nil || c.At == nil {
			return ffcv.Stats{}, fmt.Errorf("field %q: no Field or no values", c.Name)
		}
		specs = append(specs, ffcv.FieldSpec{Name: c.Name, Field: c.Field})
		copied = copied && len(c.Field.Layout().Pointers) == 0
	}
	own := int64(f.Header().PageSize)
	copied = copied && (o.PageSize == 0 || o.PageSize == own)
	w := o.writer(path, own, f)
	kept, err := o.extension(f)
	if err != nil {
		return ffcv.Stats{}, err
	}
	kept.put(w)
	if copied {
		values := make([]any, len(columns))
		w.Base = []ffcv.Base{{File: f, Added: func(i int) (_ []any, err error) {
			for k := range columns {
				if values[k], err = columns[k].At(i); err != nil {
					return nil, fmt.Errorf("field %q: %w", columns[k].Name, err)
				}
			}
			return values, nil
		}}}
		return write(path, specs, w, func(w *ffcv.Writer) error { return w.WriteDataset(ctx, none{}, nil) })
	}
	ds := &wider{samples: newSamples(f), columns: columns}
	stats, err := write(path, specs, w, func(w *ffcv.Writer) error { return w.WriteDataset(ctx, ds, nil) })
	ds.warnLost(o.Warn)
	return stats, err
}

// wider is a file's samples with more values.
type wider struct {
	*samples
	columns []Column
}

func (d *wider) Sample(_ context.Context, i int) (values []any, key string, err error) {
	if values, key, err = d.with(i, d.fields+len(d.columns)); err != nil {
		return nil, "", err
	}
	for _, c := range d.columns {
		v, err := c.At(i)
		if err != nil {
			return nil, key, fmt.Errorf("field %q: %w", c.Name, err)
		}
		values = append(values, v)
	}
	return values, key, nil
}
