package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// File is an open file. Its methods are safe for concurrent use, except for
// Close; a stream is for one goroutine.
type File struct {
	name    string
	opts    OpenOptions
	m       *mmap.Map
	file    *os.File // of the streams, which the system may copy from
	data    []byte
	layout  Layout
	schema  *arrow.Schema
	batches []*batch
	dicts   []dictionary
	rows    int
	columns arrow.Catalogue[arrow.Layout]
}

// Open maps a file, and reads and checks the schema and where everything lies.
// Of the data it reads only text, to find the longest. Which format it is the
// first bytes tell, whatever its name.
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
	err = f.parse()
	if err == nil {
		f.file, err = regular.Open(path)
	}
	if err != nil {
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

// parse reads everything but the data.
func (f *File) parse() error {
	var err error
	switch b := f.data; {
	case len(b) >= len(feather1) && string(b[:len(feather1)]) == feather1:
		return f.bad(0, "", "Feather of version 1 is not supported; read and write it by pyarrow.feather, which makes version 2 of it")
	case len(b) >= len(magic) && string(b[:len(magic)]) == magic:
		f.layout = IsFile
		err = f.parseFile()
	case len(b) < 8:
		return f.bad(0, "", "%d bytes are none of Arrow's files", len(b))
	default:
		f.layout = IsStream
		err = f.parseStream()
	}
	if err != nil {
		return err
	}
	for _, k := range f.batches {
		if k.rows > math.MaxInt-f.rows {
			return f.bad(k.at, "", "%d rows behind %d are too many", k.rows, f.rows)
		}
		f.rows += k.rows
	}
	f.columns = arrow.Catalogue[arrow.Layout]{File: f.name, Only: f.opts.Columns, Rows: f.rows, Size: len(f.data)}
	at := arrow.Layout{}
	for i := range f.schema.Fields {
		field := &f.schema.Fields[i]
		if err := f.columns.Add(field, at, f.verify, f.measure); err != nil {
			return err
		}
		at = at.Plus(field.Layout())
	}
	return nil
}

// parseFile goes by the footer.
func (f *File) parseFile() error {
	b := f.data
	n := int64(len(b))
	if n < int64(firstBytes+extra) || string(b[n-int64(len(magic)):]) != magic {
		return f.bad(max(0, n-int64(len(magic))), "", "it doesn't end in %s: it was cut off, or never completed", magic)
	}
	size := int64(int32(binary.LittleEndian.Uint32(b[n-int64(extra):])))
	limit := n - int64(extra) - size
	if size <= 0 || limit < firstBytes {
		return f.bad(n-int64(extra), "", "a footer of %d bytes in a file of %d", size, n)
	}
	flat := arrow.NewFlat(b[limit : limit+size])
	root := flat.Root()
	schema := root.Table(1)
	dicts, _ := root.Vector(2, 24)
	batches, _ := root.Vector(3, 24)
	if err := flat.Err(); err != nil {
		return f.bad(limit, "", "footer: %v", err)
	}
	if v := root.Int(0, 2, 0); v < 3 || v > 4 {
		return f.bad(limit, "", "metadata of version V%d, want V4 or V5", v+1)
	}
	if err := f.setSchema(schema, limit); err != nil {
		return err
	}
	if err := f.blocks(dicts, limit, arrow.DictionaryMessage); err != nil {
		return err
	}
	return f.blocks(batches, limit, arrow.RecordBatchMessage)
}

func (f *File) setSchema(t arrow.Table, at int64) error {
	s, err := arrow.ParseSchema(t)
	if err != nil {
		return f.bad(at, "", "schema: %v", err)
	}
	if s.BigEndian {
		return f.bad(at, "", "big-endian data are not supported")
	}
	f.schema = s
	return nil
}

// blocks reads the messages that a footer tells of.
func (f *File) blocks(list []byte, limit int64, kind int) error {
	for ; len(list) >= 24; list = list[24:] {
		at := int64(binary.LittleEndian.Uint64(list))
		meta := int64(int32(binary.LittleEndian.Uint32(list[8:])))
		body := int64(binary.LittleEndian.Uint64(list[16:]))
		if at < firstBytes || at > limit || meta < 4 || meta > limit-at || body < 0 || body > limit-at-meta {
			return f.bad(limit, "", "a message of %d and %d bytes at byte %d, the data end at byte %d", meta, body, at, limit)
		}
		m, err := f.message(at, at+meta+body)
		if err != nil {
			return err
		}
		if m == nil || m.kind != kind || m.at != at+meta {
			return f.bad(at, "", "another kind of message than the footer tells")
		}
		if err := f.take(m); err != nil {
			return err
		}
	}
	return nil
}

// parseStream goes from message to message.
func (f *File) parseStream() error {
	limit := int64(len(f.data))
	for at := int64(0); at < limit; {
		m, err := f.message(at, limit)
		if err != nil {
			return err
		}
		if m == nil {
			break
		}
		switch {
		case m.kind == arrow.SchemaMessage && f.schema == nil:
			err = f.setSchema(m.header, at)
		case f.schema == nil:
			return f.bad(at, "", "none of Arrow's files: it doesn't begin with a schema")
		default:
			err = f.take(m)
		}
		if err != nil {
			return err
		}
		at = m.end
	}
	if f.schema == nil {
		return f.bad(0, "", "there is no schema")
	}
	return nil
}

// take keeps what a message tells.
func (f *File) take(m *message) error {
	switch m.kind {
	case arrow.RecordBatchMessage:
		k, err := f.batch(m, m.header)
		if err != nil {
			return err
		}
		f.batches = append(f.batches, k)
	case arrow.DictionaryMessage:
		d := dictionary{id: m.header.Int(0, 8, 0), delta: m.header.Bool(2)}
		var err error
		if d.batch, err = f.batch(m, m.header.Table(1)); err != nil {
			return err
		}
		f.dicts = append(f.dicts, d)
	default:
		return f.bad(m.at, "", "a message of kind %d among the data", m.kind)
	}
	return nil
}

// Name returns the path as Open got it.
func (f *File) Name() string { return f.name }

// Layout tells which of the two formats it is.
func (f *File) Layout() Layout { return f.layout }

// Batches returns how many rows each record batch has.
func (f *File) Batches() []int {
	list := make([]int, len(f.batches))
	for i, k := range f.batches {
		list[i] = k.rows
	}
	return list
}

// Members returns the columns that are served, in the file's order.
func (f *File) Members() []array.Member { return f.columns.Members() }

// Refused returns why columns of the file aren't among its Members, joined; nil
// where all are.
func (f *File) Refused() error { return f.columns.Refused() }

// Attrs returns what is kept beside the schema, text by keys; nil for nothing.
// Pandas' notes are among it, under the key "pandas".
func (f *File) Attrs() map[string]any { return arrow.Attrs(f.schema.Meta) }

// find returns a column by name; "" is the only one.
func (f *File) find(name string) (*column, error) {
	if f.data == nil {
		return nil, fmt.Errorf("%s: %w", f.name, errClosed)
	}
	return f.columns.Find(name)
}

// Close unmaps and closes the file. A second Close does nothing.
func (f *File) Close() error {
	f.data = nil
	if f.m == nil {
		return nil
	}
	err := f.m.Close()
	if f.file != nil {
		err = errors.Join(err, f.file.Close())
		f.file = nil
	}
	return err
}
