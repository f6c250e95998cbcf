package ffcv

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"
)

// journal notes how far a build is safe on the disk. The placer tells it where
// the build stands after each part of a chunk (placed), writers tell which parts
// are written (wrote), and a goroutine of its own (run) syncs the files now and
// then and notes the last standing all of whose parts were written by then: none
// of them ever waits for the disk.
type journal struct {
	disk  disk
	f     file
	name  string
	build uint64
	at    int64 // where the next record goes
	room  int64 // up to where the file has space on the disk

	part     *partial
	page     int64
	interval time.Duration
	begun    time.Time // this run of the build

	mu      sync.Mutex
	queue   []standing // after each part that was placed, from base on
	wrotes  []bool     // which of these parts are written
	base    int64
	written standing       // everything before it is written
	skips   []*SampleError // let go, the first ones not yet noted
	noted   int64          // skips that were

	check  sync.Mutex // one checkpoint at a time; guards what follows
	stands standing   // as noted last
	saved  int        // notes made, by earlier runs too
	spools int        // that the folder was synced with; -1 none yet
	moved  bool       // no standing holds any more
	failed error      // a sync: what the disk has is not known any more
	buf    []byte

	wake  chan struct{} // there may be something to note
	stop  chan struct{}
	ended chan struct{} // run has ended; nil before it began
}

const (
	defaultInterval = 2 * time.Second
	journalRoom     = 64 << 10 // by which a journal grows, so that a full disk has room for the last note
	tailWindow      = 64 << 10 // of the pages' last bytes that a note has a checksum of
)

// createJournal makes the file with its first record, safe on the disk.
func createJournal(d disk, name string, build uint64, list []Setting) (*journal, error) {
	f, err := d.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{disk: d, f: f, name: name, build: build, spools: -1}
	b := appendBegin([]byte(journalMagic), build, list)
	if len(b) > maxRecord {
		err = fmt.Errorf("%d bytes of settings", len(b))
	} else {
		err = j.append(b)
	}
	if err == nil {
		// Before the partial file, which without a journal is nobody's.
		err = d.syncDir(filepath.Dir(name))
	}
	if err != nil {
		f.Close()
		_ = removeIfThere(d, name)
		return nil, err
	}
	return j, nil
}

// openJournal goes on with a journal that tells h.
func openJournal(d disk, name string, h *history) (*journal, error) {
	f, err := d.open(name, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	j := &journal{disk: d, f: f, name: name, build: h.build, at: h.end, room: h.end, spools: -1, saved: 1}
	j.stands, j.written, j.noted = *h.stand, *h.stand, h.stand.skipped
	if err := f.Truncate(h.end); err != nil { // half a record, maybe
		f.Close()
		return nil, err
	}
	return j, nil
}

// append writes records and makes them safe.
func (j *journal) append(b []byte) error {
	end := j.at + int64(len(b))
	if j.room < end+recordHead {
		room := end + journalRoom
		if _, err := writeFull(j.f, make([]byte, room-end), end); err != nil {
			return fmt.Errorf("journal: %w", err)
		}
		j.room = room
	}
	if _, err := writeFull(j.f, b, j.at); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	if err := syncFull(j.f, true); err != nil {
		j.failed = fmt.Errorf("journal: %w", err)
		return j.failed
	}
	j.at = end
	return nil
}

// placed takes the standing after a part that was placed, and returns the part's
// number.
func (j *journal) placed(s standing) (part int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.queue, j.wrotes = append(j.queue, s), append(j.wrotes, false)
	return j.base + int64(len(j.queue)) - 1
}

// wrote says that a part is written.
func (j *journal) wrote(part int64) {
	j.mu.Lock()
	j.wrotes[part-j.base] = true
	n := 0
	for n < len(j.wrotes) && j.wrotes[n] {
		n++
	}
	if n > 0 {
		j.written = j.queue[n-1]
		j.queue = append(j.queue[:0], j.queue[n:]...)
		j.wrotes = append(j.wrotes[:0], j.wrotes[n:]...)
		j.base += int64(n)
	}
	j.mu.Unlock()
	if n > 0 {
		select {
		case j.wake <- struct{}{}:
		default:
		}
	}
}

// skip takes a sample that was let go.
func (j *journal) skip(e *SampleError) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.skips = append(j.skips, e)
}

// start runs the goroutine that makes the notes; end ends it, and waits.
func (j *journal) start(fail func(error)) {
	j.wake, j.stop, j.ended = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	j.begun = time.Now()
	go func() { // ends when stop is closed
		defer close(j.ended)
		defer func() {
			if r := recover(); r != nil {
				fail(&PanicError{Value: r, Stack: debug.Stack()})
			}
		}()
		if err := j.run(); err != nil {
			fail(err)
		}
	}()
}

func (j *journal) end() {
	if j.stop != nil {
		close(j.stop)
		<-j.ended
		j.stop = nil
	}
}

// run makes a note when one is due, until stop is closed.
func (j *journal) run() error {
	last := j.begun.Add(-j.interval / 8) // the first full page is noted at once
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-j.stop:
			return nil
		case <-j.wake:
		case <-timer.C:
		}
		due := last.Add(j.interval / 8)
		if !j.pageFull() {
			due = last.Add(j.interval / 2)
		}
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			continue
		}
		last = time.Now()
		if err := j.note(); err != nil {
			return err
		}
		timer.Reset(j.interval / 2)
	}
}

// pageFull says whether a page's worth of bytes came since the last note.
func (j *journal) pageFull() bool {
	j.check.Lock()
	noted := j.stands.data
	j.check.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.written.data-noted >= j.page
}

// note makes everything that is written safe, and says so.
func (j *journal) note() (err error) {
	j.check.Lock()
	defer j.check.Unlock()
	j.mu.Lock()
	s := j.written
	fresh := j.skips[:s.skipped-j.noted]
	j.mu.Unlock()
	if s.next == j.stands.next || j.moved || j.failed != nil {
		return j.failed
	}
	if s.tail, err = j.tailSum(&s); err != nil {
		return err
	}
	if err := j.sync(); err != nil {
		j.failed = err
		return err
	}
	j.buf = j.buf[:0]
	for _, e := range fresh {
		// A record of any length must end up whole or not at all.
		if j.buf = appendSkip(j.buf, j.build, e); len(j.buf) > 1<<20 {
			if err := j.append(j.buf); err != nil {
				return err
			}
			j.buf = j.buf[:0]
		}
	}
	j.buf = s.append(j.buf, j.build)
	if err := j.append(j.buf); err != nil {
		return err
	}
	j.stands = s
	j.saved++
	j.mu.Lock()
	j.skips, j.noted = j.skips[len(fresh):], s.skipped
	j.mu.Unlock()
	return nil
}

// sync makes the partial file and the spools safe, and their names.
func (j *journal) sync() error {
	if err := syncFull(j.part.file, true); err != nil {
		return err
	}
	list := j.part.spoolList()
	for _, s := range list {
		if err := syncFull(s.f, true); err != nil {
			return err
		}
	}
	if j.spools < len(list) {
		if err := j.disk.syncDir(filepath.Dir(j.name)); err != nil {
			return err
		}
		j.spools = len(list)
	}
	return nil
}

// tailSum is the checksum of the last bytes in the pages.
func (j *journal) tailSum(s *standing) (uint32, error) {
	b := make([]byte, min(tailWindow, s.high))
	if _, err := j.part.ReadAt(b, s.high-int64(len(b))); err != nil && err != io.EOF {
		return 0, err
	}
	return crc32.Checksum(b, castagnoli), nil
}

// last makes a note when a build ends early, if it's worth keeping, and says
// whether there is one.
func (j *journal) last() bool {
	j.mu.Lock()
	worth := j.written.data-j.stands.data >= j.page || j.written.next > 0 && !j.begun.IsZero() && time.Since(j.begun) >= j.interval/2
	j.mu.Unlock()
	if j.saved > 0 || worth {
		_ = j.note() // the earlier notes hold all the same
	}
	return j.saved > 0 && !j.moved
}

// move notes that no standing holds from now on.
func (j *journal) move() error {
	if j.saved == 0 {
		j.moved = true
		return nil
	}
	err := j.append(appendRecord(nil, j.build, recordMove, nil))
	j.moved = j.moved || err == nil
	return err
}

// done notes that the file is whole.
func (j *journal) done(w whole) error { return j.append(w.append(nil, j.build)) }

// close closes the journal, and removes it unless it is to be kept.
func (j *journal) close(keep bool) error {
	err := j.f.Close()
	if keep {
		return err
	}
	if rmErr := removeIfThere(j.disk, j.name); err == nil {
		err = rmErr
	}
	return err
}

// ends appends where strings end that begin at at, as their spool has it.
func appendEnds(dst []byte, at int64, ends []int) []byte {
	for _, end := range ends {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(at)+uint64(end))
	}
	return dst
}

// tally adds a placed part to the checksums of everything.
func (s *streamSums) tally(c *chunk, scratch []byte) []byte {
	add := func(sum *uint32, b []byte) { *sum = crc32.Update(*sum, castagnoli, b) }
	add(&s.rows, c.rows)
	add(&s.table, c.table)
	add(&s.regions, c.sums)
	add(&s.keys, c.keys)
	add(&s.marks, c.marks)
	scratch = appendEnds(scratch[:0], c.keyAt, c.ends)
	add(&s.keyEnds, scratch)
	scratch = appendEnds(scratch[:0], c.markAt, c.markEnds)
	add(&s.markEnds, scratch)
	return scratch
}
