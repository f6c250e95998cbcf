package loader

import (
	"fmt"
	"math/bits"
	"slices"
)

// Tabler is the ability of a Dataset that is made of others (package dataset)
// and whose rows lie in memory, though not one after another: fixed-size values
// are then gathered from where they lie, as from one file.
type Tabler interface {
	// Tables tells where the fields' members lie; false when not all of them
	// are in memory. It is called by New.
	Tables() ([]Tables, bool)
}

// Tables is where the members of some fields of a Tabler lie, together in rows.
// Every field is in one Tables.
type Tables struct {
	Fields []int // indices in Dataset.Fields
	List   []Table
	// Places puts in dst, for each of samples, the number of its row, counted
	// from the first row of the first table through all of them. dst is as long
	// as samples and may be the same slice. It is called by many goroutines at
	// once. nil: sample i has row i.
	Places func(dst, samples []int)
}

// Table is rows of a dataset in memory, one after another, as they are stored.
type Table struct {
	Rows    []byte  // whole rows, read only, valid until the dataset is closed
	Size    int     // bytes a row
	Offsets []int   // in a row, of the members of Tables.Fields
	Of      Dataset // whose rows they are, and whose pointers they hold; its Bytes lend
	First   int     // its sample that the first row is of
}

// Locator is the ability of a Dataset that is made of others to tell where a
// sample's field comes from: the name of the file and the sample's number
// there.
type Locator interface {
	Locate(sample, field int) (file string, number int)
}

// PointerLocator is the ability of a Locator to tell where in its file a pointer
// points, as a row of the sample has it for that field; -1: it doesn't know.
type PointerLocator interface {
	LocatePointer(sample, field int, ptr uint64) int64
}

// column is a Tables as the workers use it.
type column struct {
	tables []table
	places func(dst, samples []int)
	rows   int // of all tables
	width  int // a row's number has so many bits
}

// table is a Table as the workers use it.
type table struct {
	rows    []byte
	size    int
	offsets []int // of all fields' members; those of other columns don't count
	ds      Dataset
	sample  int // ds's sample of its first row
	from    int // number of its first row in the column
	to      int // number after that of its last row
}

// oneTable is the column of a dataset whose rows lie one after another.
func (p *plan) oneTable() column {
	t := table{rows: p.table, size: p.rowSize, ds: p.ds, to: p.total}
	for i := range p.fields {
		t.offsets = append(t.offsets, p.fields[i].Offset)
	}
	return column{tables: []table{t}, rows: p.total, width: bits.Len(uint(p.total))}
}

// setColumns takes over and checks what a Tabler tells.
func (p *plan) setColumns(list []Tables) error {
	for i := range p.columnOf {
		p.columnOf[i] = -1
	}
	for i := range list {
		c := &list[i]
		for _, k := range c.Fields {
			if k < 0 || k >= len(p.fields) || p.columnOf[k] >= 0 {
				return fmt.Errorf("%s: Tables %d has field %d of %d, each of which is to be in one", p.name, i, k, len(p.fields))
			}
			p.columnOf[k] = i
		}
		made, err := p.newColumn(c)
		if err != nil {
			return fmt.Errorf("%s: Tables %d: %w", p.name, i, err)
		}
		p.columns = append(p.columns, made)
	}
	if k := slices.Index(p.columnOf, -1); k >= 0 {
		return fmt.Errorf("%s: field %q is in no Tables", p.name, p.fields[k].Name)
	}
	return nil
}

func (p *plan) newColumn(c *Tables) (column, error) {
	made := column{places: c.Places}
	for i := range c.List {
		t := &c.List[i]
		if t.Size <= 0 || len(t.Rows)%t.Size != 0 || len(t.Offsets) != len(c.Fields) || t.Of == nil {
			return made, fmt.Errorf("table %d: %d bytes in rows of %d, %d offsets for %d fields", i, len(t.Rows), t.Size, len(t.Offsets), len(c.Fields))
		}
		n := len(t.Rows) / t.Size
		if n == 0 {
			continue
		}
		offsets := make([]int, len(p.fields))
		for k, at := range t.Offsets {
			f := c.Fields[k]
			if at < 0 || at > t.Size-p.fields[f].Size {
				return made, fmt.Errorf("table %d: field %q at byte %d of rows of %d", i, p.fields[f].Name, at, t.Size)
			}
			offsets[f] = at
		}
		made.tables = append(made.tables, table{rows: t.Rows, size: t.Size, offsets: offsets, ds: t.Of, sample: t.First, from: made.rows, to: made.rows + n})
		made.rows += n
	}
	if made.places == nil && made.rows != p.total {
		return made, fmt.Errorf("%d rows, want %d", made.rows, p.total)
	}
	made.width = bits.Len(uint(made.rows))
	return made, nil
}

// find returns the table of a row.
func (c *column) find(row int) *table {
	lo, hi := 0, len(c.tables)-1
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		if row < c.tables[mid].to {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return &c.tables[lo]
}

// segment is a part of a run whose rows lie in one table: visits, or positions
// counted from the run's first, [lo, hi).
type segment struct {
	t      *table
	lo, hi int
	row    int // in the table, of the first one, where they follow each other
}

// order decides in which order a column's rows of a run are visited: the
// files', so that the system and the processor find neighbours together, and
// in which tables they lie. w.visit is left empty when they follow each other
// already.
func (w *worker) order(f *flight, column, lo, hi int) {
	if run := (orderedRun{f, column, lo, hi}); w.ordered != run {
		w.ordered = run
		w.orderRun(f, column, lo, hi)
	}
	if w.piece.hi > 0 { // of the one table that there is then
		w.segments[0].lo, w.segments[0].hi = w.piece.lo, w.piece.hi
	}
}

func (w *worker) orderRun(f *flight, column, lo, hi int) {
	w.visit, w.segments = w.visit[:0], w.segments[:0]
	if hi <= lo {
		return
	}
	p, rows := w.plan, f.batch.ids[lo:hi]
	if !p.lends {
		size := p.rowSize
		w.own = table{rows: f.rows[lo*size : hi*size], size: size, offsets: p.columns[0].tables[0].offsets, ds: p.ds, to: hi - lo}
		w.segments = append(w.segments, segment{t: &w.own, hi: hi - lo})
		return
	}
	c := &p.columns[column]
	if c.places != nil {
		w.rowNumbers = slices.Grow(w.rowNumbers[:0], hi-lo)[:hi-lo]
		c.places(w.rowNumbers, rows)
		rows = w.rowNumbers
	}
	if inStep(rows) {
		w.cutStep(c, rows[0], hi-lo)
		return
	}
	shift := p.posBits
	for i, row := range rows {
		w.visit = append(w.visit, uint64(row)<<shift|uint64(lo+i))
	}
	if c.width+shift <= 64 {
		w.visit, w.spare = sortBits(w.visit, w.spare, shift, c.width)
	}
	w.cutVisit(c)
}

// orderedRun is what worker.order was called with.
type orderedRun struct {
	f              *flight
	column, lo, hi int
}

// inStep tells whether numbers count up by one.
func inStep(v []int) bool {
	for i, x := range v {
		if x != v[0]+i {
			return false
		}
	}
	return true
}

// cutStep divides n rows that follow each other among the tables.
func (w *worker) cutStep(c *column, row, n int) {
	for at := 0; at < n; {
		t := c.find(row + at)
		end := min(n, t.to-row)
		w.segments = append(w.segments, segment{t: t, lo: at, hi: end, row: row + at - t.from})
		at = end
	}
}

// cutVisit divides the visits among the tables.
func (w *worker) cutVisit(c *column) {
	if len(c.tables) == 1 {
		w.segments = append(w.segments, segment{t: &c.tables[0], hi: len(w.visit)})
		return
	}
	shift := w.plan.posBits
	for at := 0; at < len(w.visit); {
		t := c.find(int(w.visit[at] >> shift))
		from, to := uint64(t.from)<<shift, uint64(t.to)<<shift
		end := at + 1
		for end < len(w.visit) && w.visit[end] >= from && w.visit[end] < to {
			end++
		}
		w.segments = append(w.segments, segment{t: t, lo: at, hi: end})
		at = end
	}
}

// pointer returns the dataset, its sample and the pointer of an output's value
// at a position.
func (w *worker) pointer(f *flight, o *output, pos int) (ds Dataset, sample int, ptr uint64) {
	p, id := w.plan, f.batch.ids[pos]
	if !p.lends {
		return p.ds, id, le64(f.rows[pos*p.rowSize+o.ptr:])
	}
	c, row := &p.columns[o.column], id
	if c.places != nil {
		at := [1]int{id}
		c.places(at[:], at[:])
		row = at[0]
	}
	t := c.find(row)
	row -= t.from
	return t.ds, t.sample + row, le64(t.rows[row*t.size+o.ptrIn(t):])
}

// ptrIn is where a row of the table has the output's pointer.
func (o *output) ptrIn(t *table) int { return t.offsets[o.field] + o.ptr - o.src.Offset }
