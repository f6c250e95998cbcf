package loader

import (
	"fmt"
	"sort"

	"github.com/betongo/betongo/internal/hash"
)

// BlockShuffle shuffles blocks of samples that follow each other, and then the
// samples of each Window blocks among themselves: a rank reads from no more than
// so many places of the file at a time. Each rank has blocks of its own (one is
// shared where shares meet), so long as the epoch runs with as many as it began
// with. Memory does not grow with the dataset, and an epoch goes on anywhere at
// once.
type BlockShuffle struct {
	// Block is the number of samples in a block; 0 means 256.
	Block int
	// Window is the number of blocks whose samples are mixed; 0 means 64, or of a
	// dataset that reads through a cache (Budgeter) no more than fill three
	// quarters of it: more would be read several times. An epoch goes on under
	// another budget, and several ranks read one order under different ones, with a
	// Window that is set. With 1, blocks come one after another.
	Window int
}

// Plan implements Order.
func (o BlockShuffle) Plan(s Selection) (Plan, error) {
	if o.Block == 0 {
		o.Block = 256
	}
	if o.Block < 0 || o.Window < 0 {
		return nil, fmt.Errorf("block shuffle: blocks of %d, a window of %d: want 1 or more", o.Block, o.Window)
	}
	w := newWindow(&s, "block shuffle", "blocks", o.Window, (s.Len-1)/o.Block+1, float64(o.Block)*sampleBytes(s.Dataset))
	return &blockPlan{w, o.Block, s}, nil
}

type blockPlan struct {
	window
	size int // of a block
	sel  Selection
}

func (p *blockPlan) String() string { return fmt.Sprintf("block shuffle of %d by %d", p.n, p.size) }

func (p *blockPlan) Len() int { return p.sel.Len }

func (p *blockPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	key := orderKey(p.sel.Seed, s.Epoch, "block shuffle")
	return newWindows(newBlocks(&p.sel, p.size, key), p.sel.Len, p.n, s.WorldSize, key), nil
}

// arrangement is how an epoch's samples lie before they are mixed: shuffled blocks,
// one after another.
type arrangement interface {
	blocks() int
	start(k int) int         // where block k begins; of k = blocks() the end
	find(at, lo, hi int) int // the block, of lo … hi-1, that place at belongs to
	sample(k, off int) int   // the dataset's number of a block's sample
}

// blocks are of one size, but the last of the selection, which may be short.
type blocks struct {
	sel   *Selection
	size  int
	order *bijection
	short int // the place of the short one in the order
	lacks int // samples, of the short one
}

func newBlocks(sel *Selection, size int, key uint64) *blocks {
	n := sel.Len / size
	b := &blocks{sel: sel, size: size}
	if rest := sel.Len % size; rest > 0 {
		n, b.lacks = n+1, size-rest
	}
	b.order = newBijection(n, key)
	if n > 0 {
		b.short = b.order.position(n - 1)
	}
	return b
}

func (b *blocks) blocks() int { return int(b.order.n) }

func (b *blocks) start(k int) int {
	if k > b.short {
		return k*b.size - b.lacks
	}
	return k * b.size
}

func (b *blocks) find(at, _, _ int) int {
	if at/b.size < b.short {
		return at / b.size
	}
	if at-b.short*b.size < b.size-b.lacks {
		return b.short
	}
	return b.short + 1 + (at-b.start(b.short+1))/b.size
}

func (b *blocks) sample(k, off int) int { return b.sel.Sample(b.order.at(k)*b.size + off) }

// windows is a Sequence over an arrangement. As many streams as there were ranks when
// the epoch began each take a part of it, one after another, and their samples
// come in turn. A stream's samples are mixed in windows of so many blocks.
type windows struct {
	of      arrangement
	n       int
	window  int // blocks
	key     uint64
	streams []stream
}

// stream is a part of the arrangement.
type stream struct {
	lo, hi int // places
	first  int // block
	made   bool
	open   opened // the one that was used last
}

// opened is some blocks of a stream, mixed.
type opened struct {
	lo, hi     int // places
	first, end int // blocks
	order      bijection
}

func newWindows(of arrangement, n, window, world int, key uint64) *windows {
	return &windows{of: of, n: n, window: window, key: hash.Mix(key ^ hash.Weyl), streams: make([]stream, min(world, max(n, 1)))}
}

func (w *windows) Fill(dst []int, from, step int) error {
	world := len(w.streams)
	for i := range dst {
		at := from + i*step
		k := at % world
		s := &w.streams[k]
		if !s.made {
			w.begin(s, k)
		}
		place := s.lo + at/world
		if place < s.open.lo || place >= s.open.hi {
			w.open(s, k, place)
		}
		place = s.open.lo + s.open.order.at(place-s.open.lo)
		block := w.of.find(place, s.open.first, s.open.end)
		dst[i] = w.of.sample(block, place-w.of.start(block))
	}
	return nil
}

func (w *windows) Close() {}

// begin finds a stream's part.
func (w *windows) begin(s *stream, k int) {
	world := len(w.streams)
	share, rest := w.n/world, w.n%world
	s.lo = k*share + min(k, rest)
	s.hi = s.lo + share
	if k < rest {
		s.hi++
	}
	s.first, s.made = w.of.find(s.lo, 0, w.of.blocks()), true
}

// open mixes the window that a place is in.
func (w *windows) open(s *stream, k, place int) {
	o, all := &s.open, w.of.blocks()
	number := (w.of.find(place, s.first, all) - s.first) / w.window
	o.first, o.end = s.first+number*w.window, all
	if w.window < all-o.first {
		o.end = o.first + w.window
	}
	o.lo, o.hi = max(s.lo, w.of.start(o.first)), min(s.hi, w.of.start(o.end))
	o.order.init(o.hi-o.lo, draw(draw(w.key, uint64(k)), uint64(number)))
}

// PageShuffle is BlockShuffle over the data pages of the file, which are what a
// file larger than memory is read by: each is read once an epoch, and a rank has
// no more than Window of them open. Unlike QuasiRandom its ranks have pages of
// their own and an epoch goes on anywhere at once. It keeps 4 bytes a sample. The
// dataset must be a Pager. Samples without data in pages and Indices with repeats
// are errors.
type PageShuffle struct {
	// Window is the number of pages whose samples are mixed; 0 means 64, or no more
	// than the dataset's cache has room for, as with BlockShuffle.
	Window int
}

// Plan implements Order.
func (o PageShuffle) Plan(s Selection) (Plan, error) {
	if o.Window < 0 {
		return nil, fmt.Errorf("page shuffle: a window of %d pages: want 1 or more", o.Window)
	}
	list, err := pagesOf(s)
	if err != nil {
		return nil, fmt.Errorf("page shuffle of %s: %w", s.Dataset.Name(), err)
	}
	p := &pagePlan{sel: s, list: list}
	lo := 0
	for k, hi := range list.ends {
		if hi > lo {
			p.full = append(p.full, k)
		}
		lo = hi
	}
	p.window = newWindow(&s, "page shuffle", "pages", o.Window, len(p.full), bytesOfPage(&s, len(p.full)))
	return p, nil
}

// pagesOf lists the selected samples of each page.
func pagesOf(s Selection) (*pageList, error) {
	pager, ok := s.Dataset.(Pager)
	if !ok {
		return nil, fmt.Errorf("a %T does not tell its pages", s.Dataset)
	}
	return readPages(pager, s)
}

type pagePlan struct {
	window
	sel  Selection
	list *pageList
	full []int // pages with samples
}

func (p *pagePlan) String() string { return fmt.Sprintf("page shuffle of %d", p.n) }

func (p *pagePlan) Len() int { return p.sel.Len }

func (p *pagePlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	key := orderKey(p.sel.Seed, s.Epoch, "page shuffle")
	o := &pages{plan: p, order: newBijection(len(p.full), key), starts: make([]int, 1, len(p.full)+1)}
	for k := range p.full {
		o.starts = append(o.starts, o.starts[k]+len(o.page(k)))
	}
	return newWindows(o, p.sel.Len, p.n, s.WorldSize, key), nil
}

// pages is the arrangement of an epoch's pages.
type pages struct {
	plan   *pagePlan
	order  *bijection
	starts []int
}

func (o *pages) page(k int) []uint32 { return o.plan.list.page(o.plan.full[o.order.at(k)]) }

func (o *pages) blocks() int { return len(o.starts) - 1 }

func (o *pages) start(k int) int { return o.starts[k] }

func (o *pages) find(at, lo, hi int) int { return lo + sort.SearchInts(o.starts[lo:hi], at+1) - 1 }

func (o *pages) sample(k, off int) int { return int(o.page(k)[off]) }
