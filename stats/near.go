package stats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

const (
	// maxPairs ends the search: frames of a film are all alike.
	maxPairs = 1 << 20
)

// chunks is into how many parts of 16 bits the index cuts hashes: of two that
// differ in d bits, one part differs in d/chunks at most.
const chunks = 4

// most of one hash are compared with a picture: of blank pictures there are
// many.
const mostOfOne = 32

// index finds the hashes near another one. It takes at most 32 bytes a picture,
// and is safe for concurrent use.
type index struct {
	hashes  []uint64 // ascending, no two alike
	ends    []uint32 // where the samples of each hash end
	samples []uint32 // of the first hash, then of the second, …
	starts  [chunks][]uint32
	order   [chunks][]uint32 // the hashes' numbers, by their part
	flips   []uint16         // what a part is tried with
	radius  int
}

// all returns the samples of hash i.
func (x *index) all(i int) []uint32 {
	first := uint32(0)
	if i > 0 {
		first = x.ends[i-1]
	}
	return x.samples[first:x.ends[i]]
}

// of returns those of them that others are compared with.
func (x *index) of(i int) []uint32 {
	list := x.all(i)
	return list[:min(len(list), mostOfOne)]
}

func part(h uint64, c int) uint16 { return uint16(h >> (16 * c)) }

// newIndex makes the index of the hashes of samples that are not in extra, for
// searches up to a distance.
func newIndex(p *prints, extra samples, distance int) *index {
	x := &index{radius: distance / chunks}
	for e := range p.all {
		if extra.has(int(e.sample)) {
			continue
		}
		if n := len(x.hashes); n == 0 || x.hashes[n-1] != e.hash {
			x.hashes, x.ends = append(x.hashes, e.hash), append(x.ends, 0)
		}
		x.samples = append(x.samples, uint32(e.sample))
		x.ends[len(x.ends)-1] = uint32(len(x.samples))
	}
	for f := range 1 << 16 {
		if distance16(uint16(f), 0) <= x.radius {
			x.flips = append(x.flips, uint16(f))
		}
	}
	for c := range chunks {
		starts := make([]uint32, 1<<16+1)
		for _, h := range x.hashes {
			starts[int(part(h, c))+1]++
		}
		for i := range 1 << 16 {
			starts[i+1] += starts[i]
		}
		at := slices.Clone(starts)
		order := make([]uint32, len(x.hashes))
		for i, h := range x.hashes {
			order[at[part(h, c)]] = uint32(i)
			at[part(h, c)]++
		}
		x.starts[c], x.order[c] = starts, order
	}
	return x
}

func distance16(a, b uint16) int { return distance(uint64(a), uint64(b)) }

// near calls yield with the number of each hash that differs from h in distance
// bits at most, in some order, once each.
func (x *index) near(h uint64, most int, yield func(i int)) {
	for c := range chunks {
		p := part(h, c)
		for _, flip := range x.flips {
			key := int(p ^ flip)
			for _, i := range x.order[c][x.starts[c][key]:x.starts[c][key+1]] {
				if distance(h, x.hashes[i]) <= most && !x.earlier(h, x.hashes[i], c) {
					yield(int(i))
				}
			}
		}
	}
}

// earlier says whether a part before c has led to the hash already.
func (x *index) earlier(h, other uint64, c int) bool {
	for k := range c {
		if distance16(part(h, k), part(other, k)) <= x.radius {
			return true
		}
	}
	return false
}

// search looks for pictures that are alike: in the first side, or of two sides
// one in each.
type search struct {
	sides []side
	opts  *Options
	x     *index // of the first side

	mu    sync.Mutex
	found Near
	low   lowest[Pair]
	in    samples // of the first side, in any pair
}

var errEnough = errors.New("enough")

// nearIn searches. Samples in extra are left out.
func nearIn(ctx context.Context, sides []side, extra []samples, opts *Options) (*Near, error) {
	s := &search{sides: sides, opts: opts}
	s.found = Near{Distance: opts.Distance, List: []Pair{}}
	s.low = lowest[Pair]{limit: opts.Limit, cmp: func(a, b Pair) int { return cmp.Or(cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B)) }}
	last := sides[len(sides)-1]
	s.in = newSamples(last.r.ds.Len())
	for _, d := range sides {
		if uint64(d.r.ds.Len()) > math.MaxUint32 {
			return nil, fmt.Errorf("%s: %d samples; pictures that are alike are looked for among %d at most", d.r.ds.Name(), d.r.ds.Len(), uint32(math.MaxUint32))
		}
	}
	s.x = newIndex(sides[0].found, extra[0], opts.Distance)
	var err error
	if len(sides) == 1 {
		err = s.each(ctx, len(s.x.hashes), func(w *looker, i int) error { return w.others(i) })
	} else {
		// Each is looked for by itself, those of one hash too.
		var of []entry
		for e := range sides[1].found.all {
			if !extra[1].has(int(e.sample)) {
				of = append(of, e)
			}
		}
		err = s.each(ctx, len(of), func(w *looker, i int) error { return w.across(of[i].hash, int(of[i].sample)) })
	}
	if errors.Is(err, errEnough) {
		s.found.More, err = true, nil
	}
	s.found.Pictures = s.in.len()
	s.found.List = append(s.found.List, s.low.sorted()...)
	return &s.found, err
}

// each has n things done, by several goroutines.
func (s *search) each(ctx context.Context, n int, do func(w *looker, i int) error) error {
	workers := s.opts.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	const step = 256
	g, ctx := errgroup.WithContext(ctx)
	next := make(chan int)
	g.Go(func() error { // ends when all is handed out, or with ctx
		defer close(next)
		for i := 0; i < n; i += step {
			select {
			case next <- i:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error { // ends when next is closed
			w := newLooker(s)
			for from := range next {
				for i := from; i < min(from+step, n); i++ {
					if err := do(w, i); err != nil {
						return err
					}
				}
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// looker compares pictures for one goroutine.
type looker struct {
	s       *search
	readers [2]*reader
	scratch scratch
	small   [2]map[int][]byte // pictures that were made small lately
	near    []int
}

// kept is how many small pictures of a side a looker keeps, 3 KiB each.
const kept = 512

func newLooker(s *search) *looker {
	w := &looker{s: s}
	for k, d := range s.sides {
		w.readers[k], w.small[k] = newReader(d.r.ds), map[int][]byte{}
	}
	return w
}

// others looks for the pairs of the pictures of hash i with each other, and with
// those of the hashes near it that come before.
func (w *looker) others(i int) error {
	x := w.s.x
	w.near = w.near[:0]
	x.near(x.hashes[i], w.s.opts.Distance, func(k int) {
		if k < i {
			w.near = append(w.near, k)
		}
	})
	for n, b := range x.all(i) {
		for _, a := range x.of(i)[:min(n, mostOfOne)] {
			if err := w.pair(int(a), int(b), 0); err != nil {
				return err
			}
		}
		for _, k := range w.near {
			for _, a := range x.of(k) {
				if err := w.pair(int(a), int(b), distance(x.hashes[i], x.hashes[k])); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// across looks for the pictures of the first side near one of the second.
func (w *looker) across(h uint64, sample int) error {
	x := w.s.x
	w.near = w.near[:0]
	x.near(h, w.s.opts.Distance, func(k int) { w.near = append(w.near, k) })
	for _, k := range w.near {
		for _, a := range x.of(k) {
			if err := w.pair(int(a), sample, distance(h, x.hashes[k])); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair looks whether two pictures are alike, b of the last side.
func (w *looker) pair(a, b, bits int) error {
	last := len(w.s.sides) - 1
	x, y := w.load(0, a), w.load(last, b)
	if x == nil || y == nil {
		return nil
	}
	apart, alike := compare(x, y)
	if !alike {
		return nil
	}
	if last == 0 && a > b {
		a, b = b, a
	}
	return w.s.add(Pair{A: a, B: b, Distance: bits, Difference: apart})
}

// load returns a small picture; nil when it can't be read any more.
func (w *looker) load(of, sample int) []byte {
	if b, ok := w.small[of][sample]; ok {
		return b
	}
	if len(w.small[of]) >= kept {
		clear(w.small[of])
	}
	d := &w.s.sides[of]
	err := guarded(func() error {
		meta, data, err := w.readers[of].value(sample, d.k)
		if err != nil {
			return err
		}
		v, err := fields.RGBImage{}.Decode(meta, data)
		if err == nil {
			_, err = w.scratch.luma(v.(rgb.Encoded))
		}
		return err
	})
	if err != nil {
		return nil
	}
	w.small[of][sample] = slices.Clone(w.scratch.small)
	return w.small[of][sample]
}

// add notes a pair.
func (s *search) add(p Pair) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sides) == 1 {
		s.in.add(p.A)
	}
	s.in.add(p.B)
	s.low.add(p)
	if s.found.Pairs++; s.found.Pairs >= maxPairs {
		return errEnough
	}
	return nil
}
