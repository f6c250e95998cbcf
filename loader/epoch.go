package loader

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// epoch is one run over the batches. The consumer's goroutine issues flights,
// in order and at most plan.ahead of them; workers fill them together; the
// consumer takes them in order.
type epoch struct {
	plan   *plan
	pool   *pool
	number int
	seq    Sequence
	deal   deal
	marks  *markStore // nil: none are made
	report *report    // nil: nobody asks for one
	record *record
	scout  *scout // nil: nothing is announced further ahead

	fresh   chan *flight // to be prepared; never full; nil: nothing ever is
	work    chan token   // one for each worker that a flight can use; never full
	quit    chan struct{}
	stopped atomic.Bool
	workers sync.WaitGroup

	_       [cacheLine]byte // what follows the consumer alone writes, with every batch
	issued  int             // batches
	flights []*flight
	spare   []*flight
	streak  int // samples that failed one after another, up to the last batch taken
}

// cacheLine is as far apart as what one goroutine writes and others read for
// every sample must lie (two lines, which processors fetch together).
const cacheLine = 128

// flight is a batch being filled.
type flight struct {
	batch   *Batch
	rows    []byte     // metadata rows, read here when the dataset doesn't lend
	regions [][]region // of the prepared outputs, by position
	limit   int        // positions to fill: all, or those before a failed one
	shares  shares     // of them, one for each worker at most
	done    chan struct{}

	gaps // positions without a sample of their own

	mu     sync.Mutex
	failed int // lowest position with an error
	err    error

	_      [cacheLine]byte // what follows is written while others read the rest
	tokens atomic.Int64    // workers that are to come or at work
	_      [cacheLine]byte
}

// region is where a value's bytes lie.
type region struct {
	ptr  uint64
	size int64
}

func (l *Loader) run(ctx context.Context, number int, yield func(*Batch, error) bool) {
	asked := clock()
	start, d := l.starts(number)
	seq, err := l.plan.sequence(start)
	if err == nil {
		defer seq.Close()
		err = ctx.Err()
	}
	var pool *pool
	if err == nil {
		pool, err = l.poolAt(number)
	}
	if err != nil {
		yield(nil, fmt.Errorf("loader: epoch %d: %w", number, err))
		return
	}
	given := l.begun(start, d)
	e := newEpoch(pool, number, seq, d)
	e.record.show(asked, given)
	defer l.statsFile.begin()() // ends when the account is closed
	defer e.stop()
	e.report = l.reports.begin(number, given)
	if err := e.announceScan(); err != nil {
		yield(nil, fmt.Errorf("loader: epoch %d: %w", number, err))
		return
	}
	for range d.batches {
		e.issue()
		f := e.flights[0]
		e.await(ctx, f)
		if ctx.Err() != nil {
			yield(nil, ctx.Err())
			return
		}
		b, err := e.take()
		if err != nil {
			yield(nil, err)
			return
		}
		e.issue()
		e.record.gives(b)
		more := yield(b, nil)
		runtime.KeepAlive(b) // its memory goes with it, see pool.make
		if !more {
			return
		}
	}
	pool.saveMarks(ctx, e.marks)
}

// newEpoch starts the workers. stop ends them and waits for them.
func newEpoch(pool *pool, number int, seq Sequence, d deal) *epoch {
	p := pool.plan
	e := &epoch{
		plan: p, pool: pool, number: number, seq: seq, deal: d,
		work:  make(chan token, p.ahead*p.workers),
		quit:  make(chan struct{}),
		spare: pool.flights(), flights: make([]*flight, 0, p.ahead),
	}
	if p.prepare {
		e.fresh = make(chan *flight, p.ahead)
	}
	e.marks, e.record = pool.useMarks(), p.recorder.begin(p, number)
	e.workers.Add(p.workers)
	for range p.workers {
		go e.serve()
	}
	e.scout = newScout(e)
	return e
}

// stop ends the workers, waits for them, and gives back what was not taken.
func (e *epoch) stop() {
	e.stopped.Store(true)
	close(e.quit)
	e.workers.Wait()
	e.forget()
	e.record.finish()
	if e.marks != nil {
		e.marks.mem.leave()
	}
	for _, f := range e.flights {
		if f.batch != nil {
			f.batch.Release()
		}
	}
	e.pool.land(e.spare)
}

// issue puts batches in flight until there are as many as may be.
func (e *epoch) issue() {
	for len(e.flights) < e.plan.ahead && e.issued < e.deal.batches {
		f := e.newFlight()
		e.flights = append(e.flights, f)
		if err := e.load(f); err != nil {
			f.fail(0, err)
			f.done <- struct{}{}
			e.issued = e.deal.batches // nothing after it will be asked for
			return
		}
		e.issued++
		f.limit = f.toFill()
		if e.plan.prepare && f.limit > 0 {
			e.fresh <- f
			continue
		}
		e.share(f)
	}
	if e.scout != nil {
		e.scout.goOn()
	}
}

// token asks a worker to fill a flight, beginning with one of its shares.
type token struct {
	f     *flight
	share int
}

// share gives a flight to as many workers as can share it.
func (e *epoch) share(f *flight) {
	run := e.plan.run
	n := max(1, min((f.limit+run-1)/run, e.plan.workers))
	f.shares = f.shares[:n]
	f.shares.deal(f.limit, run)
	f.tokens.Store(int64(n))
	for k := range n {
		e.work <- token{f, k}
	}
}

func (e *epoch) newFlight() *flight {
	if n := len(e.spare); n > 0 {
		f := e.spare[n-1]
		e.spare = e.spare[:n-1]
		return f
	}
	f := &flight{done: make(chan struct{}, 1), shares: make(shares, e.plan.workers)}
	e.plan.mayGap(f, e.plan.batchSize)
	if e.plan.prepare {
		f.regions = make([][]region, len(e.plan.outputs))
		for i := range f.regions {
			if e.plan.outputs[i].prepared() {
				f.regions[i] = make([]region, e.plan.batchSize)
			}
		}
	}
	return f
}

// load gives a flight its batch and samples.
func (e *epoch) load(f *flight) error {
	p := e.plan
	b, err := e.pool.get()
	if err != nil {
		return fmt.Errorf("loader: batch %d: %w", e.deal.first+e.issued, err)
	}
	f.batch = b
	b.reset(e.deal.first+e.issued, e.deal.size(e.issued), p.outputs)
	if err := e.next(b.ids); err != nil {
		return fmt.Errorf("loader: order of epoch %d: %w", e.number, err)
	}
	for _, v := range b.ids {
		if uint(v) >= uint(p.total) {
			return fmt.Errorf("loader: order of epoch %d gives sample %d, %s has %d", e.number, v, p.name, p.total)
		}
	}
	e.plan.setAside(f)
	return e.announce(f)
}

// next puts the samples of the batch that is issued in dst.
func (e *epoch) next(dst []int) error {
	if e.scout != nil {
		return e.scout.take(dst)
	}
	return e.ordered(dst, e.issued)
}

// ordered puts the samples of batch k in dst, behind which come those of the batches
// after it.
func (e *epoch) ordered(dst []int, k int) (err error) {
	defer guard(e.plan.name, &err)
	r := e.record
	if r.ordering.next--; r.ordering.next > 0 {
		return e.deal.fill(e.seq, dst, k)
	}
	from := clock()
	err = e.deal.fill(e.seq, dst, k)
	r.ordered(clock() - from)
	return err
}

// take removes the first flight, which is done.
func (e *epoch) take() (*Batch, error) {
	f := e.flights[0]
	if f.err = e.count(f); f.err != nil {
		return nil, f.err // stop releases the batch
	}
	n := copy(e.flights, e.flights[1:])
	e.flights = e.flights[:n]
	b := f.batch
	f.batch = nil
	e.spare = append(e.spare, f)
	return b, nil
}

// fail keeps the error of the lowest position.
func (f *flight) fail(pos int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil || pos < f.failed {
		f.failed, f.err = pos, err
	}
}

// serve is a worker: it ends when stop closes quit, and stop waits for it.
func (e *epoch) serve() {
	defer e.workers.Done()
	ended := false
	defer func() {
		if !ended { // a decoder or operation called runtime.Goexit: another takes the place
			e.workers.Add(1)
			go e.serve()
		}
	}()
	debug.SetPanicOnFault(true)
	w := e.pool.worker(e)
	w.meter.join(e.record)
	for {
		select {
		case f := <-e.fresh:
			w.meter.begins()
			w.prepareFlight(f)
			w.meter.ends()
			continue
		default:
		}
		select {
		case t := <-e.work:
			w.meter.begins()
			w.serve(t)
			w.meter.ends()
			continue
		default:
		}
		select {
		case f := <-e.fresh:
			w.meter.begins()
			w.prepareFlight(f)
			w.meter.ends()
		case t := <-e.work:
			w.meter.begins()
			w.serve(t)
			w.meter.ends()
		case <-e.quit:
			ended = true
			w.meter.leave()
			e.pool.rest(w)
			return
		}
	}
}

// serve works on a flight until nothing of it is left to take.
func (w *worker) serve(t token) {
	e, f := w.epoch, t.f
	defer func() {
		if f.tokens.Add(-1) == 0 {
			defer func() { f.done <- struct{}{} }() // an operation may end the goroutine
			w.finish(f)
		}
	}()
	for !e.stopped.Load() {
		w.prepareFresh(f)
		lo, hi := f.shares.take(t.share, e.plan.run)
		if lo == hi {
			return
		}
		w.fill(f, lo, hi)
	}
}
