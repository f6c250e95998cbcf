package stats

import (
	"bytes"
	"cmp"
	"context"
	"iter"
	"math/bits"
	"slices"
)

// side is one of the datasets whose values are compared: of Survey there is one,
// of Overlap there are two.
type side struct {
	r     *reader
	k     int // the field
	p     *probe
	found *prints
}

// held is a value that others are compared with, a copy of which is in memory.
type held struct {
	head  uint64
	bytes []byte

	counts [2]int
	first  [2][]int // samples, at most limit
}

// same finds values that are the same, by their hashes, and confirms each by its
// bytes. What can't be read again is left out; it is counted as lost.
type same struct {
	sides []side
	limit int
	emit  func(h *held)
	extra []samples // if not nil, get by side the samples whose value was there before
	lost  int

	scratch [2]scratch
	values  []*held // with the hash looked at
}

// one is an entry and whose it is.
type one struct {
	entry
	side int
}

// find goes through all hashes.
func (s *same) find(ctx context.Context) error {
	var first one
	n, seen := 0, 0
	for e := range both(s.sides) {
		if seen++; seen%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if n > 0 && e.hash == first.hash {
			if n == 1 {
				s.compare(first)
			}
			s.compare(e)
			n++
			continue
		}
		s.flush()
		first, n = e, 1
	}
	s.flush()
	return ctx.Err()
}

// both yields the entries of all sides, sorted by hash, then side, then sample.
func both(sides []side) iter.Seq[one] {
	return func(yield func(one) bool) {
		if len(sides) == 1 {
			sides[0].found.all(func(e entry) bool { return yield(one{e, 0}) })
			return
		}
		next, stop := iter.Pull(iter.Seq[entry](sides[1].found.all))
		defer stop()
		b, more := next()
		for a := range sides[0].found.all {
			for more && b.hash < a.hash {
				if !yield(one{b, 1}) {
					return
				}
				b, more = next()
			}
			if !yield(one{a, 0}) {
				return
			}
		}
		for more && yield(one{b, 1}) {
			b, more = next()
		}
	}
}

// compare puts a sample with those of the same value.
func (s *same) compare(e one) {
	d := &s.sides[e.side]
	var h *held
	err := guarded(func() error {
		meta, data, err := d.r.value(int(e.sample), d.k)
		if err != nil {
			return err
		}
		head, parts, err := d.p.content(&s.scratch[e.side], meta, data)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(s.values, func(h *held) bool { return h.head == head && equal(h.bytes, parts) })
		if at < 0 {
			at = len(s.values)
			s.values = append(s.values, &held{head: head, bytes: bytes.Join(parts, nil)})
		}
		h = s.values[at]
		return nil
	})
	if err != nil {
		s.lost++
		return
	}
	if h.counts[e.side]++; h.counts[0]+h.counts[1] > 1 && s.extra != nil {
		s.extra[e.side].add(int(e.sample))
	}
	if len(h.first[e.side]) < s.limit {
		h.first[e.side] = append(h.first[e.side], int(e.sample))
	}
}

// equal says whether the parts, one after another, are b.
func equal(b []byte, parts [][]byte) bool {
	for _, p := range parts {
		if len(p) > len(b) || !bytes.Equal(b[:len(p)], p) {
			return false
		}
		b = b[len(p):]
	}
	return len(b) == 0
}

// flush emits what was found with one hash.
func (s *same) flush() {
	for _, h := range s.values {
		s.emit(h)
	}
	s.values = s.values[:0]
}

// lowest keeps the limit elements that are first by less, of any number.
type lowest[T any] struct {
	limit int
	cmp   func(a, b T) int
	list  []T
}

func (l *lowest[T]) add(v T) {
	l.list = append(l.list, v)
	if len(l.list)/2-32 >= l.limit { // not 2*limit, which may be too large for an int
		l.sorted()
	}
}

// sorted returns them in order.
func (l *lowest[T]) sorted() []T {
	slices.SortFunc(l.list, l.cmp)
	l.list = l.list[:min(len(l.list), l.limit)]
	return l.list
}

// samples is a set of the numbers of samples, a bit each.
type samples []uint64

func newSamples(n int) samples { return make(samples, (n+63)/64) }

func (s samples) add(i int) {
	if s != nil {
		s[i/64] |= 1 << (i % 64)
	}
}

func (s samples) has(i int) bool { return s != nil && s[i/64]>>(i%64)&1 == 1 }

func (s samples) len() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// duplicates finds the equal values of a field. extra, if not nil, gets all
// samples but the first of each group.
func duplicates(ctx context.Context, d side, limit int, extra samples) (*Duplicates, int, error) {
	r := &Duplicates{List: []Group{}}
	low := lowest[Group]{limit: limit, cmp: func(a, b Group) int { return cmp.Compare(a.Samples[0], b.Samples[0]) }}
	s := &same{sides: []side{d}, limit: limit, extra: []samples{extra}, emit: func(h *held) {
		n := h.counts[0]
		if n < 2 {
			return
		}
		r.Groups++
		r.Values += n
		low.add(Group{Count: n, Samples: h.first[0]})
	}}
	err := s.find(ctx)
	r.Extra = r.Values - r.Groups
	r.List = append(r.List, low.sorted()...)
	return r, s.lost, err
}
