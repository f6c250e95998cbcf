package pagecache_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/pagecache"
)

const block = 256 // of the tests' caches

// content returns n bytes that tell where they stand.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 ^ i>>7 ^ i>>13)
	}
	return b
}

// faulty is a file that may be made to fail. Its fields but the counts are set
// before it is used.
type faulty struct {
	data   []byte
	fail   func(off int64, n int) error // nil: never
	gate   chan struct{}                // a read waits until it can receive; nil: no wait
	short  int64                        // the file ends here; 0: where data does
	reads  atomic.Int64
	bytes  atomic.Int64
	closed atomic.Int64
}

func (f *faulty) ReadAt(p []byte, off int64) (int, error) {
	f.reads.Add(1)
	if f.gate != nil {
		<-f.gate
	}
	if f.fail != nil {
		if err := f.fail(off, len(p)); err != nil {
			return 0, err
		}
	}
	end := int64(len(f.data))
	if f.short > 0 {
		end = f.short
	}
	if off >= end {
		return 0, io.EOF
	}
	n := copy(p, f.data[off:end])
	f.bytes.Add(int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *faulty) Close() error { f.closed.Add(1); return nil }

// open makes a cache of so many blocks over f. The test's end closes it and
// looks for what was left.
func open(t testing.TB, f io.ReaderAt, size, blocks int) *pagecache.Cache {
	t.Helper()
	settle := leak.Watch(t)
	c, err := pagecache.New(f, int64(size), pagecache.Options{Budget: int64(blocks) * (block + 64), BlockSize: block})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		settle()
	})
	return c
}

// need announces a range.
func need(c *pagecache.Cache, off, n int64) {
	c.WillNeed([]pagecache.Range{{Off: off, Len: n}})
}

// check reads n bytes at off and compares them.
func check(t testing.TB, c *pagecache.Cache, data []byte, off, n int) {
	t.Helper()
	p := bytes.Repeat([]byte{0xaa}, n)
	m, err := c.ReadAt(p, int64(off))
	want := data[min(off, len(data)):min(off+n, len(data))]
	if m != len(want) || !bytes.Equal(p[:m], want) {
		t.Fatalf("%d bytes at %d: got %d of %d, equal: %v", n, off, m, len(want), bytes.Equal(p[:m], want))
	}
	if full := len(want) == n; full && err != nil || !full && err != io.EOF {
		t.Fatalf("%d bytes at %d: got %d, error %v", n, off, m, err)
	}
}

func TestReadAt(t *testing.T) {
	for _, size := range []int{0, 1, block - 1, block, block + 1, 20*block + 7, 100 * block} {
		data := content(size)
		for _, ahead := range []bool{false, true} {
			c := open(t, &faulty{data: data}, size, 10)
			for _, n := range []int{1, block, block + 1, 5 * block, 200 * block} {
				for _, off := range []int{0, 1, block - 1, block, 3 * block, size - block, size - 1} {
					if off < 0 || off >= size {
						continue
					}
					if ahead {
						need(c, int64(off), int64(n))
					}
					check(t, c, data, off, n)
				}
			}
			if n, err := c.ReadAt(make([]byte, 1), int64(size)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
			if n, err := c.ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
				t.Errorf("before the beginning: %d, %v", n, err)
			}
			need(c, -1, 10)
			need(c, int64(size), 10)
			need(c, 0, -1)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	f := &faulty{}
	for name, make := range map[string]func() (*pagecache.Cache, error){
		"a budget of 3 blocks": func() (*pagecache.Cache, error) {
			return pagecache.New(f, 10, pagecache.Options{Budget: 3 * pagecache.BlockSize})
		},
		"no budget": func() (*pagecache.Cache, error) { return pagecache.New(f, 10, pagecache.Options{}) },
		"odd blocks": func() (*pagecache.Cache, error) {
			return pagecache.New(f, 10, pagecache.Options{Budget: 1 << 20, BlockSize: 100})
		},
		"no size":     func() (*pagecache.Cache, error) { return pagecache.New(f, -1, pagecache.Options{Budget: 1 << 20}) },
		"huge budget": func() (*pagecache.Cache, error) { return pagecache.New(f, 1<<62, pagecache.Options{Budget: 1 << 62}) },
	} {
		if c, err := make(); err == nil || c != nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if f.closed.Load() != 0 {
		t.Error("the file was closed")
	}
}

// Reads of random places by many goroutines, announced or not, in a cache
// smaller than what they read, among announcements that nobody follows.
func TestConcurrent(t *testing.T) {
	data := content(300*block + 11)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]io.ReaderAt{"file": file, "reader": &faulty{data: data}} {
		for _, blocks := range []int{8, 40, 400} {
			t.Run(fmt.Sprintf("%s of %d blocks", name, blocks), func(t *testing.T) {
				c := open(t, struct{ io.ReaderAt }{r}, len(data), blocks)
				if name == "file" {
					c = open(t, keepOpen(t, path), len(data), blocks)
				}
				var wg sync.WaitGroup
				for g := range 6 {
					wg.Add(1)
					go func() { // ends after its reads
						defer wg.Done()
						rng := rand.New(rand.NewPCG(1, uint64(g)))
						for i := range 400 {
							off, n := rng.IntN(len(data)), 1+rng.IntN(8*block)
							if i%3 > 0 {
								need(c, int64(off), int64(n))
							}
							if i%7 == 0 {
								need(c, int64(rng.IntN(len(data))), 5*block)
							}
							if i%50 == 49 {
								c.Forget()
							}
							check(t, c, data, off, n)
						}
					}()
				}
				wg.Wait()
				if err := c.Invariants(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	file.Close()
}

// keepOpen opens the file; the cache closes it.
func keepOpen(t *testing.T, path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is announced is read once, ahead, in runs, and then found.
func TestAhead(t *testing.T) {
	data := content(64 * block)
	f := &faulty{data: data}
	c := open(t, f, len(data), 40)
	need(c, 3*block+5, 10*block)
	need(c, 30*block, 2*block)
	settled(t, c, 13)
	before := f.reads.Load()
	check(t, c, data, 3*block+5, 10*block)
	check(t, c, data, 30*block, 2*block)
	s := c.Stats()
	if f.reads.Load() != before || s.Hits != 13 || s.Misses != 0 || s.Ahead != 13 || s.Bytes != 13*block {
		t.Errorf("after reads of what was announced: %d more reads of the file, %+v", f.reads.Load()-before, s)
	}
}

// settled waits until so many blocks were read ahead.
func settled(t testing.TB, c *pagecache.Cache, blocks int64) {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		s := c.Stats()
		if s.Ahead+s.Failed >= blocks {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited for %d blocks in vain: %+v", blocks, s)
		}
	}
}

// Readers of one block wait for one read of it.
func TestCoalesced(t *testing.T) {
	data := content(4 * block)
	f := &faulty{data: data, gate: make(chan struct{})}
	c := open(t, f, len(data), 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() { // ends with its read
			defer wg.Done()
			check(t, c, data, 10, 20)
		}()
	}
	time.Sleep(10 * time.Millisecond)
	f.gate <- struct{}{}
	wg.Wait()
	if n := f.reads.Load(); n != 1 {
		t.Errorf("%d reads of the file, want 1", n)
	}
}

// A pass over a file larger than the cache leaves there what the next finds.
func TestSecondPass(t *testing.T) {
	const blocks, held = 100, 30
	data := content(blocks * block)
	f := &faulty{data: data}
	c := open(t, f, len(data), held)
	for range 3 {
		for b := 0; b < blocks; b += 2 {
			need(c, int64(b*block), 2*block)
			check(t, c, data, b*block, block)
			check(t, c, data, (b+1)*block, block)
		}
	}
	if got, most := f.bytes.Load(), int64(3*blocks-2*(held-10))*block; got > most {
		t.Errorf("three passes read %d bytes of the file, want at most %d", got, most)
	}
}

// Small values, each part of the file gone through in random order: the blocks
// of a part come with few reads. All over the file nothing is read for them that
// is not used.
func TestAround(t *testing.T) {
	const parts, per, value = 60, 64, block / 4 // per: blocks
	data := content(parts * per * block)
	rng := rand.New(rand.NewPCG(1, 2))
	load := func(list []int) (reads, bytes int64) {
		f := &faulty{data: data}
		c := open(t, f, len(data), 2*per)
		for at := 0; at+16 <= len(list); at += 16 {
			for _, v := range list[at : at+16] {
				need(c, int64(v*value), value)
			}
			for _, v := range list[at : at+16] {
				check(t, c, data, v*value, value)
			}
		}
		return f.reads.Load(), f.bytes.Load()
	}
	var local []int
	for p := range parts {
		for _, v := range rng.Perm(4 * per) {
			local = append(local, p*4*per+v)
		}
	}
	if _, bytes := load(local); bytes > int64(len(data))*11/10 {
		t.Errorf("part by part: %d bytes read of %d", bytes, len(data))
	}
	if _, bytes := load(rng.Perm(4 * parts * per)); bytes > int64(len(data))*4*11/10 {
		t.Errorf("all over: %d bytes read of %d, want at most those of a block for each of 4", bytes, len(data))
	}
}

// What is announced stays, whatever is read besides.
func TestPinned(t *testing.T) {
	data := content(200 * block)
	f := &faulty{data: data}
	c := open(t, f, len(data), 16)
	need(c, 0, 8*block)
	settled(t, c, 8)
	for b := 20; b < 200; b++ {
		check(t, c, data, b*block, block/2)
	}
	before := c.Stats()
	check(t, c, data, 0, 8*block)
	if s := c.Stats(); s.Hits != before.Hits+8 {
		t.Errorf("of 8 announced blocks %d were there", s.Hits-before.Hits)
	}
}

// Announcements that nobody follows keep no others out for ever.
func TestStale(t *testing.T) {
	data := content(400 * block)
	for name, take := range map[string]func(c *pagecache.Cache){
		"taken back": func(c *pagecache.Cache) { c.Forget() },
		"old": func(c *pagecache.Cache) {
			for b := 20; b < 200; b++ {
				check(t, c, data, b*block, block)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(t, &faulty{data: data}, len(data), 16)
			need(c, 0, 12*block)
			settled(t, c, 12)
			need(c, 300*block, 8*block)
			if s := c.Stats(); s.Late < 8 {
				t.Fatalf("%+v: a full cache took more announcements", s)
			}
			take(c)
			before := c.Stats()
			need(c, 300*block, 8*block)
			settled(t, c, before.Ahead+8)
			check(t, c, data, 300*block, 8*block)
			if s := c.Stats(); s.Hits != before.Hits+8 {
				t.Errorf("of 8 announced blocks %d were there", s.Hits-before.Hits)
			}
		})
	}
}

func TestFailure(t *testing.T) {
	data := content(64 * block)
	bad := errors.New("bad sector")
	f := &faulty{data: data, fail: func(off int64, n int) error {
		if off <= 10*block+100 && 10*block+100 < off+int64(n) {
			return bad
		}
		return nil
	}}
	c := open(t, f, len(data), 40)
	for _, announced := range []bool{true, false} {
		for _, n := range []int{1, block, 6 * block} {
			if announced {
				need(c, 9*block, int64(n+2*block))
			}
			p := make([]byte, 300+n)
			if _, err := c.ReadAt(p, 10*block); !errors.Is(err, bad) {
				t.Errorf("announced: %v, %d bytes over a bad sector: error %v", announced, n, err)
			}
			// Who doesn't want that byte gets the others of its block.
			check(t, c, data, 10*block, 100)
			check(t, c, data, 10*block+101, block)
		}
	}
	if err := c.Invariants(); err != nil {
		t.Error(err)
	}
}

// A file that has become shorter is an error and no data.
func TestShort(t *testing.T) {
	data := content(64 * block)
	c := open(t, &faulty{data: data, short: 20*block + 9}, len(data), 40)
	need(c, 0, 64*block)
	check(t, c, data[:20*block], 10*block, 10*block)
	for _, off := range []int64{20 * block, 20*block + 9, 30 * block} {
		if n, err := c.ReadAt(make([]byte, 2*block), off); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("at %d of a file that ends at %d: %d bytes, %v", off, 20*block+9, n, err)
		}
	}
}

func TestTruncated(t *testing.T) {
	data := content(64 * block)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, keepOpen(t, path), len(data), 60)
	need(c, 0, 4*block)
	settled(t, c, 4)
	if err := os.Truncate(path, block); err != nil {
		t.Skip(err) // not while it is open, on some systems
	}
	check(t, c, data, 0, 4*block) // was there before
	need(c, 4*block, 8*block)
	if _, err := c.ReadAt(make([]byte, 8*block), 4*block); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("lost bytes: %v", err)
	}
}

type panics struct{}

func (panics) ReadAt([]byte, int64) (int, error) { panic("ouch") }

type lies int

func (n lies) ReadAt([]byte, int64) (int, error) { return int(n), nil }

func TestOddReaders(t *testing.T) {
	for _, r := range []io.ReaderAt{panics{}, lies(-1), lies(1 << 20)} {
		c := open(t, r, 64*block, 40)
		need(c, 0, 8*block)
		settled(t, c, 8)
		for _, n := range []int{10, 20 * block} {
			if m, err := c.ReadAt(make([]byte, n), 0); err == nil || m != 0 || !strings.Contains(err.Error(), fmt.Sprintf("%T", r)) {
				t.Errorf("%T: %d bytes, error %v", r, m, err)
			}
		}
	}
}

// Close waits for reads in progress, and ends those that wait for them.
func TestCloseWhileReading(t *testing.T) {
	data := content(64 * block)
	settle := leak.Watch(t)
	f := &faulty{data: data, gate: make(chan struct{})}
	c, err := pagecache.New(f, int64(len(data)), pagecache.Options{Budget: 40 * (block + 64), BlockSize: block})
	if err != nil {
		t.Fatal(err)
	}
	need(c, 0, 3*block)
	need(c, 8*block, 3*block)
	errs := make(chan error, 3)
	for _, off := range []int64{0, 20 * block, 20 * block} { // being read ahead; being read; waits for that
		go func() { // ends with its read, which Close ends
			_, err := c.ReadAt(make([]byte, 2*block), off)
			errs <- err
		}()
	}
	time.Sleep(10 * time.Millisecond)
	closed := make(chan error)
	go func() { closed <- c.Close() }()
	select {
	case <-closed:
		t.Error("Close did not wait for reads into its memory")
	case <-time.After(20 * time.Millisecond):
	}
	close(f.gate)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for range 3 {
		if err := <-errs; err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Errorf("a read beside Close: %v", err)
		}
	}
	settle()
	if _, err := c.ReadAt(make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a read after Close: %v", err)
	}
	need(c, 0, 100)
	c.Forget()
	if err := c.Close(); err != nil || f.closed.Load() != 1 {
		t.Errorf("second Close: %v, the file was closed %d times", err, f.closed.Load())
	}
}

func TestAllocations(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	data := content(200 * block)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, keepOpen(t, path), len(data), 50)
	p := make([]byte, 10*block)
	at := 0
	if n := testing.AllocsPerRun(500, func() {
		at = (at + 77) % 190
		need(c, int64(at*block), int64(len(p)))
		c.ReadAt(p, int64(at*block))
		c.ReadAt(p[:10], int64((at+1)*block))
	}); n > 0.1 {
		t.Errorf("%.2f allocations a read", n)
	}
}

func BenchmarkReadAt(b *testing.B) {
	const size = 64 << 20
	f := &faulty{data: content(size)}
	c, err := pagecache.New(f, size, pagecache.Options{Budget: 16 << 20})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for _, n := range []int{128, 3 << 10, 192 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, rng := make([]byte, n), rand.New(rand.NewPCG(1, 2))
			b.SetBytes(int64(n))
			for b.Loop() {
				off := rng.Int64N(size - int64(n))
				need(c, off, int64(n))
				c.ReadAt(p, off)
			}
		})
	}
}

// Direct reads give the same bytes, where blocks are of sectors and where they
// are not, and at the end of a file that is no multiple of them.
func TestDirect(t *testing.T) {
	for _, size := range []int{0, 1, 4096, 100_000, 2_000_003} {
		data := content(size)
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, blockSize := range []int{block, 4096, pagecache.BlockSize} {
			settle := leak.Watch(t)
			c, err := pagecache.New(keepOpen(t, path), int64(size), pagecache.Options{Budget: 40 * int64(blockSize+64), BlockSize: blockSize, Direct: true})
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for range 100 {
				if size == 0 {
					break
				}
				off, n := rng.IntN(size), 1+rng.IntN(200_000)
				need(c, int64(off), int64(n))
				need(c, int64(rng.IntN(size)), int64(n))
				check(t, c, data, off, n)
			}
			if err := c.Invariants(); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			settle()
		}
	}
}

// several is files one after another with zeros between them.
type several struct{ list pagecache.FileList }

func (s *several) Files() pagecache.FileList { return s.list }

func (s *several) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	for k, f := range s.list.List {
		lo, hi := max(off, s.list.Bases[k]), min(off+int64(len(p)), s.list.Bases[k]+s.list.Sizes[k])
		if lo >= hi {
			continue
		}
		if _, err := f.ReadAt(p[lo-off:hi-off], lo-s.list.Bases[k]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// TestFiles: several files are read as one, directly or not, over their ends and
// in the zeros behind them, which are there even where a file has become longer.
func TestFiles(t *testing.T) {
	const unit = 16 * block
	var want []byte
	s, dir := new(several), t.TempDir()
	for k, size := range []int{3*unit + 17, 0, 1, unit, 2*unit - 1, 5} {
		data := content(size + k)[k:]
		path := filepath.Join(dir, fmt.Sprint(k))
		if err := os.WriteFile(path, append(data, "what was written meanwhile"...), 0o600); err != nil {
			t.Fatal(err)
		}
		f := keepOpen(t, path)
		t.Cleanup(func() { f.Close() })
		s.list.List = append(s.list.List, f)
		s.list.Bases = append(s.list.Bases, int64(len(want)))
		s.list.Sizes = append(s.list.Sizes, int64(size))
		want = append(want, data...)
		want = append(want, make([]byte, (unit-size%unit)%unit)...)
	}
	for _, direct := range []bool{false, true} {
		for _, blockSize := range []int{block, 4096, unit} {
			if unit%blockSize != 0 {
				continue
			}
			s.list.Direct = direct
			settle := leak.Watch(t)
			c, err := pagecache.New(s, int64(len(want)), pagecache.Options{Budget: 40 * int64(blockSize+64), BlockSize: blockSize})
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for range 300 {
				off, n := rng.IntN(len(want)), 1+rng.IntN(4*unit)
				need(c, int64(off), int64(n))
				check(t, c, want, off, n)
			}
			if err := c.Invariants(); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			settle()
		}
	}
}
