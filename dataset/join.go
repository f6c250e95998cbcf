package dataset

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// Join is fields of several datasets beside each other: sample i has the fields
// of sample i of each.
type Join struct {
	name    string
	parts   []part
	columns []columns // of each part
	of      []source  // of each field
	fields  []ffcv.Field
	n, row  int
	space   space
	lends   bool
	paged   int // the part whose pages count
	scratch pool
}

// columns are what a Join takes of a part.
type columns struct {
	fields   []int // of the part
	first    int   // the join's number of the first of them
	spans    []span
	pointers []int // in the join's row
}

// source is where a field of a Join comes from.
type source struct{ part, field int }

// Field picks a field of a dataset.
type Field struct {
	Name string
	As   string // its new name; "" keeps it
}

// NewJoin returns all fields of the datasets beside each other, in order. The
// datasets must have equally many samples; two fields of one name are an error:
// NewSelect picks and renames. Orders by pages follow the pages of the first
// dataset that has data in any.
func NewJoin(datasets ...Dataset) (*Join, error) {
	picks := make([][]Field, len(datasets))
	return newJoin(datasets, picks)
}

// NewSelect returns some fields of a dataset, in the order given, perhaps under
// other names. A field may come several times under different names.
func NewSelect(ds Dataset, fields ...Field) (*Join, error) {
	if len(fields) == 0 {
		return nil, fmt.Errorf("dataset: no fields of %s are selected", ds.Name())
	}
	return newJoin([]Dataset{ds}, [][]Field{fields})
}

// newJoin joins what is picked of the datasets; nil picks are all fields.
func newJoin(datasets []Dataset, picks [][]Field) (*Join, error) {
	if len(datasets) == 0 {
		return nil, errNone
	}
	j := &Join{lends: true, parts: make([]part, len(datasets)), columns: make([]columns, len(datasets)), n: datasets[0].Len(), paged: -1}
	for i, ds := range datasets {
		p, err := newPart(ds)
		if err != nil {
			return nil, err
		}
		if p.n != j.n {
			return nil, fmt.Errorf("join by index: %s has %d samples, %s has %d", datasets[0].Name(), j.n, ds.Name(), p.n)
		}
		j.parts[i], j.lends = p, j.lends && p.lends
		if picks[i] == nil {
			for k := range p.fields {
				err = j.add(i, k, p.fields[k].Name, err)
			}
		}
		for _, f := range picks[i] {
			k := slices.IndexFunc(p.fields, func(d ffcv.Field) bool { return d.Name == f.Name })
			if k < 0 {
				return nil, fmt.Errorf("%s has no field %q, it has %s", ds.Name(), f.Name, names(p.fields))
			}
			if f.As == "" {
				f.As = f.Name
			}
			err = j.add(i, k, f.As, err)
		}
		if err != nil {
			return nil, err
		}
		if j.paged < 0 && len(j.columns[i].pointers) > 0 {
			j.paged = i
		}
	}
	j.paged = max(j.paged, 0)
	list := make([]string, len(datasets))
	for i, ds := range datasets {
		list[i] = ds.Name()
	}
	j.name = strings.Join(list, " beside ")
	var err error
	j.space, err = place(j.parts)
	return j, err
}

// names lists fields.
func names(list []ffcv.Field) string {
	quoted := make([]string, len(list))
	for i := range list {
		quoted[i] = fmt.Sprintf("%q", list[i].Name)
	}
	return strings.Join(quoted, ", ")
}

// add takes field k of part i under a name, unless there was an error before.
func (j *Join) add(i, k int, name string, err error) error {
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(j.fields, func(d ffcv.Field) bool { return d.Name == name }); at >= 0 {
		return fmt.Errorf("two fields %q, of %s and of %s: select the fields that are wanted, or rename one", name, j.parts[j.of[at].part].Name(), j.parts[i].Name())
	}
	c := &j.columns[i]
	if len(c.fields) == 0 {
		c.first = len(j.fields)
	}
	f := j.parts[i].fields[k]
	from := f.Offset
	f.Name, f.Offset = name, j.row
	c.fields = append(c.fields, k)
	if n := len(c.spans); n > 0 && c.spans[n-1].from+c.spans[n-1].size == from && c.spans[n-1].to+c.spans[n-1].size == j.row {
		c.spans[n-1].size += f.Size
	} else {
		c.spans = append(c.spans, span{from, j.row, f.Size})
	}
	for _, at := range f.Field.Layout().Pointers {
		c.pointers = append(c.pointers, j.row+at)
	}
	j.fields = append(j.fields, f)
	j.of = append(j.of, source{i, k})
	j.row += f.Size
	return nil
}

// Name returns the datasets' names.
func (j *Join) Name() string { return j.name }

// Len returns the number of samples, which is that of each dataset.
func (j *Join) Len() int { return j.n }

// Fields returns the fields. The slice is the caller's.
func (j *Join) Fields() []ffcv.Field { return slices.Clone(j.fields) }

// Bounds returns those of the first dataset that is made of several one after
// another, for a Mixture; nil when none is, or that is a Subset of such a one in
// an order of its own.
func (j *Join) Bounds() []int {
	if m := makeupOf(j); m != nil {
		return slices.Clone(m.bounds)
	}
	return nil
}

// Classes returns the class names of the first dataset that has any.
func (j *Join) Classes() []string {
	for i := range j.parts {
		if c := classesOf(j.parts[i].Dataset); c != nil {
			return c
		}
	}
	return nil
}

// Rows reads rows into buf, see loader.Dataset.
func (j *Join) Rows(lo, n int, buf []byte) ([]byte, error) {
	if err := inside(j.name, lo, n, j.n); err != nil {
		return nil, err
	}
	buf = grown(buf, n*j.row)
	for i := range j.parts {
		p, c := &j.parts[i], &j.columns[i]
		if len(c.fields) == 0 {
			continue
		}
		if err := j.scratch.rows(p, lo, n, buf, j.row, c.spans); err != nil {
			return nil, err
		}
		for row := buf; len(row) > 0 && j.row > 0; row = row[j.row:] {
			for _, at := range c.pointers {
				// What lies beyond its file must not lie in another's.
				ptr := min(binary.LittleEndian.Uint64(row[at:]), p.size-1)
				binary.LittleEndian.PutUint64(row[at:], ptr+p.base)
			}
		}
	}
	return buf, nil
}

// Bytes returns bytes of the dataset that ptr belongs to, see loader.Dataset.
func (j *Join) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	p := &j.parts[partAt(j.parts, ptr)]
	return p.Bytes(sample, ptr-p.base, size, buf)
}

// Lend asks the dataset that ptr belongs to, see loader.Loaner.
func (j *Join) Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	p := &j.parts[partAt(j.parts, ptr)]
	return lend(p.Dataset, sample, ptr-p.base, size)
}

// RegionSize asks the field's dataset, see loader.Dataset.
func (j *Join) RegionSize(sample, field int, ptr uint64) (int64, error) {
	if field < 0 || field >= len(j.fields) {
		return 0, fmt.Errorf("%s: field %d of %d", j.name, field, len(j.fields))
	}
	p := &j.parts[j.of[field].part]
	return p.RegionSize(sample, j.of[field].field, ptr-p.base)
}

// Verifiable is an error unless all datasets have checksums.
func (j *Join) Verifiable() error { return verifiable(j.parts) }

// VerifyValue asks the field's dataset, see loader.Verifier.
func (j *Join) VerifyValue(sample, field int, buf []byte) ([]byte, error) {
	if field < 0 || field >= len(j.fields) {
		return buf, fmt.Errorf("%s: field %d of %d", j.name, field, len(j.fields))
	}
	return j.parts[j.of[field].part].verifyValue(sample, j.of[field].field, buf)
}

// WillNeed hands the hint to the datasets.
func (j *Join) WillNeed(ranges []ffcv.Range) { willNeed(j.parts, ranges) }

// WillScan hands the hint to the datasets of which all fields are taken: of the
// others most is not read.
func (j *Join) WillScan() {
	for i := range j.parts {
		if len(j.columns[i].fields) == len(j.parts[i].Fields()) {
			j.parts[i].willScan()
		}
	}
}

// WillNeedRows hands the hint to the datasets of which fields are taken.
func (j *Join) WillNeedRows(samples []int, sizes bool) {
	for i := range j.parts {
		if len(j.columns[i].fields) > 0 {
			j.parts[i].willNeedRows(samples, sizes)
		}
	}
}

// WillNeedMarks hands the hint to the field's dataset.
func (j *Join) WillNeedMarks(samples []int, field int, found bool) {
	if field >= 0 && field < len(j.fields) {
		j.parts[j.of[field].part].willNeedMarks(samples, j.of[field].field, found)
	}
}

// Borrow lends bytes of the datasets' files put one after another, if all lend.
func (j *Join) Borrow(off, n int64) ([]byte, bool) {
	if !j.lends {
		return nil, false
	}
	return borrow(j.parts, off, n)
}

// Header tells the largest page size, and where the offsets of the last dataset
// end: for orders by pages.
func (j *Join) Header() ffcv.Header { return j.space.header(len(j.fields), j.n) }

// Entries yields the allocations of the first dataset that has data in pages:
// it decides in which page a sample is.
func (j *Join) Entries() iter.Seq2[alloc.Entry, error] {
	return j.parts[j.paged].entries(func(sample uint64, yield func(uint64) bool) bool { return yield(sample) })
}

// Marks returns the marks of a sample's value where its dataset keeps some.
func (j *Join) Marks(sample, field int, buf []byte) ([]byte, error) {
	if field < 0 || field >= len(j.fields) {
		return nil, fmt.Errorf("%s: field %d of %d", j.name, field, len(j.fields))
	}
	return j.parts[j.of[field].part].marks(sample, j.of[field].field, buf)
}

// Key returns a sample's key in the first dataset that has one for it.
func (j *Join) Key(sample int) (string, error) {
	for i := range j.parts {
		if key, err := j.parts[i].key(sample); key != "" || err != nil {
			return key, err
		}
	}
	return "", nil
}

// Locate returns the file of a sample's field, and the sample's number there.
func (j *Join) Locate(sample, field int) (file string, number int) {
	if field < 0 || field >= len(j.fields) {
		return j.name, sample
	}
	return j.parts[j.of[field].part].locate(sample, j.of[field].field)
}

// LocatePointer returns where a sample's pointer points in the field's file.
func (j *Join) LocatePointer(sample, field int, ptr uint64) int64 {
	if field < 0 || field >= len(j.fields) {
		return -1
	}
	p := &j.parts[j.of[field].part]
	if ptr-p.base >= p.size-1 { // beyond the file, see Rows
		return -1
	}
	return p.locatePointer(sample, j.of[field].field, ptr)
}

// Identity is made of the datasets' identities and the fields taken of them.
func (j *Join) Identity() (ffcv.Identity, error) {
	what := "join"
	for i, s := range j.of {
		what += fmt.Sprintf(" %d.%d as %q", s.part, s.field, j.fields[i].Name)
	}
	return sum(what, j.n, j.parts)
}

// CacheStats tells what the datasets' caches did, false when none has any.
func (j *Join) CacheStats() (ffcv.CacheStats, bool) { return cacheStats(j.parts) }

// Distant says whether a dataset is read from farther away than a disk.
func (j *Join) Distant() bool { return distant(j.parts) }

// CacheBudget is how many bytes the least of the datasets' caches may take, 0 when
// none has any.
func (j *Join) CacheBudget() int64 { return cacheBudget(j.parts) }

// Tables returns where the datasets' rows lie, see loader.Tabler.
func (j *Join) Tables() ([]loader.Tables, bool) {
	if !j.lends {
		return nil, false
	}
	var list []loader.Tables
	for i := range j.parts {
		sets, ok := j.parts[i].tables()
		if !ok {
			return nil, false
		}
		for s := range sets {
			if t := j.columns[i].tables(&sets[s]); len(t.Fields) > 0 {
				list = append(list, t)
			}
		}
	}
	return list, true
}

// tables are a part's, of the fields that are taken of it.
func (c *columns) tables(set *loader.Tables) loader.Tables {
	t := loader.Tables{Places: set.Places}
	var at []int // in set.Fields
	for i, k := range c.fields {
		if s := slices.Index(set.Fields, k); s >= 0 {
			t.Fields, at = append(t.Fields, c.first+i), append(at, s)
		}
	}
	for _, table := range set.List {
		offsets := make([]int, len(at))
		for i, s := range at {
			offsets[i] = table.Offsets[s]
		}
		table.Offsets = offsets
		t.List = append(t.List, table)
	}
	return t
}

// pool reads rows that are not laid out as those of the composite.
type pool struct {
	pointers []int // of a Concat's row
	bufs     sync.Pool
}

// rows reads n rows of a part and copies spans of them to rows of size bytes.
func (s *pool) rows(p *part, lo, n int, dst []byte, size int, spans []span) error {
	const chunk = 256
	held, _ := s.bufs.Get().(*[]byte)
	if held == nil {
		held = new([]byte)
	}
	defer s.bufs.Put(held)
	for at := 0; at < n; at += chunk {
		m := min(chunk, n-at)
		*held = grown(*held, m*p.row)
		rows, err := p.Rows(lo+at, m, *held)
		if err != nil {
			return err
		}
		if len(rows) != m*p.row {
			return fmt.Errorf("%s: %d bytes of metadata, want %d rows of %d", p.Name(), len(rows), m, p.row)
		}
		for i := range m {
			from, to := rows[i*p.row:], dst[(at+i)*size:]
			for _, v := range spans {
				copy(to[v.to:v.to+v.size], from[v.from:v.from+v.size])
			}
		}
	}
	return nil
}
