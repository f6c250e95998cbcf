package parquetfile

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/aside"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Compression is how pages are packed.
type Compression string

// The compressions.
const (
	None   Compression = ""
	Snappy Compression = "snappy"
	Gzip   Compression = "gzip"
	Brotli Compression = "brotli"
	ZSTD   Compression = "zstd"
	LZ4Raw Compression = "lz4_raw"
)

var compressions = map[Compression]compress.Compression{
	None: compress.Codecs.Uncompressed, Snappy: compress.Codecs.Snappy, Gzip: compress.Codecs.Gzip,
	Brotli: compress.Codecs.Brotli, ZSTD: compress.Codecs.Zstd, LZ4Raw: compress.Codecs.Lz4Raw,
}

// Dictionary tells which columns' values are written once, and then by their
// places.
type Dictionary int

// The choices.
const (
	ForText Dictionary = iota // text and bytes alone
	ForAll
	ForNone
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	Overwrite   bool // a file that is there already is replaced
	Compression Compression
	Level       int // of gzip, brotli and zstd; 0 is the library's own
	// A row group has RowGroupRows rows, if that isn't 0, and as many as
	// RowGroupBytes hold, at least one; 0 bytes are 128 MiB, and 0 rows 1048576
	// at most.
	RowGroupRows  int
	RowGroupBytes int64
	PageVersion   int // of data pages: 1, the default that every reader knows, or 2
	Dictionary    Dictionary
	// NoStatistics leaves out each page's least and largest value.
	NoStatistics bool
}

const (
	defaultGroupRows  = 1 << 20
	defaultGroupBytes = 128 << 20
	createdBy         = "betongo"
	// pageSize is about how many bytes a page has: so many stay in a processor's
	// cache while the library goes over them several times.
	pageSize = 128 << 10
)

// Writer writes a file beside its place, where Close puts it. All columns have
// as many rows as the first. It is not safe for concurrent use. After an error
// it only gives that error, and Close leaves nothing.
//
// The format wants some rows of all columns, then the next ones. Columns are
// therefore kept in files of their own until Close, unless Plan says that there
// is but one.
type Writer struct {
	*writing
	f       *aside.File
	opts    CreateOptions
	dir     string
	attrs   []arrow.KeyValue
	columns []*written
	names   map[string]bool
	planned []array.Member
	rows    int // of the first column
	out     *output
}

type writing = array.Writing

// written is a column.
type written struct {
	field *arrow.Field
	c     *arrow.Column
	rows  *arrow.Spool // nil where they are written as they come
}

// Create begins a file. A file that is there already is an error that is
// fs.ErrExist, unless Overwrite is set.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	w := &Writer{opts: *opts, names: map[string]bool{}}
	switch _, ok := compressions[opts.Compression]; {
	case !ok:
		return nil, fmt.Errorf("parquetfile: compression %q; want %q, %q, %q, %q, %q or none", opts.Compression, Snappy, Gzip, Brotli, ZSTD, LZ4Raw)
	case opts.RowGroupRows < 0 || opts.RowGroupBytes < 0:
		return nil, fmt.Errorf("parquetfile: row groups of %d rows, %d bytes", opts.RowGroupRows, opts.RowGroupBytes)
	case opts.PageVersion < 0 || opts.PageVersion > 2:
		return nil, fmt.Errorf("parquetfile: pages of version %d; want 1 or 2", opts.PageVersion)
	case opts.Dictionary < ForText || opts.Dictionary > ForNone:
		return nil, fmt.Errorf("parquetfile: dictionary %d", opts.Dictionary)
	}
	if w.opts.RowGroupBytes == 0 {
		w.opts.RowGroupBytes = defaultGroupBytes
	}
	if w.opts.RowGroupRows == 0 {
		w.opts.RowGroupRows = defaultGroupRows
	}
	var err error
	if w.f, err = aside.Create(path, opts.Overwrite); err != nil {
		return nil, err
	}
	w.writing = array.NewWriting(path)
	w.dir = filepath.Dir(w.f.Target())
	return w, nil
}

// SetAttrs sets what is kept in the footer. Values that aren't text are written
// as JSON, and come back so.
func (w *Writer) SetAttrs(attrs map[string]any) error {
	if err := w.Ready(); err != nil {
		return err
	}
	list, err := arrow.Pairs(attrs)
	if err != nil {
		return w.Named(err)
	}
	w.attrs = list
	return nil
}

// Plan tells all columns that will be added, in their order, before the first is.
func (w *Writer) Plan(members []array.Member) error {
	if err := w.Ready(); err != nil {
		return err
	}
	if len(w.columns) > 0 || w.planned != nil {
		return w.Fail(errors.New("planned when something was planned or added already"))
	}
	w.planned = append([]array.Member{}, members...)
	return nil
}

// Add begins a column. Shape[0] may be -1 where the rows are to be counted. A
// scalar is one row. Elements are written little-endian; the member's attributes
// go beside the field in Arrow's schema.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.Ready(); err != nil {
		return nil, err
	}
	if w.names[m.Name] {
		return nil, w.Named(fmt.Errorf("array %q is there already", m.Name))
	}
	if n := len(w.columns); w.planned != nil && (n >= len(w.planned) || w.planned[n].Name != m.Name || !w.planned[n].Spec.Equal(m.Spec)) {
		return nil, w.Fail(fmt.Errorf("array %q, %v: another one is planned", m.Name, m.Spec))
	}
	field, c, err := arrow.NewField(m, false)
	if err != nil {
		return nil, w.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	k := &written{field: field, c: c, rows: &arrow.Spool{Dir: w.dir}}
	keep := func(rows array.Array) error {
		_, err := k.rows.Write(rows.Data)
		return err
	}
	if len(w.planned) == 1 && len(c.Leaves) == 1 && m.Name == w.planned[0].Name {
		k.rows = nil
		if w.out, err = w.begin([]*written{k}); err != nil {
			return nil, w.Fail(fmt.Errorf("array %q: %w", m.Name, err))
		}
		keep = w.out.write
	}
	s, err := w.Begin(m, array.Taker{Rows: keep, End: func(rows int, err error) error { return w.end(k, rows, err) }})
	if err == nil {
		w.names[m.Name] = true
	}
	return s, err
}

// end takes a column that is complete, or drops it.
func (w *Writer) end(k *written, rows int, err error) error {
	if err == nil && len(w.columns) > 0 && rows != w.rows {
		err = fmt.Errorf("%d rows; a table's columns are of one length, and the first has %d", rows, w.rows)
	}
	if err != nil {
		return errors.Join(err, k.rows.Drop())
	}
	w.rows = rows
	w.columns = append(w.columns, k)
	return nil
}

// Close completes the file and puts it in its place. On an error nothing is
// left, and what was there stays.
func (w *Writer) Close() error {
	return w.writing.Close(w.complete, func() error { return w.f.Commit() }, w.abort)
}

// Abort removes what was written. Behind Close it does nothing.
func (w *Writer) Abort() error { return w.writing.Abort(w.abort) }

func (w *Writer) abort() error {
	err := w.f.Abort()
	for _, k := range w.columns {
		err = errors.Join(err, k.rows.Drop())
	}
	return err
}

// complete writes the columns that were kept, and the footer.
func (w *Writer) complete() error {
	if w.planned != nil && len(w.columns) < len(w.planned) {
		return fmt.Errorf("array %q is planned and not added", w.planned[len(w.columns)].Name)
	}
	if w.out != nil {
		return w.out.close()
	}
	out, err := w.begin(w.columns)
	if err != nil {
		return err
	}
	per := out.groupRows()
	// Without a row group pyarrow would lose some of the columns' types.
	for first := 0; first < max(w.rows, 1) && len(w.columns) > 0; first += per {
		if err := out.group(first, min(per, w.rows-first)); err != nil {
			return err
		}
	}
	for _, k := range w.columns {
		if err := k.rows.Drop(); err != nil {
			return err
		}
	}
	return out.close()
}

// output writes row groups by arrow-go, whose panics it turns into errors.
type output struct {
	w       *Writer
	to      *sink
	pw      *file.Writer
	columns []*written
	schema  *arrow.Schema
	leaves  [][]*leafOut // of the columns
	rg      file.SerialRowGroupWriter
	rows    int // of the only column's current row group
	started int // row groups of it
}

// sink is where the library writes to. It has no Close, which the library would
// call, and keeps the first error, which the library may lose.
type sink struct {
	f   *os.File
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.f.Write(b)
	s.err = err
	return n, err
}

// guard turns what the library panics with into an error, and finds those that it
// lost.
func (o *output) guard(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("arrow-go: %v", r)
		}
		if o.to.err != nil {
			err = o.to.err
		}
	}()
	return do()
}

// begin writes the start of a file of some columns.
func (w *Writer) begin(columns []*written) (*output, error) {
	o := &output{w: w, to: &sink{f: w.f.File}, columns: columns, schema: &arrow.Schema{}}
	var nodes schema.FieldList
	version := parquet.DataPageV1
	if w.opts.PageVersion == 2 {
		version = parquet.DataPageV2
	}
	props := []parquet.WriterProperty{parquet.WithCreatedBy(createdBy), parquet.WithVersion(parquet.V2_LATEST),
		parquet.WithCompression(compressions[w.opts.Compression]), parquet.WithDataPageVersion(version), parquet.WithBatchSize(math.MaxInt32),
		parquet.WithDataPageSize(pageSize), parquet.WithStats(!w.opts.NoStatistics), parquet.WithDictionaryDefault(w.opts.Dictionary == ForAll)}
	if w.opts.Level != 0 {
		props = append(props, parquet.WithCompressionLevel(w.opts.Level))
	}
	for _, k := range columns {
		n, err := nodeOf(k.field, k.field.Name)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", k.field.Name, err)
		}
		nodes = append(nodes, n)
		o.schema.Fields = append(o.schema.Fields, *k.field)
		var leaves []*leafOut
		for i := range k.c.Leaves {
			leaves = append(leaves, newLeafOut(k.c, i))
		}
		o.leaves = append(o.leaves, leaves)
	}
	err := o.guard(func() error {
		root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, nodes, -1)
		if err != nil {
			return err
		}
		if w.opts.Dictionary == ForText {
			props = append(props, o.dictionaries(schema.NewSchema(root))...)
		}
		o.pw = file.NewParquetWriter(o.to, root, file.WithWriterProps(parquet.NewWriterProperties(props...)))
		return nil
	})
	return o, err
}

// dictionaries chooses dictionaries for text.
func (o *output) dictionaries(s *schema.Schema) (list []parquet.WriterProperty) {
	for i := range s.NumColumns() {
		if c := s.Column(i); c.PhysicalType() == parquet.Types.ByteArray {
			list = append(list, parquet.WithDictionaryPath(c.ColumnPath(), true))
		}
	}
	return list
}

// groupRows is how many rows a row group has.
func (o *output) groupRows() int {
	row := int64(0)
	for _, k := range o.columns {
		row += int64(k.c.Row)
	}
	return int(max(1, min(int64(o.w.opts.RowGroupRows), o.w.opts.RowGroupBytes/max(row, 1))))
}

// piece is how many bytes of rows are encoded at a time, and so may be in a page
// beyond its size.
const piece = 64 << 10

// group writes some rows of the columns that were kept.
func (o *output) group(first, n int) error {
	return o.guard(func() error {
		rg := o.pw.AppendRowGroup()
		for i, k := range o.columns {
			for _, l := range o.leaves[i] {
				var err error
				if l.cw, err = rg.NextColumn(); err == nil {
					err = k.part(l, first, n)
				}
				if err != nil {
					return fmt.Errorf("array %q: %w", k.field.Name, err)
				}
			}
		}
		return rg.Close()
	})
}

// part writes some rows of a leaf of a column that was kept.
func (k *written) part(l *leafOut, first, n int) error {
	step := 1 << 16
	if k.c.Row > 0 {
		step = max(1, piece/k.c.Row)
	}
	buf := make([]byte, min(step, n)*k.c.Row)
	for lo := 0; lo < n; lo += step {
		rows := min(step, n-lo)
		b := buf[:rows*k.c.Row]
		if _, err := k.rows.ReadAt(b, int64(first+lo)*int64(k.c.Row)); err != nil {
			return err
		}
		if err := l.write(b, k.c.Row, rows); err != nil {
			return err
		}
	}
	return nil
}

// write writes rows of the only column as they come.
func (o *output) write(rows array.Array) error {
	k, l := o.columns[0], o.leaves[0][0]
	n := 1
	if len(rows.Shape) > 0 {
		n = rows.Shape[0]
	}
	per := o.groupRows()
	return o.guard(func() error {
		for lo := 0; lo < n; {
			if o.rg == nil {
				if err := o.beginGroup(); err != nil {
					return err
				}
			}
			step := min(n-lo, per-o.rows, max(1, piece/max(k.c.Row, 16)))
			if err := l.write(rows.Data[lo*k.c.Row:(lo+step)*k.c.Row], k.c.Row, step); err != nil {
				return err
			}
			lo += step
			if o.rows += step; o.rows == per {
				if err := o.endGroup(); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// beginGroup begins a row group of the only column.
func (o *output) beginGroup() (err error) {
	o.rg, o.rows = o.pw.AppendRowGroup(), 0
	o.started++
	o.leaves[0][0].cw, err = o.rg.NextColumn()
	return err
}

func (o *output) endGroup() error {
	rg := o.rg
	o.rg = nil
	return rg.Close()
}

// close writes the footer. The library's Close doesn't tell its errors, so that
// nothing is left for it to do.
func (o *output) close() error {
	return o.guard(func() error {
		if o.rg == nil && o.started == 0 && len(o.columns) == 1 && o.columns[0].rows == nil {
			if err := o.beginGroup(); err != nil {
				return err
			}
		}
		if o.rg != nil {
			if err := o.endGroup(); err != nil {
				return err
			}
		}
		// The attributes may have been set meanwhile. pyarrow looks for them in
		// Arrow's schema, others beside it.
		o.schema.Meta = o.w.attrs
		for _, kv := range append(slices.Clone(o.w.attrs), arrow.KeyValue{Key: "ARROW:schema", Value: schemaText(o.schema)}) {
			if err := o.pw.AppendKeyValueMetadata(kv.Key, kv.Value); err != nil {
				return err
			}
		}
		if err := o.pw.FlushWithFooter(); err != nil {
			return err
		}
		return o.pw.Close()
	})
}

// Save writes a file of arrays in memory, in their order. Nil attributes are none.
func Save(path string, members []array.Member, arrays []array.Strided, attrs map[string]any, opts *CreateOptions) error {
	if len(members) != len(arrays) {
		return fmt.Errorf("parquetfile: %d members and %d arrays", len(members), len(arrays))
	}
	w, err := Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.SetAttrs(attrs); err != nil {
		return err
	}
	if err := w.Plan(members); err != nil {
		return err
	}
	if err := arrow.AddAll(w, members, arrays); err != nil {
		return err
	}
	return w.Close()
}
