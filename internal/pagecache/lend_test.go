package pagecache_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/pagecache"
)

// lent borrows n bytes at off and compares them.
func lent(t testing.TB, c *pagecache.Cache, data []byte, off, n int) func() {
	t.Helper()
	b, done, err := c.Lend(int64(off), int64(n))
	if err != nil || done == nil || !bytes.Equal(b, data[off:off+n]) || cap(b) != n {
		t.Fatalf("%d bytes at %d of %d: got %d (%d), error %v, lent %v", n, off, len(data), len(b), cap(b), err, done != nil)
	}
	return done
}

// TestLend: what is lent is what ReadAt reads, where all has room.
func TestLend(t *testing.T) {
	for _, size := range []int{1, block - 1, block, block + 1, 20*block + 7, 200 * block} {
		data := content(size)
		file := &far{faulty: faulty{data: data}, reads: 4}
		for name, r := range map[string]io.ReaderAt{"near": &faulty{data: data}, "far": file, "in pieces": inPieces{far: file}} {
			c := open(t, r, size, size/block*5/4+9)
			for _, off := range []int{0, 1, block - 1, block, 7*block + 3, size - 1} {
				for _, n := range []int{1, block - 1, block, block + 1, 3 * block, 64*block + 1, size} {
					if off >= size || n > size-off {
						continue
					}
					need(c, int64(off), int64(n))
					done := lent(t, c, data, off, n)
					check(t, c, data, off, n)
					done()
				}
			}
			for _, r := range []pagecache.Range{{Off: -1, Len: 2}, {Off: 0, Len: 0}, {Off: 0, Len: -1}, {Off: int64(size), Len: 1}, {Off: 0, Len: int64(size) + 1}} {
				if b, done, err := c.Lend(r.Off, r.Len); b != nil || done != nil || err != nil {
					t.Errorf("%s: lent %v of %d bytes: %d bytes, error %v", name, r, size, len(b), err)
				}
			}
			if err := c.Invariants(); err != nil {
				t.Errorf("%s, %d bytes: %v", name, size, err)
			}
		}
	}
}

// TestLendNot: where frames give way nothing is lent, and what is long and was not
// announced goes past the cache.
func TestLendNot(t *testing.T) {
	data := content(100 * block)
	small := open(t, &faulty{data: data}, len(data), 99)
	whole := open(t, &faulty{data: data}, len(data), 101)
	for _, c := range []*pagecache.Cache{small, whole} {
		if b, done, err := c.Lend(block, 5*block); b != nil || done != nil || err != nil {
			t.Errorf("%d bytes, error %v", len(b), err)
		}
	}
	lent(t, whole, data, 50, 2*block)() // short: read into frames
	if s := whole.Stats(); s.Misses != 3 || s.Hits != 0 || s.Bytes != 3*block {
		t.Errorf("%+v", s)
	}
	lent(t, whole, data, 50, 3*block)() // a fourth block
	if s := whole.Stats(); s.Misses != 4 || s.Hits != 3 || s.Bytes != 4*block {
		t.Errorf("then %+v", s)
	}
}

// TestLendStays: what is lent stays as it is while everything else is read, announced
// and taken back, by many at once.
func TestLendStays(t *testing.T) {
	data := content(400 * block)
	f := &far{faulty: faulty{data: data}, reads: 8, wait: 50 * time.Microsecond}
	c := open(t, inPieces{far: f}, len(data), 500)
	c.WillScan()
	var wait sync.WaitGroup
	for seed := range 8 {
		wait.Add(1)
		go func() { // ends after its reads
			defer wait.Done()
			r := rand.New(rand.NewPCG(1, uint64(seed)))
			type loan struct {
				b    []byte
				off  int
				done func()
			}
			var loans []loan
			for k := range 300 {
				n := 1 + r.IntN(6*block)
				off := r.IntN(len(data) - n)
				switch need(c, int64(off), int64(n)); k % 7 {
				case 3:
					check(t, c, data, off, n)
				case 5:
					c.Forget()
				}
				b, done, err := c.Lend(int64(off), int64(n))
				if err != nil {
					t.Error(err)
				}
				if done != nil {
					loans = append(loans, loan{b, off, done})
				}
			}
			if len(loans) < 200 {
				t.Errorf("%d of 300 were lent", len(loans))
			}
			for _, l := range loans {
				if !bytes.Equal(l.b, data[l.off:l.off+len(l.b)]) {
					t.Errorf("%d bytes at %d changed while they were lent", len(l.b), l.off)
				}
				l.done()
			}
		}()
	}
	wait.Wait()
	if err := c.Invariants(); err != nil {
		t.Error(err)
	}
}

// TestLendFails: what can't be read is an error from afar, and left to ReadAt on a
// disk; later it may be there.
func TestLendFails(t *testing.T) {
	data := content(50 * block)
	bad := errors.New("bad")
	for name, distant := range map[string]bool{"near": false, "far": true} {
		var healed atomic.Bool
		f := &far{faulty: faulty{data: data, fail: func(int64, int) error {
			if healed.Load() {
				return nil
			}
			return bad
		}}, reads: 4}
		var r io.ReaderAt = &f.faulty
		if distant {
			r = f
		}
		c := open(t, r, len(data), 60)
		if b, done, err := c.Lend(10*block, 2*block); b != nil || done != nil || errors.Is(err, bad) != distant {
			t.Errorf("%s: %d bytes, error %v", name, len(b), err)
		}
		need(c, 20*block, 2*block)
		for deadline := time.Now().Add(5 * time.Second); c.Stats().Failed == 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		healed.Store(true)
		lent(t, c, data, 10*block, 2*block)()
		lent(t, c, data, 20*block, 2*block)()
		if err := c.Invariants(); err != nil {
			t.Error(err)
		}
	}
}

// TestLendClose: Close waits for what is lent, and for who waits for bytes; then
// nothing is lent.
func TestLendClose(t *testing.T) {
	data := content(64 * block)
	settle := leak.Watch(t)
	c, err := pagecache.New(&faulty{data: data}, int64(len(data)), pagecache.Options{Budget: 80 * (block + 64), BlockSize: block})
	if err != nil {
		t.Fatal(err)
	}
	first, second := lent(t, c, data, 0, block), lent(t, c, data, 10, block)
	closed := make(chan error, 1)
	go func() { closed <- c.Close() }()
	for _, done := range []func(){first, second} {
		select {
		case <-closed:
			t.Fatal("Close did not wait for what is lent")
		case <-time.After(20 * time.Millisecond):
		}
		if _, no, err := c.Lend(0, block); no != nil || !errors.Is(err, fs.ErrClosed) {
			t.Errorf("lent beside Close: %v", err)
		}
		done()
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	settle()
	if _, no, err := c.Lend(0, block); no != nil || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("lent after Close: %v", err)
	}
}

func TestLendAllocations(t *testing.T) {
	data := content(200 * block)
	c := open(t, &faulty{data: data}, len(data), 210)
	need(c, 0, int64(len(data)))
	settled(t, c, 200)
	at := 0
	if n := testing.AllocsPerRun(500, func() {
		at = (at + 77) % 190
		_, done, _ := c.Lend(int64(at*block), 10*block)
		done()
	}); n > 0 {
		t.Errorf("%.2f allocations a loan", n)
	}
}

// TestLendCloseBusy: Close may come at any time, to those who borrow, read and
// announce: nothing is gone before it was given back, and Close ends.
func TestLendCloseBusy(t *testing.T) {
	data := content(300 * block)
	for round := range 30 {
		settle := leak.Watch(t)
		f := &far{faulty: faulty{data: data}, reads: 4, wait: 20 * time.Microsecond}
		c, err := pagecache.New(inPieces{far: f}, int64(len(data)), pagecache.Options{Budget: 400 * (block + 64), BlockSize: block})
		if err != nil {
			t.Fatal(err)
		}
		var wait sync.WaitGroup
		for seed := range 6 {
			wait.Add(1)
			go func() { // ends when the cache is closed
				defer wait.Done()
				r := rand.New(rand.NewPCG(uint64(round), uint64(seed)))
				p := make([]byte, 3*block)
				for {
					n := 1 + r.IntN(3*block)
					off := r.IntN(len(data) - n)
					if r.IntN(2) == 0 {
						need(c, int64(off), int64(n))
					}
					if r.IntN(4) == 0 {
						if _, err := c.ReadAt(p[:n], int64(off)); err != nil {
							return
						}
					}
					b, done, err := c.Lend(int64(off), int64(n))
					if err != nil {
						if !errors.Is(err, fs.ErrClosed) {
							t.Error(err)
						}
						return
					}
					if done != nil {
						if !bytes.Equal(b, data[off:off+n]) {
							t.Errorf("other bytes at %d", off)
						}
						done()
					}
				}
			}()
		}
		time.Sleep(time.Duration(round) * 100 * time.Microsecond)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		wait.Wait()
		settle()
	}
}
