package dataset_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// groups is a Concat of members of so many samples; sample i holds i.
func groups(tb testing.TB, sizes ...int) *dataset.Concat {
	tb.Helper()
	var members []dataset.Dataset
	at := 0
	for _, n := range sizes {
		first := at
		members = append(members, numbers(tb, "y", fields.Int{}, n, func(i int) any { return first + i }))
		at += n
	}
	c, err := dataset.NewConcat(members...)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// planned is a Mixture's plan over all samples.
func planned(tb testing.TB, m dataset.Mixture, ds dataset.Dataset, samples []int) loader.Plan {
	tb.Helper()
	s := loader.Selection{Dataset: ds, Len: ds.Len(), Samples: samples, Seed: 7}
	if samples != nil {
		s.Len = len(samples)
	}
	p, err := m.Plan(s)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// epochOf is an epoch's order, filled n positions at a time.
func epochOf(tb testing.TB, p loader.Plan, epoch, n int) []int {
	tb.Helper()
	seq, err := p.Epoch(loader.Start{Epoch: epoch, WorldSize: 1, BatchSize: 1})
	if err != nil {
		tb.Fatal(err)
	}
	defer seq.Close()
	order := make([]int, p.Len())
	for at := 0; at < len(order); at += n {
		if err := seq.Fill(order[at:min(at+n, len(order))], at, 1); err != nil {
			tb.Fatal(err)
		}
	}
	return order
}

// TestMixtureShares: in every stretch each member has its share, and none of
// its samples comes again before all have, over all epochs.
func TestMixtureShares(t *testing.T) {
	for _, c := range []struct {
		sizes   []int
		weights []float64
		length  int
		epochs  int
	}{
		{[]int{100, 10}, []float64{1, 1}, 0, 40},
		{[]int{100, 10, 1000}, []float64{3, 1, 0}, 777, 30},
		{[]int{5000, 1, 3, 40}, []float64{1e-3, 1, 2, 5}, 3000, 20},
		{[]int{30}, []float64{2}, 100, 5},
		{[]int{100, 100}, []float64{math.MaxFloat64, math.MaxFloat64}, 5000, 3},
		{[]int{100, 100}, []float64{1e-300, 1}, 5000, 3},
		{[]int{3, 0, 3}, []float64{1, 0, 1}, 64, 10},
	} {
		ds := groups(t, c.sizes...)
		bounds := ds.Bounds()
		p := planned(t, dataset.Mixture{Weights: c.weights, Length: c.length}, ds, nil)
		if want := c.length; want == 0 {
			if p.Len() != ds.Len() {
				t.Errorf("length %d, want %d", p.Len(), ds.Len())
			}
		} else if p.Len() != want {
			t.Errorf("length %d, want %d", p.Len(), want)
		}
		total := 0.0
		for _, w := range c.weights {
			total += w / slices.Max(c.weights)
		}
		counts, uses, seen := make([]int, len(c.sizes)), make([]int, ds.Len()), 0
		for e := range c.epochs {
			at := 0
			for _, v := range epochOf(t, p, e, 64) {
				k := 0
				for v >= bounds[k+1] {
					k++
				}
				if least := slices.Min(uses[bounds[k]:bounds[k+1]]); uses[v] != least {
					t.Fatalf("%v: epoch %d: sample %d comes for the %d. time, another one of its member %d times so far", c, e, v, uses[v]+1, least)
				}
				uses[v]++
				counts[k]++
				seen++
				if at++; at%1024 != 0 && at != p.Len() {
					continue
				}
				for k, w := range c.weights {
					if want := w / slices.Max(c.weights) / total * float64(seen); math.Abs(float64(counts[k])-want) > 3 {
						t.Fatalf("%v: %d of %d samples are of member %d, want %v", c, counts[k], seen, k, want)
					}
				}
			}
		}
	}
}

// TestMixtureSeeks: an order filled from anywhere, in any steps, is the same.
func TestMixtureSeeks(t *testing.T) {
	ds := groups(t, 400, 20, 3)
	p := planned(t, dataset.Mixture{Weights: []float64{5, 2, 0.1}, Length: 3333}, ds, nil)
	for _, epoch := range []int{0, 1, 5, 1 << 30} {
		want := epochOf(t, p, epoch, 3333)
		for _, n := range []int{1, 7, 1024} {
			if !slices.Equal(epochOf(t, p, epoch, n), want) {
				t.Errorf("epoch %d is another by %d", epoch, n)
			}
		}
		seq, err := p.Epoch(loader.Start{Epoch: epoch, WorldSize: 8, BatchSize: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []int{3300, 5, 2047, 1024, 0} {
			dst := make([]int, (len(want)-1-from)/8+1)
			if err := seq.Fill(dst, from, 8); err != nil {
				t.Fatal(err)
			}
			for i, v := range dst {
				if v != want[from+8*i] {
					t.Fatalf("epoch %d: position %d is sample %d from %d on, want %d", epoch, from+8*i, v, from, want[from+8*i])
				}
			}
		}
	}
}

// TestMixtureIsAShuffle: members and samples come in no simple order, and not
// in the same one in two epochs or with two seeds.
func TestMixtureIsAShuffle(t *testing.T) {
	ds := groups(t, 2000, 2000)
	p := planned(t, dataset.Mixture{Weights: []float64{1, 1}}, ds, nil)
	a, b := epochOf(t, p, 0, 64), epochOf(t, p, 1, 64)
	other, err := dataset.Mixture{Weights: []float64{1, 1}}.Plan(loader.Selection{Dataset: ds, Len: 4000, Seed: 8})
	if err != nil {
		t.Fatal(err)
	}
	c := epochOf(t, other, 0, 64)
	same, runs, ups, alike := 0, 0, 0, 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
		if a[i] == c[i] {
			alike++
		}
		if i > 0 && (a[i] < 2000) != (a[i-1] < 2000) {
			runs++
		}
		if i > 0 && a[i] > a[i-1] {
			ups++
		}
	}
	// Five standard deviations and more.
	if same > 20 || alike > 20 || runs < 1840 || runs > 2160 || ups < 1900 || ups > 2100 {
		t.Errorf("%d positions as in the next epoch, %d as with another seed, %d changes of member and %d ascents of 4,000", same, alike, runs, ups)
	}
}

// The order belongs to the version of the orders: see loader.OrderVersion.
func TestMixtureStays(t *testing.T) {
	p := planned(t, dataset.Mixture{Weights: []float64{3, 1, 0.25}, Length: 5000}, groups(t, 300, 30, 70000), nil)
	var b []byte
	for _, epoch := range []int{0, 3} {
		for _, v := range epochOf(t, p, epoch, 5000) {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	}
	if got, want := crc32.ChecksumIEEE(b), uint32(0x178901a); loader.OrderVersion == 1 && got != want {
		t.Errorf("the order's sum is %#x, want %#x: a change of it is a new OrderVersion", got, want)
	}
}

// TestMixtureOfSelected: with Indices a member is what is selected of it.
func TestMixtureOfSelected(t *testing.T) {
	ds := groups(t, 10, 10)
	samples := []int{12, 3, 4, 15, 3}
	got := epochOf(t, planned(t, dataset.Mixture{Weights: []float64{3, 2}, Length: 5}, ds, samples), 0, 5)
	slices.Sort(got)
	if want := []int{3, 3, 4, 12, 15}; !slices.Equal(got, want) {
		t.Errorf("samples %v, want %v", got, want)
	}
}

// TestMixtureLoads: by a loader, of several ranks, with a join of labels;
// repeated samples get random numbers of their own.
func TestMixtureLoads(t *testing.T) {
	ds := groups(t, 1000, 4)
	labels, err := dataset.NewSelect(numbers(t, "z", fields.Int{}, 1004, ints), dataset.Field{Name: "z"})
	if err != nil {
		t.Fatal(err)
	}
	both, err := dataset.NewJoin(labels, ds)
	if err != nil {
		t.Fatal(err)
	}
	m := dataset.Mixture{Weights: []float64{9, 1}, Length: 1000}
	want := epochOf(t, planned(t, m, ds, nil), 0, 1000)
	got := make([]int, 1000)
	for rank := range 3 {
		l, err := loader.New(both, &loader.Options{BatchSize: 50, Order: m, Seed: 7, Rank: rank, WorldSize: 3, ExactlyOnce: true})
		if err != nil {
			t.Fatal(err)
		}
		n := rank
		for b, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range b.Samples() {
				if v := int(binary.LittleEndian.Uint64(b.Output("y").Value(i))); v != id || int(binary.LittleEndian.Uint64(b.Output("z").Value(i))) != id {
					t.Fatalf("sample %d holds %d", id, v)
				}
				got[n] = id
				n += 3
			}
			b.Release()
		}
		l.Close()
	}
	if !slices.Equal(got, want) {
		t.Error("the ranks' samples are not the order's")
	}
	for _, c := range []struct {
		m    dataset.Mixture
		want uint64
	}{{m, 13}, {dataset.Mixture{Weights: []float64{250, 1}}, 0}} {
		if got := planned(t, c.m, ds, nil).(loader.Repeater).Repeat(12); got != c.want {
			t.Errorf("%v: random numbers %d of position 12, want %d", c.m, got, c.want)
		}
	}
}

func TestMixtureRefused(t *testing.T) {
	ds := groups(t, 3, 0, 2)
	f := file(t, 0, 3)
	for _, c := range []struct {
		m    dataset.Mixture
		ds   dataset.Dataset
		want string
	}{
		{dataset.Mixture{Weights: []float64{1}}, f, "not made of several"},
		{dataset.Mixture{Weights: []float64{1}}, ds, "1 weights, " + ds.Name() + " has 3 members"},
		{dataset.Mixture{Weights: []float64{1, 1, 1}}, ds, "member 1 of " + ds.Name() + " has no samples"},
		{dataset.Mixture{Weights: []float64{1, 0, -1}}, ds, "weight 2 is -1"},
		{dataset.Mixture{Weights: []float64{math.NaN(), 0, 1}}, ds, "weight 0 is NaN"},
		{dataset.Mixture{Weights: []float64{math.Inf(1), 0, 1}}, ds, "weight 0 is +Inf"},
		{dataset.Mixture{Weights: []float64{0, 0, 0}}, ds, "no weight is above 0"},
		{dataset.Mixture{Weights: []float64{1, 0, 1}, Length: -1}, ds, "length -1"},
	} {
		_, err := loader.New(c.ds, &loader.Options{Order: c.m})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.m, err, c.want)
		}
	}
	p := planned(t, dataset.Mixture{Weights: []float64{1, 0, 1}}, ds, nil)
	for _, epoch := range []int{-1, math.MaxInt / 4} {
		if _, err := p.Epoch(loader.Start{Epoch: epoch, WorldSize: 1, BatchSize: 1}); err == nil {
			t.Errorf("epoch %d is no error", epoch)
		}
	}
}

// Photographs of which an epoch has several copies are cut anew each time.
func TestMixtureRepeatsDiffer(t *testing.T) {
	f := file(t, 1, 4)
	c, err := dataset.NewConcat(f)
	if err != nil {
		t.Fatal(err)
	}
	l, err := loader.New(c, &loader.Options{BatchSize: 10, Order: dataset.Mixture{Weights: []float64{1}, Length: 400},
		Outputs: []loader.Output{{Name: "image", Decoder: transform.RandomResizedCrop{Width: 8, Height: 8}}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	seen := map[string]bool{}
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range b.Samples() {
			seen[fmt.Sprint(id, b.Output("image").Value(i))] = true
		}
		b.Release()
	}
	if len(seen) < 40 {
		t.Errorf("400 crops of 4 pictures are %d different ones", len(seen))
	}
}

// TestMixtureOfSubset: chosen samples, in any order, joined or chosen from
// again, are of the members that they were of.
func TestMixtureOfSubset(t *testing.T) {
	ds := groups(t, 100, 40, 60)
	must := func(s *dataset.Subset, err error) *dataset.Subset {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	scattered := make([]int, 90)
	for i := range scattered {
		scattered[i] = (i*7 + 11) % 200 // no sample twice
	}
	part := must(dataset.NewRange(ds, 60, 180))
	joined, err := dataset.NewJoin(numbers(t, "z", fields.Int{}, 90, ints), must(dataset.NewSubset(ds, scattered)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		ds      dataset.Dataset
		indices []int
	}{
		{"range", part, nil},
		{"range of a range", must(dataset.NewRange(part, 30, 100)), nil},
		{"scattered", must(dataset.NewSubset(ds, scattered)), nil},
		{"range of scattered", must(dataset.NewRange(must(dataset.NewSubset(ds, scattered)), 20, 80)), nil},
		{"scattered, selected by the loader", must(dataset.NewSubset(ds, scattered)), []int{3, 80, 14, 21, 0, 7, 55, 16, 43, 9}},
		{"range, selected by the loader", part, []int{30, 45, 1, 77, 100, 119, 62}},
		{"joined", joined, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			weights := []float64{5, 2, 3}
			l, err := loader.New(c.ds, &loader.Options{Order: dataset.Mixture{Weights: weights, Length: 1000}, Seed: 3, Indices: c.indices})
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			selected := c.indices
			for i := 0; c.indices == nil && i < c.ds.Len(); i++ {
				selected = append(selected, i)
			}
			bounds, counts, uses := ds.Bounds(), make([]int, 3), make(map[int]int) // by number in ds
			member := func(v int) int { return slices.IndexFunc(bounds[1:], func(end int) bool { return v < end }) }
			for b, err := range l.Epoch(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				for i, id := range b.Samples() {
					if !slices.Contains(selected, id) {
						t.Fatalf("sample %d is not selected", id)
					}
					v := int(binary.LittleEndian.Uint64(b.Output("y").Value(i)))
					counts[member(v)]++
					uses[v]++
				}
				b.Release()
			}
			if want := []int{500, 200, 300}; slices.ContainsFunc([]int{0, 1, 2}, func(k int) bool { return counts[k] < want[k]-3 || counts[k] > want[k]+3 }) {
				t.Errorf("%v samples of the members, want %v", counts, want)
			}
			if len(uses) != len(selected) {
				t.Errorf("%d samples come, want %d", len(uses), len(selected))
			}
			least, most := [3]int{1000, 1000, 1000}, [3]int{}
			for v, n := range uses {
				k := member(v)
				least[k], most[k] = min(least[k], n), max(most[k], n)
			}
			for k := range least {
				if most[k]-least[k] > 1 {
					t.Errorf("member %d has samples that come %d times, and %d", k, least[k], most[k])
				}
			}
		})
	}
	_, err = loader.New(must(dataset.NewRange(ds, 120, 180)), &loader.Options{Order: dataset.Mixture{Weights: []float64{1, 1, 1}}})
	if err == nil || !strings.Contains(err.Error(), "member 0 of") {
		t.Errorf("a member without samples: %v", err)
	}
}
