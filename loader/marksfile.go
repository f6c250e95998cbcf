package loader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/mmap"
)

// Identifier is the ability of a Dataset to tell what file it is, as *ffcv.File
// does: Options.MarksFile needs it.
type Identifier interface {
	Identity() (ffcv.Identity, error)
}

// sideBlock is what a side file's scratch takes at a time.
const sideBlock = 16 << 20

// sideFile is a markStore's part in Options.MarksFile. The marks that the file
// lacks lie in the store as the file's entries, in scratch files.
type sideFile struct {
	path  string
	of    ffcv.Identity
	has   *ffcv.MarksFile // nil: none yet
	makes bool
}

// marked says whether some output uses marks.
func (p *plan) marked() bool {
	return slices.ContainsFunc(p.outputs, func(o output) bool { return o.marked })
}

// tell hands a message to Options.Warn.
func (p *plan) tell(format string, args ...any) {
	if p.warn != nil {
		p.warn(fmt.Sprintf(format, args...))
	}
}

// setMarksFile checks Options.MarksFile: it can be used, or made.
func (p *plan) setMarksFile(opts *Options) error {
	p.warn = opts.Warn
	if opts.MarksFile == "" || !p.marked() || p.marksFile != "" { // checked for other outputs already
		return nil
	}
	ds, ok := p.ds.(Identifier)
	if !ok {
		return fmt.Errorf("loader: MarksFile: %s is a %T, which has no Identity", p.name, p.ds)
	}
	var err error
	if p.identity, err = ds.Identity(); err != nil {
		return err
	}
	if p.identity.Samples != p.total {
		return fmt.Errorf("loader: MarksFile: %s has %d samples, the file that it is of %d", p.name, p.total, p.identity.Samples)
	}
	p.marksFile = opts.MarksFile
	m, err := ffcv.OpenMarks(p.marksFile, p.identity)
	switch stale := errors.Is(err, ffcv.ErrStale); {
	case err == nil:
		err = m.Close()
	case !stale && !errors.Is(err, fs.ErrNotExist) || p.marksMemory == 0: // as it is, it won't do, or there is none to come
	default:
		if stale {
			p.tell("%v; it is replaced when marks are made", err)
		}
		err = ffcv.CheckMarksTarget(p.marksFile)
	}
	if err != nil {
		return fmt.Errorf("loader: MarksFile: %w", err)
	}
	return nil
}

// newSideStore makes a store over the side file as it is now.
func newSideStore(p *plan) *markStore {
	side := &sideFile{path: p.marksFile, of: p.identity, makes: p.marksMemory > 0}
	var err error
	if side.has, err = ffcv.OpenMarks(side.path, side.of); err != nil {
		side.has = nil // New has told, or it came to this since: then it will be replaced or told
	}
	scratch := map[*byte]*mmap.Scratch{}
	m := &markMemory{size: sideBlock, last: -1, end: side.close}
	if side.makes {
		m.blocks = make([][]byte, math.MaxUint32/2/sideBlock*marksUnit)
	}
	m.take = func(n int) ([]byte, error) {
		s, err := mmap.Create(side.path+".partial-"+strconv.FormatUint(rand.Uint64(), 36), int64(n))
		if err != nil {
			return nil, err
		}
		b := s.Bytes()
		scratch[&b[0]] = s
		return b, nil
	}
	m.give = func(b []byte) error { return scratch[&b[0]].Close() }
	return &markStore{fields: make([]markField, len(p.fields)), total: p.total, mem: m, side: side}
}

func (s *sideFile) close() error {
	if s.has == nil {
		return nil
	}
	return s.has.Close()
}

// sideMarks is marks with a side file.
func (w *worker) sideMarks(o *output, id int, jpeg []byte) []byte {
	store := w.epoch.marks
	if has := store.side.has; has != nil {
		if m, known := has.Marks(id, o.field, jpeg); known {
			w.meter.marksFound++
			return m
		}
	}
	if !store.side.makes {
		return nil
	}
	if e, known := store.get(o.field, id); known {
		w.meter.marksFound++
		return ffcv.EntryMarks(e)
	}
	w.meter.marksMade++
	w.make(jpeg)
	w.entry = ffcv.AppendMarksEntry(w.entry[:0], jpeg, w.made)
	store.put(o.field, id, w.entry)
	if len(w.made) > 0 {
		store.fields[o.field].made.Store(true)
		store.made.Add(1)
	}
	return w.made
}

// save adds what was made to the side file, unless nothing was.
func (s *markStore) save(ctx context.Context) error {
	made := s.made.Load()
	if s.side == nil || made == 0 {
		return nil
	}
	var list []int
	for k := range s.fields {
		if s.fields[k].made.Load() {
			list = append(list, k)
		}
	}
	err := ffcv.UpdateMarks(ctx, s.side.path, s.side.of, list, func(sample, field int) []byte {
		if !slices.Contains(list, field) {
			return nil // another loader's
		}
		e, _ := s.get(field, sample)
		return e
	})
	if err != nil {
		return fmt.Errorf("loader: side file of marks: %w", err)
	}
	s.made.Add(-made)
	return nil
}

// saveMarks saves the marks at the end of an epoch, unless another one still
// makes some. What is saved is given up: the next epoch reads the file.
func (p *pool) saveMarks(ctx context.Context, s *markStore) {
	if s == nil || s.made.Load() == 0 || !s.mem.alone() {
		return
	}
	if err := s.save(ctx); err != nil {
		if ctx.Err() == nil {
			p.plan.tell("%v", err)
		}
		return
	}
	if err := s.mem.failure(); err != nil {
		p.plan.tell("loader: side file of marks: some are missing, for want of space: %v", err)
	}
	p.marks.drop(s)
	if err := s.mem.close(); err != nil { // in fact when the epoch leaves it
		p.plan.tell("%v", err)
	}
}

// alone says whether only one epoch uses the memory.
func (m *markMemory) alone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.users == 1
}

// failure says why marks had no room, nil if they had.
func (m *markMemory) failure() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}
