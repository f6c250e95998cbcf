package ffcv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"
)

// span is a region that a sample keeps, [lo, hi).
type span struct {
	lo, hi        uint64
	sample, field int
}

// extent covers spans that follow each other upwards inside one page (a large
// sample's last span may leave it). As long as no two extents overlap, no two
// spans do.
type extent struct{ lo, hi uint64 }

// extents covers the spans of all samples. Regions come upwards in each page
// when samples are taken in order, in the files of FFCV's several workers too,
// so that there is about one extent a page. A file in no order costs 16 bytes
// a region.
type extents struct {
	pageSize uint64
	open     map[uint64]int // page of an extent's end -> the extent
	list     []extent
}

func newExtents(pageSize uint64) *extents {
	return &extents{pageSize: pageSize, open: map[uint64]int{}}
}

// add adds a non-empty span, or an extent.
func (x *extents) add(lo, hi uint64) {
	i, ok := x.open[lo/x.pageSize]
	if ok && lo >= x.list[i].hi {
		x.list[i].hi = hi
	} else {
		i = len(x.list)
		x.list = append(x.list, extent{lo, hi})
	}
	x.open[(hi-1)/x.pageSize] = i
}

// clusters returns the stretches of the file where extents overlap, in order.
func (x *extents) clusters() []extent {
	slices.SortFunc(x.list, func(a, b extent) int { return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi)) })
	var found []extent
	for i := 0; i < len(x.list); {
		c, n := x.list[i], 1
		for i+n < len(x.list) && x.list[i+n].lo < c.hi {
			c.hi = max(c.hi, x.list[i+n].hi)
			n++
		}
		if n > 1 {
			found = append(found, c)
		}
		i += n
	}
	return found
}

// maxSpans bounds the memory for telling apart what overlaps.
const maxSpans = 4 << 20

// overlaps goes over the samples again and reports the spans that overlap in
// the clusters, by file order.
func (v *verify) overlaps(ctx context.Context, clusters []extent) error {
	var spans []span
	c := newChecker(v.f)
	for i := range v.f.Len() {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		own, err := c.spans(i)
		if err != nil {
			return err
		}
		for _, s := range own {
			at := sort.Search(len(clusters), func(k int) bool { return clusters[k].hi > s.lo })
			if at < len(clusters) && s.hi > clusters[at].lo {
				spans = append(spans, s)
			}
		}
		if len(spans) > maxSpans {
			return v.emit(v.f.flaw(int64(clusters[0].lo), "regions of different values overlap in %d places, with more than %d regions about them", len(clusters), maxSpans))
		}
	}
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.lo, b.lo), cmp.Compare(a.hi, b.hi), cmp.Compare(a.sample, b.sample), cmp.Compare(a.field, b.field))
	})
	far := -1 // the span that reaches farthest so far
	for i, s := range spans {
		if far >= 0 && s.lo < spans[far].hi {
			o := spans[far]
			if err := v.emit(&FormatError{File: v.f.Name(), Field: v.f.fields[s.field].Name, Sample: s.sample, Offset: int64(s.lo),
				What: fmt.Sprintf("%d bytes overlap the %d bytes at %d of sample %d, field %q", s.hi-s.lo, o.hi-o.lo, o.lo, o.sample, v.f.fields[o.field].Name)}); err != nil {
				return err
			}
		}
		if far < 0 || s.hi > spans[far].hi {
			far = i
		}
	}
	return nil
}
