package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/store"
)

type benchCommand struct {
	filesFlags
	memoryFlags
	orderFlags  `group:"Order"`
	policyFlags `group:"Samples that are no good"`
	loadFlags
	Epochs  int    `default:"3" placeholder:"N" help:"Epochs to load (default 3); the figures are medians of those after the first."`
	Marks   string `name:"marks-file" complete:"file" placeholder:"FILE" help:"Take checkpoints of JPEGs from this side file, and add to it those that it lacks: see 'ffcv marks'."`
	Cold    bool   `help:"Drop the files from the system's cache before each epoch, as far as it does that (Linux, with --memory)."`
	Explain bool   `help:"Say how each output is made, what is one pass with the decoder and what runs after it; and of the last epoch what held it up and where the time went."`
	JSON    bool   `name:"json" help:"Print JSON on standard output. It is one object."`
}

// Validate is kong's hook.
func (c *benchCommand) Validate() error {
	if c.Epochs < 1 {
		return fmt.Errorf("--epochs: %d; expected 1 or more", c.Epochs)
	}
	if err := errors.Join(c.loadFlags.check(), c.memoryFlags.set(&c.customFlags), c.orderFlags.check(), c.policyFlags.check()); err != nil {
		return err
	}
	return c.filesFlags.Validate()
}

// benchResult is what the verb prints; as JSON it is a contract with other
// programs. Times are in seconds, memory in MiB.
type benchResult struct {
	File     string `json:"file"` // of several, which and how many
	Pipeline string `json:"pipeline"`
	Order    string `json:"order"`
	Batch    int    `json:"batch"`
	Workers  int    `json:"workers"`

	Memory int64            `json:"memory,omitempty"` // bytes of the cache; 0: mapped
	Cache  *ffcv.CacheStats `json:"cache,omitempty"`  // of all epochs, of one file

	Store *remote.Stats `json:"store,omitempty"` // what opening URLs asked of object stores

	Plan  []loader.Pipeline `json:"plan,omitempty"`  // with --explain
	Stats *benchStats       `json:"stats,omitempty"` // of the last epoch, with --explain

	Open       float64      `json:"open_s"`
	FirstBatch *float64     `json:"start_to_first_batch_s"` // from process start; null when there was no batch
	Epochs     []benchEpoch `json:"epochs"`

	// Medians of the epochs after the first, or of the only one.
	SamplesPerSec float64 `json:"samples_per_s"`
	CPUPerSample  float64 `json:"cpu_ms_per_sample"`

	PeakRSS  *float64 `json:"peak_rss_mb"`  // null where the system does not tell
	PeakAnon *float64 `json:"peak_anon_mb"` // RssAnon + RssShmem; null elsewhere than on Linux
}

type benchEpoch struct {
	Wall       float64 `json:"wall_s"`
	CPU        float64 `json:"cpu_s"` // user + system of the process
	FirstBatch float64 `json:"first_batch_s"`
	Faults     int64   `json:"major_faults"` // pages that the system had to read for the process; 0 on Windows
	Samples    int     `json:"samples"`
	Batches    int     `json:"batches"`

	Skipped *skipResult `json:"skipped,omitempty"`

	Store *remote.Stats `json:"store,omitempty"` // what it asked of object stores
}

// sampleEvery is how often the memory is looked at. Batches live longer.
const sampleEvery = 10 * time.Millisecond

// inMiB is nil for a negative number of bytes, which isn't known.
func inMiB(bytes int64) *float64 {
	if bytes < 0 {
		return nil
	}
	f := float64(bytes) / (1 << 20)
	return &f
}

// Run is kong's hook.
func (c *benchCommand) Run(e *env) error {
	watch := usage.Watch(sampleEvery)
	defer watch.Stop()
	start := time.Now()
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	r := benchResult{File: f.Name(), Pipeline: c.Pipeline, Order: c.Order, Batch: c.Batch, Workers: c.Workers, Memory: c.memory,
		Open: time.Since(start).Seconds()}
	if opened := c.meter.Stats(); opened != (remote.Stats{}) {
		r.Store = &opened
	}
	if b, ok := f.(loader.Budgeter); ok {
		r.Memory = b.CacheBudget()
	}
	warn := func(msg string) { term.Say(e.stderr, prog, "warning", msg) }
	progress := term.NewProgress(e.stderr, prog, "samples", int64(c.Epochs)*int64(f.Len()))
	err = c.load(e.ctx, f, &r, warn, func(done int) { progress.Set(int64(done), int64(c.Epochs)*int64(f.Len())) })
	progress.Clear()
	if err != nil {
		return c.suggest(err)
	}
	if s, ok := f.(interface {
		CacheStats() (ffcv.CacheStats, bool)
	}); ok {
		if stats, ok := s.CacheStats(); ok {
			r.Cache = &stats
		}
	}
	r.PeakAnon, r.PeakRSS = inMiB(watch.Stop()), inMiB(usage.PeakRSS())
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	return r.print(e.stdout)
}

var filters = map[string]rgb.Filter{"area": rgb.Area, "bilinear": rgb.Bilinear}

// load runs the epochs.
func (c *benchCommand) load(ctx context.Context, f loader.Dataset, r *benchResult, warn func(string), told func(done int)) error {
	outputs, err := pipeline(f, c.Pipeline, c.shape())
	if err != nil {
		return err
	}
	order, err := c.order(f)
	if err != nil {
		return err
	}
	opts := &loader.Options{
		BatchSize: c.Batch,
		Workers:   c.Workers,
		Order:     order,
		Seed:      c.Seed,
		DropLast:  c.DropLast,
		MarksFile: c.Marks,
		Warn:      warn,
		Outputs:   outputs,
	}
	if err := c.policyFlags.set(opts); err != nil {
		return err
	}
	l, err := loader.New(f, opts)
	if err != nil {
		return err
	}
	defer l.Close()
	if c.Explain {
		r.Plan = l.Explain()
	}
	for n := range c.Epochs {
		if err := c.chill(); err != nil {
			return err
		}
		before := c.meter.Stats()
		done := r.loaded()
		epoch, first, err := runEpoch(ctx, l, n, func(samples int) { told(done + samples) })
		if err != nil {
			return err
		}
		if r.Store != nil {
			s := c.meter.Stats()
			epoch.Store = &remote.Stats{Requests: s.Requests - before.Requests, Bytes: s.Bytes - before.Bytes, Cached: s.Cached - before.Cached}
		}
		epoch.Skipped = skipped(l, n)
		if r.FirstBatch == nil && epoch.Batches > 0 {
			s := first.Sub(usage.Start()).Seconds()
			r.FirstBatch = &s
		}
		r.Epochs = append(r.Epochs, epoch)
	}
	if c.Explain {
		r.Stats = newBenchStats(l.Stats())
	}
	r.summarise()
	return l.Close()
}

// chill drops the files from the system's cache, with --cold.
func (c *benchCommand) chill() error {
	if !c.Cold {
		return nil
	}
	for _, path := range c.Files {
		if store.IsURL(path) {
			return term.Usagef("--cold: %s lies in no cache of the system's", store.Name(path))
		}
	}
	list, err := dataset.Expand(c.Files)
	for _, file := range list {
		err = errors.Join(err, usage.DropCached(file))
	}
	return err
}

// loaded is how many samples the epochs had.
func (r *benchResult) loaded() (n int) {
	for _, e := range r.Epochs {
		n += e.Samples
	}
	return n
}

// runEpoch loads one epoch; first is when its first batch came. After each it calls
// told with the samples so far.
func runEpoch(ctx context.Context, l *loader.Loader, n int, told func(samples int)) (epoch benchEpoch, first time.Time, err error) {
	cpu, err := usage.CPU()
	if err != nil {
		return epoch, first, err
	}
	start, faults := time.Now(), usage.MajorFaults()
	for b, err := range l.Epoch(ctx, n) {
		if err != nil {
			return epoch, first, err
		}
		if epoch.Batches == 0 {
			first = time.Now()
			epoch.FirstBatch = first.Sub(start).Seconds()
		}
		epoch.Batches++
		epoch.Samples += b.Len()
		b.Release()
		told(epoch.Samples)
	}
	epoch.Wall = time.Since(start).Seconds()
	after, err := usage.CPU()
	epoch.CPU = (after - cpu).Seconds()
	epoch.Faults = usage.MajorFaults() - faults
	return epoch, first, err
}

// summarise computes the medians.
func (r *benchResult) summarise() {
	hot := r.Epochs
	if len(hot) > 1 {
		hot = hot[1:]
	}
	if samples := float64(hot[0].Samples); samples > 0 {
		r.SamplesPerSec = samples / max(median(hot, func(e benchEpoch) float64 { return e.Wall }), 1e-9)
		r.CPUPerSample = 1000 * median(hot, func(e benchEpoch) float64 { return e.CPU }) / samples
	}
}

func median(epochs []benchEpoch, of func(benchEpoch) float64) float64 {
	values := make([]float64, len(epochs))
	for i, e := range epochs {
		values[i] = of(e)
	}
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 0 {
		return (values[mid-1] + values[mid]) / 2
	}
	return values[mid]
}

func (r *benchResult) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "file\t%s\n", r.File)
	fmt.Fprintf(t, "pipeline\t%s, %s order, batches of %d\n", r.Pipeline, r.Order, r.Batch)
	for i, p := range r.Plan {
		name := ""
		if i == 0 {
			name = "plan"
		}
		fmt.Fprintf(t, "%s\t%s\n", name, p)
	}
	asked := ""
	if s := r.Store; s != nil {
		asked = fmt.Sprintf(", %s, %s", counted(int(s.Requests), "request"), term.FormatSize(s.Bytes))
	}
	fmt.Fprintf(t, "open\t%.2f ms%s\n", 1000*r.Open, asked)
	if r.FirstBatch != nil {
		fmt.Fprintf(t, "first batch\t%.0f ms after the process began\n", 1000**r.FirstBatch)
	}
	for i, e := range r.Epochs {
		fmt.Fprintf(t, "epoch %d\t%s samples in %.3f s, %.3f CPU-s%s\n", i, term.FormatCount(int64(e.Samples)), e.Wall, e.CPU, e.asked())
	}
	for _, e := range r.Epochs {
		if e.Skipped != nil {
			e.Skipped.print(t)
			break // the others are as the first, but for a random crop that misses a flaw
		}
	}
	fmt.Fprintf(t, "median\t%s samples/s, %.4g CPU-ms a sample\n", term.FormatCount(int64(r.SamplesPerSec)), r.CPUPerSample)
	if s := r.Cache; s != nil {
		blocks := max(1, s.Hits+s.Waits+s.Misses)
		fmt.Fprintf(t, "cache\t%s: %.1f %% of the blocks were there, %.1f %% just coming, %s read in all\n",
			term.FormatSize(r.Memory), 100*float64(s.Hits)/float64(blocks), 100*float64(s.Waits)/float64(blocks), term.FormatSize(s.Bytes))
	}
	if r.Stats != nil {
		r.Stats.print(t)
	}
	if r.PeakAnon != nil {
		fmt.Fprintf(t, "memory\t%.1f MiB of the process's own at most\n", *r.PeakAnon)
	}
	return t.Flush()
}

// asked says what an epoch asked of object stores; "" nothing.
func (e *benchEpoch) asked() string {
	if e.Store == nil || e.Samples == 0 {
		return ""
	}
	n := float64(e.Samples)
	text := fmt.Sprintf("; %.3g requests and %s a sample", float64(e.Store.Requests)/n, term.FormatSize(int64(float64(e.Store.Bytes)/n)))
	if e.Store.Cached > 0 {
		text += fmt.Sprintf(", %s of the folder", term.FormatSize(int64(float64(e.Store.Cached)/n)))
	}
	return text
}

// errNoImage says that a pipeline has nothing to work on.
var errNoImage = errors.New("the file has no image field")
