package loader

import (
	"errors"
	"fmt"
	"math"
)

// deal says how the positions [start, total) of an epoch's order come to ranks
// and batches: rank r takes start+r, start+r+world and so on, as PyTorch's
// DistributedSampler does. All ranks have the same number of batches.
type deal struct {
	start, total int
	rank, world  int
	batch        int  // samples in a full one
	pad          bool // ranks that would get less take the order's front again
	first        int  // the first batch's place in the epoch

	share   int // positions of this rank
	batches int
	samples int // of share, those that come in batches
}

func newDeal(start, total int, opts *dealOptions) deal {
	d := deal{start: start, total: total, rank: opts.rank, world: opts.world, batch: opts.batch, pad: !opts.exactlyOnce}
	rest := total - start
	least, most := rest/d.world, rest/d.world
	if rest%d.world != 0 {
		most++
	}
	d.share = most
	if !d.pad {
		if d.share = least; d.rank < rest%d.world {
			d.share = most
		}
	}
	switch {
	case !opts.dropLast:
		d.batches = most / d.batch
		if most%d.batch != 0 {
			d.batches++
		}
	case d.pad:
		d.batches = most / d.batch
	default:
		d.batches = least / d.batch
	}
	d.samples = d.share
	if opts.dropLast {
		d.samples = d.batches * d.batch
	}
	return d
}

// dealOptions are those of Options.
type dealOptions struct {
	rank, world, batch    int
	exactlyOnce, dropLast bool
}

func (o *dealOptions) check() error {
	if o.world < 1 || o.rank < 0 || o.rank >= o.world {
		return fmt.Errorf("rank %d of world size %d: want 0 to %d", o.rank, o.world, o.world-1)
	}
	return nil
}

// checkTotal is what New asks of an order's length.
func (o *dealOptions) checkTotal(total int) error {
	if total < 0 {
		return fmt.Errorf("order of %d samples", total)
	}
	if total > math.MaxInt-o.world {
		return errors.New("too many samples")
	}
	return nil
}

// size is the number of samples in batch k. The last may be short, of an epoch
// that comes exactly once even empty.
func (d *deal) size(k int) int { return max(0, min(d.batch, d.samples-k*d.batch)) }

// samplesOf is the number of samples in the first k batches.
func (d *deal) samplesOf(k int) int { return min(k*d.batch, d.samples) }

// position is that of sample i of batch k in the epoch's order.
func (d *deal) position(k, i int) int {
	at := d.start + d.rank + (k*d.batch+i)*d.world
	if at >= d.total { // padding; total is not 0, or there would be no batch
		at %= d.total
	}
	return at
}

// consumed is how many positions of the order ranks have after k batches each.
// What the last batches leave out counts as well: the epoch is over.
func (d *deal) consumed(k int) int {
	if k >= d.batches {
		return d.total
	}
	return d.start + k*d.batch*d.world
}

// fill puts the samples of batch k in dst, which is as long as it.
func (d *deal) fill(seq Sequence, dst []int, k int) error {
	for done := 0; done < len(dst); {
		from := d.position(k, done)
		n := min(len(dst)-done, (d.total-1-from)/d.world+1) // up to the order's end
		if err := seq.Fill(dst[done:done+n], from, d.world); err != nil {
			return err
		}
		done += n
	}
	return nil
}
