package parquet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/parquet"
)

// WriterOptions say how a Writer writes; nil and the zero value are the defaults.
type WriterOptions struct {
	// RowGroupBytes is where a row group ends behind the next row, and about how
	// much memory a Writer takes; 0 is 32 MiB.
	RowGroupBytes int64
	// RowGroupRows is how many rows a row group has at most; 0 is any number.
	RowGroupRows int
}

const defaultGroupBytes = 32 << 20

// Writer writes a file from front to back. The same columns, rows and options
// give the same bytes. It is not safe for concurrent use. After an error it only
// gives that error.
type Writer struct {
	to      io.Writer
	opts    WriterOptions
	columns []*column
	leaves  []*leaf
	footer  footer
	at      int64 // bytes that are written
	rows    int64 // of the current row group
	err     error
	closed  bool
}

// column is a column with its leaves.
type column struct {
	Column
	leaves   []*leaf
	rep, def []byte // of a row of a list of one shape
}

// NewWriter begins a file of some columns, whose names differ, and writes the
// format's first bytes. The file ends with Close, which doesn't close w.
func NewWriter(w io.Writer, columns []Column, opts *WriterOptions) (*Writer, error) {
	if opts == nil {
		opts = &WriterOptions{}
	}
	p := &Writer{to: w, opts: *opts}
	if opts.RowGroupBytes < 0 || opts.RowGroupRows < 0 {
		return nil, fmt.Errorf("parquet: row groups of %d bytes, %d rows", opts.RowGroupBytes, opts.RowGroupRows)
	}
	if p.opts.RowGroupBytes == 0 {
		p.opts.RowGroupBytes = defaultGroupBytes
	}
	if len(columns) == 0 {
		return nil, errors.New("parquet: no columns")
	}
	columns = slices.Clone(columns)
	for i := range columns {
		c := &column{Column: columns[i]}
		switch err := c.check(); {
		case err != nil:
			return nil, fmt.Errorf("parquet: column %q: %w", c.Name, err)
		case !utf8.ValidString(c.Name):
			return nil, fmt.Errorf("parquet: column %q: its name isn't UTF-8", c.Name)
		case slices.ContainsFunc(p.columns, func(k *column) bool { return k.Name == c.Name }):
			return nil, fmt.Errorf("parquet: column %q is there twice", c.Name)
		}
		f := c.field()
		c.leaves = newLeaves(&f, nil, 0, 0, nil)
		if c.Shape != nil {
			c.rep, c.def = pattern(c.Shape, c.leaves[0].def)
		}
		p.columns = append(p.columns, c)
		p.leaves = append(p.leaves, c.leaves...)
		p.footer.fields = append(p.footer.fields, f)
	}
	p.footer.leaves = p.leaves
	var err error
	if p.footer.pairs, err = pairs(columns); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	return p, p.put([]byte(parquet.Magic))
}

// Reset begins another file of the same columns and options, to out, in the memory
// that the last one took. What was not closed is forgotten, an error too.
func (w *Writer) Reset(out io.Writer) error {
	w.to, w.at, w.rows, w.err, w.closed = out, 0, 0, nil, false
	w.footer.rows, w.footer.groups = 0, nil
	for _, l := range w.leaves {
		l.reset()
	}
	w.err = w.put([]byte(parquet.Magic))
	return w.err
}

// put writes bytes.
func (w *Writer) put(parts ...[]byte) error {
	for _, b := range parts {
		n, err := w.to.Write(b)
		w.at += int64(n)
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errClosed = errors.New("parquet: the writer is closed")

// Write takes a row: a value for each column, of its Kind's Go type. Nothing of
// the row is kept.
func (w *Writer) Write(row []any) error {
	switch {
	case w.err != nil:
		return w.err
	case w.closed:
		return errClosed
	case len(row) != len(w.columns):
		w.err = fmt.Errorf("parquet: row %d has %d values, want %d", w.footer.rows, len(row), len(w.columns))
		return w.err
	}
	for i, c := range w.columns {
		if err := c.add(row[i]); err != nil {
			w.err = fmt.Errorf("parquet: row %d: column %q: %w", w.footer.rows, c.Name, err)
			return w.err
		}
	}
	size := int64(0)
	for _, l := range w.leaves {
		l.row()
		size += l.size()
	}
	w.rows++
	w.footer.rows++
	if size >= w.opts.RowGroupBytes || w.rows == int64(w.opts.RowGroupRows) {
		w.err = w.flush()
	}
	return w.err
}

// add takes a value of the column.
func (c *column) add(v any) error {
	l := c.leaves[0]
	switch v := v.(type) {
	case File:
		if c.Kind != Image {
			break
		}
		return c.addFile(v)
	case int64:
		switch {
		case c.Kind != ClassLabel && c.Kind != Int64:
		case c.Kind == ClassLabel && (v < -1 || v >= int64(len(c.Names))):
			return fmt.Errorf("label %d of %d classes", v, len(c.Names))
		default:
			l.number(uint64(v))
			return nil
		}
	case float64:
		if c.Kind == Float64 {
			l.number(math.Float64bits(v))
			return nil
		}
	case string:
		if c.Kind == String {
			return c.addText([]byte(v))
		}
	case []byte:
		switch c.Kind {
		case Binary:
			return c.addBytes(v)
		case JSON:
			if !json.Valid(v) {
				return errors.New("no valid JSON")
			}
			return c.addText(v)
		}
	case array.Array:
		if c.Kind == List {
			return c.addArray(v)
		}
	}
	return fmt.Errorf("a %T for a %v", v, c.Kind)
}

func (c *column) addFile(f File) error {
	if len(f.Bytes) == 0 {
		return errors.New("an image without bytes")
	}
	if err := c.addBytes(f.Bytes); err != nil {
		return err
	}
	path := c.leaves[1]
	switch {
	case f.Path == "":
		path.missing(path.def - 1)
	case !utf8.ValidString(f.Path) || len(f.Path) > maxValue:
		return fmt.Errorf("a path %.99q that isn't UTF-8, or too long", f.Path)
	default:
		path.bytes([]byte(f.Path))
	}
	return nil
}

func (c *column) addText(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("text that isn't UTF-8")
	}
	return c.addBytes(b)
}

func (c *column) addBytes(b []byte) error {
	if len(b) > maxValue {
		return fmt.Errorf("%d bytes, at most %d can be written", len(b), maxValue)
	}
	c.leaves[0].bytes(b)
	return nil
}

func (c *column) addArray(a array.Array) error {
	l, e, size := c.leaves[0], elements[c.DType], c.DType.ItemSize()
	switch n, err := a.Bytes(); {
	case err != nil || n != len(a.Data):
		return fmt.Errorf("array %v of %d bytes", a.Spec, len(a.Data))
	case a.DType != c.DType || len(a.Shape) != max(len(c.Shape), 1) || c.Shape != nil && !slices.Equal(a.Shape, c.Shape):
		return fmt.Errorf("array %v, want %v", a.Spec, c.spec())
	case n > maxValue/4: // small numbers are stored in 4 bytes
		return fmt.Errorf("array %v of %d bytes, at most %d can be written", a.Spec, n, maxValue/4)
	}
	l.elements(e, size, a.Data)
	switch {
	case c.Shape != nil:
		l.reps, l.defs = append(l.reps, c.rep...), append(l.defs, c.def...)
	case len(a.Data) == 0:
		l.level(l.def-2, 0) // the list is there, and no element of it
	default:
		for i := range len(a.Data) / size {
			l.level(l.def, min(i, 1))
		}
	}
	return nil
}

// spec is a list's type, of any length as -1.
func (c *column) spec() array.Spec {
	if c.Shape == nil {
		return array.Spec{DType: c.DType, Shape: []int{-1}}
	}
	return array.Spec{DType: c.DType, Shape: c.Shape}
}

// flush writes the current row group.
func (w *Writer) flush() error {
	if w.rows == 0 {
		return nil
	}
	g := group{rows: w.rows}
	for _, l := range w.leaves {
		at := w.at
		if err := l.write(w.put); err != nil {
			return err
		}
		g.chunks = append(g.chunks, chunk{at, w.at - at, int64(l.total)})
		l.reset()
	}
	w.footer.groups = append(w.footer.groups, g)
	w.rows = 0
	return nil
}

// Size returns how many bytes the file has so far: those that are written, and
// those of the row group that waits. The footer comes to it.
func (w *Writer) Size() int64 {
	n := w.at
	for _, l := range w.leaves {
		n += l.size()
	}
	return n
}

// Close writes what waits, and the footer. A second Close does nothing.
func (w *Writer) Close() error {
	if w.err != nil || w.closed {
		return w.err
	}
	w.closed = true
	if w.err = w.flush(); w.err != nil {
		return w.err
	}
	b := w.footer.encode()
	if len(b) > math.MaxInt32 {
		w.err = fmt.Errorf("parquet: a footer of %d bytes: too many row groups", len(b))
		return w.err
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(b)))
	w.err = w.put(append(b, parquet.Magic...))
	return w.err
}
