package source

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/regular"
)

// Table is a file of records, one a sample: comma- or tab-separated values
// with a header row (.csv, .tsv, as RFC 4180 quotes them), or one JSON object a
// line (.jsonl, .ndjson; NaN and Infinity as Python writes them). Text is
// UTF-8; a byte order mark and blank lines are passed over.
//
// Cells are read by the type of the field: whole numbers and floats strictly
// (nan and inf are floats), JSON as it stands, arrays as nested lists of exactly
// the field's shape. Images and bytes are in files that the cell names, relative
// to the table's folder; Spec.Inline says otherwise. They may not lie, or lead by
// a link, outside of that folder unless TableOptions allows it: the error is
// ErrOutside. A sample's key is the first file that its record names, unless that
// is outside the table's folder.
//
// Opening reads the file once and keeps 8 bytes a record: in memory up to 256 KiB,
// beyond that in a file in os.TempDir, so that the number of records does not
// count. A broken record is an error of its sample and names file, line and
// column.
type Table struct {
	path    string
	dir     string
	file    *os.File
	comma   rune // 0: JSON lines
	records records
	first   int // the first record that is a sample
	rows    int // records that are samples
	width   int // cells of a csv record
	columns []column
	root    *root
	store   Store // nil none
}

// TableOptions are the choices of OpenTable. nil and the zero value are the
// defaults.
type TableOptions struct {
	// Outside allows files outside of the table's folder. The default is wrong
	// for tables that name files elsewhere, by whole paths, by ".." or by links,
	// and come from somebody whom one would let read all of one's files.
	Outside bool

	// Store is where files lie that the table names by URLs, and all that it names
	// when it lies there itself: then the table's path is a URL, and Copy the local
	// file with its bytes. Bytes and images are read with their sample.
	Store Store
	Copy  string

	// Name is what the table is called in messages; "" is its path. The default is
	// wrong for a URL that holds a signature or a password.
	Name string
}

// OpenTable indexes the table at path, whose records fill the fields of specs.
// Close it after its last use.
func OpenTable(ctx context.Context, path string, specs []Spec, opts *TableOptions) (t *Table, err error) {
	if opts == nil {
		opts = &TableOptions{}
	}
	t = &Table{path: path, dir: filepath.Dir(path), store: opts.Store}
	if opts.Name != "" {
		t.path = opts.Name
	}
	file := path
	if far(path) {
		if t.store == nil || opts.Copy == "" {
			return nil, fmt.Errorf("table %s: a URL, and no store to read it from", t.path)
		}
		t.dir, file = folderOf(path), opts.Copy
	}
	if len(specs) == 0 {
		return nil, fmt.Errorf("table %s: no fields; expected at least one", t.path)
	}
	for _, s := range specs {
		c, err := newColumn(s)
		if err != nil {
			return nil, err
		}
		t.columns = append(t.columns, c)
	}
	if t.file, err = regular.Open(file); err != nil {
		return nil, fmt.Errorf("table: %w", err)
	}
	if far(path) {
		t.root = &root{dir: t.dir, free: opts.Outside}
	} else if t.root, err = newRoot(t.dir, opts.Outside); err != nil {
		return nil, errors.Join(fmt.Errorf("table: %w", err), t.Close())
	}
	if err = t.index(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// folderOf is the folder that a URL lies in, without the query that one of the web
// may have.
func folderOf(name string) string {
	if web(name) {
		name, _, _ = strings.Cut(name, "?")
	}
	return name[:strings.LastIndexByte(name, '/')]
}

func (t *Table) index(ctx context.Context) error {
	var in indexer = &lineIndexer{r: &t.records}
	switch ext := strings.ToLower(filepath.Ext(t.path)); ext {
	case ".csv":
		t.comma = ','
	case ".tsv":
		t.comma = '\t'
	case ".jsonl", ".ndjson":
	default:
		return fmt.Errorf("table %s: extension %q; expected .csv, .tsv, .jsonl or .ndjson", t.path, ext)
	}
	if t.comma != 0 {
		in = &csvIndexer{comma: byte(t.comma), r: &t.records}
	}
	if err := indexFile(ctx, t.file, in, &t.records); err != nil {
		return fmt.Errorf("table %s: %w", t.path, err)
	}
	t.rows = t.records.len()
	if t.comma == 0 {
		return nil
	}
	if t.rows == 0 {
		return fmt.Errorf("table %s: empty; expected a header row", t.path)
	}
	t.first, t.rows = 1, t.rows-1
	return t.header()
}

// header finds the columns by the header row.
func (t *Table) header() error {
	names, err := t.cells(0)
	if err != nil {
		return err
	}
	t.width = len(names)
	for i := range t.columns {
		c := &t.columns[i]
		c.at = -1
		for at, name := range names {
			switch {
			case name != c.Column:
			case c.at >= 0:
				return t.fail(0, c.Column, errors.New("two columns have this name"))
			default:
				c.at = at
			}
		}
		if c.at < 0 {
			return t.fail(0, c.Column, fmt.Errorf("no such column; the header has %s", shorten(names)))
		}
	}
	return nil
}

// Len returns the number of records.
func (t *Table) Len() int { return t.rows }

// Fields returns the fields of the specs.
func (t *Table) Fields() []Field {
	var out []Field
	for _, c := range t.columns {
		out = append(out, c.Field)
	}
	return out
}

// Classes returns nil: a table names no classes.
func (t *Table) Classes() []string { return nil }

// Close closes the file and removes what opening it kept aside, which nobody may
// use meanwhile. Samples read before stay valid. A second Close does nothing.
func (t *Table) Close() error {
	if t.file == nil {
		return nil
	}
	err := errors.Join(t.file.Close(), t.records.close())
	t.file = nil
	return err
}

// Sample reads record i. Its values are of its own; files that it names are
// fields.Path values, and of those in a store the bytes.
func (t *Table) Sample(ctx context.Context, i int) (values []any, key string, err error) {
	values, key, err = t.record(ctx, i)
	for k := range values {
		if err != nil {
			return nil, key, err
		}
		if o, ok := values[k].(object); ok {
			if values[k], err = t.fetch(ctx, o, &t.columns[k]); err != nil {
				err = t.fail(i+t.first, t.columns[k].Column, err)
			}
		}
	}
	if err != nil {
		return nil, key, err
	}
	return values, key, nil
}

// object is a value that is in a store.
type object string

// fetch reads the value of an object.
func (t *Table) fetch(ctx context.Context, o object, c *column) (any, error) {
	b, err := readWhole(ctx, t.store, string(o), maxObject)
	if err != nil || c.cell == cellPath {
		return b, err
	}
	a, err := npy.Read(bytes.NewReader(b))
	if err == nil && !a.Spec.Equal(c.spec) {
		err = fmt.Errorf("array %v; the field holds %v", a.Spec, c.spec)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown(string(o)), err)
	}
	return a, nil
}

// record is Sample without a look at the objects that the record names.
func (t *Table) record(ctx context.Context, i int) (values []any, key string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if i < 0 || i >= t.Len() {
		return nil, "", fmt.Errorf("table %s: sample %d of %d", t.path, i, t.Len())
	}
	if t.file == nil {
		return nil, "", fmt.Errorf("table %s: sample %d: %w", t.path, i, os.ErrClosed)
	}
	row := i + t.first
	values = make([]any, len(t.columns))
	if t.comma != 0 {
		err = t.csvSample(row, values)
	} else {
		err = t.jsonSample(row, values)
	}
	key = t.key(values)
	if err != nil {
		return nil, key, err
	}
	return values, key, nil
}

func (t *Table) csvSample(row int, values []any) error {
	cells, err := t.cells(row)
	if err != nil {
		return err
	}
	if len(cells) != t.width {
		return t.fail(row, "", fmt.Errorf("%d cells; the header has %d", len(cells), t.width))
	}
	for k := range t.columns {
		c := &t.columns[k]
		if values[k], err = c.text(t, cells[c.at]); err != nil {
			return t.fail(row, c.Column, err)
		}
	}
	return nil
}

// cells reads a csv record.
func (t *Table) cells(row int) ([]string, error) {
	b, err := t.records.read(t.file, row)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", t.path, err)
	}
	if bytes.IndexByte(b, '"') < 0 {
		// Without quotes a record is its line, cut at the commas; most are so,
		// and a csv.Reader for each would cost more than all else.
		line, _, _ := strings.Cut(string(b), "\n")
		return strings.Split(strings.TrimSuffix(line, "\r"), string(t.comma)), nil
	}
	r := csv.NewReader(bytes.NewReader(b))
	r.Comma = t.comma
	cells, err := r.Read()
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		// Its line counts from the record's first; ours from the file's.
		err = fmt.Errorf("byte %d of line %d of the record: %w", parse.Column, parse.Line, parse.Err)
	}
	if err != nil {
		return nil, t.fail(row, "", err)
	}
	return cells, nil
}

func (t *Table) jsonSample(row int, values []any) error {
	b, err := t.records.read(t.file, row)
	if err != nil {
		return fmt.Errorf("table %s: %w", t.path, err)
	}
	b = bytes.TrimRight(b, jsonSpace)
	if err := fields.JSONText(b).Check(); err != nil {
		return t.fail(row, "", err)
	}
	err = members(b, func(key string, value []byte) error {
		for k := range t.columns {
			c := &t.columns[k]
			if c.Column != key {
				continue
			}
			if values[k], err = c.json(t, value); err != nil {
				return t.fail(row, c.Column, err)
			}
		}
		return nil
	})
	var at *cellError
	if errors.As(err, &at) {
		return err
	}
	if err != nil {
		return t.fail(row, "", err)
	}
	for k, v := range values {
		if v == nil {
			return t.fail(row, t.columns[k].Column, errors.New("the record does not have it"))
		}
	}
	return nil
}

// key returns the first file that the record names, as a path relative to the
// table's folder. A path outside says more about a machine than about the
// sample, so such a sample has no key.
func (t *Table) key(values []any) string {
	for _, v := range values {
		if o, ok := v.(object); ok {
			key, _ := strings.CutPrefix(shown(string(o)), shown(t.dir)+"/")
			if key == shown(string(o)) {
				return ""
			}
			return key
		}
		p, ok := v.(fields.Path)
		if !ok {
			continue
		}
		rel, err := filepath.Rel(t.dir, string(p))
		if err != nil || !filepath.IsLocal(rel) {
			return ""
		}
		return filepath.ToSlash(rel)
	}
	return ""
}

// cellError is a record's error with its place.
type cellError struct {
	path   string
	line   int64
	column string // "" for the record as a whole
	err    error
}

func (e *cellError) Error() string {
	if e.column == "" {
		return fmt.Sprintf("%s:%d: %v", e.path, e.line, e.err)
	}
	return fmt.Sprintf("%s:%d: column %q: %v", e.path, e.line, e.column, e.err)
}

func (e *cellError) Unwrap() error { return e.err }

func (t *Table) fail(row int, column string, err error) error {
	return &cellError{t.path, t.records.line(t.file, row), column, err}
}
