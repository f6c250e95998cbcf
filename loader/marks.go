package loader

import (
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// Marker is the ability of a Dataset that keeps checkpoints of its JPEGs
// (rgb.AppendMarks), as *ffcv.File does where the file has them. Marks returns
// those of a sample's value in a field (an index in Fields), nil for none:
// borrowed, or read into buf (grown when it is too small), as Bytes does. It is
// called by many goroutines at once; what it returns is read only, and valid as
// long as the image's bytes are.
type Marker interface {
	Marks(sample, field int, buf []byte) ([]byte, error)
}

// defaultMarksMemory is what Options.MarksMemory 0 means.
const defaultMarksMemory = 64 << 20

const (
	marksBlock = 1 << 20 // taken from the system at a time
	marksUnit  = 4       // bytes; places are counted in it
)

// What a slot of markStore says. From slotFirst on it is a place.
const (
	slotUnknown = 0 // never looked at
	slotNone    = 1 // no marks, or no room for them
	slotFirst   = 2
)

// markStore holds the marks that a loader has made of images whose file brings
// none. They lie outside the Go heap, and never move. Looking up takes no lock.
// With Options.MarksFile it also has those of that file, and keeps its own as
// the file's entries.
type markStore struct {
	fields []markField // by field
	total  int         // samples
	mem    *markMemory // of no room when none are to be made
	side   *sideFile   // nil: without Options.MarksFile
	made   atomic.Int64
}

// markField finds the marks of a field's samples.
type markField struct {
	once  sync.Once
	slots []atomic.Uint32
	made  atomic.Bool // some for a side file
}

// markMemory is where the marks lie, each after its length in four bytes.
type markMemory struct {
	mu     sync.Mutex
	blocks [][]byte                    // set before the first slot that points there
	size   int                         // of a block
	take   func(n int) ([]byte, error) // a new block
	give   func([]byte) error          // the block goes
	end    func() error                // after the last block; nil: nothing
	last   int                         // block being filled, -1 at first
	used   int                         // of the last block
	err    error                       // why there was no further block
	users  int                         // epochs under way
	closed bool
}

func newMarkStore(p *plan) *markStore {
	if p.marksFile != "" {
		return newSideStore(p)
	}
	budget := min(p.marksMemory, math.MaxUint32/2) // so that slots can tell the places
	size := min(budget, marksBlock) &^ (marksUnit - 1)
	if size == 0 {
		return nil
	}
	return &markStore{
		fields: make([]markField, len(p.fields)),
		total:  p.total,
		mem:    &markMemory{blocks: make([][]byte, budget/size), size: size, take: mmap.Anon, give: mmap.Free, last: -1},
	}
}

// get returns what put kept of a sample. known is false when nothing was put.
func (s *markStore) get(field, sample int) (kept []byte, known bool) {
	f := &s.fields[field]
	f.once.Do(func() { f.slots = make([]atomic.Uint32, s.total) })
	switch v := f.slots[sample].Load(); v {
	case slotUnknown:
		return nil, false
	case slotNone:
		return nil, true
	default:
		at := int(v-slotFirst) * marksUnit
		b := s.mem.blocks[at/s.mem.size][at%s.mem.size:]
		n := int(binary.LittleEndian.Uint32(b))
		return b[4 : 4+n : 4+n], true
	}
}

// put keeps the marks of a sample that get did not know, if there is room.
func (s *markStore) put(field, sample int, marks []byte) {
	slot := &s.fields[field].slots[sample]
	m := s.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if slot.Load() != slotUnknown {
		return // another worker was quicker
	}
	at, ok := 0, len(marks) > 0 && len(marks) <= m.size-4
	if ok {
		at, ok = m.room((4 + len(marks) + marksUnit - 1) &^ (marksUnit - 1))
	}
	if !ok {
		slot.Store(slotNone)
		return
	}
	b := m.blocks[at/m.size][at%m.size:]
	binary.LittleEndian.PutUint32(b, uint32(len(marks)))
	copy(b[4:], marks)
	slot.Store(uint32(at/marksUnit) + slotFirst)
}

// room gives n bytes, at most a block, or false when the budget is spent.
func (m *markMemory) room(n int) (at int, ok bool) {
	if m.last < 0 || n > m.size-m.used {
		if m.closed || m.err != nil || m.last+1 >= len(m.blocks) {
			return 0, false
		}
		b, err := m.take(m.size)
		if err != nil {
			m.err = err
			return 0, false
		}
		m.last, m.used = m.last+1, 0
		m.blocks[m.last] = b
	}
	at = m.last*m.size + m.used
	m.used += n
	return at, true
}

// use keeps the memory until the matching leave.
func (m *markMemory) use() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users++
}

func (m *markMemory) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.users--; m.users == 0 && m.closed {
		m.free()
	}
}

// close frees the memory, or lets the last user do it.
func (m *markMemory) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.users > 0 {
		return nil
	}
	return m.free()
}

func (m *markMemory) free() error {
	var errs []error
	for i, b := range m.blocks[:m.last+1] {
		errs = append(errs, m.give(b))
		m.blocks[i] = nil
	}
	m.last = -1
	if m.end != nil {
		errs = append(errs, m.end())
		m.end = nil
	}
	return errors.Join(errs...)
}

// marks returns the checkpoints of a sample's JPEG: the file's, or those made
// when the sample was first loaded, which may be now. Without any it is nil: a
// photo without marks decodes to the same pixels.
func (w *worker) marks(o *output, id int, jpeg []byte) []byte {
	if !o.marked {
		return nil
	}
	if w.plan.marker != nil {
		if cap(w.made) == 0 {
			w.made = make([]byte, 0, 1<<10)
		}
		m, err := w.plan.marker.Marks(id, o.field, w.made)
		if w.meter.on && !w.plan.lends {
			w.meter.lap(w.out, stageRead, 0)
		}
		if !w.plan.lends && cap(m) > cap(w.made) {
			w.made = m[:0]
		}
		if err == nil && len(m) > 0 {
			w.meter.marksFound++
			return m
		}
	}
	store := w.epoch.marks
	switch {
	case store == nil:
		return nil
	case store.side != nil:
		return w.sideMarks(o, id, jpeg)
	}
	if m, known := store.get(o.field, id); known {
		w.meter.marksFound++
		return m
	}
	w.meter.marksMade++
	w.make(jpeg)
	store.put(o.field, id, w.made)
	return w.made
}

// make makes a JPEG's marks.
func (w *worker) make(jpeg []byte) {
	var err error
	if w.made, err = rgb.AppendMarks(w.made[:0], jpeg); err != nil {
		w.made = w.made[:0] // decoding tells what is wrong, if that part is needed
	}
}
