package gnz

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create and CreateMap write; nil and the zero value are
// the defaults.
type CreateOptions struct {
	// Overwrite replaces a file that is there already, once the new one is
	// complete. Without it that is fs.ErrExist.
	Overwrite bool
	// HeaderRoom is how many bytes a Writer leaves for what is added to the
	// header after the first megabyte of data went to the file; 0 is 64 KiB.
	// The default is wrong where more than some 600 arrays follow: the header
	// is then made room for by moving the data once, at Close.
	HeaderRoom int
}

const (
	held       = 1 << 20 // bytes of data that wait in memory until the header is known
	headerRoom = 64 << 10
	castChunk  = 1 << 20
)

var (
	errDone = errors.New("gnz: the writer is closed")
	errOpen = errors.New("gnz: an array isn't closed yet")
)

// Writer writes a GNZ1 file aside, so that nothing is at its path before Close.
// It is not safe for concurrent use.
type Writer struct {
	file    *aside.File
	room    int64
	h       header
	data    [][]byte // of each array, while they wait
	waiting int      // bytes in data
	start   int64    // where the first array begins; 0 while they wait
	open    *sink
	err     error
	done    bool
}

// Create begins a file. Up to a megabyte of data waits in memory, so that small
// files have no gaps.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	f, err := aside.Create(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	w := &Writer{file: f, room: int64(opts.HeaderRoom)}
	if w.room <= 0 {
		w.room = headerRoom
	}
	return w, nil
}

// SetAttrs sets the file's metadata, whatever they were: values that JSON has,
// maps with string keys and slices of them included. They are copied.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	text, err := appendJSON(nil, attrs, 1)
	if err != nil {
		return fmt.Errorf("gnz: metadata: %w", err)
	}
	v, err := parseJSON(text)
	if err != nil {
		return fmt.Errorf("gnz: metadata: %w", err)
	}
	w.h.metadata, _ = v.(map[string]any) // a nil map is none
	return nil
}

// Add begins an array, whose rows the sink takes; the first dimension may be
// -1. They are written in C order whatever m.Fortran says (Put writes Fortran
// order). The format has nothing for m.Attrs: any are an error.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	s, err := w.add(m)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (w *Writer) add(m array.Member) (*sink, error) {
	switch {
	case w.done:
		return nil, errDone
	case w.err != nil:
		return nil, w.err
	case w.open != nil:
		return nil, errOpen
	}
	if len(m.Attrs) > 0 {
		return nil, fmt.Errorf("gnz: array %q: the format has no attributes of an array", m.Name)
	}
	for _, e := range w.h.entries {
		if e.name == m.Name {
			return nil, fmt.Errorf("gnz: array %q is there already", m.Name)
		}
	}
	s := &sink{w: w, want: 1, scalar: len(m.Spec.Shape) == 0}
	s.e = &entry{name: m.Name, spec: array.Spec{DType: m.Spec.DType, Shape: slices.Clone(m.Spec.Shape)}}
	if !s.scalar {
		s.want = s.e.spec.Shape[0]
		s.e.spec.Shape[0] = max(s.want, 0)
	}
	if err := checkMember(m.Name, s.e.spec); err != nil {
		return nil, err
	}
	if s.want < -1 {
		return nil, fmt.Errorf("gnz: array %q: %d rows", m.Name, s.want)
	}
	row := s.e.spec
	if !s.scalar {
		row.Shape = row.Shape[1:]
	}
	var err error
	if s.row, err = row.Bytes(); err != nil {
		return nil, fmt.Errorf("gnz: array %q: %w", m.Name, err)
	}
	if n := len(w.h.entries); n > 0 {
		last := w.h.entries[n-1]
		s.e.offset = up(last.offset + last.size)
	} else {
		s.e.offset = w.start
	}
	w.h.entries, w.data, w.open = append(w.h.entries, s.e), append(w.data, nil), s
	return s, nil
}

// checkMember says whether the format has such an array.
func checkMember(name string, spec array.Spec) error {
	if !utf8.ValidString(name) {
		return fmt.Errorf("gnz: the array's name %q is not UTF-8", name)
	}
	if !spec.DType.Valid() || len(spec.Shape) > maxDims {
		return fmt.Errorf("gnz: array %q: %v; want a dtype and at most %d dimensions", name, spec, maxDims)
	}
	if _, err := spec.Bytes(); err != nil {
		return fmt.Errorf("gnz: array %q: %w", name, err)
	}
	return nil
}

// sink takes the rows of an array.
type sink struct {
	w      *Writer
	e      *entry
	want   int // rows, -1 for any number
	n      int // rows so far
	row    int // bytes of one
	scalar bool
	closed bool
}

// Write takes rows.
func (s *sink) Write(rows array.Array) error {
	if s.closed || s.w.done {
		return errDone
	}
	if s.w.err != nil {
		return s.w.err
	}
	n := 1
	fits := rows.DType == s.e.spec.DType && len(rows.Shape) == len(s.e.spec.Shape)
	if fits && !s.scalar {
		n = rows.Shape[0]
		fits = n >= 0 && slices.Equal(rows.Shape[1:], s.e.spec.Shape[1:])
	}
	if !fits {
		return fmt.Errorf("gnz: array %q: rows of %v, want those of %v", s.e.name, rows.Spec, s.e.spec)
	}
	if n > math.MaxInt-s.n || s.row > 0 && n > (math.MaxInt-int(s.e.size))/s.row || len(rows.Data) != n*s.row {
		return fmt.Errorf("gnz: array %q: %d bytes for rows of %v", s.e.name, len(rows.Data), rows.Spec)
	}
	if s.want >= 0 && n > s.want-s.n {
		return fmt.Errorf("gnz: array %q: %d rows, want %d", s.e.name, s.n+n, s.want)
	}
	if err := s.w.put(s.e, rows.Data); err != nil {
		s.w.err = err
		return err
	}
	s.n += n
	return nil
}

// Close ends the array. Fewer rows than were told are an error, behind which
// the file can't be completed.
func (s *sink) Close() error {
	if s.closed {
		return nil
	}
	s.closed, s.w.open = true, nil
	if s.want >= 0 && s.n < s.want {
		s.w.err = errors.Join(s.w.err, fmt.Errorf("gnz: array %q: %d rows, want %d", s.e.name, s.n, s.want))
	}
	if !s.scalar {
		s.e.spec.Shape[0] = s.n
	}
	return s.w.err
}

// put takes bytes of the last array.
func (w *Writer) put(e *entry, data []byte) error {
	if w.start == 0 && len(data) > held-w.waiting {
		if err := w.spill(); err != nil {
			return err
		}
	}
	if w.start == 0 {
		last := &w.data[len(w.data)-1]
		*last = append(*last, data...)
		w.waiting += len(data)
	} else if _, err := w.file.WriteAt(data, e.offset+e.size); err != nil {
		return err
	}
	e.size += int64(len(data))
	return nil
}

// spill gives the arrays their places and writes what waits.
func (w *Writer) spill() error {
	text, err := w.h.layout(0)
	if err != nil {
		return err
	}
	w.start = up(int64(len(text)) + w.room)
	if err := w.h.place(w.start); err != nil {
		return err
	}
	return w.write()
}

// write writes what waits to its place.
func (w *Writer) write() error {
	for i, e := range w.h.entries {
		if len(w.data[i]) == 0 {
			continue
		}
		if _, err := w.file.WriteAt(w.data[i], e.offset); err != nil {
			return err
		}
		w.data[i] = nil
	}
	return nil
}

// PutOptions say how Put writes; nil and the zero value keep type and values
// and write C order.
type PutOptions struct {
	// DType is the type that the elements are cast to, with array.Cast's values.
	DType array.DType
	// Fortran writes Fortran order.
	Fortran bool
}

// Put writes a whole array of any strides, about a megabyte at a time where it
// must be copied or cast.
func (w *Writer) Put(name string, a array.Strided, opts *PutOptions) error {
	if opts == nil {
		opts = &PutOptions{}
	}
	if opts.Fortran {
		a = a.Transpose()
	}
	t := opts.DType
	if !t.Valid() {
		t = a.DType
	}
	s, err := w.add(array.Member{Name: name, Spec: array.Spec{DType: t, Shape: a.Shape}})
	if err != nil {
		return err
	}
	if err := s.fill(a); err != nil {
		w.err = err
		return errors.Join(err, s.Close())
	}
	if err := s.Close(); err != nil {
		return err
	}
	if opts.Fortran {
		slices.Reverse(s.e.spec.Shape)
		s.e.fortran = !flat(s.e.spec.Shape)
	}
	return nil
}

// fill writes all of an array.
func (s *sink) fill(a array.Strided) error {
	write := func(part array.Strided) (err error) {
		rows := part.AsContiguous()
		if rows.DType != s.e.spec.DType {
			if rows, err = array.Cast(rows, s.e.spec.DType); err != nil {
				return fmt.Errorf("gnz: array %q: %w", s.e.name, err)
			}
		}
		return s.Write(rows)
	}
	if s.scalar || a.DType == s.e.spec.DType && a.IsContiguous() {
		return write(a)
	}
	row := a.Spec
	row.Shape = row.Shape[1:]
	size, err := row.Bytes()
	if err != nil {
		return err
	}
	step := max(1, castChunk/max(size, s.row, 1))
	for i := 0; i < a.Shape[0]; i += step {
		if err := write(a.Slice(0, i, min(i+step, a.Shape[0]), 1)); err != nil {
			return err
		}
	}
	return nil
}

// Close completes the file, syncs it and puts it at its path. If anything
// failed before, nothing is left and the error is the first.
func (w *Writer) Close() error {
	if w.done {
		return errDone
	}
	if w.open != nil {
		w.err = errors.Join(w.err, errOpen)
	}
	if w.err == nil {
		w.err = w.complete()
	}
	if w.err != nil {
		return errors.Join(w.err, w.Abort())
	}
	w.done = true
	return w.file.Commit()
}

func (w *Writer) complete() error {
	end := w.h.end()
	text, err := w.h.layout(w.start)
	if err != nil {
		return err
	}
	if w.start == 0 {
		err = w.write()
	} else if len(w.h.entries) > 0 {
		err = w.shift(w.start, end, w.h.entries[0].offset-w.start)
	}
	if err == nil {
		_, err = w.file.WriteAt(text, 0)
	}
	if err == nil {
		err = w.file.Truncate(max(up(int64(len(text))), w.h.end()))
	}
	return err
}

// shift moves the bytes from start to end by some pages, from the back.
func (w *Writer) shift(start, end, by int64) error {
	if by == 0 {
		return nil
	}
	if err := w.file.Truncate(end + by); err != nil {
		return err
	}
	buf := make([]byte, min(end-start, 1<<20))
	for end > start {
		n := min(int64(len(buf)), end-start)
		if _, err := w.file.ReadAt(buf[:n], end-n); err != nil {
			return err
		}
		if _, err := w.file.WriteAt(buf[:n], end-n+by); err != nil {
			return err
		}
		end -= n
	}
	// What lies between header and data is zeros.
	clear(buf)
	for at := int64(0); at < start+by; at += int64(len(buf)) {
		if _, err := w.file.WriteAt(buf[:min(int64(len(buf)), start+by-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// Abort ends the writer and leaves nothing. Behind Close it does nothing, so
// that it can be deferred.
func (w *Writer) Abort() error {
	w.done = true
	return w.file.Abort()
}
