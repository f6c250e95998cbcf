package loader

import "sync/atomic"

// Distant is the ability of a Dataset that reads through a cache to say that its
// bytes come from farther away than a disk: batches ahead of those that are being
// filled are then looked up and announced, as far as half of the cache has room for
// them. *ffcv.File has it.
type Distant interface{ Distant() bool }

const (
	// scoutSamples and scoutBatches bound how far ahead samples are announced,
	// whichever is more: a fifth of a second of what a machine loads.
	scoutSamples = 4096
	scoutBatches = 8
	// scoutWaste is what a sample takes of the cache beside its bytes: parts of
	// blocks.
	scoutWaste = 16 << 10
)

// setScout finds out how many batches behind those in flight are announced.
func (p *plan) setScout() {
	p.scouted = 0
	d, distant := p.ds.(Distant)
	b, caches := p.ds.(Budgeter)
	if !distant || !caches || p.lends || !p.reads || !d.Distant() {
		return
	}
	room := float64(b.CacheBudget()/2) / (sampleBytes(p.ds) + scoutWaste)
	most := max(scoutSamples, scoutBatches*p.batchSize)
	p.scouted = int(min(room, float64(most)))/p.batchSize - p.ahead
}

// scout goes ahead of an epoch: it takes batches of the order before there is
// memory for them, and a goroutine of its own, that may wait, looks up where their
// values lie and tells the dataset.
type scout struct {
	epoch *epoch
	list  [][]int // samples of the next batches, not issued yet
	next  int     // the batch behind those
	err   error   // of the order, at that batch

	issued atomic.Int64 // batches that are looked up by workers
	fresh  chan ahead   // to be looked up
	worker worker       // of the goroutine
	flight flight
}

// ahead is a batch that nobody has issued.
type ahead struct {
	batch int
	ids   []int
}

// newScout starts the goroutine, which ends with the epoch, as the workers do; nil
// where none is wanted.
func newScout(e *epoch) *scout {
	p := e.plan
	if p.scouted <= 0 {
		return nil
	}
	s := &scout{epoch: e, fresh: make(chan ahead, p.scouted), worker: worker{epoch: e, plan: p}, flight: flight{batch: &Batch{}}}
	e.workers.Add(1)
	go s.run()
	return s
}

// take puts the samples of the next batch in dst, and those of others on the list.
func (s *scout) take(dst []int) error {
	e := s.epoch
	s.issued.Add(1)
	if len(s.list) == 0 {
		if s.err == nil {
			s.err = e.ordered(dst, s.next)
			s.next++
		}
		return s.err
	}
	copy(dst, s.list[0])
	s.list = s.list[1:]
	return nil
}

// goOn takes batches ahead.
func (s *scout) goOn() {
	e := s.epoch
	for len(s.list) < e.plan.scouted && s.err == nil && s.next < e.deal.batches {
		ids := make([]int, e.deal.size(s.next))
		if s.err = e.ordered(ids, s.next); s.err != nil {
			return
		}
		s.list = append(s.list, ids)
		select {
		case s.fresh <- ahead{s.next, e.plan.quarantine.without(ids)}:
		default: // the goroutine is late, and this batch will be issued before it comes to it
		}
		if s.next++; s.next == e.deal.batches {
			close(s.fresh)
		}
	}
}

// run announces the rows of batches as they come, and looks them up some batches
// later, when the rows are there.
func (s *scout) run() {
	defer s.epoch.workers.Done()
	hold := s.epoch.plan.scouted / 3
	var list []ahead
	for more := true; more || len(list) > 0; {
		for more && len(list) <= hold {
			select {
			case a, ok := <-s.fresh:
				if more = ok; ok && s.announce(a, false) {
					list = append(list, a)
				}
			case <-s.epoch.quit:
				return
			}
		}
		if s.epoch.stopped.Load() {
			return
		}
		if len(list) > 0 {
			s.announce(list[0], true)
			list = list[1:]
		}
	}
}

// announce tells the dataset of the rows of a batch, or, found, of what these tell,
// unless it is issued: then a worker does. What is wrong with them shows when they are
// loaded.
func (s *scout) announce(a ahead, found bool) bool {
	if int64(a.batch) < s.issued.Load() {
		return false
	}
	var err error
	defer guard(s.epoch.plan.name, &err)
	f, p, w := &s.flight, s.epoch.plan, &s.worker
	if f.batch.ids = a.ids; !found {
		p.hintRows(f)
		return true
	}
	if w.readRows(f) != nil {
		return false
	}
	w.ranges = w.ranges[:0]
	for i := range p.outputs {
		if o := &p.outputs[i]; o.shared == nil || o.shared[0] == i {
			w.hint(f, o, len(a.ids))
		}
	}
	if len(w.ranges) > 0 {
		p.ds.WillNeed(w.ranges)
	}
	p.hintMarks(f, true)
	return true
}
