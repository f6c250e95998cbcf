package ffcv

import (
	"errors"
	"fmt"
	"math"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
)

// Base is a file that a new one takes whole: all its samples, in their order.
// Its data pages are copied as they are, by the system where it can (Linux's
// copy_file_range, which shares them on file systems that can), and the
// pointers in rows and allocation table are moved with them. Names of samples
// and marks come along, class names do not (Options.Classes), nor do sections
// that this package does not know.
//
// The file's fields are the first ones of the new file, of the same names,
// kinds and arguments (File.Specs gives them), and its pages are as large.
type Base struct {
	File *File

	// Added returns the values, for a sample of File, of the new file's fields
	// that File lacks. These keep no bytes in data pages (Int, Float): all bytes
	// of a sample lie in one page, and those pages are full. It is called once for
	// each sample, in order, on one goroutine. Nil adds none.
	Added func(sample int) ([]any, error)

	// Changed gives new values, for a sample of File, of fields that File has, by
	// their numbers there: fields that keep no bytes in data pages (Int, Float). It
	// is called as Added is. Nil changes none.
	Changed map[int]func(sample int) (any, error)

	// Mark makes the marks of builtin fields that File has none of, on
	// Options.Workers goroutines: every value of them is read then.
	Mark bool

	// Pages, if set, has the data pages left out, for whoever puts them there by
	// other means, an object store by itself say: it is called once, on the
	// goroutine of the Write, with where they lie in File, where they belong in the
	// new file, and how many bytes they are (none: no call). There the new file
	// has a hole, and is not whole until that is filled; nothing else of it is
	// different.
	Pages func(from, to, n int64) error
}

// checkBase says whether the base files fit the new one.
func (w *Writer) checkBase() error {
	for _, b := range w.opts.Base {
		if err := w.checkBaseFile(b); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) checkBaseFile(b Base) error {
	f, specs := b.File, w.plan.specs
	if f == nil {
		return errors.New("a base without a file")
	}
	if p := int64(f.header.PageSize); p != w.opts.PageSize {
		return fmt.Errorf("%s: pages of %d bytes, want %d: pages can be copied into a file of the same page size only", f.src.Name(), p, w.opts.PageSize)
	}
	if n := len(f.fields); n > len(specs) || n < len(specs) && b.Added == nil {
		return fmt.Errorf("%s: %d fields, want %d", f.src.Name(), n, len(specs))
	}
	for i := range specs {
		if i >= len(f.fields) {
			if len(w.plan.members[i].Pointers) > 0 {
				return fmt.Errorf("field %q cannot be added to the samples of %s: it keeps bytes in data pages, and all of a sample's lie in one", specs[i].Name, f.src.Name())
			}
			continue
		}
		if name := f.fields[i].Name; name != specs[i].Name {
			return fmt.Errorf("%s: field %d is %q, want %q", f.src.Name(), i, name, specs[i].Name)
		}
		if err := w.plan.takes(i, f, i); err != nil {
			return err
		}
	}
	for k, change := range b.Changed {
		if k < 0 || k >= len(f.fields) || change == nil {
			return fmt.Errorf("%s: change of field %d of %d", f.src.Name(), k, len(f.fields))
		}
		if len(w.plan.members[k].Pointers) > 0 {
			return fmt.Errorf("%s: field %q cannot be changed where pages are copied: it keeps bytes in them", f.src.Name(), specs[k].Name)
		}
	}
	return nil
}

// withBase adds the samples of the base files to n.
func (w *Writer) withBase(n int64) (int64, error) {
	for _, b := range w.opts.Base {
		if m := b.File.header.NumSamples; m > uint64(math.MaxInt64-n) {
			return 0, fmt.Errorf("%s: %d samples more: no file is that large", b.File.src.Name(), m)
		}
		n += int64(b.File.Len())
	}
	return n, nil
}

// pageRange is where the data pages lie that a file's regions are in.
type pageRange struct {
	lo, hi  int64 // multiples of the page size, the end of the file's pages at most
	bytes   int64 // of all regions
	large   int   // regions that cross the end of a page
	largest alloc.Entry
	sum     uint64 // of all pointers, with their samples: in whatever order
}

// usedPages reads the allocation table and returns where the regions lie.
func (f *File) usedPages(tick func(i int64) error) (r pageRange, err error) {
	if f.ptrs == 0 {
		return pageRange{}, nil
	}
	page := uint64(f.header.PageSize)
	lo, hi := uint64(math.MaxInt64), uint64(0)
	i := int64(0)
	err = f.guard(func() error {
		for e, err := range f.Entries() {
			if err != nil {
				return err
			}
			if err := f.checkEntry(i, e); err != nil {
				return err
			}
			if i++; i%(1<<16) == 0 {
				if err := tick(i); err != nil {
					return err
				}
			}
			r.sum += pointerSum(e.Sample, e.Ptr)
			// The byte of an empty value of this package lies in the pages too.
			n := max(int64(e.Size), 1)
			if f.inPages(-1, e.Ptr, n) != nil {
				continue
			}
			lo, hi = min(lo, e.Ptr), max(hi, e.Ptr+uint64(n))
			r.bytes += int64(e.Size)
			if e.Ptr/page != (e.Ptr+uint64(n)-1)/page {
				if r.large++; e.Size > r.largest.Size {
					r.largest = e
				}
			}
		}
		return nil
	})
	if err != nil || hi == 0 {
		return r, err
	}
	r.lo = int64(lo &^ (page - 1))
	r.hi = min(alignUp(int64(hi), int64(page)), f.data)
	return r, nil
}

// checkEntry checks entry i of the allocation table.
func (f *File) checkEntry(i int64, e alloc.Entry) error {
	var err error
	switch {
	case e.Sample >= f.header.NumSamples:
		err = fmt.Errorf("sample %d of %d", e.Sample, f.header.NumSamples)
	case e.Size > math.MaxInt64:
		err = fmt.Errorf("%d bytes", e.Size)
	case e.Size > 0:
		err = f.inPages(int(e.Sample), e.Ptr, int64(e.Size))
	}
	if err == nil {
		return nil
	}
	if e, ok := err.(*FormatError); ok {
		return e
	}
	bad := f.flaw(int64(f.header.AllocTable)+i*alloc.EntrySize, "allocation table entry %d", i)
	bad.Err = err
	return bad
}

// pointerSum is what a pointer of a sample adds to a sum over all of them.
func pointerSum(sample, ptr uint64) uint64 { return mix(mix(sample) + ptr) }

// regionsInPages appends the regions of a member of field k to dst, each
// checked to lie in the data pages or to be empty. The size of a region of
// unknown size is looked up only if its pointer lies outside.
func (f *File) regionsInPages(dst []fields.Region, i, k int, meta []byte) ([]fields.Region, error) {
	dst, err := f.fields[k].Field.Regions(dst, meta)
	if err != nil {
		return dst, f.valueError(i, k, err)
	}
	if n := f.pointers(k); len(dst) != n {
		return dst, f.valueError(i, k, fmt.Errorf("%d regions, the field's layout has %d pointers", len(dst), n))
	}
	for j := range dst {
		r := &dst[j]
		if r.Size < 0 {
			if f.inPages(i, r.Ptr, 1) == nil {
				continue // the table's entries are checked by themselves
			}
			if r.Size, err = f.RegionSize(i, k, r.Ptr); err != nil {
				return dst, err
			}
		}
		if err := f.inPages(i, r.Ptr, r.Size); err != nil {
			return dst, f.valueError(i, k, err)
		}
	}
	return dst, nil
}
