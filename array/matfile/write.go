package matfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf16"

	"github.com/klauspost/compress/zlib"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	Overwrite bool // a file that is there already is replaced
	// Compress deflates each variable, as MATLAB's own save -v7. Without it
	// files are larger, but written and read several times as fast, and as
	// views.
	Compress bool
}

// Writer writes a MATLAB file beside its place, where Close puts it. It is not
// safe for concurrent use. After an error it only gives that error, and Close
// leaves nothing.
type Writer struct {
	f        *aside.File
	compress bool
	names    map[string]bool
	at       int64 // where the next variable begins
	state    *array.Writing
}

// headerText begins every file; it tells nothing of the moment, so that equal
// arrays give equal files.
const headerText = "MATLAB 5.0 MAT-file, written by betongo"

// Create begins a file.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	f, err := aside.Create(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f, compress: opts.Compress, names: map[string]bool{}, at: headerSize, state: array.NewWriting(f.Target())}
	b := append([]byte(headerText), make([]byte, headerSize-len(headerText))...)
	for i := len(headerText); i < textSize; i++ {
		b[i] = ' '
	}
	binary.LittleEndian.PutUint16(b[124:], version)
	copy(b[126:], "IM")
	if _, err := f.Write(b); err != nil {
		return nil, errors.Join(err, f.Abort())
	}
	return w, nil
}

// SetAttrs takes no attributes, the format has none: any are an error.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) > 0 {
		return errors.New("matfile: the format has no attributes")
	}
	return nil
}

// Add begins a variable, whose rows the sink takes; the first dimension may be
// -1. A name that MATLAB can't have, a type that it hasn't (an
// *array.UnsupportedError) and a variable of 2 GiB are errors. m.Attrs may hold
// "global"; the format has nothing for others.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	err := CheckName(m.Name)
	if w.names[m.Name] {
		err = errors.New("a variable of that name is there already")
	}
	for k := range m.Attrs {
		if k != "global" {
			err = fmt.Errorf("the attribute %q: MATLAB has none", k)
		}
	}
	if err != nil {
		return nil, w.state.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	v := &sink{w: w, m: m}
	v.m.Spec.Shape = slices.Clone(m.Spec.Shape)
	if err := v.begin(); err != nil {
		return nil, errors.Join(w.state.Named(fmt.Errorf("array %q: %w", m.Name, err)), v.drop())
	}
	s, err := w.state.Begin(m, v.taker())
	if err != nil {
		return nil, errors.Join(err, v.drop())
	}
	w.names[m.Name] = true
	return s, nil
}

// Close completes the file and puts it in its place. On an error nothing is
// left, and what was there stays.
func (w *Writer) Close() error {
	return w.state.Close(func() error { return w.f.Truncate(w.at) }, w.f.Commit, w.f.Abort)
}

// Abort removes what was written. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(w.f.Abort) }

// block is how many bytes of rows are brought into Fortran order at a time: of
// each column, what lies together is written at once.
const block = 16 << 20

// sink writes a variable.
type sink struct {
	w *Writer
	m array.Member

	to      *os.File // the file, or scratch
	base    int64    // where the variable begins in to
	lay     layout
	scratch *os.File // for a variable that is compressed, or whose rows nobody knows yet
	spool   *os.File // such rows

	batch  []byte // rows that wait
	turned []byte // rows in Fortran order
	row    int    // bytes of one
	first  int    // the number of batch's first; of elements in Fortran order
}

// taker is how rows come here. Numbers in Fortran order, and in one dimension,
// go straight to their place.
func (s *sink) taker() array.Taker {
	t := array.Taker{Rows: s.put, End: s.end}
	d := s.m.Spec.DType
	if d.IsStruct() || d.Kind() == 'S' || d.Kind() == 'U' {
		return t
	}
	straight := &array.Taker{Rows: func(rows array.Array) error { return s.scatter(rows, rows.Shape[0]) }}
	if d.Order() != '>' && d.Kind() != 'c' {
		straight.Extent = s.extent
	}
	if t.Fortran = straight; s.spool == nil && s.m.Spec.Flat() {
		t.Extent = straight.Extent
	}
	return t
}

// extent takes numbers from where they lie in a file.
func (s *sink) extent(rows array.Extent) error {
	count, err := rows.Count()
	if err != nil {
		return err
	}
	item := rows.DType.ItemSize()
	err = rows.CopyTo(s.to, s.base+s.lay.planes[0].at+int64(s.first)*int64(item))
	s.first += count
	return err
}

// begin lays the variable out, if it is known how many rows there will be.
func (s *sink) begin() error {
	spec := s.m.Spec
	counted := len(spec.Shape) > 0 && spec.Shape[0] == -1
	known := spec
	if counted {
		known.Shape = append([]int{1}, spec.Shape[1:]...) // what can't be is found at once
	}
	if err := s.place(known); err != nil {
		return err
	}
	row := array.Spec{DType: spec.DType}
	if len(spec.Shape) > 0 {
		row.Shape = spec.Shape[1:]
	}
	var err error
	if s.row, err = row.Bytes(); err != nil {
		return err
	}
	if counted {
		s.spool, err = s.w.scratch()
		return err
	}
	return s.open()
}

func (s *sink) place(spec array.Spec) error {
	s.lay = layout{}
	return s.lay.place(s.m.Name, spec, func(rows array.Array) (array.Strided, error) { return rows.Strided(), nil })
}

// open writes all but the data.
func (s *sink) open() error {
	s.to, s.base = s.w.f.File, s.w.at
	if s.w.compress {
		var err error
		if s.scratch, err = s.w.scratch(); err != nil {
			return err
		}
		s.to, s.base = s.scratch, 0
	}
	if g, _ := s.m.Attrs["global"].(bool); g {
		s.lay.heads[1].b[tagSize+1] |= flagGlobal >> 8
	}
	for _, h := range s.lay.heads {
		if _, err := s.to.WriteAt(h.b, s.base+h.at); err != nil {
			return err
		}
	}
	return nil
}

// scratch makes a file beside the one that is written.
func (w *Writer) scratch() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(w.f.Target()), filepath.Base(w.f.Target())+".partial-*")
}

// put takes rows.
func (s *sink) put(rows array.Array) error {
	if s.spool != nil {
		_, err := s.spool.Write(rows.Data)
		return err
	}
	n := 1
	if len(rows.Shape) > 0 {
		n = rows.Shape[0]
	}
	if s.row == 0 {
		return nil
	}
	if s.m.Spec.Flat() || len(rows.Data) >= block { // one column, or enough at once
		if err := s.flush(); err != nil {
			return err
		}
		return s.scatter(rows, n)
	}
	if len(s.batch)+len(rows.Data) > block {
		if err := s.flush(); err != nil {
			return err
		}
	}
	if s.batch == nil {
		s.batch = make([]byte, 0, min(block, s.row*s.m.Spec.Shape[0])) // not flat: it has rows
	}
	s.batch = append(s.batch, rows.Data...)
	return nil
}

// flush writes the rows that wait.
func (s *sink) flush() error {
	if len(s.batch) == 0 {
		return nil
	}
	b := s.batch
	s.batch = b[:0]
	return s.scatter(s.rows(b, len(b)/s.row), len(b)/s.row)
}

// rows is the array of n rows in memory.
func (s *sink) rows(b []byte, n int) array.Array {
	spec := array.Spec{DType: s.m.Spec.DType}
	if len(s.m.Spec.Shape) > 0 {
		spec.Shape = append([]int{n}, s.m.Spec.Shape[1:]...)
	}
	return array.Array{Spec: spec, Data: b}
}

// scatter writes n rows, or elements in Fortran order, to where they belong.
func (s *sink) scatter(rows array.Array, n int) error {
	for _, p := range s.lay.planes {
		part, err := p.view(rows)
		if err != nil {
			return err
		}
		if err := s.column(p, part, n); err != nil {
			return err
		}
	}
	s.first += n
	return nil
}

// fortran brings an array's elements into Fortran order and MATLAB's byte
// order, in memory that is used again.
func (s *sink) fortran(part array.Strided) (array.Array, error) {
	part = part.Transpose()
	size, err := part.Bytes()
	if err != nil {
		return array.Array{}, err
	}
	a := array.Array{Spec: part.Spec}
	if part.IsContiguous() {
		a = part.AsContiguous()
	} else {
		s.turned = slices.Grow(s.turned[:0], size)[:size]
		a.Data = s.turned
		part.CopyTo(a.Data)
	}
	if a.DType.Order() == '>' {
		a = array.SwapBytes(a)
	}
	return a, nil
}

// column writes some rows of a plane, column by column.
func (s *sink) column(p plane, part array.Strided, n int) error {
	a, err := s.fortran(part)
	if err != nil {
		return err
	}
	item := a.DType.ItemSize()
	at := s.base + p.at + int64(s.first)*int64(item)
	if len(part.Shape) <= 1 || part.Shape[0] == p.rows || p.rows == 1 {
		// All rows, or one dimension, which is a row of MATLAB's.
		return aside.WriteAt(s.to, a.Data, at)
	}
	for run := n * item; len(a.Data) > 0; a.Data = a.Data[run:] {
		if _, err := s.to.WriteAt(a.Data[:run], at); err != nil {
			return err
		}
		at += int64(p.rows) * int64(item)
	}
	return nil
}

// end completes the variable.
func (s *sink) end(rows int, err error) error {
	if err == nil && s.spool != nil {
		err = s.unspool(rows)
	}
	if err == nil {
		err = s.flush()
	}
	if err == nil && s.scratch != nil {
		err = s.deflate()
	} else if err == nil {
		s.w.at += s.lay.at
	}
	return errors.Join(err, s.drop())
}

// unspool brings rows, of which it is now known how many they are, to their
// places.
func (s *sink) unspool(rows int) error {
	spool := s.spool
	s.spool = nil
	defer remove(spool)
	s.m.Spec.Shape[0] = rows
	if err := s.place(s.m.Spec); err != nil {
		return err
	}
	if err := s.open(); err != nil {
		return err
	}
	var buf []byte
	for done := 0; done < rows && s.row > 0; {
		n := min(rows-done, max(1, block/s.row))
		buf = slices.Grow(buf[:0], n*s.row)[:n*s.row]
		if _, err := spool.ReadAt(buf, int64(done)*int64(s.row)); err != nil {
			return err
		}
		if err := s.scatter(s.rows(buf, n), n); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// deflate writes the variable from scratch.
func (s *sink) deflate() error {
	w := s.w
	start := w.at + tagSize
	out := io.NewOffsetWriter(w.f.File, start)
	z := zlib.NewWriter(out)
	if _, err := io.Copy(z, io.NewSectionReader(s.scratch, 0, s.lay.at)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	end, err := out.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if end > MaxVariable {
		return tooLarge(s.m.Spec.Shape)
	}
	if _, err := w.f.WriteAt(appendTag(nil, miCompressed, end, nil)[:tagSize], w.at); err != nil {
		return err
	}
	w.at = start + end // without padding, as MATLAB and SciPy want it
	return nil
}

// drop removes what was put aside.
func (s *sink) drop() error {
	err := errors.Join(remove(s.scratch), remove(s.spool))
	s.scratch, s.spool, s.batch, s.turned = nil, nil, nil, nil
	return err
}

func remove(f *os.File) error {
	if f == nil {
		return nil
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// units16 returns the UTF-16 units of strings, padded with blanks, with an axis
// more.
func units16(a array.Array, width int) (array.Strided, error) {
	count := 1
	for _, d := range a.Shape {
		count *= d
	}
	out := make([]byte, 0, 2*count*width)
	size := a.DType.ItemSize()
	for i := range count {
		b := a.Data[i*size : (i+1)*size]
		n := 0
		put := func(u uint16) {
			out = binary.LittleEndian.AppendUint16(out, u)
			n++
		}
		if a.DType.Kind() == 'S' {
			for _, c := range trim(b, 1) {
				put(uint16(c))
			}
		} else {
			order := binary.ByteOrder(binary.LittleEndian)
			if a.DType.Order() == '>' {
				order = binary.BigEndian
			}
			for b = trim(b, 4); len(b) > 0; b = b[4:] {
				r := rune(order.Uint32(b))
				if hi, lo := utf16.EncodeRune(r); r > 0xffff {
					put(uint16(hi))
					put(uint16(lo))
				} else {
					put(uint16(r))
				}
			}
		}
		if n > width {
			return array.Strided{}, fmt.Errorf("element %d has %d of MATLAB's characters of 16 bits, %d have room: write wider strings", i, n, width)
		}
		for n < width {
			put(' ')
		}
	}
	shape := a.Shape
	if len(shape) == 0 {
		shape = []int{1}
	}
	u, err := array.New(array.Spec{DType: array.Uint16, Shape: append(slices.Clone(shape), width)}, out)
	return u.Strided(), err
}

// trim cuts the zeros that pad a string of units of some bytes.
func trim(b []byte, unit int) []byte {
	for len(b) >= unit {
		last := b[len(b)-unit:]
		if slices.ContainsFunc(last, func(c byte) bool { return c != 0 }) {
			break
		}
		b = b[:len(b)-unit]
	}
	return b
}
