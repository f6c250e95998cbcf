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
	// complete. Without it that is fs.ErrExist.
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
	open   *sink
	err    error
	done   bool
}

// Create begins a pack.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	d, err := aside.CreateFolder(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(d.Path(""))
	if err != nil {
		return nil, errors.Join(err, d.Abort())
	}
	return &Writer{folder: d, root: root, opts: *opts}, nil
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
	switch {
	case w.done:
		return nil, errDone
	case w.err != nil:
		return nil, w.err
	case w.open != nil:
		return nil, errOpen
	}
	for _, r := range w.list {
		if err := clash(r.name, m.Name); err != nil {
			return nil, err
		}
	}
	s, err := newSink(w.root, m, 0, w.opts.SegmentBytes, dataFile(m.Name, 0))
	if err != nil {
		return nil, err
	}
	s.done = func(r *record, _ []part, err error) error {
		w.open = nil
		w.list, w.err = append(w.list, r), errors.Join(w.err, err)
		return err
	}
	w.open = s
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
	return errors.Join(fill(s, a), s.Close())
}

// fill writes all rows, about a megabyte at a time where they must be copied.
func fill(s array.Sink, a array.Strided) error {
	if a.IsContiguous() {
		return s.Write(a.AsContiguous())
	}
	row, err := array.Spec{DType: a.DType, Shape: a.Shape[1:]}.Bytes()
	if err != nil {
		return err
	}
	step := max(1, bufferBytes/max(row, 1))
	for i := 0; i < a.Shape[0]; i += step {
		if err := s.Write(a.Slice(0, i, min(i+step, a.Shape[0]), 1).AsContiguous()); err != nil {
			return err
		}
	}
	return nil
}

// Close completes the pack, syncs it and puts it at its path. If anything
// failed before, nothing is left and the error is the first.
func (w *Writer) Close() error {
	if w.done {
		return errDone
	}
	if w.open != nil {
		w.err = errors.Join(w.err, errOpen)
	}
	if w.err == nil {
		var b []byte
		if b, w.err = formatMeta(w.list); w.err == nil {
			w.err = os.WriteFile(w.folder.Path(metaFile), b, 0o666)
		}
	}
	if w.err != nil {
		return errors.Join(w.err, w.Abort())
	}
	w.done = true
	return errors.Join(w.root.Close(), w.folder.Commit())
}

// Abort ends the writer and leaves nothing. Behind Close it does nothing, so
// that it can be deferred.
func (w *Writer) Abort() error {
	if w.done {
		return nil
	}
	w.done = true
	var err error
	if w.open != nil {
		err = w.open.abort()
	}
	return errors.Join(err, w.root.Close(), w.folder.Abort())
}

// sink writes an array's rows to new files.
type sink struct {
	root    *os.Root
	r       record
	from    array.DType // the type of the rows, perhaps big-endian
	gen     int
	want    int // rows, -1 for any number
	most    int // rows of a segment
	f       *os.File
	buf     []byte // of short writes
	parts   []part // the last one is being written
	done    func(*record, []part, error) error
	closed  bool
	failure error
}

// newSink makes the first file.
func newSink(root *os.Root, m array.Member, gen int, segment int64, file string) (*sink, error) {
	row, err := checkSpec(m.Name, m.Spec)
	if err != nil {
		return nil, err
	}
	s := &sink{root: root, gen: gen, want: m.Spec.Shape[0], from: m.Spec.DType, most: math.MaxInt}
	if s.want < -1 {
		return nil, fmt.Errorf("npk: array %q: %d rows", m.Name, s.want)
	}
	if _, ok := times(max(s.want, 0), row); !ok {
		return nil, fmt.Errorf("npk: array %q: %v is too large", m.Name, m.Spec)
	}
	s.r = record{name: m.Name, shape: slices.Clone(m.Spec.Shape), file: file, row: row}
	s.r.shape[0] = 0
	s.r.dtype, _, _ = stored(m.Spec.DType) // checked
	if segment > 0 && row > 0 {
		s.most = int(max(1, segment/int64(row)))
	}
	if err := s.create(file); err != nil {
		return nil, err
	}
	return s, nil
}

// create begins a file, in the place of anything that has its name.
func (s *sink) create(file string) error {
	if err := s.root.Remove(filepath.FromSlash(file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.root.OpenFile(filepath.FromSlash(file), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return packError(s.root, file, err)
	}
	s.f = f
	s.parts = append(s.parts, part{file: file, start: s.r.rows()})
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

// Write takes rows.
func (s *sink) Write(rows array.Array) error {
	if s.closed {
		return errDone
	}
	if s.failure != nil {
		return s.failure
	}
	rows, err := take(&s.r, s.from, rows)
	if err != nil {
		return err
	}
	if n := rows.Shape[0]; s.want >= 0 && n > s.want-s.r.rows() {
		return fmt.Errorf("npk: array %q: %d rows, want %d", s.r.name, s.r.rows()+n, s.want)
	}
	s.failure = s.put(rows.Data, rows.Shape[0])
	return s.failure
}

func (s *sink) put(data []byte, n int) error {
	for n > 0 {
		p := &s.parts[len(s.parts)-1]
		k := min(n, s.most-p.rows)
		if k == 0 {
			if err := s.split(); err != nil {
				return err
			}
			continue
		}
		if err := s.write(data[:k*s.r.row]); err != nil {
			return err
		}
		data, n = data[k*s.r.row:], n-k
		p.rows += k
		s.r.shape[0] += k
	}
	return nil
}

// write gathers short writes.
func (s *sink) write(b []byte) error {
	const short = 64 << 10
	if len(b) >= short {
		if err := s.flush(); err != nil {
			return err
		}
		_, err := s.f.Write(b)
		return err
	}
	if s.buf == nil {
		s.buf = make([]byte, 0, short)
	}
	if len(s.buf)+len(b) > cap(s.buf) {
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.buf = append(s.buf, b...)
	return nil
}

func (s *sink) flush() error {
	_, err := s.f.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

// split begins the next segment. What was one file until then becomes the
// first.
func (s *sink) split() error {
	if err := errors.Join(s.flush(), s.sync()); err != nil {
		return err
	}
	if len(s.parts) == 1 {
		dir := segmentDir(s.r.name, s.gen)
		if err := os.RemoveAll(filepath.Join(s.root.Name(), dir)); err != nil {
			return err
		}
		if err := s.root.Mkdir(dir, 0o777); err != nil {
			return err
		}
		first := segmentFile(s.r.name, s.gen, 0)
		if err := os.Rename(filepath.Join(s.root.Name(), s.parts[0].file), filepath.Join(s.root.Name(), filepath.FromSlash(first))); err != nil {
			return err
		}
		s.parts[0].file, s.r.file = first, listFile(s.r.name, s.gen)
	}
	return s.create(segmentFile(s.r.name, s.gen, len(s.parts)))
}

// sync closes the file once it is on disk.
func (s *sink) sync() error {
	f := s.f
	s.f = nil
	return errors.Join(f.Sync(), f.Close())
}

// Close ends the array. Fewer rows than were told are an error.
func (s *sink) Close() error {
	if s.closed {
		return s.failure
	}
	s.closed = true
	if s.failure == nil && s.want > s.r.rows() {
		s.failure = fmt.Errorf("npk: array %q: %d rows, want %d", s.r.name, s.r.rows(), s.want)
	}
	if s.failure == nil {
		s.failure = errors.Join(s.flush(), s.sync())
	}
	if s.failure == nil && isSegmented(s.r.file) {
		s.failure = s.list()
	}
	if s.failure != nil {
		s.failure = errors.Join(s.failure, s.drop())
	}
	s.r.modified = now()
	s.failure = s.done(&s.r, s.parts, s.failure)
	return s.failure
}

// list writes the list of the segments, and brings their folder to disk.
func (s *sink) list() error {
	b, err := formatList(s.parts, s.r.row)
	if err != nil {
		return err
	}
	dir := s.root.Name()
	return errors.Join(aside.WriteFile(filepath.Join(dir, s.r.file), b, true), syncDir(filepath.Join(dir, segmentDir(s.r.name, s.gen))))
}

// abort is Close for rows that nobody wants.
func (s *sink) abort() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.drop()
}

// drop removes the files.
func (s *sink) drop() error {
	var err error
	if s.f != nil {
		err = s.f.Close()
		s.f = nil
	}
	for _, p := range s.parts {
		err = errors.Join(err, s.root.Remove(filepath.FromSlash(p.file)))
	}
	return err
}
