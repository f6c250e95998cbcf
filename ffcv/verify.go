package ffcv

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
)

// Checker is the ability of a fields.Field to look into a value more closely
// than Decode does: RGBImage decodes the whole JPEG, JSON parses the text.
// Verify uses it. meta and data are as for Decode.
type Checker interface {
	Check(meta []byte, data [][]byte) error
}

// Verify reads the whole file and reports every flaw, in the file's order
// (checksums of header, rows and table, metadata and values with theirs, then
// overlaps, the allocation table, the extension block), in the caller's
// goroutine. Without checksums (File.Sums) only damage shows that makes a value
// unreadable. It returns nil for a sound file, otherwise
// the first flaw; with a nil report it stops there. What FFCV does beyond the
// letter is sound: empty values that share a pointer, bytes left over in pages,
// gaps between pages, a table in any order.
//
// It uses all processors and memory that does not depend on the number of
// samples, except that a file whose regions come in no order costs 16 bytes a
// region.
func (f *File) Verify(ctx context.Context, report func(*FormatError)) error {
	return f.verify(ctx, &verify{f: f, report: report})
}

// VerifySums is Verify that does not decode the values of a file with
// checksums: each of its bytes is compared with them, at the speed at which the
// file can be read. What was wrong already when the checksums were made, such as
// a JPEG that nothing decodes, only Verify finds. For a file without checksums it
// is Verify.
func (f *File) VerifySums(ctx context.Context, report func(*FormatError)) error {
	return f.verify(ctx, &verify{f: f, report: report, trust: true})
}

func (f *File) verify(ctx context.Context, v *verify) error {
	if f.row < 0 {
		return f.unknown(-1)
	}
	v.sums, _ = f.Sums() // block tells what is wrong with them
	seals := func(context.Context) error { return v.seals() }
	for _, part := range []func(context.Context) error{seals, v.checkSums, v.rows, v.entries, v.block} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	if v.first != nil {
		return v.first
	}
	return nil
}

// verify is one run of Verify.
type verify struct {
	f      *File
	report func(*FormatError)
	first  *FormatError
	marked map[uint32]bool // fields whose MARK section was seen
	sums   *Sums           // the file's checksums, nil none
	trust  bool            // values with the right sum are not decoded
}

// emit reports a flaw; its error ends the run.
func (v *verify) emit(e *FormatError) error {
	if v.first == nil {
		v.first = e
	}
	if v.report == nil {
		return e
	}
	v.report(e)
	return nil
}

func (v *verify) emitAll(flaws []*FormatError) error {
	for _, e := range flaws {
		if err := v.emit(e); err != nil {
			return err
		}
	}
	return nil
}

// chunkResult is what a worker found in some rows or entries.
type chunkResult struct {
	flaws   []*FormatError
	extents []extent
}

// chunks cuts n rows, entries or names into chunks for the workers.
func (v *verify) chunks(ctx context.Context, n, size int64, start func() func(ctx context.Context, lo, hi int64) (chunkResult, error), emit func(chunkResult) error) error {
	return ordered(ctx, runtime.GOMAXPROCS(0), int((n+size-1)/size), func() func(context.Context, int) (chunkResult, error) {
		do := start()
		return func(ctx context.Context, job int) (chunkResult, error) {
			lo := int64(job) * size
			return do(ctx, lo, min(lo+size, n))
		}
	}, emit)
}

// rows checks every value, and then that no two overlap.
func (v *verify) rows(ctx context.Context) error {
	size := int64(64) // a chunk of photos takes long
	if v.f.ptrs == 0 {
		size = 8192
	}
	all := newExtents(uint64(v.f.header.PageSize))
	err := v.chunks(ctx, int64(v.f.Len()), size, func() func(context.Context, int64, int64) (chunkResult, error) {
		c := newChecker(v.f)
		c.sums, c.trust = v.sums, v.trust
		return func(ctx context.Context, lo, hi int64) (r chunkResult, err error) {
			x := newExtents(all.pageSize)
			for i := int(lo); i < int(hi); i++ {
				if ctx.Err() != nil {
					return r, ctx.Err()
				}
				if err := c.row(i); err != nil {
					return r, err
				}
				for _, s := range c.kept {
					x.add(s.lo, s.hi)
				}
			}
			r.flaws, c.flaws = c.flaws, nil
			r.extents = x.list
			return r, nil
		}
	}, func(r chunkResult) error {
		for _, x := range r.extents {
			all.add(x.lo, x.hi)
		}
		return v.emitAll(r.flaws)
	})
	if err != nil {
		return err
	}
	if c := all.clusters(); len(c) > 0 {
		return v.overlaps(ctx, c)
	}
	return nil
}

// entries checks the allocation table against the rows.
func (v *verify) entries(ctx context.Context) error {
	f := v.f
	custom := false
	for _, d := range f.fields {
		custom = custom || d.Type == fields.TypeCustom
	}
	if f.unfinished == nil && f.torn == 0 {
		if e := f.tailError(custom); e != nil {
			if err := v.emit(e); err != nil {
				return err
			}
		}
	}
	return v.chunks(ctx, f.count, 4096, func() func(context.Context, int64, int64) (chunkResult, error) {
		c := newChecker(f)
		return func(ctx context.Context, lo, hi int64) (r chunkResult, err error) {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			err = f.guard(func() error {
				for i := lo; i < hi; i++ {
					if err := c.entry(i, custom); err != nil {
						return err
					}
				}
				return nil
			})
			r.flaws, c.flaws = c.flaws, nil
			return r, err
		}
	}, func(r chunkResult) error { return v.emitAll(r.flaws) })
}

// entry checks entry i: it must belong to a sample, lie in the data pages, and
// be what the sample's row points at. A custom field may keep regions that its
// metadata alone does not tell.
func (c *checker) entry(i int64, custom bool) error {
	f := c.f
	e, err := f.table.At(i)
	off := int64(f.header.AllocTable) + i*alloc.EntrySize
	bad := func(format string, args ...any) {
		c.flaws = append(c.flaws, f.flaw(off, "allocation table entry %d: %s", i, fmt.Sprintf(format, args...)))
	}
	if err != nil {
		bad("%v", err)
		return nil
	}
	if e.Sample >= f.header.NumSamples {
		bad("sample %d of %d", e.Sample, f.header.NumSamples)
		return nil
	}
	if int(e.Sample) != c.at {
		if _, err := c.spans(int(e.Sample)); err != nil {
			return err
		}
	}
	_, pointed := slices.BinarySearch(c.ptrs, e.Ptr)
	switch {
	case pointed && !c.sound:
		// the flaw was reported with the row
	case e.Size > 0 && (e.Size > math.MaxInt64 || f.inPages(-1, e.Ptr, int64(e.Size)) != nil):
		bad("%d bytes at pointer %d, the data pages are from %d to %d", e.Size, e.Ptr, f.pages, f.data)
	case !pointed && c.whole && !custom:
		bad("sample %d has no region at pointer %d", e.Sample, e.Ptr)
	}
	return nil
}
