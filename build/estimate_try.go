package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/source"
	"github.com/betongo/betongo/transform"
)

// trial tries ways to store samples.
type trial struct {
	recipe *Recipe
	source *Source
	pop    *population
	opts   *EstimateOptions
	dir    string
	done   map[Image]*outcome
	tried  bool          // the first way, which finds the samples that can't be packed
	failed []source.Skip // those
}

// outcome is what samples stored in one way are like.
type outcome struct {
	sizes   []int   // bytes in the pages of each chosen sample, 0 where it failed
	marks   float64 // bytes of marks a sample, on average
	fields  int     // that may have marks
	layout  layout
	encode  float64 // seconds of processor time for a sample
	elapsed float64 // seconds for a sample
	load    float64 // seconds of processor time for a sample
}

// choice fills in what a choice takes.
func (t *trial) choice(ctx context.Context, c *Choice) error {
	n := float64(t.source.Len())
	var outcomes []*outcome
	var shares []float64
	for _, p := range c.ways() {
		out, err := t.outcome(ctx, c, p.image)
		var sample *ffcv.SampleError
		if errors.As(err, &sample) {
			*c = Choice{Name: c.Name, Image: c.Image, Asked: c.Asked, Problem: sample.Error()}
			return nil
		}
		if err != nil {
			return fmt.Errorf("estimate: %s: %w", c.Name, err)
		}
		outcomes, shares = append(outcomes, out), append(shares, p.share)
		c.BuildCPU += p.share * out.encode * n
		c.LoadCPU += p.share * out.load * 1e3
		if t.source.far {
			c.BuildSeconds += p.share * out.elapsed * n
		}
	}
	if !t.source.far {
		c.BuildSeconds = c.BuildCPU / float64(min(t.opts.Workers, runtime.NumCPU()))
	}
	c.EpochCPU = c.LoadCPU * n / 1e3
	if c.LoadCPU > 0 {
		c.PerSecond = float64(t.opts.Cores) / c.LoadCPU * 1e3
	}
	var err error
	c.Bytes, err = t.bytes(outcomes, shares)
	return err
}

// outcome tries one way to store images, unless that was done already.
func (t *trial) outcome(ctx context.Context, c *Choice, image Image) (*outcome, error) {
	if out := t.done[image]; out != nil && !c.Asked {
		return out, nil
	}
	s, done, err := t.storing(ctx, c, image)
	if err != nil {
		return nil, err
	}
	defer done()
	path := filepath.Join(t.dir, "sample.beton")
	defer os.Remove(path)
	out := &outcome{}
	if err := t.pack(ctx, s, path, out); err != nil {
		return nil, err
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := out.look(f); err != nil {
		return nil, err
	}
	if out.load, err = loadCPU(ctx, f); err != nil {
		return nil, err
	}
	t.done[image] = out
	return out, nil
}

// storing returns the source with its images stored in another way, and what ends
// its use.
func (t *trial) storing(ctx context.Context, c *Choice, image Image) (*Source, func(), error) {
	if c.Asked && image == c.Image {
		return t.source, func() {}, nil
	}
	r := *t.recipe
	r.Image = image
	if r.Beton != nil { // whether it decodes depends on that
		s, err := r.Open(ctx, &t.opts.Open)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { s.Close() }, nil
	}
	s := *t.source
	field, err := image.Field(nil)
	if err != nil {
		return nil, nil, err
	}
	s.Fields = append([]source.Field(nil), s.Fields...)
	for i := range s.Fields {
		if photographs(s.Fields[i].Field) {
			s.Fields[i].Field = field
		}
		if m, ok := s.Fields[i].Field.(fields.Image); ok { // masks shrink with their images
			m.MaxResolution = image.MaxResolution
			s.Fields[i].Field = m
		}
	}
	return &s, func() {}, nil
}

// someOf is a dataset of some samples of another.
type someOf struct {
	ffcv.Dataset
	rows []int
}

func (d *someOf) Len() int { return len(d.rows) }

func (d *someOf) Sample(ctx context.Context, i int) ([]any, string, error) {
	return d.Dataset.Sample(ctx, d.rows[i])
}

// pack writes the chosen samples into a file, and takes the time.
func (t *trial) pack(ctx context.Context, s *Source, path string, out *outcome) error {
	w := &t.recipe.Writer
	file, err := ffcv.Create(path, s.specs(), &ffcv.Options{PageSize: w.PageSize, Workers: s.workers(t.opts.Workers), Overwrite: true,
		Plain: w.Plain, LargeSamples: w.LargeSamples, Seed: w.Seed, Classes: s.Classes})
	if err != nil {
		return err
	}
	defer file.Close()
	rows := t.pop.chosen
	broken := map[int]bool{} // by their number among rows
	o := &ffcv.DatasetOptions{}
	if !t.tried {
		o.OnError = func(key string, err error) error {
			var sample *ffcv.SampleError
			var large *alloc.TooLargeError
			if !errors.As(err, &sample) || errors.As(err, &large) {
				return err
			}
			t.failed = append(t.failed, source.Skip{Path: key, Reason: sample.Err.Error()})
			broken[sample.Sample] = true
			return nil
		}
	}
	cpu, start := processorTime(), time.Now()
	if err := file.WriteDataset(ctx, &someOf{s, rows}, o); err != nil {
		return err
	}
	took, elapsed := processorTime()-cpu, time.Since(start)
	if len(broken) == len(rows) {
		return fmt.Errorf("none of %d samples can be packed; the first: %s: %s", len(rows), t.failed[0].Path, t.failed[0].Reason)
	}
	if !t.tried {
		t.tried = true
		t.pop.drop(broken) // the next ways have the others alone
	}
	n := float64(len(t.pop.chosen))
	out.encode, out.elapsed = took.Seconds()/n, elapsed.Seconds()/n
	return nil
}

// processorTime is what the process took so far, 0 where the system doesn't tell.
func processorTime() time.Duration {
	d, err := usage.CPU()
	if err != nil {
		return 0
	}
	return d
}

const (
	loadBatch = 64
	// loadFor is how much processor time loading is measured for, at least, and
	// loadEpochs by how many times over the samples.
	loadFor    = 600 * time.Millisecond
	loadEpochs = 3
	loadMost   = 50
	cropSide   = 224
)

// loadCPU returns the processor time in seconds that a sample takes to load: its
// first image as a random resized crop, mirrored by chance, the rest as stored. The
// first time over the samples, which makes room for batches, is not counted.
func loadCPU(ctx context.Context, f *ffcv.File) (float64, error) {
	var outputs []loader.Output
	image := false
	for _, d := range f.Fields() {
		o := loader.Output{Name: d.Name}
		if id, _ := d.Plain(); id == d.Type { // what is compressed is unpacked
			o.Decoder = loader.Raw{}
		}
		if !image && d.Type == fields.TypeRGBImage {
			image = true
			o.Decoder = transform.RandomResizedCrop{Width: cropSide, Height: cropSide}
			o.Ops = []any{transform.HorizontalFlip{}}
		}
		outputs = append(outputs, o)
	}
	l, err := loader.New(f, &loader.Options{BatchSize: min(loadBatch, f.Len()), Outputs: outputs})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	var start time.Duration
	samples := 0
	for n := range loadMost {
		if n == 1 {
			start = processorTime()
			samples = 0
		}
		for b, err := range l.Epoch(ctx, n) {
			if err != nil {
				return 0, err
			}
			samples += b.Len()
			b.Release()
		}
		if n >= loadEpochs && processorTime()-start > loadFor {
			break
		}
	}
	return (processorTime() - start).Seconds() / float64(samples), nil
}
