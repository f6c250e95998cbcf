package loader

import (
	"slices"
	"sync"
	"time"

	"github.com/betongo/betongo/ffcv"
)

// recorder keeps the records of a loader's epochs. The zero value is ready.
type recorder struct {
	mu      sync.Mutex
	last    *record // of the epoch begun last
	running []*record
	ended   Stats   // the sum of those that have ended
	layout  *layout // of the last epoch's plan

	// As the last epoch that has ended left them:
	at       time.Duration
	usage    usage
	pace     pace // of the consumer
	ordering sampler
	laps     []lap // by slot of layout, of all of them; not written to
	tallies  []tally
}

// layout gives each stage of a plan its slot.
type layout struct {
	plan   *plan
	stages []StageStats // by slot, without figures
	outs   []int        // by slot, whose stage it is, as meter.outs
	slots  []int        // of the first stage of an output, then of the look-ups and of Collate
	least  []int        // see sampler, by output as meter.outs
	fixed  int          // bytes of a sample in the outputs whose rows have one size
	varies bool         // there are others
}

// record is the account of one epoch. What a consumer does is written by its
// goroutine.
type record struct {
	by     *recorder
	number int
	*layout
	began    time.Duration
	usage    usage // when it began
	cache    ffcv.CacheStats
	given    *given // batches handed out
	earlier  []lap  // of the epochs that have ended, by slot; not written to
	ordering sampler
	waiting  waiting

	mu       sync.Mutex
	tallies  []tally       // of workers, and one for their sum in the end
	joined   int           // of them
	consumer Stats         // what a consumer counts, beside given
	since    time.Duration // of a wait; below 0: none
	depths   int64         // sum of the queue's, each time it was looked at
	looks    int64
	end      *Stats // figures of the epoch, when it has ended
}

// Cacher is the ability of a Dataset that reads through a cache of its own, as
// an *ffcv.File opened with a budget of memory does, to tell what that did since
// it was opened; false for none. It is called by many goroutines at once.
type Cacher interface {
	CacheStats() (ffcv.CacheStats, bool)
}

func (p *plan) cacheStats() (s ffcv.CacheStats) {
	if d, ok := p.ds.(Cacher); ok {
		s, _ = d.CacheStats()
	}
	return s
}

// The stages of an output that is made sample by sample, before its operations;
// any other has one alone.
const (
	stageRead   = 0
	stageDecode = 1
	stageOps    = 2
)

// atOnce is after how short a time an epoch is said to begin where another ended:
// asking the system what the process took is dear beside a tiny epoch.
const atOnce = 10 * time.Microsecond

// begin starts the account of an epoch, which is seen from show on.
func (r *recorder) begin(p *plan, number int) *record {
	e := &record{by: r, number: number, began: clock(), cache: p.cacheStats(), since: -1}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.usage = r.usage; e.began-r.at > atOnce {
		e.usage = processUsage()
	}
	e.waiting = waiting{turn: pace{left: 1, mean: r.pace.mean}, at: e.began, chance: chance(number) + 1}
	if r.layout == nil || r.layout.plan != p {
		r.layout, r.tallies = newLayout(p), nil
		r.laps = make([]lap, len(r.layout.stages))
	}
	e.ordering, e.earlier = r.ordering, r.laps
	e.layout = r.layout
	e.tallies, r.tallies = r.tallies, nil
	if e.tallies == nil {
		e.tallies = make([]tally, p.workers+1)
		for i, s := range newSums(len(e.tallies), len(e.stages), len(e.slots)) {
			e.tallies[i].sums = s
		}
	}
	return e
}

func newLayout(p *plan) *layout {
	e := &layout{plan: p}
	add := func(kind StageKind, output, what string) {
		e.stages = append(e.stages, StageStats{Kind: kind, Output: output, What: what})
		e.outs = append(e.outs, len(e.slots)-1)
	}
	for i := range p.outputs {
		o := &p.outputs[i]
		if o.varies() {
			e.varies = true
		} else {
			e.fixed += o.rowBytes
		}
		e.slots = append(e.slots, len(e.stages))
		least := 1
		switch {
		case o.perSample():
			if o.kind != kindMember && p.lends {
				least = touchGap
			}
			add(StageRead, o.name, "read")
			add(StageDecode, o.name, o.what)
		case o.kind == kindPacked:
			add(StageDecode, o.name, o.what)
		case p.lends:
			add(StageCopy, o.name, o.what)
		default:
			add(StageRead, o.name, "read")
		}
		e.least = append(e.least, least)
		for k := range o.stages {
			add(StageOp, o.name, o.stages[k].name)
		}
		for k := range o.tail {
			kind := StageOp
			if o.tail[k].batch != nil {
				kind = StageBatchOp
			}
			add(kind, o.name, o.tail[k].name)
		}
	}
	e.slots = append(e.slots, len(e.stages))
	add(StageLookUp, "", "look up rows and places")
	e.slots = append(e.slots, len(e.stages))
	add(StageBatchOp, "", "Collate")
	e.least = append(e.least, 1, 1)
	return e
}

// tailStage is the stage of operation k of an output's tail.
func (o *output) tailStage(k int) int {
	if !o.perSample() {
		return 1 + k
	}
	return stageOps + len(o.stages) + k
}

// show lets Loader.Stats see the account. The epoch began before its record did,
// and till then its order was made.
func (e *record) show(began time.Duration, g *given) {
	e.mu.Lock()
	e.consumer.Order += e.began - began
	e.began, e.given = began, g
	e.mu.Unlock()
	r := e.by
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = e
	r.running = append(r.running, e)
}

// join gives a worker its tally, and says when the epoch began.
func (e *record) join() (*tally, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.joined == len(e.tallies)-1 { // it takes the place of one whose goroutine was ended
		return &tally{since: -1, sums: newSums(1, len(e.stages), len(e.slots))[0]}, e.began
	}
	t := &e.tallies[e.joined]
	e.joined++
	t.since = -1
	return t, e.began
}

// finish ends the account. The workers have left.
func (e *record) finish() {
	r := e.by
	r.mu.Lock()
	at := slices.Index(r.running, e)
	r.mu.Unlock()
	if at < 0 {
		return // nobody sees it
	}
	e.mu.Lock()
	e.settle(clock())
	done := &e.tallies[len(e.tallies)-1].sums
	now := processUsage()
	last := e.figures(done, now)
	last.Running = false
	e.end = &last
	e.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	at = slices.Index(r.running, e) // others may have gone
	r.running = slices.Delete(r.running, at, at+1)
	r.at, r.usage = e.began+last.Elapsed, now
	r.pace, r.ordering = e.waiting.turn, e.ordering
	r.ended.add(&last)
	if r.layout != e.layout {
		return
	}
	if slices.ContainsFunc(done.laps, func(l lap) bool { return l.values > 0 }) {
		sum := slices.Clone(r.laps)
		for i := range sum {
			sum[i].add(done.laps[i])
		}
		r.laps = sum
	}
	for i := range e.tallies {
		e.tallies[i].clear()
	}
	r.tallies, e.tallies = e.tallies, nil
}

// ordered counts the time that the making of a batch's order took, by the
// consumer's goroutine; some of them are timed.
func (r *record) ordered(took time.Duration) {
	s, cost := &r.ordering, clockCost()
	took = max(0, took-cost)
	r.mu.Lock()
	r.consumer.Order += time.Duration(max(1, s.gap)) * took
	r.mu.Unlock()
	if s.time == 0 {
		s.time = took
	}
	s.time += (took - s.time) / 8
	s.gap = max(1, int(min(ofRuns, clockApart*cost*dearest/max(1, s.time))))
	s.next = s.gap
}
