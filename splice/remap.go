package splice

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/ffcv"
)

// RemapOptions say what Remap does. Nil and the zero value of every member are
// the defaults.
type RemapOptions struct {
	Options
	// Field is the number of the Int field of labels.
	Field int
	// Label returns the new label of an old one. An error ends the writing, and
	// nothing is changed. Nil keeps all.
	Label func(old int64) (int64, error)
	// Classes are the names of the new labels 0, 1, …; none when empty.
	Classes []string
}

// Remap writes a file with the samples of f, their labels renamed. The pages of f
// are copied as they are: a label is in the metadata. Before anything is
// written all labels are looked at, so that one which has no new one is told
// soon. path may be that of f, with Overwrite.
func Remap(ctx context.Context, path string, f *ffcv.File, opts *RemapOptions) (ffcv.Stats, error) {
	o := RemapOptions{}
	if opts != nil {
		o = *opts
	}
	stats, err := remap(ctx, path, f, o)
	if err != nil {
		return stats, fmt.Errorf("remap %s: %w", f.Name(), err)
	}
	return stats, nil
}

func remap(ctx context.Context, path string, f *ffcv.File, o RemapOptions) (ffcv.Stats, error) {
	if err := checkLabelField(f, o.Field); err != nil {
		return ffcv.Stats{}, err
	}
	specs, err := f.Specs()
	if err != nil {
		return ffcv.Stats{}, err
	}
	renamed := func(i int) (any, error) {
		l, err := labelOf(f, i, o.Field)
		if err == nil && o.Label != nil {
			l, err = o.Label(l)
		}
		return l, err
	}
	for i := range f.Len() {
		if i%4096 == 0 && ctx.Err() != nil {
			return ffcv.Stats{}, ctx.Err()
		}
		if _, err := renamed(i); err != nil {
			return ffcv.Stats{}, fmt.Errorf("sample %d: %w", i, err)
		}
	}
	o.PageSize = 0 // the copied pages'
	w := o.writer(path, int64(f.Header().PageSize), f)
	kept, err := o.extension(f)
	if err != nil {
		return ffcv.Stats{}, err
	}
	kept.classes = o.Classes
	kept.put(w)
	w.Base = []ffcv.Base{{File: f, Changed: map[int]func(int) (any, error){o.Field: renamed}}}
	return write(path, specs, w, func(w *ffcv.Writer) error { return w.WriteDataset(ctx, none{}, nil) })
}
