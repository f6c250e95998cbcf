package loader

import (
	"context"
	"time"
)

// waiting is how a consumer's waits are timed, its goroutine's own. A turn is
// from one batch to the next.
type waiting struct {
	turn    pace
	asked   int           // timed turns
	at      time.Duration // end of the wait of the last of them
	each    time.Duration // one wait, on average
	blocked int           // untimed turns since then that had to wait
	full    bool          // in one of them all that can be ready was
	chance  chance
}

// await waits for a flight, the first, or the context.
func (e *epoch) await(ctx context.Context, f *flight) {
	w := &e.record.waiting
	if w.turn.next() {
		e.awaitTimed(ctx, f)
		return
	}
	select {
	case <-f.done:
		w.full = w.full || len(e.flights[len(e.flights)-1].done) > 0
		return
	default:
	}
	w.blocked++
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

func (e *epoch) awaitTimed(ctx context.Context, f *flight) {
	r := e.record
	w := &r.waiting
	now, ready := clock(), e.ready()
	r.mu.Lock()
	r.settle(now)
	if w.asked%8 == 0 || w.turn.turns > 1 {
		r.depths += int64(ready)
		r.looks++
	}
	if ready == 0 {
		r.since = now
	}
	r.mu.Unlock()
	if w.asked++; ready == 0 {
		now = r.wait(ctx, f)
	} else {
		<-f.done
	}
	w.turn.timed(now-w.at, clockCost(), &w.chance)
	w.at = now
}

// ready is how many flights are, of those that come next.
func (e *epoch) ready() (n int) {
	for n < len(e.flights) && len(e.flights[n].done) > 0 {
		n++
	}
	return n
}

// wait is a timed wait, which has begun. It returns when it ended.
func (r *record) wait(ctx context.Context, f *flight) time.Duration {
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	r.mu.Lock()
	now := clock() // under the lock: nobody has been told of later times
	took := now - r.since
	c := &r.consumer
	c.Wait += took
	c.Waits++
	if r.given.batches.Load() == 0 {
		c.FirstWait = c.Wait
	}
	r.since = -1
	r.mu.Unlock()
	w := &r.waiting
	if w.each == 0 {
		w.each = took
	}
	w.each += (took - w.each) / pacing
	return now
}

// settle counts the waits of untimed turns up to now, in which a timed one, or
// nothing any more, begins. They took what others took; but a pause that is out
// of all proportion was a wait, if nothing lay ready after it, or else the
// consumer's own. The caller holds the lock.
func (r *record) settle(now time.Duration) {
	w, c := &r.waiting, &r.consumer
	if w.blocked > 0 {
		passed := now - w.at
		guess := time.Duration(w.blocked) * w.each
		if usual := time.Duration(w.turn.turns) * w.turn.mean; passed > 4*usual && !w.full {
			guess += passed - usual
		}
		c.Wait += min(guess, passed)
		c.Waits += int64(w.blocked)
	}
	w.blocked, w.full = 0, false
}

// gives counts a batch that is about to be the consumer's.
func (r *record) gives(b *Batch) {
	if r.varies || len(b.skipped) > 0 {
		r.counts(b)
	} else { // its place in the epoch tells what is in it
		r.given.batches.Add(1)
	}
}

func (r *record) counts(b *Batch) {
	size := int64(0)
	if r.varies {
		for i := range b.columns {
			if c := &b.columns[i]; c.Lengths != nil {
				size += int64(len(c.Data))
			}
		}
	}
	g := r.given
	g.hand(g.deal.size(int(g.batches.Load())) - len(b.ids))
	if size == 0 && len(b.skipped) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.consumer.Bytes += size
	r.consumer.Skipped += int64(len(b.skipped))
}
