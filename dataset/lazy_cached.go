package dataset

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"sync"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/regular"
)

// Reader is a file's bytes, wherever they are. It is safe for concurrent use.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// OpenIndexReaders is OpenIndex of shards that are reached by open, through one
// cache of opts.File.Memory bytes for all: open is called with a shard's path
// from base, when its first byte is needed, by several goroutines at once.
// reads is how many reads at a time are worth it there, 0 as many as from a
// disk. opts.Open is not looked at.
func OpenIndexReaders(x *Index, base string, opts *Options, reads int, open func(path string) (Reader, error)) (*Concat, error) {
	if opts == nil || opts.File == nil || opts.File.Memory <= 0 {
		return nil, fmt.Errorf("index of %s: no memory for a cache", base)
	}
	if err := x.check(); err != nil {
		return nil, fmt.Errorf("index of %s: %w", base, err)
	}
	r := &remotes{open: open, reads: reads, list: make([]remote, len(x.Shards))}
	for i := range x.Shards {
		e := &x.Shards[i]
		if e.Size > math.MaxInt64-2*bundleAlign-r.size {
			return nil, fmt.Errorf("index of %s: shard %q: %d bytes and those before it are too many", base, e.Path, e.Size)
		}
		r.list[i] = remote{path: joinPath(base, e.Path), base: r.size, size: e.Size}
		r.size += (e.Size + bundleAlign - 1) &^ (bundleAlign - 1)
	}
	return r.concat(x, base, opts)
}

// localFile is a Reader.
type localFile struct {
	io.ReaderAt
	io.Closer
	size int64
}

func (l localFile) Size() int64 { return l.size }

func openLocal(path string) (Reader, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	return localFile{f, f, info.Size()}, nil
}

// remotes is files one after another as one io.ReaderAt, as a bundle, opened
// when they are first read.
type remotes struct {
	open  func(path string) (Reader, error)
	reads int
	list  []remote
	size  int64
}

type remote struct {
	path       string
	base, size int64
	mu         sync.Mutex
	r          Reader
}

// concat opens the index through a cache over r.
func (r *remotes) concat(x *Index, base string, opts *Options) (*Concat, error) {
	src, err := ffcv.CacheSource(base, r.readerAt(), r.size, opts.File.Memory)
	if err != nil {
		return nil, err
	}
	s := &shards{index: "index of " + base, cache: src}
	s.open = func(i int) (*ffcv.File, error) {
		m := &r.list[i]
		if _, err := m.get(r.open); err != nil {
			return nil, err
		}
		w := &window{m.path, src, m.base, m.size}
		// What ffcv.New reads, of both ends at once.
		w.WillNeed([]ffcv.Range{{Off: 0, Len: ffcv.HeaderSize}, {Off: int64(x.Shards[i].AllocTable) - 1, Len: 1}})
		return ffcv.New(w, opts.File)
	}
	c, err := s.concat(x, base, opts)
	if err != nil {
		src.Close()
		return nil, err
	}
	c.cache = src
	return c, nil
}

// readerAt is r, with Reads where that is known.
func (r *remotes) readerAt() io.ReaderAt {
	if r.reads > 0 {
		return distant{r}
	}
	return r
}

type distant struct{ *remotes }

// Reads tells the cache how many reads at a time are worth it.
func (d distant) Reads() int { return d.reads }

// get opens the file unless it is open, and compares its size.
func (m *remote) get(open func(path string) (Reader, error)) (Reader, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.r != nil {
		return m.r, nil
	}
	f, err := open(m.path)
	if err != nil {
		return nil, err
	}
	if f.Size() != m.size {
		return nil, errors.Join(fmt.Errorf("%s: %d bytes, want %d", m.path, f.Size(), m.size), f.Close())
	}
	m.r = f
	return f, nil
}

// ReadAt implements io.ReaderAt. A file that has become shorter is
// io.ErrUnexpectedEOF.
func (r *remotes) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	for k := sort.Search(len(r.list), func(k int) bool { return r.list[k].base > off }) - 1; n < len(p); k++ {
		if k == len(r.list) {
			return n, io.EOF
		}
		m, end := &r.list[k], r.size // of the file and the zeros after it
		if k+1 < len(r.list) {
			end = r.list[k+1].base
		}
		at := off + int64(n) - m.base
		piece := p[n:min(int64(len(p)), int64(n)+end-m.base-at)]
		got, err := m.read(r.open, piece, at)
		if n += got; err != nil {
			return n, err
		}
		clear(piece[got:])
		n += len(piece) - got
	}
	return n, nil
}

// read reads what of p lies inside the file.
func (m *remote) read(open func(path string) (Reader, error), p []byte, at int64) (n int, err error) {
	inside := min(m.size-at, int64(len(p)))
	if inside <= 0 {
		return 0, nil
	}
	f, err := m.get(open)
	if err != nil {
		return 0, err
	}
	if n, err = f.ReadAt(p[:inside], at); int64(n) == inside {
		return n, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("%s: bytes %d to %d: %w", m.path, at, at+inside, err)
}

// Close closes the files.
func (r *remotes) Close() error {
	var errs []error
	for i := range r.list {
		if f := r.list[i].r; f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
