package splice

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/betongo/betongo/ffcv"
)

// ErrSealed says that a file has everything already that Seal adds.
var ErrSealed = ffcv.ErrSealed

// Seal writes a file with the same pages, rows and names, and with what FFCV
// doesn't write: checksums of all samples, and checkpoints of images unless
// NoCheckpoints is set. Checksums that the file has are kept, so that damage
// which they tell of stays known; where there are none they are of the bytes as
// they are. path may be that of f, see Options.Overwrite: it is then closed.
// Sections of the extension block that this package does not know come along. A
// file with nothing to add is ErrSealed.
func Seal(ctx context.Context, path string, f *ffcv.File, opts *SealOptions) (ffcv.Stats, error) {
	o := SealOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Plain {
		return ffcv.Stats{}, errors.New("seal: Plain leaves out what it adds")
	}
	sums, err := f.Sums()
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("seal: %w", err)
	}
	if sums != nil && (o.NoCheckpoints || !f.LacksMarks()) {
		return ffcv.Stats{}, fmt.Errorf("%s: %w", f.Name(), ErrSealed)
	}
	specs, err := f.Specs()
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("seal: %w", err)
	}
	o.PageSize = 0 // the copied pages'
	w := o.writer(path, int64(f.Header().PageSize), f)
	w.Classes = f.Classes()
	w.Base = []ffcv.Base{{File: f, Mark: !o.NoCheckpoints}}
	if err := guard(f, func() (err error) { w.Sections, err = foreign(f); return err }); err != nil {
		return ffcv.Stats{}, fmt.Errorf("seal: %w", err)
	}
	return write(path, specs, w, func(w *ffcv.Writer) error { return w.WriteDataset(ctx, none{}, nil) })
}

// SealInPlace adds to the file at path itself what Seal adds: behind its end,
// with a new table, then eight bytes in its header. No other byte is written; see
// ffcv.SealInPlace for what there is when the machine stops meanwhile, and Repair,
// which puts that right. Prefer Seal where there is room for a second file: it
// never leaves a file that FFCV misreads.
//
// Of the options it takes Open, NoCheckpoints, Workers and Progress.
func SealInPlace(ctx context.Context, path string, opts *SealOptions) (ffcv.Stats, error) {
	o := SealOptions{}
	if opts != nil {
		o = *opts
	}
	stats, err := ffcv.SealInPlace(ctx, path, &ffcv.InPlaceOptions{
		Open: o.Open, NoCheckpoints: o.NoCheckpoints, Workers: o.Workers, Progress: o.Progress,
	})
	if err != nil {
		return stats, fmt.Errorf("seal: %w", err)
	}
	return stats, nil
}

// SealOptions say how Seal writes. Nil and the zero value of every member are
// the defaults.
type SealOptions struct {
	Options
	// Open is how SealInPlace opens the file: it describes custom fields.
	Open *ffcv.OpenOptions
	// NoCheckpoints adds no checkpoints. The default is wrong where nothing of
	// the images is ever cropped, or the hundredth more of the file counts.
	NoCheckpoints bool
}

// foreign reads the sections that this package does not know.
func foreign(f *ffcv.File) (list []ffcv.NewSection, err error) {
	all, err := f.Sections()
	if err != nil {
		return nil, err // what comes behind the damage would be lost
	}
	for _, s := range all {
		if s.Tag == ffcv.TagClasses && f.Classes() == nil {
			return nil, fmt.Errorf("%s: the class names are damaged", f.Name())
		}
		if s.Tag.Known() {
			continue
		}
		b, err := io.ReadAll(f.OpenSection(s))
		if err != nil {
			return nil, err
		}
		list = append(list, ffcv.NewSection{Tag: s.Tag, Data: b})
	}
	return list, nil
}
