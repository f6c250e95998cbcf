package zarr

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/betongo/betongo/array"
)

// draft is an array that is being written.
type draft struct {
	w    *Writer
	m    array.Member
	meta meta
	spec array.Spec     // of a row; of all of a scalar
	conf map[string]any // of the codec
	row  int            // bytes of one
	step int            // rows in a row of chunks
	rows int            // so far
	buf  []byte         // rows of a row of chunks that isn't full

	plain, turned, packed []byte

	shard   io.WriteCloser
	index   []byte
	written uint64 // bytes of the shard
}

// newDraft checks an array and chooses how it is written.
func (w *Writer) newDraft(m array.Member) (*draft, error) {
	t := m.Spec.DType
	if !t.Valid() {
		return nil, errors.New("zarr: no element type")
	}
	if t.ItemSize() == 0 || t.ItemSize() > maxFill {
		return nil, &array.UnsupportedError{DType: t.String(), Why: fmt.Sprintf("elements have 1 to %d bytes in Zarr", maxFill)}
	}
	m.Spec.Shape = slices.Clone(m.Spec.Shape)
	d := &draft{w: w, m: m, spec: m.Spec, step: 1}
	first := array.Spec{DType: t, Shape: slices.Clone(m.Spec.Shape)}
	if len(first.Shape) > 0 && first.Shape[0] == -1 {
		first.Shape[0] = 0
	}
	if _, err := first.Bytes(); err != nil {
		return nil, fmt.Errorf("zarr: %w", err)
	}
	if len(first.Shape) > maxRank {
		return nil, fmt.Errorf("zarr: %d dimensions, want at most %d", len(first.Shape), maxRank)
	}
	chunks, err := w.layout(m)
	if err != nil {
		return nil, err
	}
	size, err := checkChunk(t, chunks)
	if err != nil {
		return nil, err
	}
	d.meta = meta{version: w.opts.Version, spec: first, chunks: chunks, size: size, sep: w.opts.Separator}
	if w.opts.Version == 3 {
		d.meta.prefix = "c"
	}
	if m.Fortran && len(chunks) > 1 {
		for i := range chunks {
			d.meta.axes = append(d.meta.axes, len(chunks)-1-i)
		}
	}
	if len(chunks) > 0 {
		d.step = chunks[0]
		d.spec = array.Spec{DType: t, Shape: m.Spec.Shape[1:]}
	}
	if d.row, err = d.spec.Bytes(); err != nil || d.row > 1<<46/d.step {
		return nil, fmt.Errorf("zarr: a row of chunks of %v is too large", m.Spec)
	}
	c, conf, err := w.opts.Compression.codec(w.opts.Version, t.ItemSize())
	if err != nil {
		return nil, err
	}
	if d.conf = conf; c != nil {
		d.meta.codecs = []codec{c}
	}
	if err := d.sharded(); err != nil {
		return nil, err
	}
	// What the metadata can't tell is found before any row is taken.
	document, err := d.document()
	if err == nil {
		_, err = formatJSON(document)
	}
	if err == nil && m.Attrs != nil {
		_, err = formatJSON(m.Attrs)
	}
	return d, err
}

// sharded chooses the shape of shards.
func (d *draft) sharded() error {
	n := d.w.opts.ShardRows
	if n == 0 || len(d.meta.chunks) == 0 {
		return nil
	}
	if n > 1<<30/d.step {
		return fmt.Errorf("zarr: shards of %d times %d rows", n, d.step)
	}
	d.meta.shards = []int{n * d.step}
	for i := 1; i < len(d.meta.chunks); i++ {
		d.meta.shards = append(d.meta.shards, max(over(d.meta.spec.Shape[i], d.meta.chunks[i]), 1)*d.meta.chunks[i])
	}
	d.meta.index = shardIndex{crc: true}
	count, err := d.meta.perShard()
	if err == nil && d.meta.index.size(count) > maxIndex {
		err = fmt.Errorf("zarr: %d chunks in a shard", count)
	}
	return err
}

// write takes rows.
func (d *draft) write(rows array.Array) error {
	n := rowsOf(rows.Spec)
	data := rows.Data
	for n > 0 {
		have := d.rows % d.step
		take := min(n, d.step-have)
		part := data[:take*d.row]
		if take < d.step {
			// Memory grows with the rows that come, not with what was declared.
			if have == 0 {
				d.buf = d.buf[:0]
			}
			d.buf = append(d.buf, part...)
			part = d.buf
		}
		d.rows += take
		n, data = n-take, data[take*d.row:]
		if have+take == d.step {
			if err := d.band(part, d.step); err != nil {
				return err
			}
		}
	}
	return nil
}

// band writes a row of chunks, of which n rows are in the array. They are the
// last that were taken.
func (d *draft) band(rows []byte, n int) error {
	m := &d.meta
	row := (d.rows - 1) / d.step
	if d.row == 0 {
		return nil
	}
	if len(m.chunks) == 0 {
		return d.chunk(nil, rows)
	}
	count := make([]int, len(m.chunks))
	for i := 1; i < len(count); i++ {
		count[i] = over(m.spec.Shape[i], m.chunks[i])
	}
	count[0] = 1
	item := m.spec.DType.ItemSize()
	from, to := strides(m.spec.Shape, item), strides(m.chunks, item)
	at := make([]int, len(count))
	err := each(count, func(rest []int) error {
		copy(at, rest)
		at[0] = row
		whole := len(rows) == m.size
		extent := make([]int, len(at))
		extent[0] = n
		off := 0
		for i := 1; i < len(at); i++ {
			extent[i] = min(m.chunks[i], m.spec.Shape[i]-at[i]*m.chunks[i])
			off += at[i] * m.chunks[i] * from[i]
			whole = whole && m.chunks[i] == m.spec.Shape[i]
		}
		if whole {
			return d.chunk(at, rows)
		}
		d.plain = grow(d.plain, m.size)
		if !slices.Equal(extent, m.chunks) {
			clear(d.plain)
		}
		copyRegion(d.plain, to, rows[off:], from, extent, item)
		return d.chunk(at, d.plain)
	})
	if err != nil || m.shards == nil {
		return err
	}
	if (row+1)%d.w.opts.ShardRows == 0 {
		return d.endShard()
	}
	return nil
}

// chunk packs a chunk and writes it.
func (d *draft) chunk(at []int, plain []byte) error {
	m := &d.meta
	empty := d.w.opts.OmitEmpty && isZero(plain)
	if !empty {
		if m.axes != nil {
			d.turned = grow(d.turned, m.size)
			m.turn(d.turned, plain, false)
			plain = d.turned
		}
		if len(m.codecs) > 0 {
			var err error
			if d.packed, err = m.codecs[0].encode(d.packed[:0], plain); err != nil {
				return err
			}
			plain = d.packed
		}
	}
	if m.shards != nil {
		return d.inShard(at, plain, empty)
	}
	if empty {
		return nil
	}
	return d.w.out.put(d.key(at), plain)
}

// key is the name of a chunk or a shard in the store.
func (d *draft) key(at []int) string {
	return join(d.m.Name, string(d.meta.key(nil, at)))
}

// inShard puts a chunk behind the others of its shard; they come in the order
// of the index.
func (d *draft) inShard(at []int, b []byte, empty bool) error {
	if empty {
		for range shardEntry {
			d.index = append(d.index, 0xFF)
		}
		return nil
	}
	if d.shard == nil {
		where := make([]int, len(at))
		where[0] = at[0] / d.w.opts.ShardRows
		var err error
		if d.shard, err = d.w.out.create(d.key(where)); err != nil {
			return err
		}
	}
	if _, err := d.shard.Write(b); err != nil {
		return err
	}
	d.index = binary.LittleEndian.AppendUint64(d.index, d.written)
	d.index = binary.LittleEndian.AppendUint64(d.index, uint64(len(b)))
	d.written += uint64(len(b))
	return nil
}

// endShard writes the index behind the chunks. A shard without any isn't
// written.
func (d *draft) endShard() error {
	defer func() { d.shard, d.index, d.written = nil, d.index[:0], 0 }()
	if d.shard == nil {
		return nil
	}
	count, err := d.meta.perShard()
	if err != nil {
		return err
	}
	for len(d.index) < count*shardEntry {
		d.index = append(d.index, 0xFF)
	}
	d.index = binary.LittleEndian.AppendUint32(d.index, crc32.Checksum(d.index, castagnoli))
	_, err = d.shard.Write(d.index)
	return errors.Join(err, d.shard.Close())
}

// end completes the array.
func (d *draft) end(_ int, failed error) (err error) {
	if failed == nil {
		err = d.complete()
	}
	if d.shard != nil {
		err = errors.Join(err, d.shard.Close())
		d.shard = nil
	}
	d.buf, d.plain, d.turned, d.packed = nil, nil, nil, nil
	return err
}

func (d *draft) complete() error {
	if n := d.rows % d.step; n > 0 {
		if err := d.band(d.buf, n); err != nil {
			return err
		}
	}
	if d.shard != nil {
		if err := d.endShard(); err != nil {
			return err
		}
	}
	if len(d.meta.chunks) > 0 {
		d.meta.spec.Shape[0] = d.rows
	}
	if _, err := d.meta.spec.Bytes(); err != nil {
		return err
	}
	document, err := d.document()
	if err != nil {
		return err
	}
	if d.w.opts.Version == 3 {
		return d.w.put(join(d.m.Name, "zarr.json"), document)
	}
	if err := d.w.put(join(d.m.Name, ".zarray"), document); err != nil {
		return err
	}
	return d.w.putAttrs(d.m.Name, d.m.Attrs)
}

// document is the array's metadata.
func (d *draft) document() (map[string]any, error) {
	if d.w.opts.Version == 2 {
		return d.document2()
	}
	return d.document3()
}

func (d *draft) document2() (map[string]any, error) {
	m := &d.meta
	t, err := format2(m.spec.DType)
	if err != nil {
		return nil, err
	}
	order := "C"
	if m.axes != nil {
		order = "F"
	}
	doc := map[string]any{"zarr_format": 2, "shape": m.spec.Shape, "chunks": m.chunks, "dtype": t, "order": order,
		"fill_value": zero(m.spec.DType, 2), "filters": nil, "compressor": nil, "dimension_separator": m.sep}
	if d.conf != nil {
		doc["compressor"] = d.conf
	}
	return doc, nil
}

func (d *draft) document3() (map[string]any, error) {
	m := &d.meta
	t, err := format3(m.spec.DType)
	if err != nil {
		return nil, err
	}
	order, err := order3(m.spec.DType)
	if err != nil {
		return nil, err
	}
	bytes := map[string]any{"name": "bytes"}
	if order != '|' {
		bytes["configuration"] = map[string]any{"endian": map[byte]string{'<': "little", '>': "big"}[order]}
	}
	var codecs []any
	if m.axes != nil {
		codecs = append(codecs, map[string]any{"name": "transpose", "configuration": map[string]any{"order": m.axes}})
	}
	if codecs = append(codecs, bytes); d.conf != nil {
		codecs = append(codecs, map[string]any{"name": d.w.opts.Compression.Codec, "configuration": d.conf})
	}
	if m.shards != nil {
		codecs = []any{map[string]any{"name": "sharding_indexed", "configuration": map[string]any{
			"chunk_shape": m.chunks, "codecs": codecs, "index_location": "end",
			"index_codecs": []any{map[string]any{"name": "bytes", "configuration": map[string]any{"endian": "little"}}, map[string]any{"name": "crc32c"}},
		}}}
	}
	attrs := d.m.Attrs
	if attrs == nil {
		attrs = map[string]any{}
	}
	return map[string]any{"zarr_format": 3, "node_type": "array", "shape": m.spec.Shape, "data_type": t,
		"chunk_grid":         map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": m.grid()}},
		"chunk_key_encoding": map[string]any{"name": "default", "configuration": map[string]any{"separator": m.sep}},
		"fill_value":         zero(m.spec.DType, 3), "codecs": codecs, "attributes": attrs, "storage_transformers": []any{}}, nil
}
