package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/parquet"
)

// FormatError says that a file is no Parquet, or a broken one.
type FormatError = array.FormatError

// ReaderOptions are the choices of NewReader; nil and the zero value are the
// defaults.
type ReaderOptions struct {
	Name    string // of the file, for errors
	Cache   *Cache // nil is one of its own, of DefaultCache bytes
	MaxPage int    // bytes a page may have before compression; 0 is 1 GiB
}

// Reader reads the rows of a file in any order. Its methods are safe for concurrent
// use, except that nobody may use it during or after Close.
//
// A value comes from its page, which is decoded whole and kept in the Cache: rows
// that are asked for about in order, by however many, are decoded once each. In any
// other order a row costs the decoding of its page, a MiB as most programs write
// them. Lists are decoded by whole row groups.
type Reader struct {
	name    string
	from    io.ReaderAt
	size    int64
	limit   int64 // where the data end
	sum     [16]byte
	opts    ReaderOptions
	meta    *parquet.Meta
	columns []*readColumn
	starts  []int // the first row of each row group, and behind the last

	mu     sync.Mutex
	tables map[[2]int]*table
}

// borrower is a file in memory: what it lends is valid for as long as the values
// that a Reader returns.
type borrower interface {
	Borrow(off, n int64) ([]byte, bool)
}

// maxFooter bounds a footer, which is read at once.
const maxFooter = 1 << 30

// NewReader reads and checks the footer of a file of size bytes. r must be safe for
// concurrent use; of one that has a method Borrow(off, n int64) ([]byte, bool) the
// bytes are used where they lie, and values are valid as long as they are.
func NewReader(ctx context.Context, from io.ReaderAt, size int64, opts *ReaderOptions) (*Reader, error) {
	r := &Reader{from: from, size: size, tables: map[[2]int]*table{}}
	if opts != nil {
		r.opts = *opts
	}
	r.name = r.opts.Name
	if r.opts.Cache == nil {
		r.opts.Cache = NewCache(DefaultCache)
	}
	if r.opts.MaxPage <= 0 {
		r.opts.MaxPage = 1 << 30
	}
	if err := r.open(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// bad is an error at a byte of the file.
func (r *Reader) bad(at int64, column, format string, args ...any) error {
	return &FormatError{File: r.name, Array: column, Offset: at, Msg: fmt.Sprintf(format, args...)}
}

func (r *Reader) open(ctx context.Context) error {
	const magic, tail = parquet.Magic, parquet.Tail
	if r.size < int64(len(magic)) {
		return r.bad(0, "", "no Parquet file: %d bytes", r.size)
	}
	head, err := r.bytes(ctx, 0, int64(len(magic)))
	if err != nil {
		return r.failed(err)
	}
	switch {
	case string(head) == parquet.Encrypted:
		return r.bad(0, "", "an encrypted Parquet file, which is not supported")
	case string(head) != magic:
		return r.bad(0, "", "it begins with %q, want %q", head, magic)
	case r.size < int64(len(magic)+tail):
		return r.bad(r.size, "", "it was cut off, or never completed")
	}
	end, err := r.bytes(ctx, r.size-int64(tail), int64(tail))
	if err != nil {
		return r.failed(err)
	}
	if string(end[4:]) != magic {
		return r.bad(r.size-int64(len(magic)), "", "it doesn't end in %s: it was cut off, or never completed", magic)
	}
	n := int64(binary.LittleEndian.Uint32(end))
	r.limit = r.size - int64(tail) - n
	if r.limit < int64(len(magic)) || n > maxFooter {
		return r.bad(r.size-int64(tail), "", "a footer of %d bytes in a file of %d", n, r.size)
	}
	b, err := r.bytes(ctx, r.limit, n)
	if err != nil {
		return r.failed(err)
	}
	sum := sha256.Sum256(b)
	r.sum = [16]byte(sum[:])
	if r.meta, err = parquet.ParseMeta(b); err != nil {
		return r.bad(r.limit, "", "footer: %v", err)
	}
	if leaf, err := r.meta.Check(r.limit); err != nil {
		return r.bad(r.limit, leaf, "%v", err)
	}
	return r.schema()
}

// failed adds the file's name to an error of reading it.
func (r *Reader) failed(err error) error {
	return fmt.Errorf("%s%w", array.Place(r.name, "", "", -1), err)
}

// schema finds out what the columns are.
func (r *Reader) schema() error {
	stored := parquet.StoredSchema(r.meta.Pairs)
	pairs := r.meta.Pairs
	if stored != nil {
		pairs = append(slices.Clone(pairs), stored.Meta...)
		if len(stored.Fields) != len(r.meta.Root.Children) {
			stored = nil
		}
	}
	features, err := featuresOf(pairs)
	if err != nil {
		return r.bad(r.limit, "", "%v", err)
	}
	for i, n := range r.meta.Root.Children {
		field := parquet.FieldOf(n)
		if stored != nil && stored.Fields[i].Name == n.Name {
			field, _ = parquet.Merge(field, stored.Fields[i])
		}
		c := newReadColumn(n, field, features[n.Name])
		if slices.ContainsFunc(r.columns, func(k *readColumn) bool { return k.Name == c.Name }) {
			c.err = errors.New("a column of that name is there already")
		}
		r.columns = append(r.columns, c)
	}
	r.starts = make([]int, 1, len(r.meta.Groups)+1)
	for _, g := range r.meta.Groups { // whose sum was checked
		r.starts = append(r.starts, r.starts[len(r.starts)-1]+int(g.Rows))
	}
	r.meta.Pairs = nil // the names of many classes, perhaps
	return nil
}

// Len returns the number of rows.
func (r *Reader) Len() int { return r.starts[len(r.starts)-1] }

// Columns returns the columns, in the file's order; of one that isn't served Kind is
// 0. A whole number of any size, and a truth value, is an Int64, a float a Float64.
// Lists whose length the file tells are Lists; others, and structs, are JSON.
func (r *Reader) Columns() []Column {
	list := make([]Column, len(r.columns))
	for i, c := range r.columns {
		if list[i] = c.Column; c.err != nil {
			list[i] = Column{Name: c.Name}
		}
	}
	return list
}

// Refused returns why column i isn't served, nil where it is.
func (r *Reader) Refused(i int) error {
	if err := r.columns[i].err; err != nil {
		return fmt.Errorf("%s%w", array.Place(r.name, r.columns[i].Name, "", -1), err)
	}
	return nil
}

// Sum returns a sum over the footer, which tells where all values lie and, as most
// programs write it, the least and the largest of them.
func (r *Reader) Sum() [16]byte { return r.sum }

// Close forgets what is kept for the reader. It doesn't close the file.
func (r *Reader) Close() { r.opts.Cache.forget(r) }

// errMissing says that a row has no value.
var errMissing = errors.New("the row has no value (null)")

// Value returns the value of column i in a row, as Writer.Write takes it, but text
// as bytes: File, int64, float64, []byte or array.Array. Nobody may write to its
// bytes. A value that is missing is an error.
func (r *Reader) Value(ctx context.Context, i, row int) (any, error) {
	if err := r.Refused(i); err != nil {
		return nil, err
	}
	if row < 0 || row >= r.Len() {
		return nil, fmt.Errorf("%s: row %d of %d", r.name, row, r.Len())
	}
	c := r.columns[i]
	group := sort.SearchInts(r.starts, row+1) - 1
	v, err := r.value(ctx, c, group, row-r.starts[group])
	if err != nil {
		return nil, r.rowError(ctx, c, row, err)
	}
	return v, nil
}

// rowError tells of which row and column an error is.
func (r *Reader) rowError(ctx context.Context, c *readColumn, row int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var broken *pageError
	if errors.As(err, &broken) {
		return r.bad(broken.at, c.Name, "row %d: %v", row, broken.err)
	}
	return fmt.Errorf("%srow %d: %w", array.Place(r.name, c.Name, "", -1), row, err)
}

func (r *Reader) value(ctx context.Context, c *readColumn, group, row int) (any, error) {
	switch c.Kind {
	case List:
		return r.listValue(ctx, c, group, row)
	case JSON:
		return r.jsonValue(ctx, c, group, row)
	case Image:
		return r.fileValue(ctx, c, group, row)
	}
	p, k, err := r.page(ctx, c.leaf, group, row)
	if err != nil {
		return nil, err
	}
	if p.missing != nil && p.missing[k] {
		return nil, errMissing
	}
	switch c.Kind {
	case Float64:
		return floatAt(p.numbers[k*p.width : (k+1)*p.width]), nil
	case Int64, ClassLabel:
		return c.intAt(p.numbers[k*p.width : (k+1)*p.width])
	}
	return p.texts[k], nil
}

// fileValue returns an image: its bytes or, where they are missing, its path alone.
func (r *Reader) fileValue(ctx context.Context, c *readColumn, group, row int) (any, error) {
	p, k, err := r.page(ctx, c.leaf, group, row)
	if err != nil {
		return nil, err
	}
	f := File{Bytes: p.texts[k]}
	if c.path != nil {
		if p, k, err = r.page(ctx, c.path, group, row); err != nil {
			return nil, err
		}
		f.Path = string(p.texts[k])
	}
	if len(f.Bytes) == 0 && f.Path == "" {
		return nil, errMissing
	}
	return f, nil
}

func floatAt(b []byte) float64 {
	switch len(b) {
	case 2:
		return float64(array.Float16Value(binary.LittleEndian.Uint16(b)))
	case 4:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(b))
}

// intAt returns a whole number, or a truth value as 0 or 1.
func (c *readColumn) intAt(b []byte) (any, error) {
	v, err := wholeAt(b, &c.field)
	if err != nil {
		return nil, err
	}
	if c.Kind == ClassLabel && (v < -1 || v >= int64(len(c.Names))) {
		return nil, fmt.Errorf("label %d of %d classes", v, len(c.Names))
	}
	return v, nil
}

func wholeAt(b []byte, f *arrow.Field) (int64, error) {
	switch len(b) {
	case 1:
		return int64(b[0]), nil
	case 4:
		if f.Type == arrow.Int && !f.Signed {
			return int64(binary.LittleEndian.Uint32(b)), nil
		}
		return int64(int32(binary.LittleEndian.Uint32(b))), nil
	}
	v := binary.LittleEndian.Uint64(b)
	if f.Type == arrow.Int && !f.Signed && v > math.MaxInt64 {
		return 0, fmt.Errorf("the number %d, larger than an int64 holds", v)
	}
	return int64(v), nil
}
