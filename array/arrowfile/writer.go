package arrowfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/arrow"
	"github.com/betongo/betongo/internal/aside"
)

// CreateOptions say how Create writes; nil and the zero value are the defaults.
type CreateOptions struct {
	Overwrite   bool        // a file that is there already is replaced
	Layout      Layout      // a stream by the extension .arrows, else a file
	Compression Compression // of each buffer
	// BatchRows is how many rows a record batch has; 0 is all, of which readers
	// that map the file make one view, and which are written as they come.
	// Else columns are kept in files of their own until Close.
	BatchRows int
}

// Writer writes a file beside its place, where Close puts it. All columns have
// as many rows as the first. It is not safe for concurrent use. After an error
// it only gives that error, and Close leaves nothing.
type Writer struct {
	*writing
	f       *aside.File
	opts    CreateOptions
	dir     string
	path    string
	attrs   []arrow.KeyValue
	columns []*written
	names   map[string]bool
	body    *body // of the only batch; nil where there are several
	rows    int   // of the first column
}

type writing = array.Writing

// written is a column.
type written struct {
	field *arrow.Field
	c     *arrow.Column
	out   *columnOut
	rows  *arrow.Spool // where there are several batches
}

// head is what is kept free before the body for the schema and the batch's
// message, which are known at the end.
const head = 64 << 10

// Create begins a file. A file that is there already is an error that is
// fs.ErrExist, unless Overwrite is set.
func Create(path string, opts *CreateOptions) (*Writer, error) {
	if opts == nil {
		opts = &CreateOptions{}
	}
	w := &Writer{opts: *opts, path: path, names: map[string]bool{}}
	w.opts.Layout = opts.Layout.of(path)
	switch opts.Compression {
	case None, LZ4, ZSTD:
	default:
		return nil, fmt.Errorf("arrowfile: compression %q; want %q, %q or none", opts.Compression, LZ4, ZSTD)
	}
	if opts.BatchRows < 0 {
		return nil, fmt.Errorf("arrowfile: batches of %d rows", opts.BatchRows)
	}
	var err error
	if w.f, err = aside.Create(path, opts.Overwrite); err != nil {
		return nil, err
	}
	w.writing = array.NewWriting(path)
	w.dir = filepath.Dir(w.f.Target())
	if opts.BatchRows == 0 {
		w.body = &body{w: w, at: head, end: head}
	}
	return w, nil
}

// SetAttrs sets what is kept beside the schema. Values that aren't text are
// written as JSON, and come back so.
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

// Add begins a column. Shape[0] may be -1 where the rows are to be counted. A
// scalar is one row. Elements are written little-endian; the member's attributes
// go beside the field.
func (w *Writer) Add(m array.Member) (array.Sink, error) {
	if err := w.Ready(); err != nil {
		return nil, err
	}
	if w.names[m.Name] {
		return nil, w.Named(fmt.Errorf("array %q is there already", m.Name))
	}
	size := int64(math.MaxInt64)
	if len(m.Spec.Shape) == 0 || m.Spec.Shape[0] >= 0 {
		if n, err := m.Spec.Bytes(); err == nil {
			size = int64(n)
		}
	}
	field, c, err := arrow.NewField(m, size > math.MaxInt32)
	if err != nil {
		return nil, w.Named(fmt.Errorf("array %q: %w", m.Name, err))
	}
	k := &written{field: field, c: c}
	take := array.Taker{Rows: k.keep, End: func(rows int, err error) error { return w.end(k, rows, err) }}
	if w.body == nil {
		k.rows = &arrow.Spool{Dir: w.dir}
	} else {
		if k.out, err = w.body.column(c); err != nil {
			return nil, w.Fail(err)
		}
		if c.Plain() && c.Leaves[0].Same() && k.out.direct != nil && w.opts.Compression == None {
			take.Extent = k.extent
		}
	}
	s, err := w.Begin(m, take)
	if err == nil {
		w.names[m.Name] = true
	}
	return s, err
}

// keep takes rows.
func (k *written) keep(rows array.Array) error {
	if k.rows != nil {
		_, err := k.rows.Write(rows.Data)
		return err
	}
	return k.out.write(rows)
}

// extent takes rows from another file.
func (k *written) extent(rows array.Extent) error {
	size, err := rows.Bytes()
	if err != nil {
		return err
	}
	if err := rows.CopyTo(k.out.place.f, k.out.place.at); err != nil {
		return err
	}
	k.out.place.at += int64(size)
	k.out.direct.n += int64(size)
	k.out.leaves[0].n += int64(size / max(1, k.c.Leaves[0].DType.ItemSize()))
	return nil
}

// end takes a column that is complete, or drops it.
func (w *Writer) end(k *written, rows int, err error) error {
	if err == nil && len(w.columns) > 0 && rows != w.rows {
		err = fmt.Errorf("%d rows; a table's columns are of one length, and the first has %d", rows, w.rows)
	}
	if err == nil && k.out != nil {
		err = k.out.finish(rows)
		k.out = nil
	}
	if err != nil {
		if k.out != nil {
			err = errors.Join(err, k.out.drop())
		}
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

// schema is the schema of what was written.
func (w *Writer) schema() *arrow.Schema {
	s := &arrow.Schema{Meta: w.attrs}
	for _, k := range w.columns {
		s.Fields = append(s.Fields, *k.field)
	}
	return s
}

// start is what lies before the first message.
func (w *Writer) start() []byte {
	if w.opts.Layout == IsStream {
		return nil
	}
	return append([]byte(magic), 0, 0)
}

// complete writes what goes before and behind the bodies.
func (w *Writer) complete() error {
	schema := w.schema()
	if w.body != nil {
		return w.completeOne(schema)
	}
	begin := append(w.start(), arrow.AppendSchema(schema, 0)...)
	if _, err := w.f.WriteAt(begin, 0); err != nil {
		return err
	}
	at := int64(len(begin))
	var blocks []arrow.Block
	for first := 0; first < w.rows; first += w.opts.BatchRows {
		n := min(w.opts.BatchRows, w.rows-first)
		block, err := w.batch(at, first, n)
		if err != nil {
			return err
		}
		blocks = append(blocks, block)
		at = block.Offset + int64(block.Meta) + block.Body
	}
	for _, k := range w.columns {
		if err := k.rows.Drop(); err != nil {
			return err
		}
	}
	return w.finish(schema, blocks, at)
}

// batch writes a batch of n rows from first on.
func (w *Writer) batch(at int64, first, n int) (arrow.Block, error) {
	var nodes []arrow.Node
	var buffers []arrow.Buffer
	for _, k := range w.columns {
		l := k.field.Layout()
		nodes = slices.Grow(nodes, l.Nodes)[:len(nodes)+l.Nodes]
		buffers = slices.Grow(buffers, l.Buffers)[:len(buffers)+l.Buffers]
	}
	room := arrow.AppendBatch(math.MaxInt64, nodes, buffers, w.codec(), math.MaxInt64, 0)
	begin := at
	at = aligned(at + int64(len(room))) // what lies between is the message's too
	b := &body{w: w, at: at, end: at}
	for _, k := range w.columns {
		if err := k.part(b, first, n); err != nil {
			return arrow.Block{}, fmt.Errorf("array %q: %w", k.field.Name, err)
		}
	}
	message := arrow.AppendBatch(int64(n), b.nodes, b.buffers, w.codec(), b.end-b.at, int(at-begin))
	if int64(len(message)) != at-begin {
		return arrow.Block{}, fmt.Errorf("a message of %d bytes, %d were kept for it", len(message), at-begin)
	}
	if _, err := w.f.WriteAt(message, begin); err != nil {
		return arrow.Block{}, err
	}
	return arrow.Block{Offset: begin, Meta: int32(len(message)), Body: b.end - b.at}, nil
}

// part writes some rows of a column that was kept.
func (k *written) part(b *body, first, n int) error {
	out, err := b.column(k.c)
	if err != nil {
		return err
	}
	step := n
	if k.c.Row > 0 {
		step = max(1, piece/k.c.Row)
	}
	buf := make([]byte, min(step, n)*k.c.Row)
	for lo := 0; lo < n && err == nil; lo += step {
		rows := min(step, n-lo)
		a := array.Array{Spec: k.c.Member.Spec, Data: buf[:rows*k.c.Row]}
		if !k.c.Scalar {
			a.Shape = append([]int{rows}, a.Shape[1:]...)
		}
		if _, err = k.rows.ReadAt(a.Data, int64(first+lo)*int64(k.c.Row)); err == nil {
			err = out.write(a)
		}
	}
	if err != nil {
		return errors.Join(err, out.drop())
	}
	return out.finish(n)
}

func (w *Writer) codec() arrow.Codec {
	switch w.opts.Compression {
	case LZ4:
		return arrow.LZ4
	case ZSTD:
		return arrow.ZSTD
	}
	return arrow.NoCodec
}

// small is how many bytes of a body are rather moved than left behind room that
// isn't needed.
const small = 16 << 20

// completeOne writes the schema and the only batch's message before its body, to
// where the body is moved if there is too much or, for a small one, too little
// between.
func (w *Writer) completeOne(schema *arrow.Schema) error {
	b := w.body
	size := b.end - b.at
	begin := append(w.start(), arrow.AppendSchema(schema, 0)...)
	need := aligned(int64(len(begin)) + int64(len(arrow.AppendBatch(int64(w.rows), b.nodes, b.buffers, w.codec(), size, 0))))
	if need > b.at || size < small {
		if err := w.move(need); err != nil {
			return err
		}
	}
	message := arrow.AppendBatch(int64(w.rows), b.nodes, b.buffers, w.codec(), size, int(b.at)-len(begin))
	if int64(len(begin)+len(message)) != b.at {
		return fmt.Errorf("%d and %d bytes before the data, want %d", len(begin), len(message), b.at)
	}
	if _, err := w.f.WriteAt(append(begin, message...), 0); err != nil {
		return err
	}
	block := arrow.Block{Offset: int64(len(begin)), Meta: int32(len(message)), Body: size}
	return w.finish(schema, []arrow.Block{block}, b.at+size)
}

// move brings the body to another place, in a file of its own.
func (w *Writer) move(to int64) error {
	f, err := w.f.Another()
	if err != nil {
		return err
	}
	old, b := w.f, w.body
	w.f = f
	defer old.Abort()
	size := b.end - b.at
	// Behind the last buffer there may be nothing in the file yet.
	if err := old.Truncate(b.end); err != nil {
		return err
	}
	if n, err := aside.CopyRange(f.File, to, old.File, b.at, size); err != nil {
		return fmt.Errorf("move %d bytes, at byte %d: %w", size, n, err)
	}
	b.at, b.end = to, to+size
	return nil
}

// finish writes what goes behind the data.
func (w *Writer) finish(schema *arrow.Schema, blocks []arrow.Block, at int64) error {
	tail := []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	if w.opts.Layout == IsFile {
		footer := arrow.AppendFooter(schema, blocks)
		tail = append(tail, footer...)
		tail = binary.LittleEndian.AppendUint32(tail, uint32(len(footer)))
		tail = append(tail, magic...)
	}
	if _, err := w.f.WriteAt(tail, at); err != nil {
		return err
	}
	return w.f.Truncate(at + int64(len(tail)))
}

// Save writes a file of arrays in memory, in their order. Nil attributes are none.
func Save(path string, members []array.Member, arrays []array.Strided, attrs map[string]any, opts *CreateOptions) error {
	if len(members) != len(arrays) {
		return fmt.Errorf("arrowfile: %d members and %d arrays", len(members), len(arrays))
	}
	w, err := Create(path, opts)
	if err != nil {
		return err
	}
	defer w.Abort()
	if err := w.SetAttrs(attrs); err != nil {
		return err
	}
	if err := arrow.AddAll(w, members, arrays); err != nil {
		return err
	}
	return w.Close()
}
