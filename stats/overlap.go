package stats

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// Overlap tells which values two datasets have in common, by the names of their
// fields: what of a training set is in its validation set. The same values are
// always looked for, with Near also pictures that look alike (Pair.A of a,
// Pair.B of b, those that are the same left out). Without Options.Fields those
// fields are compared that have one name and keep bytes in data pages in both;
// none is an error. Memory is that of Survey for both together.
func Overlap(ctx context.Context, a, b loader.Dataset, opts *Options) (*OverlapReport, error) {
	o, err := opts.get()
	if err != nil {
		return nil, err
	}
	o.NoDuplicates = false
	if o.Fields, err = common(a, b, o.Fields); err != nil {
		return nil, err
	}
	o.Memory /= 2
	var both [2]*survey
	done, total := 0, 0
	for k, ds := range []loader.Dataset{a, b} {
		each := o
		if both[k], err = newSurvey(ds, &each, false); err != nil {
			return nil, err
		}
		defer both[k].close()
		total += both[k].total
		if o.Progress != nil {
			each.Progress = func(n, _ int) { o.Progress(done+n, total) }
		}
	}
	r := &OverlapReport{A: a.Name(), B: b.Name(), SamplesA: both[0].total, SamplesB: both[1].total, Fields: []FieldOverlap{}}
	for _, s := range both {
		if err := s.run(ctx); err != nil {
			return nil, err
		}
		done += s.total
		r.Broken += s.broken
	}
	for _, name := range o.Fields {
		f, lost, err := overlapOf(ctx, &both, name, &o)
		if err != nil {
			return nil, err
		}
		r.Broken += lost
		r.Fields = append(r.Fields, f)
	}
	return r, nil
}

// common returns the names of the fields to compare.
func common(a, b loader.Dataset, names []string) ([]string, error) {
	var list []string
	fa, fb := a.Fields(), b.Fields()
	for _, x := range fa {
		if names != nil && !slices.Contains(names, x.Name) {
			continue
		}
		for _, y := range fb {
			if x.Name != y.Name || x.Field == nil || y.Field == nil {
				continue
			}
			ta, _ := x.Plain()
			tb, _ := y.Plain()
			switch {
			case ta == tb && (ta != fields.TypeCustom || len(x.Field.Layout().Pointers) > 0) && ta != fields.TypeInt && ta != fields.TypeFloat:
				list = append(list, x.Name)
			case names != nil:
				return nil, fmt.Errorf("field %q: values of %v and %v can't be compared; want two of one kind that keep bytes in data pages", x.Name, ta, tb)
			}
		}
	}
	for _, name := range names {
		if !slices.Contains(list, name) {
			return nil, fmt.Errorf("%s and %s: field %q is not in both", a.Name(), b.Name(), name)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s and %s have no field of one name and kind whose values could be compared", a.Name(), b.Name())
	}
	return list, nil
}

// overlapOf compares a field.
func overlapOf(ctx context.Context, both *[2]*survey, name string, o *Options) (f FieldOverlap, lost int, err error) {
	f = FieldOverlap{Name: name, List: []Common{}}
	var sides, near []side
	var extra []samples
	for _, s := range both {
		t := s.tallies[slices.IndexFunc(s.tallies, func(t *tally) bool { return t.f.Name == name })]
		sides = append(sides, side{r: s.reader, k: t.k, p: t.probe, found: &t.exact})
		near = append(near, side{r: s.reader, k: t.k, p: t.probe, found: &t.near})
		extra = append(extra, newSamples(s.ds.Len()))
	}
	low := lowest[Common]{limit: o.Limit, cmp: func(a, b Common) int { return cmp.Compare(a.A[0], b.A[0]) }}
	find := &same{sides: sides, limit: o.Limit, extra: extra, emit: func(h *held) {
		if h.counts[0] == 0 || h.counts[1] == 0 {
			return
		}
		f.Values++
		f.InA += h.counts[0]
		f.InB += h.counts[1]
		low.add(Common{A: h.first[0], B: h.first[1]})
	}}
	if err := find.find(ctx); err != nil {
		return f, 0, err
	}
	f.List = append(f.List, low.sorted()...)
	if near[0].p.near && near[1].p.near {
		f.Near, err = nearIn(ctx, near, extra, o)
	}
	return f, find.lost, err
}
