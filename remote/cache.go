package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
)

// Cache keeps pages of objects in a folder on the local disk, for any number of
// processes at a time. A page is there whole or not at all, and every part of it
// is checked when it is read: one that is damaged is fetched again. What was not
// read for the longest time goes first when the quota is used up. Nothing is
// ever deleted that a Cache didn't write. It is safe for concurrent use.
//
// The folder has a file of its own for each page, so that one may be thrown out
// while others still read it:
//
//	CACHEDIR.TAG       tells backup programs, and a Cache, what the folder is
//	lock, usage        who makes room, and how many bytes there are
//	new/XXXXXXXX       pages that are being written
//	pages/hh/HASH-N    page N of the version of an object that HASH stands for
type Cache struct {
	dir   string
	quota int64
	page  int64
	lock  *lockedfile.Mutex

	buffers sync.Pool // of *[]byte, a page each

	mu      sync.Mutex
	flights map[pageKey]*flight
	open    lru
	closed  bool
}

// CacheOptions are the choices of OpenCache. Nil and the zero value of every
// member are the defaults.
type CacheOptions struct {
	// Quota is how many bytes the folder may have; 0 is 16 GiB.
	Quota int64
	// PageSize is how many bytes are fetched and kept together, a power of two
	// from 64 KiB to 32 MiB; 0 is 1 MiB. The default is wrong where samples are
	// far smaller and read in a random order, or links are so slow to answer that
	// more should come at a time.
	PageSize int64
}

const (
	defaultQuota = 16 << 30
	defaultPage  = 1 << 20
	minPage      = 64 << 10
	maxPage      = 32 << 20

	// keptOpen is how many bytes of pages a process keeps open: as long, their room
	// stays taken when they were thrown out.
	keptOpen = 64 << 20

	// signature is the first line of a CACHEDIR.TAG (bford.info/cachedir).
	signature = "Signature: 8a477f597d28d172789f06886806bc55\n"
	tagText   = signature + "# Pages of remote objects, kept by betongo. The folder may be deleted.\n"

	// abandoned is the age from which a page that is being written is one that a
	// dead process left.
	abandoned = 10 * time.Minute
)

var (
	pageName = regexp.MustCompile(`^[0-9a-f]{32}-[0-9a-f]{1,13}$`)
	newName  = regexp.MustCompile(`^page-[0-9]+$`)
)

// OpenCache opens the cache in a folder, which is made if it isn't there. A
// folder that has something else in it is refused. Caches of one folder in several
// processes share its pages; the smallest quota holds.
func OpenCache(dir string, opts *CacheOptions) (*Cache, error) {
	c := &Cache{dir: dir, quota: defaultQuota, page: defaultPage, flights: map[pageKey]*flight{}}
	if opts != nil && opts.Quota != 0 {
		c.quota = opts.Quota
	}
	if opts != nil && opts.PageSize != 0 {
		c.page = opts.PageSize
	}
	if c.page < minPage || c.page > maxPage || bits.OnesCount64(uint64(c.page)) != 1 {
		return nil, fmt.Errorf("cache %s: pages of %d bytes: want a power of two from %d to %d", dir, c.page, minPage, maxPage)
	}
	if c.quota < 8*c.page {
		return nil, fmt.Errorf("cache %s: a quota of %d bytes: want at least 8 pages of %d", dir, c.quota, c.page)
	}
	if err := c.claim(); err != nil {
		return nil, fmt.Errorf("cache %s: %w", dir, err)
	}
	c.open.most = int(max(8, min(64, keptOpen/c.page)))
	c.lock = lockedfile.MutexAt(filepath.Join(dir, "lock"))
	return c, nil
}

// claim makes the folder a cache, if it is one or is empty.
func (c *Cache) claim() error {
	if err := os.MkdirAll(c.dir, 0o777); err != nil {
		return err
	}
	tag := filepath.Join(c.dir, "CACHEDIR.TAG")
	got, err := os.ReadFile(tag)
	if err == nil && !strings.HasPrefix(tagText, string(got)) {
		return errors.New("its CACHEDIR.TAG is of another program")
	}
	// One that breaks off is of a process that was killed while it wrote it.
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(got) < len(tagText) {
		list, err := os.ReadDir(c.dir)
		if err != nil {
			return err
		}
		for _, e := range list {
			if !slices.Contains([]string{"CACHEDIR.TAG", "lock", "usage", "new", "pages"}, e.Name()) {
				return fmt.Errorf("it has other files in it (%q): want an empty folder, or none", e.Name())
			}
		}
		if err := os.WriteFile(tag, []byte(tagText), 0o666); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(filepath.Join(c.dir, "new"), 0o777), os.MkdirAll(filepath.Join(c.dir, "pages"), 0o777))
}

// Close lets go of the folder; the pages stay. Objects that use the cache are
// closed before.
func (c *Cache) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.open.clear()
}

// path is where a page lies.
func (c *Cache) path(k pageKey) string {
	return filepath.Join(c.dir, "pages", k.hash[:2], k.hash+"-"+strconv.FormatInt(k.n, 16))
}

// put keeps a page. That it can't is no error: the page is there for who asked.
func (c *Cache) put(k pageKey, data []byte) error {
	size := pageHead + int64(len(data))
	f, err := c.reserve(size)
	if f == nil || err != nil {
		return err
	}
	head := make([]byte, pageHead)
	putPageHead(head, k, data)
	path := c.path(k)
	_, err = f.WriteAt(head, 0)
	if err == nil {
		_, err = f.WriteAt(data, pageHead)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o777)
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// reserve makes a file of this size for a new page, and room for it before; nil
// where there is none to be had.
func (c *Cache) reserve(size int64) (*os.File, error) {
	unlock, err := c.lock.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	usage, err := c.usage()
	if err != nil || usage+size > c.quota {
		if usage, err = c.evict(c.quota - c.quota/10 - size); err != nil || usage+size > c.quota {
			return nil, err
		}
	}
	// Counted before it is there: a process that dies in between leaves the count
	// too high, not too low.
	if err := c.setUsage(usage + size); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Join(c.dir, "new"), "page-")
	if err != nil {
		return nil, err
	}
	// Ours from its first bytes on, and of its full size at once, for who counts.
	if _, err = f.WriteAt(pageMagic[:], 0); err == nil {
		err = f.Truncate(size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	return f, nil
}

// usage reads how many bytes the pages have. It is never less than they do: a
// process that dies leaves it as it is, or too high, until the next count.
func (c *Cache) usage() (int64, error) {
	b, err := os.ReadFile(filepath.Join(c.dir, "usage"))
	if err != nil {
		return 0, err
	}
	if len(b) != 8 {
		return 0, fmt.Errorf("usage: %d bytes, want 8", len(b))
	}
	n := int64(binary.LittleEndian.Uint64(b))
	if n < 0 {
		return 0, fmt.Errorf("usage: %d", n)
	}
	return n, nil
}

func (c *Cache) setUsage(n int64) error {
	f, err := os.OpenFile(filepath.Join(c.dir, "usage"), os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	_, err = f.WriteAt(b[:], 0)
	return errors.Join(err, f.Close())
}

// kept is a file that counts.
type kept struct {
	path string
	size int64
	used time.Time
}

// evict counts what there is, and throws out what was not used for the longest
// time until there are at most so many bytes. The lock is held.
func (c *Cache) evict(most int64) (usage int64, err error) {
	var list []kept
	if usage, err = c.sweep(); err != nil {
		return 0, err
	}
	folders, err := os.ReadDir(filepath.Join(c.dir, "pages"))
	if err != nil {
		return 0, err
	}
	for _, d := range folders {
		dir := filepath.Join(c.dir, "pages", d.Name())
		pages, err := os.ReadDir(dir)
		if err != nil {
			continue // not a folder, not ours
		}
		for _, e := range pages {
			info, err := e.Info()
			if err != nil || !info.Mode().IsRegular() || !pageName.MatchString(e.Name()) {
				continue
			}
			list = append(list, kept{filepath.Join(dir, e.Name()), info.Size(), info.ModTime()})
			usage += info.Size()
		}
	}
	slices.SortFunc(list, func(a, b kept) int { return a.used.Compare(b.used) })
	for _, k := range list {
		if usage <= most {
			break
		}
		if isPage(k.path) && os.Remove(k.path) == nil {
			usage -= k.size
		}
	}
	return usage, c.setUsage(usage)
}

// sweep removes pages that dead processes were writing, and counts the others'.
func (c *Cache) sweep() (usage int64, err error) {
	list, err := os.ReadDir(filepath.Join(c.dir, "new"))
	if err != nil {
		return 0, err
	}
	for _, e := range list {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || !newName.MatchString(e.Name()) {
			continue
		}
		path := filepath.Join(c.dir, "new", e.Name())
		if time.Since(info.ModTime()) > abandoned && (info.Size() == 0 || isPage(path)) && os.Remove(path) == nil {
			continue
		}
		usage += info.Size()
	}
	return usage, nil
}

// isPage says whether a file is one that a Cache wrote.
func isPage(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var b [len(pageMagic)]byte
	_, err = io.ReadFull(f, b[:])
	return err == nil && b == pageMagic
}
