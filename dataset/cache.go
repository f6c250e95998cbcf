package dataset

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/pagecache"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/loader"
)

// bundle is files one after another as one io.ReaderAt, each from a multiple of
// bundleAlign on, with zeros between them, so that they can share a cache.
type bundle struct {
	files []*os.File
	bases []int64
	sizes []int64
	size  int64

	direct bool // they are read past the system's cache
}

// Files tells the cache.
func (b *bundle) Files() pagecache.FileList {
	return pagecache.FileList{List: b.files, Bases: b.bases, Sizes: b.sizes, Direct: b.direct}
}

// bundleAlign is a multiple of a cache's blocks: no block has bytes of two
// files.
const bundleAlign = 1 << 20

// newBundle opens the files, which are regular.
func newBundle(list []string) (*bundle, error) {
	b := &bundle{files: make([]*os.File, len(list)), bases: make([]int64, len(list)), sizes: make([]int64, len(list))}
	err := eachPath(list, func(i int) error {
		var err error
		if b.files[i], err = regular.Open(list[i]); err != nil {
			return err
		}
		info, err := b.files[i].Stat()
		if err == nil {
			b.sizes[i] = info.Size()
		}
		return err
	})
	for i, size := range b.sizes {
		if err == nil && size > math.MaxInt64-2*bundleAlign-b.size {
			err = fmt.Errorf("%s: %d bytes and those before it are too many", list[i], size)
		}
		if err != nil {
			b.Close()
			return nil, err
		}
		b.bases[i] = b.size
		b.size += (size + bundleAlign - 1) &^ (bundleAlign - 1)
	}
	return b, nil
}

// ReadAt implements io.ReaderAt. A file that has become shorter is
// io.ErrUnexpectedEOF.
func (b *bundle) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= b.size {
		return 0, io.EOF
	}
	for k := sort.Search(len(b.bases), func(k int) bool { return b.bases[k] > off }) - 1; n < len(p); k++ {
		if k == len(b.bases) {
			return n, io.EOF
		}
		end := b.size // of the file and the zeros after it
		if k+1 < len(b.bases) {
			end = b.bases[k+1]
		}
		at := off + int64(n) - b.bases[k]
		piece := p[n:min(int64(len(p)), int64(n)+end-b.bases[k]-at)]
		if inside := b.sizes[k] - at; inside > 0 {
			m, err := b.files[k].ReadAt(piece[:min(inside, int64(len(piece)))], at)
			if n += m; int64(m) < min(inside, int64(len(piece))) {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return n, err
			}
			piece = piece[m:]
		}
		clear(piece)
		n += len(piece)
	}
	return n, nil
}

// Close closes the files.
func (b *bundle) Close() error {
	var errs []error
	for _, f := range b.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// window is a file of a bundle, through the cache that the files share. It is
// the owner of nothing.
type window struct {
	name       string
	cache      ffcv.Source
	base, size int64
}

func (w *window) Name() string                       { return w.name }
func (w *window) Size() int64                        { return w.size }
func (w *window) Borrow(off, n int64) ([]byte, bool) { return nil, false }
func (w *window) Close() error                       { return nil }

func (w *window) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= w.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > w.size-off
	if short {
		p = p[:w.size-off]
	}
	n, err := w.cache.ReadAt(p, w.base+off)
	if n == len(p) {
		if err = nil; short {
			err = io.EOF
		}
	}
	return n, err
}

func (w *window) WillNeed(ranges []ffcv.Range) {
	if len(ranges) == 0 {
		w.cache.WillNeed(nil)
		return
	}
	list := make([]ffcv.Range, 0, len(ranges))
	for _, r := range ranges {
		if r.Off >= 0 && r.Len > 0 && r.Off < w.size {
			list = append(list, ffcv.Range{Off: w.base + r.Off, Len: min(r.Len, w.size-r.Off)})
		}
	}
	if len(list) > 0 {
		w.cache.WillNeed(list)
	}
}

// openCached opens files that share a cache, which is returned for the owner to
// close.
func openCached(list []string, opts *ffcv.OpenOptions) (files []*ffcv.File, cache ffcv.Source, err error) {
	b, err := newBundle(list)
	if err != nil {
		return nil, nil, err
	}
	b.direct = opts.Direct
	src, err := ffcv.CacheSource(fmt.Sprintf("%s and %d more", list[0], len(list)-1), b, b.size, opts.Memory)
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	files = make([]*ffcv.File, len(list))
	err = eachPath(list, func(i int) (err error) {
		files[i], err = ffcv.New(&window{list[i], src, b.bases[i], b.sizes[i]}, opts)
		return err
	})
	if err != nil {
		src.Close()
		return nil, nil, err
	}
	return files, src, nil
}

// cacheStats adds up what the parts' caches did.
func cacheStats(parts []part) (sum ffcv.CacheStats, some bool) {
	for i := range parts {
		of, ok := parts[i].Dataset.(interface {
			CacheStats() (ffcv.CacheStats, bool)
		})
		if !ok {
			continue
		}
		s, ok := of.CacheStats()
		some = some || ok
		sum.Hits += s.Hits
		sum.Waits += s.Waits
		sum.Misses += s.Misses
		sum.Ahead += s.Ahead
		sum.Failed += s.Failed
		sum.Late += s.Late
		sum.Bytes += s.Bytes
	}
	return sum, some
}

// cacheBudget is the least of the parts' caches, 0 where none has any.
func cacheBudget(parts []part) (least int64) {
	for i := range parts {
		of, ok := parts[i].Dataset.(loader.Budgeter)
		if !ok {
			continue
		}
		if n := of.CacheBudget(); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
