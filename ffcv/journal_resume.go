package ffcv

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/hash"
)

// leftover is what an earlier build left beside a target.
type leftover struct {
	part    string   // its name
	names   []string // of all that is there
	isPart  bool     // the partial file is
	history *history // nil: no journal, or a damaged one
	err     error    // why
	whole   bool     // the target is the file that the build made
}

// spoolKinds are the names of all that a build keeps beside its partial file.
var spoolKinds = []string{"table", "sums", "keys", "keysends", "marks", "marksends", "rows", "index"}

// maxPartBase is how much of the target's name goes into the partial file's:
// with ".journal" behind it, it stays within what systems allow.
const maxPartBase = 200

// partName is NAME.partial, with a hash in it where NAME is too long.
func partName(target string) string {
	dir, base := filepath.Split(target)
	if len(base) <= maxPartBase {
		return dir + base + ".partial"
	}
	short := base[:maxPartBase]
	for !utf8.ValidString(short) && len(short) > maxPartBase-utf8.UTFMax {
		short = short[:len(short)-1]
	}
	return fmt.Sprintf("%s%s.partial-%08x", dir, strings.ToValidUTF8(short, ""), uint32(hash.FNV(base)))
}

// look finds what an earlier build left.
func look(d disk, target string) (l leftover, err error) {
	l.part = partName(target)
	for _, name := range append([]string{l.part}, l.beside()...) {
		switch _, err := d.size(name); {
		case err == nil:
			l.names = append(l.names, name)
		case !isMissing(err):
			return l, err
		}
	}
	l.isPart = slices.Contains(l.names, l.part)
	if !slices.Contains(l.names, l.journal()) {
		l.err = errors.New("there is no journal of it")
		return l, nil
	}
	if l.history, l.err = readJournal(d, l.journal()); l.err == nil && !l.isPart && l.history.done != nil {
		l.whole = l.history.done.is(d, target)
	}
	return l, nil
}

func (l *leftover) journal() string { return l.part + ".journal" }

// beside is the names beside the partial file's, the journal's last.
func (l *leftover) beside() (list []string) {
	for _, kind := range spoolKinds {
		list = append(list, l.part+"."+kind)
	}
	return append(list, l.journal())
}

// found is the name of what is there that says most.
func (l *leftover) found() string {
	if len(l.names) == 0 {
		return l.part
	}
	return l.names[0]
}

// remove deletes what the build left, the journal last: without it, what is left
// of the rest is nobody's.
func (l *leftover) remove(d disk) error {
	if len(l.names) == 0 {
		return nil
	}
	if err := removeAll(d, l.part, l.beside()); err != nil {
		return err
	}
	l.names, l.isPart, l.history = nil, false, nil
	return nil
}

// removeAll removes a partial file and what stands beside it, the last of which
// goes when all others are gone, also for a machine that stops.
func removeAll(d disk, part string, beside []string) error {
	for _, name := range append([]string{part}, beside[:len(beside)-1]...) {
		if err := removeIfThere(d, name); err != nil {
			return err
		}
	}
	if err := d.syncDir(filepath.Dir(part)); err != nil {
		return err
	}
	return removeIfThere(d, beside[len(beside)-1])
}

// readJournal reads the journal of that name.
func readJournal(d disk, name string) (*history, error) {
	size, err := d.size(name)
	if err != nil {
		return nil, err
	}
	f, err := d.open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readHistory(io.NewSectionReader(fullReader{f}, 0, size))
}

// is says whether the file of that name is the whole one.
func (w *whole) is(d disk, name string) bool {
	size, err := d.size(name)
	if err != nil || size != w.size {
		return false
	}
	f, err := d.open(name, os.O_RDONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, HeaderSize)
	if _, err := readFull(f, head, 0); err != nil || crc32.Checksum(head, castagnoli) != w.head {
		return false
	}
	crc, err := sumOf(context.Background(), fullReader{f}, w.tail, w.size)
	return err == nil && crc == w.crc
}

// fullReader reads in full.
type fullReader struct{ io.ReaderAt }

func (r fullReader) ReadAt(b []byte, off int64) (int, error) { return readFull(r.ReaderAt, b, off) }

// checkLeftover looks what an earlier build left, and says whether this one may
// go on. What it may delete it deletes later, when the settings fit too.
func (w *Writer) checkLeftover() error {
	o := w.opts.Journal
	switch {
	case o.Resume && o.Restart:
		return errors.New("journal: Resume and Restart at the same time")
	case o.Interval < 0:
		return fmt.Errorf("journal: an interval of %v", o.Interval)
	case len(w.opts.Base) > 0:
		return errors.New("journal: a file with base files can't be gone on with")
	}
	l, err := look(w.disk, w.target)
	if err != nil {
		return err
	}
	w.left = l
	switch {
	case len(l.names) == 0, o.Restart, l.whole:
		return nil
	case o.Resume && (!l.isPart || l.err == nil):
		return nil
	}
	e := &PartialError{Path: w.path, Partial: l.found(), Err: l.err}
	if l.err == nil && l.history.stand != nil && !l.history.moved {
		e.Samples = int(l.history.stand.rows)
	}
	return e
}

// openPart makes the partial file of a build with a journal, or opens what an
// earlier one left, which stood at the standing that comes back; nil for a
// beginning. finished says that the whole file is in its place already.
func (w *Writer) openPart(write ...Setting) (at *standing, finished bool, err error) {
	o := w.opts.Journal
	if o == nil {
		return nil, false, nil
	}
	list, err := w.settings(write)
	if err != nil {
		return nil, false, err
	}
	l := &w.left
	if l.whole && o.Resume && len(changes(l.history.settings, list)) == 0 {
		return nil, true, nil
	}
	resumes := o.Resume && l.isPart && l.history != nil && l.history.stand != nil && !l.history.moved
	if resumes {
		if c := changes(l.history.settings, list); len(c) > 0 {
			return nil, false, &ChangedError{l.part, c}
		}
		return l.history.stand, false, w.reopen()
	}
	if err := w.beginAnew(list); err != nil {
		return nil, false, err
	}
	return nil, false, nil
}

// beginAnew deletes what may be deleted, and makes journal and partial file.
func (w *Writer) beginAnew(list []Setting) (err error) {
	// Now that nothing is gone on from; before, the file could have been whole.
	if err := aside.Check(w.target, w.opts.Overwrite, false); err != nil {
		return err
	}
	if h := w.left.history; h != nil && h.moved && w.opts.Journal.Resume {
		w.tell(w.left.part + ": the earlier build was stopped while its pages were being moved, and can't be gone on from: this one begins anew")
	}
	if err := w.left.remove(w.disk); err != nil {
		return err
	}
	name := w.left.part
	if w.journal, err = createJournal(w.disk, w.left.journal(), rand.Uint64(), list); err != nil {
		return err
	}
	f, err := w.disk.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	w.part = &partial{file: f, disk: w.disk, name: name}
	w.attach()
	return nil
}

// reopen opens what an earlier build left.
func (w *Writer) reopen() error {
	f, err := w.disk.open(w.left.part, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	w.part = &partial{file: f, disk: w.disk, name: w.left.part, reuse: true}
	if err := w.part.takeSpools(w.left.history.stand); err != nil {
		return err
	}
	if w.journal, err = openJournal(w.disk, w.left.journal(), w.left.history); err != nil {
		return err
	}
	w.attach()
	return nil
}

// takeSpools removes those that the standing knows nothing of.
func (p *partial) takeSpools(s *standing) error {
	kinds := []string{"index"}
	if s.keys == 0 {
		kinds = append(kinds, "keys", "keysends")
	}
	if s.marks == 0 {
		kinds = append(kinds, "marks", "marksends")
	}
	for _, kind := range kinds {
		if err := removeIfThere(p.disk, p.name+"."+kind); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) attach() {
	j := w.journal
	j.part, j.page, j.interval = w.part, w.opts.PageSize, w.opts.Journal.Interval
	if j.interval == 0 {
		j.interval = defaultInterval
	}
}

// tell calls Warn.
func (w *Writer) tell(msg string) {
	if w.opts.Warn != nil {
		w.opts.Warn(msg)
	}
}

// resume brings a new pipeline to where an earlier build stood. Nothing of the
// files is changed before all of it has proved to be as it was.
func (w *Writer) resume(ctx context.Context, p *pipeline, s *standing) error {
	if err := p.restore(s); err != nil {
		return w.unfit(err)
	}
	spools, err := p.openSpools()
	if err != nil {
		return w.unfit(err)
	}
	if err := p.checkStanding(ctx, s, spools); err != nil {
		return w.unfit(err)
	}
	if err := p.cut(spools); err != nil {
		return err
	}
	if p.big > 0 && p.warn != nil {
		p.warn(fmt.Sprintf("%d samples of what was there already span several pages: FFCV reads this file right with os_cache=True only", p.big))
	}
	return w.tellResumed(Resumed{Samples: int(s.rows), Next: int(s.next), Skipped: w.left.history.skipped})
}

// unfit says that what is there can't be gone on with; ctx's end tells itself.
func (w *Writer) unfit(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &PartialError{Path: w.path, Partial: w.left.part, Samples: int(w.left.history.stand.rows), Err: err}
}

func (w *Writer) tellResumed(r Resumed) (err error) {
	defer recovered(&err)
	if w.opts.Journal.Resumed != nil {
		w.opts.Journal.Resumed(r)
	}
	return nil
}

// restore sets the placer's numbers.
func (p *pipeline) restore(s *standing) (err error) {
	if len(s.markBytes) != len(p.markBytes) || p.total >= 0 && s.next > int64(p.total) {
		return fmt.Errorf("%d samples done and marks of %d fields: not of this file", s.next, len(s.markBytes))
	}
	_, ok := metadataEnd(len(p.plan.specs), p.plan.row.size, uint64(s.rows))
	if most := int64(math.MaxInt64) / (alloc.EntrySize * int64(1+len(p.plan.ptrs)+len(p.plan.marked))); !ok || s.rows > most {
		return fmt.Errorf("%d rows: no file is that large", s.rows)
	}
	if len(p.plan.ptrs) > 0 {
		first := uint64(p.rowsEnd)
		if p.pages, err = alloc.ResumePages(first, uint64(p.pageSize), p.large, s.pages, s.used); err != nil {
			return err
		}
		if s.high != 0 && (s.high < p.rowsEnd || s.high > int64(p.pages.End())) {
			return fmt.Errorf("bytes up to %d in pages from %d to %d", s.high, first, p.pages.End())
		}
	} else if s.pages != 0 || s.high != 0 {
		return fmt.Errorf("%d pages in a file without", s.pages)
	}
	p.next, p.rows, p.skipped, p.big, p.data, p.named = s.next, s.rows, int(s.skipped), int(s.big), s.data, s.named
	p.high, p.tallied = s.high, s.sums
	p.lostMarks.Store(s.lost)
	copy(p.markBytes, s.markBytes)
	p.keys.size, p.marks.size = s.keys, s.marks
	return nil
}

// held is a spool of which so many bytes are held to a checksum.
type held struct {
	*spool
	n   int64
	crc uint32
}

// openSpools opens the spools that a standing has, with what they must hold.
func (p *pipeline) openSpools() (list []held, err error) {
	k := int64(len(p.plan.ptrs))
	if p.table != nil {
		list = append(list, held{p.table, p.rows * k * alloc.EntrySize, p.tallied.table})
	}
	if p.regionSums != nil {
		list = append(list, held{p.regionSums, p.rows * k * sumSize, p.tallied.regions})
	}
	for _, s := range []struct {
		*stringSpool
		kind      string
		each      int64 // strings a row
		text, end uint32
	}{
		{&p.keys, "keys", 1, p.tallied.keys, p.tallied.keyEnds},
		{&p.marks, "marks", int64(len(p.plan.marked)), p.tallied.marks, p.tallied.markEnds},
	} {
		if s.size == 0 {
			continue
		}
		if s.stringSpool.text, err = p.part.spool(s.kind); err != nil {
			return nil, err
		}
		if s.ends, err = p.part.spool(s.kind + "ends"); err != nil {
			return nil, err
		}
		list = append(list, held{s.stringSpool.text, s.size, s.text}, held{s.ends, 8 * s.each * p.rows, s.end})
	}
	if p.rowAt(p.rows) > p.rowsEnd {
		p.more, err = p.part.spool("rows")
	}
	return list, err
}

// checkStanding reads the rows and the spools, and the last bytes of the pages.
func (p *pipeline) checkStanding(ctx context.Context, s *standing, spools []held) error {
	for _, h := range spools {
		crc, err := sumOf(ctx, h.spool, 0, h.n)
		if err != nil {
			return fmt.Errorf("%s, %d bytes: %w", filepath.Base(h.name), h.n, short(err))
		}
		if crc != h.crc {
			return fmt.Errorf("%s, %d bytes: CRC32C 0x%08x, want 0x%08x", filepath.Base(h.name), h.n, crc, h.crc)
		}
	}
	crc, err := p.sumRows(ctx)
	if err != nil {
		return fmt.Errorf("%d rows: %w", s.rows, short(err))
	}
	if crc != s.sums.rows {
		return fmt.Errorf("%d rows: CRC32C 0x%08x, want 0x%08x", s.rows, crc, s.sums.rows)
	}
	b := make([]byte, min(tailWindow, s.high))
	if _, err := p.part.ReadAt(b, s.high-int64(len(b))); err != nil {
		return fmt.Errorf("pages up to byte %d: %w", s.high, short(err))
	}
	if crc := crc32.Checksum(b, castagnoli); crc != s.tail {
		return fmt.Errorf("the last %d bytes before %d: CRC32C 0x%08x, want 0x%08x", len(b), s.high, crc, s.tail)
	}
	return nil
}

// short names the end of a file that should go on.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sumRows is the checksum of the rows, and takes some of them into account that
// are read once more at the end.
func (p *pipeline) sumRows(ctx context.Context) (crc uint32, err error) {
	end := min(p.rowAt(p.rows), p.rowAt(0)+p.inPlace()*int64(p.plan.row.size))
	at := p.rowAt(0)
	err = eachBlock(ctx, p.part, at, end, func(b []byte) error {
		crc = crc32.Update(crc, castagnoli, b)
		p.sums.add(at, b)
		at += int64(len(b))
		return nil
	})
	if err != nil || p.more == nil {
		return crc, err
	}
	err = eachBlock(ctx, p.more, 0, p.rowAt(p.rows)-end, func(b []byte) error {
		crc = crc32.Update(crc, castagnoli, b)
		return nil
	})
	return crc, err
}

// inPlace is how many rows have room before the pages.
func (p *pipeline) inPlace() int64 {
	if p.plan.row.size == 0 {
		return p.rows
	}
	return (p.rowsEnd - p.rowAt(0)) / int64(p.plan.row.size)
}

// cut takes away what was written behind where the build stands: samples may come
// out otherwise this time.
func (p *pipeline) cut(spools []held) error {
	for _, h := range spools {
		if err := h.f.Truncate(h.n); err != nil {
			return err
		}
	}
	if p.more != nil {
		if err := p.more.f.Truncate((p.rows - p.inPlace()) * int64(p.plan.row.size)); err != nil {
			return err
		}
	} else if err := removeIfThere(p.part.disk, p.part.name+".rows"); err != nil {
		return err
	}
	end := min(p.rowAt(p.rows), p.rowsEnd)
	size := max(end, p.high)
	if err := p.part.Truncate(size); err != nil {
		return err
	}
	// No header, no descriptors: that comes last. No rows behind the last one.
	if err := writeZeros(p.part, 0, metadataOffset(len(p.plan.specs))); err != nil {
		return err
	}
	return clearRange(p.part, end, min(size, p.rowsEnd))
}

// clearRange makes the bytes from off to end zero, mostly without writing them.
func clearRange(p *partial, off, end int64) error {
	if off >= end || punch(p.file, off, end) {
		return nil
	}
	return eachBlock(context.Background(), p, off, end, func(b []byte) error {
		at := off
		off += int64(len(b))
		for _, x := range b {
			if x != 0 {
				return writeZeros(p, at, off)
			}
		}
		return nil
	})
}

// finished takes a file for written that an earlier build had put in its place.
func (w *Writer) finished(ctx context.Context) error {
	done := w.left.history.done
	if err := w.tellResumed(Resumed{
		Samples: done.stats.Samples, Next: done.stats.Samples + done.stats.Skipped,
		Skipped: w.left.history.skipped, Finished: true,
	}); err != nil {
		return err
	}
	if w.opts.Ready != nil { // others may wait for it there
		if err := w.opts.Ready(ctx); err != nil {
			return err
		}
	}
	if err := w.left.remove(w.disk); err != nil {
		return err
	}
	w.stats = done.stats
	return nil
}
