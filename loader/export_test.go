package loader

import "time"

// Debugging tells the tests whether this is a betongodebug build.
const Debugging = debugging

// Deal returns the positions of an epoch's order that come to a rank: of all
// batches, one after another, and how many each has.
func Deal(seq Sequence, start, total, rank, world, batch int, exactlyOnce, dropLast bool) (samples, sizes []int, err error) {
	d := newDeal(start, total, &dealOptions{rank, world, batch, exactlyOnce, dropLast})
	for k := range d.batches {
		part := make([]int, d.size(k))
		if err := d.fill(seq, part, k); err != nil {
			return nil, nil, err
		}
		samples, sizes = append(samples, part...), append(sizes, len(part))
	}
	return samples, sizes, nil
}

// SetStatsEvery sets how often the loader's Options.StatsFile is written.
func (l *Loader) SetStatsEvery(d time.Duration) { l.statsFile.every = d }
