package mds

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Table tells where a shard's samples are. It borrows the bytes that it was made
// of.
type Table struct{ offsets []byte }

// TableSize returns how many bytes at a shard's beginning Table reads.
func (s *Shard) TableSize() int64 { return 4 + 4*(int64(s.Samples)+1) }

// Table checks what a shard of size bytes begins with: TableSize bytes, or fewer
// where the file ends before.
func (s *Shard) Table(head []byte, size int64) (Table, error) {
	if size != s.Raw.Size {
		return Table{}, fmt.Errorf("%d bytes; the index says %d", size, s.Raw.Size)
	}
	if int64(len(head)) != s.TableSize() {
		return Table{}, fmt.Errorf("%d bytes; the table of %d samples has %d: %w", len(head), s.Samples, s.TableSize(), io.ErrUnexpectedEOF)
	}
	if n := binary.LittleEndian.Uint32(head); int64(n) != int64(s.Samples) {
		return Table{}, fmt.Errorf("at byte 0: %d samples; the index says %d", n, s.Samples)
	}
	t := Table{head[4:]}
	last := s.TableSize()
	for i := range s.Samples + 1 {
		off := t.at(i)
		if off < last || off > size {
			return Table{}, fmt.Errorf("at byte %d: sample %d begins at byte %d; expected %d to %d", 4+4*i, i, off, last, size)
		}
		last = off
	}
	if last != size {
		return Table{}, fmt.Errorf("at byte %d: the last sample ends at byte %d; the shard has %d bytes", 4+4*s.Samples, last, size)
	}
	return t, nil
}

func (t Table) at(i int) int64 { return int64(binary.LittleEndian.Uint32(t.offsets[4*i:])) }

// Span returns where sample i is.
func (t Table) Span(i int) (off, n int64) { return t.at(i), t.at(i+1) - t.at(i) }

// Sample returns the bytes of sample i of a whole shard, which it borrows. Of the
// table it looks at what tells of the sample alone.
func (s *Shard) Sample(shard []byte, i int) ([]byte, error) {
	head, size := s.TableSize(), int64(len(shard))
	if size != s.Raw.Size || size < head {
		return nil, fmt.Errorf("%d bytes; the index says %d, of which the table has %d: %w", size, s.Raw.Size, head, io.ErrUnexpectedEOF)
	}
	if n := binary.LittleEndian.Uint32(shard); int64(n) != int64(s.Samples) {
		return nil, fmt.Errorf("at byte 0: %d samples; the index says %d", n, s.Samples)
	}
	if i < 0 || i >= s.Samples {
		return nil, fmt.Errorf("sample %d of %d", i, s.Samples)
	}
	t := Table{shard[4:head]}
	lo, hi := t.at(i), t.at(i+1)
	if lo < head || hi < lo || hi > size {
		return nil, fmt.Errorf("at byte %d: sample %d is at bytes %d to %d; expected them among %d to %d", 4+4*i, i, lo, hi, head, size)
	}
	return shard[lo:hi:hi], nil
}

// Values appends to dst the bytes of each column's value, which borrow those of the
// sample.
func (s *Shard) Values(dst [][]byte, sample []byte) ([][]byte, error) {
	at := 0
	for _, e := range s.Encodings {
		if e.Size() == 0 {
			at += 4
		}
	}
	if at > len(sample) {
		return nil, fmt.Errorf("a sample of %d bytes; the sizes of its values have %d: %w", len(sample), at, io.ErrUnexpectedEOF)
	}
	sizes := sample
	for i, e := range s.Encodings {
		n := e.Size()
		if n == 0 {
			n, sizes = int64(binary.LittleEndian.Uint32(sizes)), sizes[4:]
		}
		if n > int64(len(sample)-at) {
			return nil, fmt.Errorf("column %q: %d bytes at byte %d of the sample, which has %d: %w", s.Columns[i].Name, n, at, len(sample), io.ErrUnexpectedEOF)
		}
		end := at + int(n)
		dst = append(dst, sample[at:end:end])
		at = end
	}
	if at != len(sample) {
		return nil, fmt.Errorf("%d bytes behind the last value of a sample of %d", len(sample)-at, len(sample))
	}
	return dst, nil
}
