package ffcv

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/internal/wire"
)

// A journal is journalMagic and then records: the first one says what is being
// built, each further one how far that has come. Behind the last one there are
// zeros, room for more. All numbers are little-endian.
//
//	u32 length of the payload, not 0
//	u32 CRC32C of kind and payload, begun with the build's number
//	u8  kind
//	payload
const (
	journalMagic   = "betonjnl"
	journalVersion = 1

	recordHead = 9
	maxRecord  = 16 << 20

	recordBegin = 1 // version, the build's number, the settings
	recordSkip  = 2 // a sample that was let go
	recordStand = 3 // how far everything is safe
	recordMove  = 4 // the pages are about to be moved: none of the above holds any more
	recordDone  = 5 // the whole file, synced, about to be renamed
)

// standing is how far a build has come after a part of a chunk, as its placer
// sees it.
type standing struct {
	next    int64 // samples of the order or the sequence that are done with
	rows    int64
	skipped int64
	big     int64
	data    int64
	named   int64
	lost    int64 // values whose marks could not be read
	pages   uint64
	used    uint64 // of the last page
	high    int64  // where the last bytes in a page end, 0 none
	keys    int64  // bytes of all keys
	marks   int64

	markBytes []int64
	sums      streamSums
	tail      uint32 // checksum of the bytes before high
}

// streamSums are checksums of all that was written to the rows and the spools.
type streamSums struct{ rows, table, regions, keys, keyEnds, marks, markEnds uint32 }

func (s *streamSums) all() []*uint32 {
	return []*uint32{&s.rows, &s.table, &s.regions, &s.keys, &s.keyEnds, &s.marks, &s.markEnds}
}

// numbers are the members that a record has one after another.
func (s *standing) numbers() []*int64 {
	return []*int64{&s.next, &s.rows, &s.skipped, &s.big, &s.data, &s.named, &s.lost, &s.high, &s.keys, &s.marks}
}

// whole is what a journal tells of a finished file.
type whole struct {
	size  int64
	tail  int64 // where what follows the pages begins
	head  uint32
	crc   uint32 // of what follows the pages
	stats Stats
}

// appendRecord appends a record whose payload put appends.
func appendRecord(dst []byte, build uint64, kind byte, put func([]byte) []byte) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	dst[at+8] = kind
	if put != nil {
		dst = put(dst)
	}
	if len(dst) == at+recordHead {
		dst = append(dst, 0) // no record is empty
	}
	binary.LittleEndian.PutUint32(dst[at:], uint32(len(dst)-at-recordHead))
	binary.LittleEndian.PutUint32(dst[at+4:], recordSum(build, dst[at+8:]))
	return dst
}

// recordSum is the checksum of a record: one of another build has another.
func recordSum(build uint64, b []byte) uint32 {
	var id [8]byte
	binary.LittleEndian.PutUint64(id[:], build)
	return crc32.Update(crc32.Checksum(id[:], castagnoli), castagnoli, b)
}

func appendText(dst []byte, s string) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
	return append(dst, s...)
}

// appendBegin appends the first record, which has its own build number in it.
func appendBegin(dst []byte, build uint64, list []Setting) []byte {
	return appendRecord(dst, 0, recordBegin, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, journalVersion)
		b = binary.LittleEndian.AppendUint64(b, build)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(list)))
		for _, s := range list {
			b = appendText(appendText(b, s.Name), s.Value)
		}
		return b
	})
}

// maxErrorText bounds the text of a sample's error in a journal.
const maxErrorText = 4 << 10

func appendSkip(dst []byte, build uint64, e *SampleError) []byte {
	return appendRecord(dst, build, recordSkip, func(b []byte) []byte {
		text := e.Err.Error()
		b = binary.LittleEndian.AppendUint64(b, uint64(e.Sample))
		b = appendText(b, e.Key[:min(len(e.Key), 1<<20)])
		return appendText(appendText(b, e.Field), text[:min(len(text), maxErrorText)])
	})
}

func (s *standing) append(dst []byte, build uint64) []byte {
	le := binary.LittleEndian
	return appendRecord(dst, build, recordStand, func(b []byte) []byte {
		for _, n := range s.numbers() {
			b = le.AppendUint64(b, uint64(*n))
		}
		b = le.AppendUint64(le.AppendUint64(b, s.pages), s.used)
		for _, n := range s.sums.all() {
			b = le.AppendUint32(b, *n)
		}
		b = le.AppendUint32(b, s.tail)
		b = le.AppendUint32(b, uint32(len(s.markBytes)))
		for _, n := range s.markBytes {
			b = le.AppendUint64(b, uint64(n))
		}
		return b
	})
}

func (w *whole) append(dst []byte, build uint64) []byte {
	le := binary.LittleEndian
	return appendRecord(dst, build, recordDone, func(b []byte) []byte {
		b = le.AppendUint64(le.AppendUint64(b, uint64(w.size)), uint64(w.tail))
		b = le.AppendUint32(le.AppendUint32(b, w.head), w.crc)
		s := &w.stats
		for _, n := range []int64{int64(s.Samples), int64(s.Skipped), int64(s.Large), s.Data, s.Pages, s.Bytes} {
			b = le.AppendUint64(b, uint64(n))
		}
		return b
	})
}

// history is what a journal tells.
type history struct {
	build    uint64
	settings []Setting
	stand    *standing // the last one; nil none
	skipped  []*SampleError
	moved    bool
	done     *whole // nil: not finished
	end      int64  // of the last record
}

// maxSkips bounds how many samples let go a journal names; more than that are
// no journal.
const maxSkips = 1 << 28

// errNoJournal says that the first record is missing or damaged.
var errNoJournal = errors.New("the journal is damaged at its beginning")

// readHistory reads a journal. It ends at the first record that is not whole:
// that is where the machine stopped.
func readHistory(in io.Reader) (*history, error) {
	r := records{in: bufio.NewReaderSize(in, 1<<16)}
	magic := make([]byte, len(journalMagic))
	if _, err := io.ReadFull(r.in, magic); err != nil || string(magic) != journalMagic {
		return nil, errNoJournal
	}
	h := &history{end: int64(len(journalMagic))}
	kind, payload := r.next(0)
	if kind != recordBegin {
		return nil, errNoJournal
	}
	if err := h.begin(payload); err != nil {
		return nil, err
	}
	var skips []*SampleError // not followed by a standing yet
	at := h.end
	for ; kind != 0; kind, payload = r.next(h.build) {
		at += recordHead + int64(len(payload))
		if kind != recordSkip { // one without a standing is of samples that come again
			h.end = at
		}
		switch kind {
		case recordBegin: // just read
		case recordSkip:
			e, err := readSkip(payload)
			if err != nil || len(skips) > maxSkips {
				return nil, fmt.Errorf("journal: a sample that was let go: %w", err)
			}
			skips = append(skips, e)
		case recordStand:
			s, err := readStanding(payload)
			if err != nil {
				return nil, fmt.Errorf("journal: %w", err)
			}
			h.stand, h.skipped, skips, h.done = s, append(h.skipped, skips...), nil, nil
			if int64(len(h.skipped)) != s.skipped {
				return nil, fmt.Errorf("journal: %d samples let go, %d of them named", s.skipped, len(h.skipped))
			}
		case recordMove:
			h.moved = true
		case recordDone:
			var err error
			if h.done, err = readWhole(payload); err != nil {
				return nil, fmt.Errorf("journal: %w", err)
			}
		default:
			return nil, &UnsupportedError{What: fmt.Sprintf("journal record of kind %d", kind)}
		}
	}
	return h, r.err
}

// records reads a journal's records.
type records struct {
	in  *bufio.Reader
	buf []byte // kind and payload
	err error  // of reading, not of what was read
}

// next reads a record, whose payload is valid until the next call; kind is 0 when
// there is no whole one.
func (r *records) next(build uint64) (kind byte, payload []byte) {
	var head [8]byte
	if !r.read(head[:]) {
		return 0, nil
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size == 0 || size > maxRecord {
		return 0, nil
	}
	r.buf = slices.Grow(r.buf[:0], int(size)+1)[:size+1]
	if !r.read(r.buf) || binary.LittleEndian.Uint32(head[4:]) != recordSum(build, r.buf) {
		return 0, nil
	}
	return r.buf[0], r.buf[1:]
}

// read fills b, if there is that much.
func (r *records) read(b []byte) bool {
	_, err := io.ReadFull(r.in, b)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		r.err = err
	}
	return err == nil
}

func (h *history) begin(payload []byte) error {
	c := wire.NewCursor(payload)
	if v := c.U32(); v != journalVersion {
		return &UnsupportedError{What: fmt.Sprintf("journal of version %d, this program knows %d", v, journalVersion)}
	}
	h.build = c.U64()
	n := c.U32()
	if int64(n) > int64(c.Left()/8) {
		return errNoJournal
	}
	for range n {
		name := string(c.Bytes(int(c.U32())))
		h.settings = append(h.settings, Setting{name, string(c.Bytes(int(c.U32())))})
	}
	if c.Err() != nil || c.Left() != 0 {
		return errNoJournal
	}
	return nil
}

func readSkip(payload []byte) (*SampleError, error) {
	c := wire.NewCursor(payload)
	sample := c.U64()
	key, field := string(c.Bytes(int(c.U32()))), string(c.Bytes(int(c.U32())))
	text := string(c.Bytes(int(c.U32())))
	if c.Err() != nil {
		return nil, c.Err()
	}
	if sample > math.MaxInt64 {
		return nil, fmt.Errorf("sample %d", sample)
	}
	return &SampleError{Sample: int(sample), Key: key, Field: field, Err: errors.New(text)}, nil
}

func readStanding(payload []byte) (*standing, error) {
	c := wire.NewCursor(payload)
	s := &standing{}
	wrong := false
	for _, n := range s.numbers() {
		*n = int64(c.U64())
		wrong = wrong || *n < 0
	}
	s.pages, s.used = c.U64(), c.U64()
	for _, n := range s.sums.all() {
		*n = c.U32()
	}
	s.tail = c.U32()
	for n := c.U32(); n > 0 && c.Err() == nil; n-- {
		s.markBytes = append(s.markBytes, int64(c.U64()))
	}
	if c.Err() != nil {
		return nil, c.Err()
	}
	if wrong || c.Left() != 0 || s.skipped > s.next || s.next-s.skipped != s.rows || s.named > s.rows {
		return nil, fmt.Errorf("%d samples done, %d rows, %d let go: these do not fit together", s.next, s.rows, s.skipped)
	}
	if s.pages > math.MaxInt64/alloc.MinPageSize || s.used > alloc.MaxPageSize {
		return nil, fmt.Errorf("%d pages, %d bytes of the last one: no file is like that", s.pages, s.used)
	}
	return s, nil
}

func readWhole(payload []byte) (*whole, error) {
	c := wire.NewCursor(payload)
	w := &whole{size: int64(c.U64()), tail: int64(c.U64()), head: c.U32(), crc: c.U32()}
	w.stats = Stats{Samples: int(c.U64()), Skipped: int(c.U64()), Large: int(c.U64()), Data: int64(c.U64()), Pages: int64(c.U64()), Bytes: int64(c.U64())}
	if c.Err() != nil {
		return nil, c.Err()
	}
	if w.tail < HeaderSize || w.size < w.tail {
		return nil, fmt.Errorf("a file of %d bytes whose end begins at %d", w.size, w.tail)
	}
	return w, nil
}
