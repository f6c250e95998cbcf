package npk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// Flush makes the changes so far stand.
func (e *Editor) Flush() error {
	if err := e.ready(); err != nil {
		return err
	}
	if !e.meta && len(e.bitmaps) == 0 {
		return nil
	}
	err := e.prepare()
	if err == nil {
		err = e.commit()
	}
	if err != nil {
		e.err = fmt.Errorf("%s: %w", e.p.root.Name(), err)
		return e.err
	}
	e.stood()
	for _, file := range e.stale {
		if !e.busy(file) {
			e.p.root.Remove(filepath.FromSlash(file)) // what stays is swept up later
			if dir := filepath.Dir(filepath.FromSlash(file)); dir != "." {
				e.p.root.Remove(dir) // once it is empty
			}
		}
	}
	if e.patched > 0 {
		e.p.root.Remove(patchFile) // of an array that was saved since
	}
	e.stale, e.meta, e.patched = nil, false, 0
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	for _, t := range e.p.tables {
		t.patch = nil
	}
	clear(e.bitmaps)
	return nil
}

// prepare brings to disk what counts once the metadata tell of it: rows, and
// lists of segments, of which readers take no more than the metadata's rows.
func (e *Editor) prepare() error {
	if err := syncDir(e.p.root.Name()); err != nil { // the names of new files
		return err
	}
	for file := range e.touched {
		f, err := e.p.root.OpenFile(filepath.FromSlash(file), os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if dir := filepath.Dir(e.p.path(file)); dir != e.p.root.Name() {
			if err := syncDir(dir); err != nil {
				return err
			}
		}
	}
	clear(e.touched)
	for _, t := range e.p.tables {
		if !e.lists[t.name] {
			continue
		}
		b, err := formatList(t.parts, t.row)
		if err == nil {
			err = e.p.write(t.file, b)
		}
		if err != nil {
			return err
		}
	}
	clear(e.lists)
	return nil
}

// change is a file to be replaced, or removed.
type change struct {
	file   string
	body   []byte
	remove bool
}

// commit replaces metadata and bitmaps: by one rename where that is all, else
// by a journal.
func (e *Editor) commit() error {
	changes, err := e.changes()
	if err != nil {
		return err
	}
	patches, err := e.patches()
	if err != nil {
		return err
	}
	if len(changes) == 1 && len(patches) == 0 {
		if c := changes[0]; !c.remove {
			return e.p.write(c.file, c.body)
		}
	}
	if len(changes)+len(patches) == 0 {
		return nil
	}
	steps := slices.Clone(patches)
	for _, c := range changes {
		if c.remove {
			steps = append(steps, step{Do: "remove", To: c.file})
			continue
		}
		if err := e.p.noLink(c.file); err != nil {
			return err
		}
		if err := aside.WriteFile(e.p.path(c.file+next), c.body, true); err != nil {
			return err
		}
		steps = append(steps, step{Do: "rename", From: c.file + next, To: c.file})
	}
	return e.p.commit(steps)
}

// changes are the bitmaps first: one that knows of more rows than the metadata
// is as good as its elder.
func (e *Editor) changes() ([]change, error) {
	var list []change
	for name := range e.bitmaps {
		c := change{file: bitmapFile(name), remove: true}
		for _, t := range e.p.tables {
			if t.name == name && t.dead != nil {
				c.body, c.remove = t.dead.format(), false
			}
		}
		if c.remove {
			if _, err := e.p.root.Lstat(c.file); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		list = append(list, c)
	}
	if !e.meta {
		return list, nil
	}
	records := make([]*record, len(e.p.tables))
	for i, t := range e.p.tables {
		records[i] = &t.record
	}
	b, err := formatMeta(records)
	return append(list, change{file: metaFile, body: b}), err
}

// maxPatch is how many bytes of replaced rows are held in memory.
const maxPatch = 64 << 20

// Replace writes rows in the place of others, the first of a in that of
// rows[0] and so on; of a row that is named twice the last one stays. Up to 64
// MiB of them wait in memory for the next Flush; one follows by itself where
// there are more.
func (e *Editor) Replace(name string, rows []int, a array.Strided) error {
	t, err := e.table(name)
	if err != nil {
		return err
	}
	at, err := e.p.locate(t, rows)
	if err != nil {
		return err
	}
	have, _, err := stored(a.DType)
	if err != nil {
		return fmt.Errorf("npk: array %q: %w", name, err)
	}
	if want := t.spec(len(rows)); have != t.dtype || !slices.Equal(a.Shape, want.Shape) {
		return fmt.Errorf("npk: array %q: %v in the place of %v", name, a.Spec, want)
	}
	if len(rows) == 0 || t.row == 0 {
		return nil
	}
	step := max(1, bufferBytes/t.row)
	for i := 0; i < len(at); i += step {
		part := a.Slice(0, i, min(i+step, len(at)), 1).AsContiguous()
		if a.DType != t.dtype {
			part = array.SwapBytes(part)
		}
		e.replace(t, at[i:min(i+step, len(at))], part.Data)
		if e.patched > maxPatch {
			if err := e.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// replace keeps a copy of rows for the next Flush.
func (e *Editor) replace(t *table, at []int, data []byte) {
	e.p.mu.Lock()
	defer e.p.mu.Unlock()
	if t.patch == nil {
		t.patch = map[int][]byte{}
	}
	data = bytes.Clone(data)
	for i, row := range at {
		t.patch[row] = data[i*t.row : (i+1)*t.row : (i+1)*t.row]
	}
	t.modified = now()
	e.patched += len(data)
	e.meta = true
}

// patches writes the pieces that replace rows, and returns a step for each file
// that they are of.
func (e *Editor) patches() ([]step, error) {
	if e.patched == 0 {
		return nil, nil
	}
	if err := e.p.root.Remove(patchFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	f, err := e.p.root.OpenFile(patchFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, bufferBytes/4)
	var steps []step
	for _, t := range e.p.tables {
		at, k := slices.Sorted(maps.Keys(t.patch)), -1
		for i := 0; i < len(at); {
			p := t.parts[t.part(at[i])]
			n := 1 // rows that lie together
			for i+n < len(at) && at[i+n] == at[i]+n && at[i+n] < p.start+p.rows {
				n++
			}
			head := binary.LittleEndian.AppendUint16(nil, uint16(len(p.file)))
			head = append(head, p.file...)
			head = binary.LittleEndian.AppendUint64(head, uint64(at[i]-p.start)*uint64(t.row))
			head = binary.LittleEndian.AppendUint64(head, uint64(n)*uint64(t.row))
			w.Write(head) // Flush gives the error
			for _, row := range at[i : i+n] {
				w.Write(t.patch[row])
			}
			if k != p.start {
				steps, k = append(steps, step{Do: "patch", From: patchFile, To: p.file}), p.start
			}
			i += n
		}
	}
	return steps, errors.Join(w.Flush(), f.Sync())
}

// Close is Flush, and gives the pack back. Without it, or when it fails before
// the changes count, the pack stays as it was.
func (e *Editor) Close() error {
	if e.done {
		return errDone
	}
	err := e.err
	if err == nil {
		err = e.Flush()
	}
	return errors.Join(err, e.end())
}

// Abort gives the pack back without the changes since the last Flush. Behind
// Close it does nothing, so that it can be deferred.
func (e *Editor) Abort() error {
	if e.done {
		return nil
	}
	return e.end()
}

func (e *Editor) end() error {
	e.done = true
	var err error
	if e.open != nil {
		err = e.open.drop()
	}
	for _, t := range e.p.tables {
		if e.err != nil {
			break // the next Editor sees what counts
		}
		for _, file := range t.files() {
			if !e.stand[fold(file)] {
				e.p.root.Remove(filepath.FromSlash(file)) // else the next Editor does
			}
		}
		for _, f := range t.counted {
			err = errors.Join(err, e.cut(t, f))
		}
	}
	return errors.Join(err, e.p.close(), e.unlock())
}
