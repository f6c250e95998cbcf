package npk

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	// Overwrite replaces a pack that is there already, once the new one is
	// complete. Without it that is fs.ErrExist. A folder that is no pack, and not
	// empty, is never replaced.
	Overwrite bool
	// SegmentBytes splits arrays that are larger into files of this size; 0 is
	// one file for each array, whatever its size, which alone can be mapped.
	// The default is wrong where files must not grow as large as the array:
	// NumPack itself splits at NumPackSegment.
	SegmentBytes int64
}

var (
	errDone = errors.New("npk: the pack is closed")
	errOpen = errors.New("npk: an array isn't closed yet")
)

// Writer writes a new pack aside, so that nothing is at its path before Close.
// It is not safe for concurrent use.
type Writer struct {
	folder *aside.Folder
	root   *os.Root
	opts   CreateOptions
	list   []*record
	state  *array.Writing
	unlock func() error // the pack that is replaced
}

// Create begins a pack. One that is replaced must not be being edited, here or
// in another process.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	d, err := aside.CreateFolder(path, opts.Overwrite, isPack)
	if err != nil {
		return nil, err
	}
	unlock, err := lockOld(d.Target())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), d.Abort())
	}
	root, err := os.OpenRoot(d.Path(""))
	if err != nil {
		return nil, errors.Join(err, d.Abort(), unlock())
	}
	return &Writer{folder: d, root: root, opts: *opts, state: array.NewWriting(d.Target()), unlock: unlock}, nil
}

// isPack says why a folder, which isn't empty, is no pack.
func isPack(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, metaFile)); err == nil {
		return nil
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.Name() != "npk.lock" && !leftover.MatchString(f.Name()) {
			return fmt.Errorf("a folder with something else in it than a pack, %s; it is not replaced", filepath.Join(dir, f.Name()))
		}
	}
	return nil
}

// lockOld keeps editors away from a pack that is going to be replaced.
func lockOld(path string) (unlock func() error, err error) {
	none := func() error { return nil }
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if unlock, err = lock(path); err != nil || runtime.GOOS != "windows" {
		return unlock, err
	}
	return none, unlock() // with the lock's file open the folder could not be renamed there
}

// SetAttrs takes no attributes, the format has none: any are an error.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) > 0 {
		return errors.New("npk: the format has no attributes")
	}
	return nil
}

// Add begins an array, whose rows the sink takes; the first dimension may be
// -1. Big-endian elements are stored little-endian, with the same values, and
// every array in C order whatever m.Fortran says. Scalars, and types that
// NumPack doesn't have, give an *array.UnsupportedError.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	for _, r := range w.list {
		if err := clash(r.name, m.Name); err != nil {
			return nil, err
		}
	}
	d, err := newDraft(w.root, m, 0, w.opts.SegmentBytes, dataFile(m.Name, 0))
	if err != nil {
		return nil, err
	}
	s, err := w.state.Begin(m, d.taker(func(r *record, _ []part) error {
		w.list = append(w.list, r)
		return nil
	}))
	if err != nil {
		return nil, errors.Join(err, d.drop())
	}
	return s, nil
}

// clash says whether two arrays can't be in one pack.
func clash(a, b string) error {
	switch {
	case a == b:
		return fmt.Errorf("npk: array %q is there already", a)
	case (runtime.GOOS == "windows" || runtime.GOOS == "darwin") && strings.EqualFold(a, b):
		return fmt.Errorf("npk: arrays %q and %q would have the same files on this system", a, b)
	}
	return nil
}

// Put writes a whole array of any strides.
func (w *Writer) Put(name string, a array.Strided) error {
	s, err := w.Add(array.Member{Name: name, Spec: a.Spec})
	if err != nil {
		return err
	}
	if err := array.Copy(s, array.StreamOf(a, 0), nil); err != nil {
		s.Close() // which fails too, and with it the writer
		return err
	}
	return s.Close()
}

// Close completes the pack, syncs it and puts it at its path. If anything
// failed before, nothing is left and the error is the first.
func (w *Writer) Close() error {
	return w.state.Close(func() error {
		b, err := formatMeta(w.list)
		if err != nil {
			return err
		}
		return os.WriteFile(w.folder.Path(metaFile), b, 0o666)
	}, func() error { return errors.Join(w.root.Close(), w.folder.Commit(), w.unlock()) }, w.remove)
}

// Abort ends the writer and leaves nothing. Behind Close it does nothing, so
// that it can be deferred.
func (w *Writer) Abort() error { return w.state.Abort(w.remove) }

func (w *Writer) remove() error {
	return errors.Join(w.root.Close(), w.folder.Abort(), w.unlock())
}

// draft is an array that is being written to new files.
type draft struct {
	root    *os.Root
	r       record
	from    array.DType // the type of the rows, perhaps big-endian
	gen     int
	most    int // rows of a segment
	f       *os.File
	at      int64  // where in f the next bytes belong
	buf     []byte // of short writes
	swapped []byte
	parts   []part // the last one is being written
}

// newDraft makes the first file.
func newDraft(root *os.Root, m array.Member, gen int, segment int64, file string) (*draft, error) {
	row, err := checkSpec(m.Name, m.Spec)
	if err != nil {
		return nil, err
	}
	if _, ok := times(max(m.Spec.Shape[0], 0), row); !ok || m.Spec.Shape[0] < -1 {
		return nil, fmt.Errorf("npk: array %q: no array is %v", m.Name, m.Spec)
	}
	d := &draft{root: root, gen: gen, from: m.Spec.DType, most: math.MaxInt}
	d.r = record{name: m.Name, shape: slices.Clone(m.Spec.Shape), file: file, row: row}
	d.r.shape[0] = 0
	d.r.dtype, _, _ = stored(m.Spec.DType) // checked
	if segment > 0 && row > 0 {
		d.most = int(max(1, segment/int64(row)))
	}
	if err := d.create(file); err != nil {
		return nil, err
	}
	return d, nil
}

// taker is how a sink has it; done is told once the files are on disk.
func (d *draft) taker(done func(*record, []part) error) array.Taker {
	t := array.Taker{
		Rows: d.put,
		End: func(_ int, failed error) error {
			var err error
			if failed == nil {
				if err = d.finish(); err == nil {
					err = done(&d.r, d.parts)
				}
			}
			if failed != nil || err != nil {
				err = errors.Join(err, d.drop())
			}
			return err
		},
	}
	if d.from == d.r.dtype {
		t.Extent = d.putExtent
	}
	return t
}

// create begins a file, in the place of anything that has its name.
func (d *draft) create(file string) error {
	if err := d.root.Remove(filepath.FromSlash(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := d.root.OpenFile(filepath.FromSlash(file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return packError(d.root, d.r.name, file, err)
	}
	d.f, d.at = f, 0
	d.parts = append(d.parts, part{file: file, start: d.r.rows()})
	return nil
}

// take checks rows against an array's type and shape, and returns them as they
// are stored.
func take(r *record, from array.DType, rows array.Array) (array.Array, error) {
	fits := rows.DType == from && len(rows.Shape) == len(r.shape) && rows.Shape[0] >= 0 && slices.Equal(rows.Shape[1:], r.shape[1:])
	if !fits {
		return rows, fmt.Errorf("npk: array %q: rows of %v, want those of %v", r.name, rows.Spec, array.Spec{DType: from, Shape: r.shape})
	}
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return rows, fmt.Errorf("npk: array %q: %w", r.name, err)
	}
	if n, ok := times(r.rows(), r.row); !ok || rows.Shape[0] > math.MaxInt-r.rows() || len(rows.Data) > math.MaxInt-n {
		return rows, fmt.Errorf("npk: array %q: %d and %d rows are too many", r.name, r.rows(), rows.Shape[0])
	}
	if from != r.dtype {
		rows = array.SwapBytes(rows)
	}
	return rows, nil
}

// put takes rows.
func (d *draft) put(rows array.Array) error {
	if d.from != d.r.dtype {
		rows = array.SwapInto(d.swapped, rows)
		d.swapped = rows.Data
	}
	data := rows.Data
	return d.each(rows.Shape[0], func(n int) error {
		b := data[:n*d.r.row]
		data = data[n*d.r.row:]
		return d.write(b)
	})
}

// putExtent takes rows that lie in a file.
func (d *draft) putExtent(rows array.Extent) error {
	if rows.DType != d.r.dtype {
		return errors.ErrUnsupported
	}
	return d.each(rows.Shape[0], func(n int) error {
		if err := d.flush(); err != nil {
			return err
		}
		e := rows
		e.Shape = append([]int{n}, rows.Shape[1:]...)
		if err := e.CopyTo(d.f, d.at); err != nil {
			return err
		}
		size := int64(n) * int64(d.r.row)
		d.at, rows.Offset = d.at+size, rows.Offset+size
		return nil
	})
}

// each divides rows among segments; write takes n of them.
func (d *draft) each(n int, write func(n int) error) error {
	for n > 0 {
		if d.f == nil {
			return errDone
		}
		p := &d.parts[len(d.parts)-1]
		k := min(n, d.most-p.rows)
		if k == 0 {
			if err := d.split(); err != nil {
				return err
			}
			continue
		}
		if err := write(k); err != nil {
			return err
		}
		n -= k
		p.rows += k
		d.r.shape[0] += k
	}
	return nil
}

// write gathers short writes.
func (d *draft) write(b []byte) error {
	const short = 64 << 10
	if d.buf == nil {
		d.buf = make([]byte, 0, short)
	}
	if len(d.buf)+len(b) > cap(d.buf) {
		if err := d.flush(); err != nil {
			return err
		}
	}
	if len(b) < short {
		d.buf = append(d.buf, b...)
		return nil
	}
	err := aside.WriteAt(d.f, b, d.at)
	d.at += int64(len(b))
	return err
}

func (d *draft) flush() error {
	_, err := d.f.WriteAt(d.buf, d.at)
	d.at += int64(len(d.buf))
	d.buf = d.buf[:0]
	return err
}

// split begins the next segment. What was one file until then becomes the
// first.
func (d *draft) split() error {
	if err := errors.Join(d.flush(), d.sync()); err != nil {
		return err
	}
	if len(d.parts) == 1 {
		dir := segmentDir(d.r.name, d.gen)
		if err := os.RemoveAll(filepath.Join(d.root.Name(), dir)); err != nil {
			return err
		}
		if err := d.root.Mkdir(dir, 0o777); err != nil {
			return err
		}
		first := segmentFile(d.r.name, d.gen, 0)
		if err := os.Rename(filepath.Join(d.root.Name(), d.parts[0].file), filepath.Join(d.root.Name(), filepath.FromSlash(first))); err != nil {
			return err
		}
		d.parts[0].file, d.r.file = first, listFile(d.r.name, d.gen)
	}
	return d.create(segmentFile(d.r.name, d.gen, len(d.parts)))
}

// sync closes the file once it is on disk.
func (d *draft) sync() error {
	f := d.f
	d.f = nil
	return errors.Join(f.Sync(), f.Close())
}

// finish brings the rows to disk.
func (d *draft) finish() error {
	if d.f == nil {
		return errDone
	}
	if err := errors.Join(d.flush(), d.sync()); err != nil {
		return err
	}
	d.r.modified = now()
	if isSegmented(d.r.file) {
		return d.list()
	}
	return nil
}

// list writes the list of the segments, and brings their folder to disk.
func (d *draft) list() error {
	b, err := formatList(d.parts, d.r.row)
	if err != nil {
		return err
	}
	dir := d.root.Name()
	return errors.Join(aside.WriteFile(filepath.Join(dir, d.r.file), b, true), syncDir(filepath.Join(dir, segmentDir(d.r.name, d.gen))))
}

// drop removes the files.
func (d *draft) drop() error {
	var err error
	if d.f != nil {
		err = d.f.Close()
		d.f = nil
	}
	for _, p := range d.parts {
		err = errors.Join(err, d.root.Remove(filepath.FromSlash(p.file)))
	}
	return err
}
