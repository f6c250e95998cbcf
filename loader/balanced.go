package loader

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/internal/hash"
)

// ClassBalanced gives as many samples of each class as of any other. It reads
// all labels when the loader is made and keeps 4 bytes a sample.
//
// With replacement each position is a class drawn at random, and a sample drawn
// from it, apart from all others; an epoch goes on anywhere at once, and a sample
// that comes several times has random numbers of its own each time: see Repeater.
// Without replacement an epoch has of each class as many samples, all different, as
// the smallest has, others in each epoch; that takes 4 bytes more a sample, while an
// epoch runs, of classes up to 65,536.
type ClassBalanced struct {
	// Field names the field of type Int that holds the label.
	Field string
	// Samples is the length of an epoch; 0 means as many as are selected, or,
	// without Replacement, all that there are. Where classes don't divide it, some
	// have one more or less.
	Samples     int
	Replacement bool
}

// Plan implements Order.
func (o ClassBalanced) Plan(s Selection) (Plan, error) {
	p, err := o.plan(s)
	if err != nil {
		return nil, fmt.Errorf("class-balanced order: %w", err)
	}
	return p, nil
}

func (o ClassBalanced) plan(s Selection) (*balancedPlan, error) {
	if uint64(s.Len) > math.MaxUint32 {
		return nil, fmt.Errorf("%d samples: at most %d", s.Len, uint32(math.MaxUint32))
	}
	if o.Field == "" {
		return nil, errors.New("no Field, the name of the label's")
	}
	p := &balancedPlan{ClassBalanced: o, sel: s}
	if err := p.read(); err != nil {
		return nil, err
	}
	least := s.Len
	for k := range p.ends {
		least = min(least, len(p.class(k)))
	}
	p.each = least
	most := least * len(p.ends)
	switch {
	case o.Samples < 0 || o.Samples > 0 && s.Len == 0:
		return nil, fmt.Errorf("%d samples an epoch, of %d", o.Samples, s.Len)
	case o.Samples > most && !o.Replacement:
		return nil, fmt.Errorf("%d samples an epoch without replacement: %d classes, the smallest of %d samples, give %d", o.Samples, len(p.ends), least, most)
	case o.Samples > 0:
		p.length = o.Samples
	case o.Replacement:
		p.length = s.Len
	default:
		p.length = most
	}
	return p, nil
}

// balancedPlan keeps the positions of the selection by class, the classes by
// label.
type balancedPlan struct {
	ClassBalanced
	sel     Selection
	length  int
	each    int // samples of the smallest class
	members []uint32
	ends    []int
	sign    uint64 // of the labels
}

func (p *balancedPlan) class(k int) []uint32 {
	lo := 0
	if k > 0 {
		lo = p.ends[k-1]
	}
	return p.members[lo:p.ends[k]]
}

// read sorts the selection by label.
func (p *balancedPlan) read() error {
	labels := make([]int64, p.sel.Len)
	count := make(map[int64]int)
	var float bool
	err := readNumbers(p.sel, p.Field, func(i int, v number) {
		float = float || !v.integer
		labels[i] = int64(v.bits)
		count[labels[i]]++
		p.sign = hash.Mix(p.sign ^ hash.Mix(v.bits+hash.Weyl))
	})
	if err == nil && float {
		err = fmt.Errorf("field %q holds floats, want an Int", p.Field)
	}
	if err != nil {
		return err
	}
	classes := make([]int64, 0, len(count))
	for label := range count {
		classes = append(classes, label)
	}
	slices.Sort(classes)
	next := make(map[int64]int, len(classes)) // where the next member of a label goes
	at := 0
	for _, label := range classes {
		next[label] = at
		at += count[label]
		p.ends = append(p.ends, at)
	}
	p.members = make([]uint32, len(labels))
	for i, label := range labels {
		k := next[label]
		p.members[k] = uint32(i)
		next[label] = k + 1
	}
	return nil
}

func (p *balancedPlan) String() string {
	how := "without"
	if p.Replacement {
		how = "with"
	}
	return fmt.Sprintf("class-balanced by %q %s replacement, labels %016x", p.Field, how, p.sign)
}

func (p *balancedPlan) Len() int { return p.length }

// Repeat implements Repeater.
func (p *balancedPlan) Repeat(position int) uint64 {
	if !p.Replacement {
		return 0
	}
	return uint64(position) + 1
}

func (p *balancedPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	key := orderKey(p.sel.Seed, s.Epoch, "class-balanced")
	classes := uint64(len(p.ends))
	if p.Replacement {
		return SequenceFunc(func(dst []int, from, step int) error {
			for i := range dst {
				at := uint64(from + i*step)
				class := p.class(int(below(draw(key, 2*at), classes)))
				dst[i] = p.sel.Sample(int(class[below(draw(key, 2*at+1), uint64(len(class)))]))
			}
			return nil
		}), nil
	}
	// Slot j is of class j mod classes; a shorter epoch takes the first slots, so
	// that classes differ by one at most.
	slots := newBijection(p.length, key)
	within := make([]*bijection, classes)
	return SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			slot := slots.at(from + i*step)
			k := slot % int(classes)
			class := p.class(k)
			if within[k] == nil {
				within[k] = newBijection(len(class), draw(hash.Mix(key), uint64(k)))
			}
			dst[i] = p.sel.Sample(int(class[within[k].at(slot/int(classes))]))
		}
		return nil
	}), nil
}
