package stats

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/betongo/betongo/loader"
)

// pagesOf reads the allocation table, nil where the dataset has none or its
// pages have no size.
func pagesOf(ctx context.Context, ds loader.Dataset) (*Pages, error) {
	p, ok := ds.(loader.Pager)
	if !ok {
		return nil, nil
	}
	size := uint64(p.Header().PageSize)
	if size == 0 {
		return nil, nil
	}
	r := &Pages{Size: int64(size)}
	end := p.Header().AllocTable // behind all pages
	used := map[uint64]uint64{}  // bytes by page
	err := guarded(func() error {
		n := 0
		for e, err := range p.Entries() {
			if err != nil {
				return err
			}
			if n++; n%65536 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			if e.Ptr > end || e.Size > end-e.Ptr {
				return errOutside
			}
			for at, left := e.Ptr, e.Size; left > 0; {
				part := min(left, size-at%size)
				used[at/size] += part
				at, left = at+part, left-part
			}
		}
		return nil
	})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil || len(used) == 0 {
		return nil, nil // damage of the table is Verify's to tell
	}
	var each sketch
	for _, page := range slices.Sorted(maps.Keys(used)) {
		r.Bytes += int64(used[page])
		each.add(float64(used[page]) / float64(size))
	}
	r.Count = len(used)
	r.Fill = float64(r.Bytes) / (float64(r.Count) * float64(size))
	r.Each = each.summary()
	return r, nil
}

// errOutside is an entry that lies beyond the pages.
var errOutside = errors.New("an entry of the allocation table lies outside")
