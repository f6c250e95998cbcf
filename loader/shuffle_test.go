package loader_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
)

// labelled is a dataset of n samples with the fields x (their numbers), label
// (3 classes, one of them larger) and weight (0 to 4), in pages
// of 7 samples, two of which take turns.
type labelled struct {
	*ffcv.File
}

func newLabelled(t testing.TB, n int) *labelled {
	t.Helper()
	path := ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Int64, Shape: []int{2}}},
		{Name: "label", Field: fields.Int{}},
		{Name: "weight", Field: fields.Float{}},
	}, n, func(i int) []any { return []any{[]int64{int64(i), -int64(i)}, labelOf(i), float64(i % 5)} }, nil)
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &labelled{f}
}

func labelOf(i int) int { return 100 - int(math.Sqrt(float64(i%5))) }

func (d *labelled) Header() ffcv.Header {
	return ffcv.Header{PageSize: 1 << 12, AllocTable: 1 << 40}
}

// pageOf is the page of a sample.
func (d *labelled) pageOf(i int) int { return 1 + i/14*2 + i%2 }

func (d *labelled) Entries() iter.Seq2[alloc.Entry, error] {
	return func(yield func(alloc.Entry, error) bool) {
		for i := range d.Len() {
			if !yield(alloc.Entry{Sample: uint64(i), Ptr: uint64(d.pageOf(i))<<12 + uint64(i%14), Size: 16}, nil) {
				return
			}
		}
	}
}

// An ordered is an order of each kind, over newLabelled(1000).
type ordered struct {
	name  string
	order loader.Order
	once  bool // every sample comes once
	// Of version 1: the first half of SHA-256 of epochs 0 and 3 at seed 11, begun
	// with 1 rank, then with 4. A line that must change is a new version: raise
	// loader.OrderVersion and say so in CHANGELOG.md. Those of FFCV never change.
	sum, sum4 string
}

func everyOrder() []ordered {
	return []ordered{
		{"sequential", loader.Sequential, true, "594eb4d39c6b80e4f6a96bbd20a68cb0", "594eb4d39c6b80e4f6a96bbd20a68cb0"},
		{"random", loader.Random, true, "782d71ccb106198031a05cfb204ecdd7", "56b6fc7b803631fe501d1eb391bdfc79"},
		{"quasi-random", loader.QuasiRandom, true, "edf1123d433a792bcbfcfa5734f7788e", "edf1123d433a792bcbfcfa5734f7788e"},
		{"keyed", loader.Keyed, true, "22549fd3932e3b21125c179820ef6201", "22549fd3932e3b21125c179820ef6201"},
		{"blocks", loader.BlockShuffle{Block: 9, Window: 5}, true, "9f1b41e2eaa8770129922996dd45b715", "4bff1792ba2be88df4a8480d82189fdf"},
		{"blocks, one by one", loader.BlockShuffle{Block: 13, Window: 1}, true, "e5d78c71740e48ae943807defb7c2596", "92ee3b0b1aed307e577f9dd3f7a7f67a"},
		{"pages", loader.PageShuffle{Window: 6}, true, "086a1e7895b8684dcbf62159cfe8b0b5", "a45106df363e7297a730c01b5e59ad8a"},
		{"weighted", loader.Weighted{Field: "weight"}, false, "f63de7ebb0752b2859134d9482d56282", "f63de7ebb0752b2859134d9482d56282"},
		{"weighted, with replacement", loader.Weighted{Field: "weight", Replacement: true, Samples: 777}, false, "a47634fcf4dfd2641e8e295e4aa378e6", "a47634fcf4dfd2641e8e295e4aa378e6"},
		{"class-balanced", loader.ClassBalanced{Field: "label"}, false, "ed4c39d6fad98e3aef835b7947c183e7", "ed4c39d6fad98e3aef835b7947c183e7"},
		{"class-balanced, with replacement", loader.ClassBalanced{Field: "label", Replacement: true}, false, "cde1921365b16a2cd7ea04fafd877f56", "cde1921365b16a2cd7ea04fafd877f56"},
		{"repeated", loader.Repeated{Order: loader.Keyed, Times: 2}, false, "4fbc0d88a3d43ae9bce643313d60df75", "4fbc0d88a3d43ae9bce643313d60df75"},
		{"repeated draws", loader.Repeated{Order: loader.Weighted{Field: "weight", Replacement: true}, Times: 3, Samples: 1100}, false, "8e2595aa9aaf4f4439c64f2cb5e3ede8", "8e2595aa9aaf4f4439c64f2cb5e3ede8"},
		{"own", loader.OrderFunc(func(s loader.Selection, epoch int) ([]int, error) {
			list := make([]int, s.Len)
			for i := range list {
				list[i] = s.Sample((i*7 + epoch) % s.Len)
			}
			return list, nil
		}), true, "e445c902935a288a6bda67570f1d4a55", "e445c902935a288a6bda67570f1d4a55"},
	}
}

// whole is an epoch's order for all ranks.
func whole(t *testing.T, p loader.Plan, epoch, world int) []int {
	t.Helper()
	seq, err := p.Epoch(loader.Start{Epoch: epoch, WorldSize: world, BatchSize: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer seq.Close()
	out := make([]int, p.Len())
	if err := seq.Fill(out, 0, 1); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGoldenOrders(t *testing.T) {
	if loader.OrderVersion != 1 {
		t.Fatalf("the hashes are of version 1, this is %d", loader.OrderVersion)
	}
	ds := newLabelled(t, 1000)
	for _, o := range everyOrder() {
		p := plan(t, o.order, loader.Selection{Dataset: ds, Len: 1000, Seed: 11})
		for _, g := range []struct {
			world int
			want  string
		}{{1, o.sum}, {4, o.sum4}} {
			h := sha256.New()
			for _, epoch := range []int{0, 3} {
				if err := binary.Write(h, binary.LittleEndian, toInt64(whole(t, p, epoch, g.world))); err != nil {
					t.Fatal(err)
				}
			}
			if got := hex.EncodeToString(h.Sum(nil)[:16]); got != g.want {
				t.Errorf("%s, %d ranks: %s, want %s", o.name, g.world, got, g.want)
			}
		}
	}
}

func toInt64(list []int) []int64 {
	out := make([]int64, len(list))
	for i, v := range list {
		out[i] = int64(v)
	}
	return out
}

// TestAnyPosition: an order is the same wherever it is begun, and by any step.
func TestAnyPosition(t *testing.T) {
	ds := newLabelled(t, 1000)
	samples := make([]int, 300)
	for i := range samples {
		samples[i] = 999 - 3*i
	}
	for _, o := range everyOrder() {
		for _, s := range []loader.Selection{{Dataset: ds, Len: 1000, Seed: 2}, {Dataset: ds, Len: 300, Samples: samples, Seed: 2}} {
			if r, ok := o.order.(loader.Repeated); ok && s.Len == 300 && r.Samples > 0 {
				continue
			}
			p := plan(t, o.order, s)
			for _, world := range []int{1, 3} {
				want := whole(t, p, 2, world)
				for _, v := range want {
					if s.Samples != nil && !slices.Contains(samples, v) {
						t.Fatalf("%s: sample %d was not selected", o.name, v)
					}
				}
				for _, c := range [][2]int{{1, 1}, {17, 3}, {len(want) / 2, 1}, {len(want) - 1, 1}, {5, 64}} {
					seq, err := p.Epoch(loader.Start{Epoch: 2, WorldSize: world, BatchSize: 5})
					if err != nil {
						t.Fatal(err)
					}
					for range 2 { // again from there, as padding goes back
						var got, some []int
						for at := c[0]; at < len(want); at += c[1] {
							some = append(some, want[at])
						}
						got = make([]int, len(some))
						if err := seq.Fill(got, c[0], c[1]); err != nil || !slices.Equal(got, some) {
							t.Fatalf("%s, from %d by %d: %v (%v), want %v", o.name, c[0], c[1], got, err, some)
						}
					}
					seq.Close()
				}
			}
		}
	}
}

// TestExactlyOnce: over all ranks each sample comes once, and ranks have as many
// batches as each other; padded, some come once more.
func TestExactlyOnce(t *testing.T) {
	for _, n := range []int{1, 5, 8, 57, 1000} {
		ds := newLabelled(t, n)
		for _, o := range everyOrder() {
			if !o.once {
				continue
			}
			p := plan(t, o.order, loader.Selection{Dataset: ds, Len: n, Seed: 3})
			for world := 1; world <= 8; world++ {
				for _, c := range []struct{ once, drop bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
					checkRanks(t, o.name, p, world, c.once, c.drop)
				}
			}
		}
	}
}

func checkRanks(t *testing.T, name string, p loader.Plan, world int, once, drop bool) {
	t.Helper()
	const batch = 7
	n := p.Len()
	seen := make([]int, n)
	var sizes0 []int
	total := 0
	for rank := range world {
		seq, err := p.Epoch(loader.Start{Epoch: 1, WorldSize: world, BatchSize: batch})
		if err != nil {
			t.Fatal(err)
		}
		got, sizes, err := loader.Deal(seq, 0, n, rank, world, batch, once, drop)
		seq.Close()
		if err != nil {
			t.Fatal(err)
		}
		if rank == 0 {
			sizes0 = sizes
		}
		if len(sizes) != len(sizes0) || !once && !slices.Equal(sizes, sizes0) {
			t.Errorf("%s of %d, rank %d of %d: batches of %v, rank 0 has %v", name, n, rank, world, sizes, sizes0)
		}
		for k, size := range sizes {
			if size > batch || size < batch && (drop || k < len(sizes)-1) {
				t.Errorf("%s of %d, rank %d of %d: batches of %v", name, n, rank, world, sizes)
			}
		}
		total += len(got)
		for _, v := range got {
			seen[v]++
		}
	}
	least, most := slices.Min(seen), slices.Max(seen)
	switch {
	case drop && !once: // what is left out is short of a batch for each rank
		if n-total >= batch*world {
			t.Errorf("%s of %d, %d ranks: %d samples come", name, n, world, total)
		}
	case drop:
		if most > 1 || n-total >= batch*world {
			t.Errorf("%s of %d, %d ranks, exactly once: %d samples come, up to %d times", name, n, world, total, most)
		}
	case once:
		if least != 1 || most != 1 {
			t.Errorf("%s of %d, %d ranks, exactly once: samples come %d to %d times", name, n, world, least, most)
		}
	case least < 1 || total != (n+world-1)/world*world || n >= world && most > 2:
		t.Errorf("%s of %d, %d ranks: %d samples come, each %d to %d times", name, n, world, total, least, most)
	}
}

// far says how many standard deviations counts are off what is expected of them
// (Wilson and Hilferty's approximation of chi-square).
func far(counts []int, want []float64, freedom int) float64 {
	x := 0.0
	for i, c := range counts {
		x += (float64(c) - want[i]) * (float64(c) - want[i]) / want[i]
	}
	f := float64(freedom)
	return (math.Cbrt(x/f) - (1 - 2/(9*f))) / math.Sqrt(2/(9*f))
}

// even expects counts that are alike.
func even(counts []int, freedom int) float64 {
	total := 0
	for _, c := range counts {
		total += c
	}
	want := slices.Repeat([]float64{float64(total) / float64(len(counts))}, len(counts))
	return far(counts, want, freedom)
}

// TestShufflesAreEven: over 4,000 epochs each sample comes as often at each place,
// and behind each other, at a fixed seed.
func TestShufflesAreEven(t *testing.T) {
	const n, epochs = 42, 4000
	ds := newLabelled(t, n)
	for _, c := range []struct {
		name  string
		order loader.Order
		world int
		wide  bool // samples that lie together in the file may come together
	}{
		{"random", loader.Random, 1, false},
		{"random, of torch", loader.Random, 2, false},
		{"keyed", loader.Keyed, 1, false},
		{"blocks, one window", loader.BlockShuffle{Block: 5, Window: 64}, 1, false},
		{"blocks", loader.BlockShuffle{Block: 6, Window: 2}, 1, true},
		{"pages, one window", loader.PageShuffle{}, 1, false},
		{"pages", loader.PageShuffle{Window: 2}, 1, true},
		{"pages of 2 ranks", loader.PageShuffle{Window: 3}, 2, true},
	} {
		p := plan(t, c.order, loader.Selection{Dataset: ds, Len: n, Seed: 5})
		place, after := make([]int, n*n), make([]int, n*n)
		for epoch := range epochs {
			order := whole(t, p, epoch, c.world)
			for i, v := range order {
				place[i*n+v]++
				if i > 0 {
					after[order[i-1]*n+v]++
				}
			}
		}
		for i, k := range place {
			if want := float64(epochs) / n; math.Abs(float64(k)-want) > 6*math.Sqrt(want) {
				t.Errorf("%s: sample %d comes %d times at place %d, want about %.0f", c.name, i%n, k, i/n, want)
				break
			}
		}
		if c.wide {
			continue
		}
		if z := even(place, (n-1)*(n-1)); math.Abs(z) > 5 {
			t.Errorf("%s: places are %.1f standard deviations off", c.name, z)
		}
		pairs := slices.DeleteFunc(after, func(k int) bool { return k == 0 })
		if len(pairs) != n*(n-1) {
			t.Fatalf("%s: %d of %d pairs come", c.name, len(pairs), n*(n-1))
		}
		if z := even(pairs, n*(n-1)-1); math.Abs(z) > 5 {
			t.Errorf("%s: neighbours are %.1f standard deviations off", c.name, z)
		}
	}
}

// TestWeightsAreKept: samples come as often as their weights say, classes as often
// as each other.
func TestWeightsAreKept(t *testing.T) {
	const n = 100
	ds := newLabelled(t, n)
	sel := loader.Selection{Dataset: ds, Len: n, Seed: 7}
	weights := make([]float64, n)
	sum := 0.0
	for i := range weights {
		weights[i] = float64(i%5) * 1e-300
		sum += float64(i % 5)
	}

	count := func(o loader.Order, epochs, first int) []int {
		p := plan(t, o, sel)
		counts := make([]int, n)
		for epoch := range epochs {
			for i, v := range whole(t, p, epoch, 1) {
				if first == 0 || i < first {
					counts[v]++
				}
			}
		}
		return counts
	}
	check := func(name string, counts []int) {
		t.Helper()
		total := 0
		var some []int
		var want []float64
		for _, c := range counts {
			total += c
		}
		for i, c := range counts {
			if w := float64(i % 5); w > 0 {
				some, want = append(some, c), append(want, float64(total)*w/sum)
			} else if c > 0 {
				t.Errorf("%s: sample %d of weight 0 comes %d times", name, i, c)
			}
		}
		if z := far(some, want, len(some)-1); math.Abs(z) > 4.5 {
			t.Errorf("%s: %.1f standard deviations off", name, z)
		}
	}
	check("with replacement", count(loader.Weighted{Weights: weights, Replacement: true, Samples: 10_000}, 10, 0))
	check("first draw without", count(loader.Weighted{Field: "weight"}, 30_000, 1))

	// Every epoch without replacement has each sample of some weight once.
	for _, v := range count(loader.Weighted{Field: "weight"}, 50, 0) {
		if v != 0 && v != 50 {
			t.Errorf("a sample comes %d times in 50 epochs", v)
		}
	}

	classes := func(counts []int) []int {
		by := make([]int, 3)
		for i, c := range counts {
			by[100-labelOf(i)] += c
		}
		return by
	}
	replaced := count(loader.ClassBalanced{Field: "label", Replacement: true, Samples: 10_000}, 10, 0)
	if z := even(classes(replaced), 2); math.Abs(z) > 4.5 {
		t.Errorf("classes: %v, %.1f standard deviations off", classes(replaced), z)
	}
	if got := count(loader.ClassBalanced{Field: "label"}, 1, 0); !slices.Equal(classes(got), []int{20, 20, 20}) || slices.Max(got) > 1 {
		t.Errorf("classes without replacement: %v", got)
	}
	each := count(loader.ClassBalanced{Field: "label", Samples: 3}, 1000, 0) // 1 sample of each class
	if by := classes(each); slices.Min(by) != 1000 || slices.Max(by) != 1000 {
		t.Errorf("classes without replacement: %v", by)
	}
	var largest []int
	for i, c := range each {
		if labelOf(i) == 99 {
			largest = append(largest, c)
		}
	}
	if z := even(largest, len(largest)-1); math.Abs(z) > 4.5 {
		t.Errorf("samples of a class: %v, %.1f standard deviations off", largest, z)
	}
}

// TestWindows: a rank has no more blocks or pages begun and not done than the
// window, and shares two at most with others.
func TestWindows(t *testing.T) {
	const n = 2000
	ds := newLabelled(t, n)
	sel := loader.Selection{Dataset: ds, Len: n, Seed: 1}
	for _, c := range []struct {
		name   string
		order  loader.Order
		window int
		of     func(sample int) int
	}{
		{"blocks", loader.BlockShuffle{Block: 11, Window: 8}, 8, func(v int) int { return v / 11 }},
		{"block by block", loader.BlockShuffle{Block: 11, Window: 1}, 1, func(v int) int { return v / 11 }},
		{"pages", loader.PageShuffle{Window: 5}, 5, ds.pageOf},
	} {
		p := plan(t, c.order, sel)
		for _, world := range []int{1, 3, 8} {
			ranks := make(map[int]map[int]bool) // by block
			for rank := range world {
				got := share(t, p, 4, 16, rank, world)
				first, last := make(map[int]int), make(map[int]int)
				for i, v := range got[:n/world] { // without padding
					b := c.of(v)
					if _, ok := first[b]; !ok {
						first[b] = i
					}
					last[b] = i
					if ranks[b] == nil {
						ranks[b] = make(map[int]bool)
					}
					ranks[b][rank] = true
				}
				for i := range got[:n/world] {
					open := 0
					for b := range first {
						if first[b] <= i && i <= last[b] {
							open++
						}
					}
					if open > c.window {
						t.Fatalf("%s, rank %d of %d: %d are open at %d", c.name, rank, world, open, i)
					}
				}
			}
			shared := 0
			for _, r := range ranks {
				shared += len(r) - 1
			}
			if shared > world-1 {
				t.Errorf("%s: %d shared by %d ranks", c.name, shared, world)
			}
		}
	}
}

func TestOrdersRefuse(t *testing.T) {
	ds := newLabelled(t, 20)
	huge := make([]float64, 20)
	for i := range huge {
		huge[i] = math.MaxFloat64
	}
	for says, o := range map[string]loader.Order{
		"19 weights of 20":         loader.Weighted{Weights: make([]float64, 19)},
		"weight above 0":           loader.Weighted{Weights: make([]float64, 20)},
		"is NaN":                   loader.Weighted{Weights: slices.Repeat([]float64{math.NaN()}, 20)},
		"is -1":                    loader.Weighted{Weights: slices.Repeat([]float64{-1}, 20)},
		"sum":                      loader.Weighted{Weights: huge},
		"both":                     loader.Weighted{Weights: huge, Field: "weight"},
		`no field "none"`:          loader.Weighted{Field: "none"},
		"of type":                  loader.Weighted{Field: "x"},
		"17 samples an epoch":      loader.Weighted{Field: "weight", Samples: 17},
		"-1 samples an epoch":      loader.Weighted{Field: "weight", Samples: -1},
		"floats":                   loader.ClassBalanced{Field: "weight"},
		"no Field":                 loader.ClassBalanced{},
		"the smallest":             loader.ClassBalanced{Field: "label", Samples: 16},
		"block":                    loader.BlockShuffle{Block: -1},
		"window":                   loader.PageShuffle{Window: -1},
		"-3 times":                 loader.Repeated{Times: -3},
		"61 samples":               loader.Repeated{Times: 3, Samples: 61},
		"repeated order: weighted": loader.Repeated{Order: loader.Weighted{}},
	} {
		if _, err := o.Plan(loader.Selection{Dataset: ds, Len: 20}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v, want an error that says %q", o, err, says)
		}
	}
	for _, o := range everyOrder() {
		if o.name == "sequential" || o.name == "own" {
			continue
		}
		if r, ok := o.order.(loader.Repeated); ok && r.Samples > 0 {
			continue
		}
		if _, err := plan(t, o.order, loader.Selection{Dataset: ds, Len: 20}).Epoch(loader.Start{Epoch: -1, WorldSize: 1, BatchSize: 1}); err == nil {
			t.Errorf("%s: epoch -1 begins", o.name)
		}
	}
}

// TestRepeats: copies have random numbers of their own, the first those of any
// other order, and ranks, batches and workers change none of them.
func TestRepeats(t *testing.T) {
	const n = 30
	ds := newLabelled(t, n)
	rows := func(order loader.Order, batch, workers, world int) []string {
		var all []string
		for rank := range world {
			l := newLoader(t, ds, &loader.Options{Order: order, Seed: 3, BatchSize: batch, Workers: workers, Rank: rank, WorldSize: world,
				Outputs: []loader.Output{{Name: "x", Ops: []any{drawing{}}}}})
			for b, err := range l.Epoch(t.Context(), 2) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					all = append(all, fmt.Sprintf("%d %x", id, b.Output("x").Value(i)))
				}
				b.Release()
			}
		}
		slices.Sort(all)
		return all
	}
	once := rows(loader.Keyed, 7, 1, 1)
	thrice := rows(loader.Repeated{Order: loader.Keyed}, 7, 1, 1)
	if len(thrice) != 3*n || len(slices.Compact(slices.Clone(thrice))) != 3*n {
		t.Errorf("%d rows, %d of them different, want %d", len(thrice), len(slices.Compact(slices.Clone(thrice))), 3*n)
	}
	for _, row := range once {
		if !slices.Contains(thrice, row) {
			t.Errorf("the first copy has other random numbers than %s", row)
		}
	}
	for _, order := range []loader.Order{loader.Repeated{Order: loader.Keyed}, loader.Weighted{Field: "weight", Replacement: true},
		loader.ClassBalanced{Field: "label", Replacement: true}, loader.Repeated{Order: loader.Weighted{Field: "weight", Replacement: true}}} {
		want := rows(order, 7, 1, 1)
		if len(slices.Compact(slices.Clone(want))) != len(want) {
			t.Errorf("%+v: a sample comes twice with the same random numbers", order)
		}
		for _, c := range [][3]int{{4, 3, 1}, {10, 2, 3}, {1, 1, 2}} {
			if got := rows(order, c[0], c[1], c[2]); !slices.Equal(got, want) {
				t.Errorf("%+v, batches of %d, %d workers, %d ranks: other rows", order, c[0], c[1], c[2])
			}
		}
	}
}

// The keyed order of ten billion samples takes no memory for them.
func TestKeyedIsSmall(t *testing.T) {
	p := plan(t, loader.Keyed, loader.Selection{Len: 1e10, Seed: 1})
	dst := make([]int, 256)
	allocs := testing.AllocsPerRun(10, func() {
		seq, err := p.Epoch(loader.Start{Epoch: 3, WorldSize: 8, BatchSize: 256})
		if err != nil {
			t.Fatal(err)
		}
		if err := seq.Fill(dst, 9e9, 8); err != nil {
			t.Fatal(err)
		}
		seq.Close()
	})
	if allocs > 4 {
		t.Errorf("%v allocations", allocs)
	}
	if v := slices.Max(dst); v < 5e9 || v >= 1e10 {
		t.Errorf("samples up to %d", v)
	}
}

func BenchmarkOrders(b *testing.B) {
	ds := newLabelled(b, 100_000)
	for _, o := range []ordered{
		{name: "sequential", order: loader.Sequential}, {name: "random", order: loader.Random}, {name: "keyed", order: loader.Keyed},
		{name: "quasi", order: loader.QuasiRandom}, {name: "blocks", order: loader.BlockShuffle{}}, {name: "pages", order: loader.PageShuffle{}},
		{name: "weighted", order: loader.Weighted{Field: "weight"}}, {name: "alias", order: loader.Weighted{Field: "weight", Replacement: true}},
		{name: "balanced", order: loader.ClassBalanced{Field: "label", Replacement: true}}, {name: "repeated", order: loader.Repeated{Order: loader.Keyed}},
	} {
		b.Run("order="+o.name, func(b *testing.B) {
			p, err := o.order.Plan(loader.Selection{Dataset: ds, Len: ds.Len(), Seed: 1})
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]int, 256)
			n := 0
			for b.Loop() {
				seq, err := p.Epoch(loader.Start{WorldSize: 1, BatchSize: 256})
				if err != nil {
					b.Fatal(err)
				}
				for at := 0; at+256 <= p.Len(); at += 256 {
					if err := seq.Fill(dst, at, 1); err != nil {
						b.Fatal(err)
					}
					n += 256
				}
				seq.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/index")
		})
	}
}
