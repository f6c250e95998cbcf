package rgb

// The sums of [resizeScratch.area], vectorised: each number's products are
// rounded and added in the same order as in Go, so they are the same numbers.

// shrinker says for pairs of results which source pixels they cover, all of
// them as many: a result that covers fewer has weights of 0, which add nothing.
type shrinker struct {
	n, d   int // source places and results, 0: not built
	taps   int
	offset []int32      // bytes, two a pair
	weight [][8]float32 // taps a pair: one's weight four times, then the other's
	line   []byte       // a row that nothing follows in memory
}

// minShrink is the fewest results that the assembly takes.
const minShrink = 4

// build lays a table out.
func (s *shrinker) build(t *areaTable) {
	d := len(t.first)
	if s.n == t.n && s.d == d {
		return
	}
	s.n, s.d, s.taps = t.n, d, 0
	for i := range d {
		s.taps = max(s.taps, int(t.at[i+1]-t.at[i]))
	}
	pairs := (d + 1) / 2
	s.offset, s.weight = grow(s.offset, 2*pairs), grow(s.weight, pairs*s.taps)
	clear(s.offset)
	clear(s.weight)
	for i := range d {
		weight := t.weight[t.at[i]:t.at[i+1]]
		first := min(int(t.first[i]), t.n-s.taps)
		s.offset[i] = int32(3 * first)
		early := int(t.first[i]) - first
		for k, v := range weight {
			w := &s.weight[i/2*s.taps+early+k]
			for c := range 4 {
				w[4*(i&1)+c] = v
			}
		}
	}
}

// across is areaTable.across; row has room for shrinkSlack more numbers.
func (s *shrinker) across(row []float32, src []byte, follows bool) {
	if !follows { // the assembly reads one byte more
		s.line = append(append(s.line[:0], src...), 0)
		src = s.line
	}
	shrinkRow(&row[0], &src[0], &s.offset[0], &s.weight[0], len(s.offset)/2, s.taps)
}

// shrinkSlack is how many numbers of a row are written or read past its end: by a
// pair's second result where there is none, or a vector's end.
const shrinkSlack = 8

// areaFast is area with assembly, for minShrink results or more across.
func (r *resizeScratch) areaFast(dst *Image, v view) {
	n := 3 * dst.Width
	r.shrink.build(&r.xArea)
	r.row, r.sum = grow(r.row, n+shrinkSlack), grow(r.sum, n+shrinkSlack)
	have := -1
	yt := &r.yArea
	for y := range dst.Height {
		for i, beta := range yt.weight[yt.at[y]:yt.at[y+1]] {
			if sy := int(yt.first[y]) + i; sy != have {
				line := v.line(sy)
				r.shrink.across(r.row, line, sy*v.stride+len(line) < len(v.pix))
				have = sy
			}
			if i == 0 {
				scaleRowAVX2(&r.sum[0], &r.row[0], beta, (n+7)/8)
			} else {
				addRowAVX2(&r.sum[0], &r.row[0], beta, (n+7)/8)
			}
		}
		roundRowAVX2(&dst.Pix[n*y:][:n][0], &r.sum[0], n)
	}
}
