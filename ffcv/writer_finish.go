package ffcv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/internal/mmap"
)

// finish writes what follows the pages, then the header last of all, reads
// back what a reader needs first, and puts the file in its place.
func (w *Writer) finish(ctx context.Context, p *pipeline) error {
	if w.journal != nil && w.journal.saved > 0 {
		// What follows takes a while for a large file.
		if err := w.journal.note(); err != nil {
			return err
		}
	}
	end := p.rowAt(p.rows)
	if p.pages.Count() > 0 || p.basePages > 0 {
		end = int64(p.pages.End()) + p.shift
	}
	if err := p.part.Truncate(end); err != nil { // zeros up to the end of the last page
		return err
	}
	if _, err := p.part.WriteAt(p.plan.descs, HeaderSize); err != nil {
		return err
	}
	out := &tail{f: p.part, at: end}
	table := end
	if !w.opts.Plain {
		var err error
		if table, err = p.writeBlock(ctx, out); err != nil {
			return fmt.Errorf("extension block: %w", err)
		}
	}
	if err := p.writeTable(ctx, out); err != nil {
		return fmt.Errorf("allocation table: %w", err)
	}
	if err := p.part.Sync(); err != nil {
		return err
	}
	head := p.head(table)
	if _, err := p.part.WriteAt(head[:HeaderSize], 0); err != nil {
		return err
	}
	if err := p.readBack(ctx, head, end, out); err != nil {
		return fmt.Errorf("read back what was written: %w", err)
	}
	if err := p.part.Sync(); err != nil {
		return err
	}
	if err := p.lastReport(); err != nil {
		return err
	}
	stats := Stats{
		Samples: int(p.rows), Skipped: p.skipped, Large: p.big,
		Data: p.data, Pages: p.basePages + int64(p.pages.Count()), Bytes: out.at,
	}
	if w.journal != nil {
		sum := crc32.Checksum(head[:HeaderSize], castagnoli)
		if err := w.journal.done(whole{size: out.at, tail: end, head: sum, crc: out.crc, stats: stats}); err != nil {
			return err
		}
	}
	if err := w.commit(ctx); err != nil {
		return err
	}
	w.stats = stats
	return nil
}

// head is header and descriptors of a file whose allocation table begins at
// table.
func (p *pipeline) head(table int64) []byte {
	b := make([]byte, HeaderSize, HeaderSize+len(p.plan.descs))
	Header{
		Version:    Version,
		NumFields:  uint16(len(p.plan.specs)),
		PageSize:   uint32(p.pageSize),
		NumSamples: uint64(p.rows),
		AllocTable: uint64(table),
	}.Put(b)
	return append(b, p.plan.descs...)
}

// commit puts the finished file in its place, if nothing says no at the last
// moment.
func (w *Writer) commit(ctx context.Context) error {
	if w.opts.Ready != nil {
		if err := w.opts.Ready(ctx); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.journal != nil {
		return w.commitJournaled()
	}
	if err := w.part.commit(w.target, w.opts.Overwrite); err != nil {
		return err
	}
	w.part = nil
	return nil
}

// commitJournaled removes journal and spools when the file has its name for good.
// Should the machine stop between, the journal's last record tells what they are.
func (w *Writer) commitJournaled() error {
	if err := w.part.place(w.target, w.opts.Overwrite); err != nil {
		return err
	}
	name := w.part.name
	err := errors.Join(w.part.closeSpools(true), w.journal.close(true))
	w.part, w.journal = nil, nil
	return errors.Join(err, removeAll(w.disk, name, w.left.beside()))
}

// tail writes to a file's end, in order, and keeps the sum of what it wrote.
type tail struct {
	f   file
	at  int64
	crc uint32
}

func (t *tail) Write(b []byte) (int, error) {
	n, err := t.f.WriteAt(b, t.at)
	t.at += int64(n)
	t.crc = crc32.Update(t.crc, castagnoli, b[:n])
	return n, err
}

// writeBlock writes the extension block and returns where the allocation table
// begins.
func (p *pipeline) writeBlock(ctx context.Context, out *tail) (table int64, err error) {
	buf := bufio.NewWriterSize(out, 1<<20)
	b := newBlockWriter(buf, out.at)
	if p.plan.classes != nil {
		b.begin(TagClasses, 0, int64(len(p.plan.classes)))
		b.Write(p.plan.classes)
	}
	if p.keys.size > 0 {
		if err := p.writeNames(ctx, b); err != nil {
			return 0, err
		}
		if err := p.writeNameIndex(ctx, b); err != nil {
			return 0, err
		}
	}
	for k, n := range p.markBytes {
		if n == 0 {
			continue
		}
		if err := p.writeMarks(ctx, b, k); err != nil {
			return 0, err
		}
	}
	for _, s := range p.plan.sections {
		b.begin(s.Tag, 0, int64(len(s.Data)))
		b.Write(s.Data)
	}
	if err := p.writeSums(ctx, b); err != nil {
		return 0, err
	}
	if table, err = b.finish(); err != nil {
		return 0, err
	}
	return table, buf.Flush()
}

// writeNames writes the NAME section from the spools.
func (p *pipeline) writeNames(ctx context.Context, b *blockWriter) error {
	b.begin(TagNames, 0, namesSize(p.rows, p.keys.size))
	var head [16]byte // the count, and the first offset
	binary.LittleEndian.PutUint64(head[:], uint64(p.rows))
	b.Write(head[:])
	for _, s := range []struct {
		*spool
		n int64
	}{{p.keys.ends, 8 * p.rows}, {p.keys.text, p.keys.size}} {
		r, err := s.reader(s.n)
		if err != nil {
			return err
		}
		if _, err := io.Copy(b, ctxReader{ctx, r}); err != nil {
			return err
		}
	}
	return nil
}

// writeNameIndex writes the NIDX section, whose table is built in a mapped
// file: its memory is the system's to drop.
func (p *pipeline) writeNameIndex(ctx context.Context, b *blockWriter) error {
	if p.rows > maxNames {
		return nil // without an index Find reads all names
	}
	size := nameTableSize(p.named)
	scratch, err := mmap.Create(p.part.name+".index", size)
	if err != nil {
		return err
	}
	defer scratch.Close()
	table := nameTable(scratch.Bytes())
	i := int64(-1)
	err = p.eachName(func(name []byte) error {
		if i++; i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(name) == 0 {
			return nil
		}
		var readErr error
		table.put(nameHash(name), i, func(earlier int64) bool {
			other, err := p.nameAt(earlier, len(name))
			readErr = errors.Join(readErr, err)
			return bytes.Equal(other, name)
		})
		return readErr
	})
	if err != nil {
		return err
	}
	b.begin(TagNameIndex, 0, size)
	_, err = b.Write(table)
	return err
}

// eachName calls yield with each row's key, valid during the call.
func (p *pipeline) eachName(yield func(name []byte) error) error {
	ends, err := p.keys.ends.reader(8 * p.rows)
	if err != nil {
		return err
	}
	text, err := p.keys.text.reader(p.keys.size)
	if err != nil {
		return err
	}
	var b [8]byte
	var name []byte
	for at := uint64(0); ; {
		if _, err := io.ReadFull(ends, b[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		end := binary.LittleEndian.Uint64(b[:])
		name = slices.Grow(name[:0], int(end-at))[:end-at]
		if _, err := io.ReadFull(text, name); err != nil {
			return err
		}
		at = end
		if err := yield(name); err != nil {
			return err
		}
	}
}

// nameAt returns row i's key if it has n bytes.
func (p *pipeline) nameAt(i int64, n int) ([]byte, error) {
	var b [16]byte // where it begins, and ends
	span := b[8:]
	if i > 0 {
		span = b[:]
	}
	if _, err := p.keys.ends.ReadAt(span, 8*(i+1)-int64(len(span))); err != nil {
		return nil, err
	}
	at, end := binary.LittleEndian.Uint64(b[:]), binary.LittleEndian.Uint64(b[8:])
	if end-at != uint64(n) {
		return nil, nil
	}
	name := make([]byte, n)
	_, err := p.keys.text.ReadAt(name, int64(at))
	return name, err
}

// writeMarks writes the MARK section of marked field k from the spools.
func (p *pipeline) writeMarks(ctx context.Context, b *blockWriter, k int) error {
	b.begin(TagMarks, 0, marksSize(p.rows, p.markBytes[k]))
	var head [marksHeadSize + 8]byte // the first offset too
	putMarksHead(head[:], p.plan.marked[k], p.rows)
	b.Write(head[:])
	var off uint64
	err := p.eachMarks(ctx, k, func(_, n int64) error {
		off += uint64(n)
		var e [8]byte
		binary.LittleEndian.PutUint64(e[:], off)
		_, err := b.Write(e[:])
		return err
	})
	if err != nil {
		return err
	}
	text, err := p.marks.text.reader(p.marks.size)
	if err != nil {
		return err
	}
	var buf []byte
	var done int64 // of text
	return p.eachMarks(ctx, k, func(at, n int64) error {
		if _, err := text.Discard(int(at - done)); err != nil {
			return err
		}
		buf, done = slices.Grow(buf[:0], int(n))[:n], at+n
		if _, err := io.ReadFull(text, buf); err != nil {
			return err
		}
		_, err := b.Write(buf)
		return err
	})
}

// eachMarks calls yield, for each row, with where the marks of marked field k
// lie in their spool.
func (p *pipeline) eachMarks(ctx context.Context, k int, yield func(at, n int64) error) error {
	fields := int64(len(p.plan.marked))
	ends, err := p.marks.ends.reader(8 * fields * p.rows)
	if err != nil {
		return err
	}
	var b [8]byte
	at := int64(0)
	for i := range fields * p.rows {
		if i%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if _, err := io.ReadFull(ends, b[:]); err != nil {
			return err
		}
		end := int64(binary.LittleEndian.Uint64(b[:]))
		if i%fields == int64(k) {
			if err := yield(at, end-at); err != nil {
				return err
			}
		}
		at = end
	}
	return nil
}

// writeTable copies the allocation table from its spool.
func (p *pipeline) writeTable(ctx context.Context, out *tail) error {
	return p.eachTableBlock(ctx, func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
}

// eachTableBlock goes through the allocation table as it will stand in the file.
func (p *pipeline) eachTableBlock(ctx context.Context, yield func([]byte) error) error {
	size := p.rows * int64(len(p.plan.ptrs)) * alloc.EntrySize
	if size == 0 {
		return nil
	}
	if err := p.table.f.Truncate(size); err != nil { // as reader does
		return err
	}
	return eachBlock(ctx, p.table, 0, size, func(b []byte) error {
		if p.shift != 0 {
			for i := 0; i < len(b); i += alloc.EntrySize {
				e := alloc.EntryAt(b[i:])
				e.Ptr += uint64(p.shift)
				e.Put(b[i:])
			}
		}
		return yield(b)
	})
}

// readBack compares the header and descriptors, everything behind the pages,
// and a sample of the rows with what was meant: a bug or bad memory shall not
// become a dataset.
func (p *pipeline) readBack(ctx context.Context, head []byte, end int64, out *tail) error {
	got := make([]byte, len(head))
	if _, err := p.part.ReadAt(got, 0); err != nil {
		return err
	}
	if !bytes.Equal(got, head) {
		return errors.New("header and descriptors differ")
	}
	crc, err := sumOf(ctx, p.part, end, out.at)
	if err != nil {
		return err
	}
	if crc != out.crc {
		return fmt.Errorf("bytes %d to %d, the extension block and the allocation table: CRC32C 0x%08x, want 0x%08x", end, out.at, crc, out.crc)
	}
	if n, err := p.part.ReadAt(got[:1], out.at); n != 0 || err != io.EOF {
		return fmt.Errorf("the file does not end at byte %d (%w)", out.at, err)
	}
	for _, s := range p.sums.list {
		crc, err := sumOf(ctx, p.part, s.off, s.off+int64(s.n))
		if err != nil {
			return err
		}
		if crc != s.crc {
			return fmt.Errorf("metadata rows at bytes %d to %d: CRC32C 0x%08x, want 0x%08x", s.off, s.off+int64(s.n), crc, s.crc)
		}
	}
	return nil
}

// sumOf reads the file from off to end and returns its CRC32C.
func sumOf(ctx context.Context, f io.ReaderAt, off, end int64) (crc uint32, err error) {
	err = eachBlock(ctx, f, off, end, func(b []byte) error {
		crc = crc32.Update(crc, castagnoli, b)
		return nil
	})
	return crc, err
}

// lastReport calls Progress with everything done, and says what was lost.
func (p *pipeline) lastReport() (err error) {
	defer recovered(&err)
	if n := p.lostMarks.Load(); n > 0 && p.warn != nil {
		p.warn(fmt.Sprintf("the marks of %d values are damaged and left out; the values are whole", n))
	}
	if p.lostKeys > 0 && p.warn != nil {
		p.warn(fmt.Sprintf("the names of %d samples are damaged and left out", p.lostKeys))
	}
	p.report(true)
	return nil
}

// ctxReader reads until ctx is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// rowSums keeps the sums of some of the runs of rows that were written, spread
// over the whole file: every stride-th, a bounded number of them.
type rowSums struct {
	mu     sync.Mutex
	list   []rowSum
	seen   int
	stride int
}

type rowSum struct {
	off int64
	n   int
	crc uint32
}

const maxRowSums = 64

func (s *rowSums) add(off int64, rows []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stride = max(s.stride, 1)
	if s.seen++; (s.seen-1)%s.stride != 0 {
		return
	}
	if len(s.list) == maxRowSums {
		for i := range maxRowSums / 2 {
			s.list[i] = s.list[2*i]
		}
		s.list = s.list[:maxRowSums/2]
		s.stride *= 2
		if (s.seen-1)%s.stride != 0 {
			return
		}
	}
	s.list = append(s.list, rowSum{off, len(rows), crc32.Checksum(rows, castagnoli)})
}
