package loader

import (
	"testing"
	"time"
)

// TestPace: long turns are all timed, short ones as seldom as their cost asks for,
// and all are counted by the ones that are.
func TestPace(t *testing.T) {
	const cost = 20 * time.Nanosecond
	dear := pacesCost * pacesRead * cost
	for _, each := range []time.Duration{dear * 2, dear, dear / 4, dear / 100, time.Nanosecond, 0} {
		p, c, counted, timed := pace{left: 1}, chance(7), 0, 0
		const turns = 100_000
		for range turns {
			if !p.next() {
				continue
			}
			timed++
			counted += p.turns
			p.timed(each*time.Duration(p.turns), cost, &c)
		}
		counted += p.turns
		every := min(mostTurns, max(1, int(dear/max(1, each))))
		if want := turns / every; counted != turns || timed < want*9/10 || timed > want*11/10 {
			t.Errorf("turns of %v: %d of %d timed, want about %d; %d counted", each, timed, turns, want, counted)
		}
	}
	// After a pause all turns are timed for a while, and then few again.
	p, c := pace{left: 1}, chance(7)
	run := func(turns int) (timed int) {
		for range turns {
			if p.next() {
				timed++
				p.timed(time.Microsecond*time.Duration(p.turns), cost, &c)
			}
		}
		return timed
	}
	run(2000)
	if timed := run(5000); timed > 200 {
		t.Errorf("%d of 5,000 short turns timed", timed)
	}
	for !p.next() {
	}
	p.timed(time.Hour, cost, &c)
	if timed := run(10); timed != 10 {
		t.Errorf("%d of 10 turns after a pause timed", timed)
	}
	if run(500); run(5000) > 200 {
		t.Error("the pause is not forgotten")
	}
}

// TestSettle: what waits nobody timed are taken for.
func TestSettle(t *testing.T) {
	const us = time.Microsecond
	for _, c := range []struct {
		name         string
		blocked      int
		full         bool
		passed, want time.Duration
	}{
		{"none had to wait", 0, false, 100 * us, 0},
		{"some had to", 5, false, 30 * us, 10 * us},
		{"there was no time for so many", 40, false, 30 * us, 30 * us},
		{"a pause with nothing ready", 5, false, 1010 * us, 10*us + 1000*us},
		{"a pause with all ready", 5, true, 1010 * us, 10 * us},
	} {
		r := &record{waiting: waiting{turn: pace{turns: 10, mean: us}, at: 50 * us, each: 2 * us, blocked: c.blocked, full: c.full}}
		r.settle(50*us + c.passed)
		if s := r.consumer; s.Wait != c.want || s.Waits != int64(c.blocked) || r.waiting.blocked != 0 || r.waiting.full {
			t.Errorf("%s: %v, %d waits, want %v", c.name, s.Wait, s.Waits, c.want)
		}
	}
}
