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

// sink takes the rows of an array and writes its chunks.
type sink struct {
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

	closed bool
	failed error
}

// newSink checks an array and chooses how it is written.
func (w *Writer) newSink(m array.Member) (*sink, error) {
	t := m.Spec.DType
	if !t.Valid() {
		return nil, errors.New("zarr: no element type")
	}
	if t.ItemSize() == 0 || t.ItemSize() > maxFill {
		return nil, &array.UnsupportedError{DType: t.String(), Why: fmt.Sprintf("elements have 1 to %d bytes in Zarr", maxFill)}
	}
	m.Spec.Shape = slices.Clone(m.Spec.Shape)
	s := &sink{w: w, m: m, spec: m.Spec, step: 1}
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
	s.meta = meta{version: w.opts.Version, spec: first, chunks: chunks, size: size, sep: w.opts.Separator}
	if w.opts.Version == 3 {
		s.meta.prefix = "c"
	}
	if m.Fortran && len(chunks) > 1 {
		for i := range chunks {
			s.meta.axes = append(s.meta.axes, len(chunks)-1-i)
		}
	}
	if len(chunks) > 0 {
		s.step = chunks[0]
		s.spec = array.Spec{DType: t, Shape: m.Spec.Shape[1:]}
	}
	if s.row, err = s.spec.Bytes(); err != nil || s.row > 1<<46/s.step {
		return nil, fmt.Errorf("zarr: a row of chunks of %v is too large", m.Spec)
	}
	c, conf, err := w.opts.Compression.codec(w.opts.Version, t.ItemSize())
	if err != nil {
		return nil, err
	}
	if s.conf = conf; c != nil {
		s.meta.codecs = []codec{c}
	}
	if err := s.sharded(); err != nil {
		return nil, err
	}
	// What the metadata can't tell is found before any row is taken.
	document, err := s.document()
	if err == nil {
		_, err = formatJSON(document)
	}
	if err == nil && m.Attrs != nil {
		_, err = formatJSON(m.Attrs)
	}
	return s, err
}

// sharded chooses the shape of shards.
func (s *sink) sharded() error {
	n := s.w.opts.ShardRows
	if n == 0 || len(s.meta.chunks) == 0 {
		return nil
	}
	if n > 1<<30/s.step {
		return fmt.Errorf("zarr: shards of %d times %d rows", n, s.step)
	}
	s.meta.shards = []int{n * s.step}
	for i := 1; i < len(s.meta.chunks); i++ {
		s.meta.shards = append(s.meta.shards, max(over(s.meta.spec.Shape[i], s.meta.chunks[i]), 1)*s.meta.chunks[i])
	}
	s.meta.index = shardIndex{crc: true}
	count, err := s.meta.perShard()
	if err == nil && s.meta.index.size(count) > maxIndex {
		err = fmt.Errorf("zarr: %d chunks in a shard", count)
	}
	return err
}

// Write takes rows.
func (s *sink) Write(rows array.Array) error {
	switch {
	case s.closed:
		return fmt.Errorf("zarr: array %q: write behind Close", s.m.Name)
	case s.failed != nil:
		return s.failed
	}
	if err := s.write(rows); err != nil {
		s.failed = s.w.fail(fmt.Errorf("array %q: %w", s.m.Name, err))
	}
	return s.failed
}

func (s *sink) write(rows array.Array) error {
	if _, err := array.New(rows.Spec, rows.Data); err != nil {
		return err
	}
	n := 1
	got := rows.Spec
	if len(s.m.Spec.Shape) > 0 {
		if len(got.Shape) == 0 {
			return fmt.Errorf("rows %v, want %v", got, s.m.Spec)
		}
		n = got.Shape[0]
		got = array.Spec{DType: got.DType, Shape: got.Shape[1:]}
	}
	if !got.Equal(s.spec) {
		return fmt.Errorf("rows %v, want %v", rows.Spec, s.m.Spec)
	}
	if most := s.most(); most >= 0 && n > most-s.rows {
		return fmt.Errorf("%d rows behind %d, want %d in all", n, s.rows, most)
	}
	data := rows.Data
	for n > 0 {
		have := s.rows % s.step
		take := min(n, s.step-have)
		part := data[:take*s.row]
		if take < s.step {
			// Memory grows with the rows that come, not with what was declared.
			if have == 0 {
				s.buf = s.buf[:0]
			}
			s.buf = append(s.buf, part...)
			part = s.buf
		}
		s.rows += take
		n, data = n-take, data[take*s.row:]
		if have+take == s.step {
			if err := s.band(part, s.step); err != nil {
				return err
			}
		}
	}
	return nil
}

// most is how many rows are wanted; -1 any.
func (s *sink) most() int {
	if len(s.m.Spec.Shape) == 0 {
		return 1
	}
	return s.m.Spec.Shape[0]
}

// band writes a row of chunks, of which n rows are in the array. They are the
// last that were taken.
func (s *sink) band(rows []byte, n int) error {
	m := &s.meta
	row := (s.rows - 1) / s.step
	if s.row == 0 {
		return nil
	}
	if len(m.chunks) == 0 {
		return s.chunk(nil, rows)
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
			return s.chunk(at, rows)
		}
		s.plain = grow(s.plain, m.size)
		if !slices.Equal(extent, m.chunks) {
			clear(s.plain)
		}
		copyRegion(s.plain, to, rows[off:], from, extent, item)
		return s.chunk(at, s.plain)
	})
	if err != nil || m.shards == nil {
		return err
	}
	if (row+1)%s.w.opts.ShardRows == 0 {
		return s.endShard()
	}
	return nil
}

// chunk packs a chunk and writes it.
func (s *sink) chunk(at []int, plain []byte) error {
	m := &s.meta
	empty := s.w.opts.OmitEmpty && isZero(plain)
	if !empty {
		if m.axes != nil {
			s.turned = grow(s.turned, m.size)
			m.turn(s.turned, plain, false)
			plain = s.turned
		}
		if len(m.codecs) > 0 {
			var err error
			if s.packed, err = m.codecs[0].encode(s.packed[:0], plain); err != nil {
				return err
			}
			plain = s.packed
		}
	}
	if m.shards != nil {
		return s.inShard(at, plain, empty)
	}
	if empty {
		return nil
	}
	return s.w.out.put(s.key(at), plain)
}

// key is the name of a chunk or a shard in the store.
func (s *sink) key(at []int) string {
	return join(s.m.Name, string(s.meta.key(nil, at)))
}

// inShard puts a chunk behind the others of its shard; they come in the order
// of the index.
func (s *sink) inShard(at []int, b []byte, empty bool) error {
	if empty {
		for range shardEntry {
			s.index = append(s.index, 0xFF)
		}
		return nil
	}
	if s.shard == nil {
		where := make([]int, len(at))
		where[0] = at[0] / s.w.opts.ShardRows
		var err error
		if s.shard, err = s.w.out.create(s.key(where)); err != nil {
			return err
		}
	}
	if _, err := s.shard.Write(b); err != nil {
		return err
	}
	s.index = binary.LittleEndian.AppendUint64(s.index, s.written)
	s.index = binary.LittleEndian.AppendUint64(s.index, uint64(len(b)))
	s.written += uint64(len(b))
	return nil
}

// endShard writes the index behind the chunks. A shard without any isn't
// written.
func (s *sink) endShard() error {
	defer func() { s.shard, s.index, s.written = nil, s.index[:0], 0 }()
	if s.shard == nil {
		return nil
	}
	count, err := s.meta.perShard()
	if err != nil {
		return err
	}
	for len(s.index) < count*shardEntry {
		s.index = append(s.index, 0xFF)
	}
	s.index = binary.LittleEndian.AppendUint32(s.index, crc32.Checksum(s.index, castagnoli))
	_, err = s.shard.Write(s.index)
	return errors.Join(err, s.shard.Close())
}

// Close completes the array.
func (s *sink) Close() error {
	if s.closed {
		return s.failed
	}
	s.closed = true
	s.w.open = nil
	err := s.failed
	if err == nil {
		if err = s.close(); err != nil {
			s.failed = s.w.fail(fmt.Errorf("array %q: %w", s.m.Name, err))
			err = s.failed
		}
	}
	if s.shard != nil {
		err = errors.Join(err, s.shard.Close())
		s.shard = nil
	}
	s.buf, s.plain, s.turned, s.packed = nil, nil, nil, nil
	return err
}

func (s *sink) close() error {
	if most := s.most(); most >= 0 && s.rows != most {
		return fmt.Errorf("%d rows, want %d", s.rows, most)
	}
	if n := s.rows % s.step; n > 0 {
		if err := s.band(s.buf, n); err != nil {
			return err
		}
	}
	if s.shard != nil {
		if err := s.endShard(); err != nil {
			return err
		}
	}
	if len(s.meta.chunks) > 0 {
		s.meta.spec.Shape[0] = s.rows
	}
	if _, err := s.meta.spec.Bytes(); err != nil {
		return err
	}
	document, err := s.document()
	if err != nil {
		return err
	}
	if s.w.opts.Version == 3 {
		return s.w.put(join(s.m.Name, "zarr.json"), document)
	}
	if err := s.w.put(join(s.m.Name, ".zarray"), document); err != nil {
		return err
	}
	return s.w.putAttrs(s.m.Name, s.m.Attrs)
}

// document is the array's metadata.
func (s *sink) document() (map[string]any, error) {
	if s.w.opts.Version == 2 {
		return s.document2()
	}
	return s.document3()
}

func (s *sink) document2() (map[string]any, error) {
	m := &s.meta
	t, err := format2(m.spec.DType)
	if err != nil {
		return nil, err
	}
	order := "C"
	if m.axes != nil {
		order = "F"
	}
	d := map[string]any{"zarr_format": 2, "shape": m.spec.Shape, "chunks": m.chunks, "dtype": t, "order": order,
		"fill_value": zero(m.spec.DType, 2), "filters": nil, "compressor": nil, "dimension_separator": m.sep}
	if s.conf != nil {
		d["compressor"] = s.conf
	}
	return d, nil
}

func (s *sink) document3() (map[string]any, error) {
	m := &s.meta
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
	if codecs = append(codecs, bytes); s.conf != nil {
		codecs = append(codecs, map[string]any{"name": s.w.opts.Compression.Codec, "configuration": s.conf})
	}
	if m.shards != nil {
		codecs = []any{map[string]any{"name": "sharding_indexed", "configuration": map[string]any{
			"chunk_shape": m.chunks, "codecs": codecs, "index_location": "end",
			"index_codecs": []any{map[string]any{"name": "bytes", "configuration": map[string]any{"endian": "little"}}, map[string]any{"name": "crc32c"}},
		}}}
	}
	attrs := s.m.Attrs
	if attrs == nil {
		attrs = map[string]any{}
	}
	return map[string]any{"zarr_format": 3, "node_type": "array", "shape": m.spec.Shape, "data_type": t,
		"chunk_grid":         map[string]any{"name": "regular", "configuration": map[string]any{"chunk_shape": m.grid()}},
		"chunk_key_encoding": map[string]any{"name": "default", "configuration": map[string]any{"separator": m.sep}},
		"fill_value":         zero(m.spec.DType, 3), "codecs": codecs, "attributes": attrs, "storage_transformers": []any{}}, nil
}
