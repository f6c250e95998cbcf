package loader

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/hash"
)

// Weighted draws samples by weights, as PyTorch's WeightedRandomSampler does.
//
// With replacement each position is drawn apart from all others, by Walker's
// alias method: 8 bytes a sample in memory, made by New once, and an epoch goes on
// anywhere at once. A sample that comes several times has random numbers of its
// own each time: see Repeater. Without replacement each sample is drawn from
// those that are left (Efraimidis and Spirakis), which keeps 12 bytes a sample and
// sorts them when an epoch begins; no sample of weight 0 comes.
type Weighted struct {
	// Weights are those of the dataset's samples, by number, in any unit.
	Weights []float64
	// Field names a field of type Int or Float that holds the weights instead.
	Field string
	// Samples is the length of an epoch; 0 means as many as are selected, or, without
	// Replacement, as have a weight above 0.
	Samples     int
	Replacement bool
}

// Plan implements Order.
func (o Weighted) Plan(s Selection) (Plan, error) {
	p, err := o.plan(s)
	if err != nil {
		return nil, fmt.Errorf("weighted order: %w", err)
	}
	return p, nil
}

func (o Weighted) plan(s Selection) (*weightedPlan, error) {
	if uint64(s.Len) > math.MaxUint32 {
		return nil, fmt.Errorf("%d samples: at most %d", s.Len, uint32(math.MaxUint32))
	}
	weights, err := o.weights(s)
	if err != nil {
		return nil, err
	}
	p := &weightedPlan{sel: s, replace: o.Replacement, weights: weights, length: o.Samples}
	sum, sign, drawn := 0.0, uint64(0), 0
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(w, 1) {
			return nil, fmt.Errorf("weight of sample %d is %v, want 0 or more", s.Sample(i), w)
		}
		if w > 0 {
			drawn++
		}
		sum += w
		sign = hash.Mix(sign ^ hash.Mix(math.Float64bits(w)+hash.Weyl))
	}
	if math.IsInf(sum, 1) {
		return nil, errors.New("the weights' sum is more than a number can hold")
	}
	p.sign = sign
	switch most := drawn; {
	case o.Samples < 0:
		return nil, fmt.Errorf("%d samples an epoch", o.Samples)
	case o.Samples == 0 && o.Replacement && drawn > 0:
		p.length = s.Len
	case o.Samples == 0:
		p.length = drawn
	case o.Samples > most && !o.Replacement:
		return nil, fmt.Errorf("%d samples an epoch without replacement, but %d have a weight above 0", o.Samples, drawn)
	}
	if p.length > 0 && drawn == 0 || s.Len > 0 && drawn == 0 {
		return nil, fmt.Errorf("none of %d samples has a weight above 0", s.Len)
	}
	if o.Replacement && drawn > 0 {
		p.alias = newAlias(weights, sum)
		p.weights = nil
	}
	return p, nil
}

// weights returns those of the selected samples.
func (o *Weighted) weights(s Selection) ([]float64, error) {
	w := make([]float64, s.Len)
	if o.Field != "" {
		if o.Weights != nil {
			return nil, errors.New("both Weights and Field")
		}
		return w, readNumbers(s, o.Field, func(i int, v number) { w[i] = v.float() })
	}
	total := s.Len
	if s.Dataset != nil {
		total = s.Dataset.Len()
	}
	if len(o.Weights) != total {
		return nil, fmt.Errorf("%d weights of %d samples", len(o.Weights), total)
	}
	for i := range w {
		w[i] = o.Weights[s.Sample(i)]
	}
	return w, nil
}

type weightedPlan struct {
	sel     Selection
	replace bool
	length  int
	weights []float64 // without replacement
	alias   []alias   // with it
	sign    uint64    // of the weights
	given   spare[drawn]
}

func (p *weightedPlan) String() string {
	how := "without"
	if p.replace {
		how = "with"
	}
	return fmt.Sprintf("weighted %s replacement, weights %016x", how, p.sign)
}

func (p *weightedPlan) Len() int { return p.length }

// Repeat implements Repeater.
func (p *weightedPlan) Repeat(position int) uint64 {
	if !p.replace {
		return 0
	}
	return uint64(position) + 1
}

func (p *weightedPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	key := orderKey(p.sel.Seed, s.Epoch, "weighted")
	if !p.replace {
		return p.sorted(key), nil
	}
	return SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			at := uint64(from + i*step)
			k := below(draw(key, 2*at), uint64(len(p.alias)))
			if a := p.alias[k]; uint32(draw(key, 2*at+1)>>32) >= a.below {
				k = uint64(a.other)
			}
			dst[i] = p.sel.Sample(int(k))
		}
		return nil
	}), nil
}

// alias is a column of Walker's table: itself with a chance of below/2³², else
// the other.
type alias struct{ below, other uint32 }

// newAlias makes the table (Vose, "A linear algorithm for generating random
// numbers with a given distribution", 1991). Products are rounded apart from sums,
// so that every machine makes the same.
func newAlias(weights []float64, sum float64) []alias {
	n := len(weights)
	table := make([]alias, n)
	share := make([]float64, n) // of the mean
	stack := make([]uint32, n)  // small ones from the left, large ones from the right
	small, large := 0, n
	for i, w := range weights {
		share[i] = float64(w / sum * float64(n))
		table[i].other = uint32(i)
		if share[i] < 1 {
			stack[small] = uint32(i)
			small++
		} else {
			large--
			stack[large] = uint32(i)
		}
	}
	for small > 0 && large < n {
		small--
		i, j := stack[small], stack[large]
		table[i] = alias{below: uint32(min(share[i]*(1<<32), math.MaxUint32)), other: j}
		if share[j] -= 1 - share[i]; share[j] < 1 {
			large++
			stack[small] = j
			small++
		}
	}
	// Rounding leaves some of about 1, whose other is itself; but none of weight 0.
	for ; small > 0; small-- {
		if i := stack[small-1]; weights[i] == 0 {
			table[i].other = heaviest(weights)
		}
	}
	return table
}

func heaviest(weights []float64) uint32 {
	at := 0
	for i, w := range weights {
		if w > weights[at] {
			at = i
		}
	}
	return uint32(at)
}

// drawn is a sample with the time until it is drawn.
type drawn struct {
	time  float64
	place uint32
}

// sorted gives the samples by exponential times with the weights as rates.
func (p *weightedPlan) sorted(key uint64) Sequence {
	list := p.given.get(len(p.weights))[:0]
	for i, w := range p.weights {
		if w > 0 {
			u := float64(draw(key, uint64(i))>>11|1) / (1 << 53)
			list = append(list, drawn{-logarithm(u) / w, uint32(i)})
		}
	}
	slices.SortFunc(list, func(a, b drawn) int {
		if c := cmp.Compare(a.time, b.time); c != 0 {
			return c
		}
		return cmp.Compare(a.place, b.place)
	})
	return &sortedSequence{p, list}
}

type sortedSequence struct {
	plan *weightedPlan
	list []drawn
}

func (q *sortedSequence) Fill(dst []int, from, step int) error {
	for i := range dst {
		dst[i] = q.plan.sel.Sample(int(q.list[from+i*step].place))
	}
	return nil
}

func (q *sortedSequence) Close() { q.plan.given.put(q.list[:len(q.plan.weights)]) }

// logarithm is math.Log of 0 < u < 1, but the same bits on every machine: orders
// depend on them. Each product is rounded before it is added.
func logarithm(u float64) float64 {
	m, e := math.Frexp(u)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	s := (m - 1) / (m + 1) // log m = 2 (s + s³/3 + s⁵/5 + …), |s| < 0.172
	q, sum := float64(s*s), 0.0
	for k := 21; k >= 1; k -= 2 {
		sum = float64(sum*q) + 1/float64(k)
	}
	return float64(2*s*sum) + float64(float64(e)*math.Ln2)
}

// number is the value of an Int or Float field.
type number struct {
	bits    uint64
	integer bool
}

func (v number) float() float64 {
	if v.integer {
		return float64(int64(v.bits))
	}
	return math.Float64frombits(v.bits)
}

// numberRows is how many metadata rows are read at a time.
const numberRows = 1 << 12

// readNumbers calls f with the value of a field for each selected sample, by its
// position.
func readNumbers(s Selection, field string, f func(i int, v number)) error {
	if s.Len == 0 {
		return nil
	}
	list := s.Dataset.Fields()
	k := slices.IndexFunc(list, func(d ffcv.Field) bool { return d.Name == field })
	if k < 0 {
		return fmt.Errorf("no field %q in %s", field, s.Dataset.Name())
	}
	d := list[k]
	if d.Type != fields.TypeInt && d.Type != fields.TypeFloat || d.Size != 8 {
		return fmt.Errorf("field %q of %s is of type %d, want an Int or a Float", field, s.Dataset.Name(), d.Type)
	}
	var buf []byte
	run := 1
	if s.Samples == nil {
		run = numberRows
	}
	for lo := 0; lo < s.Len; lo += run {
		n := min(run, s.Len-lo)
		rows, err := s.Dataset.Rows(s.Sample(lo), n, buf)
		if err != nil {
			return err
		}
		size := len(rows) / n
		for i := range n {
			f(lo+i, number{le64(rows[i*size+d.Offset:]), d.Type == fields.TypeInt})
		}
	}
	return nil
}
