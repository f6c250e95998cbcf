package dataset

import (
	"context"
	"fmt"
	"io"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
)

// localShards makes a cache over an index's files on the system's disks, each
// opened when it is first read.
func localShards(x *Index, base string, memory int64) (*Cache, error) {
	files := make([]CacheFile, len(x.Shards))
	for i, path := range x.Paths(base) {
		size := x.Shards[i].Size
		files[i] = CacheFile{Name: path, Size: size, Open: func(context.Context) (io.ReaderAt, error) { return openSized(path, size) }}
	}
	return NewCache(memory, files, nil)
}

// openSized opens a regular file of that size.
func openSized(path string, size int64) (io.ReaderAt, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("%s: %d bytes, want %d", path, info.Size(), size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openShard opens file i of the cache, an index's shard with its allocation table
// there: what ffcv.New reads lies at both ends, which come at the same time.
func (c *Cache) openShard(i int, table uint64, opts *ffcv.OpenOptions) (*ffcv.File, error) {
	c.src.WillNeed([]ffcv.Range{{Off: c.bases[i], Len: ffcv.HeaderSize}, {Off: c.bases[i] + int64(table) - 1, Len: 1}})
	return c.Open(i, opts)
}
