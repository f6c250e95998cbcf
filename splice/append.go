package splice

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// AppendOptions say how samples are appended. Nil and the zero value of every
// member are the defaults.
type AppendOptions struct {
	Options

	// Fields says how the dataset's values are encoded, by the names of the
	// fields: a file does not tell the mode or the quality of its images. They are
	// of the file's kinds and arguments. For a field that is not here the default
	// is the file's, for images JPEG with the default quality.
	Fields map[string]fields.Field

	// Classes are the class names of the new file. Nil is the old file's.
	Classes []string

	// Seed and OnError are as in ffcv.Options and ffcv.DatasetOptions, for the
	// samples of the dataset.
	Seed    uint64
	OnError func(key string, err error) error
}

// Append writes a file with the samples of f, whose pages are copied as they
// are, and then those of the dataset, whose values are for the fields of f in
// their order. path may be f's own name with Options.Overwrite: until the new
// file is whole the old one is untouched, and f is closed afterwards.
//
// To append another .beton file use Merge.
func Append(ctx context.Context, path string, f *ffcv.File, ds ffcv.Dataset, opts *AppendOptions) (ffcv.Stats, error) {
	var o AppendOptions
	if opts != nil {
		o = *opts
	}
	specs, err := f.Specs()
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("append to %s: %w", f.Name(), err)
	}
	for name, field := range o.Fields {
		i := f.FieldIndex(name)
		if i < 0 {
			return ffcv.Stats{}, fmt.Errorf("append to %s: no field %q", f.Name(), name)
		}
		specs[i].Field = field
	}
	o.PageSize = 0 // the copied pages'
	w := o.writer(path, int64(f.Header().PageSize), f)
	w.Base = []ffcv.Base{{File: f}}
	w.Seed = o.Seed
	kept, err := o.extension(f)
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("append to %s: %w", f.Name(), err)
	}
	kept.put(w)
	if o.Classes != nil {
		w.Classes = o.Classes
	}
	stats, err := write(path, specs, w, func(w *ffcv.Writer) error {
		return w.WriteDataset(ctx, ds, &ffcv.DatasetOptions{OnError: o.OnError})
	})
	if err != nil {
		return stats, fmt.Errorf("append to %s: %w", f.Name(), err)
	}
	return stats, nil
}
