package engine

import (
	"math"

	"github.com/betongo/betongo/internal/memory"
	"github.com/betongo/betongo/loader"
)

const (
	leastMemory  = 64 << 20
	usualAhead   = 4 // batches that are read at a time, if nobody says how many
	readTwice    = 2 // what is read ahead lies beside what is being used
	usualBatch   = 256
	usualWindow  = 64  // of PageShuffle, BlockShuffle
	usualBlock   = 256 // of BlockShuffle
	quasiBatches = 2   // QuasiRandom mixes so many times a batch's number of pages
)

// need is how many bytes of a dataset a loader comes back to: those of the
// batches that it works on, or of the pages or blocks that its order mixes. It is
// what a cache should hold; more than the dataset it never is.
func need(ds loader.Dataset, order loader.Order, batch, ahead int) int64 {
	pager, ok := ds.(loader.Pager)
	if !ok || ds.Len() == 0 {
		return leastMemory
	}
	if batch <= 0 {
		batch = usualBatch
	}
	if ahead <= 0 {
		ahead = usualAhead
	}
	h := pager.Header()
	whole := float64(min(h.AllocTable, math.MaxInt64))
	page, sample := float64(h.PageSize), whole/float64(ds.Len())
	bytes := sample * float64(batch) * float64(ahead+1) * readTwice
	bytes = max(bytes, leastMemory)
	switch o := inner(order).(type) {
	case loader.PageShuffle:
		bytes += page * float64(or(o.Window, usualWindow))
	case loader.BlockShuffle:
		bytes += sample * float64(or(o.Window, usualWindow)) * float64(or(o.Block, usualBlock))
	default:
		if o == loader.QuasiRandom {
			bytes += page * quasiBatches * float64(batch)
		}
	}
	return int64(min(bytes, max(whole, leastMemory)))
}

// inner is the order that another one repeats.
func inner(o loader.Order) loader.Order {
	for {
		r, ok := o.(loader.Repeated)
		if !ok {
			return o
		}
		if o = r.Order; o == nil {
			return loader.Random
		}
	}
}

// windowed sets the window of an order that has none set: with a budget that
// depends on how much memory is free here and now, the loader's would be another
// on each rank and at each start.
func windowed(o loader.Order) loader.Order {
	switch o := o.(type) {
	case loader.Repeated:
		o.Order = windowed(o.Order)
		return o
	case loader.PageShuffle:
		o.Window = or(o.Window, usualWindow)
		return o
	case loader.BlockShuffle:
		o.Window = or(o.Window, usualWindow)
		return o
	}
	return o
}

func or(n, usual int) int {
	if n > 0 {
		return n
	}
	return usual
}

// budget is need, bounded by half of the memory that is available.
func budget(ds loader.Dataset, order loader.Order, batch, ahead int) (want, bytes int64) {
	want = need(ds, order, batch, ahead)
	bytes = want
	if free := memory.Available(); free > 0 {
		bytes = min(bytes, max(free/2, leastMemory))
	}
	return want, bytes
}
