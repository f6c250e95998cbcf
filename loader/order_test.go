package loader_test

import (
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

type orders struct {
	Random []struct {
		N           int
		Indices     []int
		Seed, Epoch uint64
		Order       []int
	}
	Distributed []struct {
		Kind  string
		World int `json:"world_size"`
		Rank  int
		N     int
		Seed  uint64
		Epoch int
		Order []int
	}
	Quasi []struct {
		Beton     string
		BatchSize int `json:"batch_size"`
		Indices   []int
		Seed      uint64
		Epoch     int
		Order     json.RawMessage
	} `json:"quasi_random"`
}

func readOrders(t *testing.T) orders {
	t.Helper()
	var o orders
	golden.JSON("orders.json", &o)
	if len(o.Random) < 20 || len(o.Distributed) < 50 || len(o.Quasi) < 19 {
		t.Fatalf("%d, %d and %d orders", len(o.Random), len(o.Distributed), len(o.Quasi))
	}
	return o
}

// sequence reads a whole epoch of one rank in batches of that size.
func sequence(t *testing.T, p loader.Plan, epoch, batch int) []int {
	t.Helper()
	return share(t, p, epoch, batch, 0, 1)
}

// share reads a whole epoch of a rank in batches of that size.
func share(t *testing.T, p loader.Plan, epoch, batch, rank, world int) []int {
	t.Helper()
	seq, err := p.Epoch(loader.Start{Epoch: epoch, WorldSize: world, BatchSize: batch})
	if err != nil {
		t.Fatal(err)
	}
	defer seq.Close()
	out, _, err := loader.Deal(seq, 0, p.Len(), rank, world, batch, false, false)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestRandomIsNumPy(t *testing.T) {
	for _, g := range readOrders(t).Random {
		s := loader.Selection{Len: g.N, Seed: g.Seed}
		if g.Indices != nil {
			s.Samples, s.Len = g.Indices, len(g.Indices)
		}
		p, err := loader.Random.Plan(s)
		if err != nil {
			t.Fatal(err)
		}
		if got := sequence(t, p, int(g.Epoch), 7); !slices.Equal(got, g.Order) {
			t.Errorf("n %d, seed %d, epoch %d: %v, want %v", g.N, g.Seed, g.Epoch, got, g.Order)
		}
	}
}

// TestRandomSeeds checks sums of seed and epoch at the edges of one, two and
// three words against NumPy 2.4.6: default_rng(seed+epoch).permutation(8).
func TestRandomSeeds(t *testing.T) {
	for _, g := range []struct {
		seed  uint64
		epoch int
		want  []int
	}{
		{1<<32 - 1, 0, []int{0, 6, 4, 5, 3, 2, 1, 7}},
		{1<<32 - 1, 1, []int{1, 3, 7, 6, 0, 4, 2, 5}},
		{1<<64 - 1, 0, []int{0, 4, 3, 5, 6, 1, 2, 7}},
		{1<<64 - 1, 1, []int{4, 1, 5, 3, 6, 7, 2, 0}},
		{1<<64 - 1, 3, []int{3, 0, 5, 2, 1, 6, 4, 7}},
	} {
		p := plan(t, loader.Random, loader.Selection{Len: 8, Seed: g.seed})
		if got := sequence(t, p, g.epoch, 8); !slices.Equal(got, g.want) {
			t.Errorf("seed %d, epoch %d: %v, want %v", g.seed, g.epoch, got, g.want)
		}
	}
}

func plan(t *testing.T, o loader.Order, s loader.Selection) loader.Plan {
	t.Helper()
	p, err := o.Plan(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestDistributedIsTorch(t *testing.T) {
	for _, g := range readOrders(t).Distributed {
		order := loader.Sequential
		if g.Kind == "RANDOM" {
			order = loader.Random
		}
		p := plan(t, order, loader.Selection{Len: g.N, Seed: g.Seed})
		if got := share(t, p, g.Epoch, 5, g.Rank, g.World); !slices.Equal(got, g.Order) {
			t.Errorf("%s, n %d, seed %d, epoch %d, rank %d of %d: %v, want %v", g.Kind, g.N, g.Seed, g.Epoch, g.Rank, g.World, got, g.Order)
		}
	}
}

func TestQuasiRandomIsFFCV(t *testing.T) {
	files := map[string]*ffcv.File{}
	for _, g := range readOrders(t).Quasi {
		if g.Indices != nil {
			continue // a first call of its own: see TestQuasiFirstCall
		}
		var want []int
		if err := json.Unmarshal(g.Order, &want); err != nil {
			t.Fatal(err)
		}
		if files[g.Beton] == nil {
			files[g.Beton] = open(t, g.Beton)
		}
		s := loader.Selection{Dataset: files[g.Beton], Len: len(want), Seed: g.Seed}
		p := plan(t, loader.QuasiRandom, s)
		got := sequence(t, p, g.Epoch, g.BatchSize)
		if !slices.Equal(got, want) {
			t.Errorf("batch size %d, seed %d, epoch %d: %v…, want %v…", g.BatchSize, g.Seed, g.Epoch, got[:5], want[:5])
		}
		// The state is a function of the epoch, whatever was asked before.
		sequence(t, p, g.Epoch+3, g.BatchSize)
		if again := sequence(t, p, g.Epoch, g.BatchSize); !slices.Equal(again, got) {
			t.Errorf("epoch %d differs after epoch %d", g.Epoch, g.Epoch+3)
		}
	}
}

// pager is a dataset with an allocation table of its own.
type pager struct {
	*ffcv.File
	entries []alloc.Entry
	err     error
}

func (p *pager) Entries() iter.Seq2[alloc.Entry, error] {
	return func(yield func(alloc.Entry, error) bool) {
		for _, e := range p.entries {
			if !yield(e, nil) {
				return
			}
		}
		if p.err != nil {
			yield(alloc.Entry{}, p.err)
		}
	}
}

func TestQuasiRandomRefuses(t *testing.T) {
	f := open(t, "ndarray_multipage")
	page := uint64(f.Header().PageSize)
	boom := errors.New("boom")
	for name, s := range map[string]loader.Selection{
		"repeats":         {Dataset: f, Len: 2, Samples: []int{3, 3}},
		"no pages":        {Dataset: open(t, "ints_floats"), Len: 3},
		"a sample apart":  {Dataset: &pager{File: f, entries: []alloc.Entry{{Sample: 1, Ptr: page}}}, Len: 2},
		"unknown sample":  {Dataset: &pager{File: f, entries: []alloc.Entry{{Sample: 1000, Ptr: page}}}, Len: 1},
		"pointer outside": {Dataset: &pager{File: f, entries: []alloc.Entry{{Sample: 0, Ptr: 1 << 62}}}, Len: 1},
		"no table":        {Dataset: &pager{File: f, err: boom}, Len: 1},
		"no pager":        {Dataset: struct{ loader.Dataset }{f}, Len: 1},
	} {
		if _, err := loader.QuasiRandom.Plan(s); err == nil {
			t.Errorf("%s: accepted", name)
		} else if name == "no table" && !errors.Is(err, boom) {
			t.Errorf("%s: %v, want %v", name, err, boom)
		}
	}
}

func TestRanksCoverAll(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 10, 1000} {
		for world := 1; world <= 12; world++ {
			for _, order := range []loader.Order{loader.Sequential, loader.Random} {
				seen := make([]int, n)
				want := (n + world - 1) / world
				p := plan(t, order, loader.Selection{Len: n, Seed: 3})
				for rank := range world {
					got := share(t, p, 1, 3, rank, world)
					if len(got) != want {
						t.Fatalf("n %d, world %d: rank %d has %d samples, want %d", n, world, rank, len(got), want)
					}
					for _, v := range got {
						seen[v]++
					}
				}
				for v, k := range seen {
					if k == 0 || n >= world && k > 2 {
						t.Errorf("n %d, world %d: sample %d comes %d times", n, world, v, k)
					}
				}
			}
		}
	}
}

func TestRankOutOfRange(t *testing.T) {
	f := open(t, "ints_floats")
	for _, o := range []loader.Options{{Rank: 1}, {Rank: 2, WorldSize: 2}, {Rank: -1}, {WorldSize: -1}, {BatchSize: -1}, {Workers: -1}, {BatchesAhead: -1}} {
		if _, err := loader.New(f, &o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}

// An epoch's order lies in the memory of the one before, and is the same as
// with memory of its own; also while another is not done.
func TestOrderMemory(t *testing.T) {
	for _, n := range []int{0, 1, 9, 10, 11, 1000} {
		sel := loader.Selection{Len: n, Seed: 3}
		p := plan(t, loader.Random, sel)
		open, err := p.Epoch(loader.Start{Epoch: 7, WorldSize: 1, BatchSize: 10})
		if err != nil {
			t.Fatal(err)
		}
		for epoch := range 4 {
			want := sequence(t, plan(t, loader.Random, sel), epoch, 10)
			if got := sequence(t, p, epoch, 10); !slices.Equal(got, want) {
				t.Fatalf("%d samples, epoch %d: %v, want %v", n, epoch, got, want)
			}
		}
		got := make([]int, n)
		if err := open.Fill(got, 0, 1); err != nil {
			t.Fatal(err)
		}
		if want := sequence(t, plan(t, loader.Random, sel), 7, 10); !slices.Equal(got, want) {
			t.Errorf("%d samples: an order changes while others are made", n)
		}
	}
}
