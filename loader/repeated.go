package loader

import (
	"errors"
	"fmt"
	"math"
)

// Repeated gives each sample of another order several times, one after another,
// each with random numbers of its own (repeated augmentation, Hoffer et al.,
// "Augment your batch", CVPR 2020). Ranks take positions in turn, so that copies
// come to different ranks, as with timm's RepeatAugSampler.
type Repeated struct {
	// Order is what is repeated; nil means Random.
	Order Order
	// Times is how often; 0 means 3.
	Times int
	// Samples is the length of an epoch; 0 means all. With that of the dataset, as
	// timm has it (which rounds it down besides), an epoch costs what it does without
	// repetition and has a part of the samples.
	Samples int
}

// Plan implements Order.
func (o Repeated) Plan(s Selection) (Plan, error) {
	if o.Order == nil {
		o.Order = Random
	}
	if o.Times == 0 {
		o.Times = 3
	}
	if o.Times < 0 || o.Samples < 0 {
		return nil, fmt.Errorf("repeated order: %d times, %d samples an epoch", o.Times, o.Samples)
	}
	of, err := o.Order.Plan(s)
	if err != nil {
		return nil, fmt.Errorf("repeated order: %w", err)
	}
	n := of.Len()
	if n < 0 || n > math.MaxInt/o.Times {
		return nil, fmt.Errorf("repeated order: %d times %d samples", o.Times, n)
	}
	if n *= o.Times; o.Samples > n {
		return nil, fmt.Errorf("repeated order: %d samples an epoch, there are %d", o.Samples, n)
	}
	if o.Samples > 0 {
		n = o.Samples
	}
	p := &repeatedPlan{of: of, times: o.Times, length: n}
	if p.inner, _ = of.(Repeater); p.inner != nil && o.Times > 1<<16 {
		return nil, errors.New("repeated order: more than 65,536 times of one that repeats itself")
	}
	return p, nil
}

type repeatedPlan struct {
	of     Plan
	inner  Repeater // nil: of gives each sample once
	times  int
	length int
}

func (p *repeatedPlan) String() string {
	return fmt.Sprintf("%d times %s", p.times, planName(p.of))
}

func (p *repeatedPlan) note() string {
	if n, ok := p.of.(noted); ok {
		return n.note()
	}
	return ""
}

func (p *repeatedPlan) Len() int { return p.length }

// Repeat implements Repeater: the first copy is as if it were the only one.
func (p *repeatedPlan) Repeat(position int) uint64 {
	r := uint64(position % p.times)
	if p.inner != nil {
		r = p.inner.Repeat(position/p.times)<<16 | r
	}
	return r
}

func (p *repeatedPlan) Epoch(s Start) (Sequence, error) {
	of, err := p.of.Epoch(s)
	if err != nil || of == nil {
		return nil, err
	}
	return &repeatedSequence{of: of, times: p.times, at: -1}, nil
}

type repeatedSequence struct {
	of     Sequence
	times  int
	at     int // the position of of that was asked for last
	sample [1]int
}

func (q *repeatedSequence) Fill(dst []int, from, step int) error {
	for i := range dst {
		if at := (from + i*step) / q.times; at != q.at {
			if err := q.of.Fill(q.sample[:], at, 1); err != nil {
				return err
			}
			q.at = at
		}
		dst[i] = q.sample[0]
	}
	return nil
}

func (q *repeatedSequence) Close() { q.of.Close() }
