package ffcv

import (
	"context"
	"errors"
	"fmt"
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

// WriteDataset writes the dataset and puts the finished file in its place. An
// error names the first sample, in the order of the file, that could not be
// written; a panic of the dataset or of a field comes back as a *PanicError.
// When ctx is done the error is its own. After an error nothing is left and an
// existing file is untouched.
func (w *Writer) WriteDataset(ctx context.Context, ds Dataset, opts *DatasetOptions) error {
	var o DatasetOptions
	if opts != nil {
		o = *opts
	}
	return w.write(func() error { return w.writeDataset(ctx, ds, o) })
}

// write runs one Write: whatever ends it, the partial file is gone afterwards.
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
		return fmt.Errorf("write %s: %w", w.path, err)
	}
	return nil
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
	total, err := w.withBase(int64(n))
	if err != nil {
		return err
	}
	first, ok := firstPage(len(w.plan.specs), w.plan.row.size, uint64(total), w.opts.PageSize)
	if !ok {
		return fmt.Errorf("%d samples with %d bytes of metadata each: no file is that large", total, w.plan.row.size)
	}
	p, err := w.newPipeline(first)
	if err != nil {
		return err
	}
	p.ds, p.total, p.onError = ds, int(total), o.OnError
	p.order.indices = o.Indices
	if o.Shuffle && n > 0 {
		p.order.mixed = newPermutation(n, p.seed)
	}
	if err := p.adopt(ctx, w.opts.Base); err != nil {
		return err
	}
	err = p.run(ctx, func(ctx context.Context) error {
		p.produceRange(ctx, n, o.ChunkSize)
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

// produceRange sends rows 0 to n in chunks, of fixed size if that isn't 0.
func (p *pipeline) produceRange(ctx context.Context, n, fixed int) {
	for lo := 0; lo < n; {
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
