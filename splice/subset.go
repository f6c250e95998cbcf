package splice

import (
	"context"
	"fmt"

	"github.com/betongo/betongo/ffcv"
)

// Subset writes the selected samples of f into a new file, in the selection's
// order. The pages are packed as a writer packs them: the file is the one that
// ffcv.Writer makes of a dataset of these stored values, byte for byte.
func Subset(ctx context.Context, path string, f *ffcv.File, s Selection, opts *Options) (ffcv.Stats, error) {
	chosen, err := s.order(f)
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("subset: %w", err)
	}
	return subset(ctx, path, f, chosen, opts.get())
}

// subset writes the chosen samples.
func subset(ctx context.Context, path string, f *ffcv.File, chosen *order, o Options) (ffcv.Stats, error) {
	specs, err := f.Specs()
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("subset: %w", err)
	}
	n, err := chosen.count(ctx)
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("subset: %w", err)
	}
	w := o.writer(path, int64(f.Header().PageSize), f)
	kept, err := o.extension(f)
	if err != nil {
		return ffcv.Stats{}, fmt.Errorf("subset: %w", err)
	}
	kept.put(w)
	w.Progress = o.of(n)
	from := newSamples(f)
	stats, err := write(path, specs, w, func(w *ffcv.Writer) error {
		return w.WriteStream(ctx, func(yield func(ffcv.Sample, error) bool) {
			for i, err := range chosen.all(ctx) {
				var sample ffcv.Sample
				if err == nil {
					sample.Values, sample.Key, err = from.Sample(ctx, i)
				}
				if !yield(sample, err) {
					return
				}
			}
		}, &ffcv.StreamOptions{Reserve: n})
	})
	from.warnLost(o.Warn)
	return stats, err
}

// of returns what tells the progress of a stream whose length is known.
func (o *Options) of(total int64) func(ffcv.Progress) {
	if o.Progress == nil {
		return nil
	}
	return func(p ffcv.Progress) {
		p.Total = int(total)
		o.Progress(p)
	}
}
