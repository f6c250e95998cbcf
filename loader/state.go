package loader

import "sync/atomic"

// State says how far a training has come with a loader's epochs: see
// Loader.State.
type State struct {
	Epoch     int `json:"epoch"`
	Batches   int `json:"batches"`    // of the epoch, that each rank was handed
	Consumed  int `json:"consumed"`   // positions of the epoch's order, over all ranks
	Length    int `json:"length"`     // of the epoch's order
	WorldSize int `json:"world_size"` // as the epoch began
	BatchSize int `json:"batch_size"` // as the epoch began
}

// given counts the batches of an epoch that were handed out.
type given struct {
	start   Start
	deal    deal
	batches atomic.Int64
}

// starts says how an epoch begins, and which of its positions come.
func (l *Loader) starts(epoch int) (Start, deal) {
	o := l.plan.dealing
	if s := l.resume; s != nil && s.Epoch == epoch {
		d := newDeal(s.Consumed, s.Length, &o)
		d.first = s.Batches
		return Start{Epoch: epoch, WorldSize: s.WorldSize, BatchSize: s.BatchSize}, d
	}
	return Start{Epoch: epoch, WorldSize: o.world, BatchSize: o.batch}, l.plan.whole
}

// begun makes an epoch the one that State tells of.
func (l *Loader) begun(start Start, d deal) *given {
	g := &given{start: start, deal: d}
	l.given.Store(g)
	return g
}

// turn makes a position of the batch the one that is worked on.
func (w *worker) turn(f *flight, pos int) {
	w.at = pos
	w.repeat(f, pos)
}

// repeat gives the random numbers what they need of a position beside its
// sample: see Repeater.
func (w *worker) repeat(f *flight, pos int) {
	e := w.epoch
	if r := w.plan.repeats; r != nil && e.seq != nil { // nil: one sample apart from epochs
		w.source.repeat = r.Repeat(e.deal.position(f.batch.index-e.deal.first, pos))
	}
}
