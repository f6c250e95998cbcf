// Package gomlx gives the batches of a loader.Loader to GoMLX: Dataset is a
// train.Dataset, for train.Loop and for evaluation.
//
//	l, err := loader.New(f, &loader.Options{BatchSize: 256, Order: loader.Random, Seed: 1, DropLast: true})
//	…
//	ds, err := gomlx.New(ctx, l, &gomlx.Options{Backend: backend})
//	…
//	defer ds.Close()
//	loop := train.NewLoop(trainer)
//	_, err = loop.RunEpochs(ds, 10)
//
// Each output of a batch becomes a tensor of its shape and element type, copied
// once: to Go's memory, or with Options.Backend straight to the device. Then the
// batch goes back to the loader, which meanwhile fills the next ones.
//
// GoMLX compiles a model anew for each new shape. So leave out a last, shorter
// batch (loader.Options.DropLast), and bring values of different lengths to one
// size where speed counts.
package gomlx

import (
	"context"
	"fmt"
	"io"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gomlx/gomlx/backends"
	"github.com/gomlx/gomlx/pkg/core/tensors"
	"github.com/gomlx/gomlx/pkg/ml/train"

	"github.com/betongo/betongo/loader"
)

// Options configure a Dataset. The zero value of every field is its default.
type Options struct {
	// Name is the dataset's name in what GoMLX prints; "" means "beton".
	Name string
	// Inputs and Labels name the outputs of the loader that are the model's
	// inputs and labels, in this order. Of an output whose rows differ in length
	// (Bytes, JSON), which comes padded with zeros, "NAME.lengths" are the true
	// lengths in items (bytes, unless loader.Output.Item says otherwise), (B)
	// int64. Where they come one after another instead (loader.Output.Ragged),
	// "NAME.offsets" says where each begins, and the last ends, (B+1) int64.
	// Labels nil is the output "label", if there is one; Inputs nil is all outputs
	// that are not among the labels.
	Inputs, Labels []string
	// Epoch is the number of the first epoch, for loader.Loader.Epoch.
	Epoch int
	// Infinite goes on with the next epoch where there would be io.EOF, for
	// train.Loop.RunSteps.
	Infinite bool
	// Backend is where the tensors are to be used. With it they are copied once,
	// from the batch to Device; without, to Go's memory first, and to a device
	// by GoMLX. Such tensors must not be used with another backend.
	Backend backends.Backend
	Device  backends.DeviceNum
}

// Spec is what Yield returns as its spec: the names of the inputs and labels.
// It is the same for all batches of a Dataset.
type Spec struct{ Inputs, Labels []string }

// String lists the names.
func (s *Spec) String() string {
	return strings.Join(s.Inputs, " ") + " -> " + strings.Join(s.Labels, " ")
}

// Dataset is a train.Dataset. It is safe for concurrent use: batches go to the
// callers of Yield one by one, and are copied side by side.
type Dataset struct {
	opts   Options
	spec   *Spec
	inputs []source
	labels []source
	feed   *feed
}

var (
	_ train.Dataset      = (*Dataset)(nil)
	_ train.HasShortName = (*Dataset)(nil)
)

// New returns a dataset of the batches of l, which stays the caller's. It begins
// with the first Yield. When ctx is cancelled, Yield returns its error. Names
// that the loader doesn't know, and outputs whose element type GoMLX hasn't, are
// errors. nil options are the defaults.
func New(ctx context.Context, l *loader.Loader, opts *Options) (*Dataset, error) {
	d := new(Dataset)
	if opts != nil {
		d.opts = *opts
	}
	if d.opts.Name == "" {
		d.opts.Name = "beton"
	}
	if d.opts.Epoch < 0 {
		return nil, fmt.Errorf("gomlx: epoch %d is negative", d.opts.Epoch)
	}
	outputs := l.Explain()
	d.spec = d.opts.names(outputs)
	var err error
	if d.inputs, err = sources(outputs, d.spec.Inputs); err != nil {
		return nil, fmt.Errorf("gomlx: inputs: %w", err)
	}
	if d.labels, err = sources(outputs, d.spec.Labels); err != nil {
		return nil, fmt.Errorf("gomlx: labels: %w", err)
	}
	d.feed = &feed{ctx: ctx, loader: l, name: d.opts.Name, number: d.opts.Epoch, infinite: d.opts.Infinite}
	// A dataset that is dropped in the middle of an epoch takes it along.
	runtime.AddCleanup(d, func(f *feed) { f.close() }, d.feed)
	return d, nil
}

// names returns the names of the inputs and labels.
func (o *Options) names(outputs []loader.Pipeline) *Spec {
	s := &Spec{Inputs: slices.Clone(o.Inputs), Labels: slices.Clone(o.Labels)}
	const label = "label"
	if o.Labels == nil && !slices.Contains(o.Inputs, label) {
		if slices.ContainsFunc(outputs, func(p loader.Pipeline) bool { return p.Output == label }) {
			s.Labels = []string{label}
		}
	}
	if o.Inputs == nil {
		for _, p := range outputs {
			if !slices.Contains(s.Labels, p.Output) {
				s.Inputs = append(s.Inputs, p.Output)
			}
		}
	}
	return s
}

// Name implements train.Dataset.
func (d *Dataset) Name() string { return d.opts.Name }

// ShortName implements train.HasShortName: the first three letters of the name.
func (d *Dataset) ShortName() string {
	short := d.opts.Name
	for at, n := 0, 0; at < len(short); n++ {
		if n == 3 {
			return short[:at]
		}
		_, size := utf8.DecodeRuneInString(short[at:])
		at += size
	}
	return short
}

// Reset implements train.Dataset: the next Yield gives the first batch of the
// next epoch, or of the same if none was asked for yet. It ends the epoch that
// runs; when it returns, its goroutines have ended.
func (d *Dataset) Reset() {
	d.feed.reset()
	runtime.KeepAlive(d)
}

// Close ends the epoch that runs; when it returns, its goroutines have ended. A
// closed dataset gives no more batches. Calling it after io.EOF is optional.
func (d *Dataset) Close() {
	d.feed.close()
	runtime.KeepAlive(d)
}

// Yield implements train.Dataset: the next batch, the caller's to finalize.
// spec is a *Spec. After the epoch's last batch it returns io.EOF, and after a
// sample that can't be loaded the loader's error, until Reset.
func (d *Dataset) Yield() (spec any, inputs, labels []*tensors.Tensor, err error) {
	b, err := d.feed.batch()
	if err != nil {
		return nil, nil, nil, err
	}
	defer b.Release()
	all, err := d.tensors(b)
	runtime.KeepAlive(d)
	if err != nil {
		err = fmt.Errorf("gomlx: batch %d: %w", b.Index(), err)
		d.feed.fail(err)
		return nil, nil, nil, err
	}
	n := len(d.inputs)
	return d.spec, all[:n:n], all[n:], nil
}

// feed takes batches from the loader. It doesn't know the Dataset, so that the
// collector can find that one unreachable.
type feed struct {
	ctx      context.Context
	loader   *loader.Loader
	name     string
	infinite bool

	mu     sync.Mutex
	number int // of the epoch that runs or comes next
	next   func() (*loader.Batch, error, bool)
	stop   func() // nil: no epoch runs
	asked  bool   // for a batch of this epoch
	gave   bool   // one
	err    error  // why there are no more, until reset
	closed bool
}

// batch returns the next batch.
func (f *feed) batch() (*loader.Batch, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.err == nil {
		if f.stop == nil {
			f.next, f.stop = iter.Pull2(f.loader.Epoch(f.ctx, f.number))
			f.asked = true
		}
		b, err, ok := f.next()
		if ok && err == nil {
			f.gave = true
			return b, nil
		}
		f.end()
		if f.err = err; !ok {
			f.err = io.EOF
			if f.infinite && f.gave { // without batches it would go on for ever
				f.restart()
			}
		}
	}
	return nil, f.err
}

// end stops the epoch that runs.
func (f *feed) end() {
	if f.stop != nil {
		f.stop()
		f.next, f.stop = nil, nil
	}
}

// restart makes the next batch the first of an epoch.
func (f *feed) restart() {
	if f.asked {
		f.number++
	}
	f.asked, f.gave, f.err = false, false, nil
}

func (f *feed) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.end()
		f.restart()
	}
}

func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
	if f.err == nil {
		f.err = err
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end()
	if !f.closed {
		f.closed, f.err = true, fmt.Errorf("gomlx: dataset %q is closed", f.name)
	}
}
