package loader

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
)

// TestShares: every position is taken once, in runs, whoever is quick or does not
// come at all.
func TestShares(t *testing.T) {
	for _, c := range []struct{ n, run, workers int }{
		{0, 16, 1}, {1, 16, 1}, {1, 1, 1}, {15, 16, 1}, {256, 16, 2}, {256, 16, 16}, {255, 16, 16}, {257, 16, 16}, {16, 1, 16}, {17, 1, 16}, {1000, 7, 3}, {64, 16, 4},
	} {
		for absent := range min(c.workers, 3) {
			s := make(shares, c.workers)
			s.deal(c.n, c.run)
			taken := make([]atomic.Int32, c.n)
			var all sync.WaitGroup
			for k := absent; k < c.workers; k++ {
				all.Add(1)
				go func() {
					defer all.Done()
					for {
						lo, hi := s.take(k, c.run)
						if lo == hi {
							return
						}
						if hi-lo > c.run || hi < lo || lo%c.run != 0 || hi != min(lo+c.run, c.n) {
							t.Errorf("%+v: positions %d to %d", c, lo, hi)
						}
						for i := lo; i < hi; i++ {
							taken[i].Add(1)
						}
					}
				}()
			}
			all.Wait()
			for i := range taken {
				if n := taken[i].Load(); n != 1 {
					t.Fatalf("%+v, %d absent: position %d taken %d times", c, absent, i, n)
				}
			}
		}
	}
}

// TestSharesApart counts who comes to whose share. Workers of one speed, which
// take turns, never change another's. A slow one's is halved: with each visit it
// has half as much left, so there are few.
func TestSharesApart(t *testing.T) {
	for _, workers := range []int{1, 2, 4, 8, 16} {
		for _, slow := range []int{1, 10} { // worker 0 takes a run in so many turns
			name := fmt.Sprintf("workers=%d/slow=%d", workers, slow)
			const runs = 4
			s := make(shares, workers)
			s.deal(16*runs*workers, 16)
			moved, done := make([]int, workers), make([]bool, workers) // how often others changed a share
			last := 0
			for turn := 0; last < workers && turn < 1000; turn++ {
				for k := range workers {
					if done[k] || k == 0 && turn%slow != 0 {
						continue
					}
					before := make([]uint64, workers)
					for i := range s {
						before[i] = s[i].rest.Load()
					}
					lo, hi := s.take(k, 16)
					for i := range s {
						if i != k && s[i].rest.Load() != before[i] {
							moved[i]++
						}
					}
					if lo == hi {
						done[k] = true
						last++
					}
				}
			}
			for k, n := range moved {
				if most := map[bool]int{true: 0, false: 3}[slow == 1]; n > most {
					t.Errorf("%s: the share of worker %d was changed %d times by others, want at most %d", name, k, n, most)
				}
			}
			if last < workers {
				t.Errorf("%s: it does not end", name)
			}
		}
	}
}
