package ffcv

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/aside"
)

// ErrSealed says that a file has everything already that sealing adds.
var ErrSealed = errors.New("the file is sealed already")

// InPlaceOptions say how SealInPlace works. Nil and the zero value of every
// member are the defaults.
type InPlaceOptions struct {
	// Open is how the file is opened: it describes custom fields.
	Open *OpenOptions
	// NoCheckpoints adds checksums only.
	NoCheckpoints bool
	// Workers is the number of goroutines that make checksums and checkpoints; 0
	// is GOMAXPROCS.
	Workers int
	// Progress is told now and then how many samples are done; Total counts each
	// as often as it is read.
	Progress func(Progress)
}

// SealInPlace adds checksums, and checkpoints of images, to the file at path
// itself: an extension block and a new allocation table behind all that it has,
// then eight bytes in the header that lead to the table. Nothing else of the
// file is written to. Everything is made in temporary files beside it first,
// then appended and synced, and the pointer comes last.
//
// When the machine stops meanwhile, the file is the one before, the sealed one,
// or the one before with something behind it (File.Unfinished): this package
// reads that as it reads the file before, FFCV misreads it, and FinishSeal ends
// it. After an error the file is as it was, unless the error says that
// FinishSeal is needed. Checksums that the file has are kept, so that damage
// which they tell of stays known. A file with nothing to add is ErrSealed.
func SealInPlace(ctx context.Context, path string, opts *InPlaceOptions) (Stats, error) {
	var o InPlaceOptions
	if opts != nil {
		o = *opts
	}
	path, err := aside.Resolve(path)
	if err != nil {
		return Stats{}, err
	}
	lock, err := aside.Hold(path)
	if err != nil {
		return Stats{}, err
	}
	defer lock.Release()
	f, err := Open(path, o.Open)
	if err != nil {
		return Stats{}, err
	}
	defer f.Close()
	to, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return Stats{}, err
	}
	stats, err := sealInPlace(ctx, f, to, o)
	return stats, errors.Join(err, to.Close())
}

// sealInPlace is SealInPlace of an open file, to which it writes through to.
func sealInPlace(ctx context.Context, f *File, to file, o InPlaceOptions) (stats Stats, err error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	s := &sealing{f: f, o: o}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := f.guard(s.check); err != nil {
		return Stats{}, err
	}
	if err := s.prepare(ctx); err != nil {
		return Stats{}, err
	}
	// What is appended is made twice from what was prepared, so that its sum can
	// stand before it.
	crc, err := s.compose(ctx, io.Discard)
	if err != nil {
		return Stats{}, err
	}
	s.intent.crc = crc
	if err := s.append(ctx, to); err != nil {
		return Stats{}, err
	}
	_, pages := f.Pages()
	return Stats{Samples: f.Len(), Pages: pages, Bytes: s.intent.newEnd}, nil
}

// sealing is one run of SealInPlace.
type sealing struct {
	f       *File
	o       InPlaceOptions
	old     *Sums // of the file, nil none
	layout  sumsLayout
	kept    []Section // of the old block, in its order
	intent  sealIntent
	scratch []*scratch
	table   *scratch // the new table, then the sums of the regions
	marks   []*scratch
	done    int64 // samples, for Progress
	total   int64
}

// check refuses what cannot be sealed in place, or needs no sealing.
func (s *sealing) check() (err error) {
	f := s.f
	if f.Unfinished() != nil {
		return fmt.Errorf("%s: %w", f.Name(), ErrUnfinishedSeal)
	}
	if f.row < 0 {
		return f.unknown(-1)
	}
	if e := f.tailError(false); e != nil {
		return e
	}
	if err := f.explained(); err != nil {
		return err
	}
	if s.old, err = f.Sums(); err != nil {
		return err
	}
	if s.old != nil {
		if err := s.old.CheckHead(); err != nil {
			return err
		}
		if s.o.NoCheckpoints || !f.LacksMarks() {
			return fmt.Errorf("%s: %w", f.Name(), ErrSealed)
		}
	}
	list, err := f.sections()
	if err != nil {
		return err // what comes behind the damage would be lost
	}
	for _, x := range list {
		if x.Tag != TagSums && x.Tag != TagSeal {
			s.kept = append(s.kept, x)
		}
	}
	return nil
}

// prepare makes marks, table and sums, in files beside the target.
func (s *sealing) prepare(ctx context.Context) error {
	f := s.f
	s.total = int64(f.Len())
	var lacking []int
	if !s.o.NoCheckpoints {
		lacking = f.unmarked()
		s.total *= int64(1 + len(lacking))
	}
	for _, k := range lacking {
		m, err := s.markField(ctx, k)
		if err != nil {
			return err
		}
		if m.size > marksSize(int64(f.Len()), 0) {
			s.marks = append(s.marks, m)
			// A damaged section of the field would only be in its way.
			s.kept = slices.DeleteFunc(s.kept, func(x Section) bool {
				if x.Tag != TagMarks {
					return false
				}
				h, err := f.marksHead(x)
				return err == nil && int64(h.field) == int64(k)
			})
		}
	}
	if s.old != nil && len(s.marks) == 0 {
		return fmt.Errorf("%s: %w", f.Name(), ErrSealed)
	}
	s.layout = newSumsLayout(int64(f.Len()), f.count, f.ptrs, f.row)
	if s.old != nil {
		s.layout.rowRun = s.old.layout.rowRun
	}
	table := int64(f.header.AllocTable)
	s.intent = sealIntent{table: table, size: f.count * alloc.EntrySize, data: f.data}
	if err := f.guard(func() error {
		head, err := f.read(0, f.meta, nil)
		s.intent.head = crc32.Checksum(head, castagnoli)
		return err
	}); err != nil {
		return err
	}
	at := s.intent.at() + sealBytes
	for _, x := range s.kept {
		at = alignUp(at+sectionHeaderSize+x.Length, sectionAlign)
	}
	for _, m := range s.marks {
		at = alignUp(at+sectionHeaderSize+m.size, sectionAlign)
	}
	s.intent.newTable = alignUp(at+sectionHeaderSize+s.layout.length(), sectionAlign) + trailerSize
	s.intent.newEnd = s.intent.newTable + s.intent.size
	return s.regions(ctx)
}

// scratch is a temporary file beside the target. Where the system allows it has
// no name any more, so that nothing of it is left whatever happens.
type scratch struct {
	*os.File
	size  int64
	named bool
}

func (s *sealing) temporary() (*scratch, error) {
	var f *os.File
	_, err := aside.Beside(s.f.Name(), func(name string) (err error) {
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		return err
	})
	if err != nil {
		return nil, err
	}
	t := &scratch{File: f, named: os.Remove(f.Name()) != nil}
	s.scratch = append(s.scratch, t)
	return t, nil
}

// close removes the temporary files.
func (s *sealing) close() error {
	var errs []error
	for _, t := range s.scratch {
		if errs = append(errs, t.Close()); t.named {
			errs = append(errs, os.Remove(t.Name()))
		}
	}
	s.scratch = nil
	return errors.Join(errs...)
}

// tell calls Progress for n samples more.
func (s *sealing) tell(n int64) {
	if s.done += n; s.o.Progress != nil {
		s.o.Progress(Progress{Done: int(s.done), Total: int(s.total)})
	}
}

// markField makes the payload of a MARK section.
func (s *sealing) markField(ctx context.Context, k int) (*scratch, error) {
	f := s.f
	t, err := s.temporary()
	if err != nil {
		return nil, err
	}
	n := int64(f.Len())
	t.size = marksSize(n, 0)
	index := bufio.NewWriterSize(io.NewOffsetWriter(t, 0), 1<<16)
	text := bufio.NewWriterSize(io.NewOffsetWriter(t, t.size), 1<<18)
	var head [marksHeadSize + 8]byte // the first offset too
	putMarksHead(head[:], k, n)
	index.Write(head[:])
	err = f.makeMarks(ctx, s.o.Workers, k, func(entry []byte) error {
		marks := EntryMarks(entry)
		t.size += int64(len(marks))
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], uint64(t.size-marksSize(n, 0)))
		if _, err := index.Write(b[:]); err != nil {
			return err
		}
		_, err := text.Write(marks)
		s.tell(1)
		return err
	})
	return t, errors.Join(err, index.Flush(), text.Flush())
}

// regions makes the new table, in sample order, and the sums of all regions.
func (s *sealing) regions(ctx context.Context) (err error) {
	f := s.f
	if f.ptrs == 0 {
		return nil
	}
	if s.table, err = s.temporary(); err != nil {
		return err
	}
	s.table.size = s.intent.size + sumSize*s.layout.regionSums()
	table := bufio.NewWriterSize(io.NewOffsetWriter(s.table, 0), 1<<18)
	sums := bufio.NewWriterSize(io.NewOffsetWriter(s.table, s.intent.size), 1<<16)
	type result struct {
		entries, sums []byte
		n             int64
	}
	const chunk = 64
	err = ordered(ctx, s.o.Workers, (f.Len()+chunk-1)/chunk, func() func(context.Context, int) (result, error) {
		w := &sealWorker{sealing: s, c: newChecker(f)}
		return func(ctx context.Context, job int) (r result, err error) {
			lo, hi := job*chunk, min((job+1)*chunk, f.Len())
			r.n = int64(hi - lo)
			w.entries = make([]byte, 0, (hi-lo)*f.ptrs*alloc.EntrySize)
			w.sums = make([]byte, 0, (hi-lo)*f.ptrs*sumSize)
			for i := lo; i < hi && err == nil; i++ {
				if err = ctx.Err(); err == nil {
					err = f.guard(func() error { return w.sample(i) })
				}
			}
			r.entries, r.sums = w.entries, w.sums
			return r, err
		}
	}, func(r result) error {
		s.tell(r.n)
		_, err := table.Write(r.entries)
		_, sumsErr := sums.Write(r.sums)
		return errors.Join(err, sumsErr)
	})
	return errors.Join(err, table.Flush(), sums.Flush())
}

// sealWorker makes entries and sums of samples.
type sealWorker struct {
	*sealing
	c             *checker
	buf           []byte // for what cannot be borrowed
	entries, sums []byte
}

// sample appends a sample's entries and the sums of its regions.
func (w *sealWorker) sample(i int) (err error) {
	f, c := w.f, w.c
	if err := w.locate(i); err != nil {
		return err
	}
	for k := range f.fields {
		for j, r := range c.regions[f.firsts[k]:][:f.pointers(k)] {
			w.entries = append(w.entries, make([]byte, alloc.EntrySize)...)
			alloc.Entry{Sample: uint64(i), Ptr: r.Ptr, Size: uint64(r.Size)}.Put(w.entries[len(w.entries)-alloc.EntrySize:])
			sum, err := w.sum(i, k, j, r)
			if err != nil {
				return err
			}
			w.sums = binary.LittleEndian.AppendUint32(w.sums, sum)
		}
	}
	return nil
}

// locate finds the regions of sample i; any flaw in what tells of them is an
// error.
func (w *sealWorker) locate(i int) (err error) {
	f, c := w.f, w.c
	defer func() {
		if err == nil && len(c.flaws) > 0 {
			err = c.flaws[0]
		}
	}()
	defer c.caught(i, &err)
	if c.parse(i); len(c.flaws) == 0 && len(c.regions) != f.ptrs {
		return f.flaw(f.meta+int64(i)*int64(f.row), "sample %d: %d regions, want %d", i, len(c.regions), f.ptrs)
	}
	return nil
}

// sum is that of a region: the file's own if it has one.
func (w *sealWorker) sum(i, k, j int, r fields.Region) (uint32, error) {
	if w.old != nil {
		return w.old.region(i, k, j)
	}
	b, err := w.f.Bytes(i, r.Ptr, r.Size, w.buf)
	if err != nil {
		return 0, w.f.valueError(i, k, err)
	}
	if cap(b) > cap(w.buf) && !lends(w.f.src) {
		w.buf = b[:0]
	}
	return crc32.Checksum(b, castagnoli), nil
}

// summed is a writer that keeps the sum of what went through it.
type summed struct {
	w   io.Writer
	crc uint32
}

func (s *summed) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.crc = crc32.Update(s.crc, castagnoli, b[:n])
	return n, err
}

// compose writes all that comes behind the file's end, and returns the sum of
// what the intent has the sum of.
func (s *sealing) compose(ctx context.Context, w io.Writer) (crc uint32, err error) {
	f := s.f
	out := &summed{w: w}
	b := newBlockWriter(out, s.intent.end())
	var intent [sealBytes]byte
	s.intent.put(intent[:])
	b.begin(TagSeal, 0, sealLength)
	b.Write(intent[sectionHeaderSize:])
	out.crc = 0
	for _, x := range s.kept {
		b.begin(x.Tag, x.Flags, x.Length)
		if err := f.guard(func() error { _, err := io.Copy(b, ctxReader{ctx, f.OpenSection(x)}); return err }); err != nil {
			return 0, err
		}
	}
	for _, m := range s.marks {
		b.begin(TagMarks, 0, m.size)
		if _, err := io.Copy(b, ctxReader{ctx, io.NewSectionReader(m, 0, m.size)}); err != nil {
			return 0, err
		}
	}
	if err := f.guard(func() error { return s.writeSums(ctx, b) }); err != nil {
		return 0, err
	}
	b.pad()
	crc = out.crc
	table, err := b.finish()
	if err != nil {
		return 0, err
	}
	if table != s.intent.newTable {
		return 0, fmt.Errorf("%s: the new allocation table came to byte %d, want %d", f.Name(), table, s.intent.newTable)
	}
	if out.crc = crc; s.table != nil {
		_, err = io.Copy(out, ctxReader{ctx, io.NewSectionReader(s.table, 0, s.intent.size)})
	}
	return out.crc, err
}

// writeSums writes the SUMS section.
func (s *sealing) writeSums(ctx context.Context, b *blockWriter) error {
	f, l := s.f, s.layout
	b.begin(TagSums, 0, l.length())
	head, err := f.read(0, f.meta, nil)
	if err != nil {
		return err
	}
	head = slices.Clone(head)
	h := f.header
	h.AllocTable = uint64(s.intent.newTable)
	h.Put(head)
	l.head = crc32.Checksum(head, castagnoli)
	var p [sumsHeadSize]byte
	l.put(p[:])
	b.Write(p[:])
	if s.old != nil {
		r := io.NewSectionReader(f.src, s.old.section.Offset+s.old.layout.rowSum(0), sumSize*l.rowSums())
		_, err = io.Copy(b, ctxReader{ctx, r})
	} else {
		size := int64(f.row)
		total := size * int64(f.Len())
		err = sumRuns(int64(l.rowRun)*size, total, b, func(yield func([]byte) error) error {
			return eachBlock(ctx, f.src, f.meta, f.meta+total, yield)
		})
	}
	if err != nil || s.table == nil {
		return err
	}
	if err := sumRuns(int64(l.entryRun)*alloc.EntrySize, s.intent.size, b, func(yield func([]byte) error) error {
		return eachBlock(ctx, s.table, 0, s.intent.size, yield)
	}); err != nil {
		return err
	}
	_, err = io.Copy(b, ctxReader{ctx, io.NewSectionReader(s.table, s.intent.size, sumSize*l.regionSums())})
	return err
}

// append writes it all. As long as the header leads to the old table an error
// takes back what was written.
func (s *sealing) append(ctx context.Context, to file) error {
	end := s.intent.end()
	if err := s.appendTail(ctx, to); err != nil {
		s.f.Close() // some systems don't cut a file that is mapped
		if back := errors.Join(to.Truncate(end), to.Sync()); back != nil {
			return errors.Join(err, fmt.Errorf("%w (%w)", ErrUnfinishedSeal, back))
		}
		return err
	}
	if err := switchTable(to, s.intent.newTable); err != nil {
		return fmt.Errorf("%w: %w", err, ErrUnfinishedSeal)
	}
	return nil
}

// appendTail writes and syncs what comes behind the file's end, first of all
// the section that tells of the rest.
func (s *sealing) appendTail(ctx context.Context, to file) error {
	end, at := s.intent.end(), s.intent.at()
	intent := make([]byte, at-end+sealBytes)
	s.intent.put(intent[at-end:])
	if _, err := to.WriteAt(intent, end); err != nil {
		return err
	}
	if err := to.Sync(); err != nil {
		return err
	}
	w := &behind{f: to, at: end, from: at + sealBytes}
	out := bufio.NewWriterSize(w, 1<<20)
	crc, err := s.compose(ctx, out)
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if crc != s.intent.crc {
		return s.f.flaw(-1, "it was changed while it was being sealed")
	}
	if err := to.Sync(); err != nil {
		return err
	}
	if ok, err := s.intent.whole(ctx, to, s.intent.newEnd); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%s: read back what was written: it is something else", s.f.Name()))
	}
	return nil
}

// behind writes in order from at on, and leaves out what comes before from: that
// is written already.
type behind struct {
	f        file
	at, from int64
}

func (w *behind) Write(b []byte) (n int, err error) {
	skip := int(min(max(0, w.from-w.at), int64(len(b))))
	if skip < len(b) {
		n, err = w.f.WriteAt(b[skip:], w.at+int64(skip))
	}
	n += skip
	w.at += int64(n)
	return n, err
}

// switchTable has the header lead to another table.
func switchTable(to file, table int64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(table))
	if _, err := to.WriteAt(b[:], tablePointer); err != nil {
		return err
	}
	return to.Sync()
}

// tablePointer is where in the header the allocation table's offset stands.
const tablePointer = 16
