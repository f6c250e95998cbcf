package loader

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// chiSquare holds counts that are expected to be alike, and returns how many
// standard deviations they are off: about normal, with many degrees of freedom.
func chiSquare(counts []int, freedom int) float64 {
	total := 0
	for _, c := range counts {
		total += c
	}
	want := float64(total) / float64(len(counts))
	x := 0.0
	for _, c := range counts {
		x += (float64(c) - want) * (float64(c) - want) / want
	}
	f := float64(freedom) // Wilson and Hilferty
	return (math.Cbrt(x/f) - (1 - 2/(9*f))) / math.Sqrt(2/(9*f))
}

// network is a bijection that is no table, however small.
func network(n int, key uint64) *bijection {
	b := &bijection{n: uint64(n)}
	b.network(key)
	return b
}

func TestBijection(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 63, 64, 65, 1000, 1023, 1024, 4099, tableSize, tableSize + 1, 100_003} {
		for key := range uint64(3) {
			for _, b := range []*bijection{newBijection(n, key), network(max(n, 1), key)} {
				seen := make([]bool, b.n)
				for i := range int(b.n) {
					v := b.at(i)
					if v < 0 || v >= int(b.n) || seen[v] {
						t.Fatalf("%d numbers, key %d: position %d has %d, outside or again", n, key, i, v)
					}
					seen[v] = true
					if i%97 == 0 || n < 100 {
						if at := b.position(v); at != i {
							t.Fatalf("%d numbers, key %d: %d is at position %d, not %d", n, key, v, i, at)
						}
					}
				}
			}
		}
	}
	for _, n := range []int{1e10, 1<<40 + 1, math.MaxInt} {
		b := newBijection(n, 5)
		for i := range 1000 {
			at := n/1000*i + i
			if v := b.at(at); v < 0 || v >= n || b.position(v) != at {
				t.Fatalf("%d numbers: position %d has %d, which is at %d", n, at, v, b.position(v))
			}
		}
	}
}

// Each permutation of four is as likely as each other.
func TestBijectionTable(t *testing.T) {
	counts := make([]int, 256)
	for key := range uint64(100_000) {
		b := newBijection(4, orderKey(1, int(key), "keyed"))
		counts[b.at(0)|b.at(1)<<2|b.at(2)<<4|b.at(3)<<6]++
	}
	slices.Sort(counts)
	if counts = counts[256-24:]; counts[0] == 0 {
		t.Fatal("a permutation does not come")
	}
	if z := chiSquare(counts, 23); math.Abs(z) > 4 {
		t.Errorf("permutations: %.1f standard deviations", z)
	}
}

// TestBijectionQuality looks for what a shuffle must not show, at fixed keys: a
// number's place, its neighbour's, that of the same position in the next epoch.
func TestBijectionQuality(t *testing.T) {
	check := func(what string, n int, counts []int, freedom int) {
		t.Helper()
		if z := chiSquare(counts, freedom); math.Abs(z) > 4.5 {
			t.Errorf("%s of %d: %.1f standard deviations", what, n, z)
		}
	}
	for _, n := range []int{32, 100, 257} { // small networks, every position with every number
		counts := make([]int, n*n)
		next := make([]int, n)
		for key := range uint64(6_000_000 / n / 10) {
			b := network(n, draw(7, key))
			last := b.at(n - 1)
			for i := range n {
				v := b.at(i)
				counts[i*n+v]++
				next[(v-last+n)%n]++
				last = v
			}
		}
		check("place", n, counts, (n-1)*(n-1))
		check("step", n, next[1:], n-2)
	}
	const bins = 64
	for _, n := range []int{tableSize, tableSize + 1, 1_281_167, 1e10} {
		b, later := newBijection(n, orderKey(1, 0, "keyed")), newBijection(n, orderKey(1, 1, "keyed"))
		bin := func(v int) int { return int(float64(v) / float64(n) * bins) }
		m := min(n, 1<<20)
		for _, lag := range []int{1, 2, 255, 256, 1 << b.k} {
			pairs, fine := make([]int, bins*bins), make([]int, bins)
			for i := range m {
				v, w := b.at(i), b.at((i+lag)%n)
				pairs[bin(v)*bins+bin(w)]++
				fine[((w-v+n)%n)%bins]++
			}
			check(fmt.Sprint("pairs at a distance of ", lag), n, pairs, bins*bins-1)
			check(fmt.Sprint("low bits at a distance of ", lag), n, fine, bins-1)
		}
		places, epochs := make([]int, bins*bins), make([]int, bins*bins)
		for i := range m {
			v := b.at(i)
			places[i*bins/m*bins+bin(v)]++
			epochs[bin(v)*bins+bin(later.at(i))]++
		}
		check("places", n, places, bins*bins-1)
		check("epochs", n, epochs, bins*bins-1)
	}
}

func BenchmarkBijection(b *testing.B) {
	for _, n := range []int{tableSize, 1_281_167, 1e8, 1e10} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) {
			p := newBijection(n, 1)
			at, sum := 0, 0
			for range b.N {
				if at++; at == n {
					at = 0
				}
				sum += p.at(at)
			}
			if sum < 0 {
				b.Fatal(sum)
			}
		})
	}
}
