package ffcv

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/betongo/betongo/fields"
)

// checker is one worker's state while it verifies rows. It is not safe for
// concurrent use.
type checker struct {
	f     *File
	sums  *Sums // nil none
	trust bool  // what has the right sum need not be decoded
	flaws []*FormatError

	block  int    // rows read at once
	buf    []byte // for rows that cannot be borrowed
	rows   []byte // rows lo to hi
	lo, hi int

	// Of the row parsed last.
	at      int
	sound   bool            // no flaw was found in it
	whole   bool            // every field's regions could be told
	regions []fields.Region // in field order, sizes known
	owner   []int           // the field of each
	kept    []span          // of the regions that are not empty and lie in the data pages, by offset
	ptrs    []uint64        // of all regions, sorted
	field   int             // looked at now, for the report of a panic

	bufs [][]byte // for a value's regions that cannot be borrowed
	data [][]byte
}

func newChecker(f *File) *checker {
	c := &checker{f: f, at: -1}
	c.block = max(1, min(64, (64<<10)/max(1, f.row)))
	c.buf = make([]byte, c.block*f.row)
	return c
}

// caught is deferred around everything that touches the file or runs a
// field's code. A fault ends the run with an error, another panic is a flaw of
// the value looked at.
func (c *checker) caught(i int, err *error) {
	r := recover()
	if r == nil {
		return
	}
	if e := c.f.faultError(r); e != nil {
		e.Sample = i
		*err = e
		return
	}
	c.whole = false
	c.bad(i, c.field, fmt.Errorf("panic: %v", r))
}

// bad notes a flaw of a value.
func (c *checker) bad(i, field int, err error) {
	c.sound = false
	c.flaws = append(c.flaws, c.f.valueError(i, field, err))
}

// row checks a row and all its values and notes the flaws. An error ends the
// run.
func (c *checker) row(i int) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer c.caught(i, &err)
	meta := c.parse(i)
	if meta == nil {
		return nil
	}
	c.checkPages(i)
	for k, first := 0, 0; k < len(c.f.fields); k++ {
		n := first
		for n < len(c.owner) && c.owner[n] == k {
			n++
		}
		c.checkValue(i, k, meta, c.regions[first:n])
		first = n
	}
	return nil
}

// spans parses a row without noting its flaws, and returns the regions that it
// keeps, by offset, until the next call.
func (c *checker) spans(i int) (kept []span, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	n := len(c.flaws)
	defer func() { c.flaws = c.flaws[:n] }()
	defer c.caught(i, &err)
	c.parse(i)
	return c.kept, nil
}

// metadata returns row i, good until the next call.
func (c *checker) metadata(i int) ([]byte, error) {
	if i < c.lo || i >= c.hi {
		n := min(c.block, c.f.Len()-i)
		b, err := c.f.Rows(i, n, c.buf)
		if err != nil {
			return nil, err
		}
		c.rows, c.lo, c.hi = b, i, i+n
	}
	size := c.f.row
	return c.rows[(i-c.lo)*size:][:size], nil
}

// parse finds the regions of row i. It returns nil when the row cannot be
// read.
func (c *checker) parse(i int) []byte {
	c.at, c.whole, c.sound = i, true, true
	c.regions, c.owner, c.kept, c.ptrs = c.regions[:0], c.owner[:0], c.kept[:0], c.ptrs[:0]
	meta, err := c.metadata(i)
	if err != nil {
		c.whole, c.sound = false, false
		e := c.f.flaw(c.f.meta+int64(i)*int64(c.f.row), "metadata row")
		e.Sample, e.Err = i, err
		c.flaws = append(c.flaws, e)
		return nil
	}
	for k := range c.f.fields {
		c.field = k
		c.parseField(i, k, meta)
	}
	slices.SortFunc(c.kept, func(a, b span) int {
		if a.lo < b.lo || a.lo == b.lo && a.hi < b.hi {
			return -1
		}
		return 1
	})
	slices.Sort(c.ptrs)
	return meta
}

// parseField adds the regions of field k, all or none.
func (c *checker) parseField(i, k int, meta []byte) {
	f := c.f
	want := f.pointers(k)
	if want == 0 && f.fields[k].Type != fields.TypeCustom {
		return
	}
	d := &f.fields[k]
	first := len(c.regions)
	list, err := d.Field.Regions(c.regions, meta[d.Offset:][:d.Size])
	if err == nil && len(list)-first != want {
		err = fmt.Errorf("%d regions, the field's layout has %d pointers", len(list)-first, want)
	}
	if err != nil {
		c.whole = false
		c.bad(i, k, err)
		return
	}
	for j := range list[first:] {
		r := &list[first+j]
		c.ptrs = append(c.ptrs, r.Ptr)
		if err := c.size(i, k, j, r); err != nil {
			c.bad(i, k, err)
			return
		}
	}
	c.regions = list
	for _, r := range list[first:] {
		c.owner = append(c.owner, k)
		if r.Size > 0 {
			c.kept = append(c.kept, span{r.Ptr, r.Ptr + uint64(r.Size), i, k})
		}
	}
}

// size compares region j of field k with the allocation table, from which it
// takes an unknown size, and with the bounds of the data pages.
func (c *checker) size(i, k, j int, r *fields.Region) error {
	f := c.f
	size, ok, err := f.table.Size(i, f.firsts[k]+j, r.Ptr)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("no entry for pointer %d in the allocation table", r.Ptr)
	case r.Size < 0:
		r.Size = size
	case r.Size > 0 && size == 0 && (f.fields[k].Type == fields.TypeNDArray || f.fields[k].Type == fields.TypeTorchTensor):
		return fmt.Errorf("%d bytes by the shape, none by the allocation table: FFCV loses the zeros that a shape ends in", r.Size)
	case r.Size > 0 && r.Size != size: // with 0 the table may mean a neighbour of the same pointer
		return fmt.Errorf("%d bytes at pointer %d by the metadata, %d by the allocation table", r.Size, r.Ptr, size)
	}
	return f.inPages(i, r.Ptr, r.Size)
}

// placeError says that a region lies where FFCV's page cache does not look. Its
// bytes may well be right.
type placeError string

func (e placeError) Error() string { return string(e) }

// checkPages checks that the sample lies in one page, as FFCV's page cache
// needs it; that of a sample larger than a page every region begins in one.
func (c *checker) checkPages(i int) {
	p := uint64(c.f.header.PageSize)
	total := uint64(len(c.regions) - len(c.kept)) // a writer may give each empty region a byte
	for _, s := range c.kept {
		total += s.hi - s.lo
	}
	for _, s := range c.kept {
		switch o := c.kept[0]; {
		case s.lo/p != o.lo/p:
			c.bad(i, s.field, placeError(fmt.Sprintf("region in page %d, but field %q has one in page %d: a sample lies in one page", s.lo/p, c.f.fields[o.field].Name, o.lo/p)))
			return
		case s.lo/p != (s.hi-1)/p && total <= p:
			c.bad(i, s.field, placeError(fmt.Sprintf("%d bytes at pointer %d cross the end of page %d", s.hi-s.lo, s.lo, s.lo/p)))
			return
		}
	}
}

// checkValue looks into a value whose regions are sound.
func (c *checker) checkValue(i, k int, meta []byte, regions []fields.Region) {
	f := c.f
	d := &f.fields[k]
	if len(regions) != f.pointers(k) || len(regions) == 0 && d.Type != fields.TypeCustom {
		return
	}
	c.field = k
	for len(c.bufs) < len(regions) {
		c.bufs = append(c.bufs, nil)
	}
	c.data = c.data[:0]
	for j, r := range regions {
		b, ok := f.src.Borrow(int64(r.Ptr), r.Size)
		if !ok || r.Size == 0 {
			var err error
			if b, err = f.Bytes(i, r.Ptr, r.Size, c.bufs[j]); err != nil {
				c.bad(i, k, err)
				return
			}
			if cap(b) > cap(c.bufs[j]) {
				c.bufs[j] = b
			}
		}
		c.data = append(c.data, b)
		if c.sums == nil {
			continue
		}
		if err := c.sums.compareRegion(i, k, j, r, b); err != nil {
			c.flaws = append(c.flaws, c.f.valueError(i, k, err))
			return
		}
	}
	if c.trust && c.sums != nil {
		return
	}
	var err error
	if check, ok := d.Field.(Checker); ok {
		err = check.Check(meta[d.Offset:][:d.Size], c.data)
	} else {
		_, err = d.Field.Decode(meta[d.Offset:][:d.Size], c.data)
	}
	if err != nil {
		c.bad(i, k, err)
		if e := c.flaws[len(c.flaws)-1]; len(regions) > 0 && e.Err == err { // in the value, not in its metadata
			e.What, e.Offset = "value", int64(regions[0].Ptr)
		}
		return
	}
	c.checkMarks(i, k, meta)
}

// markChecker is the ability of a fields.Marker to hold marks, read from a
// file, to the value that they are of.
type markChecker interface {
	CheckMarks(meta []byte, data [][]byte, marks []byte) error
}

// checkMarks looks into the marks of a value that is sound, whose bytes are in
// c.data. What is wrong with their section is said where that is checked.
func (c *checker) checkMarks(i, k int, meta []byte) {
	f := c.f
	d := &f.fields[k]
	check, ok := d.Field.(markChecker)
	if !ok {
		return
	}
	r, err := f.MarksRange(k, i, 1)
	if err != nil || r.Len == 0 {
		return
	}
	marks, err := f.Marks(i, k, nil)
	if err == nil {
		err = check.CheckMarks(meta[d.Offset:][:d.Size], c.data, marks)
	}
	if err != nil {
		c.flaws = append(c.flaws, &FormatError{File: f.src.Name(), Field: d.Name, Sample: i, Offset: r.Off, What: "marks", Err: err})
	}
}
