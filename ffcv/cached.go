package ffcv

import (
	"fmt"
	"io"

	"github.com/betongo/betongo/internal/pagecache"
	"github.com/betongo/betongo/internal/regular"
)

// CacheSource reads the size bytes of r, which must be safe for concurrent use,
// through a cache that takes at most memory bytes, read ahead what WillNeed
// announced. Nothing can be borrowed; where all of the file has room File.Lend lends
// what was read. The Source owns r from then on: Close closes it, if it is an
// io.Closer, and waits for reads in progress and for what is lent. After an error r
// stays the caller's.
func CacheSource(name string, r io.ReaderAt, size, memory int64) (Source, error) {
	return newCache(name, r, size, pagecache.Options{Budget: memory})
}

func newCache(name string, r io.ReaderAt, size int64, opts pagecache.Options) (Source, error) {
	c, err := pagecache.New(r, size, opts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &cacheSource{name: name, budget: opts.Budget, Cache: c}, nil
}

// openCached is CacheSource over the regular file at path.
func openCached(path string, opts *OpenOptions) (Source, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		var src Source
		if src, err = newCache(path, f, info.Size(), pagecache.Options{Budget: opts.Memory, Direct: opts.Direct}); err == nil {
			return src, nil
		}
	}
	f.Close()
	return nil, err
}

type cacheSource struct {
	name   string
	budget int64
	*pagecache.Cache
}

func (s *cacheSource) Name() string                       { return s.name }
func (s *cacheSource) CacheBudget() int64                 { return s.budget }
func (s *cacheSource) Borrow(off, n int64) ([]byte, bool) { return nil, false }

func (s *cacheSource) WillNeed(ranges []Range) {
	if len(ranges) == 0 {
		s.Forget()
	}
	s.Cache.WillNeed(ranges)
}

// CacheStats is what a file's cache did since it was opened, counted in blocks
// of 16 KiB. A block that is read twice counts twice.
type CacheStats struct {
	Hits   int64 `json:"hits"`   // reads of blocks that were in memory
	Waits  int64 `json:"waits"`  // reads of blocks that were just being read
	Misses int64 `json:"misses"` // reads of blocks that were not in memory
	Ahead  int64 `json:"ahead"`  // blocks read before they were asked for
	Failed int64 `json:"failed"` // blocks whose reading ahead failed; who asks for them tries again
	Late   int64 `json:"late"`   // announced blocks that had no room
	Bytes  int64 `json:"bytes"`  // read from the file
}

// CacheStats tells what the cache of a file opened with OpenOptions.Memory, or
// over CacheSource, did; false for one without.
func (f *File) CacheStats() (CacheStats, bool) {
	s, ok := f.src.(*cacheSource)
	if !ok {
		return CacheStats{}, false
	}
	return CacheStats(s.Stats()), true
}

// CacheBudget is how many bytes the cache of a file opened with
// OpenOptions.Memory, or over CacheSource, may take; 0 for one without.
func (f *File) CacheBudget() int64 {
	if s, ok := f.src.(*cacheSource); ok {
		return s.CacheBudget()
	}
	return 0
}
