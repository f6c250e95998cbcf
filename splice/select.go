package splice

import (
	"context"
	"fmt"
	"iter"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// Range is the samples First, First+Step, …, Count of them.
type Range struct{ First, Step, Count int }

// Selection says which samples of a file, and in which order. The zero
// Selection is all of them in their order.
type Selection struct {
	// Indices are the samples, in this order; one may come more than once. Nil is
	// those of Range.
	Indices []int

	// Range is the samples if there are no Indices; nil is all.
	Range *Range

	// Shuffle takes them in an order drawn from Seed: the one in which a writer
	// puts as many samples (ffcv.Shuffled).
	Shuffle bool
	Seed    uint64

	// Labels keeps only samples whose value in the Int field Field is among them;
	// nil keeps all.
	Labels []int64
	// Field is the number of the label field in the file; it counts only with
	// Labels.
	Field int
}

// order is a Selection of a file, checked.
type order struct {
	f      *ffcv.File
	n      int // samples before the labels choose
	at     func(i int) int
	labels map[int64]bool // nil all
	field  int
}

// order checks the selection.
func (s *Selection) order(f *ffcv.File) (*order, error) {
	o := &order{f: f, n: f.Len(), at: func(i int) int { return i }, field: s.Field}
	switch r := s.Range; {
	case s.Indices != nil && r != nil:
		return nil, fmt.Errorf("a list of samples and a range: want one of them")
	case s.Indices != nil:
		for i, at := range s.Indices {
			if at < 0 || at >= f.Len() {
				return nil, fmt.Errorf("%s: index %d is %d: the file has %d samples", f.Name(), i, at, f.Len())
			}
		}
		o.n, o.at = len(s.Indices), func(i int) int { return s.Indices[i] }
	case r != nil:
		if err := r.check(f); err != nil {
			return nil, err
		}
		o.n, o.at = r.Count, func(i int) int { return r.First + i*r.Step }
	}
	if s.Shuffle {
		inner, mixed := o.at, ffcv.Shuffled(o.n, s.Seed)
		o.at = func(i int) int { return inner(mixed(i)) }
	}
	if s.Labels != nil {
		if err := checkLabelField(f, s.Field); err != nil {
			return nil, err
		}
		o.labels = make(map[int64]bool, len(s.Labels))
		for _, l := range s.Labels {
			o.labels[l] = true
		}
	}
	return o, nil
}

// check says whether all samples of the range exist.
func (r *Range) check(f *ffcv.File) error {
	n := f.Len()
	in := func(i int) bool { return i >= 0 && i < n }
	if r.Count < 0 || r.Count > 0 && (!in(r.First) || r.Step == 0 && r.Count > 1) {
		return fmt.Errorf("%s: samples %+v of %d", f.Name(), *r, n)
	}
	room := n - 1 - r.First // to the end that the step goes to
	step := r.Step
	if step < 0 {
		room, step = r.First, -step
	}
	if r.Count > 1 && (step < 0 || r.Count-1 > room/step) {
		return fmt.Errorf("%s: samples %+v of %d", f.Name(), *r, n)
	}
	return nil
}

// checkLabelField says whether a field can tell a sample's class.
func checkLabelField(f *ffcv.File, field int) error {
	list := f.Fields()
	if field < 0 || field >= len(list) {
		return fmt.Errorf("%s: field %d of %d", f.Name(), field, len(list))
	}
	if d := list[field]; d.Type != fields.TypeInt {
		return fmt.Errorf("%s: field %q is %s, want an int field of labels", f.Name(), d.Name, ffcv.Kind(d.Type, d.Field))
	}
	return nil
}

// labelOf returns the label of a sample.
func labelOf(f *ffcv.File, sample, field int) (l int64, err error) {
	err = guard(f, func() error {
		l, err = f.Int(sample, field)
		return err
	})
	return l, err
}

// all yields the numbers of the samples in the selection's order. A failure is
// yielded once, as the last pair.
func (o *order) all(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range o.n {
			if i%4096 == 0 && ctx.Err() != nil {
				yield(0, ctx.Err())
				return
			}
			sample := o.at(i)
			if o.labels != nil {
				l, err := labelOf(o.f, sample, o.field)
				if err != nil {
					yield(0, err)
					return
				}
				if !o.labels[l] {
					continue
				}
			}
			if !yield(sample, nil) {
				return
			}
		}
	}
}

// count returns how many samples the selection has, for which it reads the
// labels if they choose.
func (o *order) count(ctx context.Context) (n int64, err error) {
	if o.labels == nil {
		return int64(o.n), nil
	}
	for _, err := range o.all(ctx) {
		if err != nil {
			return 0, err
		}
		n++
	}
	return n, nil
}

// Labels returns the values of all samples in an Int field: what package label
// works on.
func Labels(ctx context.Context, f *ffcv.File, field int) ([]int64, error) {
	if err := checkLabelField(f, field); err != nil {
		return nil, err
	}
	list := make([]int64, f.Len())
	for i := range list {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var err error
		if list[i], err = labelOf(f, i, field); err != nil {
			return nil, err
		}
	}
	return list, nil
}
