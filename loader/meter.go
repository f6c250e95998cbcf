package loader

import (
	"sync"
	"time"
)

// Times are measured so that measuring costs next to nothing: a worker's clock
// is read when it has to rest, and around a few samples, chosen by chance, more
// of them the longer a sample takes. What is summed up is the worker's own, and
// handed over under a lock of its own, once for each batch that it works on.

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
	dearest   = 2000 // samples are timed so seldom that reading the clock takes at most 1/dearest of the time
	seldomest = 1024 // of so many at least one is
	ofRuns    = 16   // and of runs of values that are copied
	touchGap  = 4    // and of samples that are read before they are decoded at most one of so many
	pageBytes = 4096 // no system's pages are smaller
)

// meter is a worker's account of the epoch that it works for.
type meter struct {
	record *record // nil: nobody asks
	tally  *tally
	outs   []sampler // by output; then for what is done for a whole batch, see lookUps and tails

	on     bool // something is being timed
	weight int64
	start  time.Duration
	last   time.Duration // end of the last lap
	reads  time.Duration // of the clock since start
	chance uint32
	cost   time.Duration // see clockCost

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

// newSums returns n sums that share no cache line: the room behind each of their
// slices fills one.
func newSums(n, stages, outs int) []sums {
	list, laps, done := make([]sums, n), make([]lap, n*(stages+4)), make([]int64, n*(outs+8))
	for i := range list {
		list[i] = sums{laps: laps[i*(stages+4):][:stages:stages], done: done[i*(outs+8):][:outs:outs]}
	}
	return list
}

// tally is what a worker has handed over.
type tally struct {
	mu     sync.Mutex
	joined time.Duration
	left   time.Duration // below 0: it is at work
	idle   time.Duration
	since  time.Duration // of a rest; below 0: none
	sums
	_ [64]byte // nothing else in its cache lines
}

// sampler chooses what is timed.
type sampler struct {
	next  int           // how many come before the next that is timed
	gap   int           // for how many that one stands
	least int           // gap
	time  time.Duration // that one takes, about
}

// join begins a worker's account of an epoch.
func (m *meter) join(r *record) {
	m.record, m.on, m.cost = r, false, clockCost()
	if m.sums = (sums{laps: m.laps, done: m.done}); len(m.laps) != len(r.stages) || len(m.done) != len(r.slots) {
		m.sums = newSums(1, len(r.stages), len(r.slots))[0]
	}
	clear(m.laps)
	clear(m.done)
	if len(m.outs) != len(r.slots) {
		m.outs = make([]sampler, len(r.slots), len(r.slots)+2) // the last fill a cache line that is nobody else's
	}
	for i := range m.outs {
		s := &m.outs[i]
		s.next, s.gap, s.least = 0, 1, r.least[i]
	}
	m.chance += 0x9e3779b9
	m.tally = r.join()
}

// leave ends it.
func (m *meter) leave() {
	if m.record == nil {
		return
	}
	m.handOver()
	t := m.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = clock()
	if t.since >= 0 {
		t.idle += t.left - t.since
		t.since = -1
	}
	m.record, m.tally = nil, nil
}

// handOver is called once for each batch.
func (m *meter) handOver() {
	t := m.tally
	t.mu.Lock()
	t.add(&m.sums)
	t.mu.Unlock()
	clear(m.laps)
	clear(m.done)
	m.bytes, m.marksFound, m.marksMade = 0, 0, 0
}

func (s *sums) add(other *sums) {
	for i := range other.laps {
		s.laps[i].values += other.laps[i].values
		s.laps[i].time += other.laps[i].time
	}
	for i, n := range other.done {
		s.done[i] += n
	}
	s.bytes += other.bytes
	s.marksFound += other.marksFound
	s.marksMade += other.marksMade
}

// rests and wakes are around the time that a worker has nothing to do. The clock
// is read under the lock, so that who asks meanwhile is not told of later times
// than the next to ask.
func (t *tally) rests() {
	t.mu.Lock()
	t.since = clock()
	t.mu.Unlock()
}

func (t *tally) wakes() {
	t.mu.Lock()
	t.idle += clock() - t.since
	t.since = -1
	t.mu.Unlock()
}

// lookUps and tails are what all outputs share of meter.outs.
func (m *meter) lookUps() int { return len(m.outs) - 2 }
func (m *meter) tails() int   { return len(m.outs) - 1 }

// first returns the position from lo on that is to be timed.
func (m *meter) first(out, lo int) int {
	m.on = false
	if m.record == nil {
		return -1
	}
	return lo + m.outs[out].next
}

// begin times what follows, for an output.
func (m *meter) begin(out int) {
	if m.record == nil {
		return
	}
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
	gap := int(min(seldomest, m.reads*m.cost*dearest/max(1, s.time)))
	gap = max(gap, s.least)
	if gap > 1 { // from half to three halves, so that no rhythm of the data is met
		m.chance ^= m.chance << 13
		m.chance ^= m.chance >> 17
		m.chance ^= m.chance << 5
		gap = gap/2 + int(m.chance%uint32(gap+1))
	}
	s.gap = max(1, gap)
	return s.gap
}

// until keeps how many come before the next that is timed, after so many values
// that weren't all.
func (m *meter) until(out, n, values int) {
	if m.record != nil {
		m.outs[out].next = max(0, n)
		m.done[out] += int64(values)
	}
}

// count counts values that are timed with those of another output.
func (m *meter) count(out, values int) {
	if m.record != nil {
		m.done[out] += int64(values)
	}
}

// open times a stage that is one for many values, now and then.
func (m *meter) open(out int) {
	if m.on = false; m.record != nil && m.outs[out].next == 0 {
		m.begin(out)
	}
}

// close ends what open began, a stage's work on so many values.
func (m *meter) close(out, values int) {
	if m.record == nil {
		return
	}
	m.done[out] += int64(values)
	if m.on {
		m.lap(out, 0, values)
	}
	m.settle(out)
}

// settle ends what open began and lap has timed already.
func (m *meter) settle(out int) {
	if m.record == nil {
		return
	}
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
