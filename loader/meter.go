package loader

import (
	"math"
	"sync"
	"time"
)

// Times are measured so that measuring costs next to nothing: a worker's clock
// is read around its turns at batches, or where they are short around some of
// them (see pace), and around a few samples, chosen by chance, more of them the
// longer a sample takes. What is summed up is the worker's own, and handed over
// under a lock of its own, at the end of the turns that are timed.

// clock is the time since the program began: cheaper than time.Now.
func clock() time.Duration { return time.Since(begun) }

var begun = time.Now()

// clockCost is what it takes to read the clock.
var clockCost = sync.OnceValue(func() time.Duration {
	const rounds, reads = 8, 16
	least := time.Duration(1 << 62)
	for range rounds {
		from := clock()
		for range reads - 1 {
			clock()
		}
		least = min(least, (clock()-from)/reads)
	}
	return least
})

const (
	// Between other work the clock costs as much as so many readings in a row:
	// the processor waits until what was begun is done, and what it takes to read
	// it has left its caches.
	clockApart = 8
	dearest    = 1000 // samples are timed so seldom that reading the clock takes at most 1/dearest of the time
	seldomest  = 1024 // of so many at least one is
	ofRuns     = 256  // and of runs of values that are copied
	touchGap   = 4    // and of samples that are read before they are decoded at most one of so many
	pageBytes  = 4096 // no system's pages are smaller
)

// meter is a worker's account of the epoch that it works for.
type meter struct {
	record *record // nil: nobody asks, see mute
	tally  *tally
	outs   []sampler // by output; then for what is done for a whole batch, see lookUps and tails

	on     bool // something is being timed
	weight int64
	start  time.Duration
	last   time.Duration // end of the last lap
	reads  time.Duration // of the clock since start
	chance chance
	cost   time.Duration // see clockCost

	turn    pace          // of turns, from the end of one to that of the next
	working time.Duration // one turn, without the rest before it, on average
	began   time.Duration // the turn that is timed
	ended   time.Duration // the last one that was

	sums // since they were handed over
	sink byte
}

// sums is what one worker, or all, have done.
type sums struct {
	laps       []lap   // by slot of the layout, of what was timed
	done       []int64 // values, by output as meter.outs: exact
	bytes      int64   // of values read from the dataset
	marksFound int64
	marksMade  int64
}

// lap is time spent on a stage.
type lap struct {
	values int64
	time   time.Duration
}

func (l *lap) add(other lap) {
	l.values += other.values
	l.time += other.time
}

// newSums returns n sums that share no cache line: the room behind each of their
// slices fills one.
func newSums(n, stages, outs int) []sums {
	list, laps, done := make([]sums, n), make([]lap, n*(stages+4)), make([]int64, n*(outs+8))
	for i := range list {
		list[i] = sums{laps: laps[i*(stages+4):][:stages:stages], done: done[i*(outs+8):][:outs:outs]}
	}
	return list
}

func (s *sums) clear() {
	clear(s.laps)
	clear(s.done)
	s.bytes, s.marksFound, s.marksMade = 0, 0, 0
}

// tally is what a worker has handed over.
type tally struct {
	mu    sync.Mutex
	work  time.Duration // up to the last timed turn
	since time.Duration // of the turn that is being timed; below 0: none
	sums
	_ [64]byte // nothing else in its cache lines
}

func (t *tally) clear() {
	t.work = 0
	t.sums.clear()
}

// sampler chooses what is timed.
type sampler struct {
	next  int           // how many come before the next that is timed
	gap   int           // for how many that one stands
	least int           // gap
	time  time.Duration // that one takes, about
}

// mute makes an account that is nobody's, of so many outputs as meter.outs.
func (m *meter) mute(outs int) {
	m.outs, m.done = make([]sampler, outs), make([]int64, outs)
	for i := range m.outs {
		m.outs[i].next = never
	}
}

const never = math.MaxInt / 2

// join begins a worker's account of an epoch.
func (m *meter) join(r *record) {
	m.record, m.on, m.cost = r, false, clockCost()
	if m.sums = (sums{laps: m.laps, done: m.done}); len(m.laps) != len(r.stages) || len(m.done) != len(r.slots) {
		m.sums = newSums(1, len(r.stages), len(r.slots))[0]
	}
	m.clear()
	if m.turn.left == 0 { // its first epoch: what is first is timed, then it goes on from epoch to epoch
		m.outs = make([]sampler, len(r.slots), len(r.slots)+2) // the last fill a cache line that is nobody else's
		for i := range m.outs {
			m.outs[i] = sampler{gap: 1, least: r.least[i]}
		}
		m.turn.left = 1
	}
	m.chance += 0x9e3779b9
	m.tally, m.ended = r.join()
}

// leave ends it.
func (m *meter) leave() {
	if m.record == nil {
		return
	}
	t := m.tally
	t.mu.Lock()
	if m.turn.turns > 0 {
		t.work += m.untimed(m.turn.turns, clock())
	}
	t.since = -1
	t.add(&m.sums)
	t.mu.Unlock()
	m.turn.turns = 0
	m.record, m.tally = nil, nil
}

// begins and ends are around a worker's turn at a batch.
func (m *meter) begins() {
	if m.turn.next() {
		m.beginTurn()
	}
}

func (m *meter) ends() {
	if m.turn.left <= 0 {
		m.endTurn()
	}
}

func (m *meter) beginTurn() {
	t := m.tally
	m.began = clock()
	t.mu.Lock()
	t.work += m.untimed(m.turn.turns-1, m.began)
	t.since = m.began
	t.mu.Unlock()
}

func (m *meter) endTurn() {
	t := m.tally
	t.mu.Lock()
	now := clock() // under the lock: nobody has been told of later times
	t.work += now - m.began
	t.since = -1
	t.add(&m.sums)
	t.mu.Unlock()
	m.clear()
	m.working += (now - m.began - m.working) / pacing
	m.turn.timed(now-m.ended, m.cost, &m.chance)
	m.ended = now
}

// untimed is about how long the worker was at turns that were not timed, up to now.
func (m *meter) untimed(turns int, now time.Duration) time.Duration {
	return max(0, min(now-m.ended, time.Duration(turns)*m.working))
}

func (s *sums) add(other *sums) {
	for i := range other.laps {
		s.laps[i].add(other.laps[i])
	}
	for i, n := range other.done {
		s.done[i] += n
	}
	s.bytes += other.bytes
	s.marksFound += other.marksFound
	s.marksMade += other.marksMade
}

// lookUps and tails are what all outputs share of meter.outs.
func (m *meter) lookUps() int { return len(m.outs) - 2 }
func (m *meter) tails() int   { return len(m.outs) - 1 }

// first returns the position from lo on that is to be timed.
func (m *meter) first(out, lo int) int {
	m.on = false
	return lo + m.outs[out].next
}

// begin times what follows, for an output.
func (m *meter) begin(out int) {
	m.on = true
	m.weight, m.reads = int64(m.outs[out].gap), 1
	m.start = clock()
	m.last = m.start
}

// lap ends a stage of what is timed.
func (m *meter) lap(out, stage int, values int) {
	now := clock()
	l := &m.laps[m.record.slots[out]+stage]
	l.time += time.Duration(m.weight) * max(0, now-m.last-m.cost)
	l.values += m.weight * int64(values)
	m.last = now
	m.reads++
}

// end returns how many come until the next that is timed, that one counted.
func (m *meter) end(out int) int {
	if !m.on {
		return seldomest
	}
	m.on = false
	s := &m.outs[out]
	took := m.last - m.start
	if s.time == 0 {
		s.time = took
	}
	s.time += (took - s.time) / 8
	gap := int(min(seldomest, m.reads*m.cost*clockApart*dearest/max(1, s.time)))
	gap = max(gap, s.least)
	s.gap = m.chance.around(gap)
	return s.gap
}

// until keeps how many come before the next that is timed, after so many values
// that weren't all.
func (m *meter) until(out, n, values int) {
	m.outs[out].next = max(0, n)
	m.done[out] += int64(values)
}

// count counts values that are timed with those of another output.
func (m *meter) count(out, values int) { m.done[out] += int64(values) }

// open times a stage that is one for many values, now and then.
func (m *meter) open(out int) {
	if m.on = false; m.outs[out].next == 0 {
		m.begin(out)
	}
}

// close ends what open began, a stage's work on so many values.
func (m *meter) close(out, values int) {
	if m.done[out] += int64(values); m.on {
		m.lapAll(out, values)
		return
	}
	m.outs[out].next--
}

func (m *meter) lapAll(out, values int) {
	m.lap(out, 0, values)
	m.settle(out)
}

// settle ends what open began and lap has timed already.
func (m *meter) settle(out int) {
	s := &m.outs[out]
	if m.on {
		s.next = min(m.end(out), ofRuns)
		s.gap = s.next
	}
	s.next--
}

// touch reads a little of each page of borrowed bytes, so that the time it
// takes the system to bring them is not taken for decoding.
func (m *meter) touch(b []byte) {
	sum := byte(0)
	for i := 0; i < len(b); i += pageBytes {
		sum += b[i]
	}
	m.sink = sum // or the reads would be no use to the compiler
}
