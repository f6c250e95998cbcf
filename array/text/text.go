// Package text reads and writes tables of text: CSV, TSV, and the files of
// NumPy's savetxt.
//
// A file is one array: of shape (rows, columns) where all columns have the same
// type, of shape (rows,) where a struct gives each column its own. Rows are
// lines; empty ones and what follows a comment sign are passed over. Files are
// read in one go from front to back, in bounded memory.
package text

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/regular"
)

// FormatError says what of a file is no table, or not of the type asked for.
type FormatError struct {
	File   string
	Line   int // from 1
	Column int // from 1; 0 where it is the whole line
	Msg    string
}

func (e *FormatError) Error() string {
	s := fmt.Sprintf("%s: line %d", e.File, e.Line)
	if e.Column > 0 {
		s += fmt.Sprintf(", column %d", e.Column)
	}
	return s + ": " + e.Msg
}

// Header says whether a table's first line names the columns.
type Header int

const (
	HeaderAuto Header = iota // if one of its words is no element of its column, or it is a comment with as many names as columns
	HeaderNo
	HeaderYes
)

// OpenOptions say how a table is read; nil and the zero value are the defaults.
type OpenOptions struct {
	// DType is of all columns, float64 by default; a struct has a column for
	// each field in order, of which none may be a sub-array. Objects, times and
	// void bytes aren't read.
	DType array.DType
	// DTypes, where given, has each column's type: the array is a struct with
	// the header's names, or f0, f1 and so on.
	DTypes []array.DType
	// Delimiter is what is between columns: by default a comma in a .csv file,
	// a tab in a .tsv file, any white space elsewhere (" " too). Between others
	// than white space, columns may stand in double quotes.
	Delimiter string
	// Comment begins what is passed over up to the line's end; "#" by default,
	// and nothing does if NoComment is set.
	Comment   string
	NoComment bool
	Header    Header
	// Skip is how many lines at the beginning are passed over.
	Skip int
	// Missing are words that are NaN in columns of floats. An empty column is
	// that too, an empty text, and an error elsewhere.
	Missing []string
}

// maxLine bounds a line's bytes.
const maxLine = 64 << 20

// File is a table. Its methods are safe for concurrent use; a stream is for
// one goroutine and reads the file by itself.
type File struct {
	path    string
	opts    OpenOptions
	columns []string      // of the header
	fields  []array.Field // a column each
	spec    array.Spec
	item    int // bytes of a row
	begin   int // lines before the first row, the header among them
}

// Open reads the file once: it finds out the columns and counts the rows.
func Open(path string, opts *OpenOptions) (*File, error) {
	if opts == nil {
		opts = &OpenOptions{}
	}
	f := &File{path: path, opts: *opts}
	if err := f.settle(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	s, err := f.scan()
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := f.first(s); err != nil {
		return nil, err
	}
	return f, nil
}

// settle fills in the options' defaults.
func (f *File) settle() error {
	o := &f.opts
	if o.Delimiter == "" {
		switch strings.ToLower(filepath.Ext(f.path)) {
		case ".csv":
			o.Delimiter = ","
		case ".tsv":
			o.Delimiter = "\t"
		}
	}
	if strings.ContainsAny(o.Delimiter, "\"\n\r") {
		return fmt.Errorf("the delimiter %q", o.Delimiter)
	}
	if o.Comment == "" {
		o.Comment = "#"
	}
	if o.NoComment {
		o.Comment = ""
	}
	if !o.DType.Valid() {
		o.DType = array.Float64
	}
	if o.Skip < 0 {
		return fmt.Errorf("skip %d lines", o.Skip)
	}
	for _, field := range o.DType.Fields() {
		if len(field.Shape) > 0 {
			return fmt.Errorf("field %q is a sub-array; a column holds one element", field.Name)
		}
		o.DTypes = append(o.DTypes, field.DType)
	}
	for _, t := range append([]array.DType{o.DType}, o.DTypes...) {
		if !t.IsStruct() && (!strings.ContainsRune("biufcSU", rune(t.Kind())) && t.WithOrder('<') != array.BFloat16 || t.Align() > 8) {
			return &array.UnsupportedError{DType: t.String(), Why: "it isn't read from text"}
		}
	}
	return nil
}

// first finds out what the columns are, and counts the rows.
func (f *File) first(s *scanner) error {
	words, err := s.row()
	if err != nil && err != io.EOF {
		return err
	}
	names, n := s.comment, len(words) // a comment that stands before the first row
	switch {
	case err == io.EOF:
		if f.opts.Header == HeaderYes {
			return &FormatError{File: f.path, Line: s.line, Msg: "no header"}
		}
		n = 0
	case f.opts.Header == HeaderYes, f.opts.Header == HeaderAuto && f.names(words):
		names = copied(words) // without rows it tells the number of columns too
		f.begin = s.line
		if words, err = s.row(); err == nil {
			n = len(words)
		} else if err != io.EOF {
			return err
		}
	}
	if len(names) == n && f.opts.Header != HeaderNo {
		f.columns = names
	}
	if err := f.layout(n); err != nil {
		return err
	}
	rows := 0
	for ; err == nil; err = s.full() {
		rows++
	}
	if err != io.EOF {
		return err
	}
	f.spec.Shape[0] = rows
	_, err = f.spec.Bytes()
	return err
}

func copied(words [][]byte) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return list
}

// names tells whether words can't be a row.
func (f *File) names(words [][]byte) bool {
	for i, w := range words {
		t := f.opts.DType
		if len(f.opts.DTypes) > 0 {
			if t = array.Float64; i < len(f.opts.DTypes) {
				t = f.opts.DTypes[i]
			}
		}
		if f.element(make([]byte, t.ItemSize()), w, t) != nil {
			return true
		}
	}
	return false
}

// layout gives n columns their types.
func (f *File) layout(n int) error {
	types := f.opts.DTypes
	if len(types) == 0 {
		for range n {
			types = append(types, f.opts.DType)
		}
		f.spec = array.Spec{DType: f.opts.DType, Shape: []int{0, n}}
	}
	if n > 0 && len(types) != n {
		return &FormatError{File: f.path, Line: f.begin + 1, Msg: fmt.Sprintf("%d columns, want %d", n, len(types))}
	}
	row := f.opts.DType
	if len(f.opts.DTypes) > 0 {
		if !row.IsStruct() {
			fields := make([]array.Field, len(types))
			for i, t := range types {
				fields[i] = array.Field{Name: fmt.Sprint("f", i), DType: t}
				if f.columns != nil {
					fields[i].Name = f.columns[i]
				}
			}
			var err error
			if row, err = array.Struct(fields); err != nil {
				return fmt.Errorf("%s: columns: %w", f.path, err)
			}
		}
		f.spec = array.Spec{DType: row, Shape: []int{0}}
		f.fields, f.item = row.Fields(), row.ItemSize()
		return nil
	}
	size := row.ItemSize()
	if n > math.MaxInt32/max(size, 1) {
		return fmt.Errorf("%s: %d columns of %d bytes", f.path, n, size)
	}
	for i, t := range types {
		f.fields = append(f.fields, array.Field{DType: t, Offset: i * size})
	}
	f.item = n * size
	return nil
}

// element reads one word.
func (f *File) element(dst, word []byte, t array.DType) error {
	kind := t.Kind()
	if kind != 'S' && kind != 'U' {
		float := kind == 'f' || kind == 'c' || kind == 'V'
		word = bytes.TrimSpace(word)
		if len(word) == 0 && !float {
			return errors.New("empty, want a number")
		}
		if len(word) == 0 || float && len(f.opts.Missing) > 0 && slices.Contains(f.opts.Missing, string(word)) {
			return array.ParseElement(dst, "nan", t)
		}
	}
	// The text is not kept: what an error says of it is a copy.
	return array.ParseElement(dst, unsafe.String(unsafe.SliceData(word), len(word)), t)
}

// Members returns the one array, called as the file without its extension.
// Attrs has the header's names under "columns".
func (f *File) Members() []array.Member {
	name := filepath.Base(f.path)
	m := array.Member{Name: strings.TrimSuffix(name, filepath.Ext(name)), Spec: array.Spec{DType: f.spec.DType, Shape: slices.Clone(f.spec.Shape)}}
	if f.columns != nil {
		m.Attrs = map[string]any{"columns": slices.Clone(f.columns)}
	}
	return []array.Member{m}
}

// Columns returns the header's names, nil where there is none.
func (f *File) Columns() []string { return slices.Clone(f.columns) }

// Attrs returns nil: the format has none.
func (f *File) Attrs() map[string]any { return nil }

func (f *File) check(name string) error {
	if only := f.Members()[0].Name; name != "" && name != only {
		return fmt.Errorf("%s: no array %q", f.path, name)
	}
	return nil
}

// Array reads the table into memory. "" is its name too.
func (f *File) Array(name string) (array.Strided, error) {
	n, err := f.spec.Bytes()
	if err != nil {
		return array.Strided{}, err
	}
	st, err := f.Stream(name, 0)
	if err != nil {
		return array.Strided{}, err
	}
	defer st.Close()
	var data []byte // grows with what is really there
	for {
		rows, err := st.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return array.Strided{}, err
		}
		data = append(data, rows.Data...)
	}
	if len(data) != n {
		return array.Strided{}, fmt.Errorf("%s: %d bytes of rows, there were %d when it was opened", f.path, len(data), n)
	}
	a, err := array.New(f.Members()[0].Spec, data)
	return a.Strided(), err
}

// defaultChunk is how many bytes of elements a stream gives at a time.
const defaultChunk = 1 << 20

// Stream gives the rows, about chunk bytes of elements at a time (0 is 1 MiB)
// and at least one row.
func (f *File) Stream(name string, chunk int) (array.Stream, error) {
	if err := f.check(name); err != nil {
		return nil, err
	}
	if chunk <= 0 {
		chunk = defaultChunk
	}
	s, err := f.scan()
	if err != nil {
		return nil, err
	}
	for s.line < f.begin {
		if err := s.next(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return &stream{f: f, s: s, left: f.spec.Shape[0], most: max(1, chunk/max(f.item, 1)), quick: f.quick()}, nil
}

// Close does nothing: the file is open only while it is read.
func (f *File) Close() error { return nil }

// stream parses rows.
type stream struct {
	f      *File
	s      *scanner
	left   int
	most   int
	quick  number // what rows may be read as in one go
	buf    []byte
	closed bool
}

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	if s.closed {
		return array.Array{}, errors.New("text: the stream is closed")
	}
	if s.left == 0 {
		return array.Array{}, io.EOF
	}
	f, n := s.f, min(s.left, s.most)
	if cap(s.buf) < n*f.item {
		s.buf = make([]byte, n*f.item)
	}
	s.buf = s.buf[:n*f.item]
	for i := range n {
		if err := s.row(s.buf[i*f.item : (i+1)*f.item]); err != nil {
			return array.Array{}, err
		}
	}
	s.left -= n
	spec := array.Spec{DType: f.spec.DType, Shape: slices.Clone(f.spec.Shape)}
	spec.Shape[0] = n
	return array.Array{Spec: spec, Data: s.buf}, nil
}

// row reads the next row.
func (s *stream) row(row []byte) error {
	f := s.f
	err := s.s.full()
	if err == nil && s.quick != noNumber && s.quickRow(row, s.s.text) {
		return nil
	}
	var words [][]byte
	if err == nil {
		words, err = s.s.cut()
	}
	switch {
	case err == io.EOF:
		return &FormatError{File: f.path, Line: s.s.line, Msg: "the file is shorter than when it was opened"}
	case err != nil:
		return err
	case len(words) != len(f.fields):
		return &FormatError{File: f.path, Line: s.s.line, Msg: fmt.Sprintf("%d columns, want %d", len(words), len(f.fields))}
	}
	for c := range f.fields {
		field := &f.fields[c]
		if err := f.element(row[field.Offset:field.Offset+field.DType.ItemSize()], words[c], field.DType); err != nil {
			return &FormatError{File: f.path, Line: s.s.line, Column: c + 1, Msg: err.Error()}
		}
	}
	return nil
}

// Close ends the stream.
func (s *stream) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.s.Close()
}

// scanner reads a table's lines as words.
type scanner struct {
	f       *File
	file    *os.File
	lines   *bufio.Scanner
	line    int
	words   [][]byte
	comment []string // words of the last comment before the first row
	blank   bool     // the delimiter is white space
	seen    bool     // a row
	text    []byte   // its line
}

func (f *File) scan() (*scanner, error) {
	file, err := regular.Open(f.path)
	if err != nil {
		return nil, err
	}
	s := &scanner{f: f, file: file, lines: bufio.NewScanner(file), blank: f.blank()}
	s.lines.Buffer(make([]byte, 1<<16), maxLine)
	for range f.opts.Skip {
		if err := s.next(); err == io.EOF {
			break
		} else if err != nil {
			file.Close()
			return nil, err
		}
	}
	return s, nil
}

func (s *scanner) Close() error { return s.file.Close() }

// next goes to the next line.
func (s *scanner) next() error {
	if s.lines.Scan() {
		s.line++
		return nil
	}
	if err := s.lines.Err(); err != nil {
		return &FormatError{File: s.f.path, Line: s.line + 1, Msg: err.Error()}
	}
	return io.EOF
}

// row returns the words of the next line that has any, borrowed until the
// next call; io.EOF behind the last.
func (s *scanner) row() ([][]byte, error) {
	if err := s.full(); err != nil {
		return nil, err
	}
	return s.cut()
}

// full goes to the next line that is a row, and has it in text.
func (s *scanner) full() error {
	comment := s.f.opts.Comment
	for {
		if err := s.next(); err != nil {
			return err
		}
		b := s.lines.Bytes()
		if s.line == 1 {
			b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
		}
		s.text = b
		if len(b) > 0 && b[0] > ' ' && b[0] < utf8.RuneSelf && (comment == "" || b[0] != comment[0]) {
			break // neither white space nor a comment
		}
		trimmed := bytes.TrimSpace(b)
		if len(trimmed) == 0 {
			continue
		}
		rest, ok := bytes.CutPrefix(trimmed, []byte(comment))
		if comment == "" || !ok {
			break
		}
		if !s.seen {
			s.words = s.words[:0]
			if s.split(bytes.TrimSpace(rest)) == nil {
				s.comment = copied(s.words)
			}
		}
	}
	s.seen = true
	return nil
}

// cut returns the words of text.
func (s *scanner) cut() ([][]byte, error) {
	s.words = s.words[:0]
	if err := s.split(s.text); err != nil {
		return nil, err
	}
	return s.words, nil
}

// split cuts a line at the delimiters and a comment.
func (s *scanner) split(b []byte) error {
	comment := []byte(s.f.opts.Comment)
	if !bytes.ContainsRune(b, '"') || s.blank {
		if len(comment) > 0 {
			if i := bytes.Index(b, comment); i >= 0 {
				b = b[:i]
			}
		}
		if s.blank {
			s.fields(b)
			return nil
		}
		delimiter := s.f.opts.Delimiter
		for {
			var i int
			if len(delimiter) == 1 {
				i = bytes.IndexByte(b, delimiter[0])
			} else {
				i = bytes.Index(b, []byte(delimiter))
			}
			if i < 0 {
				s.words = append(s.words, b)
				return nil
			}
			s.words = append(s.words, b[:i])
			b = b[i+len(delimiter):]
		}
	}
	return s.quoted(b, comment)
}

// fields cuts at white space.
func (s *scanner) fields(b []byte) {
	for {
		b = bytes.TrimLeft(b, " \t\r\f\v")
		if len(b) == 0 {
			return
		}
		i := bytes.IndexAny(b, " \t\r\f\v")
		if i < 0 {
			i = len(b)
		}
		s.words = append(s.words, b[:i])
		b = b[i:]
	}
}

// quoted cuts a line with quotes in it: of a word in quotes they are taken
// off, and two in it are one.
func (s *scanner) quoted(b, comment []byte) error {
	delimiter := []byte(s.f.opts.Delimiter)
	for {
		var word []byte
		if start := bytes.TrimLeft(b, " "); len(start) > 0 && start[0] == '"' {
			rest := start[1:]
			for {
				i := bytes.IndexByte(rest, '"')
				if i < 0 {
					return &FormatError{File: s.f.path, Line: s.line, Column: len(s.words) + 1, Msg: "a quote that doesn't end on its line"}
				}
				word, rest = append(word, rest[:i]...), rest[i+1:]
				if len(rest) == 0 || rest[0] != '"' {
					break
				}
				word, rest = append(word, '"'), rest[1:]
			}
			b = bytes.TrimLeft(rest, " ")
			if len(comment) > 0 && bytes.HasPrefix(b, comment) {
				b = nil
			}
			if s.words = append(s.words, word); len(bytes.TrimSpace(b)) == 0 {
				return nil
			}
			if !bytes.HasPrefix(b, delimiter) {
				return &FormatError{File: s.f.path, Line: s.line, Column: len(s.words), Msg: "text behind a quote"}
			}
			b = b[len(delimiter):]
			continue
		}
		end := bytes.Index(b, delimiter)
		if len(comment) > 0 {
			if i := bytes.Index(b, comment); i >= 0 && (end < 0 || i < end) {
				s.words = append(s.words, b[:i])
				return nil
			}
		}
		if end < 0 {
			s.words = append(s.words, b)
			return nil
		}
		s.words = append(s.words, b[:end])
		b = b[end+len(delimiter):]
	}
}
