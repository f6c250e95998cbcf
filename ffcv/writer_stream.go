package ffcv

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math"
	"strconv"
	"time"
)

// StreamOptions say how a stream is written. Nil and the zero value of every
// member are the defaults.
type StreamOptions struct {
	// Reserve is how many samples are expected. The data pages begin behind
	// room for that many metadata rows (whole pages of it). If more come, the
	// pages are moved at the end, once; if fewer come, the room stays unused.
	// The default, as much as fits in one page, is wrong when a long stream's
	// length is about known, since a move may copy all data.
	Reserve int64

	// OnError is told of each sample that failed: an error of the sequence,
	// or a *SampleError of its encoding. Nil lets the sample go, which then
	// takes no row; an error ends the writing. Without it every failure does.
	// Calls come one after another in sample order, from any goroutine.
	OnError func(key string, err error) error
}

// WriteStream writes the samples of a sequence of unknown length and puts the
// finished file in its place. An element with an error stands for a sample
// that failed; its Key may be set. The sequence runs on the caller's
// goroutine, ahead of the encoding, and must end when ctx is done if it waits
// for anything. fields.At.Sample is the place in the sequence, failed samples
// included. Errors are as for WriteDataset. A build that goes on (Journal) passes
// over the samples that the earlier one was done with.
//
// The file is the same as WriteDataset's, except for unused pages before the
// data when fewer samples came than Reserve asked for.
func (w *Writer) WriteStream(ctx context.Context, samples iter.Seq2[Sample, error], opts *StreamOptions) error {
	var o StreamOptions
	if opts != nil {
		o = *opts
	}
	return w.write(func() error { return w.writeStream(ctx, samples, o) })
}

func (w *Writer) writeStream(ctx context.Context, samples iter.Seq2[Sample, error], o StreamOptions) error {
	if o.Reserve < 0 {
		return fmt.Errorf("room for %d samples: want 0 or more", o.Reserve)
	}
	// With nothing reserved: up to the end of the page in which the rows begin.
	total, err := w.withBase(o.Reserve)
	if err != nil {
		return err
	}
	first, ok := firstPage(len(w.plan.specs), w.plan.row.size, uint64(max(total, 1)), w.opts.PageSize)
	if !ok {
		return fmt.Errorf("room for %d samples with %d bytes of metadata each: no file is that large", total, w.plan.row.size)
	}
	at, finished, err := w.openPart(Setting{"samples", "a sequence"}, Setting{"room for rows up to", strconv.FormatInt(first, 10)})
	if err != nil {
		return err
	}
	if finished {
		return w.finished(ctx)
	}
	p, err := w.newPipeline(first)
	if err != nil {
		return err
	}
	p.onError = o.OnError
	if at != nil {
		err = w.resume(ctx, p, at)
	} else {
		err = p.adopt(ctx, w.opts.Base)
	}
	if err != nil {
		return err
	}
	done := int(p.next) // the placer's from now on
	err = p.run(ctx, func(ctx context.Context) error {
		p.produceStream(ctx, samples, done)
		return nil
	})
	if err != nil {
		return err
	}
	if p.more != nil {
		if w.journal != nil {
			// It can't be gone on with in the middle of that.
			if err := w.journal.move(); err != nil {
				return err
			}
		}
		if err := p.makeRoom(ctx); err != nil {
			return err
		}
	}
	return w.finish(ctx, p)
}

// produceStream sends the sequence in chunks, but for the samples that an earlier
// build was done with.
func (p *pipeline) produceStream(ctx context.Context, samples iter.Seq2[Sample, error], done int) {
	var c *chunk // being filled
	var since time.Time
	size, at := 0, 0
	for s, err := range samples {
		if at++; at <= done {
			if at%1024 == 0 && ctx.Err() != nil {
				return
			}
			continue
		}
		if c == nil {
			if c = p.take(ctx); c == nil {
				return
			}
			c.lo, c.n, size = at-1, 0, p.pace.chunk()
			since = time.Now()
		}
		c.in = append(c.in, streamed{s, err})
		// What waits in a chunk can't be noted by a journal.
		late := p.pace.most > 0 && time.Since(since) >= p.pace.most
		if c.n++; c.n >= size || late {
			p.send(c)
			c = nil
		}
		if ctx.Err() != nil {
			return
		}
	}
	if c != nil {
		p.send(c)
	}
}

// makeRoom moves the pages back to where they begin in a file of p.rows rows,
// puts the rows that were spooled in their place, and rewrites all pointers.
func (p *pipeline) makeRoom(ctx context.Context) error {
	old := p.rowsEnd
	first, ok := firstPage(len(p.plan.specs), p.plan.row.size, uint64(p.rows), int64(p.pageSize))
	if !ok || p.pages.End() > uint64(math.MaxInt64-(first-old)) {
		return fmt.Errorf("%d samples with %d bytes of metadata each: no file is that large", p.rows, p.plan.row.size)
	}
	p.shift = first - old
	inserted, err := movePages(ctx, p.part, old, int64(p.pages.End()), p.shift)
	if err != nil {
		return fmt.Errorf("move the pages behind the metadata: %w", err)
	}
	if err := p.rewriteRows(ctx, old); err != nil || inserted {
		return err
	}
	return writeZeros(p.part, p.rowAt(p.rows), first) // copied pages left their bytes there
}

// rewriteRows adds p.shift to the pointers of all rows and puts them where
// they belong: first those that were written before the pages at old already,
// then the spooled ones.
func (p *pipeline) rewriteRows(ctx context.Context, old int64) error {
	p.sums = rowSums{}
	size := int64(p.plan.row.size)
	inPlace := (old - p.rowAt(0)) / size
	block := make([]byte, max(1, (1<<20)/size)*size)
	for row := int64(0); row < p.rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(int64(len(block))/size, p.rows-row)
		var err error
		if row < inPlace {
			n = min(n, inPlace-row)
			_, err = p.part.ReadAt(block[:n*size], p.rowAt(row))
		} else {
			_, err = p.more.ReadAt(block[:n*size], (row-inPlace)*size)
		}
		if err != nil {
			return fmt.Errorf("read rows back: %w", err)
		}
		p.shiftRows(block[:n*size])
		if _, err := p.part.WriteAt(block[:n*size], p.rowAt(row)); err != nil {
			return err
		}
		p.sums.add(p.rowAt(row), block[:n*size])
		row += n
	}
	return nil
}

// shiftRows adds p.shift to every pointer of the rows.
func (p *pipeline) shiftRows(rows []byte) {
	le := binary.LittleEndian
	for ; len(rows) > 0; rows = rows[p.plan.row.size:] {
		for _, off := range p.plan.ptrs {
			le.PutUint64(rows[off:], le.Uint64(rows[off:])+uint64(p.shift))
		}
	}
}

// movePages moves the bytes from off to end up by shift, a multiple of the
// page size. Between off and off+shift there are zeros then if inserted, and
// otherwise bytes of no value.
func movePages(ctx context.Context, f *partial, off, end, shift int64) (inserted bool, err error) {
	if err := f.Truncate(end); err != nil { // the last page may be short
		return false, err
	}
	if done, err := insertRange(f.file, off, shift); done || err != nil {
		return done, err
	}
	// From the end, in blocks that do not reach over where they came from.
	buf := make([]byte, min(shift, 4<<20))
	for end > off {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		b := buf[:min(int64(len(buf)), end-off)]
		end -= int64(len(b))
		if _, err := f.ReadAt(b, end); err != nil {
			return false, err
		}
		if _, err := f.WriteAt(b, end+shift); err != nil {
			return false, err
		}
	}
	return false, nil
}

// writeZeros fills the file from off to end.
func writeZeros(f file, off, end int64) error {
	zeros := make([]byte, min(1<<20, max(0, end-off)))
	for off < end {
		n := min(int64(len(zeros)), end-off)
		if _, err := f.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off += n
	}
	return nil
}
