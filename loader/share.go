package loader

import "sync/atomic"

// shares divide the positions of a batch among the workers that fill it. Each
// takes runs from the front of its own share, in cache lines that others come to
// only when theirs is empty: they take the back half of what is left of it for
// their own. So nothing that many write to is written for every run.
type shares []share

type share struct {
	rest atomic.Uint64 // positions that nobody has taken: the first, and 32 bits lower the end
	_    [cacheLine - 8]byte
}

func span(lo, hi int) uint64 { return uint64(lo)<<32 | uint64(hi) }

func ends(rest uint64) (lo, hi int) { return int(rest >> 32), int(rest & (1<<32 - 1)) }

// deal divides positions [0, n), in whole runs.
func (s shares) deal(n, run int) {
	runs := (n + run - 1) / run
	for k := range s {
		s[k].rest.Store(span(min(n, k*runs/len(s)*run), min(n, (k+1)*runs/len(s)*run)))
	}
}

// take takes a run of share k, of which there may be less left, or nothing. With
// nothing there it looks at the others'.
func (s shares) take(k, run int) (lo, hi int) {
	own := &s[k].rest
	for {
		rest := own.Load()
		lo, hi = ends(rest)
		if lo == hi {
			if s.refill(k, run) {
				continue
			}
			return 0, 0
		}
		if end := min(lo+run, hi); own.CompareAndSwap(rest, span(end, hi)) {
			return lo, end
		}
	}
}

// refill gives share k, which is empty, the back half of another's rest: whole
// runs, and at least one.
func (s shares) refill(k, run int) bool {
	for i := 1; i < len(s); i++ {
		other := &s[(k+i)%len(s)].rest
		for {
			rest := other.Load()
			lo, hi := ends(rest)
			if lo == hi {
				break
			}
			runs := (hi - lo + run - 1) / run
			from := lo + runs/2*run
			if other.CompareAndSwap(rest, span(lo, from)) {
				s[k].rest.Store(span(from, hi)) // others leave an empty share alone
				return true
			}
		}
	}
	return false
}
