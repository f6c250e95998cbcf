package main

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
)

type checkCmd struct {
	Dir       string          `required:"" placeholder:"DIR" help:"Where the file is written; it stays there."`
	Samples   int             `default:"2500" help:"Samples (default 2,500)."`
	Size      term.Size       `default:"50KiB" help:"Bytes of a sample, on average (default 50KiB)."`
	Latency   []time.Duration `default:"0s,1ms,5ms,20ms,50ms,100ms" help:"Latencies."`
	Bandwidth term.Size       `help:"Bytes a second of the link (default: any number)."`
	Requests  []int           `default:"4,32" help:"Requests at a time (default 4 and 32)."`
	Orders    []string        `default:"random,sequential" help:"Orders (default random and sequential)."`
	Batch     int             `default:"64" help:"Samples in a batch (default 64)."`
	Workers   int             `default:"2" help:"Workers (default 2)."`
	Decode    time.Duration   `default:"2ms" help:"What a worker takes for a sample, asleep: so that the machine's other work counts little (default 2ms)."`
	Memory    term.Size       `default:"64MiB" help:"Memory to read ahead through (default 64MiB)."`
	Rounds    int             `default:"3" help:"Epochs measured for each line, of which the fastest counts (default 3)."`

	best float64 // samples a second without delay, of all epochs
}

// Run compares what the simulator foretells with what the loader does.
func (c *checkCmd) Run(ctx context.Context, s *streams) error {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return err
	}
	path := filepath.Join(c.Dir, fmt.Sprintf("values-%d-%d.beton", c.Samples, c.Size))
	if _, err := os.Stat(path); err != nil {
		if err := writeValues(ctx, path, c.Samples, int(c.Size)); err != nil {
			return err
		}
	}
	l, err := layoutOf(path)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s\ncommit %s\n\n%s samples of %s, batches of %d, %d workers, %v a sample, %s of memory\n\n", usage.Machine(), usage.Commit(ctx),
		term.FormatCount(int64(c.Samples)), term.FormatSize(int64(c.Size)), c.Batch, c.Workers, c.Decode, term.FormatSize(int64(c.Memory)))
	fmt.Fprintln(s.out, "| order | requests at a time | latency | foretold, samples/s | measured | error | requests a sample | foretold | first batch | foretold |")
	fmt.Fprintln(s.out, "|---|---|---|---|---|---|---|---|---|---|")
	var pairs []*pair
	for _, order := range c.Orders {
		for _, requests := range c.Requests {
			for _, latency := range c.Latency {
				pairs = append(pairs, &pair{order: order, far: far{latency: latency, bandwidth: float64(c.Bandwidth), reads: requests}})
			}
		}
	}
	if err := c.measureAll(ctx, path, pairs); err != nil {
		return err
	}
	for _, p := range pairs {
		c.best = max(c.best, fastest(p.near).Rate)
	}
	sum, worst, n := 0.0, 0.0, 0
	for _, p := range pairs {
		m, got := c.foretell(l, p), fastest(p.got)
		off := m.Rate/got.Rate - 1
		sum, worst, n = sum+math.Abs(off), max(worst, math.Abs(off)), n+1
		fmt.Fprintf(s.out, "| %s | %d | %v | %.0f | %.0f | %+.1f %% | %.2f | %.2f | %.2f s | %.2f s |\n", p.order, p.far.reads, p.far.latency, m.Rate, got.Rate, 100*off,
			float64(got.Requests)/float64(c.Samples), float64(m.Requests)/float64(c.Samples), got.First, m.First)
	}
	fmt.Fprintf(s.out, "\nmean error %.1f %%, worst %.1f %%\n", 100*sum/float64(n), 100*worst)
	return nil
}

// pair is a line: what is measured, and with what.
type pair struct {
	order string
	far   far
	ids   []int // of the epoch
	got   []foretold
	near  []foretold // the same without delay
}

// measureAll measures all lines, in turns, each beside an epoch without delay.
func (c *checkCmd) measureAll(ctx context.Context, path string, pairs []*pair) error {
	for range c.Rounds {
		for _, p := range pairs {
			r, ids, err := c.measure(ctx, path, p.order, p.far)
			if err != nil {
				return err
			}
			near, _, err := c.measure(ctx, path, p.order, far{reads: p.far.reads})
			if err != nil {
				return err
			}
			p.ids, p.got, p.near = ids, append(p.got, r), append(p.near, near)
		}
	}
	return nil
}

// foretell simulates a line. What a worker takes for a sample is what it took
// in the fastest epoch without delay.
func (c *checkCmd) foretell(l layout, p *pair) foretold {
	return model{
		Layout: l, Order: p.ids, Most: true, Batch: c.Batch, Workers: c.Workers, CPU: float64(c.Workers) / c.best,
		Latency: p.far.latency.Seconds(), Bandwidth: p.far.bandwidth, Requests: p.far.reads, Memory: int64(c.Memory),
	}.simulate()
}

// measure loads an epoch through a delay.
func (c *checkCmd) measure(ctx context.Context, path, order string, far far) (r foretold, ids []int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return r, nil, err
	}
	slow := &farFile{File: f, far: far}
	cache, err := dataset.NewCache(int64(c.Memory), []dataset.CacheFile{{Name: path, Size: info.Size(), Open: func(context.Context) (io.ReaderAt, error) { return slow, nil }}}, &dataset.CacheOptions{Reads: far.reads})
	if err != nil {
		return r, nil, err
	}
	ds, err := dataset.OpenFiles("", []string{path}, &dataset.Options{Cache: cache, Open: func(string) (*ffcv.File, error) { return cache.Open(0, nil) }})
	if err != nil {
		return r, nil, err
	}
	defer ds.Close()
	l, err := loader.New(ds, &loader.Options{BatchSize: c.Batch, Workers: c.Workers, Order: checkOrders[order], Seed: 1,
		Outputs: []loader.Output{{Name: "x", Decoder: sleeper(c.Decode)}}})
	if err != nil {
		return r, nil, err
	}
	defer l.Close()
	before, begin := slow.count(), time.Now()
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return r, nil, err
		}
		if ids == nil {
			r.First = time.Since(begin).Seconds()
		}
		ids = append(ids, b.Samples()...)
		b.Release()
	}
	r.Wall = time.Since(begin).Seconds()
	r.Rate = float64(len(ids)) / r.Wall
	r.Requests = slow.count() - before
	return r, ids, nil
}

var checkOrders = map[string]loader.Order{
	"sequential": loader.Sequential,
	"random":     loader.Random,
	"keyed":      loader.Keyed,
	"quasi":      loader.QuasiRandom,
	"blocks":     loader.BlockShuffle{},
}

// sleeper is a decoder that takes a time for each value.
type sleeper time.Duration

func (d sleeper) BindField(ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	return array.Spec{DType: array.Uint8, Shape: []int{1}}, func(dst, _ []byte, data [][]byte, _ *rand.Rand) error {
		dst[0] = data[0][len(data[0])-1]
		time.Sleep(time.Duration(d))
		return nil
	}, nil
}

// far is how far away a file is.
type far struct {
	latency   time.Duration
	bandwidth float64 // bytes a second of all reads together; 0 any
	reads     int     // at a time
}

// farFile is a file that is far away.
type farFile struct {
	*os.File
	far
	mu       sync.Mutex
	requests int
	linkFree time.Time
}

func (f *farFile) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

// ReadAt is that of the file, later.
func (f *farFile) ReadAt(p []byte, off int64) (int, error) {
	end := f.begin(len(p))
	n, err := f.File.ReadAt(p, off)
	time.Sleep(time.Until(end))
	return n, err
}

// ReadPieces is ReadAt into one piece after another, which is one request.
func (f *farFile) ReadPieces(pieces [][]byte, off int64) (n int64, err error) {
	total := 0
	for _, p := range pieces {
		total += len(p)
	}
	end := f.begin(total)
	for _, p := range pieces {
		m, err := f.File.ReadAt(p, off+n)
		if n += int64(m); err != nil {
			return n, err
		}
	}
	time.Sleep(time.Until(end))
	return n, nil
}

// begin begins a request, and returns when its answer is there.
func (f *farFile) begin(bytes int) time.Time {
	end := time.Now().Add(f.latency)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if f.bandwidth > 0 {
		if f.linkFree.After(end) {
			end = f.linkFree
		}
		end = end.Add(time.Duration(float64(bytes) / f.bandwidth * float64(time.Second)))
		f.linkFree = end
	}
	return end
}

// fastest returns the result of the highest rate: what else the machine does only
// slows, and that by a half on a busy one.
func fastest(list []foretold) foretold {
	return slices.MaxFunc(list, func(a, b foretold) int { return cmp.Compare(a.Rate, b.Rate) })
}

// writeValues writes n values of bytes, of half to one and a half times a size.
func writeValues(ctx context.Context, path string, n, size int) error {
	w, err := ffcv.Create(path, []ffcv.FieldSpec{{Name: "x", Field: fields.Bytes{}}}, &ffcv.Options{Overwrite: true})
	if err != nil {
		return err
	}
	defer w.Close()
	return w.WriteDataset(ctx, values{n, size}, nil)
}

type values struct{ n, size int }

func (v values) Len() int { return v.n }

func (v values) Sample(_ context.Context, i int) ([]any, string, error) {
	rng := rand.New(rand.NewPCG(1, uint64(i)))
	b := make([]byte, v.size/2+rng.IntN(v.size)+1)
	for k := 0; k+8 <= len(b); k += 8 {
		binary.LittleEndian.PutUint64(b[k:], rng.Uint64())
	}
	return []any{b}, "", nil
}

// layoutOf reads where a file of one field of bytes has its values.
func layoutOf(path string) (l layout, err error) {
	f, err := ffcv.Open(path, nil)
	if err != nil {
		return l, err
	}
	defer f.Close()
	list := make([]extent, f.Len())
	for e, err := range f.Entries() {
		if err != nil {
			return l, err
		}
		list[e.Sample] = extent{int64(e.Ptr), int64(e.Size)}
	}
	h := f.Header()
	rows, row := ffcv.HeaderSize+int64(h.NumFields)*ffcv.DescriptorSize, int64(f.RowSize())
	return layout{
		Size: f.Size(), Samples: f.Len(), RowAt: func(i int) int64 { return rows + int64(i)*row }, Row: row,
		Value: func(i int) (off, size int64) { return list[i].off, list[i].size },
	}, nil
}
