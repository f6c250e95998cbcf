package rgb

import "math"

// shares says for each pixel along an axis of the outcome how much of it each
// source pixel covers: those from first[i] on, weight[at[i]:at[i+1]], and what
// is bare. They add up to 1.
type shares struct {
	first, at    []int32
	weight, bare []float32
}

// build finds the shares of n pixels in a source of limit pixels.
func (t *shares) build(a *Axis, n, limit int) {
	t.first, t.at, t.bare, t.weight = grow(t.first, n), grow(t.at, n+1), grow(t.bare, n), t.weight[:0]
	full := 1 / math.Abs(a.Scale) // source pixels in one of the outcome
	for i := range n {
		t.at[i], t.first[i], t.bare[i] = int32(len(t.weight)), 0, 1
		o0, o1 := max(float64(i), a.Lo), min(float64(i+1), a.Hi)
		if o1 <= o0 {
			continue
		}
		s0, s1 := a.source(o0), a.source(o1)
		s0, s1 = max(min(s0, s1), 0), min(max(s0, s1), float64(limit))
		if s1-s0 <= full*1e-6 {
			continue
		}
		first := min(int(s0), limit-1)
		t.first[i] = int32(first)
		for k := first; k < limit && float64(k) < s1; k++ {
			covered := min(float64(k+1), s1) - max(float64(k), s0)
			t.weight = append(t.weight, float32(covered/full))
		}
		if t.bare[i] = float32(1 - (s1-s0)/full); t.bare[i] < 1e-6 {
			t.bare[i] = 0
		}
	}
	t.at[n] = int32(len(t.weight))
}

// cover is PlaceArea for any placement: the source as it would be on an endless
// sheet of fill.
func (z *placeScratch) cover(dst []byte, src *Raster, p *Placement, fill []uint16) {
	z.x.build(&p.X, p.Width, src.Width)
	z.y.build(&p.Y, p.Height, src.Height)
	n := p.Width * src.Channels
	z.row, z.sum, z.line = grow(z.row, n), grow(z.sum, n), grow(z.line, src.Width*src.Channels)
	z.bareSums = [4]float32{}
	for c, v := range fill {
		z.bareSums[c] = float32(v)
	}
	out := Raster{p.Width, p.Height, src.Channels, src.Depth, dst}
	have := -1 // the source row that z.row holds
	for y := range p.Height {
		for i := range z.sum {
			z.sum[i] = float32(z.y.bare[y] * z.bareSums[i%src.Channels])
		}
		for k, beta := range z.y.weight[z.y.at[y]:z.y.at[y+1]] {
			if sy := int(z.y.first[y]) + k; sy != have {
				widen(z.line, src.line(sy), src.Depth)
				z.across(src.Channels)
				have = sy
			}
			addRow(z.sum, z.row, beta)
		}
		narrowRow(out.line(y), z.sum, src.Depth)
	}
}

// across weighs one source row into row.
func (z *placeScratch) across(channels int) {
	for d, first := range z.x.first {
		o := z.row[channels*d:][:channels]
		weigh(o, z.line[channels*int(first):], z.x.weight[z.x.at[d]:z.x.at[d+1]])
		if bare := z.x.bare[d]; bare > 0 {
			for c := range o {
				o[c] += float32(bare * z.bareSums[c])
			}
		}
	}
}
