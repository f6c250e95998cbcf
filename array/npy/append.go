package npy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/regular"
)

// What is wrong with a file that can't be appended to as it is.
var (
	// ErrNeedsRecovery: its data aren't what its header tells, as a writer that
	// was killed leaves it. Recover mends it.
	ErrNeedsRecovery = errors.New("the header doesn't fit the data; it needs recovery")
	// ErrNotAppendable: its header has no room to grow. EnsureAppendable makes it.
	ErrNotAppendable = errors.New("the header has no room for more rows; make it appendable first")
)

// AppendOptions say how rows are appended; nil and the zero value are the
// defaults.
type AppendOptions struct {
	// Overwrite begins a new file whatever is at the path.
	Overwrite bool
	// HeaderOnClose writes the header in Flush and Close only. The default,
	// with each Append, is wrong where small rows come by the million and no
	// one reads the file meanwhile. The rows of a program that is killed are
	// there in both cases; here all since the last Flush need Recover.
	HeaderOnClose bool
	// Recover mends a file that needs it when it is opened, as Recover without
	// options does.
	Recover bool
}

// Appender adds to the first axis of an array in a .npy file, or to the last
// of one in Fortran order, so that what is there stays where it is. Each
// Append hands its bytes to the system: when the process is killed, at most
// what was being appended is lost; Sync makes them outlive the machine. Its
// methods are safe for concurrent use. Only one Appender has a file.
type Appender struct {
	path string
	opts AppendOptions

	mu      sync.Mutex
	f       *os.File // nil until there is an array
	h       head
	axis    int   // that grows
	rows    int   // along it
	size    int   // bytes of one
	end     int64 // of the data
	patch   int64 // where the number of rows stands in the file
	tail    []byte
	stale   bool // the header tells fewer rows
	fresh   bool // the header was written by this Appender
	scratch []byte
	closed  bool
	broken  error
	lock    *aside.Lock
}

// OpenAppender opens a file to append to. One that isn't there is created by
// the first Append, with the type and dimensions of its array. The error is
// ErrNeedsRecovery or ErrNotAppendable where those are the reason. Until Close
// other writers are kept out, and told who writes; where another is at it, that
// is the error.
func OpenAppender(path string, opts *AppendOptions) (*Appender, error) {
	if opts == nil {
		opts = &AppendOptions{}
	}
	a := &Appender{path: path, opts: *opts}
	if info, err := os.Stat(path); err == nil {
		if err := regular.Check(path, info); err != nil {
			return nil, err
		}
	}
	var err error
	if a.lock, err = aside.Hold(path); err != nil {
		return nil, err
	}
	if err := a.begin(); err != nil {
		if a.f != nil {
			a.f.Close()
		}
		return nil, errors.Join(err, a.lock.Release())
	}
	return a, nil
}

// begin opens the file, or finds that the first Append is to make it.
func (a *Appender) begin() error {
	info, err := os.Stat(a.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case a.opts.Overwrite:
		return os.Remove(a.path)
	case info.Size() == 0:
		return nil // killed before its header
	}
	if a.opts.Recover {
		if _, err := recoverHeld(a.path, &RecoverOptions{}); err != nil {
			return err
		}
	}
	if err := a.open(); err != nil {
		return fmt.Errorf("%s: npy: %w", a.path, err)
	}
	return nil
}

func (a *Appender) open() (err error) {
	if a.f, err = regular.OpenFile(a.path, os.O_RDWR, 0); err != nil {
		return err
	}
	var size int64
	if a.h, size, err = fileHead(a.f); err != nil {
		return err
	}
	if err := a.h.check(size); err != nil {
		return fmt.Errorf("%w: %w", ErrNeedsRecovery, err)
	}
	a.end = size
	return a.layout()
}

// fileHead reads an open file's header and size.
func fileHead(f *os.File) (head, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return head{}, 0, err
	}
	var buf bytes.Buffer
	h, err := readHeader(io.NewSectionReader(f, 0, info.Size()), &buf)
	return h, info.Size(), err
}

// layout finds out what grows, and where the header tells it.
func (a *Appender) layout() error {
	if len(a.h.spec.Shape) == 0 {
		return errors.New("a scalar has no axis to append to")
	}
	if a.axis = 0; a.h.flag {
		a.axis = len(a.h.spec.Shape) - 1
	}
	a.rows = a.h.spec.Shape[a.axis]
	var err error
	if a.size, err = a.h.rowBytes(a.axis); err != nil {
		return err
	}
	text, err := a.h.encode()
	if err != nil {
		return err
	}
	if a.h.prefix()+len(text)+1 > a.h.off {
		return ErrNotAppendable
	}
	digits := strconv.Itoa(a.rows)
	whole := strings.TrimRight(string(text), " ")
	// The number is the first or the last of the shape, which ends the text.
	at := strings.LastIndex(whole, "(") + 1
	if a.axis > 0 {
		at = strings.LastIndex(whole, digits)
	}
	a.patch = int64(a.h.prefix() + at)
	a.tail = []byte(whole[at+len(digits):])
	return nil
}

// rowBytes is the size of one step along an axis.
func (h *head) rowBytes(axis int) (int, error) {
	return array.Spec{DType: h.spec.DType, Shape: slices.Delete(slices.Clone(h.spec.Shape), axis, axis+1)}.Bytes()
}

func (h *head) prefix() int {
	if h.version > 1 {
		return prefixSize + 2
	}
	return prefixSize
}

// encode returns the dict with room to grow, in the file's version.
func (h *head) encode() ([]byte, error) {
	text, err := headerText(h.spec, h.flag)
	if err != nil {
		return nil, err
	}
	return h.encoded(text)
}

func (h *head) encoded(text string) ([]byte, error) {
	if h.version == 3 {
		return []byte(text), nil
	}
	b, ok := toLatin1(text)
	if !ok {
		return nil, fmt.Errorf("a field's name that format version %d can't tell", h.version)
	}
	return b, nil
}

// Shape returns the array's shape with what was appended; nil before there is
// an array.
func (a *Appender) Shape() []int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.f == nil {
		return nil
	}
	shape := slices.Clone(a.h.spec.Shape)
	shape[a.axis] = a.rows
	return shape
}

// Append adds rows: an array of the file's type and dimensions, but for the
// axis that grows. Another type is an error, never a cast. After an error of
// the system the file is as before the call.
func (a *Appender) Append(rows array.Array) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.append(rows)
	if err != nil {
		err = fmt.Errorf("%s: append: %w", a.path, err)
	}
	return err
}

func (a *Appender) append(rows array.Array) error {
	if a.closed {
		return fs.ErrClosed
	}
	if a.broken != nil {
		return a.broken
	}
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return err
	}
	if a.f == nil {
		if err := a.create(rows); err != nil {
			return err
		}
	}
	n, err := a.fits(rows.Spec)
	if err != nil {
		return err
	}
	data := rows.Data
	if a.axis > 0 {
		data = rows.Strided().AsFortran().Data
	}
	if int64(len(data)) > math.MaxInt64-a.end || n > math.MaxInt-a.rows {
		return fmt.Errorf("%d rows behind %d are too many", n, a.rows)
	}
	if err := aside.WriteAt(a.f, data, a.end); err != nil {
		return a.undo(err)
	}
	if n == 0 {
		return nil
	}
	a.rows += n
	a.stale = true
	if !a.opts.HeaderOnClose {
		if err := a.writeRows(); err != nil {
			a.rows -= n
			return a.undo(err)
		}
	}
	a.end += int64(len(data))
	return nil
}

// fits checks an array against the file's and returns how many rows it has.
func (a *Appender) fits(s array.Spec) (int, error) {
	shape := a.h.spec.Shape
	ok := s.DType == a.h.spec.DType && len(s.Shape) == len(shape)
	for i := 0; ok && i < len(shape); i++ {
		ok = i == a.axis || s.Shape[i] == shape[i]
	}
	if !ok {
		whole := a.h.spec
		whole.Shape = slices.Clone(shape)
		whole.Shape[a.axis] = a.rows
		return 0, fmt.Errorf("an array %v to one of %v along axis %d", s, whole, a.axis)
	}
	return s.Shape[a.axis], nil
}

// undo takes back what a failed Append has written.
func (a *Appender) undo(err error) error {
	if terr := a.f.Truncate(a.end); terr != nil {
		a.broken = errors.Join(err, terr)
		return a.broken
	}
	return err
}

// create makes the file of an array without rows.
func (a *Appender) create(rows array.Array) error {
	if len(rows.Shape) == 0 {
		return errors.New("a scalar has no axis to append to")
	}
	spec := array.Spec{DType: rows.DType, Shape: slices.Clone(rows.Shape)}
	spec.Shape[0] = 0
	header, err := formatHeader(spec, false)
	if err != nil {
		return err
	}
	f, err := regular.OpenFile(a.path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(header, 0)
	if err == nil {
		a.f, a.end = f, int64(len(header))
		a.h = head{spec: spec, off: len(header), version: header[6]}
		a.fresh = true
		err = a.layout()
	}
	if err != nil {
		a.f = nil
		return errors.Join(err, f.Close(), os.Remove(a.path))
	}
	return nil
}

// writeRows brings the number of rows into the header: only it and what
// follows it in the dict, once the header is known to be written as here.
func (a *Appender) writeRows() error {
	if !a.fresh {
		h := a.h
		h.spec.Shape = slices.Clone(h.spec.Shape)
		h.spec.Shape[a.axis] = a.rows
		if err := h.rewrite(a.f); err != nil {
			return err
		}
		a.fresh, a.stale = true, false
		return nil
	}
	a.scratch = append(strconv.AppendInt(a.scratch[:0], int64(a.rows), 10), a.tail...)
	if _, err := a.f.WriteAt(a.scratch, a.patch); err != nil {
		return err
	}
	a.stale = false
	return nil
}

// rewrite writes the whole header anew, as long as it was.
func (h *head) rewrite(f *os.File) error {
	text, err := h.encoded(dictText(h.spec, h.flag))
	if err != nil {
		return err
	}
	header, err := assemble(h.version, text, h.off)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotAppendable, err)
	}
	_, err = f.WriteAt(header, 0)
	return err
}

// Flush brings the header up to date.
func (a *Appender) Flush() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.flush()
}

func (a *Appender) flush() error {
	if a.closed {
		return fs.ErrClosed
	}
	if !a.stale {
		return nil
	}
	return a.writeRows()
}

// Sync is Flush, and returns once everything is on disk.
func (a *Appender) Sync() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.flush(); err != nil || a.f == nil {
		return err
	}
	return a.f.Sync()
}

// Close flushes and closes the file. A second Close does nothing.
func (a *Appender) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	err := a.flush()
	a.closed = true
	if a.f != nil {
		err = errors.Join(err, a.f.Close())
	}
	return errors.Join(err, a.lock.Release())
}
