package build

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/ffcv"
)

// sized is a source that knows how large its samples are without reading them: by
// the sizes of their files, say. What that is of matters little; an estimate of all
// from a few is as exact as what becomes of samples follows from it.
type sized interface {
	SampleSize(ctx context.Context, i int) (int64, error)
}

// maxPopulation is of how many samples the sizes are looked at; of more, evenly
// spread ones.
const maxPopulation = 1 << 20

// population is all samples of a source, or enough of them, in their order, and the
// ones that are chosen.
type population struct {
	all    int     // samples of the source
	sizes  []int64 // nil unknown
	n      int     // of the population
	chosen []int   // their numbers in the source, by size
	like   []int32 // for each of the population which of the chosen is like it
}

// at returns the number in the source of one of the population.
func (p *population) at(i int) int {
	return share(p.all, i, p.n)
}

// population chooses n samples: one of each of n groups of equal size, of those that
// are alike in size where that is known, else of neighbours.
func (s *Source) population(ctx context.Context, n int, seed uint64) (*population, error) {
	p := &population{all: s.Len(), n: min(s.Len(), maxPopulation)}
	n = min(n, p.n)
	order := make([]int32, p.n)
	for i := range order {
		order[i] = int32(i)
	}
	if z, ok := s.of.(sized); ok {
		p.sizes = make([]int64, p.n)
		for i := range p.sizes {
			var err error
			if p.sizes[i], err = z.SampleSize(ctx, p.at(i)); err != nil {
				return nil, err
			}
		}
		slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(p.sizes[a], p.sizes[b]) })
	}
	rng := rand.New(rand.NewPCG(seed, 0x657374696d617465))
	p.like = make([]int32, p.n)
	for k := range n {
		lo, hi := share(p.n, k, n), share(p.n, k+1, n)
		p.chosen = append(p.chosen, p.at(int(order[lo+rng.IntN(hi-lo)])))
		for _, i := range order[lo:hi] {
			p.like[i] = int32(k)
		}
	}
	return p, nil
}

// drop leaves out chosen samples, by their number among them: those that are like
// them are like the next.
func (p *population) drop(broken map[int]bool) {
	if len(broken) == 0 {
		return
	}
	to := make([]int32, len(p.chosen))
	var left []int
	for k, at := range p.chosen {
		to[k] = int32(len(left))
		if !broken[k] {
			left = append(left, at)
		}
	}
	for i, k := range p.like {
		p.like[i] = min(to[k], int32(len(left)-1))
	}
	p.chosen = left
}

// size returns the size of a chosen sample, by its number among them.
func (p *population) size(k int) float64 {
	at := p.chosen[k]
	i := share(p.n, at, p.all)
	for p.at(i) < at && i+1 < p.n {
		i++
	}
	return float64(p.sizes[i])
}

// slope returns how much more bytes a sample takes for each byte more of its size in
// the source: the line of the least squares through the chosen ones.
func (p *population) slope(stored []int) float64 {
	if p.sizes == nil || len(stored) < 2 {
		return 0
	}
	var mx, my float64
	for k, y := range stored {
		mx += p.size(k)
		my += float64(y)
	}
	n := float64(len(stored))
	mx, my = mx/n, my/n
	var xx, xy float64
	for k, y := range stored {
		dx := p.size(k) - mx
		xx += dx * dx
		xy += dx * (float64(y) - my)
	}
	if xx == 0 {
		return 0
	}
	return xy / xx
}

// layout is what of a file's size is known exactly.
type layout struct {
	fields, row int   // fields, and bytes of a sample's metadata
	ptrs        int64 // regions of a sample
	page        int64
	extension   bool
	classes     int64 // bytes of the section of class names
	names       float64
	hashed      bool
}

// look finds what samples in a file take.
func (out *outcome) look(f *ffcv.File) error {
	n := f.Len()
	out.sizes = make([]int, n)
	for e, err := range f.Entries() {
		if err != nil {
			return err
		}
		if e.Sample < uint64(n) {
			out.sizes[e.Sample] += int(max(1, e.Size)) // one byte where a value is empty
		}
	}
	l := &out.layout
	l.fields, l.row, l.ptrs, l.page = len(f.Fields()), f.RowSize(), f.NumEntries()/int64(n), int64(f.Header().PageSize)
	sections, err := f.Sections()
	if err != nil {
		return err
	}
	l.extension = len(sections) > 0
	index := int64(8 * (n + 1)) // of lists
	for _, s := range sections {
		switch s.Tag {
		case ffcv.TagClasses:
			l.classes = s.Length
		case ffcv.TagNames:
			l.names = float64(s.Length-8-index) / float64(n)
		case ffcv.TagNameIndex:
			l.hashed = true
		case ffcv.TagMarks:
			out.marks += float64(s.Length-16-index) / float64(n)
			out.fields++
		}
	}
	return nil
}

// section is how many bytes a section takes with so many of payload.
func section(payload int64) int64 { return 16 + (payload+7)/8*8 }

// block is the size of the extension block of a file of n samples, with that many
// bytes of marks: see docs/format.md.
func (l *layout) block(n int64, marks float64, marked int) int64 {
	if !l.extension {
		return 0
	}
	size := int64(64)
	if l.classes > 0 {
		size += section(l.classes)
	}
	if l.names > 0 {
		size += section(8 + 8*(n+1) + int64(l.names*float64(n)))
	}
	if l.hashed {
		slots := int64(1)
		for slots < n+n/3+1 {
			slots *= 2
		}
		size += section(8 * slots)
	}
	for range marked {
		size += section(16 + 8*(n+1))
	}
	size += int64(marks * float64(n))
	rows := int64(max(1, 4096/max(1, l.row)))
	return size + section(32+4*((n+rows-1)/rows+(n*l.ptrs+169)/170+n*l.ptrs))
}

// bytes returns the size of a file of all samples, of which shares are stored as
// outcomes tell. Pages are packed as a writer does it, with samples that take what
// those they are like took.
func (t *trial) bytes(outcomes []*outcome, shares []float64) (int64, error) {
	p, l := t.pop, &outcomes[0].layout
	n := int64(p.all)
	slopes := make([]float64, len(outcomes))
	for i, out := range outcomes {
		slopes[i] = p.slope(out.sizes)
	}
	first := (int64(ffcv.HeaderSize+l.fields*ffcv.DescriptorSize) + n*int64(l.row) + l.page - 1) / l.page * l.page
	pages := alloc.NewPages(uint64(first), uint64(l.page), true)
	rng := rand.New(rand.NewPCG(t.opts.Seed, 1))
	ptrs := make([]uint64, 1)
	var drawn, expected float64
	for i := range p.n {
		way := 0
		if len(outcomes) > 1 && rng.Float64() >= shares[0] {
			way = 1
		}
		for w, out := range outcomes {
			y := float64(out.sizes[p.like[i]])
			if p.sizes != nil {
				y = max(1, y+slopes[w]*(float64(p.sizes[i])-p.size(int(p.like[i]))))
			}
			expected += shares[w] * y
			if w != way || l.ptrs == 0 {
				continue
			}
			drawn += y
			if err := pages.Place([]int{int(math.Round(y))}, ptrs); err != nil {
				return 0, err
			}
		}
	}
	count := float64(pages.Count())
	if drawn > 0 { // the dice of the file will be others
		count *= expected / drawn
	}
	if p.n < p.all {
		count *= float64(p.all) / float64(p.n)
	}
	var marks float64
	marked := 0
	for i, out := range outcomes {
		marks += shares[i] * out.marks
		marked = max(marked, out.fields)
	}
	return first + int64(math.Ceil(count))*l.page + l.block(n, marks, marked) + n*l.ptrs*alloc.EntrySize, nil
}
