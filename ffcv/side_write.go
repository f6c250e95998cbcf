package ffcv

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/aside"
)

// sideWriter writes a side file: for each field begin, then an entry for every
// sample, in order; at last commit, or discard. Entries go straight to their
// places, behind an index whose size is known.
type sideWriter struct {
	part   *partial
	target string
	of     Identity
	end    int64 // of what is begun
	head   int64 // of the open section; -1 none
	field  int
	count  int    // entries that the open section has
	total  uint64 // their bytes
	index  *bufio.Writer
	bytes  *bufio.Writer
}

// CheckMarksTarget says whether a side file can be written at path: nil when
// what stands there may be replaced and the folder takes new files. It makes
// one beside path, and removes it.
func CheckMarksTarget(path string) error {
	w, err := newSideWriter(path, Identity{})
	if err != nil {
		return err
	}
	return w.discard()
}

func newSideWriter(path string, of Identity) (*sideWriter, error) {
	target, err := aside.Resolve(path)
	if err != nil {
		return nil, err
	}
	if err := replaceable(target); err != nil {
		return nil, err
	}
	w := &sideWriter{target: target, of: of, end: sideHeaderSize, head: -1}
	w.part, err = createPartial(target)
	return w, err
}

// replaceable refuses what is no side file, or of a newer version.
func replaceable(path string) error {
	m, err := OpenMarks(path, Identity{})
	switch {
	case err == nil:
		return m.Close()
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrStale):
		return nil
	}
	return err
}

func (w *sideWriter) begin(field int) error {
	if err := w.flush(); err != nil {
		return err
	}
	w.head, w.field, w.count, w.total = alignUp(w.end, sectionAlign), field, 0, 0
	index := w.head + sectionHeaderSize + marksHeadSize
	w.end = index + 8*int64(w.of.Samples+1)
	w.index = bufio.NewWriterSize(io.NewOffsetWriter(w.part, index), 1<<14)
	w.bytes = bufio.NewWriterSize(io.NewOffsetWriter(w.part, w.end), 1<<18)
	return w.offset()
}

// offset writes where the next entry begins.
func (w *sideWriter) offset() error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], w.total)
	_, err := w.index.Write(b[:])
	return err
}

// add writes the entry of the next sample.
func (w *sideWriter) add(entry []byte) error {
	if w.count++; w.count > w.of.Samples {
		return fmt.Errorf("%s: entry %d of field %d, there are %d samples", w.target, w.count, w.field, w.of.Samples)
	}
	if _, err := w.bytes.Write(entry); err != nil {
		return err
	}
	w.total += uint64(len(entry))
	w.end += int64(len(entry))
	return w.offset()
}

// flush ends the open section.
func (w *sideWriter) flush() error {
	if w.head < 0 {
		return nil
	}
	if w.count != w.of.Samples {
		return fmt.Errorf("%s: %d entries of field %d, there are %d samples", w.target, w.count, w.field, w.of.Samples)
	}
	if err := errors.Join(w.bytes.Flush(), w.index.Flush()); err != nil {
		return err
	}
	var b [sectionHeaderSize + marksHeadSize]byte
	putSectionHeader(b[:], TagSide, 0, w.end-w.head-sectionHeaderSize)
	putMarksHead(b[sectionHeaderSize:], w.field, int64(w.of.Samples))
	_, err := w.part.WriteAt(b[:], w.head)
	w.head = -1
	return err
}

// finish writes the header and lets the disk have all of it.
func (w *sideWriter) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	var b [sideHeaderSize]byte
	sideHeader{length: uint64(w.end), of: w.of}.put(b[:])
	if _, err := w.part.WriteAt(b[:], 0); err != nil {
		return err
	}
	return w.part.Sync()
}

func (w *sideWriter) discard() error { return w.part.discard() }

// maxMerges bounds how often UpdateMarks begins again. Each time another
// process has come to its end.
const maxMerges = 1000

// UpdateMarks writes a side file at path for the file of that Identity, aside
// first, complete and synced before it takes its name. entry gives the entry of
// a sample in one of fields (indices), nil for none; what the side file at path
// tells of the others is kept, also when another process puts it there
// meanwhile. Where folders can't be locked (Windows, some network file systems)
// two that end in the same moment may lose the earlier one's entries: then those
// are not known. A stale side file is replaced, a file
// that is no side file is an error. On Windows a side file that is open
// somewhere can't be replaced.
func UpdateMarks(ctx context.Context, path string, of Identity, fields []int, entry func(sample, field int) []byte) error {
	for range maxMerges {
		if done, err := updateMarks(ctx, path, of, fields, entry); done || err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: replaced again and again by others", path)
}

// updateMarks is one try. done is false when another process was quicker.
func updateMarks(ctx context.Context, path string, of Identity, fields []int, entry func(sample, field int) []byte) (done bool, err error) {
	was, _ := os.Stat(path)
	base, err := OpenMarks(path, of)
	switch {
	case err == nil:
		defer base.Close()
		was = base.info
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrStale):
		return false, err
	}
	w, err := newSideWriter(path, of)
	if err != nil {
		return false, err
	}
	defer func() {
		if !done {
			err = errors.Join(err, w.discard())
		}
	}()
	for _, field := range base.fieldsWith(fields) {
		if err := w.merge(ctx, path, base, was, field, entry); err != nil {
			return false, unlessOvertaken(err)
		}
	}
	if err := w.finish(); err != nil {
		return false, err
	}
	defer lockDir(filepath.Dir(w.target))()
	if overtaken(path, was) {
		return false, nil
	}
	if base != nil && runtime.GOOS == "windows" {
		base.Close() // what is mapped can't be replaced there
	}
	if err := w.part.commit(w.target, true); err != nil {
		return false, err
	}
	return true, nil
}

// errOvertaken says that another process has replaced the file.
var errOvertaken = errors.New("overtaken")

func unlessOvertaken(err error) error {
	if errors.Is(err, errOvertaken) {
		return nil
	}
	return err
}

// overtaken says whether path is not any more what it was; nil for nothing.
func overtaken(path string, was fs.FileInfo) bool {
	now, err := os.Stat(path)
	if err != nil || was == nil {
		return (err == nil) != (was != nil)
	}
	return !os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime())
}

// merge writes a field's section.
func (w *sideWriter) merge(ctx context.Context, path string, base *MarksFile, was fs.FileInfo, field int, entry func(sample, field int) []byte) error {
	if err := w.begin(field); err != nil {
		return err
	}
	var s *sideSection
	if base != nil {
		s = base.section(field)
	}
	for i := range w.of.Samples {
		if i%4096 == 0 {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if overtaken(path, was) {
				return errOvertaken
			}
		}
		e := entry(i, field)
		if len(e) == 0 && s != nil {
			if err := base.guard(func() error { e = s.entry(i); return w.add(e) }); err != nil {
				return err
			}
			continue
		}
		if err := w.add(e); err != nil {
			return err
		}
	}
	return nil
}

// MarksOptions are the choices of WriteMarks. nil and zero are the defaults.
type MarksOptions struct {
	// Workers is the number of goroutines that make marks; 0 means GOMAXPROCS.
	// It changes no byte.
	Workers int
	// Progress is told how many values have been looked at, of how many, now and
	// then, from the caller's goroutine.
	Progress func(done, total int64)
}

// MarksStats tells what WriteMarks made.
type MarksStats struct {
	Values int64 // looked at
	Marked int64 // that have marks
	Bytes  int64 // of the side file; 0: none was written, since no field needs marks
}

// WriteMarks makes the marks of all values whose field makes some and has none
// in the file, and writes a side file with them at path, aside first. It
// replaces a side file there, and refuses to replace anything else. A value that
// cannot be read ends it with an error, as ctx does; a JPEG that is broken inside
// has no marks.
func (f *File) WriteMarks(ctx context.Context, path string, opts *MarksOptions) (stats MarksStats, err error) {
	if opts == nil {
		opts = &MarksOptions{}
	}
	workers := opts.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	list := f.unmarked()
	if len(list) == 0 {
		return stats, nil
	}
	of, err := f.Identity()
	if err != nil {
		return stats, err
	}
	w, err := newSideWriter(path, of)
	if err != nil {
		return stats, err
	}
	done := false
	defer func() {
		if !done {
			err = errors.Join(err, w.discard())
		}
	}()
	total := int64(len(list)) * int64(f.Len())
	for _, k := range list {
		if err := w.begin(k); err != nil {
			return stats, err
		}
		err := f.makeMarks(ctx, workers, k, func(e []byte) error {
			stats.Values++
			if len(e) > entrySumSize {
				stats.Marked++
			}
			if opts.Progress != nil && (stats.Values%64 == 0 || stats.Values == total) {
				opts.Progress(stats.Values, total)
			}
			return w.add(e)
		})
		if err != nil {
			return stats, err
		}
	}
	if err := w.finish(); err != nil {
		return stats, err
	}
	if err := w.part.commit(w.target, true); err != nil {
		return stats, err
	}
	stats.Bytes, done = w.end, true
	return stats, nil
}

// LacksMarks says whether WriteMarks, or Base.Mark, would make marks for the file.
func (f *File) LacksMarks() bool { return f.row >= 0 && len(f.unmarked()) > 0 }

// unmarked lists the builtin fields of one region that make marks and have none
// in the file.
func (f *File) unmarked() (list []int) {
	for k := range f.fields {
		d := &f.fields[k]
		if _, ok := d.Field.(fields.Marker); !ok || d.Type == fields.TypeCustom || f.pointers(k) != 1 {
			continue
		}
		if s, err := f.marksSection(k); s == nil || err != nil {
			list = append(list, k)
		}
	}
	return list
}

// makeMarks hands the entries of a field to emit, in order.
func (f *File) makeMarks(ctx context.Context, workers, field int, emit func(entry []byte) error) error {
	const chunk = 64
	type result struct {
		entries []byte
		ends    []int
	}
	free := make(chan result, 4*workers)
	return ordered(ctx, workers, (f.Len()+chunk-1)/chunk, func() func(context.Context, int) (result, error) {
		m := &marking{f: f, field: field, maker: f.fields[field].Field.(fields.Marker)}
		return func(ctx context.Context, job int) (r result, err error) {
			select {
			case r = <-free:
			default:
			}
			r.entries, r.ends = r.entries[:0], r.ends[:0]
			for i := job * chunk; i < min((job+1)*chunk, f.Len()); i++ {
				if ctx.Err() != nil {
					return r, ctx.Err()
				}
				if err := f.guard(func() error { r.entries, err = m.append(r.entries, i); return err }); err != nil {
					return r, err
				}
				r.ends = append(r.ends, len(r.entries))
			}
			return r, nil
		}
	}, func(r result) error {
		lo := 0
		for _, hi := range r.ends {
			if err := emit(r.entries[lo:hi]); err != nil {
				return err
			}
			lo = hi
		}
		select {
		case free <- r:
		default:
		}
		return nil
	})
}

// marking is what one worker needs to make marks.
type marking struct {
	f       *File
	field   int
	maker   fields.Marker
	regions []fields.Region
	row     []byte // buffers for a source that doesn't lend
	data    []byte
	marks   []byte
}

// append appends the entry of sample i.
func (m *marking) append(dst []byte, i int) ([]byte, error) {
	f := m.f
	meta, err := f.member(i, m.field, m.row)
	if err != nil {
		return dst, err
	}
	if m.regions, err = f.regions(m.regions[:0], i, m.field, meta); err != nil {
		return dst, err
	}
	r := m.regions[0]
	data, err := f.Bytes(i, r.Ptr, r.Size, m.data)
	if err != nil {
		return dst, f.valueError(i, m.field, err)
	}
	if m.marks, err = m.maker.AppendMarks(m.marks[:0], meta, [][]byte{data}); err != nil {
		return dst, f.valueError(i, m.field, err)
	}
	if _, lends := f.src.Borrow(0, 1); !lends {
		m.row, m.data = meta[:0], data[:0]
	}
	return AppendMarksEntry(dst, data, m.marks), nil
}
