package remote

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A page's file is a head of 4 KiB, then the bytes: at 0 the magic, at 8 the
// hash of the object's version (16 bytes), at 24 the page's number, at 32 its
// length, from 40 on a CRC-32C of each 64 KiB, at the end of the head that of the
// head before. Numbers are little-endian.
const (
	pageHead  = 4096
	pageChunk = 64 << 10
)

var (
	pageMagic  = [8]byte{0x89, 'b', 't', 'n', 'p', 'g', '\r', '1'}
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// pageKey names a page.
type pageKey struct {
	hash string // 32 hexadecimal digits
	n    int64
}

// putPageHead makes a page's head.
func putPageHead(b []byte, k pageKey, data []byte) {
	le := binary.LittleEndian
	copy(b, pageMagic[:])
	hex.Decode(b[8:24], []byte(k.hash))
	le.PutUint64(b[24:], uint64(k.n))
	le.PutUint64(b[32:], uint64(len(data)))
	for i := 0; len(data) > 0; i++ {
		n := min(len(data), pageChunk)
		le.PutUint32(b[40+4*i:], crc32.Checksum(data[:n], castagnoli))
		data = data[n:]
	}
	le.PutUint32(b[pageHead-4:], crc32.Checksum(b[:pageHead-4], castagnoli))
}

var errPage = errors.New("damaged page")

// pageFile is an open page.
type pageFile struct {
	f    *os.File
	head []byte
	size int64
	refs int          // with the list's own; under Cache.mu
	used atomic.Int64 // when its file's time was set, seconds
}

// touch sets the time of a file that is read, which counts when room is made; at
// worst it goes earlier than it should.
func (p *pageFile) touch(path string) {
	now := time.Now()
	if last := p.used.Load(); now.Unix()-last > 60 && p.used.CompareAndSwap(last, now.Unix()) {
		os.Chtimes(path, time.Time{}, now)
	}
}

// openPage opens a page that has size bytes.
func openPage(path string, k pageKey, size int64) (*pageFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	p := &pageFile{f: f, head: make([]byte, pageHead), size: size}
	want := make([]byte, 40)
	copy(want, pageMagic[:])
	hex.Decode(want[8:24], []byte(k.hash))
	binary.LittleEndian.PutUint64(want[24:], uint64(k.n))
	binary.LittleEndian.PutUint64(want[32:], uint64(size))
	_, err = io.ReadFull(f, p.head)
	sum := crc32.Checksum(p.head[:pageHead-4], castagnoli)
	if err != nil || string(p.head[:40]) != string(want) || binary.LittleEndian.Uint32(p.head[pageHead-4:]) != sum {
		f.Close()
		return nil, errPage
	}
	if info, err := f.Stat(); err == nil {
		p.used.Store(info.ModTime().Unix())
	}
	return p, nil
}

var chunks = sync.Pool{New: func() any { return new([pageChunk]byte) }}

// read fills b from byte off of the page on. Every chunk that it touches is
// checked.
func (p *pageFile) read(b []byte, off int64) error {
	for len(b) > 0 {
		i := off / pageChunk
		lo := i * pageChunk
		n := min(pageChunk, p.size-lo)
		k := min(int64(len(b)), lo+n-off)
		if off == lo && k == n {
			if err := p.chunk(b[:n], i); err != nil {
				return err
			}
		} else {
			buf := chunks.Get().(*[pageChunk]byte)
			err := p.chunk(buf[:n], i)
			copy(b[:k], buf[off-lo:])
			chunks.Put(buf)
			if err != nil {
				return err
			}
		}
		b, off = b[k:], off+k
	}
	return nil
}

func (p *pageFile) chunk(b []byte, i int64) error {
	if _, err := p.f.ReadAt(b, pageHead+i*pageChunk); err != nil {
		return errPage
	}
	if crc32.Checksum(b, castagnoli) != binary.LittleEndian.Uint32(p.head[40+4*i:]) {
		return errPage
	}
	return nil
}

// lru keeps the pages that were used last open.
type lru struct {
	most int
	list []lruEntry // the last used at the end
}

type lruEntry struct {
	key pageKey
	p   *pageFile
}

func (l *lru) get(k pageKey) *pageFile {
	for i := len(l.list) - 1; i >= 0; i-- {
		if e := l.list[i]; e.key == k {
			copy(l.list[i:], l.list[i+1:])
			l.list[len(l.list)-1] = e
			return e.p
		}
	}
	return nil
}

// add adds an open page, and returns the one that has to go.
func (l *lru) add(k pageKey, p *pageFile) (out *pageFile) {
	if len(l.list) == l.most {
		out = l.list[0].p
		l.list = append(l.list[:0], l.list[1:]...)
	}
	l.list = append(l.list, lruEntry{k, p})
	return out
}

func (l *lru) drop(k pageKey) (out *pageFile) {
	for i, e := range l.list {
		if e.key == k {
			l.list = append(l.list[:i], l.list[i+1:]...)
			return e.p
		}
	}
	return nil
}

func (l *lru) clear() error {
	var errs []error
	for _, e := range l.list {
		errs = append(errs, e.p.f.Close())
	}
	l.list = nil
	return errors.Join(errs...)
}

// pages are those of one version of an object.
type pages struct {
	c    *Cache
	hash string
	size int64 // of the object
}

// pagesOf returns the pages of a version of an object.
func (c *Cache) pagesOf(url string, a attrs) *pages {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", url, a.etag, a.size, c.page))
	return &pages{c, hex.EncodeToString(sum[:16]), a.size}
}

// flight is a page that is being fetched.
type flight struct {
	done  chan struct{}
	data  []byte // valid behind done without err, until the last user has left
	err   error
	users int // under Cache.mu
}

// read fills b from byte off of the object on: from the disk what is there, from
// the store what isn't, pages side by side.
func (p *pages) read(o *Object, b []byte, off int64) error {
	if len(b) == 0 {
		return nil
	}
	page := p.c.page
	first, last := off/page, (off+int64(len(b))-1)/page
	if first == last {
		return p.readPage(o, b, pageKey{p.hash, first}, off-first*page)
	}
	var g errgroup.Group
	var failed atomic.Bool
	g.SetLimit(o.opts.Requests) // more could only wait
	for n := first; n <= last && !failed.Load(); n++ {
		lo, hi := max(off, n*page), min(off+int64(len(b)), (n+1)*page)
		g.Go(func() error { // ends with its page
			err := p.readPage(o, b[lo-off:hi-off], pageKey{p.hash, n}, lo-n*page)
			failed.CompareAndSwap(false, err != nil)
			return err
		})
	}
	return g.Wait()
}

// readPage fills b from byte off of a page on.
func (p *pages) readPage(o *Object, b []byte, k pageKey, off int64) error {
	size := min(p.c.page, p.size-k.n*p.c.page)
	for {
		if p.fromDisk(b, k, off, size) {
			o.stats.hits.Add(int64(len(b)))
			return nil
		}
		p.c.mu.Lock()
		fl, there := p.c.flights[k]
		if !there {
			fl = &flight{done: make(chan struct{})}
			p.c.flights[k] = fl
		}
		fl.users++
		p.c.mu.Unlock()
		if !there {
			p.fetch(o, fl, k, size)
		}
		err := fl.read(o, b, off)
		p.c.leave(fl)
		if err == nil || !there || o.ctx.Err() != nil {
			return err
		}
		// Another's attempt failed, or its object was closed: one of our own.
	}
}

// read waits for the page, and fills b from its byte off on.
func (fl *flight) read(o *Object, b []byte, off int64) error {
	select {
	case <-fl.done:
	case <-o.ctx.Done():
		return errClosed
	}
	if fl.err == nil {
		copy(b, fl.data[off:])
	}
	return fl.err
}

// leave ends a use of a page that was fetched. The last one gives its memory back.
func (c *Cache) leave(fl *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if fl.users--; fl.users == 0 && int64(len(fl.data)) == c.page {
		c.buffers.Put(&fl.data)
	}
}

// buffer returns memory for a page.
func (c *Cache) buffer(size int64) []byte {
	if size < c.page {
		return make([]byte, size)
	}
	if b, ok := c.buffers.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, size)
}

// fetch fetches a page and keeps it. It is called by the flight's first user, who
// stays until it returns.
func (p *pages) fetch(o *Object, fl *flight, k pageKey, size int64) {
	data := p.c.buffer(size)
	fl.err = o.fetch(data, k.n*p.c.page)
	if fl.err == nil {
		fl.data = data
	}
	close(fl.done)
	if fl.err == nil {
		p.c.put(k, data) // a full disk is no reason to fail
	}
	p.c.mu.Lock()
	delete(p.c.flights, k)
	p.c.mu.Unlock()
}

// fromDisk fills b from the page's file, if it is there and whole.
func (p *pages) fromDisk(b []byte, k pageKey, off, size int64) bool {
	c := p.c
	c.mu.Lock()
	f := c.open.get(k)
	if f != nil {
		f.refs++
	}
	c.mu.Unlock()
	path := c.path(k)
	if f == nil {
		var err error
		if f, err = openPage(path, k, size); err != nil {
			if errors.Is(err, errPage) {
				discardPage(path)
			}
			return false
		}
		f.refs = 2 // the list's and ours
		c.mu.Lock()
		var out *pageFile
		if c.closed || c.open.get(k) != nil {
			f.refs = 1
		} else {
			out = c.open.add(k, f)
		}
		c.release(out)
		c.mu.Unlock()
	}
	err := f.read(b, off)
	f.touch(path)
	c.mu.Lock()
	if err != nil {
		c.release(c.open.drop(k))
	}
	c.release(f)
	c.mu.Unlock()
	if err != nil {
		discardPage(path)
	}
	return err == nil
}

// release gives an open page back. c.mu is held.
func (c *Cache) release(f *pageFile) {
	if f == nil {
		return
	}
	if f.refs--; f.refs == 0 {
		f.f.Close()
	}
}

// discardPage removes a damaged page. Its name is one that only pages have.
func discardPage(path string) { os.Remove(path) }
