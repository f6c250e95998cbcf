package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPrints: what is spilled comes as what is in memory does.
func TestPrints(t *testing.T) {
	for _, n := range []int{0, 1, 99, 100, 101, 5000} {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		p := &prints{room: 100}
		var want []entry
		for i := range n {
			h := rng.Uint64N(500)
			want = append(want, entry{h, int64(i)})
			if err := p.add(h, i); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.seal(); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(want, entry.compare)
		if got := slices.Collect(p.all); !slices.Equal(got, want) || p.len() != n {
			t.Errorf("%d: got %d entries, or another order", n, len(got))
		}
		if err := p.close(); err != nil {
			t.Error(err)
		}
	}
}

// TestIndex compares the index with a look at all.
func TestIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	p := &prints{room: 1 << 20}
	var hashes []uint64
	for i := range 3000 {
		h := rng.Uint64()
		if i%2 == 1 { // one near the last
			h = hashes[i-1]
			for range rng.IntN(14) {
				h ^= 1 << rng.IntN(64)
			}
		}
		hashes = append(hashes, h)
		if err := p.add(h, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.seal(); err != nil {
		t.Fatal(err)
	}
	for d := 1; d <= maxDistance; d++ {
		x := newIndex(p, nil, d)
		for _, h := range hashes[:400] {
			var got, want []uint64
			x.near(h, d, func(i int) { got = append(got, x.hashes[i]) })
			for _, o := range x.hashes {
				if distance(h, o) <= d {
					want = append(want, o)
				}
			}
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("distance %d: got %d hashes, want %d", d, len(got), len(want))
			}
		}
	}
}

// TestSketch: quantiles of more different values than are counted are right to a
// thousandth, and don't depend on the order.
func TestSketch(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	list := make([]float64, 3*maxValues)
	for i := range list {
		list[i] = math.Exp(10*rng.Float64()) - 50
	}
	var a, b sketch
	for i, v := range list {
		a.add(v)
		b.add(list[len(list)-1-i])
	}
	ra, rb := a.summary(), b.summary()
	if ra.Exact || !slices.Equal(ra.Quantiles, rb.Quantiles) {
		t.Errorf("got %+v and %+v", ra, rb)
	}
	slices.Sort(list)
	for _, q := range ra.Quantiles {
		want := list[int(math.Ceil(q.P*float64(len(list))))-1]
		if got := float64(q.Value); math.Abs(got-want) > math.Abs(want)/1000 {
			t.Errorf("quantile %v: got %v, want %v", q.P, got, want)
		}
	}
}

func TestSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	for _, n := range []int{0, 1, 2, 3, 1 << 14, 1<<14 + 1, 100001} {
		pix := make([]byte, 3*n)
		var want, wantSquare [3]uint64
		for i := range pix {
			pix[i] = byte(rng.Uint32() | 0xf0)
			want[i%3] += uint64(pix[i])
			wantSquare[i%3] += uint64(pix[i]) * uint64(pix[i])
		}
		if sum, square := sums(pix); sum != want || square != wantSquare {
			t.Errorf("%d pixels: got %v %v, want %v %v", n, sum, square, want, wantSquare)
		}
	}
	var c channel
	for range 5 {
		c.add(1, math.MaxUint64, 3)
	}
	if got, want := c.report(1).Mean, float64(math.MaxUint64); got != want {
		t.Errorf("mean %v, want %v", got, want)
	}
}

func BenchmarkSums(b *testing.B) {
	pix := make([]byte, 500*375*3)
	b.SetBytes(int64(len(pix)))
	for b.Loop() {
		sums(pix)
	}
}
