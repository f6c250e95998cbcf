package hdf5

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/regular"
)

// AppendOptions say how Append works; there is nothing to choose yet.
type AppendOptions struct{}

// Appender puts rows behind those of a dataset that is there. It is not safe
// for concurrent use. After an error it only gives that error.
type Appender struct {
	sink array.Sink // nil of strings of any length
	path string
	l    *library
	file hid
	os   *os.File
	o    *output
	m    array.Member
	err  error
	done bool
}

// Append opens an array of a file for more rows. It must be able to grow along
// axis 0 (CreateOptions.Resizable; h5py's maxshape=(None, …)), and its filters
// must be gzip, shuffle and fletcher32, or none.
//
// Rows are in the file when Flush or Close has returned. The file is changed in
// its place: a process that is killed before may leave one that the library
// refuses, or of the latest form one with the mark of a writer, which Open
// reports. Where that must not be, append to a copy.
func Append(path, name string, opts *AppendOptions) (*Appender, error) {
	// What can be looked at without changing the file comes first.
	f, err := Open(path, nil)
	if err != nil {
		return nil, err
	}
	n, err := f.find(name)
	if err == nil {
		if err = appendable(n.data); err != nil {
			err = f.l.explain(err, path, n.Name)
		}
	}
	last, readErr := []byte(nil), error(nil)
	if err == nil && !n.data.vlen {
		last, readErr = f.lastRows(n)
	}
	if err := errors.Join(err, readErr, f.Close()); err != nil {
		return nil, err
	}
	a := &Appender{path: path, l: f.l, file: -1, m: n.Member}
	a.o = &output{l: f.l, d: n.data, id: -1, rows: n.data.dims[0], buf: last}
	for _, x := range n.data.filters {
		if x.id == filterDeflate {
			if a.o.level = defaultLevel; len(x.values) > 0 && x.values[0] >= 1 && x.values[0] <= 9 {
				a.o.level = int(x.values[0])
			}
		}
	}
	if n.data.vlen {
		// Text of any length comes, whatever the longest was.
		return a, a.begin(n)
	}
	if a.sink, err = array.NewSink(sinkMember(n), array.Taker{Rows: a.o.put, End: a.o.end}); err != nil {
		return nil, err
	}
	return a, a.begin(n)
}

// sinkMember is a member of any number of rows.
func sinkMember(n *node) array.Member {
	m := n.Member
	m.Spec.Shape = slices.Clone(m.Spec.Shape)
	m.Spec.Shape[0] = -1
	return m
}

// appendable says why a dataset can't grow by this package.
func appendable(d *dataset) error {
	switch {
	case d.layout != layoutChunked || len(d.dims) == 0 || d.most[0] != -1:
		return unsupported("appending to a dataset that can't grow along axis 0")
	case !d.vlen && !d.ours():
		return unsupported("appending to a dataset with filters other than gzip, shuffle and fletcher32")
	}
	for _, x := range d.filters {
		if x.id == filterLZF {
			return unsupported("appending to a dataset with the filter lzf")
		}
	}
	return nil
}

// lastRows reads the rows of the last row of chunks, where it isn't full.
func (f *File) lastRows(n *node) ([]byte, error) {
	r, err := f.reader(n)
	if err != nil {
		return nil, err
	}
	defer r.close()
	rows := r.count
	have := rows % n.data.chunks[0]
	if int64(have) > f.opts.MaxArray/int64(max(r.row, 1)) {
		return nil, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: fmt.Sprintf("%d rows of %d bytes in the last row of chunks, at most %d bytes are read at once", have, r.row, f.opts.MaxArray)}
	}
	buf := make([]byte, have*r.row)
	if err := r.rows(buf, rows-have, rows, true); err != nil {
		return nil, f.l.explain(err, f.path, n.Name)
	}
	return buf, nil
}

// begin opens the file to write.
func (a *Appender) begin(n *node) error {
	err := a.l.locked(func() (err error) {
		if a.file, err = a.l.openFile(a.path, fileWritable); err != nil {
			return err
		}
		if a.o.id = a.l.Dopen(a.file, n.target, 0); a.o.id < 0 {
			return a.l.fail("open it")
		}
		// What another process did meanwhile would be lost.
		now := &dataset{}
		if err := a.l.dims(a.o.id, now); err != nil {
			return err
		}
		if !slices.Equal(now.dims, n.data.dims) {
			return fmt.Errorf("its shape is %v, it was %v a moment ago", now.dims, n.data.dims)
		}
		return nil
	})
	if err == nil {
		a.os, err = regular.OpenFile(a.path, os.O_RDWR, 0) // to sync by
	}
	if err != nil {
		err = a.l.explain(err, a.path, n.Name)
		return errors.Join(err, a.closeFile())
	}
	return nil
}

// Member returns the array as it was when Append opened it.
func (a *Appender) Member() array.Member {
	m := a.m
	m.Spec.Shape = slices.Clone(m.Spec.Shape)
	return m
}

// Rows returns how many rows the array has, with those that came since.
func (a *Appender) Rows() int { return a.o.rows }

// Write takes some rows, of the array's type and other dimensions; text (U) of
// any length where the array's is that of any. The bytes are not kept.
func (a *Appender) Write(rows array.Array) error {
	if err := a.state(); err != nil {
		return err
	}
	if a.sink != nil {
		return a.fail(a.sink.Write(rows))
	}
	if rows.DType.Kind() != 'U' || len(rows.Shape) != len(a.o.d.dims) || !slices.Equal(rows.Shape[1:], a.o.d.dims[1:]) {
		return a.fail(fmt.Errorf("array %q: rows of %v, want text of the shape %s", a.m.Name, rows.Spec, array.ShapeString(a.o.d.dims)))
	}
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return a.fail(err)
	}
	return a.fail(a.o.putTexts(rows, rows.Shape[0]))
}

func (a *Appender) state() error {
	if a.err == nil && a.done {
		return fmt.Errorf("%s: the appender is closed: %w", a.path, os.ErrClosed)
	}
	return a.err
}

// fail keeps the first error.
func (a *Appender) fail(err error) error {
	if a.err == nil && err != nil {
		a.err = fmt.Errorf("%s: %w", a.path, err)
	}
	return a.err
}

// Flush writes all rows so far, and returns once they are on disk. A row of
// chunks that isn't full is written again later.
func (a *Appender) Flush() error {
	if err := a.state(); err != nil {
		return err
	}
	err := a.o.flush()
	if err == nil {
		err = a.l.locked(func() error {
			if a.l.Fflush(a.file, flushGlobal) < 0 {
				return a.l.fail("flush the file")
			}
			return nil
		})
	}
	if err == nil {
		err = a.os.Sync()
	}
	return a.fail(err)
}

// Close writes what is left and closes the file. A second Close does nothing.
func (a *Appender) Close() error {
	if a.done {
		return a.err
	}
	if a.err == nil {
		_ = a.Flush() // fail keeps the error
	}
	a.done = true
	return a.fail(a.closeFile())
}

// closeFile closes what is open.
func (a *Appender) closeFile() error {
	err := a.l.locked(func() error {
		if a.o.id >= 0 {
			a.l.Dclose(a.o.id)
		}
		if a.file >= 0 && a.l.Fclose(a.file) < 0 {
			return a.l.fail("close the file")
		}
		return nil
	})
	if a.os != nil {
		err = errors.Join(err, a.os.Sync(), a.os.Close())
	}
	return err
}
