package loader

import (
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"sync"
)

// schedule gives each epoch the pool, and by it the plan, of its outputs. Only
// that of the last epoch begun is kept: growing sizes leave no smaller batches
// behind.
type schedule struct {
	at        func(epoch int) []Output // Options.OutputsAt
	ahead     int                      // Options.BatchesAhead
	marksFile string

	mu      sync.Mutex
	outputs []Output
	pool    *pool
}

// outputsAt asks a program's function for the outputs of an epoch.
func outputsAt(at func(epoch int) []Output, epoch int) (list []Output, err error) {
	defer guard("OutputsAt", &err)
	return slices.Clone(at(epoch)), nil
}

// poolAt returns the pool of an epoch, which takes the place of the one before
// it when the outputs change.
func (l *Loader) poolAt(epoch int) (*pool, error) {
	s := l.schedule
	if s == nil {
		return l.pool, nil
	}
	list, err := outputsAt(s.at, epoch)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := l.planWith(list, epoch)
	if err != nil || p == s.pool.plan {
		return s.pool, err
	}
	s.pool.retire()
	s.outputs, s.pool = list, newPool(p, s.pool.marks)
	return s.pool, nil
}

// planAt returns the plan of an epoch, for a look at it alone.
func (l *Loader) planAt(epoch int) (*plan, error) {
	s := l.schedule
	if s == nil {
		return l.plan, nil
	}
	list, err := outputsAt(s.at, epoch)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.planWith(list, epoch)
}

// planWith returns the schedule's present plan if it has these outputs, or a new
// one. The schedule is locked.
func (l *Loader) planWith(list []Output, epoch int) (*plan, error) {
	s := l.schedule
	if reflect.DeepEqual(list, s.outputs) {
		return s.pool.plan, nil
	}
	p, err := l.plan.rebind(list, s)
	if err != nil {
		return nil, fmt.Errorf("loader: outputs of epoch %d: %w", epoch, err)
	}
	return p, nil
}

// rebind is the plan with other outputs: of the same names and fields, in the
// same order.
func (p *plan) rebind(list []Output, s *schedule) (_ *plan, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer guard(p.name, &err)
	q := *p
	q.ahead = s.ahead
	opts := &Options{Seed: p.sel.Seed, Outputs: list, MarksFile: s.marksFile, Warn: p.warn}
	if err := q.bindAll(opts); err != nil {
		return nil, err
	}
	if len(q.outputs) != len(p.outputs) {
		return nil, fmt.Errorf("%d outputs, want %d as at the first epoch", len(q.outputs), len(p.outputs))
	}
	for i := range q.outputs {
		if a, b := &q.outputs[i], &p.outputs[i]; a.name != b.name || a.field != b.field {
			return nil, fmt.Errorf("output %d is %q of field %q, want %q of field %q as at the first epoch", i, a.name, a.src.Name, b.name, b.src.Name)
		}
	}
	return &q, nil
}

// retire frees what is kept for later epochs, and keeps nothing more.
func (p *pool) retire() {
	p.mu.Lock()
	p.keep = 0
	free, idle := p.free, p.idle
	p.free, p.idle, p.spare = nil, nil, nil
	p.mu.Unlock()
	for _, w := range idle {
		w.free()
	}
	for _, b := range free {
		b.mem.release()
	}
}
