package safetensors

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	Overwrite bool // a file that is there already is replaced
}

// Writer writes a SafeTensors file beside its place, where Close puts it. It is
// not safe for concurrent use. After an error it only gives that error, and
// Close leaves nothing.
//
// The format wants the header first and the widest types first. With Plan, and
// for a file of one tensor whose shape is known, every byte is written once.
// Else Close copies the data to where they belong, unless they lie there.
type Writer struct {
	f        *aside.File
	opts     CreateOptions
	metadata map[string]string
	tensors  []placed
	names    map[string]int
	planned  bool
	data     int64 // where the data begin; 0 before the first Add
	end      int64 // of the data so far
	state    *array.Writing
}

// placed is a tensor with its place in the file.
type placed struct {
	Info
	rank  int
	at    int64
	added bool
}

// Create begins a file.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	f, err := aside.Create(path, opts.Overwrite)
	if err != nil {
		return nil, err
	}
	return &Writer{f: f, opts: *opts, names: map[string]int{}, state: array.NewWriting(f.Target())}, nil
}

// SetAttrs sets the file's metadata, whose values must be strings. Before the
// first Add it costs nothing, behind it a copy of the data.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if err := w.state.Ready(); err != nil {
		return err
	}
	m := make(map[string]string, len(attrs))
	for k, v := range attrs {
		s, ok := v.(string)
		if !ok || !utf8.ValidString(s) || !utf8.ValidString(k) {
			return fmt.Errorf("%s: attribute %q is a %T, SafeTensors has only strings of UTF-8", w.f.Target(), k, v)
		}
		m[k] = s
	}
	if attrs == nil {
		m = nil
	}
	w.metadata = m
	return nil
}

// Plan tells all arrays that will be added, in any order, with the number of
// their rows, so that each is written to its place at once. It comes before
// Add, which must then get just these.
func (w *Writer) Plan(members []array.Member) error {
	if err := w.state.Ready(); err != nil {
		return err
	}
	if w.data != 0 {
		return w.state.Fail(errors.New("a plan after an array"))
	}
	for _, m := range members {
		t, err := w.place(m)
		if err == nil && unknown(t.Shape) {
			err = fmt.Errorf("array %q: a plan needs the number of rows", m.Name)
		}
		if err != nil {
			return w.state.Fail(err)
		}
		w.tensors = append(w.tensors, t)
	}
	w.planned = true
	infos := w.layout()
	w.data = prefixSize + int64(len(appendHeader(nil, infos, w.metadata)))
	for i := range w.tensors {
		w.tensors[i].at = w.data + infos[i].Begin
		w.names[w.tensors[i].Name] = i // layout has sorted them
	}
	return nil
}

// place checks a member.
func (w *Writer) place(m array.Member) (placed, error) {
	if err := checkName(m.Name); err != nil {
		return placed{}, err
	}
	if _, ok := w.names[m.Name]; ok {
		return placed{}, fmt.Errorf("array %q is there already", m.Name)
	}
	r, err := rankOf(m)
	if err != nil {
		return placed{}, fmt.Errorf("array %q: %w", m.Name, err)
	}
	t := placed{Info: Info{Name: m.Name, DType: dtypes[r].name, Shape: slices.Clone(m.Spec.Shape)}, rank: r}
	spec := array.Spec{DType: m.Spec.DType, Shape: t.Shape}
	if unknown(t.Shape) {
		spec.Shape = append([]int{1}, t.Shape[1:]...)
	}
	n, err := spec.Bytes()
	if err != nil {
		return placed{}, fmt.Errorf("array %q: %w", m.Name, err)
	}
	if unknown(t.Shape) {
		n = 0
	}
	t.End = int64(n) // of data that begin at 0
	w.names[m.Name] = len(w.tensors)
	return t, nil
}

func unknown(shape []int) bool { return len(shape) > 0 && shape[0] == -1 }

// layout sorts the tensors as the file has them and gives their infos with
// their offsets.
func (w *Writer) layout() []Info {
	slices.SortFunc(w.tensors, func(a, b placed) int {
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.Name, b.Name))
	})
	infos := make([]Info, len(w.tensors))
	at := int64(0)
	for i, t := range w.tensors {
		infos[i] = t.Info
		infos[i].Begin, infos[i].End = at, at+t.End
		at += t.End
	}
	return infos
}

// room is the size of a header for t alone; rows that nobody knows yet may
// have all digits.
func (w *Writer) room(t Info) int {
	if unknown(t.Shape) {
		t.Shape = append([]int{math.MaxInt}, t.Shape[1:]...)
		t.End = math.MaxInt64
	}
	return len(appendHeader(nil, []Info{t}, w.metadata))
}

// Add begins an array. Shape[0] may be -1 where the rows are to be counted.
// Big-endian rows are written little-endian, as the format has it.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	if w.planned {
		i, ok := w.names[m.Name]
		if !ok || w.tensors[i].added {
			return nil, w.state.Fail(fmt.Errorf("array %q isn't planned, or was added", m.Name))
		}
		t := &w.tensors[i]
		if r, err := rankOf(m); err != nil || r != t.rank || !slices.Equal(m.Spec.Shape, t.Shape) {
			return nil, w.state.Fail(fmt.Errorf("array %q is %v, planned %s %s", m.Name, m.Spec, t.DType, array.ShapeString(t.Shape)))
		}
		return w.sink(i, m)
	}
	t, err := w.place(m)
	if err != nil {
		return nil, w.state.Fail(err)
	}
	if w.data == 0 {
		w.data = int64(prefixSize + w.room(t.Info))
		w.end = w.data
	}
	t.at = w.end
	w.tensors = append(w.tensors, t)
	return w.sink(len(w.tensors)-1, m)
}

func (w *Writer) sink(i int, m array.Member) (array.Sink, error) {
	name := w.tensors[i].Name
	w.tensors[i].added = true
	at := w.tensors[i].at
	var swapped []byte
	taker := array.Taker{
		Rows: func(rows array.Array) error {
			if int64(len(rows.Data)) > math.MaxInt64-at {
				return errors.New("it is too large")
			}
			if rows.DType.Order() == '>' {
				rows = array.SwapInto(swapped, rows)
				swapped = rows.Data
			}
			err := aside.WriteAt(w.f.File, rows.Data, at)
			at += int64(len(rows.Data))
			return err
		},
		Extent: func(rows array.Extent) error {
			size, err := rows.Bytes()
			if err != nil || int64(size) > math.MaxInt64-at {
				return errors.New("it is too large")
			}
			err = rows.CopyTo(w.f.File, at)
			at += int64(size)
			return err
		},
		End: func(rows int, _ error) error {
			t := &w.tensors[w.names[name]]
			if unknown(t.Shape) {
				t.Shape[0] = rows
			}
			t.End = at - t.at
			w.end = max(w.end, at)
			return nil
		},
	}
	if m.Spec.DType.Order() == '>' {
		taker.Extent = nil
	}
	return w.state.Begin(m, taker)
}

// Close completes the file and puts it in its place. On an error nothing is
// left, and what was there stays.
func (w *Writer) Close() error {
	// finish may change the file.
	return w.state.Close(w.finish, func() error { return w.f.Commit() }, func() error { return w.f.Abort() })
}

// Abort removes what was written. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(func() error { return w.f.Abort() }) }

// finish writes the header, and moves the data where they don't lie as the
// format has them.
func (w *Writer) finish() error {
	for _, t := range w.tensors {
		if !t.added {
			return fmt.Errorf("array %q is planned and not added", t.Name)
		}
	}
	infos := w.layout()
	header := appendHeader(nil, infos, w.metadata)
	if len(header) > MaxHeader {
		return fmt.Errorf("a header of %d bytes, the format allows %d", len(header), MaxHeader)
	}
	if w.data == 0 {
		w.data = prefixSize + int64(len(header))
	}
	fits := prefixSize+int64(len(header)) <= w.data
	for i, t := range w.tensors {
		fits = fits && (t.at == w.data+infos[i].Begin || t.End == 0)
	}
	if !fits {
		if err := w.move(infos, prefixSize+int64(len(header))); err != nil {
			return err
		}
	}
	for int64(len(header)) < w.data-prefixSize {
		header = append(header, ' ')
	}
	size := w.data
	if n := len(infos); n > 0 {
		size += infos[n-1].End
	}
	if _, err := parse(header, size); err != nil { // what is about to be written
		return err
	}
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	if _, err := w.f.WriteAt(append(b, header...), 0); err != nil {
		return err
	}
	return w.f.Truncate(size)
}

// move copies the data to another file, where they lie from data on as infos
// tell.
func (w *Writer) move(infos []Info, data int64) error {
	f, err := w.f.Another()
	if err != nil {
		return err
	}
	old := w.f
	w.f, w.data = f, data
	defer old.Abort()
	for i, t := range w.tensors {
		if _, err := old.Seek(t.at, io.SeekStart); err != nil {
			return err
		}
		if _, err := f.Seek(data+infos[i].Begin, io.SeekStart); err != nil {
			return err
		}
		// By the file itself, so that the system copies where it can.
		if _, err := io.CopyN(f.File, old.File, t.End); err != nil {
			return fmt.Errorf("array %q: move %d bytes: %w", t.Name, t.End, err)
		}
	}
	return nil
}

// Save writes a file of arrays in memory. Nil metadata are none.
func Save(path string, arrays map[string]array.Strided, metadata map[string]string, opts *CreateOptions) error {
	w, err := Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	w.metadata = maps.Clone(metadata)
	var members []array.Member
	for name, a := range arrays {
		members = append(members, array.Member{Name: name, Spec: a.Spec})
	}
	slices.SortFunc(members, func(a, b array.Member) int { return cmp.Compare(a.Name, b.Name) })
	if err := w.Plan(members); err != nil {
		return err
	}
	for _, m := range members {
		s, err := w.Add(m)
		if err != nil {
			return err
		}
		if err := s.Write(arrays[m.Name].AsContiguous()); err != nil {
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
	}
	return w.Close()
}
