package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc64"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
)

type shardsCmd struct {
	Dir     string   `required:"" placeholder:"DIR" help:"Where the files are written: 8 bytes a row."`
	Shards  int      `default:"1000" help:"Files (default 1,000)."`
	Rows    int      `default:"1000000" help:"Rows of each (default 1,000,000)."`
	Batch   int      `default:"8192" help:"Rows of a batch (default 8,192)."`
	Workers int      `default:"2" help:"Workers (default 2)."`
	Orders  []string `default:"keyed,blocks,random" help:"Orders to begin an epoch in: keyed, blocks, random, sequential."`
	Whole   []string `default:"keyed" help:"Orders to load a whole epoch in, and to go on with from its middle."`
	Keep    bool     `help:"Leave the files there."`

	Load string `hidden:""` // JSON of an epoch: what a process of its own does
}

// orders are those of files without pages, by name.
var orders = map[string]loader.Order{
	"sequential": loader.Sequential,
	"keyed":      loader.Keyed,
	"random":     loader.Random,
	"blocks":     loader.BlockShuffle{},
}

// Run makes the files, and the tables.
func (c *shardsCmd) Run(ctx context.Context, s *streams) error {
	if c.Load != "" {
		return answer(ctx, c.Load, s.out)
	}
	start := time.Now()
	index, err := c.write()
	if !c.Keep {
		defer c.remove()
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(index)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.out, "%s shards of %s rows, %s bytes of index, written in %.0f s\n\n", term.FormatCount(int64(c.Shards)), term.FormatCount(int64(c.Rows)), term.FormatCount(info.Size()), time.Since(start).Seconds())
	fmt.Fprintln(s.out, "| order | read the index | open | loader.New | first batch | 1,000 batches | own memory |")
	fmt.Fprintln(s.out, "|---|---|---|---|---|---|---|")
	for _, name := range c.Orders {
		r, err := c.run(ctx, epoch{Index: index, Order: name, Batch: c.Batch, Workers: c.Workers, Batches: 1000})
		if err != nil {
			return err
		}
		fmt.Fprintf(s.out, "| %s | %.1f ms | %.1f ms | %.1f ms | %.2f s | %.2f s | %s |\n", name, 1000*r.Read, 1000*r.Open, 1000*r.New, r.First, r.Wall, term.FormatSize(r.Own))
	}
	for _, name := range c.Whole {
		if err := c.whole(ctx, s, index, name); err != nil {
			return err
		}
	}
	return nil
}

// whole loads an epoch without interruption, and its second half once more in
// another process that begins with the state of its middle.
func (c *shardsCmd) whole(ctx context.Context, s *streams, index, name string) error {
	e := epoch{Index: index, Order: name, Batch: c.Batch, Workers: c.Workers, Sum: true, Half: c.Shards * c.Rows / c.Batch / 2}
	all, err := c.run(ctx, e)
	if err != nil {
		return err
	}
	n := uint64(c.Shards) * uint64(c.Rows)
	if all.Rows != n || all.Total != n*(n-1)/2 {
		return fmt.Errorf("%s: %d rows that add up to %d, want %d and %d", name, all.Rows, all.Total, n, n*(n-1)/2)
	}
	e.State = all.State
	half, err := c.run(ctx, e)
	if err != nil {
		return err
	}
	if half.Sum != all.Sum || half.Rows >= all.Rows {
		return fmt.Errorf("%s: resumed, %d rows have the sum %016x, want %016x", name, half.Rows, half.Sum, all.Sum)
	}
	fmt.Fprintf(s.out, "\n%s: each of %s rows came once, in %.0f s (%.1f million rows/s, %s of own memory); resumed in the middle by %d bytes of state, the first batch after %.2f s, the %s rows from there on are the same in the same order\n",
		name, term.FormatCount(int64(all.Rows)), all.Wall, float64(all.Rows)/all.Wall/1e6, term.FormatSize(all.Own), len(all.State), half.First, term.FormatCount(int64(half.Rows)))
	return nil
}

func (c *shardsCmd) shard(i int) string {
	return filepath.Join(c.Dir, fmt.Sprintf("shard-%05d.beton", i))
}

// write makes the files, unless they are there, and their index.
func (c *shardsCmd) write() (index string, err error) {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return "", err
	}
	x := &dataset.Index{Samples: int64(c.Shards * c.Rows), PageSize: ffcv.MinPageSize, Fields: []dataset.IndexField{{Name: "id", Type: fields.TypeInt}}}
	for i := range c.Shards {
		if err := writeShard(c.shard(i), i*c.Rows, c.Rows); err != nil {
			return "", err
		}
		f, err := ffcv.Open(c.shard(i), nil)
		if err != nil {
			return "", err
		}
		one, err := dataset.NewIndex([]*ffcv.File{f}, []string{filepath.Base(c.shard(i))})
		f.Close()
		if err != nil {
			return "", err
		}
		x.Shards = append(x.Shards, one.Shards...)
	}
	b, err := x.Marshal()
	if err != nil {
		return "", err
	}
	index = filepath.Join(c.Dir, "index.json")
	return index, os.WriteFile(index, b, 0o666)
}

func (c *shardsCmd) remove() {
	for i := range c.Shards {
		os.Remove(c.shard(i))
	}
	os.Remove(filepath.Join(c.Dir, "index.json"))
}

// writeShard writes a file of one Int: the rows' numbers, from first on.
func writeShard(path string, first, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, ffcv.HeaderSize+ffcv.DescriptorSize)
	ffcv.Header{Version: ffcv.Version, NumFields: 1, PageSize: ffcv.MinPageSize, NumSamples: uint64(n), AllocTable: uint64(len(b) + 8*n)}.Put(b)
	d := ffcv.FieldDesc{Type: fields.TypeInt, Name: "id"}
	d.Put(b[ffcv.HeaderSize:])
	w := bufio.NewWriterSize(f, 1<<20)
	w.Write(b)
	for i := range n {
		w.Write(binary.LittleEndian.AppendUint64(w.AvailableBuffer(), uint64(first+i)))
	}
	if err := w.Flush(); err != nil { // the first failure of any
		return err
	}
	return f.Close()
}

// epoch is what a process of its own loads.
type epoch struct {
	Index   string
	Order   string
	Batch   int
	Workers int
	Batches int  // after which it is left; 0 for all
	Sum     bool // of the values from batch Half on
	Half    int
	State   []byte // to begin with
}

// loaded is what came: times in seconds.
type loaded struct {
	Read, Open, New, First, Wall float64
	Own                          int64
	Rows, Total                  uint64 // number and sum of the values
	Sum                          uint64 // of the values' bytes from batch Half on
	State                        []byte // after batch Half
}

// run loads an epoch in a process of its own.
func (c *shardsCmd) run(ctx context.Context, e epoch) (r loaded, err error) {
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	text, err := json.Marshal(e)
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, self, "shards", "--dir", c.Dir, "--load", string(text))
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("load %s: %w\n%s", text, err, errs.Bytes())
	}
	return r, json.Unmarshal(out, &r)
}

func answer(ctx context.Context, text string, out io.Writer) error {
	var e epoch
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return err
	}
	r, err := e.load(ctx)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// load opens the dataset and loads.
func (e *epoch) load(ctx context.Context) (r loaded, err error) {
	peak := usage.Watch(10 * time.Millisecond)
	defer peak.Stop()
	begin := time.Now()
	lap := func() float64 {
		d := time.Since(begin).Seconds()
		begin = time.Now()
		return d
	}
	b, err := os.ReadFile(e.Index)
	if err != nil {
		return r, err
	}
	x, err := dataset.ParseIndex(b)
	if err != nil {
		return r, err
	}
	r.Read = lap()
	ds, err := dataset.OpenIndex(x, filepath.Dir(e.Index), nil)
	if err != nil {
		return r, err
	}
	defer ds.Close()
	r.Open = lap()
	l, err := e.loader(ds)
	if err != nil {
		return r, err
	}
	defer l.Close()
	r.New = lap()
	if err := e.count(ctx, l, &r); err != nil {
		return r, err
	}
	r.Wall, r.Own = lap(), peak.Stop()
	return r, nil
}

func (e *epoch) loader(ds loader.Dataset) (*loader.Loader, error) {
	order, ok := orders[e.Order]
	if !ok {
		return nil, fmt.Errorf("no order %q", e.Order)
	}
	opts := &loader.Options{BatchSize: e.Batch, Workers: e.Workers, Order: order, Seed: 1}
	if e.State == nil {
		return loader.New(ds, opts)
	}
	var s loader.State
	if err := json.Unmarshal(e.State, &s); err != nil {
		return nil, err
	}
	return loader.Resume(ds, opts, &s)
}

// count goes through the epoch.
func (e *epoch) count(ctx context.Context, l *loader.Loader, r *loaded) error {
	begin, table, done := time.Now(), crc64.MakeTable(crc64.ECMA), 0
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			return err
		}
		if done == 0 {
			r.First = time.Since(begin).Seconds()
		}
		done++
		data := b.Output("id").Data
		r.Rows += uint64(b.Len())
		if e.Sum {
			if e.State != nil || b.Index() >= e.Half {
				r.Sum = crc64.Update(r.Sum, table, data)
			}
			for ; len(data) > 0; data = data[8:] {
				r.Total += binary.LittleEndian.Uint64(data)
			}
		}
		if b.Index() == e.Half-1 && e.State == nil {
			s, err := l.State()
			if err == nil {
				r.State, err = json.Marshal(s)
			}
			if err != nil {
				return err
			}
		}
		b.Release()
		if done == e.Batches {
			break
		}
	}
	return nil
}
