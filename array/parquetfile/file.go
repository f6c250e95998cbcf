package parquetfile

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/parquet"
)

// File is an open file. Its methods are safe for concurrent use, except for
// Close; a stream is for one goroutine.
type File struct {
	name    string
	opts    OpenOptions
	m       *mmap.Map
	data    []byte
	meta    *parquet.Meta
	columns arrow.Catalogue[place]
}

// column is one that may be asked for.
type column = arrow.Entry[place]

// place is where a column is found in the file.
type place struct {
	top    *parquet.Node
	leaves []leafInfo // as Column.Leaves
}

// leafInfo is where a leaf is found in the file.
type leafInfo struct {
	node  *parquet.Node
	cuts  []parquet.Cut
	sizes []int
	spans []int
}

// Open maps a file, and reads and checks its footer. Of the data it reads only
// text, to find the longest.
func Open(path string, opts *OpenOptions) (*File, error) {
	o, err := opts.orDefault()
	if err != nil {
		return nil, err
	}
	m, err := mmap.Open(path)
	if err != nil {
		return nil, err
	}
	f := &File{name: path, opts: o, m: m, data: m.Bytes()}
	if err := f.parse(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return f, nil
}

// Parse reads a whole file that is in memory, which it borrows.
func Parse(data []byte, opts *OpenOptions) (*File, error) {
	o, err := opts.orDefault()
	if err != nil {
		return nil, err
	}
	f := &File{opts: o, data: data}
	if err := f.parse(); err != nil {
		return nil, err
	}
	return f, nil
}

// bad is an error at a byte of the file.
func (f *File) bad(at int64, name, format string, args ...any) error {
	return &FormatError{File: f.name, Array: name, Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// parse reads the footer.
func (f *File) parse() error {
	b := f.data
	n := len(b)
	switch {
	case n < len(parquet.Magic) || string(b[:len(parquet.Magic)]) == parquet.Encrypted:
		return f.bad(0, "", "no Parquet file, or an encrypted one, which is not supported")
	case string(b[:len(parquet.Magic)]) != parquet.Magic:
		return f.bad(0, "", "it begins with %q, want %q", b[:len(parquet.Magic)], parquet.Magic)
	case n < len(parquet.Magic)+parquet.Tail || string(b[n-len(parquet.Magic):]) != parquet.Magic:
		return f.bad(int64(max(0, n-len(parquet.Magic))), "", "it doesn't end in %s: it was cut off, or never completed", parquet.Magic)
	}
	size := int64(binary.LittleEndian.Uint32(b[n-parquet.Tail:]))
	limit := int64(n-parquet.Tail) - size
	if limit < int64(len(parquet.Magic)) {
		return f.bad(int64(n-parquet.Tail), "", "a footer of %d bytes in a file of %d", size, n)
	}
	m, err := parquet.ParseMeta(b[limit : int64(n)-int64(parquet.Tail)])
	if err != nil {
		return f.bad(limit, "", "footer: %v", err)
	}
	f.meta = m
	if leaf, err := m.Check(limit); err != nil {
		return f.bad(limit, leaf, "%v", err)
	}
	stored := parquet.StoredSchema(m.Pairs)
	if stored != nil && len(stored.Fields) != len(m.Root.Children) {
		stored = nil
	}
	f.columns = arrow.Catalogue[place]{File: f.name, Only: f.opts.Columns, Rows: int(m.Rows), Size: len(f.data)}
	for i, top := range m.Root.Children {
		field := parquet.FieldOf(top)
		if stored != nil && stored.Fields[i].Name == top.Name {
			field, _ = parquet.Merge(field, stored.Fields[i])
		}
		if err := f.columns.Add(&field, place{top: top}, f.find, f.measure); err != nil {
			return err
		}
	}
	return nil
}

// find finds the column's leaves in the file.
func (f *File) find(c *column) error {
	for i := range c.Leaves {
		l := &c.Leaves[i]
		n, cuts := c.Own.top.Route(l.Path)
		if n == nil {
			return &array.UnsupportedError{DType: c.Field.Type.String(), Why: "its parts aren't as Arrow's schema tells"}
		}
		info := leafInfo{node: n, cuts: cuts}
		field := c.Field
		for _, k := range l.Path {
			if field.Type == arrow.FixedSizeList {
				info.sizes = append(info.sizes, field.Size)
			}
			field = &field.Children[k]
		}
		if len(info.sizes) != n.Rep {
			return &array.UnsupportedError{DType: c.Field.Type.String(), Why: "its lists aren't as Arrow's schema tells"}
		}
		info.spans = make([]int, len(info.sizes)+1)
		info.spans[len(info.sizes)] = 1
		for k := len(info.sizes) - 1; k >= 0; k-- {
			info.spans[k] = info.spans[k+1] * info.sizes[k]
		}
		for _, g := range f.meta.Groups {
			if err := g.Chunks[n.Leaf].Err; err != nil {
				return err
			}
		}
		c.Own.leaves = append(c.Own.leaves, info)
	}
	return nil
}

// Name returns the path as Open got it.
func (f *File) Name() string { return f.name }

// RowGroups returns how many rows each row group has.
func (f *File) RowGroups() []int {
	list := make([]int, len(f.meta.Groups))
	for i, g := range f.meta.Groups {
		list[i] = int(g.Rows)
	}
	return list
}

// CreatedBy returns the program that wrote the file, by its own word.
func (f *File) CreatedBy() string { return f.meta.By }

// Members returns the columns that are served, in the file's order.
func (f *File) Members() []array.Member { return f.columns.Members() }

// Refused returns why columns of the file aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error { return f.columns.Refused() }

// Attrs returns what is kept in the footer, text by keys; nil for nothing.
// Pandas' notes are among it, under the key "pandas".
func (f *File) Attrs() map[string]any { return arrow.Attrs(f.meta.Pairs) }

// column returns a column by name; "" is the only one.
func (f *File) column(name string) (*column, error) {
	if f.data == nil {
		return nil, fmt.Errorf("%s: %w", f.name, errClosed)
	}
	return f.columns.Find(name)
}

// Close unmaps the file. A second Close does nothing.
func (f *File) Close() error {
	f.data = nil
	if f.m == nil {
		return nil
	}
	return f.m.Close()
}
