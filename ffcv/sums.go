package ffcv

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/fields"
)

// Checksums (CRC-32C) of everything that a sample consists of stand in a SUMS
// section, where FFCV does not see them. docs/format.md has the bytes.
//
// A region has one of its own, so that a damaged value can be named, and so
// that one value can be checked without the others. Metadata rows and table
// entries are smaller than that is worth: runs of them have one.

const (
	sumSize = 4
	// sumsHeadSize is that of what comes before the sums.
	sumsHeadSize = 32
	// sumRunBytes is about how many bytes of rows or entries one sum is of: they
	// add a thousandth to the table, and checking the run that a row is in costs
	// less than reading the row from memory where it isn't cached.
	sumRunBytes = 4096
)

// sumsLayout is the head of a SUMS section, from which follows where in the
// payload each sum stands.
type sumsLayout struct {
	samples  uint64
	entries  uint64 // of the allocation table
	pointers uint32 // a row
	rowRun   uint32 // rows with one sum
	entryRun uint32 // entries with one sum
	head     uint32 // the sum of header and descriptors
}

// newSumsLayout is that of a new file; its head's sum is still missing.
func newSumsLayout(samples, entries int64, pointers, rowSize int) sumsLayout {
	return sumsLayout{
		samples: uint64(samples), entries: uint64(entries), pointers: uint32(pointers),
		rowRun: uint32(max(1, sumRunBytes/max(1, rowSize))), entryRun: sumRunBytes / alloc.EntrySize,
	}
}

// runs is how many runs n things make.
func runs(n uint64, run uint32) int64 { return int64((n + uint64(run) - 1) / uint64(run)) }

// rowSums, entrySums and regionSums are how many sums there are of each kind,
// in the order in which they stand.
func (l sumsLayout) rowSums() int64    { return runs(l.samples, l.rowRun) }
func (l sumsLayout) entrySums() int64  { return runs(l.entries, l.entryRun) }
func (l sumsLayout) regionSums() int64 { return int64(l.samples) * int64(l.pointers) }

// length is the payload's.
func (l sumsLayout) length() int64 {
	return sumsHeadSize + sumSize*(l.rowSums()+l.entrySums()+l.regionSums())
}

// rowSum, entrySum and regionSum are where in the payload a sum stands.
func (l sumsLayout) rowSum(run int64) int64   { return sumsHeadSize + sumSize*run }
func (l sumsLayout) entrySum(run int64) int64 { return l.rowSum(l.rowSums()) + sumSize*run }
func (l sumsLayout) regionSum(sample int64, pointer int) int64 {
	return l.entrySum(l.entrySums()) + sumSize*(sample*int64(l.pointers)+int64(pointer))
}

func (l sumsLayout) put(b []byte) {
	_ = b[sumsHeadSize-1]
	le := binary.LittleEndian
	le.PutUint64(b, l.samples)
	le.PutUint64(b[8:], l.entries)
	le.PutUint32(b[16:], l.pointers)
	le.PutUint32(b[20:], l.rowRun)
	le.PutUint32(b[24:], l.entryRun)
	le.PutUint32(b[28:], l.head)
}

func sumsLayoutAt(b []byte) sumsLayout {
	le := binary.LittleEndian
	return sumsLayout{le.Uint64(b), le.Uint64(b[8:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[24:]), le.Uint32(b[28:])}
}

// Sums are the checksums that a file has of itself. They are safe for
// concurrent use, and valid as long as the File.
type Sums struct {
	f       *File
	section Section
	layout  sumsLayout
	rows    checked // runs of rows that were found to be right
	regions checked // regions that were
}

// Sums returns the file's checksums; nil for a file that has none. Without an
// error their numbers fit the file.
func (f *File) Sums() (*Sums, error) {
	f.sums.once.Do(func() { f.sums.err = f.guard(f.openSums) })
	return f.sums.of, f.sums.err
}

// sumsSection is a File's SUMS section, opened at the first need.
type sumsSection struct {
	once sync.Once
	of   *Sums
	err  error
}

func (f *File) openSums() error {
	s, ok := f.section(TagSums)
	if !ok {
		_, err := f.sections() // it may be behind damage
		return err
	}
	if s.Length < sumsHeadSize {
		return f.sectionError(s, -1, "%d bytes, want at least %d", s.Length, sumsHeadSize)
	}
	if f.row < 0 {
		return f.unknown(-1)
	}
	var head [sumsHeadSize]byte
	if err := f.readFull(head[:], s.Offset); err != nil {
		return err
	}
	l := sumsLayoutAt(head[:])
	switch {
	case l.samples != f.header.NumSamples:
		return f.sectionError(s, -1, "of %d samples, the file has %d", l.samples, f.header.NumSamples)
	case l.entries != uint64(f.count):
		return f.sectionError(s, -1, "of %d entries of the allocation table, the file has %d", l.entries, f.count)
	case uint64(l.pointers) != uint64(f.ptrs):
		return f.sectionError(s, -1, "of %d regions a sample, the file's fields have %d", l.pointers, f.ptrs)
	case l.rowRun == 0 || l.entryRun == 0:
		return f.sectionError(s, -1, "one sum for %d rows and %d entries, want at least 1", l.rowRun, l.entryRun)
	case f.ptrs > 0 && l.samples > math.MaxInt64/sumSize/uint64(f.ptrs):
		return f.sectionError(s, -1, "of %d samples with %d regions each: no file is that large", l.samples, f.ptrs)
	case s.Length != l.length():
		return f.sectionError(s, -1, "%d bytes, want %d", s.Length, l.length())
	}
	f.sums.of = &Sums{f: f, section: s, layout: l, rows: newChecked(l.rowSums()), regions: newChecked(l.regionSums())}
	return nil
}

// sum returns the sum at an offset of the payload.
func (s *Sums) sum(at int64) (uint32, error) {
	var b [sumSize]byte
	if err := s.f.readFull(b[:], s.section.Offset+at); err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b[:]), nil
}

// compare returns a flaw unless b has the sum at an offset of the payload; off
// is where b lies in the file.
func (s *Sums) compare(b []byte, at, off int64, what string) error {
	want, err := s.sum(at)
	if err != nil {
		return err
	}
	if got := crc32.Checksum(b, castagnoli); got != want {
		e := s.f.flaw(off, "%s", what)
		e.Err = &sumError{len(b), got, want}
		return e
	}
	return nil
}

// CheckHead compares header and field descriptors with their checksum.
func (s *Sums) CheckHead() error {
	b, err := s.f.read(0, s.f.meta, nil)
	if err != nil {
		return err
	}
	if got := crc32.Checksum(b, castagnoli); got != s.layout.head {
		e := s.f.flaw(0, "header and descriptors")
		e.Err = &sumError{len(b), got, s.layout.head}
		return e
	}
	return nil
}

// sumError is what is wrong with bytes that have another checksum.
type sumError struct {
	n         int
	got, want uint32
}

func (e *sumError) Error() string {
	return fmt.Sprintf("%d bytes with the checksum 0x%08x, want 0x%08x", e.n, e.got, e.want)
}

// Check compares the metadata row of a sample and the values of the given
// fields (nil: all) with their checksums, unless that was done before: what was
// found right once is not read again. A *FormatError names the sample, and the
// field where it is a value. buf is memory for what cannot be borrowed; what it
// has grown to comes back.
func (s *Sums) Check(sample int, list []int, buf []byte) ([]byte, error) {
	f := s.f
	if sample < 0 || sample >= f.Len() {
		return buf, fmt.Errorf("%s: sample %d of %d", f.src.Name(), sample, f.Len())
	}
	if s.known(sample, list) {
		return buf, nil
	}
	err := f.guard(func() (err error) {
		buf, err = s.check(sample, list, buf)
		return err
	})
	return buf, err
}

// known says whether a sample's row and the values of the fields were found
// right before.
func (s *Sums) known(sample int, list []int) bool {
	if list == nil || !s.rows.has(int64(sample)/int64(s.layout.rowRun)) {
		return false
	}
	for _, k := range list {
		if k < 0 || k >= len(s.f.fields) || !s.knownField(sample, k) {
			return false
		}
	}
	return true
}

func (s *Sums) knownField(sample, k int) bool {
	first := int64(sample)*int64(s.f.ptrs) + int64(s.f.firsts[k])
	for j := range s.f.pointers(k) {
		if !s.regions.has(first + int64(j)) {
			return false
		}
	}
	return true
}

// check is Check of a sample that is there.
func (s *Sums) check(sample int, list []int, buf []byte) ([]byte, error) {
	f := s.f
	buf, err := s.checkRow(sample, buf)
	if err != nil || f.ptrs == 0 && list == nil {
		return buf, err
	}
	row, err := f.Rows(sample, 1, nil)
	if err != nil {
		return buf, err
	}
	if list == nil {
		for k := range f.fields {
			if buf, err = s.checkField(sample, k, row, buf); err != nil {
				return buf, err
			}
		}
		return buf, nil
	}
	for _, k := range list {
		if k < 0 || k >= len(f.fields) {
			return buf, fmt.Errorf("%s: field %d of %d", f.src.Name(), k, len(f.fields))
		}
		if buf, err = s.checkField(sample, k, row, buf); err != nil {
			return buf, err
		}
	}
	return buf, nil
}

// Verifiable is an error unless the file has checksums, of a form that fits it,
// and its header and descriptors are right by them: what a loader asks before it
// relies on VerifyValue. The first call also compares the extension block with its
// own checksum where checkpoints are in it; of a block that differs Marks gives
// none from then on.
func (f *File) Verifiable() error {
	s, err := f.Sums()
	if err != nil {
		return err
	}
	if s == nil {
		return &UnsupportedError{File: f.src.Name(), What: "no checksums: FFCV wrote the file, or a writer that was told to leave them out"}
	}
	return f.guard(func() error {
		if err := s.CheckHead(); err != nil {
			return err
		}
		return f.trustMarks()
	})
}

// VerifyValue is Sums.Check of one field. A file that has no checksums, or
// damaged ones, is an error.
func (f *File) VerifyValue(sample, field int, buf []byte) ([]byte, error) {
	s, err := f.Sums()
	if err == nil && s == nil {
		err = f.Verifiable()
	}
	if err != nil {
		return buf, err
	}
	list := [1]int{field}
	return s.Check(sample, list[:], buf)
}

// checkRow compares the run of rows that a sample's is in.
func (s *Sums) checkRow(sample int, buf []byte) ([]byte, error) {
	run := int64(sample) / int64(s.layout.rowRun)
	if s.rows.has(run) {
		return buf, nil
	}
	lo, n := s.rowsOf(run)
	b, err := s.f.Rows(lo, n, buf)
	if err != nil {
		return buf, err
	}
	buf = s.kept(b, buf)
	if err := s.compareRows(run, b); err != nil {
		var e *FormatError
		if errors.As(err, &e) {
			e.Sample = sample
		}
		return buf, err
	}
	s.rows.set(run)
	return buf, nil
}

// rowsOf is which rows are in a run.
func (s *Sums) rowsOf(run int64) (lo, n int) {
	lo = int(run) * int(s.layout.rowRun)
	return lo, min(int(s.layout.rowRun), s.f.Len()-lo)
}

// compareRows compares the rows of a run with their sum.
func (s *Sums) compareRows(run int64, rows []byte) error {
	lo, n := s.rowsOf(run)
	what := fmt.Sprintf("metadata rows %d to %d", lo, lo+n-1)
	return s.compare(rows, s.layout.rowSum(run), s.f.meta+int64(lo)*int64(s.f.row), what)
}

// checkField compares the regions of a value.
func (s *Sums) checkField(sample, k int, row, buf []byte) ([]byte, error) {
	f := s.f
	if s.knownField(sample, k) {
		return buf, nil
	}
	d := &f.fields[k]
	first := int64(sample)*int64(f.ptrs) + int64(f.firsts[k])
	var room [4]fields.Region
	list, err := f.regions(room[:0], sample, k, row[d.Offset:][:d.Size])
	if err != nil {
		return buf, err
	}
	for j, r := range list {
		b, err := f.Bytes(sample, r.Ptr, r.Size, buf)
		if err != nil {
			return buf, f.valueError(sample, k, err)
		}
		buf = s.kept(b, buf)
		if err := s.compareRegion(sample, k, j, r, b); err != nil {
			return buf, err
		}
		s.regions.set(first + int64(j))
	}
	return buf, nil
}

// compareRegion compares region j of a value, whose bytes are b, with its sum.
func (s *Sums) compareRegion(sample, k, j int, r fields.Region, b []byte) error {
	want, err := s.region(sample, k, j)
	if err != nil {
		return err
	}
	if got := coldSum(b); got != want {
		return &FormatError{File: s.f.src.Name(), Field: s.f.fields[k].Name, Sample: sample, Offset: regionOffset(r),
			What: "value", Err: &sumError{len(b), got, want}}
	}
	return nil
}

const (
	coldRun  = 16 << 10 // bytes that stay in the nearest caches until they are summed
	lineSize = 64
)

// coldSum is the checksum of bytes that may not be in the processor's caches. It
// reads three streams of 1,344 bytes, too short for the processor to read ahead
// in; the lines of some KiB, asked for at once, come sooner: of JPEGs in memory
// in random order 6.8 GB/s were summed, and 4.9 without.
func coldSum(b []byte) (crc uint32) {
	for len(b) > 0 {
		run := b[:min(len(b), coldRun)]
		fetch(run)
		crc = crc32.Update(crc, castagnoli, run)
		b = b[len(run):]
	}
	return crc
}

// fetch reads a byte of each line. What it returns means nothing.
//
//go:noinline
func fetch(b []byte) (x byte) {
	for i := 0; i < len(b); i += lineSize {
		x ^= b[i]
	}
	return x
}

// region is the sum of region j of a value.
func (s *Sums) region(sample, k, j int) (uint32, error) {
	return s.sum(s.layout.regionSum(int64(sample), s.f.firsts[k]+j))
}

// regionOffset is where to look for a region; an empty one's pointer may be
// anything.
func regionOffset(r fields.Region) int64 {
	if r.Ptr > math.MaxInt64 {
		return -1
	}
	return int64(r.Ptr)
}

// kept is b where it was read into memory of its own, which serves again.
func (s *Sums) kept(b, buf []byte) []byte {
	if cap(b) <= cap(buf) || lends(s.f.src) {
		return buf
	}
	return b[:0]
}

// checked is a set of numbers below some bound, of which parts that nobody
// looked at take no memory. It is safe for concurrent use.
type checked []atomic.Pointer[checkedPart]

const checkedBits = 1 << 15 // of a part: 4 KiB

type checkedPart [checkedBits / 64]atomic.Uint64

func newChecked(n int64) checked { return make(checked, (n+checkedBits-1)/checkedBits) }

// has says whether i was set.
func (c checked) has(i int64) bool {
	p := c[i/checkedBits].Load()
	return p != nil && p[i%checkedBits/64].Load()&(1<<(uint64(i)%64)) != 0
}

// set puts i into the set.
func (c checked) set(i int64) {
	at := &c[i/checkedBits]
	p := at.Load()
	for p == nil {
		at.CompareAndSwap(nil, new(checkedPart))
		p = at.Load()
	}
	p[i%checkedBits/64].Or(1 << (uint64(i) % 64))
}

// checkSums compares header, descriptors, metadata rows and allocation table
// with their checksums.
func (v *verify) checkSums(ctx context.Context) error {
	s := v.sums
	if s == nil {
		return nil
	}
	f := v.f
	if err := v.note(f.guard(s.CheckHead)); err != nil {
		return err
	}
	if err := v.checkRuns(ctx, s.layout.rowSums(), func(run int64, buf []byte) ([]byte, error) {
		lo, n := s.rowsOf(run)
		b, err := f.Rows(lo, n, buf)
		if err == nil {
			err = s.compareRows(run, b)
		}
		return b, err
	}); err != nil {
		return err
	}
	return v.checkRuns(ctx, s.layout.entrySums(), func(run int64, buf []byte) ([]byte, error) {
		lo := run * int64(s.layout.entryRun)
		n := min(int64(s.layout.entryRun), f.count-lo)
		off := int64(f.header.AllocTable) + lo*alloc.EntrySize
		b, err := f.read(off, n*alloc.EntrySize, buf)
		if err == nil {
			err = s.compare(b, s.layout.entrySum(run), off, fmt.Sprintf("allocation table entries %d to %d", lo, lo+n-1))
		}
		return b, err
	})
}

// checkRuns compares n runs with their checksums, one of them at a time.
func (v *verify) checkRuns(ctx context.Context, n int64, compare func(run int64, buf []byte) ([]byte, error)) error {
	return v.chunks(ctx, n, 64, func() func(context.Context, int64, int64) (chunkResult, error) {
		var buf []byte // for what cannot be borrowed
		return func(ctx context.Context, lo, hi int64) (r chunkResult, err error) {
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			for run := lo; run < hi; run++ {
				err := v.f.guard(func() error {
					b, err := compare(run, buf)
					if !lends(v.f.src) && b != nil {
						buf = b
					}
					return err
				})
				if e, ok := err.(*FormatError); ok {
					r.flaws = append(r.flaws, e)
				} else if err != nil {
					return r, err
				}
			}
			return r, nil
		}
	}, func(r chunkResult) error { return v.emitAll(r.flaws) })
}
