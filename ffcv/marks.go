package ffcv

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Marks are bytes that a field keeps about a sample beside its value, from
// which a reader can be quicker: for a JPEG, checkpoints at which decoding can
// begin. See fields.Marker.
//
// MARK: u32 number of the field, u32 0, u64 count (the number of samples),
// count+1 u64 offsets from the end of this index, the first 0 and none smaller
// than the one before, then the bytes: the marks of sample i lie between
// offsets i and i+1. There is one section for each field with marks.

const (
	marksHeadSize  = 16
	maxSampleMarks = 64 << 20 // bounds what Marks reads into memory
)

// marksSize is the payload size of a MARK section of count samples with total
// bytes of marks.
func marksSize(count, total int64) int64 { return marksHeadSize + 8*(count+1) + total }

// putMarksHead writes what comes before the offsets.
func putMarksHead(b []byte, field int, count int64) {
	_ = b[marksHeadSize-1]
	binary.LittleEndian.PutUint32(b, uint32(field))
	binary.LittleEndian.PutUint32(b[4:], 0)
	binary.LittleEndian.PutUint64(b[8:], uint64(count))
}

// marksSection is one MARK section, as its head says.
type marksSection struct {
	Section
	field    uint32
	reserved uint32
	index    int64  // offset of the first offset in the file
	bytes    int64  // of the first byte of marks
	total    uint64 // bytes of marks
	err      error  // what is wrong with it: then it has no marks
}

// markSections are a File's, found at the first need.
type markSections struct {
	once sync.Once
	list []marksSection
	err  error // of a section whose field could not be told, or of the directory

	compared sync.Once // with the block's checksum: see trustMarks
	damaged  atomic.Pointer[FormatError]
}

// trustMarks compares the extension block with its checksum if there are marks in
// it, which have none of their own, and lets a file go without them where it
// differs: wrong ones could give wrong pixels. The first call does so, for all.
func (f *File) trustMarks() (err error) {
	f.marks.compared.Do(func() {
		list, _ := f.sections() // what is wrong with them marksSection tells
		if !slices.ContainsFunc(list, func(s Section) bool { return s.Tag == TagMarks }) {
			return
		}
		var sum uint32
		if sum, err = f.blockSum(context.Background()); err == nil && sum != f.ext.crc {
			f.marks.damaged.Store(f.flaw(f.ext.off, "extension block of %d bytes: checksum 0x%08x, want 0x%08x", f.ext.length, sum, f.ext.crc))
		} else if err != nil {
			f.marks.damaged.Store(f.flaw(f.ext.off, "extension block of %d bytes: %v", f.ext.length, err))
		}
	})
	return err
}

// marksHead reads and checks a section's head. Without an error the index and
// the bytes lie inside the section.
func (f *File) marksHead(s Section) (m marksSection, err error) {
	m.Section = s
	if s.Length < marksHeadSize+8 {
		return m, f.sectionError(s, -1, "%d bytes, want at least %d", s.Length, marksHeadSize+8)
	}
	var p [marksHeadSize]byte
	if err := f.readFull(p[:], s.Offset); err != nil {
		return m, err
	}
	m.field, m.reserved = binary.LittleEndian.Uint32(p[:]), binary.LittleEndian.Uint32(p[4:])
	n := binary.LittleEndian.Uint64(p[8:])
	if n != f.header.NumSamples || n > uint64(s.Length-marksHeadSize-8)/8 {
		m.err = f.sectionError(s, -1, "marks of %d samples in %d bytes, the file has %d samples", n, s.Length, f.header.NumSamples)
		return m, nil
	}
	m.index = s.Offset + marksHeadSize
	m.bytes = s.Offset + marksSize(int64(n), 0)
	m.total = uint64(s.Offset + s.Length - m.bytes)
	return m, nil
}

// marksSection finds the section of a field; nil when there is none.
func (f *File) marksSection(field int) (*marksSection, error) {
	x := &f.marks
	if e := x.damaged.Load(); e != nil {
		return nil, e
	}
	x.once.Do(func() {
		list, err := f.sections()
		x.err = err
		for _, s := range list {
			if s.Tag != TagMarks {
				continue
			}
			m, err := f.marksHead(s)
			if err != nil {
				if x.err == nil {
					x.err = err
				}
				continue
			}
			x.list = append(x.list, m)
		}
	})
	i := slices.IndexFunc(x.list, func(m marksSection) bool { return int64(m.field) == int64(field) })
	if i < 0 {
		return nil, x.err
	}
	return &x.list[i], x.list[i].err
}

// Marks returns the marks of a sample's value, nil when it has none: what the
// field's AppendMarks made when the file was written, borrowed where the source
// can lend, otherwise read into buf (grown when it is too small). It is O(1). An
// error tells of a damaged section; the value can be read without marks.
func (f *File) Marks(sample, field int, buf []byte) ([]byte, error) {
	r, err := f.marksRange(field, sample, 1, buf)
	if err != nil || r.Len == 0 {
		return nil, err
	}
	if r.Len > maxSampleMarks {
		s, _ := f.marksSection(field)
		return nil, f.sectionError(s.Section, sample, "marks of %d bytes, at most %d", r.Len, maxSampleMarks)
	}
	return f.read(r.Off, r.Len, buf)
}

// MarksRange returns where the marks of n samples from lo on lie, one run of
// bytes in sample order, such as that of the samples of a page: for WillNeed.
// It has no bytes when they have no marks. Errors are as for Marks.
func (f *File) MarksRange(field, lo, n int) (Range, error) { return f.marksRange(field, lo, n, nil) }

// WillNeedMarks is WillNeed for the marks of samples' values in a field, in two
// steps: first for where in the file they lie, and then, with found, for the marks
// themselves. The second reads where they lie, and waits for what of that has not
// come yet; it leaves out what Marks would find damaged.
func (f *File) WillNeedMarks(samples []int, field int, found bool) {
	if field < 0 || field >= len(f.fields) || !hears(f.src) {
		return
	}
	s, err := f.marksSection(field)
	if s == nil || err != nil {
		return
	}
	h := takeHint()
	defer h.tell(f.src)
	for _, i := range samples {
		if i < 0 || i >= f.Len() {
			continue
		}
		if at := s.index + 8*int64(i); !found {
			h.add(at, int64(len(h.pair)))
		} else if b, err := f.read(at, int64(len(h.pair)), h.pair[:]); err == nil {
			from, to := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
			if from < to && to <= s.total && to-from <= maxSampleMarks {
				h.add(s.bytes+int64(from), int64(to-from))
			}
		}
	}
}

// marksRange is MarksRange with what to read offsets into.
func (f *File) marksRange(field, lo, n int, buf []byte) (Range, error) {
	if field < 0 || field >= len(f.fields) {
		return Range{}, fmt.Errorf("%s: field %d of %d", f.src.Name(), field, len(f.fields))
	}
	if lo < 0 || n < 0 || lo > f.Len() || n > f.Len()-lo {
		return Range{}, fmt.Errorf("%s: samples %d to %d of %d", f.src.Name(), lo, lo+n, f.Len())
	}
	s, err := f.marksSection(field)
	if s == nil || err != nil {
		return Range{}, err
	}
	from, err := f.marksOffset(s, lo, buf)
	if err != nil {
		return Range{}, err
	}
	to, err := f.marksOffset(s, lo+n, buf)
	if err != nil {
		return Range{}, err
	}
	if from > to || to > s.total {
		return Range{}, f.sectionError(s.Section, lo, "marks from %d to %d of %d bytes", from, to, s.total)
	}
	return Range{Off: s.bytes + int64(from), Len: int64(to - from)}, nil
}

// marksOffset returns offset i of the section's index, unchecked.
func (f *File) marksOffset(s *marksSection, i int, buf []byte) (uint64, error) {
	b, err := f.read(s.index+8*int64(i), 8, buf)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}
