package build

import (
	"context"
	"errors"
	"runtime"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/store"
)

// WriteOptions are the choices of Write. Nil and the zero value of every member
// are the defaults.
type WriteOptions struct {
	// Workers is how many samples are encoded at the same time; 0 is one a
	// processor, and more when samples come from an object store. The file does not
	// depend on it.
	Workers int

	// Overwrite allows to replace an existing file, at the very end.
	Overwrite bool

	// Resume and Restart are those of ffcv.Journal: every build is kept a journal
	// of.
	Resume, Restart bool

	// Store says how object stores are reached.
	Store *store.Options

	// Staging is the folder in which a file is collected that goes to an object
	// store; "" is one of one's own in os.TempDir. The default is wrong where that
	// is small, or is gone when an interrupted build goes on.
	Staging string

	// Resumed, Progress and Warn are as in ffcv.Journal and ffcv.Options.
	Resumed  func(ffcv.Resumed)
	Progress func(ffcv.Progress)
	Warn     func(msg string)

	// Skipped is told of each sample that is let go, where the recipe says so; calls
	// come one after another.
	Skipped func(source.Skip)

	// Uploading is told, before that begins, of how many bytes are sent to an object
	// store.
	Uploading func(bytes int64)
}

// Write writes the dataset of a recipe, whose source s is, to a path or URL. What
// is interrupted can go on: see ffcv.Journal. An object is collected on the local
// disk and appears whole, or not at all.
func (r *Recipe) Write(ctx context.Context, s *Source, out string, opts *WriteOptions) (stats ffcv.Stats, err error) {
	if opts == nil {
		opts = &WriteOptions{}
	}
	err = mmap.Guard(func() error {
		t, err := newTarget(out, opts.Overwrite, opts.Staging, opts.Store)
		if err != nil {
			return err
		}
		traits, err := s.Identity(ctx)
		if err != nil {
			return err
		}
		w := writing{opts: opts, identity: traits}
		if t.url != "" {
			w.ready = func(ctx context.Context) error {
				if opts.Uploading != nil {
					opts.Uploading(sizeAt(t.whole()))
				}
				return t.upload(ctx, t.replace)
			}
		}
		if stats, err = r.write(ctx, s, t, w); err != nil {
			return err
		}
		return t.close()
	})
	return stats, err
}

// writing is one file that is written of a recipe.
type writing struct {
	opts     *WriteOptions
	identity []source.Trait
	rows     *ffcv.Rows // nil all
	ready    func(ctx context.Context) error
}

// write writes the file and puts it in its place.
func (r *Recipe) write(ctx context.Context, s *Source, t *target, w writing) (ffcv.Stats, error) {
	opts := w.opts
	journal := &ffcv.Journal{Resume: opts.Resume, Restart: opts.Restart, Resumed: func(done ffcv.Resumed) {
		if opts.Resumed != nil {
			opts.Resumed(done)
		}
		for _, e := range done.Skipped {
			opts.skip(e.Key, e)
		}
	}}
	for _, t := range w.identity {
		journal.Identity = append(journal.Identity, ffcv.Setting(t))
	}
	// Another version may encode otherwise.
	journal.Identity = append(journal.Identity, ffcv.Setting{Name: "program", Value: orNone(version())})
	out, err := ffcv.Create(t.path, s.specs(), &ffcv.Options{
		PageSize:     r.Writer.PageSize,
		Workers:      s.workers(opts.Workers),
		Overwrite:    t.overwrite,
		Plain:        r.Writer.Plain,
		LargeSamples: r.Writer.LargeSamples,
		Seed:         r.Writer.Seed,
		Classes:      s.Classes,
		Journal:      journal,
		Ready:        w.ready,
		Progress:     opts.Progress,
		Warn:         opts.Warn,
	})
	if err != nil {
		return ffcv.Stats{}, err
	}
	defer out.Close()
	order := &ffcv.DatasetOptions{Shuffle: r.Writer.Shuffle, Rows: w.rows}
	if r.Writer.SkipErrors {
		order.OnError = func(key string, err error) error {
			opts.skip(key, err)
			return nil
		}
	}
	if err := out.WriteDataset(ctx, s, order); err != nil {
		return ffcv.Stats{}, err
	}
	return out.Stats(), nil
}

// skip tells of a sample that is let go.
func (o *WriteOptions) skip(key string, err error) {
	var failed *ffcv.SampleError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if o.Skipped != nil {
		o.Skipped(source.Skip{Path: key, Reason: err.Error()})
	}
}

// farWorkers is how many samples are fetched at the same time from an object
// store: waiting for its answers takes no processor.
const farWorkers = 32

// workers is how many samples are encoded at the same time if n is asked for.
func (s *Source) workers(n int) int {
	if n == 0 && s.far {
		return max(farWorkers, runtime.GOMAXPROCS(0))
	}
	return n
}
