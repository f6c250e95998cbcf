package label

import (
	"errors"
	"fmt"
	"math"
)

// Dealer deals samples out to parts, those of each label for themselves, in two
// passes over them: Count every label, then Counted, then Deal each in the order
// that is wanted. It keeps a few words a label and nothing of a sample. The
// first part gets the first samples of a label. It is not safe for concurrent
// use.
type Dealer struct {
	ends   []float64 // where each part ends, of all samples as 1
	groups map[int64]*group
	parts  []int64
}

// group is the samples of a label.
type group struct {
	total int64
	dealt int64
	part  int   // that gets the next
	end   int64 // dealt up to there
}

// NewDealer returns a dealer for parts of these shares, in proportion to each
// other. One that isn't above 0 and finite is an error.
func NewDealer(shares []float64) (*Dealer, error) {
	if len(shares) == 0 {
		return nil, errors.New("no parts; want at least one")
	}
	d := &Dealer{groups: map[int64]*group{}}
	sum := 0.0
	for k, s := range shares {
		if !(s > 0) || math.IsInf(s, 0) {
			return nil, fmt.Errorf("part %d has the share %v; want a number above 0", k, s)
		}
		sum += s
		d.ends = append(d.ends, sum)
	}
	for k := range d.ends {
		d.ends[k] /= sum
	}
	return d, nil
}

// Count counts a sample of that label.
func (d *Dealer) Count(label int64) { d.CountMany(label, 1) }

// CountMany counts n samples of that label.
func (d *Dealer) CountMany(label, n int64) {
	g := d.groups[label]
	if g == nil {
		g = &group{}
		d.groups[label] = g
	}
	g.total += n
}

// EmptyError says that a part gets no sample.
type EmptyError struct {
	Part    int
	Samples int64 // of all parts
}

func (e *EmptyError) Error() string {
	return fmt.Sprintf("part %d gets none of the %d samples", e.Part, e.Samples)
}

// Counted ends the counting. A part that gets nothing is an *EmptyError.
func (d *Dealer) Counted() error {
	d.parts = make([]int64, len(d.ends))
	all := int64(0)
	for _, g := range d.groups {
		at := int64(0)
		for k := range d.ends {
			end := d.end(g, k)
			d.parts[k] += end - at
			at = end
		}
		g.end = d.end(g, 0)
		all += g.total
	}
	for k, n := range d.parts {
		if n == 0 {
			return &EmptyError{Part: k, Samples: all}
		}
	}
	return nil
}

// Parts returns how many samples each part gets, once they are counted. The
// slice is the dealer's.
func (d *Dealer) Parts() []int64 { return d.parts }

// end is how many samples of a group are dealt out when part k has its own.
func (d *Dealer) end(g *group, k int) int64 {
	if k == len(d.ends)-1 {
		return g.total
	}
	return min(int64(math.Round(float64(g.total)*d.ends[k])), g.total)
}

// Deal returns the part that the next sample of that label belongs to, and false
// when more come than were counted.
func (d *Dealer) Deal(label int64) (part int, ok bool) {
	g := d.groups[label]
	if g == nil || g.dealt == g.total {
		return 0, false
	}
	for g.dealt == g.end {
		g.part++
		g.end = d.end(g, g.part)
	}
	g.dealt++
	return g.part, true
}
