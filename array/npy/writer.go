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
	names map[string]bool
	state *array.Writing
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
	w := &Writer{f: f, opts: *opts, names: map[string]bool{}, state: array.NewWriting(f.Target())}
	if zipped {
		w.zip = zip.NewWriter(f)
		w.zip.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
			return flate.NewWriter(out, 6) // zlib's own default, as NumPy has it
		})
	}
	return w, nil
}

// Add begins an array; the sink before must be closed. Shape[0] may be -1: an
// archive needs as much space on disk again for such an array, for a time, and so
// it does for one in Fortran order. The elements are in Fortran order if the
// member says so and its shape is known, else in C order. A .npy file takes one
// array, whatever its name.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	err := w.refuse(m)
	var e *entry
	if err == nil {
		e, err = w.newEntry(m)
	}
	if err != nil {
		return nil, fmt.Errorf("npy: add %q: %w", m.Name, err)
	}
	taker := array.Taker{Rows: e.write, End: e.end}
	if e.fortran {
		taker.Rows = e.scatter
		taker.Fortran = &array.Taker{Rows: e.write, Extent: e.copy}
	} else if w.zip == nil || e.spooled() {
		taker.Extent = e.copy
	}
	s, err := w.state.Begin(m, taker)
	if err != nil {
		return nil, err
	}
	if err := e.begin(); err != nil {
		return nil, errors.Join(w.state.Fail(fmt.Errorf("array %q: %w", m.Name, err)), w.Abort())
	}
	w.names[m.Name] = true
	return s, nil
}

// refuse tells why an array can't be added.
func (w *Writer) refuse(m array.Member) error {
	switch {
	case w.zip == nil && len(w.names) > 0:
		return errors.New("a .npy file holds one array; write a .npz")
	case w.names[m.Name]:
		return errors.New("there is one of that name")
	case w.zip != nil && (m.Name == "" || strings.HasSuffix(m.Name, "/")):
		return errors.New("an array of an archive needs a name")
	case len(m.Attrs) > 0:
		return errAttrs
	}
	return nil
}

var errAttrs = &array.UnsupportedError{Why: "the format has no attributes"}

// entry is the array that is being written.
type entry struct {
	w       *Writer
	m       array.Member
	fortran bool
	unknown bool      // how many rows there will be
	out     io.Writer // an archive's member; nil where file takes the data
	file    *os.File  // the .npy file itself, or what an archive's member is copied from
	at      int64     // of the next rows in file
}

// newEntry checks what the format can tell of an array.
func (w *Writer) newEntry(m array.Member) (*entry, error) {
	e := &entry{w: w, m: m}
	shape := slices.Clone(m.Spec.Shape)
	e.m.Spec.Shape = shape
	if e.unknown = len(shape) > 0 && shape[0] == -1; e.unknown {
		shape[0] = 0
	}
	e.fortran = m.Fortran && !e.unknown && !e.m.Spec.Flat()
	if _, err := e.m.Spec.Bytes(); err != nil {
		return nil, err
	}
	_, err := formatHeader(e.m.Spec, e.fortran)
	return e, err
}

// spooled tells whether the data can't go to the archive from front to back.
func (e *entry) spooled() bool { return e.w.zip != nil && (e.unknown || e.fortran) }

// begin writes the header, or what will be one.
func (e *entry) begin() (err error) {
	switch {
	case e.spooled():
		dir, base := filepath.Split(e.w.f.Name())
		e.file, err = os.CreateTemp(filepath.Clean(dir), base+".rows-*")
		return err
	case e.w.zip != nil:
		return e.inZip()
	}
	header, err := formatHeader(e.m.Spec, e.fortran)
	if err != nil {
		return err
	}
	e.file, e.at = e.w.f.File, int64(len(header))
	_, err = e.file.WriteAt(header, 0)
	return err
}

// inZip begins the archive's member.
func (e *entry) inZip() (err error) {
	header, err := formatHeader(e.m.Spec, e.fortran)
	if err != nil {
		return err
	}
	method := zip.Store
	if e.w.opts.Compress {
		method = zip.Deflate
	}
	if e.out, err = e.w.zip.CreateHeader(&zip.FileHeader{Name: e.m.Name + ".npy", Method: method}); err != nil {
		return err
	}
	_, err = e.out.Write(header)
	return err
}

// write writes rows behind those before.
func (e *entry) write(rows array.Array) error {
	if e.out != nil {
		_, err := e.out.Write(rows.Data)
		return err
	}
	err := aside.WriteAt(e.file, rows.Data, e.at)
	e.at += int64(len(rows.Data))
	return err
}

// copy is write of rows that lie in a file.
func (e *entry) copy(rows array.Extent) error {
	size, err := rows.Bytes()
	if err != nil {
		return err
	}
	err = rows.CopyTo(e.file, e.at)
	e.at += int64(size)
	return err
}

// scatter writes what rows have of each column to where the column lies.
func (e *entry) scatter(rows array.Array) error {
	columns := rows.Strided().AsFortran().Data
	item := int64(rows.DType.ItemSize())
	run := rows.Shape[0] * int(item)
	at := e.at
	for ; len(columns) > 0; columns = columns[run:] {
		if _, err := e.file.WriteAt(columns[:run], at); err != nil {
			return err
		}
		at += int64(e.m.Spec.Shape[0]) * item
	}
	e.at += int64(run)
	return nil
}

// end completes the array.
func (e *entry) end(rows int, failed error) (err error) {
	if failed == nil {
		err = e.complete(rows)
	}
	if e.file != nil && e.file != e.w.f.File {
		err = errors.Join(err, e.file.Close(), os.Remove(e.file.Name()))
		e.file = nil
	}
	return err
}

func (e *entry) complete(rows int) error {
	if e.unknown {
		e.m.Spec.Shape[0] = rows
	}
	if e.spooled() {
		if err := e.inZip(); err != nil {
			return err
		}
		if _, err := e.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		_, err := io.CopyBuffer(struct{ io.Writer }{e.out}, struct{ io.Reader }{e.file}, make([]byte, array.DefaultChunk))
		return err
	}
	if !e.unknown {
		return nil
	}
	// As long as the one before: the number of rows has its room.
	header, err := formatHeader(e.m.Spec, false)
	if err != nil {
		return err
	}
	_, err = e.file.WriteAt(header, 0)
	return err
}

// SetAttrs refuses attributes: the format has none.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	return errAttrs
}

// Close completes the file and puts it at its path. A .npy file without an
// array, and an array that isn't closed, are errors that leave nothing.
func (w *Writer) Close() error { return w.state.Close(w.complete, w.f.Commit, w.f.Abort) }

func (w *Writer) complete() error {
	if w.zip != nil {
		return w.zip.Close()
	}
	if len(w.names) == 0 {
		return errors.New("npy: no array was added")
	}
	return nil
}

// Abort leaves nothing of the file. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(w.f.Abort) }

// Save writes one array to a .npy file, in Fortran order where it lies so.
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
	if _, err := w.f.WriteAt(header, 0); err != nil {
		return err
	}
	if err := aside.WriteAt(w.f.File, data().Data, int64(len(header))); err != nil {
		return err
	}
	return w.f.Commit()
}
