package loader

import "time"

// pace says which turns of a goroutine are timed: all where they are long, else
// one of so many, by chance, that reading the clock and noting it takes no more
// than 1/pacesCost of the time.
type pace struct {
	left  int           // turns before the next timed one has begun; 0: it has
	turns int           // since the last timed one
	mean  time.Duration // of a turn
}

const (
	pacesCost = 500
	pacesRead = 2 * clockApart // readings of the clock in a row that timing a turn costs as much as
	mostTurns = 512            // of so many one is timed, about, however short they are
	pacing    = 8              // turns that averages are over
)

// next begins a turn and tells whether it is to be timed.
func (p *pace) next() bool {
	p.turns++
	p.left--
	return p.left <= 0
}

// timed ends a timed turn; took is the time since the end of the one before.
func (p *pace) timed(took, cost time.Duration, c *chance) {
	dear := pacesCost * pacesRead * cost
	// However long one pause was, turns that are short again are soon taken for it.
	took = min(took/time.Duration(p.turns), 16*dear)
	if p.mean == 0 {
		p.mean = took
	}
	p.mean += (took - p.mean) / pacing
	p.left, p.turns = 1, 0
	if p.mean < dear {
		p.left = c.around(int(min(mostTurns, dear/max(1, p.mean))))
	}
}

// chance is a generator of numbers that need not be good ones.
type chance uint32

// around returns a number from half of n to three halves, so that no rhythm of
// what is counted is met, but at least 1.
func (c *chance) around(n int) int {
	if n <= 1 {
		return 1
	}
	x := *c
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	*c = x
	return max(1, n/2+int(uint32(x)%uint32(n+1)))
}
