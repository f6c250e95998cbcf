package ffcv

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
	"golang.org/x/sync/errgroup"
)

// appendSums appends the checksum of each region.
func appendSums(dst []byte, regions []alloc.Region) []byte {
	for i := range regions {
		r := &regions[i]
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(r.Buf[:r.Size], castagnoli))
	}
	return dst
}

// checkSums holds the bytes that were copied of a stored value to the checksums
// that its file has of them, so that damage is not taken over as sound.
func (s *Stored) checkSums(regions []alloc.Region, sums []byte) error {
	of, err := s.File.Sums()
	if of == nil || err != nil {
		return nil // damaged sums are what Verify tells of
	}
	for j := range regions {
		got := binary.LittleEndian.Uint32(sums[sumSize*j:])
		want, err := of.region(s.Sample, s.Field, j)
		if err != nil {
			return err
		}
		if got != want {
			return s.File.valueError(s.Sample, s.Field, &sumError{regions[j].Size, got, want})
		}
	}
	return nil
}

// writeSums writes the SUMS section, the block's last.
func (p *pipeline) writeSums(ctx context.Context, b *blockWriter) error {
	k := len(p.plan.ptrs)
	l := newSumsLayout(p.rows, p.rows*int64(k), k, p.plan.row.size)
	n := l.length()
	b.begin(TagSums, 0, n)
	// The block ends with this section and its trailer, where the table begins.
	l.head = crc32.Checksum(p.head(alignUp(b.at+n, sectionAlign)+trailerSize), castagnoli)
	var head [sumsHeadSize]byte
	l.put(head[:])
	b.Write(head[:])
	if err := p.writeRowSums(ctx, b, l); err != nil {
		return err
	}
	if err := p.writeEntrySums(ctx, b, l); err != nil || k == 0 {
		return err
	}
	r, err := p.regionSums.reader(sumSize * l.regionSums())
	if err != nil {
		return err
	}
	_, err = io.Copy(b, ctxReader{ctx, r})
	return err
}

// writeRowSums reads the rows back, which are final now.
func (p *pipeline) writeRowSums(ctx context.Context, b *blockWriter, l sumsLayout) error {
	size := int64(p.plan.row.size)
	return sumRuns(int64(l.rowRun)*size, p.rows*size, b, func(yield func([]byte) error) error {
		return eachBlock(ctx, p.part, p.rowAt(0), p.rowAt(p.rows), yield)
	})
}

func (p *pipeline) writeEntrySums(ctx context.Context, b *blockWriter, l sumsLayout) error {
	return sumRuns(int64(l.entryRun)*alloc.EntrySize, int64(l.entries)*alloc.EntrySize, b, func(yield func([]byte) error) error {
		return p.eachTableBlock(ctx, yield)
	})
}

// sumRuns writes the checksum of each run of so many bytes, of which there are
// total, in blocks of any size.
func sumRuns(run, total int64, w io.Writer, blocks func(yield func([]byte) error) error) error {
	var crc uint32
	var done int64
	var sum [sumSize]byte
	return blocks(func(b []byte) error {
		for len(b) > 0 {
			n := min(run-done%run, total-done, int64(len(b)))
			crc = crc32.Update(crc, castagnoli, b[:n])
			b, done = b[n:], done+n
			if done%run == 0 || done == total {
				binary.LittleEndian.PutUint32(sum[:], crc)
				if _, err := w.Write(sum[:]); err != nil {
					return err
				}
				crc = 0
			}
		}
		return nil
	})
}

// blockBytes is how much of a file is read at a time: whole entries of the
// allocation table.
const blockBytes = alloc.EntrySize << 15

// eachBlock reads the file from off to end in pieces.
func eachBlock(ctx context.Context, f io.ReaderAt, off, end int64, yield func([]byte) error) error {
	buf := make([]byte, min(blockBytes, max(0, end-off)))
	for off < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), end-off)]
		if _, err := f.ReadAt(b, off); err != nil {
			return err
		}
		if err := yield(b); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}

// sums writes the checksums of the regions of n samples from lo on to their
// spool: those of the base file, so that damage which they tell of is told of in
// the new one too, or what its bytes have where it has none.
func (a *adoption) sums(ctx context.Context, lo, n int) error {
	p := a.p
	k := len(p.plan.ptrs)
	if p.regionSums == nil {
		return nil
	}
	size := n * k * sumSize
	a.sumBytes = slices.Grow(a.sumBytes[:0], size)[:size]
	at := (a.row + int64(lo)) * int64(k) * sumSize
	of, err := a.f.Sums()
	if err != nil && lo == 0 && p.warn != nil {
		p.warn(fmt.Sprintf("the checksums of %s are damaged: those in the new file are of the values as they are (%v)", a.f.Name(), err))
	}
	if of != nil && err == nil {
		err = a.f.readFull(a.sumBytes, of.section.Offset+of.layout.regionSum(int64(lo), 0))
	} else {
		err = a.makeSums(ctx, lo, n)
	}
	if err != nil {
		return err
	}
	_, err = p.regionSums.WriteAt(a.sumBytes, at)
	return err
}

// makeSums reads the regions of n samples from lo on, on all processors.
func (a *adoption) makeSums(ctx context.Context, lo, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	k := len(a.p.plan.ptrs)
	step := (n + a.p.workers - 1) / a.p.workers
	for from := 0; from < n; from += step {
		g.Go(func() error { // ends with its samples, or with ctx
			return a.f.guard(func() error {
				var s summer
				for i := from; i < min(from+step, n); i++ {
					if i%64 == 0 && ctx.Err() != nil {
						return ctx.Err()
					}
					if err := s.sample(a.f, lo+i, a.sumBytes[i*k*sumSize:][:k*sumSize]); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	return g.Wait()
}

// summer makes the checksums of samples, with memory for what cannot be
// borrowed.
type summer struct {
	row, buf []byte
	regions  []fields.Region
}

// sample puts the checksum of each region of sample i into dst.
func (s *summer) sample(f *File, i int, dst []byte) error {
	row, err := f.Rows(i, 1, s.row)
	if err != nil {
		return err
	}
	lends := lends(f.src)
	if !lends {
		s.row = row
	}
	for k := range f.fields {
		d := &f.fields[k]
		if f.pointers(k) == 0 {
			continue
		}
		if s.regions, err = f.regions(s.regions[:0], i, k, row[d.Offset:][:d.Size]); err != nil {
			return err
		}
		for _, r := range s.regions {
			b, err := f.Bytes(i, r.Ptr, r.Size, s.buf)
			if err != nil {
				return f.valueError(i, k, err)
			}
			if !lends && cap(b) > cap(s.buf) {
				s.buf = b
			}
			binary.LittleEndian.PutUint32(dst, coldSum(b))
			dst = dst[sumSize:]
		}
	}
	return nil
}

// lends says whether a source lends its bytes.
func lends(s Source) bool {
	_, ok := s.Borrow(0, 0)
	return ok
}
