package npy

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how files are written; nil and the zero value are the
// defaults.
type CreateOptions struct {
	Overwrite bool // replace what is at the path, once the new file is complete
	Compress  bool // arrays of a .npz file, as numpy.savez_compressed does
}

// Writer writes a .npy or .npz file beside its path and puts it there when it
// is complete. It is not safe for concurrent use.
type Writer struct {
	f     *aside.File
	zip   *zip.Writer // of a .npz file
	opts  CreateOptions
	open  *sink
	names map[string]bool
	done  bool
}

// Create begins a .npy file, which holds one array.
func Create(path string, opts *CreateOptions) (*Writer, error) { return create(path, opts, false) }

// CreateZip begins a .npz file, which holds any number of arrays.
func CreateZip(path string, opts *CreateOptions) (*Writer, error) { return create(path, opts, true) }

func create(path string, opts *CreateOptions, zipped bool) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	f, err := aside.Create(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f, opts: *opts, names: map[string]bool{}}
	if zipped {
		w.zip = zip.NewWriter(f)
		w.zip.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
			return flate.NewWriter(out, 6) // zlib's own default, as NumPy has it
		})
	}
	return w, nil
}

// sink takes an array's rows.
type sink struct {
	w       *Writer
	m       array.Member
	fortran bool
	out     io.Writer
	spool   *os.File // where the number of rows isn't known and the header can't be mended
	rows    int
	row     array.Spec
	bytes   int // of a row
	scalar  bool
	off     int64 // of the data, in a .npy file
	closed  bool
	failed  error
}

// Add begins an array; the sink before must be closed. Shape[0] may be -1: an
// archive needs as much space on disk again for such an array, for a time. An
// array of a .npy file is written in Fortran order if the member says so and
// its shape is known; elsewhere it is in C order, with the same values. A .npy
// file takes one array, whatever its name.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	switch {
	case w.done:
		return nil, errors.New("npy: the writer is closed")
	case w.open != nil:
		return nil, fmt.Errorf("npy: add %q: the sink of %q is open", m.Name, w.open.m.Name)
	case w.zip == nil && len(w.names) > 0:
		return nil, fmt.Errorf("npy: add %q: a .npy file holds one array; write a .npz", m.Name)
	case w.names[m.Name]:
		return nil, fmt.Errorf("npy: add %q: there is one of that name", m.Name)
	case w.zip != nil && (m.Name == "" || strings.HasSuffix(m.Name, "/")):
		return nil, fmt.Errorf("npy: add %q: an array of an archive needs a name", m.Name)
	case len(m.Attrs) > 0:
		return nil, fmt.Errorf("npy: add %q: %w", m.Name, errAttrs)
	}
	s := &sink{w: w, m: m, scalar: len(m.Spec.Shape) == 0}
	s.m.Spec.Shape = slices.Clone(m.Spec.Shape)
	if err := s.begin(); err != nil {
		return nil, fmt.Errorf("npy: add %q: %w", m.Name, err)
	}
	w.open, w.names[m.Name] = s, true
	return s, nil
}

var errAttrs = &array.UnsupportedError{DType: ".npy", Why: "the format has no attributes"}

// begin writes the header, or what will be one.
func (s *sink) begin() error {
	spec := s.m.Spec
	unknown := !s.scalar && spec.Shape[0] == -1
	s.row = spec
	if !s.scalar {
		s.row = array.Spec{DType: spec.DType, Shape: spec.Shape[1:]}
	}
	var err error
	if s.bytes, err = s.row.Bytes(); err != nil {
		return err
	}
	first := array.Spec{DType: spec.DType, Shape: slices.Clone(spec.Shape)}
	if unknown {
		first.Shape[0] = 0
	}
	if _, err := first.Bytes(); err != nil {
		return err
	}
	s.fortran = s.m.Fortran && !unknown && s.w.zip == nil && !flat(spec.Shape)
	header, err := formatHeader(first, s.fortran)
	if err != nil {
		return err
	}
	if s.w.zip != nil && unknown {
		dir, base := filepath.Split(s.w.f.Name())
		s.spool, err = os.CreateTemp(filepath.Clean(dir), base+".rows-*")
		s.out = s.spool
		return err
	}
	if s.out = s.w.f; s.w.zip != nil {
		if s.out, err = s.w.entry(s.m.Name); err != nil {
			return err
		}
	}
	s.off = int64(len(header))
	_, err = s.out.Write(header)
	return err
}

// entry begins a member of the archive.
func (w *Writer) entry(name string) (io.Writer, error) {
	method := zip.Store
	if w.opts.Compress {
		method = zip.Deflate
	}
	return w.zip.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: method})
}

// Write takes rows.
func (s *sink) Write(rows array.Array) error {
	if s.closed {
		return fmt.Errorf("npy: array %q: write behind Close", s.m.Name)
	}
	if s.failed != nil {
		return s.failed
	}
	if s.failed = s.write(rows); s.failed != nil {
		s.failed = fmt.Errorf("npy: array %q: %w", s.m.Name, s.failed)
	}
	return s.failed
}

func (s *sink) write(rows array.Array) error {
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return err
	}
	n := 1
	got := rows.Spec
	if !s.scalar {
		if len(got.Shape) == 0 {
			return fmt.Errorf("rows %v, want %v", got, s.m.Spec)
		}
		n = got.Shape[0]
		got = array.Spec{DType: got.DType, Shape: got.Shape[1:]}
	}
	if !got.Equal(s.row) {
		return fmt.Errorf("rows %v, want %v", rows.Spec, s.m.Spec)
	}
	if most := s.most(); most >= 0 && n > most-s.rows {
		return fmt.Errorf("%d rows behind %d, want %d in all", n, s.rows, most)
	}
	if s.fortran {
		if err := s.scatter(rows, n); err != nil {
			return err
		}
	} else if _, err := s.out.Write(rows.Data); err != nil {
		return err
	}
	s.rows += n
	return nil
}

// most is how many rows are wanted; -1 any.
func (s *sink) most() int {
	if s.scalar {
		return 1
	}
	return s.m.Spec.Shape[0]
}

// scatter writes what rows have of each column to where the column lies.
func (s *sink) scatter(rows array.Array, n int) error {
	if n == 0 {
		return nil
	}
	columns := rows.Strided().AsFortran().Data
	run := n * s.row.DType.ItemSize()
	step := int64(s.m.Spec.Shape[0]) * int64(s.row.DType.ItemSize())
	at := s.off + int64(s.rows)*int64(s.row.DType.ItemSize())
	for ; len(columns) > 0; columns = columns[run:] {
		if _, err := s.w.f.WriteAt(columns[:run], at); err != nil {
			return err
		}
		at += step
	}
	return nil
}

// Close completes the array.
func (s *sink) Close() (err error) {
	if s.closed {
		return nil
	}
	s.closed = true
	defer func() {
		s.dropSpool()
		if s.w.open = nil; err != nil {
			s.failed = err
			s.w.done = true // a broken array can't be taken back out of the file
			err = errors.Join(err, s.w.f.Abort())
		}
	}()
	if s.failed != nil {
		return s.failed
	}
	if most := s.most(); most >= 0 && s.rows != most {
		return fmt.Errorf("npy: array %q: %d rows, want %d", s.m.Name, s.rows, most)
	}
	if s.scalar || s.m.Spec.Shape[0] >= 0 {
		return nil
	}
	s.m.Spec.Shape[0] = s.rows
	if _, err := s.m.Spec.Bytes(); err != nil {
		return fmt.Errorf("npy: array %q: %w", s.m.Name, err)
	}
	header, err := formatHeader(s.m.Spec, false)
	if err != nil {
		return fmt.Errorf("npy: array %q: %w", s.m.Name, err)
	}
	if s.spool == nil {
		// As long as the one before: the number of rows has its room.
		_, err = s.w.f.WriteAt(header, 0)
		return err
	}
	if s.out, err = s.w.entry(s.m.Name); err != nil {
		return err
	}
	if _, err = s.out.Write(header); err != nil {
		return err
	}
	if _, err = s.spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{s.out}, struct{ io.Reader }{s.spool}, make([]byte, 1<<20))
	return err
}

func (s *sink) dropSpool() {
	if s.spool != nil {
		s.spool.Close()
		os.Remove(s.spool.Name())
		s.spool = nil
	}
}

// SetAttrs refuses attributes: the format has none.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	return errAttrs
}

// Close completes the file and puts it at its path. A .npy file without an
// array, and an open sink, are errors that leave nothing.
func (w *Writer) Close() error {
	if w.done {
		return errors.New("npy: the writer is closed")
	}
	var err error
	switch {
	case w.open != nil:
		err = fmt.Errorf("npy: the sink of %q is open", w.open.m.Name)
	case w.zip == nil && len(w.names) == 0:
		err = errors.New("npy: no array was added")
	case w.zip != nil:
		err = w.zip.Close()
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	w.done = true
	return w.f.Commit()
}

// Abort leaves nothing of the file. Behind Close it does nothing.
func (w *Writer) Abort() error {
	if w.open != nil {
		w.open.closed = true
		w.open.dropSpool()
		w.open = nil
	}
	w.done = true
	return w.f.Abort()
}

// Save writes one array to a .npy file.
func Save(path string, a array.Strided, opts *CreateOptions) error {
	w, err := Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	fortran := !a.IsContiguous() && a.IsFortran()
	header, err := formatHeader(a.Spec, fortran)
	if err != nil {
		return fmt.Errorf("%s: npy: %w", path, err)
	}
	data := a.AsContiguous
	if fortran {
		data = a.Transpose().AsContiguous
	}
	for _, b := range [][]byte{header, data().Data} {
		if _, err := w.f.Write(b); err != nil {
			return err
		}
	}
	w.done = true
	return w.f.Commit()
}
