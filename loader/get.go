package loader

import (
	"context"
	"fmt"
	"math"
	"math/bits"
)

// Get returns a batch of the given samples, by their numbers in the dataset and
// in the order given, made as in an epoch: outputs, augmentations, Options.OnError
// and Collate are the same; its Index is 0. There may be more samples than
// BatchSize, some may come more than once, and they need not be among those that
// the loader selects. A BatchOp has these samples as its batch. Release gives the
// memory back to the system. Safe for concurrent use, beside epochs too; a call
// costs some tens of microseconds beside the samples' own work.
func (l *Loader) Get(ctx context.Context, epoch int, samples []int) (*Batch, error) {
	for i, id := range samples {
		if id < 0 || id >= l.plan.total {
			return nil, fmt.Errorf("loader: get: samples[%d] is %d, %s has %d", i, id, l.plan.name, l.plan.total)
		}
	}
	return l.get(ctx, epoch, len(samples), func(dst []int, from int) { copy(dst, samples[from:]) })
}

// Slice is Get of samples lo to hi-1 of the dataset.
func (l *Loader) Slice(ctx context.Context, epoch, lo, hi int) (*Batch, error) {
	if lo < 0 || hi < lo || hi > l.plan.total {
		return nil, fmt.Errorf("loader: slice: samples %d to %d, %s has %d", lo, hi, l.plan.name, l.plan.total)
	}
	return l.get(ctx, epoch, hi-lo, func(dst []int, from int) {
		for i := range dst {
			dst[i] = lo + from + i
		}
	})
}

// get runs an epoch of one batch.
func (l *Loader) get(ctx context.Context, number, n int, fill func(dst []int, from int)) (*Batch, error) {
	if number < 0 {
		return nil, fmt.Errorf("loader: get: epoch %d is negative", number)
	}
	if n > math.MaxInt32 {
		return nil, fmt.Errorf("loader: get: %d samples, want at most %d", n, math.MaxInt32)
	}
	p, err := l.planAt(number)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	p = p.ofOne(n)
	seq := SequenceFunc(func(dst []int, from, _ int) error {
		fill(dst, from)
		return nil
	})
	e := newEpoch(newPool(p, l.pool.marks), number, seq, deal{total: n, world: 1, batch: p.batchSize, share: n, batches: 1, samples: n})
	defer e.stop()
	e.pool.retire() // its batch is not kept
	e.issue()
	select {
	case <-e.flights[0].done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return e.take()
}

// ofOne is the plan for an epoch of one batch of n samples.
func (p *plan) ofOne(n int) *plan {
	q := *p
	q.batchSize, q.ahead, q.repeats = max(n, 1), 1, nil
	q.recorder = new(recorder) // its figures are nobody's
	q.posBits = bits.Len(uint(q.batchSize - 1))
	q.setRun()
	q.workers = max(1, min(q.workers, (n+q.run-1)/q.run))
	return &q
}
