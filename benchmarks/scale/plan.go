package main

import (
	"context"
	"fmt"
	"time"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/hash"
	"github.com/betongo/betongo/internal/term"
)

type planCmd struct {
	Samples   int64         `default:"10000000000" help:"Samples (default 10,000,000,000)."`
	Size      term.Size     `default:"100kB" help:"Bytes of a sample (default 100kB)."`
	Shard     term.Size     `default:"10GB" help:"Bytes of a shard (default 10GB)."`
	Page      term.Size     `default:"8MiB" help:"Bytes of a page (default 8MiB)."`
	Decode    time.Duration `default:"500us" help:"What a processor takes for a sample (default 500us)."`
	Workers   int           `default:"8" help:"Processors of a trainer for loading (default 8)."`
	Trainers  int           `default:"1000" help:"Trainers (default 1,000)."`
	Bandwidth term.Size     `default:"3GB" help:"Bytes a second of a trainer's network (default 3GB)."`
	Batch     int           `default:"256" help:"Samples in a batch (default 256)."`
	Price     float64       `default:"0.0004" help:"Of 1,000 requests, in dollars (default 0.0004)."`
	Simulated int           `default:"50000" help:"Samples of an epoch that are simulated (default 50,000)."`
}

// planned is an order as it looks to one trainer: which samples come when.
type planned struct {
	name string
	at   func(c *planCmd, i int) int64
}

// plannedOrders are those that take no memory that grows with the dataset.
var plannedOrders = []planned{
	{"keyed: any sample next", func(c *planCmd, i int) int64 { return int64(hash.Mix(uint64(i)) % uint64(c.Samples)) }},
	{"blocks of 256 samples, 64 mixed", func(c *planCmd, i int) int64 { return c.mixed(i, 256, 64) }},
	{"sequential", func(_ *planCmd, i int) int64 { return int64(i) }},
}

// mixed is the sample at a position of an order that mixes so many blocks of
// samples at a time, which lie anywhere.
func (c *planCmd) mixed(i, block, window int) int64 {
	n := block * window
	w, k := i/n, i%n
	k = int(ffcv.Shuffled(n, uint64(w))(k))
	at := hash.Mix(uint64(w*window+k/block)) % uint64(max(1, c.Samples/int64(block)))
	return int64(at)*int64(block) + int64(k%block)
}

// Run prints the plan.
func (c *planCmd) Run(_ context.Context, s *streams) error {
	per := int64(c.Shard) / int64(c.Size)
	shards := (c.Samples + per - 1) / per
	row, entry := int64(32), int64(alloc.EntrySize)
	fmt.Fprintf(s.out, "%s samples of %s: %s in %s shards of %s\n", term.FormatCount(c.Samples), term.FormatSize(int64(c.Size)), term.FormatSize(c.Samples*int64(c.Size)), term.FormatCount(shards), term.FormatSize(int64(c.Shard)))
	fmt.Fprintf(s.out, "a shard: %s samples, %s of metadata, %s of allocation table; all of them: %s and %s\n", term.FormatCount(per),
		term.FormatSize(per*row), term.FormatSize(per*entry), term.FormatSize(c.Samples*row), term.FormatSize(c.Samples*entry))
	fmt.Fprintf(s.out, "the index: about %s; open: about %s of memory\n", term.FormatSize(shards*190), term.FormatSize(shards*500))
	fmt.Fprintf(s.out, "an epoch of all trainers at what their processors can do: %.1f hours, %.0f GB/s together\n\n",
		float64(c.Samples)*c.Decode.Seconds()/float64(c.Workers)/float64(c.Trainers)/3600, float64(c.Trainers*c.Workers)/c.Decode.Seconds()*float64(c.Size)/1e9)
	fmt.Fprintln(s.out, "| order | latency | requests at a time | memory | images/s a trainer | workers busy | requests a sample | bytes a sample | requests/s of all trainers | dollars an epoch for requests |")
	fmt.Fprintln(s.out, "|---|---|---|---|---|---|---|---|---|---|")
	for _, o := range plannedOrders {
		for _, v := range []struct {
			latency  time.Duration
			requests int
			memory   int64
		}{{20 * time.Millisecond, 32, 1 << 30}, {20 * time.Millisecond, 256, 1 << 30}, {100 * time.Millisecond, 256, 1 << 30}, {20 * time.Millisecond, 256, 8 << 30}} {
			m := c.model(o, row, entry)
			m.Latency, m.Requests, m.Memory = v.latency.Seconds(), v.requests, v.memory
			f := m.simulate()
			n := float64(len(m.Order))
			fmt.Fprintf(s.out, "| %s | %v | %d | %s | %.0f | %.0f %% | %.2f | %.0f | %.0f | %.0f |\n", o.name, v.latency, v.requests, term.FormatSize(v.memory),
				f.Rate, 100*f.Busy, float64(f.Requests)/n, float64(f.Bytes)/n, f.Rate*float64(f.Requests)/n*float64(c.Trainers),
				float64(f.Requests)/n*float64(c.Samples)/1000*c.Price)
		}
	}
	return nil
}

// model is a trainer. The shards lie one after another in what it simulates.
func (c *planCmd) model(o planned, row, entry int64) model {
	per := int64(c.Shard) / int64(c.Size)
	order := make([]int, c.Simulated)
	for i := range order {
		order[i] = int(o.at(c, i) % c.Samples)
	}
	pages := per*int64(c.Size) + int64(c.Page)
	shard := pages + per*(row+entry)
	inShard := func(i int) (base, k int64) { return int64(i) / per * shard, int64(i) % per }
	return model{
		Layout: layout{
			Size: (c.Samples/per + 1) * shard, Samples: int(c.Samples),
			RowAt: func(i int) int64 { base, k := inShard(i); return base + k*row }, Row: row,
			EntryAt: func(i int) int64 { base, k := inShard(i); return base + per*row + pages + k*entry }, Entry: entry,
			Value: func(i int) (off, size int64) {
				base, k := inShard(i)
				return base + per*row + k*int64(c.Size), int64(c.Size)
			},
		},
		Order: order, Batch: c.Batch, Workers: c.Workers, CPU: c.Decode.Seconds(), Bandwidth: float64(c.Bandwidth),
	}
}
