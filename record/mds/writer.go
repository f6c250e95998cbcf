// Package mds reads and writes the shards of MosaicML Streaming (MDS, version 2),
// and the index.json that lists them. A shard has a table of where each sample
// begins, a JSON text about its columns, and the samples: the sizes of those values
// that have no fixed size, and the values, by column.
//
// Pickled columns are never read.
package mds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/cespare/xxhash/v2"

	"github.com/betongo/betongo/internal/pyjson"
)

// Column is a column of a dataset.
type Column struct {
	Name     string
	Encoding string // as ParseEncoding reads it
}

// ShardInfo is what the index tells of a shard.
type ShardInfo struct {
	Name    string // of the file, beside the index; the caller's to fill in
	Samples int
	Size    int64 // of the file
	Columns []Column
	XXH64   uint64 // of the file's bytes
}

// Writer writes one shard, and by Reset another. Since its table is before the
// samples, they are kept in memory until Close, so that nothing is written before.
// The bytes depend on columns and values alone. After an error every call returns it. It is not safe for
// concurrent use.
type Writer struct {
	w       io.Writer
	columns []Column
	sizes   []int64 // of columns; 0 where values differ
	config  []byte
	ends    []uint32 // of samples in data
	data    chunks
	done    bool
	err     error
}

// chunks are bytes that stay in their place as there come more: what grows in one
// piece is copied again and again, and twice as large for that time.
type chunks struct {
	list [][]byte
	at   int // the one with room
	n    int64
}

const (
	leastChunk = 4 << 10 // doubled with each up to
	mostChunk  = 1 << 20
)

func (c *chunks) append(b []byte) {
	c.n += int64(len(b))
	for len(b) > 0 {
		if c.at == len(c.list) {
			c.list = append(c.list, make([]byte, 0, min(leastChunk<<min(c.at, 20), mostChunk)))
		}
		to := c.list[c.at]
		n := min(cap(to)-len(to), len(b))
		if c.list[c.at], b = append(to, b[:n]...), b[n:]; len(b) > 0 {
			c.at++
		}
	}
}

// reset forgets the bytes, and keeps their memory.
func (c *chunks) reset() {
	for i := range c.list {
		c.list[i] = c.list[i][:0]
	}
	c.at, c.n = 0, 0
}

// maxColumns bounds how many columns a shard has.
const maxColumns = 1 << 16

// NewWriter returns a writer of a shard to w, which is the caller's to close. MDS's
// own writer puts columns in the order of their names; readers take any.
func NewWriter(w io.Writer, columns []Column) (*Writer, error) {
	x := &Writer{w: w, columns: append([]Column(nil), columns...)}
	if len(columns) == 0 || len(columns) > maxColumns {
		return nil, fmt.Errorf("mds: %d columns; expected 1 to %d", len(columns), maxColumns)
	}
	seen := map[string]bool{}
	for _, c := range columns {
		e, err := ParseEncoding(c.Encoding)
		if err == nil && seen[c.Name] {
			err = errors.New("two columns have this name")
		}
		if err == nil && e.Kind == KindPickled {
			err = errors.New("pickled values are not written")
		}
		if err != nil {
			return nil, fmt.Errorf("mds: column %q: %w", c.Name, err)
		}
		seen[c.Name] = true
		x.sizes = append(x.sizes, e.Size())
	}
	var err error
	if x.config, err = pyjson.Append(nil, x.describe(), 0); err != nil {
		return nil, fmt.Errorf("mds: columns: %w", err)
	}
	return x, nil
}

// describe is what a shard and the index say of columns.
func (w *Writer) describe() map[string]any { return describe(w.columns, w.sizes) }

func describe(columns []Column, sizes []int64) map[string]any {
	names, encodings, widths := []string{}, []string{}, []any{}
	for i, c := range columns {
		names, encodings = append(names, c.Name), append(encodings, c.Encoding)
		if sizes[i] == 0 {
			widths = append(widths, nil)
		} else {
			widths = append(widths, sizes[i])
		}
	}
	return map[string]any{
		"version": 2, "format": "mds", "compression": nil, "hashes": []string{"xxh64"}, "size_limit": nil,
		"column_names": names, "column_encodings": encodings, "column_sizes": widths,
	}
}

// headSize is the size of what is before the samples.
func (w *Writer) headSize(samples int) int64 { return 4 + 4*(int64(samples)+1) + int64(len(w.config)) }

// Write appends a sample: for each column the bytes that AppendValue gives. The
// values are not kept.
func (w *Writer) Write(values [][]byte) error {
	if w.err != nil {
		return w.err
	}
	if err := w.write(values); err != nil {
		w.err = fmt.Errorf("mds: write sample %d of a shard: %w", len(w.ends), err)
	}
	return w.err
}

func (w *Writer) write(values [][]byte) error {
	switch {
	case w.done:
		return errors.New("the shard is closed")
	case len(values) != len(w.columns):
		return fmt.Errorf("%d values; expected one for each of %d columns", len(values), len(w.columns))
	}
	size := w.headSize(len(w.ends)+1) + w.data.n
	for i, v := range values {
		size += int64(len(v))
		switch fixed := w.sizes[i]; {
		case fixed == 0:
			size += 4
		case fixed != int64(len(v)):
			return fmt.Errorf("column %q: %d bytes; expected %d of encoding %s", w.columns[i].Name, len(v), fixed, w.columns[i].Encoding)
		}
	}
	if size > math.MaxUint32 {
		return fmt.Errorf("the shard would have %d bytes; at most %d fit into one", size, uint32(math.MaxUint32))
	}
	for i, v := range values {
		if w.sizes[i] == 0 {
			var b [4]byte
			binary.LittleEndian.PutUint32(b[:], uint32(len(v)))
			w.data.append(b[:])
		}
	}
	for _, v := range values {
		w.data.append(v)
	}
	w.ends = append(w.ends, uint32(w.data.n))
	return nil
}

// Size returns how many bytes the shard has with the samples so far.
func (w *Writer) Size() int64 { return w.headSize(len(w.ends)) + w.data.n }

// Close writes the shard, and returns what the index needs to know. A second Close
// is an error.
func (w *Writer) Close() (ShardInfo, error) {
	if w.err != nil {
		return ShardInfo{}, w.err
	}
	info, err := w.close()
	if err != nil {
		w.err = fmt.Errorf("mds: write a shard: %w", err)
		return ShardInfo{}, w.err
	}
	w.done = true
	return info, nil
}

// Reset begins another shard of the same columns, to out, in the memory that the
// last one took: a Writer has about as much as its largest shard has bytes. What
// was not closed is forgotten, an error too.
func (w *Writer) Reset(out io.Writer) {
	w.w, w.done, w.err, w.ends = out, false, nil, w.ends[:0]
	w.data.reset()
}

func (w *Writer) close() (ShardInfo, error) {
	if w.done {
		return ShardInfo{}, errors.New("it is closed")
	}
	head := make([]byte, 0, w.headSize(len(w.ends)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(w.ends)))
	first := uint32(w.headSize(len(w.ends)))
	head = binary.LittleEndian.AppendUint32(head, first)
	for _, end := range w.ends {
		head = binary.LittleEndian.AppendUint32(head, first+end)
	}
	head = append(head, w.config...)
	sum := xxhash.New()
	for _, b := range append([][]byte{head}, w.data.list...) {
		if len(b) == 0 {
			break // of a larger shard before
		}
		if _, err := w.w.Write(b); err != nil {
			return ShardInfo{}, err
		}
		sum.Write(b)
	}
	return ShardInfo{Samples: len(w.ends), Size: w.Size(), Columns: w.columns, XXH64: sum.Sum64()}, nil
}

// Index returns the text of index.json for shards, whose names are filled in.
func Index(shards []ShardInfo) ([]byte, error) {
	list := []any{}
	for i, s := range shards {
		if err := checkName(s.Name); err != nil {
			return nil, fmt.Errorf("mds: shard %d: %w", i, err)
		}
		var sizes []int64
		for _, c := range s.Columns {
			e, err := ParseEncoding(c.Encoding)
			if err != nil {
				return nil, fmt.Errorf("mds: shard %d: column %q: %w", i, c.Name, err)
			}
			sizes = append(sizes, e.Size())
		}
		d := describe(s.Columns, sizes)
		d["samples"], d["zip_data"] = s.Samples, nil
		d["raw_data"] = map[string]any{
			"basename": s.Name, "bytes": s.Size,
			"hashes": map[string]any{"xxh64": fmt.Sprintf("%016x", s.XXH64)},
		}
		list = append(list, d)
	}
	text, err := pyjson.Append(nil, map[string]any{"version": 2, "shards": list}, 0)
	if err != nil {
		return nil, fmt.Errorf("mds: index: %w", err)
	}
	return text, nil
}
