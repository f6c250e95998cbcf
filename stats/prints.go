package stats

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/betongo/betongo/internal/roll"
)

// entry is a hash of a sample's value.
type entry struct {
	hash   uint64
	sample int64
}

const entrySize = 16

func (a entry) compare(b entry) int {
	return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.sample, b.sample))
}

// prints are the hashes of a field's values, to be sorted. Of more than room of
// them, runs that are sorted go into a temporary file (internal/roll), 16 bytes
// an entry.
type prints struct {
	room int
	buf  []entry
	runs []int // where each run in the file ends, in entries
	file roll.Numbers
}

func (p *prints) add(hash uint64, sample int) error {
	if len(p.buf) == p.room {
		p.spill()
	}
	p.buf = append(p.buf, entry{hash, int64(sample)})
	return p.file.Err()
}

// spill moves the buffer into the file, as a run.
func (p *prints) spill() {
	slices.SortFunc(p.buf, entry.compare)
	for _, e := range p.buf {
		p.file.Append(int64(e.hash))
		p.file.Append(e.sample)
	}
	p.runs = append(p.runs, p.file.Len()/2)
	p.buf = p.buf[:0]
}

// seal ends the adding.
func (p *prints) seal() error {
	slices.SortFunc(p.buf, entry.compare)
	if len(p.runs) == 0 {
		return nil
	}
	return p.file.Seal()
}

func (p *prints) close() error { return p.file.Close() }

// len is the number of entries.
func (p *prints) len() int { return p.file.Len()/2 + len(p.buf) }

// all calls yield with all entries, sorted, until it returns false.
func (p *prints) all(yield func(entry) bool) {
	var m merged
	first := 0
	for _, end := range p.runs {
		m = append(m, run{p: p, at: first, end: end})
		first = end
	}
	m = append(m, run{p: p, at: 0, end: len(p.buf), buf: true})
	m = slices.DeleteFunc(m, func(r run) bool { return r.at == r.end })
	for i := range m {
		m[i].load()
	}
	heap.Init(&m)
	for len(m) > 0 {
		r := &m[0]
		if !yield(r.head) {
			return
		}
		if r.at++; r.at == r.end {
			heap.Pop(&m)
			continue
		}
		r.load()
		heap.Fix(&m, 0)
	}
}

// run is sorted entries that are merged with others.
type run struct {
	p       *prints
	at, end int
	buf     bool
	head    entry
}

func (r *run) load() {
	if r.buf {
		r.head = r.p.buf[r.at]
		return
	}
	r.head = entry{uint64(r.p.file.At(2 * r.at)), r.p.file.At(2*r.at + 1)}
}

// merged is a heap of runs, the one with the least entry first.
type merged []run

func (m merged) Len() int           { return len(m) }
func (m merged) Less(i, j int) bool { return m[i].head.compare(m[j].head) < 0 }
func (m merged) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merged) Push(x any)        { *m = append(*m, x.(run)) }
func (m *merged) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
