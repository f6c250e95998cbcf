package main

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/loader"
)

// values of one size one after another.
func evenly(n int, size int64) layout {
	const rows, pages = 1089, 1 << 20
	return layout{Size: pages + int64(n)*size, Samples: n, RowAt: func(i int) int64 { return rows + int64(i)*16 }, Row: 16,
		Value: func(i int) (off, bytes int64) { return pages + int64(i)*size, size }}
}

func counted(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// TestSimulate: cases that can be worked out by hand.
func TestSimulate(t *testing.T) {
	const n = 4096
	about := func(what string, got, want, by float64) {
		t.Helper()
		if math.Abs(got-want) > by*want {
			t.Errorf("%s: %.4g, want %.4g", what, got, want)
		}
	}
	base := model{Layout: evenly(n, 8*blockSize), Order: counted(n), Batch: 64, Workers: 2, CPU: 1e-3, Requests: 32, Memory: 256 << 20}
	// Samples that are far apart take a request each.
	apart := base
	apart.Layout.Value = func(i int) (off, size int64) {
		return 1<<20 + int64(i)*64*blockSize, 4 * blockSize
	}
	apart.Layout.Size = 1 << 40

	m := base
	f := m.simulate()
	about("nothing but the workers", f.Rate, 2000, 0.01)
	about("busy", f.Busy, 1, 0.02)

	m = apart
	m.Latency = 0.1
	f = m.simulate()
	about("32 requests at a time of 100 ms", f.Rate, 320, 0.05)
	about("requests", float64(f.Requests), n+4, 0.01)

	m.Requests, m.Memory = 8, 64<<20
	about("8 of them, and what the workers read themselves", m.simulate().Rate, 85, 0.05)

	m = apart
	m.Latency = 0.001
	f = m.simulate()
	about("a latency that is hidden", f.Rate, 2000, 0.02)

	m = apart
	m.Latency, m.Bandwidth = 0.02, 50e6
	about("a narrow link", m.simulate().Rate, 50e6/(4*blockSize), 0.05)

	m = apart
	m.Latency, m.Ahead, m.Batch, m.Memory = 0.1, 1, 8, 2<<20 // room for no more
	// One batch after another: its values come at once, 100 ms later; rows lie in
	// few blocks.
	about("no batch ahead", m.simulate().Rate, 8/(0.1+4e-3), 0.1)

	m = base
	m.Latency = 0.02
	f = m.simulate()
	if most := float64(n*8)/runBlocks + 200; float64(f.Requests) > most {
		t.Errorf("samples that lie together take %d requests, want %.0f at most", f.Requests, most)
	}
	about("bytes", float64(f.Bytes), n*8*blockSize, 0.02)

	m = base
	m.RequestCPU, m.ByteCPU = 0, 1e-9
	about("bytes that take the workers' time", m.simulate().Rate, 2000/(1+8*blockSize*1e-6*2/2), 0.1)

	m = apart
	m.Memory, m.Latency = 1<<20, 0.001 // 64 blocks for batches of 256
	if f = m.simulate(); f.Late == 0 {
		t.Error("there is room for everything in a MiB")
	}
}

// TestCheck: what the simulator foretells of small epochs comes about, where the
// latency is what counts.
func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	c := &checkCmd{Samples: 400, Size: 40 << 10, Batch: 16, Workers: 2, Decode: 100 * time.Microsecond, Memory: 14 << 20, Rounds: 1} // less than the file
	if err := writeValues(t.Context(), path, c.Samples, int(c.Size)); err != nil {
		t.Fatal(err)
	}
	l, err := layoutOf(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*pair{
		{order: "random", far: far{latency: 20 * time.Millisecond, reads: 2}},
		{order: "random", far: far{latency: 20 * time.Millisecond, reads: 16}},
		{order: "keyed", far: far{latency: 5 * time.Millisecond, reads: 4, bandwidth: 10e6}},
	} {
		if err := c.measureAll(t.Context(), path, []*pair{p}); err != nil {
			t.Fatal(err)
		}
		c.best = p.near[0].Rate
		m, got := c.foretell(l, p), p.got[0]
		t.Logf("%s, %+v: %.0f samples/s in %d requests, foretold %.0f in %d", p.order, p.far, got.Rate, got.Requests, m.Rate, m.Requests)
		// A loaded machine is slower, none is faster.
		if got.Rate > 1.5*m.Rate || got.Rate < m.Rate/4 {
			t.Errorf("%s, %+v: %.0f samples/s, foretold %.0f", p.order, p.far, got.Rate, m.Rate)
		}
		if math.Abs(float64(got.Requests-m.Requests)) > 0.25*float64(m.Requests)+5 {
			t.Errorf("%s, %+v: %d requests, foretold %d", p.order, p.far, got.Requests, m.Requests)
		}
	}
	if len(checkOrders) == 0 || checkOrders["keyed"] != loader.Keyed {
		t.Error("no orders")
	}
}

// TestCommands run in a small size.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "--samples", "100", "--size", "4KiB", "--latency", "1ms", "--requests", "4", "--orders", "random", "--rounds", "1", "--decode", "100us", "--dir", t.TempDir()}, "mean error"},
		{[]string{"plan", "--samples", "1000000", "--simulated", "2000"}, "requests"},
	} {
		var out, errs bytes.Buffer
		if code := run(context.Background(), c.args, &out, &errs); code != 0 || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: %d\n%s%s", c.args, code, out.Bytes(), errs.Bytes())
		}
	}
	var out, errs bytes.Buffer
	if code := run(context.Background(), []string{"check", "--dir", filepath.Join(t.TempDir(), "a\x00b")}, &out, &errs); code == 0 {
		t.Error("a folder that can't be")
	}
}

// TestShard: what is written is sound, and an epoch of it and its half are counted.
func TestShards(t *testing.T) {
	c := &shardsCmd{Dir: t.TempDir(), Shards: 5, Rows: 1000, Batch: 64, Workers: 2}
	index, err := c.write()
	if err != nil {
		t.Fatal(err)
	}
	for order := range orders {
		e := epoch{Index: index, Order: order, Batch: c.Batch, Workers: c.Workers, Sum: true, Half: 30}
		all, err := e.load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := uint64(c.Shards * c.Rows); all.Rows != n || all.Total != n*(n-1)/2 || all.State == nil {
			t.Errorf("%s: %+v", order, all)
		}
		e.State = all.State
		half, err := e.load(t.Context())
		if err != nil || half.Sum != all.Sum || half.Rows != all.Rows-30*64 {
			t.Errorf("%s: %+v, %v, want the sum %x", order, half, err, all.Sum)
		}
	}
	if _, err := (&epoch{Index: index, Order: "none"}).load(t.Context()); err == nil {
		t.Error("an order that isn't there")
	}
}
