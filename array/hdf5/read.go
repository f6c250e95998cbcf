package hdf5

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// viewable tells whether the data lie in the file as they are, in one piece.
func (d *dataset) viewable() bool {
	return d.layout == layoutContiguous && d.offset != addressUndefined && !d.vlen && d.cleaner() == nil
}

// Array returns a whole array. Where its data lie in one piece, and as they
// are, it is a view of the file: read-only, valid until Close. Else it is read
// into memory, which is the caller's.
func (f *File) Array(name string) (array.Strided, error) {
	n, err := f.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	spec := array.Spec{DType: n.Spec.DType, Shape: slices.Clone(n.Spec.Shape)}
	size, err := spec.Bytes()
	if err != nil {
		return array.Strided{}, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: err.Error()}
	}
	if n.data.viewable() {
		b := f.m.Bytes()
		if size > 0 { // lies in the file, as check found
			b = b[n.data.offset : n.data.offset+uint64(size) : n.data.offset+uint64(size)]
		} else {
			b = nil
		}
		return array.Array{Spec: spec, Data: b}.Strided(), nil
	}
	if int64(size) > f.opts.MaxArray {
		return array.Strided{}, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: fmt.Sprintf("array %v has %d bytes, at most %d are read at once", spec, size, f.opts.MaxArray)}
	}
	data := make([]byte, size)
	r, err := f.reader(n)
	if err != nil {
		return array.Strided{}, err
	}
	defer r.close()
	if err := r.rows(data, 0, r.count, true); err != nil {
		return array.Strided{}, f.l.explain(err, f.path, n.Name)
	}
	return array.Array{Spec: spec, Data: data}.Strided(), nil
}

// reader reads rows of a dataset. It is not safe for concurrent use.
type reader struct {
	f     *File
	n     *node
	d     *dataset
	id    hid
	count int // rows of the dataset
	row   int // bytes of one
	ws    []*worker
	heap  *heap  // of strings of any length
	raw   []byte // their references
}

// reader opens a dataset.
func (f *File) reader(n *node) (*reader, error) {
	r := &reader{f: f, n: n, d: n.data, count: 1}
	if n.data.vlen {
		r.heap = f.newHeap()
	}
	size, err := n.Spec.Bytes()
	if err != nil {
		return nil, err
	}
	if len(r.d.dims) > 0 {
		r.count = r.d.dims[0]
	}
	if r.row = size; r.count > 0 {
		r.row /= r.count
	}
	return r, r.open()
}

// newHeap returns what reads strings of any length, for one goroutine.
func (f *File) newHeap() *heap {
	return &heap{b: f.m.Bytes()[f.base:], address: f.heap.address, length: f.heap.length}
}

// locked is the library's, of a file that is open.
func (f *File) locked(do func() error) error {
	return f.l.locked(func() error {
		if f.closed {
			return fmt.Errorf("%s: the file is closed: %w", f.path, os.ErrClosed)
		}
		return do()
	})
}

func (r *reader) close() {
	_ = r.f.locked(func() error { // behind the file's Close it is closed
		r.f.l.Dclose(r.id)
		return nil
	})
}

// rows reads rows from lo, which begins a row of chunks where there are some,
// up to hi. Fresh memory is zero.
func (r *reader) rows(dst []byte, lo, hi int, fresh bool) error {
	if err := r.f.locked(func() error { return nil }); err != nil {
		return err
	}
	switch {
	case len(dst) == 0:
		return nil
	case r.d.vlen:
		return r.texts(dst, lo, hi)
	case r.d.ours():
		err := r.chunks(dst, lo, hi, fresh)
		r.d.clean(dst)
		return err
	case r.d.layout == layoutContiguous && r.d.offset == addressUndefined:
		if !fresh || r.d.fill != nil {
			fill(dst, r.d.fill)
		}
		return nil
	}
	err := r.f.locked(func() error { return r.f.l.slab(r.id, r.d, lo, hi, unsafe.Pointer(&dst[0]), false) })
	r.d.clean(dst)
	return err
}

// slab reads or writes rows by the library, as they are in the file.
func (l *library) slab(id hid, d *dataset, lo, hi int, p unsafe.Pointer, write bool) error {
	t := l.Dget_type(id)
	if t < 0 {
		return l.fail("read its type")
	}
	defer l.Tclose(t)
	file, mem, err := l.selectRows(id, d, lo, hi)
	if err != nil {
		return err
	}
	if file != 0 {
		defer l.Sclose(file)
		defer l.Sclose(mem)
	}
	if write {
		if l.Dwrite(id, t, mem, file, 0, p) < 0 {
			return l.fail("write rows %d to %d", lo, hi)
		}
		return nil
	}
	if l.Dread(id, t, mem, file, 0, p) < 0 {
		return l.fail("read rows %d to %d", lo, hi)
	}
	return nil
}

// selectRows makes the spaces of some rows, in the file and in memory; 0 and 0
// of a scalar, which stand for all.
func (l *library) selectRows(id hid, d *dataset, lo, hi int) (file, mem hid, err error) {
	if len(d.dims) == 0 {
		return 0, 0, nil
	}
	file = l.Dget_space(id)
	if file < 0 {
		return 0, 0, l.fail("read its dimensions")
	}
	var start, count [maxRank]uint64
	for i, n := range d.dims {
		count[i] = uint64(n)
	}
	start[0], count[0] = uint64(lo), uint64(hi-lo)
	mem = l.Screate_simple(int32(len(d.dims)), &count[0], nil)
	if mem < 0 || l.Sselect_hyperslab(file, selectSet, &start[0], nil, &count[0], nil) < 0 {
		err = l.fail("select rows %d to %d", lo, hi)
		l.Sclose(file)
		if mem >= 0 {
			l.Sclose(mem)
		}
		return 0, 0, err
	}
	return file, mem, nil
}

// fill repeats an element; nil is zero.
func fill(dst, element []byte) {
	if element == nil {
		clear(dst)
		return
	}
	for n := copy(dst, element); n < len(dst); {
		n += copy(dst[n:], dst[:n])
	}
}

// clean makes strings of a fixed size as NumPy's.
func (e *element) clean(data []byte) {
	if do := e.cleaner(); do != nil {
		do(data)
	}
}

// cleaner returns what strings of a fixed size need to be as NumPy's: zeros
// behind their end; nil for nothing.
func (e *element) cleaner() func([]byte) {
	if e.vlen || e.dtype.Kind() != 'S' || e.pad == padZero {
		return nil
	}
	size := e.dtype.ItemSize()
	return func(data []byte) {
		for ; len(data) >= size; data = data[size:] {
			s := data[:size]
			if e.pad == padSpace {
				clear(s[len(bytes.TrimRight(s, " ")):])
			} else if end := bytes.IndexByte(s, 0); end >= 0 {
				clear(s[end:])
			}
		}
	}
}

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is array.DefaultChunk) and at least one row. Chunks are unpacked once each: it
// needs memory for the rows of one row of chunks, or for chunk bytes where those
// are more, for one chunk a processor up to 16 MiB of them, and for a few chunks
// besides. A row of chunks that has more bytes
// than OpenOptions.MaxArray is refused. Where the data lie in one piece it is an
// array.ExtentStream.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	d := n.data
	if d.viewable() {
		return array.StreamExtent(n.Name, array.Extent{Spec: n.Spec, File: f.file, Offset: int64(d.offset)}, chunk)
	}
	if chunk <= 0 {
		chunk = array.DefaultChunk
	}
	r, err := f.reader(n)
	if err != nil {
		return nil, err
	}
	s := &stream{reader: r}
	if r.count == 0 {
		return s, nil
	}
	s.most = min(r.count, max(1, chunk/max(r.row, 1)))
	step := 1
	if d.chunks != nil {
		step = d.chunks[0]
	}
	s.ahead = max(1, s.most/step)
	if d.chunks != nil {
		s.ahead = max(s.ahead, together(d, r.row))
	}
	if s.ahead > r.count/step {
		s.ahead = r.count
	} else {
		s.ahead *= step
	}
	if r.row > 0 && int64(s.ahead) > f.opts.MaxArray/int64(r.row) {
		r.close()
		return nil, &FormatError{File: f.path, Array: n.Name, Offset: -1, Msg: fmt.Sprintf("%d rows of %d bytes are a row of chunks, at most %d bytes are read at once", s.ahead, r.row, f.opts.MaxArray)}
	}
	return s, nil
}

// together is how many rows of chunks are read at once to have work for all
// processors, as far as that is little memory.
func together(d *dataset, row int) int {
	g := newGrid(d, 0, d.chunks[0])
	n := (runtime.GOMAXPROCS(0) + g.jobs() - 1) / max(1, g.jobs())
	return max(1, min(n, maxBand/max(1, row*d.chunks[0])))
}

// stream reads an array from front to back.
type stream struct {
	*reader
	most   int // rows at a time
	ahead  int // rows that are read together
	next   int
	lo, hi int // the rows in buf
	buf    []byte
	closed bool
}

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	if s.closed {
		return array.Array{}, fmt.Errorf("%sthe stream is closed: %w", array.Place(s.f.path, s.n.Name, "", -1), os.ErrClosed)
	}
	if s.next == s.count {
		return array.Array{}, io.EOF
	}
	if s.next == s.hi {
		lo, hi := s.hi, s.hi+min(s.ahead, s.count-s.hi)
		fresh := s.buf == nil
		s.buf = grow(s.buf, (hi-lo)*s.row)
		if err := s.rows(s.buf, lo, hi, fresh); err != nil {
			return array.Array{}, s.f.l.explain(err, s.f.path, s.n.Name)
		}
		s.lo, s.hi = lo, hi
	}
	n := min(s.most, s.hi-s.next)
	spec := s.n.Spec
	if len(s.d.dims) > 0 {
		spec.Shape = append([]int{n}, spec.Shape[1:]...)
	}
	at := (s.next - s.lo) * s.row
	s.next += n
	return array.Array{Spec: spec, Data: s.buf[at : at+n*s.row : at+n*s.row]}, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	if !s.closed {
		s.closed = true
		s.reader.close()
		s.buf, s.ws, s.raw, s.heap = nil, nil, nil, nil
	}
	return nil
}

// grow returns n bytes, in b's memory where that has room.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
