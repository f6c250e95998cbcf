package ffcv

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
)

// adoption is the copying of one base file into a new one.
type adoption struct {
	p      *pipeline
	f      *File
	added  func(sample int) ([]any, error)
	change map[int]func(sample int) (any, error)
	pages  func(from, to, n int64) error // nil: they are copied
	row    int64                         // of its first sample in the new file

	used  pageRange
	shift int64 // by which its pages move
	// outside is the pointer of empty values whose old one lies in no page that
	// is copied: that of no region, in the page before the first.
	outside uint64
	sum     uint64 // over the pointers of all rows

	from    []fieldRef // that each added field took its last stored value from
	regions []fields.Region
	rows    []byte // of the new file
	old     []byte // for rows that cannot be borrowed
	keys    []byte
	ends    []int
	marks   []byte
	markEnd []int

	sumBytes []byte

	mark bool                 // make the marks that the file lacks
	made map[int]*stringSpool // by field: those that were made
	text []byte               // for a name or marks that cannot be borrowed
}

// adopt puts the samples of the base files before all others.
func (p *pipeline) adopt(ctx context.Context, bases []Base) (err error) {
	defer recovered(&err) // of callbacks
	at := int64(p.pages.End())
	for _, b := range bases {
		a := &adoption{p: p, f: b.File, added: b.Added, change: b.Changed, mark: b.Mark, pages: b.Pages, row: p.rows}
		if at, err = a.run(ctx, at); err != nil {
			return err
		}
	}
	if p.basePages > 0 {
		p.pages = alloc.NewPages(uint64(at), uint64(p.pageSize), p.large)
	}
	return nil
}

// run copies the file, its pages to offset at, and returns where they end.
func (a *adoption) run(ctx context.Context, at int64) (end int64, err error) {
	p := a.p
	p.report(true)
	a.used, err = a.f.usedPages(func(int64) error { return ctx.Err() })
	if err != nil {
		return 0, err
	}
	a.shift, a.outside = at-a.used.lo, uint64(p.rowsEnd-int64(p.pageSize))
	n := a.used.hi - a.used.lo
	if end = at + alignUp(n, int64(p.pageSize)); end < at {
		return 0, fmt.Errorf("%s: %d bytes more: no file is that large", a.f.Name(), n)
	}
	if err := a.copyPages(ctx); err != nil {
		return 0, err
	}
	p.data += a.used.bytes
	p.basePages += (end - at) / int64(p.pageSize)
	if err := a.makeMarks(ctx); err != nil {
		return 0, err
	}
	if err := a.copyRows(ctx); err != nil {
		return 0, err
	}
	if a.sum != a.used.sum {
		return 0, a.f.flaw(int64(a.f.header.AllocTable), "the allocation table has other pointers than the metadata")
	}
	if a.used.large > 0 {
		p.warnLarge(a.row+int64(a.used.largest.Sample), int(a.used.largest.Size))
		p.big += a.used.large - 1
	}
	return end, a.copyTable(ctx)
}

// copyStep is how much of the pages is copied between two looks at the context.
const copyStep = 32 << 20

// copyPages copies the pages, by the system if it can.
func (a *adoption) copyPages(ctx context.Context) error {
	if n := a.used.hi - a.used.lo; a.pages != nil {
		if n == 0 {
			return nil
		}
		return a.pages(a.used.lo, a.used.lo+a.shift, n)
	}
	var from *os.File
	if s, ok := a.f.src.(interface{ open() (*os.File, bool) }); ok {
		if from, ok = s.open(); ok {
			defer from.Close()
		}
	}
	var buf []byte
	for off := a.used.lo; off < a.used.hi; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(copyStep, a.used.hi-off)
		if from != nil {
			done, err := copyRange(a.p.part.file, off+a.shift, from, off, n)
			if err != nil {
				return err
			}
			if off += done; done < n {
				from = nil // the rest as any file is copied
			}
		} else {
			n = min(n, 4<<20)
			err := a.f.guard(func() error {
				b, err := a.f.read(off, n, buf)
				if err != nil {
					return err
				}
				if _, ok := a.f.src.Borrow(off, 0); !ok {
					buf = b
				}
				_, err = a.p.part.WriteAt(b, off+a.shift)
				return err
			})
			if err != nil {
				return err
			}
			off += n
		}
		a.reportPages(off - a.used.lo)
	}
	return nil
}

// reportPages tells how far the pages are copied, in samples.
func (a *adoption) reportPages(done int64) {
	share := float64(done) / float64(a.used.hi-a.used.lo)
	a.p.reportAs(false, a.row+int64(share*float64(a.f.Len())), a.p.data+int64(share*float64(a.used.bytes)))
}

// adoptedRows bounds how many rows are copied at a time.
const adoptedRows = 4096

// copyRows copies the rows, names and marks.
func (a *adoption) copyRows(ctx context.Context) error {
	size := max(1, a.f.row, a.p.plan.row.size)
	step := max(1, min(adoptedRows, (1<<20)/size))
	for lo := 0; lo < a.f.Len(); lo += step {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(step, a.f.Len()-lo)
		if err := a.f.guard(func() error { return a.block(lo, n) }); err != nil {
			return err
		}
		if err := a.f.guard(func() error { return a.sums(ctx, lo, n) }); err != nil {
			return err
		}
		if a.used.hi == 0 {
			a.p.report(false)
		}
	}
	return nil
}

// block copies n rows from lo on.
func (a *adoption) block(lo, n int) error {
	p := a.p
	old, err := a.f.Rows(lo, n, a.old)
	if err != nil {
		return err
	}
	if cap(a.old) == 0 {
		if _, ok := a.f.src.Borrow(0, 0); !ok {
			a.old = old
		}
	}
	size := p.plan.row.size
	a.rows = slices.Grow(a.rows[:0], n*size)[:n*size]
	clear(a.rows)
	for i := range n {
		if err := a.convert(lo+i, a.rows[i*size:][:size:size], old[i*a.f.row:][:a.f.row]); err != nil {
			return err
		}
	}
	if err := a.texts(lo, n); err != nil {
		return err
	}
	first := a.row + int64(lo)
	p.rows = first + int64(n)
	if end := p.rowAt(p.rows); end > p.rowsEnd && p.more == nil {
		if p.more, err = p.part.spool("rows"); err != nil {
			return err
		}
	}
	return p.writeRows(a.rows, first)
}

// convert makes the new row of sample i.
func (a *adoption) convert(i int, row, old []byte) (err error) {
	plan := &a.p.plan
	for k := range a.f.fields {
		d, m := &a.f.fields[k], &plan.members[k]
		meta := row[plan.row.offsets[k]:][:m.Size:m.Size]
		if change := a.change[k]; change != nil {
			v, err := change(i)
			if err == nil {
				err = a.add(i, k, v, meta)
			}
			if err != nil {
				return &SampleError{Sample: i, Field: plan.specs[k].Name, Err: err}
			}
			continue
		}
		copy(meta, old[d.Offset:][:d.Size])
		if len(m.Pointers) == 0 {
			continue
		}
		if a.regions, err = a.f.regionsInPages(a.regions[:0], i, k, meta); err != nil {
			return err
		}
		for j, r := range a.regions {
			ptr := meta[m.Pointers[j]:][:8]
			if at := binary.LittleEndian.Uint64(ptr); at != r.Ptr {
				return a.f.valueError(i, k, fmt.Errorf("the field tells of a region at pointer %d, its layout of one at %d", r.Ptr, at))
			}
			a.sum += pointerSum(uint64(i), r.Ptr)
			binary.LittleEndian.PutUint64(ptr, a.moved(r.Ptr))
		}
	}
	if a.added == nil {
		return nil
	}
	values, err := a.added(i)
	if err == nil && len(values) != len(plan.specs)-len(a.f.fields) {
		err = fmt.Errorf("%d values for %d added fields", len(values), len(plan.specs)-len(a.f.fields))
	}
	if err != nil {
		return &SampleError{Sample: i, Err: err}
	}
	for j, v := range values {
		k := len(a.f.fields) + j
		if err := a.add(i, k, v, row[plan.row.offsets[k]:][:plan.members[k].Size:plan.members[k].Size]); err != nil {
			return &SampleError{Sample: i, Field: plan.specs[k].Name, Err: err}
		}
	}
	return nil
}

// add encodes the value of a field that was added, or changed.
func (a *adoption) add(i, k int, value any, meta []byte) error {
	if s, ok := value.(*Stored); ok {
		if s.File == nil {
			return fmt.Errorf("a stored value of no file")
		}
		if a.from == nil {
			a.from = make([]fieldRef, len(a.p.plan.specs))
		}
		if ref := (fieldRef{s.File, s.Field}); a.from[k] != ref {
			if err := a.p.plan.takes(k, s.File, s.Field); err != nil {
				return err
			}
			a.from[k] = ref
		}
		return s.File.guard(func() error {
			m, err := s.File.member(s.Sample, s.Field, meta)
			copy(meta, m)
			return err
		})
	}
	return a.p.plan.specs[k].Field.Encode(meta, value, fields.At{
		Sample: i, Rand: fieldRand(sampleSeed(a.p.seed, i), k),
		Alloc: func(int) (uint64, []byte, error) {
			return 0, nil, fmt.Errorf("the field took a region, its layout has no pointer")
		},
	})
}

// moved returns where a pointer points in the new file.
func (a *adoption) moved(ptr uint64) uint64 {
	if a.used.hi > 0 && ptr >= uint64(a.used.lo) && ptr < uint64(a.used.hi) {
		return ptr + uint64(a.shift) // modulo 2^64: it may move down
	}
	return a.outside
}

// texts copies the names and marks of n samples from lo on into their spools.
func (a *adoption) texts(lo, n int) error {
	p := a.p
	if p.plain {
		return nil
	}
	a.keys, a.ends = a.keys[:0], a.ends[:0]
	a.marks, a.markEnd = a.marks[:0], a.markEnd[:0]
	names, named, err := a.f.namesSection()
	if err != nil {
		p.lostKeys += int64(n)
	}
	for i := lo; i < lo+n; i++ {
		if named {
			a.key(names, i)
		}
		a.ends = append(a.ends, len(a.keys))
		for j, k := range p.plan.marked {
			if err := a.marksOf(i, j, k); err != nil {
				return err
			}
		}
	}
	first := a.row + int64(lo)
	at, err := p.keys.place(p.part, "keys", len(a.keys))
	if err != nil {
		return err
	}
	if err := p.keys.write(a.keys, at, a.ends, first); err != nil {
		return err
	}
	if at, err = p.marks.place(p.part, "marks", len(a.marks)); err != nil {
		return err
	}
	return p.marks.write(a.marks, at, a.markEnd, first*int64(len(p.plan.marked)))
}

// key appends the name of sample i, nothing if it cannot be read.
func (a *adoption) key(s Section, i int) {
	name, err := a.f.name(s, i, a.text)
	if err != nil {
		a.p.lostKeys++
		return
	}
	if len(name) > 0 {
		a.p.named++
	}
	a.keys = append(a.keys, name...)
}

// marksOf appends the marks that sample i has of field k, the j-th with marks.
func (a *adoption) marksOf(i, j, k int) error {
	before := len(a.marks)
	if s := a.made[k]; s != nil {
		var err error
		if a.marks, err = s.append(a.marks, int64(i)); err != nil {
			return err
		}
	} else if k < len(a.f.fields) {
		marks, err := a.f.Marks(i, k, a.text)
		if err != nil {
			a.p.lostMarks.Add(1)
		}
		a.marks = append(a.marks, marks...)
	}
	a.p.markBytes[j] += int64(len(a.marks) - before)
	a.markEnd = append(a.markEnd, len(a.marks))
	return nil
}

// makeMarks makes the marks of the fields that the file has none of, into a
// spool for each.
func (a *adoption) makeMarks(ctx context.Context) error {
	p := a.p
	if !a.mark || p.plain {
		return nil
	}
	for _, k := range a.f.unmarked() {
		if !slices.Contains(p.plan.marked, k) {
			continue
		}
		if a.made == nil {
			a.made = map[int]*stringSpool{}
		}
		s := &stringSpool{}
		a.made[k] = s
		row, end := int64(0), make([]int, 1)
		err := a.f.makeMarks(ctx, p.workers, k, func(entry []byte) error {
			marks := EntryMarks(entry)
			at, err := s.place(p.part, fmt.Sprintf("made%d-%d", a.row, k), len(marks))
			if err != nil {
				return err
			}
			end[0] = len(marks)
			err = s.write(marks, at, end, row)
			row++
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// copyTable copies the allocation table into its spool, in the order that it
// has.
func (a *adoption) copyTable(ctx context.Context) error {
	if a.f.ptrs == 0 {
		return nil
	}
	at := a.row * int64(a.f.ptrs) * alloc.EntrySize
	buf := make([]byte, 0, alloc.EntrySize<<14)
	flush := func() error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := a.p.table.WriteAt(buf, at)
		at, buf = at+int64(len(buf)), buf[:0]
		return err
	}
	err := a.f.guard(func() error {
		for e, err := range a.f.Entries() {
			if err != nil {
				return err
			}
			e.Sample += uint64(a.row)
			e.Ptr = a.moved(e.Ptr)
			buf = buf[:len(buf)+alloc.EntrySize]
			e.Put(buf[len(buf)-alloc.EntrySize:])
			if len(buf) == cap(buf) {
				if err := flush(); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// copyRange copies n bytes from one file into another by the system alone, and
// returns how many it copied: fewer when it cannot.
func copyRange(to file, toOff int64, from *os.File, fromOff, n int64) (done int64, err error) {
	osFile, ok := to.(*os.File)
	if !ok {
		return 0, nil
	}
	for done < n {
		m, err := copyFileRange(osFile, toOff+done, from, fromOff+done, n-done)
		if err != nil {
			return done, &os.PathError{Op: "copy a range into", Path: osFile.Name(), Err: err}
		}
		if m == 0 {
			break
		}
		done += m
	}
	return done, nil
}
