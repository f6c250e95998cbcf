package splice

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/label"
)

// Part is one of the files that Split writes.
type Part struct {
	Path string
	// Share is how much of the samples it gets, as a part of the sum of all
	// shares: 0.9 and 0.1 divide as 9 and 1 do.
	Share float64
}

// SplitOptions say how samples are divided. Nil and the zero value of every
// member are the defaults.
type SplitOptions struct {
	Options

	// Shuffle deals the samples out in an order drawn from Seed, which is also
	// their order in each part. Without it the first part gets the first samples.
	Shuffle bool
	Seed    uint64

	// ByClass divides the samples of each label for themselves, so that all
	// parts have about the same mixture.
	ByClass bool
	// Field is the number of the Int field that ByClass goes by.
	Field int
}

// Split divides the samples of f among new files, each sample into one of them:
// its place in the order, in proportion to the shares, decides, rounded to the
// nearest. All are written in one pass over the order, and take their places
// together when every one is whole and on the disk. A part without samples is
// an error. With ByClass memory grows with the number of classes.
func Split(ctx context.Context, f *ffcv.File, parts []Part, opts *SplitOptions) ([]ffcv.Stats, error) {
	var o SplitOptions
	if opts != nil {
		o = *opts
	}
	stats, err := split(ctx, f, parts, o)
	if err != nil {
		return nil, fmt.Errorf("split %s: %w", f.Name(), err)
	}
	return stats, nil
}

// Divide returns the numbers of the samples that Split would write into parts of
// these shares, in the parts' order, and writes nothing: a loader takes such
// lists (loader.Options.Indices). Of the options it needs Shuffle, Seed, ByClass
// and Field.
func Divide(ctx context.Context, f *ffcv.File, shares []float64, opts *SplitOptions) ([][]int, error) {
	d := &dealer{f: f}
	if opts != nil {
		d.o = *opts
	}
	for k, s := range shares {
		d.parts = append(d.parts, Part{Path: fmt.Sprintf("list %d", k), Share: s})
	}
	lists, err := d.lists(ctx)
	if err != nil {
		return nil, fmt.Errorf("divide %s: %w", f.Name(), err)
	}
	return lists, nil
}

// lists deals all samples out.
func (d *dealer) lists(ctx context.Context) (lists [][]int, err error) {
	sel := Selection{Shuffle: d.o.Shuffle, Seed: d.o.Seed}
	if d.order, err = sel.order(d.f); err != nil {
		return nil, err
	}
	if err := d.plan(ctx); err != nil {
		return nil, err
	}
	lists = make([][]int, len(d.parts))
	for i, err := range d.order.all(ctx) {
		if err != nil {
			return nil, err
		}
		k, err := d.deal(i)
		if err != nil {
			return nil, err
		}
		lists[k] = append(lists[k], i)
	}
	return lists, nil
}

func split(ctx context.Context, f *ffcv.File, parts []Part, o SplitOptions) ([]ffcv.Stats, error) {
	specs, err := f.Specs()
	if err != nil {
		return nil, err
	}
	d := &dealer{f: f, from: newSamples(f), parts: parts, o: o}
	sel := Selection{Shuffle: o.Shuffle, Seed: o.Seed}
	if d.order, err = sel.order(f); err != nil {
		return nil, err
	}
	if err := d.plan(ctx); err != nil {
		return nil, err
	}
	if d.kept, err = o.extension(f); err != nil {
		return nil, err
	}
	defer d.from.warnLost(o.Warn)
	return d.write(ctx, specs)
}

// dealer deals a file's samples out to its parts.
type dealer struct {
	f     *ffcv.File
	from  *samples
	parts []Part
	o     SplitOptions
	order *order

	kept   carried       // of f
	by     *label.Dealer // of one label without ByClass
	queues []chan []int

	mu    sync.Mutex // of what the writers' callbacks use
	done  []ffcv.Progress
	ready int
	all   chan struct{} // closed when all are ready
}

// batch is how many samples a queue passes on at a time.
const batch = 256

// plan counts what each part gets.
func (d *dealer) plan(ctx context.Context) error {
	if err := d.checkParts(); err != nil {
		return err
	}
	if !d.o.ByClass {
		d.by.CountMany(0, int64(d.f.Len()))
	} else {
		if err := checkLabelField(d.f, d.o.Field); err != nil {
			return err
		}
		for i := range d.f.Len() {
			if i%4096 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			l, err := labelOf(d.f, i, d.o.Field)
			if err != nil {
				return err
			}
			d.by.Count(l)
		}
	}
	var empty *label.EmptyError
	err := d.by.Counted()
	if errors.As(err, &empty) {
		return fmt.Errorf("part %d (%s) gets none of the %d samples", empty.Part, d.parts[empty.Part].Path, d.f.Len())
	}
	return err
}

func (d *dealer) checkParts() error {
	if len(d.parts) == 0 {
		return errors.New("no parts; want at least one")
	}
	seen := map[string]bool{}
	shares := make([]float64, len(d.parts))
	for k, p := range d.parts {
		if !(p.Share > 0) || math.IsInf(p.Share, 0) {
			return fmt.Errorf("part %d (%s) has the share %v; want a number above 0", k, p.Path, p.Share)
		}
		if seen[p.Path] {
			return fmt.Errorf("two parts are written to %s", p.Path)
		}
		seen[p.Path] = true
		shares[k] = p.Share
	}
	var err error
	d.by, err = label.NewDealer(shares)
	return err
}

// deal returns the part that sample i belongs to. It is called once for each,
// in order.
func (d *dealer) deal(i int) (part int, err error) {
	l := int64(0)
	if d.o.ByClass {
		if l, err = labelOf(d.f, i, d.o.Field); err != nil {
			return 0, err
		}
	}
	part, ok := d.by.Deal(l)
	if !ok {
		return 0, fmt.Errorf("sample %d has the label %d, which it had not before: the file was changed", i, l)
	}
	return part, nil
}

// write writes all parts at the same time.
func (d *dealer) write(ctx context.Context, specs []ffcv.FieldSpec) ([]ffcv.Stats, error) {
	stats := make([]ffcv.Stats, len(d.parts))
	d.done, d.all = make([]ffcv.Progress, len(d.parts)), make(chan struct{})
	d.queues = make([]chan []int, len(d.parts))
	if d.o.Workers == 0 {
		d.o.Workers = max(1, runtime.GOMAXPROCS(0)/len(d.parts))
	}
	g, ctx := errgroup.WithContext(ctx)
	for k := range d.parts {
		d.queues[k] = make(chan []int, 4)
		g.Go(func() (err error) { // ends when its queue is closed, or with ctx
			stats[k], err = d.writePart(ctx, k, specs)
			return err
		})
	}
	g.Go(func() error { return d.dealAll(ctx) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return stats, nil
}

// dealAll sends every sample to its part's queue. It closes the queues when
// all are sent; after an error ctx ends the parts.
func (d *dealer) dealAll(ctx context.Context) error {
	open := make([][]int, len(d.parts))
	send := func(k int) error {
		select {
		case d.queues[k] <- open[k]:
			open[k] = nil
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for i, err := range d.order.all(ctx) {
		if err != nil {
			return err
		}
		k, err := d.deal(i)
		if err != nil {
			return err
		}
		if open[k] == nil {
			open[k] = make([]int, 0, batch)
		}
		if open[k] = append(open[k], i); len(open[k]) == batch {
			if err := send(k); err != nil {
				return err
			}
		}
	}
	for k, q := range d.queues {
		if err := send(k); err != nil {
			return err
		}
		close(q)
	}
	return nil
}

// writePart writes one part.
func (d *dealer) writePart(ctx context.Context, k int, specs []ffcv.FieldSpec) (ffcv.Stats, error) {
	path := d.parts[k].Path
	opts := d.o.writer(path, int64(d.f.Header().PageSize), d.f)
	d.kept.put(opts)
	if d.o.Progress != nil {
		opts.Progress = func(p ffcv.Progress) { d.progress(k, p) }
	}
	if d.o.Warn != nil {
		opts.Warn = func(msg string) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.o.Warn(path + ": " + msg)
		}
	}
	opts.Ready = func(ctx context.Context) error {
		if err := d.wait(ctx); err != nil {
			return err
		}
		return closeReplaced(path, []*ffcv.File{d.f})
	}
	return write(path, specs, opts, func(w *ffcv.Writer) error {
		return w.WriteStream(ctx, d.part(ctx, k), &ffcv.StreamOptions{Reserve: d.by.Parts()[k]})
	})
}

// part is the samples of part k.
func (d *dealer) part(ctx context.Context, k int) iter.Seq2[ffcv.Sample, error] {
	return func(yield func(ffcv.Sample, error) bool) {
		for {
			var list []int
			var open bool
			select {
			case list, open = <-d.queues[k]:
			case <-ctx.Done():
				return // the writer says so
			}
			if !open {
				return
			}
			for _, i := range list {
				values, key, err := d.from.Sample(ctx, i)
				if !yield(ffcv.Sample{Values: values, Key: key}, err) {
					return
				}
			}
		}
	}
}

// wait returns when every part is ready to take its place: with an error none
// does.
func (d *dealer) wait(ctx context.Context) error {
	d.mu.Lock()
	d.ready++
	if d.ready == len(d.parts) {
		close(d.all)
	}
	d.mu.Unlock()
	select {
	case <-d.all:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// progress tells the sum of the parts'.
func (d *dealer) progress(k int, p ffcv.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.done[k] = p
	sum := ffcv.Progress{Total: d.f.Len()}
	for _, p := range d.done {
		sum.Done += p.Done
		sum.Bytes += p.Bytes
	}
	d.o.Progress(sum)
}
