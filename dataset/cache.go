package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"sort"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/pagecache"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/loader"
)

// Cache is memory through which several files are read, all of them together
// with no more than it may take, and ahead of who needs their bytes.
type Cache struct {
	src   ffcv.Source
	files []CacheFile
	bases []int64
}

// CacheFile is a file that is read through a Cache.
type CacheFile struct {
	Name string // in errors
	Size int64
	// Open opens the file when bytes of it are first needed, and again later
	// where that failed. What it returns is read by many goroutines at once, and
	// closed with the Cache, if it is an io.Closer. ctx is for the opening alone,
	// and ends when the Cache is closed, which waits for it.
	Open func(ctx context.Context) (io.ReaderAt, error)
}

// CacheOptions are the choices of NewCache. nil and zero are the defaults, of
// files on the system's disks.
type CacheOptions struct {
	// Reads is how many reads at a time are worth it; 0 is what disks do. Above 0
	// bytes that nobody needs are read along where that saves a read.
	Reads int
}

// NewCache makes a cache of at most memory bytes for the files. None of them is
// opened by it.
func NewCache(memory int64, files []CacheFile, opts *CacheOptions) (*Cache, error) {
	if opts == nil {
		opts = &CacheOptions{}
	}
	b, err := newBundle(files)
	if err != nil {
		return nil, err
	}
	if opts.Reads > 0 {
		return newCache(memory, b, &farBundle{b, opts.Reads})
	}
	return newCache(memory, b, b)
}

func newCache(memory int64, b *bundle, r io.ReaderAt) (*Cache, error) {
	name := "no files"
	if n := len(b.files); n > 0 {
		name = fmt.Sprintf("%s and %d more", b.files[0].Name, n-1)
	}
	src, err := ffcv.CacheSource(name, r, b.size, memory)
	if err != nil {
		return nil, err
	}
	return &Cache{src: src, files: b.files, bases: b.bases}, nil
}

// Open opens file i, an index of NewCache's, through the cache. It ends with the
// Cache, and its Close does nothing.
func (c *Cache) Open(i int, opts *ffcv.OpenOptions) (*ffcv.File, error) {
	return ffcv.New(&window{c.files[i].Name, c.src, c.bases[i], c.files[i].Size}, opts)
}

// Close closes the files that were opened, waits for reads in progress and frees
// the memory. It is idempotent.
func (c *Cache) Close() error { return c.src.Close() }

// bundle is files one after another as one io.ReaderAt, each from a multiple of
// bundleAlign on, with zeros between them, so that they can share a cache.
type bundle struct {
	files []CacheFile
	bases []int64
	size  int64
	open  []member

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
}

// member is a file of a bundle, if it is open.
type member struct {
	mu     sync.Mutex // held while it is opened
	r      io.ReaderAt
	closed bool
}

// bundleAlign is a multiple of a cache's blocks: no block has bytes of two
// files.
const bundleAlign = 1 << 20

func newBundle(files []CacheFile) (*bundle, error) {
	b := &bundle{files: files, bases: make([]int64, len(files)), open: make([]member, len(files))}
	for i, f := range files {
		if f.Size < 0 || f.Size > math.MaxInt64-2*bundleAlign-b.size {
			return nil, fmt.Errorf("%s: %d bytes and those before it are too many", f.Name, f.Size)
		}
		b.bases[i] = b.size
		b.size += (f.Size + bundleAlign - 1) &^ (bundleAlign - 1)
	}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// reader returns file k, opened.
func (b *bundle) reader(k int) (io.ReaderAt, error) {
	m := &b.open[k]
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fs.ErrClosed
	}
	if m.r == nil {
		r, err := b.files[k].Open(b.ctx)
		if err != nil {
			return nil, err
		}
		m.r = r
	}
	return m.r, nil
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
		if inside := b.files[k].Size - at; inside > 0 {
			r, err := b.reader(k)
			if err != nil {
				return n, err
			}
			m, err := r.ReadAt(piece[:min(inside, int64(len(piece)))], at)
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

// Close closes the files that were opened. It ends, and waits for, the opening of
// others.
func (b *bundle) Close() error {
	b.cancel()
	errs := make([]error, len(b.open))
	for i := range b.open {
		m := &b.open[i]
		m.mu.Lock()
		m.closed = true
		if c, ok := m.r.(io.Closer); ok {
			errs[i] = c.Close()
		}
		m.mu.Unlock()
	}
	return errors.Join(errs...)
}

// farBundle is of files that are farther away than a disk.
type farBundle struct {
	*bundle
	reads int
}

// Reads tells the cache how many reads at a time are worth it.
func (b *farBundle) Reads() int { return b.reads }

// ReadPieces reads into several pieces with one read, inside of a file that can.
func (b *farBundle) ReadPieces(pieces [][]byte, off int64) (int64, error) {
	total := int64(0)
	for _, p := range pieces {
		total += int64(len(p))
	}
	k := sort.Search(len(b.bases), func(k int) bool { return b.bases[k] > off }) - 1
	if k < 0 || total > b.files[k].Size-(off-b.bases[k]) {
		return 0, errors.ErrUnsupported
	}
	r, err := b.reader(k)
	if err != nil {
		return 0, err
	}
	if p, ok := r.(pagecache.Pieces); ok {
		return p.ReadPieces(pieces, off-b.bases[k])
	}
	return 0, errors.ErrUnsupported
}

// localBundle is of the system's files, all of them open.
type localBundle struct {
	*bundle
	list pagecache.FileList
}

// Files tells the cache.
func (b *localBundle) Files() pagecache.FileList { return b.list }

// localCache makes the cache for regular files, which it opens.
func localCache(list []string, opts *ffcv.OpenOptions) (*Cache, error) {
	open := make([]*os.File, len(list))
	files := make([]CacheFile, len(list))
	sizes := make([]int64, len(list))
	err := eachPath(list, func(i int) error {
		f, err := regular.Open(list[i])
		if err != nil {
			return err
		}
		open[i] = f
		info, err := f.Stat()
		if err != nil {
			return err
		}
		sizes[i] = info.Size()
		files[i] = CacheFile{list[i], info.Size(), func(context.Context) (io.ReaderAt, error) { return f, nil }}
		return nil
	})
	var b *bundle
	if err == nil {
		b, err = newBundle(files)
	}
	var c *Cache
	if err == nil {
		for i := range open {
			b.open[i].r = open[i]
		}
		c, err = newCache(opts.Memory, b, &localBundle{b, pagecache.FileList{List: open, Bases: b.bases, Sizes: sizes, Direct: opts.Direct}})
	}
	if err == nil {
		return c, nil
	}
	for _, f := range open {
		if f != nil {
			f.Close()
		}
	}
	return nil, err
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

// Lend lends what the cache does.
func (w *window) Lend(off, n int64) (b []byte, done func(), err error) {
	l, ok := w.cache.(interface {
		Lend(off, n int64) ([]byte, func(), error)
	})
	if !ok || off < 0 || n < 0 || n > w.size || off > w.size-n {
		return nil, nil, nil
	}
	return l.Lend(w.base+off, n)
}

// Distant says what the cache does.
func (w *window) Distant() bool {
	d, ok := w.cache.(loader.Distant)
	return ok && d.Distant()
}

// WillScan tells the cache, which has room for all files or for none.
func (w *window) WillScan() {
	if h, ok := w.cache.(loader.ScanHinter); ok {
		h.WillScan()
	}
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

// distant says whether a part is read from farther away than a disk.
func distant(parts []part) bool {
	return slices.ContainsFunc(parts, func(p part) bool {
		d, ok := p.Dataset.(loader.Distant)
		return ok && d.Distant()
	})
}
