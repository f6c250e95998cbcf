package gnz

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/pyjson"
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
	state   *array.Writing
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
	w := &Writer{file: f, room: int64(opts.HeaderRoom), state: array.NewWriting(f.Target())}
	if w.room <= 0 {
		w.room = headerRoom
	}
	return w, nil
}

// SetAttrs sets the file's metadata, whatever they were: values that JSON has,
// maps with string keys and slices of them included. They are copied.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	text, err := pyjson.Append(nil, attrs, 0)
	if err != nil {
		return fmt.Errorf("gnz: metadata: %w", err)
	}
	v, err := pyjson.Parse(text, &pyjson.Options{Number: number})
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
	_, s, err := w.add(m)
	return s, err
}

func (w *Writer) add(m array.Member) (*entry, array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, nil, err
	}
	if len(m.Attrs) > 0 {
		return nil, nil, fmt.Errorf("gnz: array %q: the format has no attributes of an array", m.Name)
	}
	for _, e := range w.h.entries {
		if e.name == m.Name {
			return nil, nil, fmt.Errorf("gnz: array %q is there already", m.Name)
		}
	}
	e := &entry{name: m.Name, spec: array.Spec{DType: m.Spec.DType, Shape: slices.Clone(m.Spec.Shape)}}
	if len(e.spec.Shape) > 0 && e.spec.Shape[0] == -1 {
		e.spec.Shape[0] = 0
	}
	if err := checkMember(m.Name, e.spec); err != nil {
		return nil, nil, err
	}
	s, err := w.state.Begin(m, array.Taker{
		Rows:   func(rows array.Array) error { return w.put(e, rows.Data) },
		Extent: func(rows array.Extent) error { return w.putExtent(e, rows) },
		End: func(rows int, _ error) error {
			if len(e.spec.Shape) > 0 {
				e.spec.Shape[0] = rows
			}
			return nil
		},
	})
	if err != nil {
		return nil, nil, err
	}
	if n := len(w.h.entries); n > 0 {
		last := w.h.entries[n-1]
		e.offset = up(last.offset + last.size)
	} else {
		e.offset = w.start
	}
	w.h.entries, w.data = append(w.h.entries, e), append(w.data, nil)
	return e, s, nil
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
	} else if err := aside.WriteAt(w.file.File, data, e.offset+e.size); err != nil {
		return err
	}
	e.size += int64(len(data))
	return nil
}

// putExtent takes rows of the last array that lie in a file.
func (w *Writer) putExtent(e *entry, rows array.Extent) error {
	size, err := rows.Bytes()
	if err != nil {
		return err
	}
	if w.start == 0 {
		if err := w.spill(); err != nil {
			return err
		}
	}
	if err := rows.CopyTo(w.file.File, e.offset+e.size); err != nil {
		return err
	}
	e.size += int64(size)
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
	e, s, err := w.add(array.Member{Name: name, Spec: array.Spec{DType: t, Shape: a.Shape}})
	if err != nil {
		return err
	}
	if err := array.Copy(s, array.CastStream(array.StreamOf(a, 0), t), nil); err != nil {
		s.Close() // which fails too, and with it the writer
		return fmt.Errorf("gnz: array %q: %w", name, err)
	}
	if err := s.Close(); err != nil {
		return err
	}
	if opts.Fortran {
		slices.Reverse(e.spec.Shape)
		e.fortran = !e.spec.Flat()
	}
	return nil
}

// Close completes the file, syncs it and puts it at its path. If anything
// failed before, nothing is left and the error is the first.
func (w *Writer) Close() error { return w.state.Close(w.complete, w.file.Commit, w.file.Abort) }

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
func (w *Writer) Abort() error { return w.state.Abort(w.file.Abort) }
