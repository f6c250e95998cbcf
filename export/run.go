package export

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/store"
)

const (
	batchSamples = 256
	batchBytes   = 4 << 20
	cachedBytes  = 1 << 20 // where each batch has them in its own memory
	farWorkers   = 32      // of an object store, where waiting is what takes time
)

// batch is samples that follow each other, on their way from a worker to the sink.
// It belongs to one goroutine at a time.
type batch struct {
	first, n int
	records  []record
	mem      memory
	rows     []byte // of the samples, borrowed or in buf
	buf      []byte
	ready    chan error // the worker's answer
}

// sink is a format.
type sink interface {
	// add takes the next sample. It may keep the record until the batch has been
	// written.
	add(ctx context.Context, r *record) error
	// write writes what was added of a batch, if add did not. It is called by
	// several goroutines at once.
	write(ctx context.Context, b *batch) error
	// close completes what was added.
	close(ctx context.Context) error
	// drop lets go of what is open, after an error.
	drop() error
}

// cached is the ability of a dataset to say that it reads through a cache.
type cached interface{ CacheBudget() int64 }

// far says whether reading the dataset waits for a network.
func (p *plan) far() bool {
	name := p.ds.Name()
	if l, ok := p.ds.(loader.Locator); ok && p.ds.Len() > 0 {
		name, _ = l.Locate(0, 0)
	}
	return store.IsURL(name)
}

// write sends all samples through the sink of the format.
func (e *exporter) write(ctx context.Context) error {
	s, err := e.sink()
	if err != nil {
		return err
	}
	workers, writers := e.opts.Workers, 1
	c, ahead := e.plan.ds.(cached)
	ahead = ahead && c.CacheBudget() > 0
	if scan, ok := e.plan.ds.(interface{ WillScan() }); ok && ahead && e.opts.Fields == nil {
		scan.WillScan()
	}
	if e.plan.far() {
		workers = max(workers, farWorkers)
	}
	if e.opts.Format == Folder {
		if writers = e.opts.Workers; e.to.far() {
			writers = max(writers, farWorkers)
		}
	}
	p := &pipeline{exporter: e, sink: s, ahead: ahead}
	most := int64(batchBytes)
	if ahead {
		most = cachedBytes
	}
	p.size, p.rowSize = e.batchSize(most)
	if err = p.run(ctx, workers, writers); err == nil {
		err = s.close(ctx)
	}
	if err != nil {
		err = errors.Join(err, s.drop())
	}
	return err
}

// batchSize is how many samples are read together, of about so many bytes by the
// sizes of the first ones, and how many bytes a row has.
func (e *exporter) batchSize(most int64) (samples, rowSize int) {
	ds := e.plan.ds
	bytes, n := int64(0), min(ds.Len(), 16)
	if n == 0 {
		return 1, 0
	}
	rows, err := ds.Rows(0, n, nil)
	if err != nil {
		return 1, 0 // the reading of the first batch tells of it
	}
	rowSize = len(rows) / n
	var r reader
	for i := range n {
		row := rows[i*rowSize : (i+1)*rowSize]
		for k := range e.plan.columns {
			c := &e.plan.columns[k]
			if c.offset+c.size > len(row) {
				continue
			}
			r.regions, _ = c.regions(ds, r.regions[:0], i, row[c.offset:c.offset+c.size]) // a damaged one is told of later
			for _, region := range r.regions {
				bytes += max(0, min(region.Size, most))
			}
		}
	}
	return int(min(batchSamples, max(1, most*int64(n)/max(bytes, 1)))), rowSize
}

// pipeline reads and encodes batches on several goroutines, and has the sink take
// them in their order.
type pipeline struct {
	*exporter
	sink  sink
	ahead bool // announce what will be read

	size, rowSize int
	done          int
}

// run ends when all goroutines that it starts have: those of a group end with the
// closing of the channel that they read, or with ctx, which the first error ends.
func (p *pipeline) run(outer context.Context, workers, writers int) error {
	g, ctx := errgroup.WithContext(outer)
	n := p.plan.ds.Len()
	batches := (n + p.size - 1) / p.size
	workers, writers = min(workers, max(batches, 1)), min(writers, max(batches, 1))
	free := make(chan *batch, workers+min(workers, 4)+writers)
	for range cap(free) {
		free <- &batch{ready: make(chan error, 1)}
	}
	jobs, order, full := make(chan *batch), make(chan *batch, cap(free)), make(chan *batch)
	g.Go(func() error {
		defer close(jobs)
		defer close(order)
		for first := 0; first < n; first += p.size {
			var b *batch
			select {
			case b = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			b.first, b.n = first, min(p.size, n-first)
			order <- b // has room for all there are
			select {
			case jobs <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			r := &reader{plan: p.plan}
			for b := range jobs {
				b.ready <- mmap.Guard(func() error { return p.read(ctx, r, b) })
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(full)
		return p.take(ctx, outer, order, full)
	})
	for range writers {
		g.Go(func() error {
			for b := range full {
				if err := mmap.Guard(func() error { return p.sink.write(ctx, b) }); err != nil {
					return err
				}
				b.mem.reset()
				free <- b // has room for all there are
			}
			return nil
		})
	}
	return g.Wait()
}

// read reads the samples of a batch.
func (p *pipeline) read(ctx context.Context, r *reader, b *batch) (err error) {
	if len(b.records) < b.n {
		b.records = make([]record, p.size)
	}
	// Rows may lend its own bytes, which must not become memory to read into.
	if b.buf == nil {
		b.buf = make([]byte, 0, p.size*p.rowSize)
	}
	if b.rows, err = p.plan.ds.Rows(b.first, b.n, b.buf); err != nil {
		return err
	}
	r.mem = &b.mem
	size := len(b.rows) / b.n
	if p.ahead {
		if err := r.announce(b, size); err != nil {
			return err
		}
	}
	for i := range b.n {
		if err := ctx.Err(); err != nil {
			return err
		}
		rec := &b.records[i]
		rec.sample = b.first + i
		r.sample(rec, b.rows[i*size:(i+1)*size])
	}
	return nil
}

// announce tells the dataset which bytes of it a batch needs.
func (r *reader) announce(b *batch, size int) error {
	ranges := make([]ffcv.Range, 0, b.n)
	for i := range b.n {
		row := b.rows[i*size : (i+1)*size]
		for k := range r.plan.columns {
			c := &r.plan.columns[k]
			if c.offset+c.size > len(row) {
				continue // told of when it is read
			}
			var err error
			if r.regions, err = c.regions(r.plan.ds, r.regions[:0], b.first+i, row[c.offset:c.offset+c.size]); err != nil {
				continue
			}
			for _, region := range r.regions {
				if region.Size > 0 && region.Ptr < 1<<62 {
					ranges = append(ranges, ffcv.Range{Off: int64(region.Ptr), Len: region.Size})
				}
			}
		}
	}
	r.plan.ds.WillNeed(ranges)
	return nil
}

// take hands the sink one batch after another, and then to who writes them. What
// the sink begins outlives the group, whose context ends with it: outer does not.
func (p *pipeline) take(ctx, outer context.Context, order, full chan *batch) error {
	for b := range order {
		select {
		case err := <-b.ready:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := mmap.Guard(func() error { return p.addAll(outer, b) }); err != nil {
			return err
		}
		select {
		case full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// addAll gives the sink the samples of a batch that are sound.
func (p *pipeline) addAll(ctx context.Context, b *batch) error {
	for i := range b.n {
		r := &b.records[i]
		if r.err == nil {
			err := p.sink.add(ctx, r)
			if err != nil && !errors.As(err, &r.err) {
				return err
			}
		}
		if r.err != nil {
			if p.opts.OnError == nil {
				return r.err
			}
			if err := p.opts.OnError(r.err); err != nil {
				return err
			}
			p.stats.Skipped++
			continue
		}
		p.stats.Samples++
		for k := range r.values {
			if r.values[k].ext == "png" && p.plan.columns[k].kind <= kindRaster {
				p.stats.PNG++
			}
		}
	}
	p.done += b.n
	if p.opts.Progress != nil {
		p.opts.Progress(p.done, p.plan.ds.Len())
	}
	return ctx.Err()
}

// sink returns that of the format.
func (e *exporter) sink() (sink, error) {
	switch e.opts.Format {
	case Tar:
		f, err := newTar(e)
		return newShards(e, f, err)
	case MDS:
		f, err := newMDS(e)
		return newShards(e, f, err)
	case Parquet:
		f, err := newParquet(e)
		return newShards(e, f, err)
	}
	return newFolder(e)
}

// bad is the error of a sample that the sink refuses.
func (p *plan) bad(r *record, field string, err error) error {
	file := p.ds.Name()
	if l, ok := p.ds.(loader.Locator); ok {
		file, _ = l.Locate(r.sample, 0)
	}
	return &SampleError{File: file, Sample: r.sample, Key: r.key, Field: field, Err: err}
}
