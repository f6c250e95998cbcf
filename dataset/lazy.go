package dataset

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

const (
	// openers is how many shards are opened at once ahead of who needs them: what
	// takes time is waiting for a network.
	openers = 64
	// mostMapped is up to how many mapped shards are all opened when a loader asks
	// whether their bytes lie in memory, which takes some 0.1 ms each: it then
	// gathers values without a copy of the rows. Linux maps 65,530 files.
	mostMapped = 4096
)

// OpenIndex opens the files of an index as one dataset, one after another, as
// Open would: none of them before something of it is needed. base is the folder
// that relative paths begin at, or its URL, which Within then holds for.
//
// opts.Open is called with a shard's path from there, when it is first needed
// and by several goroutines at once, ahead where that is known. Without it the
// shards are the files of opts.Cache, in their order; without either they are
// mapped, or with opts.File.Memory read through a cache of that size that all of
// them share.
//
// A shard that can't be opened, or is not what the index says, is an error of
// what needed it, which names both. Close waits for shards that are being
// opened.
func OpenIndex(x *Index, base string, opts *Options) (*Concat, error) {
	if opts == nil {
		opts = &Options{}
	}
	if err := x.check(); err != nil {
		return nil, fmt.Errorf("index of %s: %w", base, err)
	}
	if err := x.Within(base); err != nil {
		return nil, fmt.Errorf("index of %s: %w", base, err)
	}
	s := &shards{index: "index of " + base, cache: opts.Cache}
	var err error
	if opts.Open == nil && s.cache == nil && opts.File != nil && opts.File.Memory > 0 {
		if s.cache, err = localShards(x, base, opts.File.Memory); err != nil {
			return nil, err
		}
	}
	if s.cache != nil && opts.Open == nil && len(s.cache.files) != len(x.Shards) {
		return nil, fmt.Errorf("%s: %d shards, a cache of %d files", s.index, len(x.Shards), len(s.cache.files))
	}
	s.setOpen(opts)
	c, err := s.concat(x, base, opts)
	if err != nil && s.cache != opts.Cache {
		s.cache.Close()
	}
	return c, err
}

// setOpen says how a shard is opened.
func (s *shards) setOpen(opts *Options) {
	switch {
	case opts.Open != nil:
		s.open = func(i int) (*ffcv.File, error) { return opts.Open(s.list[i].path) }
	case s.cache != nil:
		s.open = func(i int) (*ffcv.File, error) { return s.cache.openShard(i, s.list[i].says.AllocTable, opts.File) }
	default:
		s.mapped = true
		s.open = func(i int) (*ffcv.File, error) {
			fetch(s.list[i].path)
			return ffcv.Open(s.list[i].path, opts.File)
		}
	}
}

// concat puts the shards one after another.
func (s *shards) concat(x *Index, base string, opts *Options) (*Concat, error) {
	list, row, err := x.bind(s.index, opts.File)
	if err != nil {
		return nil, err
	}
	if s.fields = list; !opts.IgnoreClasses {
		s.classes = x.Classes
	}
	var pointers []int
	for i := range list {
		f := &list[i]
		if f.Field == nil || f.Offset < 0 || f.Size < 0 {
			return nil, fmt.Errorf("%s: field %q: %w", s.index, f.Name, ffcv.ErrUnknownField)
		}
		for _, at := range f.Field.Layout().Pointers {
			pointers = append(pointers, f.Offset+at)
		}
	}
	s.ignoreClasses, s.pageSize, s.list = opts.IgnoreClasses, uint32(x.PageSize), make([]shard, len(x.Shards))
	c := &Concat{
		name: fmt.Sprintf("%s (%d shards)", base, len(x.Shards)), parts: make([]part, len(x.Shards)), firsts: make([]int, len(x.Shards)+1), spans: make([][]span, len(x.Shards)),
		fields: list, row: row, classes: s.classes, shards: s, owned: []io.Closer{s},
	}
	c.scratch.pointers = pointers
	for i := range x.Shards {
		e := &x.Shards[i]
		if e.Samples > math.MaxInt-int64(c.firsts[i]) || row > 0 && uint64(e.Samples) > e.AllocTable/uint64(row) || row == 0 && e.Samples > 0 {
			return nil, fmt.Errorf("%s: shard %q: %d samples of %d bytes of metadata before an allocation table at byte %d", s.index, e.Path, e.Samples, row, e.AllocTable)
		}
		m := &s.list[i]
		*m = shard{of: s, i: i, path: joinPath(base, e.Path), says: *e}
		c.parts[i] = part{Dataset: m, n: int(e.Samples), fields: list, row: row, pointers: pointers, size: e.AllocTable, page: s.pageSize}
		c.firsts[i+1] = c.firsts[i] + int(e.Samples)
	}
	if s.cache != nil {
		c.cache = s.cache.src
	}
	c.space, err = place(c.parts)
	return c, err
}

// Paths returns the shards' paths from base, the folder of the index or its URL.
func (x *Index) Paths(base string) []string {
	list := make([]string, len(x.Shards))
	for i := range x.Shards {
		list[i] = joinPath(base, x.Shards[i].Path)
	}
	return list
}

// joinPath is a path of an index from its base.
func joinPath(base, rel string) string {
	if strings.Contains(rel, "://") || strings.HasPrefix(rel, "/") || filepath.IsAbs(rel) {
		return rel
	}
	scheme, rest, url := strings.Cut(base, "://")
	if !url {
		return filepath.Join(base, filepath.FromSlash(rel))
	}
	query, some := "", false
	if strings.HasPrefix(scheme, "http") { // a store's key may hold a '?'
		rest, query, some = strings.Cut(rest, "?")
	}
	host, key, _ := strings.Cut(rest, "/")
	joined := scheme + "://" + host + path.Join("/"+key, rel)
	if some {
		joined += "?" + query
	}
	return joined
}

// shards are the members of an index.
type shards struct {
	open          func(i int) (*ffcv.File, error)
	index         string
	fields        []ffcv.Field
	classes       []string
	pageSize      uint32
	ignoreClasses bool
	list          []shard
	cache         *Cache // that they share; nil: none

	mapped bool // all are opened when somebody asks whether they lend
	all    sync.Once
	lends  bool // after all

	mu      sync.Mutex
	closed  bool
	queue   []hint // for shards that are to be opened
	running int    // goroutines that work on it
	workers sync.WaitGroup
}

// hint is what is told a shard as soon as it is open.
type hint struct {
	to   *shard
	tell func(f *ffcv.File)
}

// lending opens all shards, if that is few and their bytes may then lie in
// memory, and tells whether they do. What can't be opened shows when it is
// needed.
func (s *shards) lending() bool {
	if s == nil || !s.mapped || len(s.list) > mostMapped {
		return false
	}
	s.all.Do(func() {
		s.lends = s.each(func(m *shard) error {
			f, err := m.get()
			if err == nil && f.Len() > 0 {
				if _, ok := f.Borrow(0, 1); !ok {
					err = errors.ErrUnsupported
				}
			}
			return err
		}) == nil
	})
	return s.lends
}

// each calls do for each shard, several at a time.
func (s *shards) each(do func(m *shard) error) error {
	return eachPath(make([]string, len(s.list)), func(i int) error { return do(&s.list[i]) })
}

// later opens a shard beside and tells it something then.
func (s *shards) later(h hint) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.queue = append(s.queue, h)
	if s.running < openers {
		s.running++
		s.workers.Add(1)
		go s.work() // ends when nothing is queued; Close waits for it
	}
}

func (s *shards) work() {
	defer s.workers.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 && !s.closed {
		h := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		if f, err := h.to.get(); err == nil { // otherwise who needs it gets the error
			h.tell(f)
		}
		s.mu.Lock()
	}
	s.running--
}

// forget drops what was to be told.
func (s *shards) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}

// Close closes the shards that were opened. The cache goes first: that ends what
// is still on its way, which else would be waited for.
func (s *shards) Close() error {
	s.mu.Lock()
	s.closed, s.queue = true, nil
	s.mu.Unlock()
	var errs []error
	if s.cache != nil {
		errs = append(errs, s.cache.Close())
	}
	s.workers.Wait()
	for i := range s.list {
		m := &s.list[i]
		m.mu.Lock()
		f := m.file.Swap(nil)
		m.mu.Unlock()
		if f != nil { // without the lock: it waits for what is lent to somebody who may come to get
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// shard is a file of an index, opened when it is first needed.
type shard struct {
	of   *shards
	i    int
	path string
	says IndexShard

	file   atomic.Pointer[ffcv.File]
	marked atomic.Bool // where its marks lie was told to be needed, and so looked up
	mu     sync.Mutex
	err    error // it is not what the index says
}

// get opens the file, unless it is open. A failure is tried anew by the next
// who needs it, but for one that no trying mends.
func (m *shard) get() (*ffcv.File, error) {
	if f := m.file.Load(); f != nil {
		return f, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if f := m.file.Load(); f != nil || m.err != nil {
		return f, m.err
	}
	if m.of.isClosed() {
		return nil, fmt.Errorf("%s: shard %q: the dataset is closed", m.of.index, m.says.Path)
	}
	f, err := m.of.open(m.i)
	if err != nil {
		return nil, fmt.Errorf("%s: shard %q: %w", m.of.index, m.says.Path, err)
	}
	if err := m.compare(f); err != nil {
		m.err = errors.Join(fmt.Errorf("%s: shard %q is another file than the index says: %w", m.of.index, m.says.Path, err), f.Close())
		return nil, m.err
	}
	m.file.Store(f)
	return f, nil
}

func (s *shards) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// compare says where a file is not what the index says.
func (m *shard) compare(f *ffcv.File) error {
	h := f.Header()
	switch {
	case f.Size() != m.says.Size:
		return fmt.Errorf("%s: %d bytes, want %d", f.Name(), f.Size(), m.says.Size)
	case int64(f.Len()) != m.says.Samples:
		return fmt.Errorf("%s: %d samples, want %d", f.Name(), f.Len(), m.says.Samples)
	case h.AllocTable != m.says.AllocTable:
		return fmt.Errorf("%s: allocation table at byte %d, want %d", f.Name(), h.AllocTable, m.says.AllocTable)
	case h.PageSize > m.of.pageSize:
		return fmt.Errorf("%s: page size %d, want %d at most", f.Name(), h.PageSize, m.of.pageSize)
	}
	if err := sameFields(&part{Dataset: m, fields: m.of.fields}, &part{Dataset: f, fields: f.Fields()}); err != nil {
		return err
	}
	if got := f.Classes(); got != nil && !m.of.ignoreClasses && !slices.Equal(got, m.of.classes) {
		return sameClasses(m.of.index, m.of.classes, f.Name(), got)
	}
	return nil
}

// Name returns the file's path.
func (m *shard) Name() string { return m.path }

// Len returns the number of samples that the index tells.
func (m *shard) Len() int { return int(m.says.Samples) }

// Fields returns the index's fields. The slice is the caller's.
func (m *shard) Fields() []ffcv.Field { return slices.Clone(m.of.fields) }

// Classes returns the index's class names.
func (m *shard) Classes() []string { return slices.Clone(m.of.classes) }

// Header is the file's, as far as the index tells it, and with its page size.
func (m *shard) Header() ffcv.Header {
	return ffcv.Header{
		Version: ffcv.Version, NumFields: uint16(len(m.of.fields)), PageSize: m.of.pageSize,
		NumSamples: uint64(m.says.Samples), AllocTable: m.says.AllocTable,
	}
}

// Rows reads rows, see loader.Dataset.
func (m *shard) Rows(lo, n int, buf []byte) ([]byte, error) {
	f, err := m.get()
	if err != nil {
		return nil, err
	}
	return f.Rows(lo, n, buf)
}

// Bytes reads bytes of a sample, see loader.Dataset.
func (m *shard) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	f, err := m.get()
	if err != nil {
		return nil, err
	}
	return f.Bytes(sample, ptr, size, buf)
}

// Lend asks the file, see loader.Loaner.
func (m *shard) Lend(sample int, ptr uint64, size int64) (b []byte, done func(), err error) {
	f, err := m.get()
	if err != nil {
		return nil, nil, err
	}
	return f.Lend(sample, ptr, size)
}

// RegionSize asks the file, see loader.Dataset.
func (m *shard) RegionSize(sample, field int, ptr uint64) (int64, error) {
	f, err := m.get()
	if err != nil {
		return 0, err
	}
	return f.RegionSize(sample, field, ptr)
}

// WillNeed hands the hint to the file, when that is open.
func (m *shard) WillNeed(ranges []ffcv.Range) {
	if f := m.file.Load(); f != nil {
		f.WillNeed(ranges)
	} else if len(ranges) > 0 {
		ranges = slices.Clone(ranges)
		m.of.later(hint{m, func(f *ffcv.File) { f.WillNeed(ranges) }})
	}
}

// WillNeedRows hands the hint to the file, when that is open.
func (m *shard) WillNeedRows(samples []int, sizes bool) {
	if f := m.file.Load(); f != nil {
		f.WillNeedRows(samples, sizes)
	} else if len(samples) > 0 {
		samples = slices.Clone(samples)
		m.of.later(hint{m, func(f *ffcv.File) { f.WillNeedRows(samples, sizes) }})
	}
}

// WillNeedMarks hands the hint to the file, when that is open, and, since it has to
// read for it once, when somebody has waited for that.
func (m *shard) WillNeedMarks(samples []int, field int, found bool) {
	if f := m.file.Load(); f != nil && (found || m.marked.Load()) {
		f.WillNeedMarks(samples, field, found)
	} else if len(samples) > 0 {
		samples = slices.Clone(samples)
		m.of.later(hint{m, func(f *ffcv.File) {
			f.WillNeedMarks(samples, field, found)
			m.marked.Store(true)
		}})
	}
}

// Borrow lends what an open file lends.
func (m *shard) Borrow(off, n int64) ([]byte, bool) {
	f := m.file.Load()
	if f == nil {
		return nil, false
	}
	return f.Borrow(off, n)
}

// Tables are those of the file, in memory.
func (m *shard) Tables() ([]loader.Tables, bool) {
	f, err := m.get()
	if err != nil {
		return nil, false
	}
	_, lends := f.Borrow(0, 1)
	p := part{Dataset: f, n: f.Len(), fields: m.of.fields, row: f.RowSize(), lends: lends || f.Len() == 0}
	return p.tables()
}

// Entries yields the file's allocations.
func (m *shard) Entries() iter.Seq2[alloc.Entry, error] {
	return func(yield func(alloc.Entry, error) bool) {
		f, err := m.get()
		if err != nil {
			yield(alloc.Entry{}, err)
			return
		}
		f.Entries()(yield)
	}
}

// Marks returns the file's marks of a value.
func (m *shard) Marks(sample, field int, buf []byte) ([]byte, error) {
	f, err := m.get()
	if err != nil {
		return nil, err
	}
	return f.Marks(sample, field, buf)
}

// Key returns a sample's key.
func (m *shard) Key(sample int) (string, error) {
	f, err := m.get()
	if err != nil {
		return "", err
	}
	return f.Key(sample)
}

// Find returns the first sample that has a key, see ffcv.File.
func (m *shard) Find(key string) (sample int, ok bool, err error) {
	f, err := m.get()
	if err != nil {
		return 0, false, err
	}
	return f.Find(key)
}

// Identity is what the index tells, or else the file.
func (m *shard) Identity() (ffcv.Identity, error) {
	if m.says.Sum != nil {
		return ffcv.Identity{Size: m.says.Size, Samples: int(m.says.Samples), Sum: *m.says.Sum}, nil
	}
	f, err := m.get()
	if err != nil {
		return ffcv.Identity{}, err
	}
	return f.Identity()
}

// Verifiable is an error unless the file has checksums.
func (m *shard) Verifiable() error {
	f, err := m.get()
	if err != nil {
		return err
	}
	return f.Verifiable()
}

// VerifyValue asks the file, see loader.Verifier.
func (m *shard) VerifyValue(sample, field int, buf []byte) ([]byte, error) {
	f, err := m.get()
	if err != nil {
		return buf, err
	}
	return f.VerifyValue(sample, field, buf)
}

// CacheStats tells what the cache of an open file did.
func (m *shard) CacheStats() (ffcv.CacheStats, bool) {
	if f := m.file.Load(); f != nil {
		return f.CacheStats()
	}
	return ffcv.CacheStats{}, false
}

// CacheBudget is that of an open file's cache.
func (m *shard) CacheBudget() int64 {
	if f := m.file.Load(); f != nil {
		return f.CacheBudget()
	}
	return 0
}
