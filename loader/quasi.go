package loader

import (
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
)

// Pager is the ability of a Dataset that keeps its samples in pages and knows
// which: what QuasiRandom needs. *ffcv.File has it.
type Pager interface {
	// Header tells the page size and, by AllocTable, where the pages end.
	Header() ffcv.Header
	// Entries yields the allocation table in the order of the file.
	Entries() iter.Seq2[alloc.Entry, error]
}

type quasiRandom struct{}

func (quasiRandom) Plan(s Selection) (Plan, error) {
	pages, err := pagesOf(s)
	if err != nil {
		return nil, fmt.Errorf("quasi-random order of %s: %w", s.Dataset.Name(), err)
	}
	return &quasiPlan{sel: s, first: pages}, nil
}

// pageList is the samples of each page, one page after another: those of page
// p are samples[ends[p-1]:ends[p]].
type pageList struct {
	samples []uint32
	ends    []int
}

func (l *pageList) page(p int) []uint32 {
	lo := 0
	if p > 0 {
		lo = l.ends[p-1]
	}
	return l.samples[lo:l.ends[p]]
}

// readPages lists the selected samples of each page in the order in which
// FFCV's Python sets yield them.
func readPages(pager Pager, s Selection) (*pageList, error) {
	h := pager.Header()
	n := s.Dataset.Len()
	if uint64(n) > math.MaxUint32 {
		return nil, fmt.Errorf("%d samples: at most %d", n, uint32(math.MaxUint32))
	}
	if bits.OnesCount32(h.PageSize) != 1 {
		return nil, fmt.Errorf("page size %d is not a power of two", h.PageSize)
	}
	shift := bits.TrailingZeros32(h.PageSize)
	selected, err := newSelected(n, s)
	if err != nil {
		return nil, err
	}
	// Two passes: count, then place. A sample with several regions has several
	// entries in a row; only the first counts (more would be no error).
	var ends []int
	err = eachPlace(pager, h, n, shift, func(page int, _ uint32) {
		for len(ends) <= page {
			ends = append(ends, 0)
		}
		ends[page]++
	})
	if err != nil {
		return nil, err
	}
	total := 0
	for p, c := range ends {
		ends[p] = total
		total += c
	}
	samples := make([]uint32, total)
	err = eachPlace(pager, h, n, shift, func(page int, sample uint32) {
		samples[ends[page]] = sample
		ends[page]++
	})
	if err != nil {
		return nil, err
	}
	return orderPages(&pageList{samples, ends}, selected, s)
}

// eachPlace calls f with the page and sample of every allocation, once for
// allocations of one sample that follow each other in a page.
func eachPlace(pager Pager, h ffcv.Header, n, shift int, f func(page int, sample uint32)) error {
	lastPage, lastSample := -1, uint64(0)
	for e, err := range pager.Entries() {
		if err != nil {
			return err
		}
		if e.Sample >= uint64(n) || e.Ptr >= h.AllocTable {
			return fmt.Errorf("allocation of sample %d at %d: want samples below %d, pointers below %d", e.Sample, e.Ptr, n, h.AllocTable)
		}
		page := int(e.Ptr >> shift)
		if page == lastPage && e.Sample == lastSample {
			continue
		}
		lastPage, lastSample = page, e.Sample
		f(page, uint32(e.Sample))
	}
	return nil
}

// orderPages puts each page's samples in the order of a Python set, in place,
// and leaves only the selected ones.
func orderPages(l *pageList, selected *bitset, s Selection) (*pageList, error) {
	if len(l.samples) == 0 && s.Len > 0 {
		return nil, fmt.Errorf("no sample has data in pages: Random serves as well")
	}
	var set pythonSet
	kept, lo := 0, 0
	for p, hi := range l.ends {
		set.reset()
		for _, v := range l.samples[lo:hi] {
			set.add(uint64(v))
		}
		lo = hi
		set.each(func(v uint64) {
			if selected.take(int(v)) {
				l.samples[kept] = uint32(v)
				kept++
			}
		})
		l.ends[p] = kept
	}
	l.samples = l.samples[:kept:kept]
	if kept != s.Len {
		return nil, fmt.Errorf("%d of %d samples have no data in pages", s.Len-kept, s.Len)
	}
	return l, nil
}

// bitset marks samples that are selected and not met yet.
type bitset struct{ words []uint64 }

func newSelected(n int, s Selection) (*bitset, error) {
	b := &bitset{make([]uint64, (n+63)/64)}
	for i := range s.Len {
		v := s.Sample(i)
		if b.words[v/64]>>(v%64)&1 != 0 {
			return nil, fmt.Errorf("sample %d is selected twice", v)
		}
		b.words[v/64] |= 1 << (v % 64)
	}
	return b, nil
}

// take tells whether v is marked, and unmarks it: a sample with data in two
// pages (FFCV writes none) counts for the first.
func (b *bitset) take(v int) bool {
	w, m := &b.words[v/64], uint64(1)<<(v%64)
	found := *w&m != 0
	*w &^= m
	return found
}

// quasiPlan keeps FFCV's state: its in-page shuffles work on the outcome of
// the epochs before, starting with one that its Loader makes when constructed.
type quasiPlan struct {
	sel   Selection
	first *pageList // before any shuffle; never written

	mu    sync.Mutex
	state []uint32 // samples after the shuffles of epoch
	epoch int

	given spare[uint32]
}

func (p *quasiPlan) String() string { return "quasi-random" }

func (p *quasiPlan) Len() int { return p.sel.Len }

func (p *quasiPlan) Epoch(s Start) (Sequence, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == nil || p.epoch > s.Epoch {
		p.state = append(p.state[:0], p.first.samples...)
		pages := &pageList{p.state, p.first.ends}
		shufflePages(pages, p.seed(0)) // the constructor's
		shufflePages(pages, p.seed(0))
		p.epoch = 0
	}
	pages := &pageList{p.state, p.first.ends}
	for p.epoch < s.Epoch {
		p.epoch++
		shufflePages(pages, p.seed(p.epoch))
	}
	samples := p.given.get(len(p.state))
	copy(samples, p.state)
	return newQuasiSequence(&pageList{samples, p.first.ends}, p.seed(s.Epoch), 2*s.BatchSize, &p.given), nil
}

func (p *quasiPlan) seed(epoch int) uint32 { return uint32(p.sel.Seed*912300 + uint64(epoch)) }

// shufflePages is Numba's random.seed(seed) and random.shuffle of each page in
// turn.
func shufflePages(l *pageList, seed uint32) {
	g := newMT19937(seed)
	for p := range l.ends {
		a := l.page(p)
		for i := len(a) - 1; i > 0; i-- {
			shift := 32 - bits.Len(uint(i+1))
			j := g.uint32() >> shift
			for j > uint32(i) {
				j = g.uint32() >> shift
			}
			a[i], a[j] = a[j], a[i]
		}
	}
}

// masked draws from [0, limit] as Numba's np.random does.
func (m *mt19937) masked(limit int) int {
	if limit == 0 {
		return 0
	}
	mask := uint32(1)<<bits.Len(uint(limit)) - 1
	for {
		if v := m.uint32() & mask; v <= uint32(limit) {
			return int(v)
		}
	}
}

// quasiSequence yields the samples of shuffled pages: from a window of so many
// pages one is drawn for each sample. It walks over the positions that other
// ranks have.
type quasiSequence struct {
	pages  *pageList
	seed   uint32
	window int
	free   *spare[uint32]

	g     *mt19937
	order []uint32   // pages
	left  []uint32   // of order
	open  [][]uint32 // what is left of the pages in the window
	at    int        // next position
}

func newQuasiSequence(pages *pageList, seed uint32, window int, free *spare[uint32]) *quasiSequence {
	q := &quasiSequence{pages: pages, seed: seed, window: window, free: free, order: make([]uint32, len(pages.ends))}
	q.begin()
	return q
}

// begin goes to the front.
func (q *quasiSequence) begin() {
	q.g = newMT19937(q.seed)
	for i := range q.order {
		q.order[i] = uint32(i)
	}
	for i := len(q.order) - 1; i > 0; i-- {
		j := q.g.masked(i)
		q.order[i], q.order[j] = q.order[j], q.order[i]
	}
	q.left, q.open, q.at = q.order, q.open[:0], 0
}

func (q *quasiSequence) next() int {
	for len(q.left) > 0 && len(q.open) < q.window {
		if page := q.pages.page(int(q.left[0])); len(page) > 0 {
			q.open = append(q.open, page)
		}
		q.left = q.left[1:]
	}
	k := q.g.masked(len(q.open) - 1)
	v := q.open[k][0]
	if q.open[k] = q.open[k][1:]; len(q.open[k]) == 0 {
		q.open = slices.Delete(q.open, k, k+1)
	}
	q.at++
	return int(v)
}

func (q *quasiSequence) Fill(dst []int, from, step int) error {
	if from < q.at {
		q.begin()
	}
	for i := range dst {
		for q.at < from+i*step {
			q.next()
		}
		dst[i] = q.next()
	}
	return nil
}

func (q *quasiSequence) Close() { q.free.put(q.pages.samples) }

// pythonSet yields small non-negative integers in the order in which a set of
// CPython (3.7 and later) does: by place in its hash table, which depends on
// the order in which they came.
type pythonSet struct {
	table []uint64 // value+1, 0 is free; length a power of two
	used  int
	spare []uint64
}

const (
	pythonSetSize   = 8 // of an empty table
	pythonSetProbes = 9 // neighbours tried before the next jump
)

func (s *pythonSet) reset() {
	if cap(s.table) < pythonSetSize {
		s.table = make([]uint64, pythonSetSize)
	}
	s.table = s.table[:pythonSetSize]
	clear(s.table)
	s.used = 0
}

func (s *pythonSet) add(v uint64) {
	if !insertPython(s.table, v+1) {
		return
	}
	s.used++
	mask := len(s.table) - 1
	if s.used*5 < mask*3 {
		return
	}
	want := s.used * 4
	if s.used > 50000 {
		want = s.used * 2
	}
	size := pythonSetSize
	for size <= want {
		size <<= 1
	}
	bigger := slices.Grow(s.spare[:0], size)[:size]
	clear(bigger)
	for _, e := range s.table {
		if e != 0 {
			insertPython(bigger, e)
		}
	}
	s.table, s.spare = bigger, s.table
}

// insertPython places e and tells whether it is new. An integer's hash is
// itself (below 2⁶¹-1).
func insertPython(table []uint64, e uint64) bool {
	mask := uint64(len(table) - 1)
	hash := e - 1
	perturb, i := hash, hash&mask
	for {
		last := i
		if i+pythonSetProbes <= mask {
			last += pythonSetProbes
		}
		for j := i; j <= last; j++ {
			switch table[j] {
			case 0:
				table[j] = e
				return true
			case e:
				return false
			}
		}
		perturb >>= 5
		i = (i*5 + 1 + perturb) & mask
	}
}

func (s *pythonSet) each(f func(v uint64)) {
	for _, e := range s.table {
		if e != 0 {
			f(e - 1)
		}
	}
}
