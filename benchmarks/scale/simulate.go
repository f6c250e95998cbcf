package main

import (
	"container/heap"
)

// model is a loader that reads a file through a cache in memory from afar, ahead
// of its workers. What it says is what package loader, dataset.Cache and the
// reading ahead in them do, as far as it takes time; processors that do something
// else besides, and a network that is not the same all the time, are not in it.
type model struct {
	Layout layout
	Order  []int // of the epoch, or as much of it as is to be simulated
	Most   bool  // the epoch takes more than half of the file's samples

	Batch   int
	Ahead   int // batches in flight; 0 is the loader's default
	Workers int
	CPU     float64 // seconds of a worker for a sample

	Latency    float64 // seconds until an answer begins
	Bandwidth  float64 // bytes a second of all answers together; 0 any
	Requests   int     // at a time
	RequestCPU float64 // seconds that a request takes of the workers' processors
	ByteCPU    float64 // and a byte

	Memory int64
}

// layout says where a file's bytes lie.
type layout struct {
	Size    int64
	Samples int                    // of the file
	RowAt   func(sample int) int64 // of the metadata
	Row     int64                  // bytes of one
	EntryAt func(sample int) int64 // of the allocation table
	Entry   int64                  // bytes of a sample's; 0: nobody asks for them
	Value   func(sample int) (off, size int64)
}

// Those of internal/pagecache.
const (
	blockSize  = 16 << 10
	runBlocks  = 64
	gapBlocks  = 4
	scanBlocks = 32
)

// Those of package dataset, of several files: what each has in a cache that they
// share, and among their pages.
const (
	bundleAlign = 1 << 20
	pageSize    = 8 << 20
)

// Those of package loader.
const (
	defaultAhead = 3
	mostSamples  = 16 // that a worker takes at a time, of those that take long
	scoutSamples = 4096
	scoutBatches = 8
	scoutWaste   = 16 << 10
)

// foretold is what a model gives.
type foretold struct {
	Rate     float64 // samples a second
	First    float64 // seconds to the first batch
	Wall     float64
	Requests int
	Bytes    int64
	Late     int     // values for which there was no room ahead
	Busy     float64 // of the workers, from 0 to 1
}

type blockState uint8

const (
	absent blockState = iota
	queuedBlock
	loadingBlock
	readyBlock
)

// block is one of a file's in the simulated cache.
type block struct {
	state  blockState
	wanted bool  // announced, and not used since
	free   int   // its last entry in a list of those that may give way
	used   int64 // bytes that were read of it
}

// event is something that happens at a time.
type event struct {
	at  float64
	n   int // of two at a time the one made first
	run func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].n < e[j].n
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// simulation is a run of a model.
type simulation struct {
	model
	now    float64
	events events
	made   int

	samples           int // that a worker takes at a time
	frames, limit     int
	scan              bool // neighbours are read along
	blocks            map[int64]*block
	queue             []int64
	wanted            int // blocks that are announced and not used
	reading           int
	linkFree          float64
	debt              float64 // seconds that requests have taken and no worker has paid
	spent, idleBlocks []freed // that may give way: values that were used, first; then others, oldest first
	freed             int
	waiting           []func() bool

	flights []*flightSim
	issued  int // samples
	scout   scoutSim
	taken   int // batches
	idle    []int
	out     foretold
	busy    float64
}

// freed is a block that may give way, unless it was wanted since.
type freed struct {
	block int64
	n     int
}

// flightSim is a batch in flight.
type flightSim struct {
	samples  []int
	prepared bool
	taken    bool     // by the worker that prepares it
	shares   [][2]int // of the workers, each a part of the batch: what nobody has taken
	given    int      // shares that have a worker
	left     int
}

// deal divides the batch among workers, in whole runs.
func (f *flightSim) deal(workers, run int) {
	runs := (len(f.samples) + run - 1) / run
	n := max(1, min(runs, workers))
	for k := range n {
		f.shares = append(f.shares, [2]int{min(len(f.samples), k*runs/n*run), min(len(f.samples), (k+1)*runs/n*run)})
	}
}

// take takes a run of share k, or, where that is empty, of the back half of
// another's.
func (f *flightSim) take(k, run int) (lo, hi int) {
	own := &f.shares[k]
	for i := 1; i < len(f.shares) && own[0] == own[1]; i++ {
		other := &f.shares[(k+i)%len(f.shares)]
		runs := (other[1] - other[0] + run - 1) / run
		from := other[0] + runs/2*run
		*own, other[1] = [2]int{from, other[1]}, from
	}
	lo = own[0]
	own[0] = min(lo+run, own[1])
	return lo, own[0]
}

// simulate runs a model.
func (m model) simulate() foretold {
	if m.Ahead == 0 {
		m.Ahead = defaultAhead
	}
	s := &simulation{model: m, blocks: map[int64]*block{}}
	s.samples = min(max(1, m.Batch/(4*m.Workers)), mostSamples)
	frames := m.Memory
	if each := max(1, min(m.Memory/8/blockSize/int64(m.Requests), runBlocks)); each > 1 {
		frames -= int64(m.Requests) * each * blockSize // for what can't come right into its place
	}
	all := (m.Layout.Size + bundleAlign - 1) / bundleAlign * (bundleAlign / blockSize)
	s.frames = int(max(8, min(frames/(blockSize+96), all)))
	s.limit = s.frames - s.frames/4
	s.scan = m.Most && int64(s.frames) >= all
	s.scout.most = s.scouted()
	for w := range m.Workers {
		s.idle = append(s.idle, w)
	}
	s.issue()
	for len(s.events) > 0 {
		e := heap.Pop(&s.events).(event)
		s.now = e.at
		e.run()
	}
	s.out.Wall = s.now
	s.out.Rate = float64(len(m.Order)) / s.now
	s.out.Busy = s.busy / s.now / float64(m.Workers)
	return s.out
}

func (s *simulation) at(t float64, run func()) {
	s.made++
	heap.Push(&s.events, event{t, s.made, run})
}

// issue puts batches in flight, whose rows are announced at once.
func (s *simulation) issue() {
	for len(s.flights) < s.Ahead && s.issued < len(s.Order) {
		n := min(s.Batch, len(s.Order)-s.issued)
		f := &flightSim{samples: s.Order[s.issued : s.issued+n], left: n}
		s.issued += n
		s.flights = append(s.flights, f)
		s.announceRows(f.samples)
	}
	s.goOn()
	s.read()
	s.serve()
}

// scoutSim goes ahead of the batches in flight: it announces rows, and some batches
// later, when they are there, the values.
type scoutSim struct {
	most  int // batches
	next  int // batch
	fresh []int
	list  []int // whose rows are announced
	busy  bool  // it waits for rows
}

// scouted returns how many batches are announced behind those in flight.
func (s *simulation) scouted() int {
	size := (s.Layout.Size + pageSize - 1) / pageSize * pageSize // as it counts among others
	room := float64(s.Memory/2) / (float64(size)/float64(max(s.Layout.Samples, 1)) + scoutWaste)
	return int(min(room, float64(max(scoutSamples, scoutBatches*s.Batch))))/s.Batch - s.Ahead
}

// batch returns the samples of one.
func (s *simulation) batch(k int) []int {
	return s.Order[k*s.Batch : min((k+1)*s.Batch, len(s.Order))]
}

func (s *simulation) batches(samples int) int { return (samples + s.Batch - 1) / s.Batch }

// goOn has the scout go on, as far as it may.
func (s *simulation) goOn() {
	c, issued, all := &s.scout, s.batches(s.issued), s.batches(len(s.Order))
	for c.next = max(c.next, issued); c.next < min(issued+c.most, all); c.next++ {
		c.fresh = append(c.fresh, c.next)
	}
	hold := c.most / 3
	for !c.busy {
		switch {
		case len(c.list) <= hold && len(c.fresh) > 0:
			k := c.fresh[0]
			if c.fresh = c.fresh[1:]; k >= issued {
				s.announceRows(s.batch(k))
				c.list = append(c.list, k)
			}
		case len(c.list) == 0 || len(c.list) <= hold && c.next < all:
			return
		default:
			k := c.list[0]
			if c.list = c.list[1:]; k < issued {
				continue
			}
			c.busy = true
			s.use(s.rows(s.batch(k)), func() {
				for _, i := range s.batch(k) {
					s.announce(s.Layout.Value(i))
				}
				c.busy = false
				s.read()
				s.goOn()
			})
		}
	}
}

// announceRows announces samples' rows, and their entries.
func (s *simulation) announceRows(samples []int) {
	for _, e := range s.rows(samples) {
		s.announce(e.off, e.size)
	}
}

// rows are where samples' rows lie, and their entries.
func (s *simulation) rows(samples []int) []extent {
	list := make([]extent, 0, 2*len(samples))
	for _, i := range samples {
		list = append(list, extent{s.Layout.RowAt(i), s.Layout.Row})
	}
	if s.Layout.Entry > 0 {
		for _, i := range samples {
			list = append(list, extent{s.Layout.EntryAt(i), s.Layout.Entry})
		}
	}
	return list
}

// serve gives work to workers that have none: what is to be prepared first.
func (s *simulation) serve() {
	for len(s.idle) > 0 {
		work := s.pick()
		if work == nil {
			return
		}
		w := s.idle[len(s.idle)-1]
		s.idle = s.idle[:len(s.idle)-1]
		work(func() {
			s.idle = append(s.idle, w)
			s.serve()
		})
	}
}

// pick returns the next work, which calls done when it is.
func (s *simulation) pick() func(done func()) {
	if f := s.fresh(); f != nil {
		return func(done func()) { s.prepare(f, done) }
	}
	for _, f := range s.flights {
		if f.prepared && f.given < len(f.shares) {
			k := f.given
			f.given++
			return func(done func()) { s.work(f, k, done) }
		}
	}
	return nil
}

// fresh takes a flight that nobody prepares yet; nil: there is none.
func (s *simulation) fresh() *flightSim {
	for _, f := range s.flights {
		if !f.taken {
			f.taken = true
			return f
		}
	}
	return nil
}

// work fills share k of a flight, and what of the others' is left then. Flights
// that are to be prepared come before each run.
func (s *simulation) work(f *flightSim, k int, done func()) {
	again := func() { s.work(f, k, done) }
	if fresh := s.fresh(); fresh != nil {
		s.prepare(fresh, again)
		return
	}
	lo, hi := f.take(k, s.samples)
	if lo == hi {
		done()
		return
	}
	s.fillRun(f, lo, hi, again)
}

func (s *simulation) fillRun(f *flightSim, lo, hi int, done func()) {
	if lo == hi {
		done()
		return
	}
	s.fill(f, f.samples[lo], func() { s.fillRun(f, lo+1, hi, done) })
}

// prepare waits for a batch's rows and announces its values.
func (s *simulation) prepare(f *flightSim, done func()) {
	s.use(s.rows(f.samples), func() {
		for _, i := range f.samples {
			s.announce(s.Layout.Value(i))
		}
		f.prepared = true
		f.deal(s.Workers, s.samples)
		s.read()
		s.serve()
		done()
	})
}

// fill waits for a sample's value and works on it.
func (s *simulation) fill(f *flightSim, sample int, done func()) {
	off, size := s.Layout.Value(sample)
	s.use([]extent{{off, size}}, func() {
		cost := s.CPU + s.debt
		s.debt = 0
		s.busy += cost
		s.at(s.now+cost, func() {
			if f.left--; f.left == 0 {
				s.take()
			}
			done()
		})
	})
}

// take is the consumer's: batches in order.
func (s *simulation) take() {
	for len(s.flights) > 0 && s.flights[0].left == 0 {
		s.flights = s.flights[1:]
		if s.taken++; s.taken == 1 {
			s.out.First = s.now
		}
	}
	s.issue()
}

type extent struct{ off, size int64 }

func (e extent) blocks() (first, last int64) {
	return e.off / blockSize, (e.off + max(e.size, 1) - 1) / blockSize
}

// announce wants a range's blocks, as far as there is room.
func (s *simulation) announce(off, size int64) {
	first, last := extent{off, size}.blocks()
	if s.scan {
		s.neighbours(first, last)
	}
	for b := first; b <= last; b++ {
		k := s.blocks[b]
		if k == nil || !k.wanted {
			if s.wanted >= s.limit || k == nil && !s.room(false) {
				s.out.Late++
				return
			}
			if k == nil {
				k = &block{state: queuedBlock}
				s.blocks[b] = k
				s.queue = append(s.queue, b)
			}
			s.wanted++
			k.wanted = true
			if k.used >= s.valid(b) {
				k.used = 0
			}
		}
	}
}

// neighbours queues the groups of blocks that are missing ones among first to last
// lie in.
func (s *simulation) neighbours(first, last int64) {
	const n = scanBlocks
	for b := first; b <= last; b = b/n*n + n {
		if s.blocks[b] != nil {
			continue
		}
		for at := b / n * n; at < b/n*n+n && at*blockSize < s.Layout.Size; at++ {
			if s.blocks[at] == nil {
				s.blocks[at] = &block{state: queuedBlock}
				s.queue = append(s.queue, at)
			}
		}
	}
}

// room makes room for a block; with spare only by what was used up.
func (s *simulation) room(spare bool) bool {
	for len(s.blocks) >= s.frames {
		var f freed
		switch {
		case len(s.spent) > 0:
			f, s.spent = s.spent[len(s.spent)-1], s.spent[:len(s.spent)-1]
		case len(s.idleBlocks) > 0 && !spare:
			f, s.idleBlocks = s.idleBlocks[0], s.idleBlocks[1:]
		default:
			return false
		}
		if k := s.blocks[f.block]; k != nil && k.state == readyBlock && !k.wanted && k.free == f.n {
			delete(s.blocks, f.block)
		}
	}
	return true
}

// release lets a block give way.
func (s *simulation) release(b int64, k *block, spent bool) {
	s.freed++
	k.free = s.freed
	if f := (freed{b, s.freed}); spent {
		s.spent = append(s.spent, f)
	} else {
		s.idleBlocks = append(s.idleBlocks, f)
	}
}

// read begins requests for what is queued.
func (s *simulation) read() {
	for s.reading < s.Requests && len(s.queue) > 0 {
		head := s.queue[0]
		s.queue = s.queue[1:]
		if !s.is(head, queuedBlock) {
			continue
		}
		s.reading++
		s.request(s.around(head))
	}
}

func (s *simulation) is(b int64, state blockState) bool {
	k := s.blocks[b]
	return k != nil && k.state == state
}

// around returns the request for one block of the queue: with those around it
// that are queued too.
func (s *simulation) around(b int64) (lo, hi int64, done func()) {
	lo, hi = b, b
	for d := int64(1); d <= gapBlocks+1 && hi+d-lo < runBlocks; d++ {
		if s.is(hi+d, queuedBlock) {
			hi, d = hi+d, 0
		}
	}
	for d := int64(1); d <= gapBlocks+1 && hi+d-lo < runBlocks; d++ {
		if s.is(lo-d, queuedBlock) {
			lo, d = lo-d, 0
		}
	}
	for at := lo; at <= hi; at++ { // what lies between is kept while some is to spare
		if s.blocks[at] == nil && s.room(true) {
			s.blocks[at] = &block{state: queuedBlock}
		}
	}
	return lo, hi, func() {
		s.reading--
		s.read()
	}
}

// request reads blocks lo to hi, as far as the cache has them, and then calls done.
func (s *simulation) request(lo, hi int64, done func()) {
	for b := lo; b <= hi; b++ {
		if k := s.blocks[b]; k != nil && k.state == queuedBlock {
			k.state = loadingBlock
		}
	}
	bytes := min((hi+1)*blockSize, s.Layout.Size) - lo*blockSize
	s.out.Requests++
	s.out.Bytes += bytes
	s.debt += s.RequestCPU + float64(bytes)*s.ByteCPU
	end := s.now + s.Latency
	if s.Bandwidth > 0 {
		end = max(end, s.linkFree) + float64(bytes)/s.Bandwidth
		s.linkFree = end
	}
	s.at(end, func() {
		for b := lo; b <= hi; b++ {
			if k := s.blocks[b]; k != nil && k.state == loadingBlock {
				if k.state = readyBlock; !k.wanted {
					s.release(b, k, false)
				}
			}
		}
		done()
		waiting := s.waiting
		s.waiting = nil
		for _, ready := range waiting {
			if !ready() {
				s.waiting = append(s.waiting, ready)
			}
		}
	})
}

// use waits until ranges are there and calls then. What nobody reads ahead, or has
// come to, it reads itself, one after another.
func (s *simulation) use(list []extent, then func()) {
	next := int64(0) // block of the first range
	step := func() bool {
		for len(list) > 0 {
			first, last := list[0].blocks()
			for b := max(first, next); b <= last; b++ {
				next = b
				k := s.blocks[b]
				if k == nil {
					hi := b
					for hi < last && s.blocks[hi+1] == nil {
						hi++
					}
					s.own(b, hi)
					return false
				}
				if k.state == queuedBlock { // nobody has come to it
					hi := b
					for hi < last && hi-b+1 < runBlocks && s.is(hi+1, queuedBlock) {
						hi++
					}
					s.request(b, hi, func() {})
				}
				if k.state != readyBlock {
					return false
				}
			}
			s.used(list[0])
			list, next = list[1:], 0
		}
		then()
		return true
	}
	if !step() {
		s.waiting = append(s.waiting, step)
	}
}

// own is a request that a worker makes and waits for.
func (s *simulation) own(lo, hi int64) {
	for b := lo; b <= hi; b++ {
		s.room(false) // where there is none the value is in memory of the worker's own
		s.blocks[b] = &block{state: loadingBlock}
	}
	s.request(lo, hi, func() {})
}

// used tells the cache that a range has been read once. Blocks of which all has
// been are not needed any more.
func (s *simulation) used(e extent) {
	first, last := e.blocks()
	for b := first; b <= last; b++ {
		k := s.blocks[b]
		if k == nil {
			continue
		}
		if k.wanted {
			k.wanted = false
			s.wanted--
		}
		k.used += min((b+1)*blockSize, e.off+e.size) - max(b*blockSize, e.off)
		s.release(b, k, k.used >= s.valid(b))
	}
}

// valid is how many bytes a block has.
func (s *simulation) valid(b int64) int64 { return min(blockSize, s.Layout.Size-b*blockSize) }
