// Package loader turns the samples of a .beton file into batches.
//
//	f, err := ffcv.Open("train.beton", nil)
//	…
//	l, err := loader.New(f, &loader.Options{BatchSize: 256, Order: loader.Random, Seed: 1})
//	…
//	for epoch := range 10 {
//		for b, err := range l.Epoch(ctx, epoch) {
//			if err != nil {
//				return err
//			}
//			images, labels := b.Output("image"), b.Output("label")
//			… // images.Data, images.Shape; labels.Data
//			b.Release()
//		}
//	}
//
// # Batches
//
// A batch has one output for each field of the file, in file order, and any
// that Options.Outputs adds. Without a pipeline of its own a field comes as:
//
//	Float, Int            (B, 1) <f8, <i8, as FFCV gives them
//	NDArray, TorchTensor  (B, *shape) of the field's dtype
//	Bytes, JSON           (B, longest of the batch) |u1, rows padded with zeros,
//	                      and the true lengths; JSON without its final NUL
//	RGBImage              (B, height, width, 3) |u1 when all images have one
//	                      size; otherwise a decoder must be named
//	Image (rasters)       (B, height, width, channels) |u1 or <u2 when all have one
//	                      size; otherwise a decoder must be named
//	custom                (B, size) |u1: the metadata as stored
//
// The memory of a batch lies outside the Go heap and belongs to the batch
// until Release, which hands it to a later batch of the same loader. A batch
// that is never released keeps its memory until the garbage collector finds
// the Batch unreachable: memory grows, nothing breaks.
//
// Rows that differ in length come one after another, without padding, with
// Output.Ragged, and as whatever their bytes are with Output.Item. What a program
// makes of whole batches it makes in Options.Collate, on the workers. Loader.Get
// and Loader.Slice give any samples as they are in an epoch.
//
// # Errors
//
// A sample that can't be loaded ends the epoch with a *SampleError: file, field,
// sample and the place in the file. Options.OnError says otherwise: Skip repeats a
// good sample of the batch in its row, SubstituteSample and SubstituteValue put
// something else there. Batch.Samples tells what is in the rows. Ranks stay in
// step: the number of batches and their sizes are as they would have been, and
// what stands in for a sample depends on its batch alone, so that neither
// workers nor an interrupted epoch change it. With Options.ExactlyOnce skipped
// samples make their batch shorter instead. Loader.Report tells what an
// epoch has had to do without; Options.Quarantine lists samples that are not to
// be touched at all; Options.MaxFailures ends an epoch that finds nothing but
// failures.
//
// A broken sample is tried once an epoch, and costs what it takes to see that it
// is broken. JSON is not parsed, so a text that is none is no failure
// unless a Decoder parses it.
//
// # Pipelines
//
// An output's pipeline is a decoder and a list of operations. A decoder of
// package transform takes the operations after it into its one pass over the
// result's pixels, as far as it knows them (Viewer); an operation that it doesn't
// know, a program's own among them, and all after it run one by one. Neither
// pixels nor random numbers depend on that. Several such outputs of one field,
// many crops of each picture, are cut from one decode. Loader.Explain tells what
// was done.
//
// # Following
//
// Masks, depth maps and boxes lie as the picture does that they belong to: an
// output whose Follow names the picture's takes its crop, size, flips and shifts,
// sample by sample, and is itself made in one step from its source:
//
//	Outputs: []loader.Output{
//		{Name: "image", Decoder: transform.RandomResizedCrop{Width: 224, Height: 224},
//			Ops: []any{transform.HorizontalFlip{}, transform.ColorJitter{Brightness: 0.4}}},
//		{Name: "mask", Decoder: transform.Mask{}, Follow: "image"},
//		{Name: "boxes", Decoder: transform.Boxes{}, Follow: "image"},
//	}
//
// # Orders
//
// An order is one for all ranks; each of WorldSize ranks takes every WorldSize-th
// position of it.
//
//	Sequential     the file's, or that of Indices
//	Random         FFCV's for the same seed, NumPy's or PyTorch's
//	QuasiRandom    FFCV's for files larger than memory
//	Keyed          a permutation in constant memory, of any number of samples
//	PageShuffle    pages, then the samples of windows of them, each rank its own
//	BlockShuffle   the same of blocks of samples
//	Weighted       by weights, with or without replacement
//	ClassBalanced  all classes as often, with or without replacement
//	Repeated       each sample of another order several times, to be augmented anew
//	OrderFunc      a function; or a type of one's own
//
// # Resuming
//
// Loader.State says what was handed out, as small JSON that is the same on all
// ranks; Resume goes on from it, exactly. A training saves it with its weights:
//
//	state, err := l.State() // inside the loop over the batches, or after it
//	…
//	err = state.Save("run/state.json")
//
// and begins as
//
//	l, err := loader.New(f, opts)
//	first := 0
//	if state, e := loader.ReadState("run/state.json"); e == nil {
//		l, err = loader.Resume(f, opts, state)
//		first = state.Epoch
//	}
//	…
//	for epoch := first; epoch < 90; epoch++ {
//		for b, err := range l.Epoch(ctx, epoch) {
//
// # Statistics
//
// Loader.Stats says at any time what the epoch begun last took, where the time
// went and, in its Verdict, what held it up:
//
//	decode-bound: the consumer waited 12 % of the time; 2 of 2 workers busy, 91 % of that with decoding "image"
//
// It is a slog.LogValuer; Loader.Var is for package expvar, the module
// github.com/betongo/betongo/prometheus for Prometheus, Options.StatsFile for
// other processes, such as ffcv view. docs/stats.md tells what each number means.
// It is always on and costs less than a hundredth.
//
// # Randomness
//
// The random numbers of an operation belong to (seed, epoch,
// sample, output, kind of operation, number among those of its kind): they come
// from Philox4x32-10 keyed with these, so that the number of workers, the batch
// size, the layout of ranks and the operations around it change nothing. Where an
// order gives a sample several times in an epoch, each time has its own. See
// StreamVersion and OrderVersion. Loader.Replay gives any sample of any epoch again, and says what
// was drawn for it, Loader.ReplayRow a row of a batch: the very time that its
// sample came there.
//
// # Memory
//
// Besides the batches in flight a loader keeps nothing that grows with the
// dataset for Sequential, Keyed and BlockShuffle; Random keeps an epoch's
// permutation (4 bytes a sample, 8 from 2³² samples), QuasiRandom three times as
// much, PageShuffle and ClassBalanced 4 bytes a sample, Weighted 8 or 12; Indices and
// Filter 8 bytes for each sample they select. Checkpoints of JPEGs, where the
// file brings none, take 4 bytes a sample and what Options.MarksMemory allows;
// with Options.MarksFile they lie in files, mapped. A file larger than memory is
// opened with ffcv.OpenOptions.Memory: a loader tells it what the batches in flight
// will read, as early as it can, and takes that back when an epoch ends early. From
// afar, out of an object store, it tells more: up to what half of that memory has room
// for.
package loader

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"

	"github.com/betongo/betongo/ffcv"
)

// Dataset is where a loader's samples come from. *ffcv.File is one. Its
// methods are called by many goroutines at once.
//
// The pointers of all samples are offsets in one file. Optional abilities are
// found by type assertion: Lender, Loaner, Pager, Marker, Identifier, Keyer, Cacher,
// Budgeter, RowHinter, MarksHinter, ScanHinter and Distant, and of datasets made of
// others (package dataset) Tabler, Locator and PointerLocator.
type Dataset interface {
	// Name names the dataset in errors.
	Name() string
	// Len returns the number of samples. It never changes.
	Len() int
	// Fields describes the fields and where their members lie in a metadata
	// row. It never changes.
	Fields() []ffcv.Field
	// Rows returns the metadata rows of samples [lo, lo+n), one after another:
	// borrowed until the dataset is closed, or read into buf (grown when it is
	// too small). The caller doesn't write to them.
	Rows(lo, n int, buf []byte) ([]byte, error)
	// Bytes returns size bytes at ptr, which belong to sample, borrowed or read
	// into buf as Rows does. Bytes outside the dataset are an error.
	Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error)
	// RegionSize returns the size of the region at ptr, which belongs to a
	// field (an index in Fields) of a sample, where the metadata doesn't tell.
	RegionSize(sample, field int, ptr uint64) (int64, error)
	// WillNeed hints that ranges of the file are about to be read.
	WillNeed([]ffcv.Range)
}

// Loader makes batches from a dataset. It is safe for concurrent use; several
// epochs may run at once.
type Loader struct {
	plan      *plan // of the first epoch
	pool      *pool
	schedule  *schedule // nil: every epoch is as the first
	reports   reports
	statsFile *statsFile // nil: none
	resume    *State     // nil: every epoch is whole
	given     atomic.Pointer[given]
	common    stateOf
}

// New returns a loader over ds, which stays the caller's and must outlive the
// loader's epochs and batches. nil options are the defaults. Options that
// contradict each other or the dataset are an error here, not in an epoch; so is
// a panic of what they bring along.
func New(ds Dataset, opts *Options) (*Loader, error) {
	var s *schedule
	if opts != nil && opts.OutputsAt != nil {
		if opts.Outputs != nil {
			return nil, errors.New("loader: both Outputs and OutputsAt")
		}
		first, err := outputsAt(opts.OutputsAt, 0)
		if err != nil {
			return nil, err
		}
		s = &schedule{at: opts.OutputsAt, ahead: opts.BatchesAhead, marksFile: opts.MarksFile, outputs: first}
		with := *opts
		with.Outputs = first
		opts = &with
	}
	p, err := newPlan(ds, opts)
	if err != nil {
		return nil, err
	}
	l := &Loader{plan: p, pool: newPool(p, new(keptMarks)), schedule: s}
	if s != nil {
		s.pool = l.pool
	}
	if opts != nil {
		if err := l.setStatsFile(opts.StatsFile); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Len returns how many batches an epoch has, the same for all ranks. One that
// is resumed has less.
func (l *Loader) Len() int { return l.plan.whole.batches }

// Samples returns how many samples an epoch delivers to this rank. One that is
// resumed delivers less.
func (l *Loader) Samples() int { return l.plan.whole.samples }

// Epoch returns the batches of epoch n, in order; of the one that the loader was
// resumed in, those that are left. An error ends the epoch: it
// comes in the place of the batch that it belongs to, after all batches before
// it, and is that of the batch's first failing sample. A panic in a decoder, an
// operation or an order is such an error, with its stack.
//
// All goroutines of the epoch have ended when the loop over it has, whether
// by its last batch, a break, a return, an error, a cancelled context or a
// panic. Nothing runs before the loop begins.
func (l *Loader) Epoch(ctx context.Context, n int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) { l.run(ctx, n, yield) }
}

// Close frees the memory that the loader keeps for later batches and epochs. Batches that
// are not released stay valid. A closed loader still works. Calling Close is
// optional: a loader out of reach is freed by the garbage collector. But what
// epochs that did not come to their end have made for Options.MarksFile is
// written by Close alone; an error is of that.
func (l *Loader) Close() error {
	pool := l.pool
	if s := l.schedule; s != nil {
		s.mu.Lock()
		pool = s.pool
		s.mu.Unlock()
	}
	return pool.close()
}
