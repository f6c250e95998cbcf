package npk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// EditOptions say how Edit opens a pack; nil and the zero value are the
// defaults.
type EditOptions struct {
	// Create makes an empty pack where there is none.
	Create bool
	// SegmentBytes is as in CreateOptions, for arrays that are saved. Arrays
	// that are in segments already get more of NumPackSegment, unless it is set.
	SegmentBytes int64
}

// Editor changes a pack. Rows are given by their number among those that are
// left; negative ones count from the end.
//
// Changes are seen by the Editor's own methods at once. They stand from Flush
// on, or Close, all of them or none: a process that is killed before leaves the
// pack as it was. After an error of Flush the Editor is of no further use; what it told to
// do is done wholly when the pack is opened next, or not at all.
//
// Methods are for one goroutine at a time; streams, and the bytes of Array, may
// be used beside them, except for Close.
type Editor struct {
	p       *pack
	unlock  func() error
	opts    EditOptions
	stand   map[string]bool // files that the metadata on disk name
	touched map[string]bool // files to bring to disk
	lists   map[string]bool // arrays whose list of segments is to be written
	bitmaps map[string]bool // arrays whose bitmap is to be written or removed
	stale   []string        // files and folders to remove behind the next Flush
	patched int             // bytes of rows that were replaced and wait
	meta    bool            // the metadata are to be written
	open    *draft
	err     error
	done    bool
}

// Edit opens a pack for changes, finishing or sweeping up what a process that
// was killed has left. Packs with symbolic links are refused, and such as
// another Editor has open.
func Edit(path string, opts *EditOptions) (*Editor, error) {
	if opts == nil {
		opts = &EditOptions{}
	}
	if opts.Create {
		if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	unlock, err := lock(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p, err := openPack(path)
	if err != nil {
		return nil, errors.Join(err, unlock())
	}
	e := &Editor{p: p, unlock: unlock, opts: *opts, stand: map[string]bool{}, touched: map[string]bool{}, lists: map[string]bool{}, bitmaps: map[string]bool{}}
	if err := e.begin(); err != nil {
		return nil, errors.Join(err, p.close(), unlock())
	}
	return e, nil
}

func (e *Editor) begin() error {
	if err := e.p.recover(); err != nil {
		return err
	}
	_, err := e.p.root.Lstat(metaFile)
	if errors.Is(err, fs.ErrNotExist) && e.opts.Create {
		if err := e.empty(); err != nil {
			return err
		}
	}
	if err := e.p.noLink(metaFile); err != nil {
		return err
	}
	if err := e.p.load(); err != nil {
		return err
	}
	for _, t := range e.p.tables {
		for _, file := range append(t.files(), bitmapFile(t.name)) {
			if err := e.p.noLink(file); err != nil {
				return err
			}
		}
	}
	e.stood()
	if err := e.sweep(); err != nil {
		return err
	}
	return e.clip()
}

// clip takes away what lies behind the rows that count: NumPack appends at the
// end of a file, wherever its rows end.
func (e *Editor) clip() error {
	for _, t := range e.p.tables {
		if t.dead != nil && t.dead.ahead {
			t.dead.ahead = false
			e.bitmaps[t.name] = true
		}
	}
	if err := e.Flush(); err != nil {
		return err
	}
	for _, t := range e.p.tables {
		for _, f := range t.parts {
			if err := e.cut(t, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut cuts a file behind a part's rows.
func (e *Editor) cut(t *table, p part) error {
	size := int64(p.rows) * int64(t.row)
	info, err := e.p.root.Stat(filepath.FromSlash(p.file))
	if err == nil && info.Size() <= size {
		return nil
	}
	var f *os.File
	if err == nil {
		f, err = e.p.root.OpenFile(filepath.FromSlash(p.file), os.O_WRONLY, 0)
	}
	if err != nil {
		return packError(e.p.root, t.name, p.file, err)
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// empty writes the metadata of a new pack. A folder with anything in it is
// none.
func (e *Editor) empty() error {
	d, err := os.ReadDir(e.p.root.Name())
	if err != nil {
		return err
	}
	for _, f := range d {
		if f.Name() != "npk.lock" && !leftover.MatchString(f.Name()) {
			return fmt.Errorf("%s: no pack, and not empty: %w", e.p.root.Name(), fs.ErrExist)
		}
	}
	b, err := formatMeta(nil)
	if err != nil {
		return err
	}
	return e.p.write(metaFile, b)
}

// files are those that hold an array's rows, and their list and folder.
func (t *table) files() []string {
	list := []string{t.file}
	if isSegmented(t.file) {
		for _, f := range t.parts {
			list = append(list, f.file)
		}
	}
	return list
}

// stood notes what is on disk now.
func (e *Editor) stood() {
	clear(e.stand)
	for _, t := range e.p.tables {
		t.fresh, t.counted = false, t.parts
		for _, file := range t.files() {
			e.stand[fold(file)] = true
		}
	}
}

// leftover are the files that a process that was killed while it changed the
// pack leaves beside.
var leftover = regexp.MustCompile(`^((metadata\.npkm|deleted_.*\.npkb)(\.next)?|npk\.journal|.*\.npkseg)\.partial-[a-z0-9]{6}$|^(metadata\.npkm|deleted_.*\.npkb)\.next$|^npk\.patch$`)

// sweep removes what was written and never counted.
func (e *Editor) sweep() error {
	list, err := os.ReadDir(e.p.root.Name())
	if err != nil {
		return err
	}
	own := map[string]bool{} // files that new data of these arrays would have
	for _, t := range e.p.tables {
		for gen := range 4 {
			if gen > 0 || t.file != dataFile(t.name, 0) && t.file != listFile(t.name, 0) {
				for _, file := range []string{dataFile(t.name, gen), listFile(t.name, gen), segmentDir(t.name, gen)} {
					own[file] = true
				}
			}
		}
	}
	used := map[string]bool{}
	for file := range e.stand {
		dir, _, _ := strings.Cut(file, "/")
		used[dir] = true
	}
	for _, f := range list {
		name := f.Name()
		if leftover.MatchString(name) || own[name] && !used[fold(name)] {
			if err := os.RemoveAll(e.p.path(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Name returns the pack's path as Edit got it.
func (e *Editor) Name() string { return e.p.root.Name() }

// Members returns the arrays with the rows that are left.
func (e *Editor) Members() []array.Member { return e.p.members() }

// Array is File.Array. The bytes stay valid until Close; later changes of the
// array may show in them or not.
func (e *Editor) Array(name string) (array.Strided, error) { return e.p.array(name) }

// Rows is File.Rows.
func (e *Editor) Rows(name string, rows []int) (array.Array, error) { return e.p.gather(name, rows) }

// Stream is File.Stream, of the rows that are left now; it is of no use any
// more when the array is saved or compacted.
func (e *Editor) Stream(name string, chunk int) (array.Stream, error) {
	return e.p.stream(name, chunk, 0)
}

// ready says whether a change may begin.
func (e *Editor) ready() error {
	switch {
	case e.done:
		return errDone
	case e.err != nil:
		return e.err
	case e.open != nil:
		return errOpen
	}
	return nil
}

func (e *Editor) table(name string) (*table, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	return e.p.find(name)
}

// Save writes an array, which replaces one of that name, of whatever type and
// shape. What is stored, and what isn't, is as with Writer.Add.
func (e *Editor) Save(name string, a array.Strided) error {
	s, err := e.Add(array.Member{Name: name, Spec: a.Spec})
	if err != nil {
		return err
	}
	if err := array.Copy(s, array.StreamOf(a, 0), nil); err != nil {
		s.Close() // which fails too, and leaves nothing
		return err
	}
	return s.Close()
}

// Add is Save by rows, as Writer.Add. The array is there once the sink is
// closed.
func (e *Editor) Add(m array.Member) (array.Sink, error) {
	if err := e.ready(); err != nil {
		return nil, err
	}
	for _, t := range e.p.tables {
		if err := clash(t.name, m.Name); err != nil && t.name != m.Name {
			return nil, err
		}
	}
	return e.sink(m, e.opts.SegmentBytes)
}

// sink begins new files for an array, of names that nothing has.
func (e *Editor) sink(m array.Member, segment int64) (array.Sink, error) {
	gen := 0
	for busy := true; busy; {
		busy = false
		for _, file := range []string{dataFile(m.Name, gen), listFile(m.Name, gen), segmentFile(m.Name, gen, 0)} {
			busy = busy || e.busy(file)
		}
		if busy {
			gen++
		}
	}
	d, err := newDraft(e.p.root, m, gen, segment, dataFile(m.Name, gen))
	if err != nil {
		return nil, err
	}
	t := d.taker(e.saved)
	end := t.End
	t.End = func(rows int, failed error) error {
		e.open = nil
		return end(rows, failed)
	}
	s, err := array.NewSink(m, t)
	if err != nil {
		return nil, errors.Join(err, d.drop())
	}
	e.open = d
	return s, nil
}

// busy tells whether a file counts, on disk or for this Editor.
func (e *Editor) busy(file string) bool {
	if e.stand[fold(file)] {
		return true
	}
	for _, t := range e.p.tables {
		for _, f := range t.files() {
			if fold(f) == fold(file) {
				return true
			}
		}
	}
	return false
}

// saved puts a new array in the place of the old one.
func (e *Editor) saved(r *record, parts []part) error {
	t := &table{record: *r, parts: parts, fresh: true}
	for _, f := range parts {
		e.p.forget(f.file)
	}
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.meta = true
	for i, old := range e.p.tables {
		if old.name == t.name {
			e.leave(old)
			e.p.tables[i] = t
			return nil
		}
	}
	e.p.tables = append(e.p.tables, t)
	e.bitmaps[t.name] = true // one of an array that is no longer there
	return nil
}

// leave notes an array's files for removal.
func (e *Editor) leave(t *table) {
	e.stale = append(e.stale, t.files()...)
	delete(e.lists, t.name)
	e.bitmaps[t.name] = true
	for _, file := range t.files() {
		delete(e.touched, file)
	}
}

// Append adds rows behind an array's last, of its type, in either byte order,
// and its other dimensions.
func (e *Editor) Append(name string, a array.Strided) error {
	t, err := e.table(name)
	if err != nil {
		return err
	}
	have, _, err := stored(a.DType)
	if err != nil {
		return fmt.Errorf("npk: array %q: %w", name, err)
	}
	if have != t.dtype || len(a.Shape) != len(t.shape) || !slices.Equal(a.Shape[1:], t.shape[1:]) {
		return fmt.Errorf("npk: array %q: rows of %v, want those of %v", name, a.Spec, t.spec(t.left()))
	}
	if a.Shape[0] == 0 {
		return nil
	}
	if !a.IsContiguous() {
		step := max(1, bufferBytes/max(t.row, 1))
		for i := 0; i < a.Shape[0]; i += step {
			if err := e.Append(name, a.Slice(0, i, min(i+step, a.Shape[0]), 1).AsContiguous().Strided()); err != nil {
				if i > 0 {
					e.err = err // some rows are there, some aren't
				}
				return err
			}
		}
		return nil
	}
	rows, err := take(&t.record, a.DType, a.AsContiguous())
	if err != nil {
		return err
	}
	data, n := rows.Data, rows.Shape[0]
	grown, err := e.extend(t, data, n)
	if err != nil {
		return err
	}
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	t.parts = grown
	t.shape = append([]int{t.rows() + n}, t.shape[1:]...)
	t.modified = now()
	if t.dead != nil {
		t.dead.extend(n)
		e.bitmaps[name] = true
	}
	if isSegmented(t.file) {
		e.lists[name] = true
	}
	e.meta = true
	return nil
}

// extend writes rows behind those that count, into the last file and, where
// there are segments, new ones.
func (e *Editor) extend(t *table, data []byte, n int) ([]part, error) {
	parts, rows, most := slices.Clone(t.parts), t.rows(), n+t.rows()
	if isSegmented(t.file) && t.row > 0 {
		segment := e.opts.SegmentBytes
		if segment <= 0 {
			segment = NumPackSegment
		}
		most = int(max(1, segment/int64(t.row)))
	}
	for n > 0 {
		if len(parts) == 0 || parts[len(parts)-1].rows >= most {
			file, err := e.segment(t, len(parts))
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{file: file, start: rows})
		}
		p := &parts[len(parts)-1]
		k := min(n, most-p.rows)
		if err := e.writeBehind(t, *p, data[:k*t.row]); err != nil {
			return nil, err
		}
		p.rows, rows, n, data = p.rows+k, rows+k, n-k, data[k*t.row:]
	}
	return parts, nil
}

// segment makes the file of one more segment, as NumPack would call it if that
// name is free.
func (e *Editor) segment(t *table, i int) (string, error) {
	dir := segmentDir(t.name, 0)
	if len(t.parts) > 0 {
		dir, _, _ = strings.Cut(t.parts[0].file, "/")
	}
	if err := e.p.noLink(dir); err != nil {
		return "", err
	}
	if err := e.p.root.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	for ; ; i++ {
		file := fmt.Sprintf("%s/seg_%06d.npkd", dir, i)
		if e.busy(file) {
			continue
		}
		if err := e.p.root.Remove(filepath.FromSlash(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		f, err := e.p.root.OpenFile(filepath.FromSlash(file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return "", err
		}
		return file, f.Close()
	}
}

// writeBehind writes behind a part's rows; what lay there never counted.
func (e *Editor) writeBehind(t *table, p part, data []byte) error {
	f, err := e.p.root.OpenFile(filepath.FromSlash(p.file), os.O_WRONLY, 0)
	if err != nil {
		return packError(e.p.root, t.name, p.file, err)
	}
	off := int64(p.rows) * int64(t.row)
	info, err := f.Stat()
	if err == nil && info.Size() > off {
		err = f.Truncate(off)
	}
	if err == nil {
		err = aside.WriteAt(f, data, off)
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(off))
	}
	e.p.forget(p.file)
	e.touched[p.file] = true
	return errors.Join(err, f.Close())
}

// Drop takes rows away. One that isn't there is an error, and nothing is
// dropped; one that is named twice is dropped once. The bytes stay in the files
// until Compact.
func (e *Editor) Drop(name string, rows []int) error {
	t, err := e.table(name)
	if err != nil {
		return err
	}
	at, err := e.p.locate(t, rows)
	if err != nil || len(at) == 0 {
		return err
	}
	dead := t.dead.clone()
	if dead == nil {
		dead = newBitmap(t.rows())
	}
	for _, row := range at {
		dead.drop(row)
	}
	e.dropped(t, dead)
	return nil
}

func (e *Editor) dropped(t *table, dead *bitmap) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	t.dead = dead
	e.bitmaps[t.name] = true
}

// DropAll takes all rows of an array away, which stays in the pack, as NumPack's
// drop without rows has it. Remove takes the array away.
func (e *Editor) DropAll(name string) error {
	t, err := e.table(name)
	if err != nil {
		return err
	}
	e.dropped(t, &bitmap{words: make([]uint64, words(t.rows())), rows: t.rows()})
	return nil
}

// Remove takes an array out of the pack, and its files away.
func (e *Editor) Remove(name string) error {
	t, err := e.table(name)
	if err != nil {
		return err
	}
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	e.leave(t)
	e.p.tables = slices.DeleteFunc(slices.Clone(e.p.tables), func(o *table) bool { return o == t })
	e.meta = true
	return nil
}

// Compact writes an array anew without the rows that were dropped; one that
// has none is left as it is.
func (e *Editor) Compact(name string) error {
	t, err := e.table(name)
	if err != nil || t.dead == nil {
		return err
	}
	segment := e.opts.SegmentBytes
	if isSegmented(t.file) && segment <= 0 {
		segment = NumPackSegment
	}
	in, err := e.p.stream(name, 0, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	s, err := e.sink(array.Member{Name: name, Spec: t.spec(t.left())}, segment)
	if err != nil {
		return err
	}
	if err := array.Copy(s, in, nil); err != nil {
		s.Close() // which fails too, and leaves nothing
		return err
	}
	return s.Close()
}
