package pagecache_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/pagecache"
)

// far is a file far away: it says how many reads at a time are worth it, and how
// many bytes one is.
type far struct {
	faulty
	reads int
	gap   int64

	mu        sync.Mutex
	now, most int
	wait      time.Duration
	asked     [][2]int64 // off, length
}

func (f *far) Reads() int { return f.reads }
func (f *far) Gap() int64 { return f.gap }

func (f *far) ReadAt(p []byte, off int64) (int, error) {
	f.mu.Lock()
	f.now++
	f.most = max(f.most, f.now)
	f.asked = append(f.asked, [2]int64{off, int64(len(p))})
	f.mu.Unlock()
	time.Sleep(f.wait)
	n, err := f.faulty.ReadAt(p, off)
	f.mu.Lock()
	f.now--
	f.mu.Unlock()
	return n, err
}

// inPieces is one that reads into pieces, unless it is told not to.
type inPieces struct {
	*far
	refuses bool
	does    func() (int64, error) // instead, nil: reads
}

func (f inPieces) ReadPieces(pieces [][]byte, off int64) (n int64, err error) {
	if f.refuses {
		return 0, errors.ErrUnsupported
	}
	if f.does != nil {
		return f.does()
	}
	for _, p := range pieces {
		n += int64(len(p))
	}
	b := make([]byte, n)
	if _, err := f.ReadAt(b, off); err != nil {
		return 0, err
	}
	for _, p := range pieces {
		b = b[copy(p, b):]
	}
	return n, nil
}

// kinds are a file as it is, as one that reads into pieces, and as one that can't
// where it is asked to.
func (f *far) kinds() map[string]io.ReaderAt {
	return map[string]io.ReaderAt{"": f, ", in pieces": inPieces{far: f}, ", in no pieces": inPieces{far: f, refuses: true}}
}

// count is how many reads there were.
func (f *far) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.asked)
}

// TestFarTogether: what is announced comes with one read if no more lies between
// than that is worth, in whatever order it was announced; and what was read along
// is there.
func TestFarTogether(t *testing.T) {
	data := content(1000*block + 5)
	for name, c := range map[string]struct {
		need []int // blocks
		want [][2]int64
	}{
		"neighbours":   {[]int{5, 6, 7}, [][2]int64{{5, 3}}},
		"in any order": {[]int{7, 5, 6, 4}, [][2]int64{{4, 4}}},
		"a gap":        {[]int{10, 13, 16}, [][2]int64{{10, 7}}},
		"too far":      {[]int{10, 14}, [][2]int64{{10, 1}, {14, 1}}},
		"from behind":  {[]int{16, 10, 13, 21}, [][2]int64{{10, 7}, {21, 1}}},
		"the end":      {[]int{1000, 998}, [][2]int64{{998, 3}}},
		"the begin":    {[]int{1, 0}, [][2]int64{{0, 2}}},
		"long":         {sequence(100, 100), [][2]int64{{100, 64}, {164, 36}}},
	} {
		f := &far{faulty: faulty{data: data}, reads: 4, gap: 2 * block}
		for kind, r := range f.kinds() {
			t.Run(name+kind, func(t *testing.T) {
				f.asked = nil
				cache := open(t, r, len(data), 2000)
				var list []pagecache.Range
				for _, b := range c.need {
					list = append(list, pagecache.Range{Off: int64(b * block), Len: 5})
				}
				cache.WillNeed(list)
				blocks := 0
				for _, w := range c.want {
					blocks += int(w[1])
				}
				settled(t, cache, int64(blocks))
				slices.SortFunc(f.asked, func(a, b [2]int64) int { return int(a[0] - b[0]) })
				var got [][2]int64
				for _, a := range f.asked {
					got = append(got, [2]int64{a[0] / block, (a[1] + block - 1) / block})
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("reads of blocks %v, want %v", got, c.want)
				}
				for _, w := range c.want {
					check(t, cache, data, int(w[0])*block, min(int(w[1])*block, len(data)-int(w[0])*block))
				}
				if s := cache.Stats(); s.Misses > 0 {
					t.Errorf("%+v", s)
				}
				if err := cache.Invariants(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func sequence(from, n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = from + i
	}
	return list
}

// TestFarAtOnce: as many reads are on their way as are worth it.
func TestFarAtOnce(t *testing.T) {
	data := content(1000 * block)
	f := &far{faulty: faulty{data: data}, reads: 32, wait: 5 * time.Millisecond}
	c := open(t, f, len(data), 2000)
	var list []pagecache.Range
	for b := range 200 {
		list = append(list, pagecache.Range{Off: int64(b * 5 * block), Len: 5})
	}
	c.WillNeed(list)
	settled(t, c, 200)
	if f.most != 32 {
		t.Errorf("%d reads at a time, want 32", f.most)
	}
}

// TestFarFailure: a failure from afar is told once it came, and not asked for
// again piece by piece.
func TestFarFailure(t *testing.T) {
	data := content(100 * block)
	bad := errors.New("gone")
	f := &far{faulty: faulty{data: data, fail: func(int64, int) error { return bad }}, reads: 2, gap: 4 * block}
	c := open(t, f, len(data), 200)
	c.WillNeed([]pagecache.Range{{Off: 0, Len: 10 * block}, {Off: 12 * block, Len: block}})
	for range 1000 {
		if s := c.Stats(); s.Failed > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := c.ReadAt(make([]byte, 3*block), 0); !errors.Is(err, bad) {
		t.Errorf("%v", err)
	}
	if len(f.asked) != 2 {
		t.Errorf("%d reads, want one ahead and one", len(f.asked))
	}
	if err := c.Invariants(); err != nil {
		t.Error(err)
	}
	f.fail = nil
	check(t, c, data, 0, 20*block)
}

// TestFarRandom: any reads by many, in memory of any size, give the file's bytes.
func TestFarRandom(t *testing.T) {
	data := content(300*block + 11)
	for _, blocks := range []int{12, 40, 400} {
		f := &far{faulty: faulty{data: data}, reads: 5, gap: 3 * block}
		for _, r := range f.kinds() {
			c := open(t, r, len(data), blocks)
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Add(1)
				go func() { // ends after its reads
					defer wg.Done()
					rng := rand.New(rand.NewPCG(1, uint64(g)))
					for range 300 {
						var list []pagecache.Range
						for range 5 {
							list = append(list, pagecache.Range{Off: rng.Int64N(int64(len(data))), Len: 1 + rng.Int64N(3*block)})
						}
						c.WillNeed(list)
						for _, r := range list {
							check(t, c, data, int(r.Off), int(r.Len))
						}
					}
				}()
			}
			wg.Wait()
			if err := c.Invariants(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFarPiecesFail: what goes wrong with pieces is an error, and the memory is in
// order.
func TestFarPiecesFail(t *testing.T) {
	data := content(100 * block)
	for name, does := range map[string]func() (int64, error){
		"an error": func() (int64, error) { return 3 * block, errors.New("gone") },
		"a panic":  func() (int64, error) { panic("gone") },
		"a lie":    func() (int64, error) { return 2 * block, nil },
	} {
		t.Run(name, func(t *testing.T) {
			f := &far{faulty: faulty{data: data}, reads: 2}
			c := open(t, inPieces{far: f, does: does}, len(data), 200)
			need(c, 0, 10*block)
			settled(t, c, 10)
			if s := c.Stats(); s.Failed != 10 || s.Ahead != 0 {
				t.Errorf("%+v", s)
			}
			if n, err := c.ReadAt(make([]byte, 3*block), 0); n != 0 || err == nil {
				t.Errorf("%d bytes, %v", n, err)
			}
			if err := c.Invariants(); err != nil {
				t.Error(err)
			}
			check(t, c, data, 20*block, block) // one is not read in pieces
		})
	}
}

// TestFarInOrder: who reads one thing after another, and announces nothing, does
// not wait for each.
func TestFarInOrder(t *testing.T) {
	data := content(4000 * block)
	for _, size := range []int{100, block, 5*block - 3} {
		f := &far{faulty: faulty{data: data}, reads: 8, wait: 2 * time.Millisecond}
		c := open(t, f, len(data), 1000)
		start, reads := time.Now(), 0
		for off := 0; off < 1500*block; off += size {
			check(t, c, data, off, size)
			reads++
		}
		took := time.Since(start)
		n := f.count()
		t.Logf("%d reads of %d bytes: %d of the file, %v", reads, size, n, took)
		if n > 200 || f.bytes.Load() > 2500*block {
			t.Errorf("%d reads of %d bytes: %d of the file, %d bytes", reads, size, n, f.bytes.Load())
		}
	}
}

// TestFarHereAndThere: who reads here and there has nothing read along.
func TestFarHereAndThere(t *testing.T) {
	data := content(4000 * block)
	f := &far{faulty: faulty{data: data}, reads: 8}
	c := open(t, f, len(data), 1000)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		check(t, c, data, rng.IntN(2000)*2*block, 3)
	}
	if n := f.bytes.Load(); n > 200*block {
		t.Errorf("%d bytes, want at most %d", n, 200*block)
	}
}

// TestFarScan: who will read most of a file for which there is room gets the
// neighbours of what is announced with it.
func TestFarScan(t *testing.T) {
	data := content(1000 * block)
	f := &far{faulty: faulty{data: data}, reads: 4}
	c := open(t, f, len(data), 2000)
	c.WillScan()
	for i := range 200 { // 7 is prime to 200: in some order, each once
		need(c, int64(i*7%200*5*block), 2*block)
	}
	settled(t, c, 1000)
	if n := f.count(); n > 1000/32+1 { // groups of 32 blocks
		t.Errorf("%d reads of 1000 blocks", n)
	}
	for b := range 1000 {
		check(t, c, data, b*block, block)
	}
	if s := c.Stats(); s.Misses > 0 || s.Bytes != int64(len(data)) {
		t.Errorf("%+v", s)
	}
	if err := c.Invariants(); err != nil {
		t.Error(err)
	}
}

// TestFarScanSmall: where not all has room nothing is read along.
func TestFarScanSmall(t *testing.T) {
	data := content(1000 * block)
	f := &far{faulty: faulty{data: data}, reads: 4}
	c := open(t, f, len(data), 700)
	c.WillScan()
	for i := range 200 {
		at := i * 7 % 200 * 5 * block
		need(c, int64(at), 2*block)
		check(t, c, data, at, 2*block)
	}
	if s := c.Stats(); s.Bytes != 400*block {
		t.Errorf("%d bytes of the %d that were asked for were read: %+v", s.Bytes, 400*block, s)
	}
}
