// Package stats tells what a dataset holds: how bright its pictures are and how
// large, how often each label comes, how numbers and arrays are distributed,
// which values come twice, which pictures look alike, what is broken, and what
// two datasets have in common.
//
// # Exactness
//
// One pass over the dataset, on all processors, and no number depends on their
// number: what is added up is added up in the order of the samples.
//
//   - Means and deviations of pictures are those of all pixels of all pictures,
//     put one after another, decoded at full size: numpy.concatenate, mean and
//     std. They are computed from sums of whole numbers and rounded once.
//   - Quantiles are values that came, unless there are more than 65,536
//     different ones: then they are right to a thousandth (Summary.Exact).
//   - Means and deviations of whole numbers below 2^32 are exact too; those of
//     other numbers, and of arrays, are computed in float64.
//
// # The same, and alike
//
// Two values are the same when all bytes are, as they are stored. They are found
// by a hash and then compared byte by byte.
//
// Two pictures look alike when they are not the same bytes, their perceptual
// hashes differ in few bits, and their pictures at 32x32 correlate. The hash is a
// pHash: brightness at 32x32, the 64 lowest frequencies of its discrete cosine
// transform, each above or below their median. Encoding a picture anew, at
// another quality or size, hardly moves it; cropping, mirroring or turning it
// does, and is not found. Of values that are the same only the first one is
// looked at, and of pictures with one hash only the pairs with the first of
// them. The search is multi-index hashing (Norouzi, Punjani, Fleet: Fast Search
// in Hamming Space with Multi-Index Hashing): not every picture is compared with
// every other.
//
// # Memory
//
// It does not grow with the number of samples, but for: the hashes, 16 bytes a
// value, of which Options.Memory are in memory and the rest in temporary files;
// with Near, 32 bytes a picture in memory (16 of the second dataset's), and a bit;
// and a few bytes a data page.
package stats

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/loader"
)

// Pixels says which pixels of the pictures are looked at.
type Pixels int

const (
	// PixelsFull is all of them.
	PixelsFull Pixels = iota
	// PixelsScaled is the pictures at an eighth of their size, which is quicker.
	// Means are then right to a fraction of a level; deviations are lower, since
	// fine detail is gone. Rasters are not looked at.
	PixelsScaled
	// PixelsNone is none: the pictures' sizes and headers alone.
	PixelsNone
)

// Options are the choices of Survey and Overlap. Nil and the zero value of every
// member are the defaults.
type Options struct {
	// Fields are the names of the fields to look at; nil is all. Overlap's default
	// is those that keep bytes in both datasets.
	Fields []string
	// Samples, if above 0, is how many samples are looked at, spread evenly over
	// the dataset: of as many parts of equal length one each, always the same, at
	// a place that a hash draws, so that data of a regular order give no
	// regular sample.
	Samples int
	// Pixels is what is looked at of pictures. Overlap looks at none.
	Pixels Pixels
	// NoDuplicates leaves out the search for equal values.
	NoDuplicates bool
	// Near looks for pictures that are alike.
	Near bool
	// Distance is in how many bits of 64 the perceptual hashes of pictures that
	// look alike may differ, 1 to 11; 0 is DefaultDistance. More finds copies that
	// were changed more, and takes longer.
	Distance int
	// Limit is how many groups, pairs and broken values are listed; 0 is 100. All
	// are counted.
	Limit int
	// Memory is how many bytes of hashes are in memory; 0 is 256 MiB.
	Memory int64
	// Workers is the number of goroutines that read and decode; 0 is GOMAXPROCS.
	Workers int
	// Progress is told how many samples are done, of how many, from the caller's
	// goroutine.
	Progress func(done, total int)
}

// DefaultDistance is Options.Distance where it is 0.
const DefaultDistance = 7

// maxDistance is the largest Options.Distance: beyond it the search compares
// nearly all with all, and pictures that have nothing in common come near.
const maxDistance = 11

// get returns the options with their defaults.
func (o *Options) get() (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	switch {
	case opts.Samples < 0:
		return opts, fmt.Errorf("stats: %d samples; want 0 or more", opts.Samples)
	case opts.Distance < 0 || opts.Distance > maxDistance:
		return opts, fmt.Errorf("stats: a distance of %d bits; want 0 to %d", opts.Distance, maxDistance)
	case opts.Limit < 0 || opts.Memory < 0 || opts.Workers < 0:
		return opts, fmt.Errorf("stats: a limit of %d, %d bytes of memory, %d workers; want 0 or more", opts.Limit, opts.Memory, opts.Workers)
	case opts.Pixels < PixelsFull || opts.Pixels > PixelsNone:
		return opts, fmt.Errorf("stats: Pixels %d", opts.Pixels)
	}
	if opts.Distance == 0 {
		opts.Distance = DefaultDistance
	}
	if opts.Limit == 0 {
		opts.Limit = 100
	}
	if opts.Memory == 0 {
		opts.Memory = 256 << 20
	}
	return opts, nil
}

// Survey looks at a dataset. Values that can't be read or decoded are in the
// report and no error; ctx, or what is not a sample's own, ends it with one.
// The dataset is neither kept nor closed.
func Survey(ctx context.Context, ds loader.Dataset, opts *Options) (*Report, error) {
	o, err := opts.get()
	if err != nil {
		return nil, err
	}
	s, err := newSurvey(ds, &o, true)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	return s.report(ctx)
}

// survey is one pass over a dataset.
type survey struct {
	ds      loader.Dataset
	opts    *Options
	indices []int // nil all
	total   int
	tallies []*tally
	reader  *reader

	broken int
	list   lowest[Broken]
	done   int
}

// newSurvey prepares a pass. Without look only what comparing takes is read.
func newSurvey(ds loader.Dataset, o *Options, look bool) (*survey, error) {
	s := &survey{ds: ds, opts: o, total: ds.Len(), reader: newReader(ds)}
	s.list = lowest[Broken]{limit: o.Limit, cmp: func(a, b Broken) int { return a.Index - b.Index }}
	for k, f := range s.reader.fields {
		switch {
		case o.Fields != nil && !slices.Contains(o.Fields, f.Name):
			continue
		case f.Field == nil:
			return nil, fmt.Errorf("%s: field %q: %w", ds.Name(), f.Name, ffcv.ErrUnknownField)
		}
		t := newTally(k, f, o, look)
		if t.probe == nil && !look {
			continue
		}
		s.tallies = append(s.tallies, t)
	}
	for _, name := range o.Fields {
		if !slices.ContainsFunc(s.reader.fields, func(f ffcv.Field) bool { return f.Name == name }) {
			return nil, fmt.Errorf("%s: no field %q", ds.Name(), name)
		}
	}
	if n := o.Samples; n > 0 && n < s.total {
		s.indices = make([]int, n)
		step, rest := s.total/n, s.total%n
		for i := range s.indices {
			from, to := i*step+i*rest/n, (i+1)*step+(i+1)*rest/n
			s.indices[i] = from + int(hash.Mix(uint64(i+1))%uint64(to-from))
		}
		s.total = n
	}
	s.rooms()
	return s, nil
}

// rooms divides the memory for hashes.
func (s *survey) rooms() {
	n := 0
	for _, t := range s.tallies {
		n += t.lists()
	}
	room := int(max(1024, s.opts.Memory/entrySize/int64(max(1, n))))
	for _, t := range s.tallies {
		t.exact.room, t.near.room = room, room
	}
}

func (s *survey) close() {
	for _, t := range s.tallies {
		_ = t.exact.close() // temporary files, which nobody misses
		_ = t.near.close()
	}
}

// run reads all samples.
func (s *survey) run(ctx context.Context) error {
	if s.total == 0 || len(s.tallies) == 0 {
		return ctx.Err()
	}
	small := true // nothing but numbers
	outputs := []loader.Output{}
	for k, f := range s.reader.fields {
		out := loader.Output{Name: f.Name, Disabled: true}
		at := slices.IndexFunc(s.tallies, func(t *tally) bool { return t.k == k })
		if at >= 0 {
			out.Disabled = false
			if p := s.tallies[at].probe; p != nil {
				out.Decoder, small = p, false
			}
		}
		outputs = append(outputs, out)
	}
	batch := 64
	if small {
		batch = 8192
	}
	l, err := loader.New(s.ds, &loader.Options{BatchSize: batch, Workers: s.opts.Workers, Indices: s.indices, Outputs: outputs,
		MarksMemory: -1, OnError: loader.SubstituteValue(nil), MaxFailures: -1})
	if err != nil {
		return err
	}
	defer l.Close()
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return err
		}
		err := s.batch(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return s.seal()
}

func (s *survey) seal() error {
	var errs []error
	for _, t := range s.tallies {
		errs = append(errs, t.exact.seal(), t.near.seal())
	}
	return errors.Join(errs...)
}

// batch adds up a batch.
func (s *survey) batch(b *loader.Batch) error {
	ids := slices.Clone(b.Samples())
	for _, skip := range b.Skipped() {
		if skip.Row < len(ids) && ids[skip.Row] < 0 {
			ids[skip.Row] = skip.Sample
			if err := s.again(skip.Sample); err != nil {
				return err
			}
			ids[skip.Row] = -1
		}
	}
	for _, t := range s.tallies {
		c := b.Output(t.f.Name)
		for row, id := range ids {
			if id < 0 {
				continue
			}
			if err := s.add(t, id, c.Value(row)); err != nil {
				return err
			}
		}
	}
	if s.done += len(ids); s.opts.Progress != nil {
		s.opts.Progress(s.done, s.total)
	}
	return nil
}

// add adds up a value.
func (s *survey) add(t *tally, id int, row []byte) error {
	if t.probe == nil {
		return t.number(row)
	}
	r := record(row)
	if r.get(slotFlags)&flagRead == 0 {
		s.flaw(t, id, t.probe.why(r.get(slotBroken)))
		return nil
	}
	return t.record(id, r)
}

// flaw notes a broken value.
func (s *survey) flaw(t *tally, id int, err error) {
	t.broken++
	s.broken++
	s.list.add(s.reader.flaw(id, t.k, err))
}

// again looks at the fields of a sample one by one: the loader could not load
// one of them, and says nothing of the others.
func (s *survey) again(id int) error {
	for _, t := range s.tallies {
		var row []byte
		err := guarded(func() error {
			meta, data, err := s.reader.value(id, t.k)
			if err != nil {
				return err
			}
			if t.probe == nil {
				row = meta
				return nil
			}
			row = make([]byte, 8*t.probe.slots)
			t.probe.record(row, meta, data)
			return nil
		})
		if err != nil {
			s.flaw(t, id, err)
			continue
		}
		if err := s.add(t, id, row); err != nil {
			return err
		}
	}
	return nil
}

// labelField is the field that the class names are of: the int field "label",
// or the only int field; -1 for none.
func (s *survey) labelField() int {
	only, ints := -1, 0
	for k, f := range s.reader.fields {
		if f.Type != fields.TypeInt {
			continue
		}
		if f.Name == "label" {
			return k
		}
		only = k
		ints++
	}
	if ints == 1 {
		return only
	}
	return -1
}
