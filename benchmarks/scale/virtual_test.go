//go:build go1.25

package main

import (
	"cmp"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/betongo/betongo/internal/term"
)

// TestForetold runs the loader and its reading ahead on a clock of their own, on
// which nothing but delays and decoding takes time, and compares with what the
// simulator foretells. So no other work of the machine is in it.
func TestForetold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	c := &checkCmd{Samples: 2500, Size: 50 << 10, Batch: 64, Workers: 2, Decode: time.Millisecond, Memory: 64 << 20, Rounds: 1}
	latencies := []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond}
	if testing.Short() {
		c.Samples, latencies = 1500, latencies[1:3] // more than there is memory for, as in the long run
	}
	if err := writeValues(t.Context(), path, c.Samples, int(c.Size)); err != nil {
		t.Fatal(err)
	}
	l, err := layoutOf(path)
	if err != nil {
		t.Fatal(err)
	}
	c.best = float64(c.Workers) / c.Decode.Seconds()
	sum, worst, n := 0.0, 0.0, 0
	for _, order := range []string{"random", "sequential", "blocks"} {
		for _, f := range []far{{reads: 4}, {reads: 32}, {reads: 32, bandwidth: 50e6}} {
			for _, f.latency = range latencies {
				var m foretold
				all := make([]foretold, 3)
				for i := range all { // in which order goroutines run that could is different each time
					synctest.Test(t, func(t *testing.T) {
						r, ids, err := c.measure(t.Context(), path, order, f)
						if err != nil {
							t.Fatal(err)
						}
						all[i], m = r, c.foretell(l, &pair{order: order, far: f, ids: ids})
					})
				}
				slices.SortFunc(all, func(a, b foretold) int { return cmp.Compare(a.Rate, b.Rate) })
				got := all[1]
				off := m.Rate/got.Rate - 1
				sum, worst, n = sum+math.Abs(off), max(worst, math.Abs(off)), n+1
				t.Logf("| %s | %d | %.0f MB/s | %v | %.0f | %.0f | %+.1f %% | %.2f | %.2f | %.2f s | %.2f s |", order, f.reads, f.bandwidth/1e6, f.latency, m.Rate, got.Rate, 100*off,
					float64(m.Requests)/float64(c.Samples), float64(got.Requests)/float64(c.Samples), m.First, got.First)
			}
		}
	}
	t.Logf("mean error %.1f %%, worst %.1f %%", 100*sum/float64(n), 100*worst)
	if sum/float64(n) > 0.05 || worst > 0.3 {
		t.Errorf("mean error %.1f %%, worst %.1f %%", 100*sum/float64(n), 100*worst)
	}
}

// TestNeighbours is TestForetold of files that have room in the memory, of which
// neighbours are read along: not only how fast, but with how many requests. Just
// below that size there are ten times as many.
func TestNeighbours(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.beton")
	c := &checkCmd{Samples: 1500, Size: 50 << 10, Batch: 64, Workers: 2, Decode: time.Millisecond, Rounds: 1}
	if err := writeValues(t.Context(), path, c.Samples, int(c.Size)); err != nil {
		t.Fatal(err)
	}
	l, err := layoutOf(path)
	if err != nil {
		t.Fatal(err)
	}
	c.best = float64(c.Workers) / c.Decode.Seconds()
	list := []string{"random", "sequential", "blocks"}
	if testing.Short() {
		list = list[:1]
	}
	for _, order := range list {
		for _, f := range []far{{reads: 4, latency: 20 * time.Millisecond}, {reads: 32}, {reads: 32, latency: 20 * time.Millisecond}, {reads: 32, latency: 20 * time.Millisecond, bandwidth: 50e6}} {
			for _, c.Memory = range []term.Size{80 << 20, 128 << 20, 512 << 20} {
				var m foretold
				all := make([]foretold, 3)
				for i := range all {
					synctest.Test(t, func(t *testing.T) {
						r, ids, err := c.measure(t.Context(), path, order, f)
						if err != nil {
							t.Fatal(err)
						}
						all[i], m = r, c.foretell(l, &pair{order: order, far: f, ids: ids})
					})
				}
				slices.SortFunc(all, func(a, b foretold) int { return cmp.Compare(a.Requests, b.Requests) })
				got := all[1]
				t.Logf("%s, %+v, %d MiB: %d requests, foretold %d; %.0f samples/s, foretold %.0f", order, f, c.Memory>>20, got.Requests, m.Requests, got.Rate, m.Rate)
				if off := math.Abs(float64(got.Requests - m.Requests)); off > 0.25*float64(m.Requests)+8 {
					t.Errorf("%s, %+v, %d MiB: %d requests, foretold %d", order, f, c.Memory>>20, got.Requests, m.Requests)
				}
				if off := math.Abs(got.Rate/m.Rate - 1); off > 0.3 {
					t.Errorf("%s, %+v, %d MiB: %.0f samples/s, foretold %.0f", order, f, c.Memory>>20, got.Rate, m.Rate)
				}
				if few := got.Requests < 170; order != "sequential" && few != (c.Memory > 100<<20) {
					t.Errorf("%s, %+v, %d MiB: %d requests of %d samples", order, f, c.Memory>>20, got.Requests, c.Samples)
				}
			}
		}
	}
}
