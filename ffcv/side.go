package ffcv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"runtime/debug"
	"slices"

	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// A side file holds marks of a dataset whose file brings none. It begins with a
// header of 64 bytes: magic at 0, version at 8, zeros from 12, length of the file at 16,
// the dataset's samples at 24, its size at 32 and its sum at 40 (Identity),
// zeros from 44, the CRC32C of the bytes before at 60. Sections follow, as in an
// extension block. Those of TagSide are as MARK sections are, but what lies
// between offsets i and i+1 is an entry: nothing when it is not known whether
// sample i has marks, otherwise a sum of value and marks in four bytes, then
// the marks, if any.

// TagSide is the tag of a side file's sections; none in a .beton.
const TagSide Tag = 'S' | 'I'<<8 | 'D'<<16 | 'E'<<24

const (
	sideHeaderSize = 64
	sideVersion    = 1
	entrySumSize   = 4
	sumWindows     = 4
	sumWindow      = 64
)

var sideMagic = [8]byte{0x89, 'b', 't', 'n', 'g', 'm', '\r', '\n'}

// ErrStale is wrapped by OpenMarks' refusal of a side file of another dataset,
// or a damaged one: it is of no use, and may be replaced.
var ErrStale = errors.New("of no use")

type sideHeader struct {
	length uint64
	of     Identity
}

func (h sideHeader) put(b []byte) {
	b = b[:sideHeaderSize]
	clear(b)
	le := binary.LittleEndian
	copy(b, sideMagic[:])
	le.PutUint32(b[8:], sideVersion)
	le.PutUint64(b[16:], h.length)
	le.PutUint64(b[24:], uint64(h.of.Samples))
	le.PutUint64(b[32:], uint64(h.of.Size))
	le.PutUint32(b[40:], h.of.Sum)
	le.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
}

// sideSection is one field's entries.
type sideSection struct {
	field uint32
	index []byte // the offsets
	bytes []byte // the entries
}

// entry returns a sample's entry, nil when there is none or the offsets are
// wrong.
func (s *sideSection) entry(i int) []byte {
	lo, hi := binary.LittleEndian.Uint64(s.index[8*i:]), binary.LittleEndian.Uint64(s.index[8*i+8:])
	if lo > hi || hi > uint64(len(s.bytes)) || hi-lo < entrySumSize {
		return nil
	}
	return s.bytes[lo:hi:hi]
}

// parseSide reads all of a side file but the entries. Errors wrap ErrStale or
// ErrUnsupported, or neither when it is no side file.
func parseSide(b []byte, of Identity) ([]sideSection, error) {
	le := binary.LittleEndian
	switch {
	case len(b) < 8 || [8]byte(b[:8]) != sideMagic:
		return nil, errors.New("not a side file of marks")
	case len(b) < sideHeaderSize:
		return nil, fmt.Errorf("%w: %d bytes, the header alone has %d", ErrStale, len(b), sideHeaderSize)
	case le.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli):
		return nil, fmt.Errorf("%w: header: checksum 0x%08x, want 0x%08x", ErrStale, le.Uint32(b[60:]), crc32.Checksum(b[:60], castagnoli))
	case le.Uint32(b[8:]) != sideVersion:
		return nil, fmt.Errorf("version %d, this package knows %d: %w", le.Uint32(b[8:]), sideVersion, ErrUnsupported)
	case le.Uint64(b[16:]) != uint64(len(b)):
		return nil, fmt.Errorf("%w: %d bytes, want %d", ErrStale, len(b), le.Uint64(b[16:]))
	case le.Uint64(b[24:]) != uint64(of.Samples) || le.Uint64(b[32:]) != uint64(of.Size) || le.Uint32(b[40:]) != of.Sum:
		return nil, fmt.Errorf("%w: marks of another dataset: %d samples in %d bytes with sum 0x%08x, want %d in %d with 0x%08x",
			ErrStale, le.Uint64(b[24:]), le.Uint64(b[32:]), le.Uint32(b[40:]), of.Samples, of.Size, of.Sum)
	}
	list, err := walkSections(func(p []byte, off int64) error {
		copy(p, b[off:]) // walkSections stays inside
		return nil
	}, sideHeaderSize, int64(len(b)-sideHeaderSize))
	var out []sideSection
	for _, s := range list {
		if err != nil {
			break
		}
		if s.Tag == TagSide {
			var t sideSection
			t, err = parseSideSection(b[s.Offset:s.Offset+s.Length], of.Samples)
			out = append(out, t)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStale, err)
	}
	return out, nil
}

func parseSideSection(b []byte, samples int) (s sideSection, err error) {
	if len(b) < marksHeadSize+8 {
		return s, fmt.Errorf("section of %d bytes, want at least %d", len(b), marksHeadSize+8)
	}
	n := binary.LittleEndian.Uint64(b[8:])
	if n != uint64(samples) || n > uint64(len(b)-marksHeadSize-8)/8 {
		return s, fmt.Errorf("section of %d samples in %d bytes, want %d", n, len(b), samples)
	}
	s.field = binary.LittleEndian.Uint32(b)
	s.index = b[marksHeadSize : marksHeadSize+8*(n+1)]
	s.bytes = b[marksHeadSize+8*(n+1):]
	if last := binary.LittleEndian.Uint64(s.index[8*n:]); last != uint64(len(s.bytes)) {
		return s, fmt.Errorf("section of field %d: the last offset is %d of %d bytes", s.field, last, len(s.bytes))
	}
	return s, nil
}

// MarksFile is a side file opened for reading, mapped and read where it is
// asked for. It is safe for concurrent use, but nothing may use it, or what it
// gave out, during or after Close.
type MarksFile struct {
	m    *mmap.Map
	info fs.FileInfo
	list []sideSection
}

// OpenMarks opens the side file at path, which must hold marks of the file of
// that Identity. An error wraps fs.ErrNotExist where there is no file, ErrStale
// where there is a side file that may be replaced, ErrUnsupported for one of a
// newer version.
func OpenMarks(path string, of Identity) (*MarksFile, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &MarksFile{}
	if m.info, err = f.Stat(); err != nil {
		return nil, err
	}
	if m.m, err = mmap.File(f); err != nil {
		return nil, err
	}
	if err = m.guard(func() (err error) { m.list, err = parseSide(m.m.Bytes(), of); return }); err != nil {
		m.m.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// guard runs do and returns a memory fault in it, of a side file that was cut
// short under its map, as an error.
func (m *MarksFile) guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !mmap.IsFault(r) {
				panic(r)
			}
			err = fmt.Errorf("%w: cut short while it was being read", ErrStale)
		}
	}()
	return do()
}

// Close ends the map. It is idempotent.
func (m *MarksFile) Close() error { return m.m.Close() }

// section returns that of a field, nil for none.
func (m *MarksFile) section(field int) *sideSection {
	for i := range m.list {
		if int64(m.list[i].field) == int64(field) {
			return &m.list[i]
		}
	}
	return nil
}

// Marks returns the marks of a sample's value, which are valid until Close;
// none, and known, when the value has none; and known false when the file does
// not tell. It is O(1) and allocates nothing. value is the value's one region:
// entries that are damaged, or were made of other bytes, are not known.
func (m *MarksFile) Marks(sample, field int, value []byte) (marks []byte, known bool) {
	s := m.section(field)
	if s == nil || sample < 0 || sample >= len(s.index)/8-1 {
		return nil, false
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !mmap.IsFault(r) {
				panic(r)
			}
			marks, known = nil, false
		}
	}()
	e := s.entry(sample)
	if e == nil || binary.LittleEndian.Uint32(e) != entrySum(value, e[entrySumSize:]) {
		return nil, false
	}
	if len(e) == entrySumSize {
		return nil, true
	}
	return e[entrySumSize:], true
}

// entrySum is the CRC32C of windows of the value, then of its marks, XORed with
// the value's length: marks belong to these bytes alone. Windows, since all of a
// photo's bytes take a while, and scattered ones, since coded data that differ
// somewhere differ from there on.
func entrySum(value, marks []byte) uint32 {
	var sum uint32
	if n := len(value); n <= sumWindows*sumWindow {
		sum = crc32.Update(0, castagnoli, value)
	} else {
		for k := 1; k <= sumWindows; k++ {
			end := n / sumWindows * k
			if k == sumWindows {
				end = n
			}
			sum = crc32.Update(sum, castagnoli, value[end-sumWindow:end])
		}
	}
	return crc32.Update(sum, castagnoli, marks) ^ uint32(len(value))
}

// AppendMarksEntry appends the entry of a value, its one region, and its marks
// to dst: what UpdateMarks writes. Empty marks say that the value has none.
func AppendMarksEntry(dst, value, marks []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, entrySum(value, marks))
	return append(dst, marks...)
}

// EntryMarks returns the marks in an entry that AppendMarksEntry made.
func EntryMarks(entry []byte) []byte { return entry[min(entrySumSize, len(entry)):] }

// fieldsWith returns the fields that a file has entries of, or that are named,
// in order, each once.
func (m *MarksFile) fieldsWith(named []int) []int {
	all := slices.Clone(named)
	if m != nil {
		for _, s := range m.list {
			if s.field <= math.MaxUint16 {
				all = append(all, int(s.field))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
