package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/pagecache"
	"github.com/betongo/betongo/loader"
)

// Concat is datasets one after another: sample 0 is the first sample of the
// first member, and so on. Finding a sample's member takes a binary search.
type Concat struct {
	name    string
	parts   []part
	firsts  []int // sample of each part, then the length
	fields  []ffcv.Field
	row     int
	spans   [][]span // of parts whose rows are made otherwise than the first's; nil: alike
	space   space
	lends   bool
	classes []string
	owned   []io.Closer
	cache   ffcv.Source // that the files share; nil: none
	shards  *shards     // of an index, which are the parts; nil: it is none
	scratch pool
}

// span is bytes of a row, at from in the member's and at to in the composite's.
type span struct{ from, to, size int }

// NewConcat returns the members one after another. They must have the same
// fields: names, types, arguments and order; otherwise the error names the two
// that differ and what. Members that name their classes must name the same: a
// label says the same in all of them. A member may come twice.
func NewConcat(members ...Dataset) (*Concat, error) { return newConcat(members, false) }

func newConcat(members []Dataset, ignoreClasses bool) (*Concat, error) {
	if len(members) == 0 {
		return nil, errNone
	}
	c := &Concat{lends: true, parts: make([]part, len(members)), firsts: make([]int, len(members)+1), spans: make([][]span, len(members))}
	var named Dataset // the member whose classes count
	for i, ds := range members {
		p, err := newPart(ds)
		if err != nil {
			return nil, err
		}
		c.parts[i], c.lends = p, c.lends && p.lends
		if p.n > int(^uint(0)>>1)-c.firsts[i] {
			return nil, fmt.Errorf("%s: %d samples and those before it are too many", ds.Name(), p.n)
		}
		c.firsts[i+1] = c.firsts[i] + p.n
		if err := sameFields(&c.parts[0], &p); err != nil {
			return nil, err
		}
		if ignoreClasses {
			continue
		}
		classes := classesOf(ds)
		if classes == nil {
			continue
		}
		if named == nil {
			named, c.classes = ds, classes
		}
		if err := sameClasses(named.Name(), c.classes, ds.Name(), classes); err != nil {
			return nil, err
		}
	}
	c.setRows()
	if c.name = members[0].Name(); len(members) > 1 {
		c.name = fmt.Sprintf("%s and %d more", c.name, len(members)-1)
	}
	var err error
	c.space, err = place(c.parts)
	return c, err
}

// setRows makes the rows those of the first member that has any.
func (c *Concat) setRows() {
	first := max(0, slices.IndexFunc(c.parts, func(p part) bool { return p.n > 0 }))
	c.fields, c.row = c.parts[first].fields, c.parts[first].row
	c.scratch.pointers = c.parts[first].pointers
	for i := range c.parts {
		p := &c.parts[i]
		alike := p.row == c.row
		for k := range p.fields {
			alike = alike && p.fields[k].Offset == c.fields[k].Offset
		}
		if alike {
			continue
		}
		for k := range p.fields {
			c.spans[i] = append(c.spans[i], span{p.fields[k].Offset, c.fields[k].Offset, p.fields[k].Size})
		}
	}
}

// sameFields says what differs between two members' fields.
func sameFields(a, b *part) error {
	differ := func(format string, args ...any) error {
		return fmt.Errorf("%s and %s have different fields: %s", a.Name(), b.Name(), fmt.Sprintf(format, args...))
	}
	for i := range min(len(a.fields), len(b.fields)) {
		f, g := &a.fields[i], &b.fields[i]
		if f.Name != g.Name || f.Type != g.Type || f.Size != g.Size || f.Args != g.Args && (f.Args == nil || g.Args == nil || *f.Args != *g.Args) {
			return differ("field %d is %s in the first, %s in the second", i, describe(f), describe(g))
		}
	}
	switch n, m := len(a.fields), len(b.fields); {
	case n > m:
		return differ("the second lacks field %s", describe(&a.fields[m]))
	case m > n:
		return differ("the first lacks field %s", describe(&b.fields[n]))
	}
	return nil
}

// sameClasses says where two lists of class names differ.
func sameClasses(nameA string, a []string, nameB string, b []string) error {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Errorf("%s and %s have different classes: label %d is %q in the first, %q in the second", nameA, nameB, i, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Errorf("%s and %s have different classes: %d and %d", nameA, nameB, len(a), len(b))
	}
	return nil
}

// find returns the part of a sample and its number there.
func (c *Concat) find(sample int) (*part, int, error) {
	if sample < 0 || sample >= c.Len() {
		return nil, 0, fmt.Errorf("%s: sample %d of %d", c.name, sample, c.Len())
	}
	k := c.partOf(sample)
	return &c.parts[k], sample - c.firsts[k], nil
}

// partOf returns the index of the part of a sample, which there is.
func (c *Concat) partOf(sample int) int {
	lo, hi := 0, len(c.parts)-1
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if sample < c.firsts[mid+1] {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

// Name returns the first member's name and how many more there are, or what
// Open was given.
func (c *Concat) Name() string { return c.name }

// Len returns the number of samples of all members.
func (c *Concat) Len() int { return c.firsts[len(c.parts)] }

// Fields returns the fields of every member. The slice is the caller's.
func (c *Concat) Fields() []ffcv.Field { return slices.Clone(c.fields) }

// Members returns the members in order. The slice is the caller's.
func (c *Concat) Members() []Dataset {
	list := make([]Dataset, len(c.parts))
	for i := range c.parts {
		list[i] = c.parts[i].Dataset
	}
	return list
}

// Bounds returns the first sample of each member, and the length.
func (c *Concat) Bounds() []int { return slices.Clone(c.firsts) }

// Classes returns the class names that the members have, nil when none has any.
func (c *Concat) Classes() []string { return slices.Clone(c.classes) }

// Rows reads rows into buf, see loader.Dataset.
func (c *Concat) Rows(lo, n int, buf []byte) ([]byte, error) {
	if err := inside(c.name, lo, n, c.Len()); err != nil {
		return nil, err
	}
	buf = grown(buf, n*c.row)
	for at := 0; at < n; {
		k := c.partOf(lo + at)
		m := min(n-at, c.firsts[k+1]-lo-at)
		if err := c.partRows(k, lo+at-c.firsts[k], m, buf[at*c.row:(at+m)*c.row:(at+m)*c.row]); err != nil {
			return nil, err
		}
		at += m
	}
	return buf, nil
}

// partRows reads rows of a part, with the pointers of the whole.
func (c *Concat) partRows(k, lo, n int, dst []byte) error {
	p := &c.parts[k]
	if c.spans[k] == nil {
		if err := p.readRows(lo, n, dst); err != nil {
			return err
		}
	} else {
		clear(dst)
		if err := c.scratch.rows(p, lo, n, dst, c.row, c.spans[k]); err != nil {
			return err
		}
	}
	if p.base == 0 {
		return nil
	}
	for ; len(dst) > 0; dst = dst[c.row:] {
		for _, at := range c.scratch.pointers {
			// A wrong pointer may wrap around: Bytes subtracts it again.
			binary.LittleEndian.PutUint64(dst[at:], binary.LittleEndian.Uint64(dst[at:])+p.base)
		}
	}
	return nil
}

// Bytes returns bytes of a sample's member, see loader.Dataset.
func (c *Concat) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	p, i, err := c.find(sample)
	if err != nil {
		return nil, err
	}
	return p.Bytes(i, ptr-p.base, size, buf)
}

// Lend asks a sample's member, see loader.Loaner.
func (c *Concat) Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	p, i, err := c.find(sample)
	if err != nil {
		return nil, nil, err
	}
	return lend(p.Dataset, i, ptr-p.base, size)
}

// RegionSize asks a sample's member, see loader.Dataset.
func (c *Concat) RegionSize(sample, field int, ptr uint64) (int64, error) {
	p, i, err := c.find(sample)
	if err != nil {
		return 0, err
	}
	return p.RegionSize(i, field, ptr-p.base)
}

// Verifiable is an error unless all members have checksums.
func (c *Concat) Verifiable() error {
	if c.shards != nil { // many may have to be opened
		return c.shards.each((*shard).Verifiable)
	}
	return verifiable(c.parts)
}

// VerifyValue asks a sample's member, see loader.Verifier.
func (c *Concat) VerifyValue(sample, field int, buf []byte) ([]byte, error) {
	p, i, err := c.find(sample)
	if err != nil {
		return buf, err
	}
	return p.verifyValue(i, field, buf)
}

// WillNeed hands the hint to the members.
func (c *Concat) WillNeed(ranges []ffcv.Range) {
	if c.shards != nil && len(ranges) == 0 {
		c.shards.forget()
	}
	willNeed(c.parts, ranges)
}

// WillScan hands the hint to the cache that Open's files share, or to the members.
func (c *Concat) WillScan() {
	if h, ok := c.cache.(loader.ScanHinter); ok {
		h.WillScan()
		return
	}
	for i := range c.parts {
		c.parts[i].willScan()
	}
}

// WillNeedRows hands the hint to the members of the samples.
func (c *Concat) WillNeedRows(samples []int, sizes bool) {
	c.eachPart(samples, func(p *part, samples []int) { p.willNeedRows(samples, sizes) })
}

// WillNeedMarks hands the hint to the members of the samples.
func (c *Concat) WillNeedMarks(samples []int, field int, found bool) {
	c.eachPart(samples, func(p *part, samples []int) { p.willNeedMarks(samples, field, found) })
}

// eachPart calls tell once for each member that has some of the samples, with their
// numbers there, in the order in which the members first come.
func (c *Concat) eachPart(samples []int, tell func(p *part, samples []int)) {
	var order []int // of the parts, as they first come
	lists := make(map[int][]int)
	for _, sample := range samples {
		if sample >= 0 && sample < c.Len() {
			k := c.partOf(sample)
			if lists[k] == nil {
				order = append(order, k)
			}
			lists[k] = append(lists[k], sample-c.firsts[k])
		}
	}
	for _, k := range order {
		tell(&c.parts[k], lists[k])
	}
}

// Borrow lends bytes of the members put one after another, if all lend.
func (c *Concat) Borrow(off, n int64) ([]byte, bool) {
	if !c.lends && !c.shards.lending() {
		return nil, false
	}
	return borrow(c.parts, off, n)
}

// Header tells the largest page size, and where the offsets of the last member
// end: for orders by pages.
func (c *Concat) Header() ffcv.Header { return c.space.header(len(c.fields), c.Len()) }

// Entries yields the allocations of all members, one member after another.
func (c *Concat) Entries() iter.Seq2[alloc.Entry, error] {
	return func(yield func(alloc.Entry, error) bool) {
		for k := range c.parts {
			first := uint64(c.firsts[k])
			for e, err := range c.parts[k].entries(func(sample uint64, yield func(uint64) bool) bool { return yield(first + sample) }) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// Marks returns the marks of a sample's value where its member keeps some.
func (c *Concat) Marks(sample, field int, buf []byte) ([]byte, error) {
	p, i, err := c.find(sample)
	if err != nil {
		return nil, err
	}
	return p.marks(i, field, buf)
}

// Key returns a sample's key in its member.
func (c *Concat) Key(sample int) (string, error) {
	p, i, err := c.find(sample)
	if err != nil {
		return "", err
	}
	return p.key(i)
}

// Locate returns the file of a sample's field, and the sample's number there.
func (c *Concat) Locate(sample, field int) (file string, number int) {
	p, i, err := c.find(sample)
	if err != nil {
		return c.name, sample
	}
	return p.locate(i, field)
}

// LocatePointer returns where a sample's pointer points in its file.
func (c *Concat) LocatePointer(sample, field int, ptr uint64) int64 {
	p, i, err := c.find(sample)
	if err != nil {
		return -1
	}
	return p.locatePointer(i, field, ptr)
}

// Identity is made of the members' identities and their order.
func (c *Concat) Identity() (ffcv.Identity, error) { return sum("concat", c.Len(), c.parts) }

// Tables returns where the members' rows lie, see loader.Tabler.
func (c *Concat) Tables() ([]loader.Tables, bool) {
	if !c.lends && !c.shards.lending() {
		return nil, false
	}
	sets := make([][]loader.Tables, len(c.parts))
	keys := make([][]byte, len(c.fields)) // which Tables of each part a field is in
	for k := range c.parts {
		var ok bool
		if sets[k], ok = c.parts[k].tables(); !ok {
			return nil, false
		}
		for s, set := range sets[k] {
			for _, f := range set.Fields {
				keys[f] = fmt.Append(keys[f], s, " ")
			}
		}
	}
	var list []loader.Tables
	groups := map[string]int{}
	for f, key := range keys {
		g, ok := groups[string(key)]
		if !ok {
			g = len(list)
			groups[string(key)] = g
			list = append(list, loader.Tables{})
		}
		list[g].Fields = append(list[g].Fields, f)
	}
	for g := range list {
		c.gatherTables(&list[g], sets)
	}
	return list, true
}

// gatherTables puts the parts' tables of some fields, which lie together in
// every part, one after another.
func (c *Concat) gatherTables(t *loader.Tables, sets [][]loader.Tables) {
	places := make([]func(dst, samples []int), len(c.parts))
	from := make([]int, len(c.parts)) // number of each part's first row
	rows, mapped := 0, false
	for k := range c.parts {
		s := slices.IndexFunc(sets[k], func(s loader.Tables) bool { return slices.Contains(s.Fields, t.Fields[0]) })
		set := &sets[k][s]
		from[k], places[k] = rows, set.Places
		mapped = mapped || set.Places != nil
		for _, table := range set.List {
			offsets := make([]int, len(t.Fields))
			for i, f := range t.Fields {
				offsets[i] = table.Offsets[slices.Index(set.Fields, f)]
			}
			table.Offsets = offsets
			t.List = append(t.List, table)
			rows += len(table.Rows) / table.Size
		}
	}
	if !mapped {
		return
	}
	t.Places = func(dst, samples []int) {
		for i, sample := range samples {
			k := c.partOf(sample)
			dst[i] = sample - c.firsts[k]
			if places[k] != nil {
				places[k](dst[i:i+1], dst[i:i+1])
			}
			dst[i] += from[k]
		}
	}
}

// CacheStats tells what the cache that Open's files share did, or those of the
// members; false when there is none.
func (c *Concat) CacheStats() (ffcv.CacheStats, bool) {
	if s, ok := c.cache.(interface{ Stats() pagecache.Stats }); ok {
		return ffcv.CacheStats(s.Stats()), true
	}
	return cacheStats(c.parts)
}

// Distant says whether files are read from farther away than a disk.
func (c *Concat) Distant() bool {
	if d, ok := c.cache.(loader.Distant); ok {
		return d.Distant()
	}
	return distant(c.parts)
}

// CacheBudget is how many bytes the cache that Open's files share may take, or the
// least of the members' own; 0 when there is none.
func (c *Concat) CacheBudget() int64 {
	if s, ok := c.cache.(loader.Budgeter); ok {
		return s.CacheBudget()
	}
	return cacheBudget(c.parts)
}

// Close closes the files that Open opened. Everything borrowed from them ends
// with it. Of NewConcat's members it closes none.
func (c *Concat) Close() error {
	errs := make([]error, len(c.owned))
	for i, f := range c.owned {
		errs[i] = f.Close()
	}
	return errors.Join(errs...)
}
