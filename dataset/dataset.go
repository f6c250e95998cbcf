// Package dataset makes one dataset out of several, for a loader:
//
//	train, err := dataset.Open([]string{"train-*.beton"}, nil) // one after another
//	…
//	defer train.Close()
//	vectors, err := dataset.NewSelect(embeddings, dataset.Field{Name: "emb"})
//	…
//	both, err := dataset.NewJoin(train, vectors) // side by side, by index
//	…
//	few, err := dataset.NewSubset(both, indices)
//	…
//	l, err := loader.New(few, nil)
//
// Each is a dataset again, so that they combine, and each has the abilities of a
// single file: orders by pages, checkpoints, an identity for what is kept beside
// it. Nothing of the files is copied: a composite keeps a few numbers a member
// (a Subset, its indices). Samples are numbered anew, from 0.
//
// A Mixture is an order over the members of a Concat: so much of each.
//
// # Pointers
//
// The pointers of a dataset are offsets in one file. Of a composite they are
// offsets in all files put one after another, each from a multiple of the
// largest page size on. Rows, which hold pointers, are therefore read and not
// borrowed; a loader of mapped files does without them for all fixed-size
// values, which it gathers from the files' own tables (loader.Tabler).
//
// # Lifetime
//
// Open owns the files that it opens. All others borrow their members, which must
// outlive them. All methods but Close are safe for concurrent use if the
// members' are.
package dataset

import (
	"errors"
	"fmt"
	"hash/crc32"
	"iter"
	"math"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
)

// Dataset is what composites are made of: a *ffcv.File, a composite, or a
// program's own.
type Dataset = loader.Dataset

// noPages is the address space of a member that doesn't tell where its pages
// end: more than any file's.
const noPages = 1 << 44

// part is a member as its composite sees it.
type part struct {
	Dataset
	n        int
	fields   []ffcv.Field
	row      int   // bytes of a row; 0 when there is none
	pointers []int // where a row has pointers
	base     uint64
	size     uint64 // of its offsets
	page     uint32 // 0: it doesn't tell
	lends    bool
}

// lend asks a dataset that may be a loader.Loaner.
func lend(ds Dataset, sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	if l, ok := ds.(loader.Loaner); ok {
		return l.Lend(sample, ptr, size)
	}
	return nil, nil, nil
}

// newPart looks at a member.
func newPart(ds Dataset) (part, error) {
	p := part{Dataset: ds, n: ds.Len(), fields: ds.Fields(), size: noPages}
	if p.n < 0 {
		return p, fmt.Errorf("%s: %d samples", ds.Name(), p.n)
	}
	for i := range p.fields {
		f := &p.fields[i]
		if f.Field == nil || f.Offset < 0 || f.Size < 0 {
			return p, fmt.Errorf("%s: field %q: %w", ds.Name(), f.Name, ffcv.ErrUnknownField)
		}
		p.row = max(p.row, f.Offset+f.Size)
		for _, at := range f.Field.Layout().Pointers {
			if at < 0 || at > f.Size-8 {
				return p, fmt.Errorf("%s: field %q: pointer at byte %d of a member of %d", ds.Name(), f.Name, at, f.Size)
			}
			p.pointers = append(p.pointers, f.Offset+at)
		}
	}
	if p.n > 0 { // a row may be longer than its fields
		row, err := ds.Rows(0, 1, nil)
		if err != nil {
			return p, err
		}
		if len(row) < p.row {
			return p, fmt.Errorf("%s: a metadata row of %d bytes, its fields need %d", ds.Name(), len(row), p.row)
		}
		p.row = len(row)
	}
	if pager, ok := ds.(loader.Pager); ok {
		h := pager.Header()
		p.page, p.size = h.PageSize, max(h.AllocTable, 1)
	}
	l, ok := ds.(loader.Lender)
	if ok {
		_, ok = l.Borrow(0, 1)
	}
	p.lends = ok || p.n == 0
	return p, nil
}

// readRows is Rows into dst, which is as long as the rows.
func (p *part) readRows(lo, n int, dst []byte) error {
	got, err := p.Rows(lo, n, dst)
	if err != nil {
		return err
	}
	if len(got) != len(dst) {
		return fmt.Errorf("%s: %d bytes of metadata, want %d rows of %d", p.Name(), len(got), n, p.row)
	}
	if len(dst) > 0 && &got[0] != &dst[0] {
		copy(dst, got)
	}
	return nil
}

// space is the offsets of all members of a composite.
type space struct {
	page uint32 // the largest page size; 0: some member doesn't tell
	end  uint64
}

// place gives the parts their bases.
func place(parts []part) (space, error) {
	s := space{page: ffcv.MinPageSize}
	tells := true
	for i := range parts {
		s.page = max(s.page, parts[i].page)
		tells = tells && parts[i].page != 0
	}
	for i := range parts {
		p := &parts[i]
		p.base = s.end
		unit, size := uint64(s.page), min(p.size, 1<<62)
		size = (size + unit - 1) / unit * unit
		if s.end += size; s.end > 1<<62 {
			return s, fmt.Errorf("%s: %d bytes and those before it are more than offsets can tell", p.Name(), p.size)
		}
		p.size = size
	}
	if !tells {
		s.page = 0
	}
	return s, nil
}

// header is what loader.Pager asks for.
func (s *space) header(fields, n int) ffcv.Header {
	return ffcv.Header{
		Version: ffcv.Version, NumFields: uint16(fields), NumSamples: uint64(n),
		PageSize: max(s.page, ffcv.MinPageSize), AllocTable: s.end,
	}
}

// partAt returns the index of the part with an offset.
func partAt(parts []part, off uint64) int {
	k, found := slices.BinarySearchFunc(parts, off, func(p part, off uint64) int {
		switch {
		case p.base < off:
			return -1
		case p.base > off:
			return 1
		}
		return 0
	})
	if !found {
		k--
	}
	return k
}

// willNeed hands ranges on to the parts, each its own at once. None take back
// what was told before.
func willNeed(parts []part, ranges []ffcv.Range) {
	if len(ranges) == 0 {
		for i := range parts {
			parts[i].WillNeed(nil)
		}
		return
	}
	var order []int // of the parts, as they first come
	lists := make(map[int][]ffcv.Range)
	for _, r := range ranges {
		if r.Off < 0 {
			continue
		}
		k := partAt(parts, uint64(r.Off))
		if lists[k] == nil {
			order = append(order, k)
		}
		lists[k] = append(lists[k], ffcv.Range{Off: r.Off - int64(parts[k].base), Len: r.Len})
	}
	for _, k := range order {
		parts[k].WillNeed(lists[k])
	}
}

// willScan tells a part that most of it will be read, where it hears of that.
func (p *part) willScan() {
	if h, ok := p.Dataset.(loader.ScanHinter); ok {
		h.WillScan()
	}
}

// willNeedRows tells a part of its samples, where it hears of them.
func (p *part) willNeedRows(samples []int, sizes bool) {
	if h, ok := p.Dataset.(interface {
		WillNeedRows(samples []int, sizes bool)
	}); ok {
		h.WillNeedRows(samples, sizes)
	}
}

// willNeedMarks tells a part of the marks of its samples, where it hears of them.
func (p *part) willNeedMarks(samples []int, field int, found bool) {
	if h, ok := p.Dataset.(loader.MarksHinter); ok {
		h.WillNeedMarks(samples, field, found)
	}
}

// borrow is loader.Lender's, of parts that all lend.
func borrow(parts []part, off, n int64) ([]byte, bool) {
	if off < 0 || len(parts) == 0 {
		return nil, false
	}
	p := &parts[partAt(parts, uint64(off))]
	l, ok := p.Dataset.(loader.Lender)
	if !ok {
		return nil, false
	}
	return l.Borrow(off-int64(p.base), n)
}

// entries yields the allocations of a part as those of the composite: sample
// gives its number there.
func (p *part) entries(each func(sample uint64, yield func(uint64) bool) bool) iter.Seq2[alloc.Entry, error] {
	return func(yield func(alloc.Entry, error) bool) {
		pager, ok := p.Dataset.(loader.Pager)
		if !ok {
			yield(alloc.Entry{}, fmt.Errorf("%s (%T) does not tell its pages", p.Name(), p.Dataset))
			return
		}
		for e, err := range pager.Entries() {
			if err == nil && (e.Sample >= uint64(p.n) || e.Ptr >= p.size) {
				err = fmt.Errorf("%s: allocation of sample %d at %d: want samples below %d, pointers below %d", p.Name(), e.Sample, e.Ptr, p.n, p.size)
			}
			if err != nil {
				yield(alloc.Entry{}, err)
				return
			}
			e.Ptr += p.base
			if !each(e.Sample, func(sample uint64) bool {
				e.Sample = sample
				return yield(e, nil)
			}) {
				return
			}
		}
	}
}

// marks are a part's, nil where it keeps none.
func (p *part) marks(sample, field int, buf []byte) ([]byte, error) {
	if m, ok := p.Dataset.(loader.Marker); ok {
		return m.Marks(sample, field, buf)
	}
	return nil, nil
}

// verifiable is an error unless all parts have checksums.
func verifiable(parts []part) error {
	for i := range parts {
		v, ok := parts[i].Dataset.(loader.Verifier)
		if !ok {
			return fmt.Errorf("%s is a %T, which has no checksums", parts[i].Name(), parts[i].Dataset)
		}
		if err := v.Verifiable(); err != nil {
			return err
		}
	}
	return nil
}

// verifyValue compares a part's value with its checksum.
func (p *part) verifyValue(sample, field int, buf []byte) ([]byte, error) {
	v, ok := p.Dataset.(loader.Verifier)
	if !ok {
		return buf, verifiable([]part{*p})
	}
	return v.VerifyValue(sample, field, buf)
}

// key is a part's sample's.
func (p *part) key(sample int) (string, error) {
	if k, ok := p.Dataset.(loader.Keyer); ok {
		return k.Key(sample)
	}
	return "", nil
}

// locate tells where a part's sample comes from.
func (p *part) locate(sample, field int) (string, int) {
	if l, ok := p.Dataset.(loader.Locator); ok {
		return l.Locate(sample, field)
	}
	return p.Name(), sample
}

// locatePointer tells where a pointer of the composite's points in a part's file.
func (p *part) locatePointer(sample, field int, ptr uint64) int64 {
	ptr -= p.base // may wrap around, as it was added
	if l, ok := p.Dataset.(loader.PointerLocator); ok {
		return l.LocatePointer(sample, field, ptr)
	}
	if _, ok := p.Dataset.(loader.Locator); ok || ptr > math.MaxInt64 {
		return -1
	}
	return int64(ptr)
}

// classer is the ability of a dataset to name its classes; *ffcv.File is one.
type classer interface{ Classes() []string }

func classesOf(ds Dataset) []string {
	if c, ok := ds.(classer); ok {
		return c.Classes()
	}
	return nil
}

// tables are a part's, for loader.Tabler.
func (p *part) tables() ([]loader.Tables, bool) {
	if t, ok := p.Dataset.(loader.Tabler); ok {
		return t.Tables()
	}
	if !p.lends {
		return nil, false
	}
	t := loader.Tables{Fields: make([]int, len(p.fields))}
	offsets := make([]int, len(p.fields))
	for i := range p.fields {
		t.Fields[i], offsets[i] = i, p.fields[i].Offset
	}
	if p.n > 0 {
		rows, err := p.Rows(0, p.n, nil)
		if err != nil || len(rows) != p.n*p.row {
			return nil, false // the loader finds what is wrong when it asks for them
		}
		t.List = []loader.Table{{Rows: rows, Size: p.row, Offsets: offsets, Of: p.Dataset}}
	}
	return []loader.Tables{t}, true
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum makes an identity out of those of the parts and of how they are put
// together.
func sum(what string, n int, parts []part) (ffcv.Identity, error) {
	id := ffcv.Identity{Samples: n}
	add := func(format string, args ...any) {
		id.Sum = crc32.Update(id.Sum, castagnoli, fmt.Appendf(nil, format, args...))
	}
	add("%s\n", what)
	for i := range parts {
		of, ok := parts[i].Dataset.(loader.Identifier)
		if !ok {
			return id, fmt.Errorf("%s is a %T, which has no Identity", parts[i].Name(), parts[i].Dataset)
		}
		m, err := of.Identity()
		if err != nil {
			return id, err
		}
		id.Size += m.Size
		add("%d %d %08x\n", m.Size, m.Samples, m.Sum)
	}
	return id, nil
}

// inside refuses samples that a composite doesn't have.
func inside(name string, lo, n, of int) error {
	if lo < 0 || n < 0 || lo > of || n > of-lo {
		return fmt.Errorf("%s: samples %d to %d of %d", name, lo, lo+n, of)
	}
	return nil
}

// grown is buf with room for n bytes.
func grown(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}

// describe says what a field is, for errors.
func describe(f *ffcv.Field) string {
	if f.Type == fields.TypeCustom {
		return fmt.Sprintf("%q, custom (%T)", f.Name, f.Field)
	}
	return fmt.Sprintf("%q, %T%+v", f.Name, f.Field, f.Field)
}

// errNone is of composites of nothing.
var errNone = errors.New("dataset: no members")
