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
	open   *sink
	done   bool
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
	w.out = bufio.NewWriterSize(w.f, 1<<16)
	return w, nil
}

// sink writes rows.
type sink struct {
	w      *Writer
	m      array.Member
	row    array.Spec
	fields []array.Field
	item   int
	rows   int
	line   []byte
	failed error
	closed bool
}

// Add begins the table, of one or two dimensions, or of a struct and one: a
// table is one array, without attributes but "columns". Shape[0] may be -1. An
// array of one dimension has one column, and comes back with two.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	s := &sink{w: w, m: m}
	s.m.Spec.Shape = slices.Clone(m.Spec.Shape)
	err := s.layout()
	switch {
	case w.done:
		err = errors.New("the writer is closed")
	case w.added:
		err = errors.New("a table is one array")
	}
	if err == nil {
		err = w.header(s)
	}
	if err != nil {
		return nil, fmt.Errorf("text: add %q: %w", m.Name, err)
	}
	w.added, w.open = true, s
	return s, nil
}

// layout finds out the columns.
func (s *sink) layout() error {
	spec := s.m.Spec
	n := len(spec.Shape)
	switch {
	case !spec.DType.Valid():
		return errors.New("no dtype")
	case n == 0 || n > 2 || n > 1 && spec.DType.IsStruct():
		return &array.UnsupportedError{DType: spec.String(), Why: "a table has rows and columns; give it two dimensions"}
	case spec.Shape[0] < -1:
		return fmt.Errorf("shape %s", array.ShapeString(spec.Shape))
	}
	s.row = array.Spec{DType: spec.DType, Shape: spec.Shape[1:]}
	var err error
	if s.item, err = s.row.Bytes(); err != nil {
		return err
	}
	for key := range s.m.Attrs {
		if key != "columns" {
			return &array.UnsupportedError{DType: "text", Why: "the format has no attributes, here " + key}
		}
	}
	if s.fields = spec.DType.Fields(); s.fields == nil {
		columns := 1
		if n > 1 {
			columns = spec.Shape[1]
		}
		size := spec.DType.ItemSize()
		for i := range columns {
			s.fields = append(s.fields, array.Field{DType: spec.DType, Offset: i * size})
		}
	}
	if len(s.fields) == 0 {
		return errors.New("a table without columns")
	}
	for i, f := range s.fields {
		plain := strings.ContainsRune("biufcSU", rune(f.DType.Kind())) && f.DType.Align() <= 8 || f.DType.WithOrder('<') == array.BFloat16
		if len(f.Shape) > 0 || !plain {
			return fmt.Errorf("column %d: %w", i+1, &array.UnsupportedError{DType: f.Spec().String(), Why: "it isn't written as text"})
		}
	}
	return nil
}

// header writes the columns' names.
func (w *Writer) header(s *sink) error {
	names := w.opts.Header
	if names == nil {
		names, _ = s.m.Attrs["columns"].([]string)
	}
	if names == nil && s.m.Spec.DType.IsStruct() {
		for _, f := range s.fields {
			names = append(names, f.Name)
		}
	}
	if names == nil || w.opts.NoHeader {
		return nil
	}
	if len(names) != len(s.fields) {
		return fmt.Errorf("%d names for %d columns", len(names), len(s.fields))
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

// Write takes rows.
func (s *sink) Write(rows array.Array) error {
	if s.closed {
		return errors.New("text: write behind Close")
	}
	if s.failed == nil {
		s.failed = s.write(rows)
	}
	return s.failed
}

func (s *sink) write(rows array.Array) error {
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return err
	}
	want := s.m.Spec.Shape[0]
	if len(rows.Shape) == 0 || !(array.Spec{DType: rows.DType, Shape: rows.Shape[1:]}).Equal(s.row) {
		return fmt.Errorf("text: rows %v, want %v", rows.Spec, s.m.Spec)
	}
	if want >= 0 && rows.Shape[0] > want-s.rows {
		return fmt.Errorf("text: %d rows behind %d, want %d in all", rows.Shape[0], s.rows, want)
	}
	for i := range rows.Shape[0] {
		row := rows.Data[i*s.item : (i+1)*s.item]
		s.line = s.line[:0]
		for c := range s.fields {
			if c > 0 {
				s.line = append(s.line, s.w.opts.Delimiter...)
			}
			f := &s.fields[c]
			if err := s.column(row[f.Offset:f.Offset+f.DType.ItemSize()], f.DType); err != nil {
				return fmt.Errorf("text: row %d, column %d: %w", s.rows+i, c+1, err)
			}
		}
		if _, err := s.w.out.Write(append(s.line, '\n')); err != nil {
			return err
		}
	}
	s.rows += rows.Shape[0]
	return nil
}

// column writes one element.
func (s *sink) column(b []byte, t array.DType) (err error) {
	w := s.w
	switch kind := t.Kind(); {
	case kind == 'S' || kind == 'U':
		s.line, err = w.quote(s.line, []byte(array.FormatElement(b, t)))
		return err
	case (kind == 'f' || kind == 'V') && w.opts.NaN != "nan":
		if array.FormatElement(b, t) == "nan" {
			s.line = append(s.line, w.opts.NaN...)
			return nil
		}
	}
	if w.opts.Format == "" {
		s.line = append(s.line, array.FormatElement(b, t)...)
		return nil
	}
	s.line, err = w.format.Append(s.line, b, t)
	return err
}

// Close completes the table.
func (s *sink) Close() error {
	if s.closed {
		return nil
	}
	s.closed, s.w.open = true, nil
	err := s.failed
	if want := s.m.Spec.Shape[0]; err == nil && want >= 0 && want != s.rows {
		err = fmt.Errorf("text: %d rows, want %d", s.rows, want)
	}
	if err != nil {
		err = errors.Join(err, s.w.Abort())
	}
	return err
}

// SetAttrs refuses attributes: the format has none.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if len(attrs) == 0 {
		return nil
	}
	return &array.UnsupportedError{DType: "text", Why: "the format has no attributes"}
}

// Close completes the file and puts it at its path.
func (w *Writer) Close() error {
	var err error
	switch {
	case w.done:
		return errors.New("text: the writer is closed")
	case w.open != nil:
		err = errors.New("text: the sink is open")
	case !w.added:
		err = errors.New("text: no array was added")
	default:
		err = w.out.Flush()
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	w.done = true
	return w.f.Commit()
}

// Abort leaves nothing of the file. Behind Close it does nothing.
func (w *Writer) Abort() error {
	w.done = true
	return w.f.Abort()
}
