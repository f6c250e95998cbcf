package ffcv

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// DatasetOptions say what of a dataset is written. Nil and the zero value of
// every member are the defaults.
type DatasetOptions struct {
	// Indices are the samples to write, in this order; one may come more than
	// once. Nil is all of them, an empty slice none. It is only read.
	Indices []int

	// Shuffle writes the samples (of Indices) in an order drawn from
	// Options.Seed: the same for the same seed and number of samples.
	Shuffle bool

	// Rows writes a part of the file that the members above describe: only these
	// of its rows, in the same order, with the same random choices. Files of
	// consecutive rows, merged, are that file. Nil is all.
	Rows *Rows

	// ChunkSize is how many consecutive samples a worker encodes at a time; 0
	// lets the writer choose chunks of about a megabyte. The file does not
	// depend on it. The default is wrong when a dataset is quicker to read in
	// runs of a certain length.
	ChunkSize int

	// OnError is told of each sample that failed, a *SampleError. Nil lets the
	// sample go, which then takes no row; an error ends the writing. Without
	// it every failure does. Calls come one after another, in the order of the
	// file, from any goroutine.
	OnError func(key string, err error) error
}

// Rows are the rows from Lo up to Hi, without Hi.
type Rows struct{ Lo, Hi int }

// WriteDataset writes the dataset and puts the finished file in its place. An
// error names the first sample, in the order of the file, that could not be
// written; a panic of the dataset or of a field comes back as a *PanicError.
// When ctx is done the error is its own. After an error an existing file is
// untouched, and nothing is left; with Options.Journal, an *InterruptedError says
// that the partial file is, and that a Write of the same may go on from there.
func (w *Writer) WriteDataset(ctx context.Context, ds Dataset, opts *DatasetOptions) error {
	var o DatasetOptions
	if opts != nil {
		o = *opts
	}
	return w.write(func() error { return w.writeDataset(ctx, ds, o) })
}

// write runs one Write: whatever ends it, the partial file is gone afterwards,
// or its journal says what it is good for.
func (w *Writer) write(do func() error) (err error) {
	if err := w.begin(); err != nil {
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	defer func() {
		if closeErr := w.Close(); err == nil {
			err = closeErr
		}
	}()
	err = func() (err error) {
		defer recovered(&err)
		return do()
	}()
	if err != nil {
		return fmt.Errorf("write %s: %w", w.path, w.interrupted(err))
	}
	return nil
}

// interrupted adds to what ended a build that it can go on.
func (w *Writer) interrupted(err error) error {
	var partial *PartialError
	var changed *ChangedError
	if w.journal == nil || errors.As(err, &partial) || errors.As(err, &changed) || !w.journal.last() {
		return err
	}
	s := &w.journal.stands
	return &InterruptedError{Partial: w.part.name, Samples: int(s.rows), Next: int(s.next), Err: err}
}

// datasetSettings names what of a dataset is written, and in what order.
func datasetSettings(n int, o DatasetOptions) []Setting {
	order := "as it is"
	if o.Indices != nil {
		order = fmt.Sprintf("chosen, sum %08x", sumInts(o.Indices))
	}
	if o.Shuffle {
		order += ", shuffled"
	}
	list := []Setting{{"samples", strconv.Itoa(n)}, {"order", order}}
	if o.Rows != nil {
		list = append(list, Setting{"rows", fmt.Sprintf("%d to %d", o.Rows.Lo, o.Rows.Hi)})
	}
	return list
}

func (w *Writer) writeDataset(ctx context.Context, ds Dataset, o DatasetOptions) error {
	n := ds.Len()
	if n < 0 {
		return fmt.Errorf("a dataset of %d samples", n)
	}
	for i, at := range o.Indices {
		if at < 0 || at >= n {
			return fmt.Errorf("index %d is %d: the dataset has %d samples", i, at, n)
		}
	}
	if o.Indices != nil {
		n = len(o.Indices)
	}
	if o.ChunkSize < 0 {
		return fmt.Errorf("chunks of %d samples: want 1 or more, or 0", o.ChunkSize)
	}
	settings := datasetSettings(n, o)
	from := order{indices: o.Indices}
	if o.Shuffle && n > 0 {
		from.mixed = newPermutation(n, w.opts.Seed)
	}
	if r := o.Rows; r != nil {
		if r.Lo < 0 || r.Lo > r.Hi || r.Hi > n {
			return fmt.Errorf("rows %d to %d of %d", r.Lo, r.Hi, n)
		}
		from.first, n = r.Lo, r.Hi-r.Lo
	}
	total, err := w.withBase(int64(n))
	if err != nil {
		return err
	}
	first, ok := firstPage(len(w.plan.specs), w.plan.row.size, uint64(total), w.opts.PageSize)
	if !ok {
		return fmt.Errorf("%d samples with %d bytes of metadata each: no file is that large", total, w.plan.row.size)
	}
	at, finished, err := w.openPart(settings...)
	if err != nil {
		return err
	}
	if finished {
		return w.finished(ctx)
	}
	p, err := w.newPipeline(first)
	if err != nil {
		return err
	}
	p.ds, p.total, p.onError, p.order = ds, int(total), o.OnError, from
	if at != nil {
		err = w.resume(ctx, p, at)
	} else {
		err = p.adopt(ctx, w.opts.Base)
	}
	if err != nil {
		return err
	}
	done := int(p.next) // the placer's from now on
	err = p.run(ctx, func(ctx context.Context) error {
		p.produceRange(ctx, done, n, o.ChunkSize)
		return nil
	})
	if err != nil {
		return err
	}
	if p.rows+int64(p.skipped) != total {
		return errors.New("internal error: not every sample was placed")
	}
	return w.finish(ctx, p)
}

// produceRange sends rows lo to n in chunks, of fixed size if that isn't 0.
func (p *pipeline) produceRange(ctx context.Context, lo, n, fixed int) {
	for lo < n {
		c := p.take(ctx)
		if c == nil {
			return
		}
		size := fixed
		if size == 0 {
			// The last chunks are smaller, so that the workers end together.
			size = min(p.pace.chunk(), max(firstChunk, (n-lo)/(2*p.workers)))
		}
		c.lo, c.n = lo, min(size, n-lo)
		p.send(c)
		lo += c.n
	}
}
