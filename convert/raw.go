package convert

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

var rawFormat = &format{
	Format:  Format{Name: "raw", Title: "raw elements", Extensions: []string{".raw", ".bin"}, Single: true, Read: true, Write: true},
	open:    openRaw,
	create:  createRaw,
	scalars: true, order: true,
	takes: func(m array.Member) error {
		if m.Spec.DType.ItemSize() == 0 {
			return &array.UnsupportedError{DType: m.Spec.DType.String(), Why: "elements without bytes can't be counted"}
		}
		return nil
	},
}

// rawFile is a file of elements whose type and shape the caller tells.
type rawFile struct {
	path string
	file *os.File // nil where it was text
	m    array.Member
	off  int64
	text array.Array
}

func openRaw(path string, o *Options) (_ File, err error) {
	r := &o.Raw
	if !r.DType.Valid() {
		return nil, fmt.Errorf("%s: %w", path, ErrNoDType)
	}
	f := &rawFile{path: path, off: r.Offset}
	f.m = array.Member{Name: stem(path), Fortran: r.Fortran, Spec: array.Spec{DType: r.DType}}
	if r.Sep != "" {
		if r.Fortran {
			return nil, fmt.Errorf("%s: text is read in C order only", path)
		}
		f.text, err = array.FromFile(path, &array.FromFileOptions{DType: r.DType, Count: r.Count, Offset: r.Offset, Sep: r.Sep})
		if err != nil {
			return nil, err
		}
		if f.m.Spec.Shape, err = r.shape(f.text.Shape[0]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		f.text.Shape = f.m.Spec.Shape
		return f, nil
	}
	if f.file, err = regular.Open(path); err != nil {
		return nil, err
	}
	if err := f.layout(r); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.file.Close())
	}
	return f, nil
}

// layout finds the shape, for which the file must have the bytes.
func (f *rawFile) layout(r *Raw) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	item := int64(r.DType.ItemSize())
	switch {
	case item == 0:
		return fmt.Errorf("elements of type %v have no bytes to count by", r.DType)
	case r.Offset < 0 || r.Offset > size:
		return fmt.Errorf("offset %d in a file of %d bytes", r.Offset, size)
	case r.Count < -1:
		return fmt.Errorf("count %d", r.Count)
	}
	left := size - r.Offset
	n := left / item
	switch {
	case r.Count > 0 && int64(r.Count) > n:
		return fmt.Errorf("%d bytes from byte %d, want %d elements of %d bytes (%v)", left, r.Offset, r.Count, item, r.DType)
	case r.Count > 0:
		n = int64(r.Count)
	case left%item != 0:
		return fmt.Errorf("%d bytes from byte %d are no whole number of elements of %d bytes (%v)", left, r.Offset, item, r.DType)
	case n > math.MaxInt:
		return fmt.Errorf("%d elements", n)
	}
	f.m.Spec.Shape, err = r.shape(int(n))
	return err
}

// shape is that of n elements.
func (r *Raw) shape(n int) ([]int, error) {
	if r.Shape == nil {
		return []int{n}, nil
	}
	shape := slices.Clone(r.Shape)
	free := slices.Index(shape, -1)
	known := array.Spec{DType: array.Uint8, Shape: shape}
	if free >= 0 {
		known.Shape = slices.Delete(slices.Clone(shape), free, free+1)
	}
	count, err := known.Count()
	if err != nil {
		return nil, err
	}
	if free >= 0 {
		if count == 0 || n%count != 0 {
			return nil, fmt.Errorf("%d elements don't fill the shape %s", n, array.ShapeString(r.Shape))
		}
		shape[free] = n / count
		return shape, nil
	}
	if count != n {
		return nil, fmt.Errorf("%d elements, want %d for the shape %s", n, count, array.ShapeString(r.Shape))
	}
	return shape, nil
}

func (f *rawFile) Members() []array.Member { return []array.Member{f.m} }
func (f *rawFile) Attrs() map[string]any   { return nil }

func (f *rawFile) Stream(name string, chunk int) (array.Stream, error) {
	if name != f.m.Name {
		return nil, fmt.Errorf("%s: no array %q", f.path, name)
	}
	if f.file == nil {
		return array.StreamOf(f.text.Strided(), chunk), nil
	}
	e := array.Extent{Spec: f.m.Spec, File: f.file, Offset: f.off}
	if !f.m.Fortran || len(f.m.Spec.Shape) < 2 {
		return array.StreamExtent(f.m.Name, e, chunk)
	}
	return f.fortran(e, chunk)
}

// fortran streams elements in Fortran order.
func (f *rawFile) fortran(e array.Extent, chunk int) (array.Stream, error) {
	n, err := f.m.Spec.Bytes()
	if err != nil {
		return nil, err
	}
	m, err := mmap.Open(f.path)
	if err != nil {
		return nil, err
	}
	b := m.Bytes()
	if int64(len(b)) < f.off+int64(n) {
		return nil, errors.Join(fmt.Errorf("%s: was cut short", f.path), m.Close())
	}
	whole, err := array.FortranOf(f.m.Spec, b[f.off:f.off+int64(n)])
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	s, err := array.StreamFortran(f.m.Name, e, whole, chunk)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return &closing{s, m}, nil
}

// closing closes what a stream is read from, too.
type closing struct {
	array.Stream
	of io.Closer
}

func (c *closing) Close() error { return errors.Join(c.Stream.Close(), c.of.Close()) }

func (f *rawFile) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// rawWriter writes elements and nothing else.
type rawWriter struct {
	w     *array.Writing
	file  *aside.File
	out   *bufio.Writer // of text
	raw   Raw
	at    int64
	some  bool // elements were written
	added bool
}

func createRaw(path string, o *Options) (writer, error) {
	if o.Raw.Sep == "" && o.Raw.Format != "" {
		return nil, errors.New("a format of elements without a separator; the file would be binary")
	}
	f, err := aside.Create(path, o.Overwrite)
	if err != nil {
		return nil, err
	}
	return &rawWriter{w: array.NewWriting(path), file: f, out: bufio.NewWriterSize(f, 1<<16), raw: o.Raw}, nil
}

// Add begins the one array.
func (w *rawWriter) Add(m array.Member) (array.Sink, error) {
	if w.added {
		return nil, errors.New("a raw file holds one array")
	}
	w.added = true
	if w.raw.Sep != "" {
		return w.w.Begin(m, array.Taker{Rows: w.text})
	}
	return w.w.Begin(m, array.Taker{
		Rows: func(rows array.Array) error {
			n, err := w.file.Write(rows.Data)
			w.at += int64(n)
			return err
		},
		Extent: func(rows array.Extent) error {
			n, err := rows.Bytes()
			if err == nil {
				err = rows.CopyTo(w.file.File, w.at)
			}
			if w.at += int64(n); err != nil {
				return err
			}
			_, err = w.file.Seek(w.at, io.SeekStart)
			return err
		},
	})
}

func (w *rawWriter) text(rows array.Array) error {
	if n, err := rows.Count(); err != nil || n == 0 {
		return err
	}
	if w.some {
		if _, err := w.out.WriteString(w.raw.Sep); err != nil {
			return err
		}
	}
	w.some = true
	return array.WriteText(w.out, rows, w.raw.Sep, w.raw.Format)
}

// SetAttrs is not called: the format has none.
func (w *rawWriter) SetAttrs(map[string]any) error { return errors.New("a raw file has no attributes") }

func (w *rawWriter) Close() error {
	return w.w.Close(func() error {
		if !w.added {
			return errors.New("a raw file without an array")
		}
		return w.out.Flush()
	}, w.file.Commit, w.file.Abort)
}

func (w *rawWriter) Abort() error { return w.w.Abort(w.file.Abort) }
