package array

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
)

// Taker is what a format does with an array's rows, behind a Sink.
type Taker struct {
	// Rows takes some rows, at least one, whose type, shape and number are
	// checked. The bytes are not its own. Its error is the last thing that it
	// hears of the array, but for End.
	Rows func(rows Array) error
	// Extent takes rows from where they lie in a file; nil where the format
	// must have the bytes in its hands.
	Extent func(rows Extent) error
	// Fortran takes an array's elements in Fortran order instead, as rows of one
	// dimension; nil where the format doesn't have them so. Its End isn't called.
	Fortran *Taker
	// End is called once, with the number of rows: with nil when they are
	// complete, else with the error for which they aren't, or os.ErrClosed when
	// the writer was aborted. It returns what went wrong besides. End may be nil.
	End func(rows int, err error) error
}

// NewSink returns the sink of an array: it checks that the rows have the
// member's type, dimensions and number, and hands them on. After an error it
// only gives that.
func NewSink(m Member, t Taker) (Sink, error) { return newSink(m, t) }

func newSink(m Member, t Taker) (*sink, error) {
	if !m.Spec.DType.Valid() {
		return nil, fmt.Errorf("array %q: no dtype", m.Name)
	}
	s := &sink{name: m.Name, spec: Spec{DType: m.Spec.DType, Shape: slices.Clone(m.Spec.Shape)}, want: 1, each: 1, take: t}
	row := s.spec
	if len(s.spec.Shape) > 0 {
		s.want = s.spec.Shape[0]
		row.Shape = row.Shape[1:]
	}
	var err error
	if s.size, err = row.Bytes(); err == nil && s.want != -1 {
		_, err = s.spec.Bytes()
	}
	if err != nil {
		return nil, fmt.Errorf("array %q: %w", m.Name, err)
	}
	return s, nil
}

type sink struct {
	writing *Writing // nil outside of a writer
	name    string
	spec    Spec
	size    int // bytes of a row
	want    int // rows; -1 for any number
	rows    int // so far
	each    int // of them are a row of the array: 1 but for elements in Fortran order
	take    Taker
	err     error
	closed  bool
}

// fail keeps the first error.
func (s *sink) fail(err error) error {
	if s.err == nil {
		s.err = fmt.Errorf("array %q: %w", s.name, err)
		if s.writing != nil {
			s.err = s.writing.Fail(s.err)
		}
	}
	return s.err
}

// check tells how many rows a spec is, that are to come next.
func (s *sink) check(spec Spec) (int, error) {
	switch {
	case s.closed:
		return 0, fmt.Errorf("array %q: the sink is closed: %w", s.name, os.ErrClosed)
	case s.err != nil:
		return 0, s.err
	}
	fits := spec.DType == s.spec.DType && len(spec.Shape) == len(s.spec.Shape)
	n := 1
	if fits && len(spec.Shape) > 0 {
		n = spec.Shape[0]
		fits = slices.Equal(spec.Shape[1:], s.spec.Shape[1:])
	}
	if _, err := spec.Bytes(); err != nil {
		return 0, s.fail(err)
	}
	if !fits {
		return 0, s.fail(fmt.Errorf("rows of %v, want those of %v", spec, s.spec))
	}
	if s.want >= 0 && n > s.want-s.rows {
		return 0, s.fail(fmt.Errorf("%d rows, want %d", s.rows+n, s.want))
	}
	if n > math.MaxInt-s.rows || s.size > 0 && s.rows+n > math.MaxInt/s.size {
		return 0, s.fail(fmt.Errorf("%d rows behind %d, of %d bytes each, are too many", n, s.rows, s.size))
	}
	return n, nil
}

func (s *sink) Write(rows Array) error {
	n, err := s.check(rows.Spec)
	if err != nil {
		return err
	}
	if len(rows.Data) != n*s.size {
		return s.fail(fmt.Errorf("%d bytes for rows of %v, want %d", len(rows.Data), rows.Spec, n*s.size))
	}
	if n > 0 {
		if err := s.take.Rows(rows); err != nil {
			return s.fail(err)
		}
	}
	s.rows += n
	return nil
}

func (s *sink) Extents() bool { return s.take.Extent != nil }

func (s *sink) WriteExtent(rows Extent) error {
	if s.take.Extent == nil {
		return s.fail(errors.ErrUnsupported)
	}
	n, err := s.check(rows.Spec)
	if err != nil {
		return err
	}
	if n > 0 {
		if err := s.take.Extent(rows); err != nil {
			return s.fail(err)
		}
	}
	s.rows += n
	return nil
}

func (s *sink) Fortran() bool {
	if s.take.Fortran == nil || s.closed || s.err != nil || s.rows > 0 || s.want <= 0 || s.size == 0 || len(s.spec.Shape) < 2 {
		return false
	}
	count := s.want * s.size / s.spec.DType.ItemSize() // newSink has checked the size
	s.each = count / s.want
	s.spec.Shape, s.want, s.size = []int{count}, count, s.spec.DType.ItemSize()
	s.take.Rows, s.take.Extent = s.take.Fortran.Rows, s.take.Fortran.Extent
	return true
}

func (s *sink) Close() error {
	if s.closed {
		return s.err
	}
	if s.err == nil && s.want >= 0 && s.rows < s.want {
		s.fail(fmt.Errorf("%d rows, want %d", s.rows, s.want))
	}
	if err := s.end(s.err); err != nil {
		if s.err == nil {
			return s.fail(err)
		}
		s.err = errors.Join(s.err, err)
	}
	return s.err
}

// end tells the format that no more rows come.
func (s *sink) end(err error) error {
	s.closed = true
	if s.writing != nil {
		s.writing.open = nil
	}
	if s.take.End == nil {
		return nil
	}
	return s.take.End(s.rows/s.each, err)
}

// Writing is what a writer of any format keeps in mind: that one array is
// written at a time, that nothing goes on behind the first error of an array,
// that the file is completed once or not at all. The formats' writers have one
// each; it is not safe for concurrent use.
type Writing struct {
	file string
	open *sink
	err  error
	done bool
}

// NewWriting begins the writing of a file, by whose name errors call it.
func NewWriting(file string) *Writing { return &Writing{file: file} }

// Ready tells why nothing can be begun or set now: the writer failed, is
// closed, or an array isn't closed yet.
func (w *Writing) Ready() error {
	err := w.Usable()
	if err == nil && w.open != nil {
		err = fmt.Errorf("%s: array %q isn't closed yet", w.file, w.open.name)
	}
	return err
}

// Usable is Ready for what may be done beside an array that isn't closed.
func (w *Writing) Usable() error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return fmt.Errorf("%s: the writer is closed: %w", w.file, os.ErrClosed)
	}
	return nil
}

// Fail keeps the first error, with the file's name before it, and returns it.
func (w *Writing) Fail(err error) error {
	if w.err == nil {
		w.err = w.Named(err)
	}
	return w.err
}

// Named puts the file's name before an error.
func (w *Writing) Named(err error) error { return fmt.Errorf("%s: %w", w.file, err) }

// Begin begins an array, as NewSink does. An error of its sink is one of the
// writer.
func (w *Writing) Begin(m Member, t Taker) (Sink, error) {
	if err := w.Ready(); err != nil {
		return nil, err
	}
	s, err := newSink(m, t)
	if err != nil {
		return nil, w.Named(err)
	}
	s.writing, w.open = w, s
	return s, nil
}

// Close ends the writing: complete writes what is left to write, commit puts
// the file in its place. Where anything failed, now or before, abort removes it
// instead, and the error is the first.
func (w *Writing) Close(complete, commit, abort func() error) error {
	err := w.Ready()
	if w.done {
		return err
	}
	if err == nil {
		if err = complete(); err != nil {
			err = w.Fail(err)
		}
	}
	if err != nil {
		return errors.Join(err, w.Abort(abort))
	}
	w.done = true
	return commit()
}

// Abort ends the writing, and an array that is open; abort then removes what was
// written. Behind Close and Abort it does nothing.
func (w *Writing) Abort(abort func() error) error {
	if w.done {
		return nil
	}
	w.done = true
	var err error
	if s := w.open; s != nil {
		err = s.end(cmp.Or(s.err, os.ErrClosed))
	}
	return errors.Join(err, abort())
}
