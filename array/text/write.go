package text

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how a table is written; nil and the zero value are the
// defaults.
type CreateOptions struct {
	Overwrite bool
	// Delimiter is by default a comma in a .csv file, a tab in a .tsv file, a
	// blank elsewhere.
	Delimiter string
	// Format is one of Python's % formats for numbers, like "%.18e" of NumPy's
	// savetxt. The default is the shortest text that reads back as the same
	// number.
	Format string
	// Header are the columns' names. By default those of a struct's fields, or
	// of the member's attribute "columns"; NoHeader writes none.
	Header   []string
	NoHeader bool
	// Comment stands before the header: "# " in NumPy's savetxt.
	Comment string
	// NaN stands for NaN in columns of floats; "nan" by default. NoNaN leaves
	// the column empty.
	NaN   string
	NoNaN bool
}

// Writer writes a table beside its path and puts it there when it is complete.
// It is not safe for concurrent use.
type Writer struct {
	f      *aside.File
	out    *bufio.Writer
	opts   CreateOptions
	format array.Format
	added  bool
	state  *array.Writing
}

// Create begins a table.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	w := &Writer{opts: *opts}
	o := &w.opts
	if o.Delimiter == "" {
		switch strings.ToLower(filepath.Ext(path)) {
		case ".csv":
			o.Delimiter = ","
		case ".tsv":
			o.Delimiter = "\t"
		default:
			o.Delimiter = " "
		}
	}
	if strings.ContainsAny(o.Delimiter, "\"\n\r") {
		return nil, fmt.Errorf("%s: the delimiter %q", path, o.Delimiter)
	}
	if o.NaN == "" && !o.NoNaN {
		o.NaN = "nan"
	}
	var err error
	if w.format, err = array.ParseFormat(o.Format); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if w.f, err = aside.Create(path, o.Overwrite); err != nil {
		return nil, err
	}
	w.out, w.state = bufio.NewWriterSize(w.f, 1<<16), array.NewWriting(w.f.Target())
	return w, nil
}

// table is the array that is being written.
type table struct {
	w      *Writer
	m      array.Member
	row    array.Spec
	fields []array.Field
	item   int
	rows   int
	line   []byte
}

// Add begins the table, of one or two dimensions, or of a struct and one: a
// table is one array, without attributes but "columns". Shape[0] may be -1. An
// array of one dimension has one column, and comes back with two.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.state.Ready(); err != nil {
		return nil, err
	}
	t := &table{w: w, m: m}
	t.m.Spec.Shape = slices.Clone(m.Spec.Shape)
	err := t.layout()
	if w.added {
		err = errors.New("a table is one array")
	}
	if err != nil {
		return nil, fmt.Errorf("text: add %q: %w", m.Name, err)
	}
	s, err := w.state.Begin(m, array.Taker{Rows: t.write})
	if err != nil {
		return nil, err
	}
	if err := w.header(t); err != nil {
		return nil, errors.Join(w.state.Fail(fmt.Errorf("array %q: %w", m.Name, err)), w.Abort())
	}
	w.added = true
	return s, nil
}

// layout finds out the columns.
func (t *table) layout() error {
	spec := t.m.Spec
	n := len(spec.Shape)
	switch {
	case !spec.DType.Valid():
		return errors.New("no dtype")
	case n == 0 || n > 2 || n > 1 && spec.DType.IsStruct():
		return &array.UnsupportedError{DType: spec.String(), Why: "a table has rows and columns; give it two dimensions"}
	case spec.Shape[0] < -1:
		return fmt.Errorf("shape %s", array.ShapeString(spec.Shape))
	}
	t.row = array.Spec{DType: spec.DType, Shape: spec.Shape[1:]}
	var err error
	if t.item, err = t.row.Bytes(); err != nil {
		return err
	}
	for key := range t.m.Attrs {
		if key != "columns" {
			return &array.UnsupportedError{Why: "the format has no attributes, here " + key}
		}
	}
	if t.fields = spec.DType.Fields(); t.fields == nil {
		columns := 1
		if n > 1 {
			columns = spec.Shape[1]
		}
		size := spec.DType.ItemSize()
		for i := range columns {
			t.fields = append(t.fields, array.Field{DType: spec.DType, Offset: i * size})
		}
	}
	if len(t.fields) == 0 {
		return errors.New("a table without columns")
	}
	for i, f := range t.fields {
		plain := strings.ContainsRune("biufcSU", rune(f.DType.Kind())) && f.DType.Align() <= 8 || f.DType.WithOrder('<') == array.BFloat16
		if len(f.Shape) > 0 || !plain {
			return fmt.Errorf("column %d: %w", i+1, &array.UnsupportedError{DType: f.Spec().String(), Why: "it isn't written as text"})
		}
	}
	return nil
}

// header writes the columns' names.
func (w *Writer) header(t *table) error {
	names := w.opts.Header
	if names == nil {
		names, _ = t.m.Attrs["columns"].([]string)
	}
	if names == nil && t.m.Spec.DType.IsStruct() {
		for _, f := range t.fields {
			names = append(names, f.Name)
		}
	}
	if names == nil || w.opts.NoHeader {
		return nil
	}
	if len(names) != len(t.fields) {
		return fmt.Errorf("%d names for %d columns", len(names), len(t.fields))
	}
	line := []byte(w.opts.Comment)
	for i, name := range names {
		if i > 0 {
			line = append(line, w.opts.Delimiter...)
		}
		var err error
		if line, err = w.quote(line, []byte(name)); err != nil {
			return err
		}
	}
	_, err := w.out.Write(append(line, '\n'))
	return err
}

// quote writes text such that it is read back as one word.
func (w *Writer) quote(line, text []byte) ([]byte, error) {
	blank := strings.TrimSpace(w.opts.Delimiter) == "" && w.opts.Delimiter != "\t"
	odd := bytes.ContainsAny(text, "\"#") || bytes.Contains(text, []byte(w.opts.Delimiter)) || len(bytes.TrimSpace(text)) != len(text)
	switch {
	case bytes.ContainsAny(text, "\n\r"):
		return nil, fmt.Errorf("the text %q has more than one line", text)
	case blank && (odd || len(text) == 0 || bytes.ContainsAny(text, " \t\f\v")):
		return nil, fmt.Errorf("the text %q can't stand between blanks; choose another delimiter", text)
	case !odd:
		return append(line, text...), nil
	}
	line = append(line, '"')
	line = append(line, bytes.ReplaceAll(text, []byte(`"`), []byte(`""`))...)
	return append(line, '"'), nil
}

// write takes rows.
func (t *table) write(rows array.Array) error {
	for i := range rows.Shape[0] {
		row := rows.Data[i*t.item : (i+1)*t.item]
		t.line = t.line[:0]
		for c := range t.fields {
			if c > 0 {
				t.line = append(t.line, t.w.opts.Delimiter...)
			}
			f := &t.fields[c]
			if err := t.column(row[f.Offset:f.Offset+f.DType.ItemSize()], f.DType); err != nil {
				return fmt.Errorf("row %d, column %d: %w", t.rows+i, c+1, err)
			}
		}
		if _, err := t.w.out.Write(append(t.line, '\n')); err != nil {
			return err
		}
	}
	t.rows += rows.Shape[0]
	return nil
}

// column writes one element.
func (t *table) column(b []byte, dtype array.DType) (err error) {
	w := t.w
	switch kind := dtype.Kind(); {
	case kind == 'S' || kind == 'U':
		t.line, err = w.quote(t.line, []byte(array.FormatElement(b, dtype)))
		return err
	case (kind == 'f' || kind == 'V') && w.opts.NaN != "nan":
		if array.FormatElement(b, dtype) == "nan" {
			t.line = append(t.line, w.opts.NaN...)
			return nil
		}
	}
	if w.opts.Format == "" {
		t.line = append(t.line, array.FormatElement(b, dtype)...)
		return nil
	}
	t.line, err = w.format.Append(t.line, b, dtype)
	return err
}

// SetAttrs refuses attributes: the format has none.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	return &array.UnsupportedError{Why: "the format has no attributes"}
}

// Close completes the file and puts it at its path.
func (w *Writer) Close() error { return w.state.Close(w.complete, w.f.Commit, w.f.Abort) }

func (w *Writer) complete() error {
	if !w.added {
		return errors.New("text: no array was added")
	}
	return w.out.Flush()
}

// Abort leaves nothing of the file. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.state.Abort(w.f.Abort) }
