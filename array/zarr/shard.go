package zarr

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"

	"github.com/betongo/betongo/array"
)

// shardIndex is how a shard tells where its chunks lie: for each in C order
// u64 offset and u64 size, all bits set for a chunk that is missing.
type shardIndex struct {
	big   bool // byte order
	crc   bool // a checksum of four bytes follows
	start bool // at the shard's begin instead of its end
}

const (
	shardEntry = 16
	// maxIndex is how many bytes an index may have.
	maxIndex = 256 << 20
	// keptIndexes is how many bytes of indexes a reader keeps.
	keptIndexes = 64 << 20
)

// size is the index's for n chunks.
func (x shardIndex) size(n int) int64 {
	if x.crc {
		return int64(n)*shardEntry + 4
	}
	return int64(n) * shardEntry
}

// sharding reads the configuration of sharding_indexed.
func (m *meta) sharding(config map[string]any, t array.DType) error {
	if m.axes != nil {
		return unsupported("sharding_indexed behind transpose")
	}
	if len(m.chunks) == 0 {
		return unsupported("sharding_indexed of a scalar")
	}
	m.shards = m.chunks
	var err error
	if m.chunks, err = ints(config, "chunk_shape"); err != nil {
		return fmt.Errorf("codecs: sharding_indexed: %w", err)
	}
	if len(m.chunks) != len(m.shards) {
		return fmt.Errorf("codecs: sharding_indexed: chunk shape %v in shards %v", m.chunks, m.shards)
	}
	inner := meta{chunks: m.chunks}
	if err := inner.codecs3(config["codecs"], t); err != nil {
		return err
	}
	if inner.shards != nil {
		return unsupported("shards within shards")
	}
	m.spec.DType, m.axes, m.codecs = inner.spec.DType, inner.axes, inner.codecs
	m.names = append(m.names, inner.names...)
	switch at := config["index_location"]; at {
	case nil, "end":
	case "start":
		m.index.start = true
	default:
		return fmt.Errorf("codecs: sharding_indexed: index_location is %s, want start or end", brief(at))
	}
	return m.index.codecs(config["index_codecs"])
}

// codecs reads how the index is written: bytes, and perhaps crc32c.
func (x *shardIndex) codecs(v any) error {
	list, _ := v.([]any)
	if len(list) == 0 {
		return errors.New("codecs: sharding_indexed: index_codecs is no list of at least one")
	}
	for i, v := range list {
		name, config, err := named(v)
		switch {
		case err != nil:
			return fmt.Errorf("codecs: sharding_indexed: index_codecs: %w", err)
		case name == "bytes" && i == 0:
			t, err := bytes3(config, array.Uint64)
			if err != nil {
				return err
			}
			x.big = t.Order() == '>'
		case name == "crc32c" && i == 1:
			x.crc = true
		default:
			return unsupported("codec " + strconv.Quote(brief(name)) + " in an index of shards")
		}
	}
	return nil
}

// entry reads the place of chunk i; ok is false where it is missing.
func (x shardIndex) entry(index []byte, i int) (off, size uint64, ok bool) {
	var order binary.ByteOrder = binary.LittleEndian
	if x.big {
		order = binary.BigEndian
	}
	off, size = order.Uint64(index[i*shardEntry:]), order.Uint64(index[i*shardEntry+8:])
	return off, size, off != ^uint64(0) || size != ^uint64(0)
}

// check compares the checksum of an index and cuts it off.
func (x shardIndex) check(index []byte) ([]byte, error) {
	if !x.crc {
		return index, nil
	}
	n := len(index) - 4
	if got, want := crc32.Checksum(index[:n], castagnoli), binary.LittleEndian.Uint32(index[n:]); got != want {
		return nil, fmt.Errorf("checksum of the index is %08x, want %08x", got, want)
	}
	return index[:n], nil
}

// shard is an open shard.
type shard struct {
	blob
	index []byte
}

// openShard opens a shard and reads its index, which the reader keeps while it
// stays in one row of shards.
func (r *reader) openShard(key string, row int) (_ *shard, err error) {
	b, err := r.f.store.open(key)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	if b.at == nil {
		if b.size > r.f.opts.MaxChunk {
			return nil, fmt.Errorf("a deflated shard of %d bytes, want at most %d", b.size, r.f.opts.MaxChunk)
		}
		all, err := b.all(nil)
		if err != nil {
			return nil, err
		}
		b.at = bytes.NewReader(all)
	}
	if r.shardRow != row || r.indexes == nil {
		r.shardRow, r.indexes, r.indexBytes = row, map[string][]byte{}, 0
	}
	if index, ok := r.indexes[key]; ok {
		return &shard{blob: b, index: index}, nil
	}
	n, err := r.m.perShard()
	if err != nil {
		return nil, err
	}
	size := r.m.index.size(n)
	if size > maxIndex || size > b.size {
		return nil, fmt.Errorf("a shard of %d bytes, want an index of %d, at most %d", b.size, size, maxIndex)
	}
	off := b.size - size
	if r.m.index.start {
		off = 0
	}
	index := make([]byte, size)
	if err = b.part(index, off); err != nil {
		return nil, err
	}
	if index, err = r.m.index.check(index); err != nil {
		return nil, err
	}
	if r.indexBytes += len(index); r.indexBytes <= keptIndexes {
		r.indexes[key] = index
	}
	return &shard{blob: b, index: index}, nil
}

// chunk reads the packed chunk i into dst's memory; ok is false where it is
// missing.
func (s *shard) chunk(dst []byte, x shardIndex, i int, most int64) (_ []byte, ok bool, err error) {
	off, size, ok := x.entry(s.index, i)
	if !ok {
		return nil, false, nil
	}
	if off > uint64(s.size) || size > uint64(s.size)-off || size > uint64(most) {
		return nil, false, fmt.Errorf("chunk %d of the shard has %d bytes at %d, want at most %d within %d", i, size, off, most, s.size)
	}
	part := blob{size: s.size, at: s.at}
	dst = grow(dst, int(size))
	return dst, true, part.part(dst, int64(off))
}
