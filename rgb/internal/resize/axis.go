package resize

import "math"

// An axis holds one direction's taps: output i is the weighted sum of count
// consecutive source samples from start[i]. An output's weights add up to
// 1<<bits. Every output has the same even count, so that the kernels need no
// branches; a short window ends in zeros, which may lie past the last sample.
type axis struct {
	start  []int32
	weight []int32 // count per output
	count  int     // even: the kernels weigh pairs
	bits   uint
	sum    []int32 // carry's scratch
}

// Weights of the usual axis have 15 bits, as the kernels want them. One with
// more taps than manyTaps has 24, for the slow and exact loops: rounding its
// small weights to 15 bits would show.
const (
	weightBits = 15
	longBits   = 24
	manyTaps   = 64
)

func (a *axis) long() bool { return a.bits == longBits }

// span is one axis of a crop: size samples from origin, within a plane of
// limit samples.
type span struct {
	origin, size float64
	limit        int
}

// bounds is the first and the last sample that the span touches.
func (s span) bounds() (first, last int32) {
	first = min(int32(s.origin), int32(s.limit)-1)
	last = min(int32(math.Ceil(s.origin+s.size)), int32(s.limit)) - 1
	return first, max(last, first)
}

// kind is how an axis is sampled.
type kind uint8

const (
	covered      kind = iota // by what an output covers of each sample
	interpolated             // between two neighbours, on area coordinates
	triangle                 // by distance, over a width that grows with the shrink
)

// kindOf is how OpenCV's INTER_AREA and Pillow's BILINEAR go about a crop.
func kindOf(f Filter, c Crop, t *Target) kind {
	switch {
	case f == Bilinear:
		return triangle
	case c.W >= float64(t.Width) && c.H >= float64(t.Height):
		return covered
	}
	return interpolated
}

func (a *axis) alloc(n, taps int) {
	a.count = (taps + 1) &^ 1
	a.bits = weightBits
	if taps > manyTaps {
		a.bits = longBits
	}
	a.start = grow(a.start, n)
	a.weight = grow(a.weight, n*a.count)
	clear(a.weight)
}

// build fills a with the taps that bring s to n outputs, first to last, or
// last to first when mirrored.
func (a *axis) build(s span, n int, k kind, mirrored bool) {
	switch k {
	case covered:
		a.cover(s, n)
	case interpolated:
		a.interpolate(s, n)
	case triangle:
		a.triangle(s, n)
	}
	if mirrored {
		a.mirror()
	}
}

// A walk steps through n equal parts of a span in fixed point, 32 bits, and
// arrives at its end exactly.
type walk struct{ at, whole, part, rest, n int64 }

func newWalk(s span, n int) walk {
	size := int64(s.size * (1 << 32))
	return walk{at: int64(s.origin * (1 << 32)), whole: size / int64(n), part: size % int64(n), n: int64(n)}
}

func (w *walk) next() {
	w.at += w.whole
	if w.rest += w.part; w.rest >= w.n {
		w.rest -= w.n
		w.at++
	}
}

// cover gives each source sample the share of the output that it covers.
func (a *axis) cover(s span, n int) {
	const speck = 66 // in 1<<16: OpenCV drops slivers up to 1/1000 sample
	scale := s.size / float64(n)
	a.alloc(n, int(math.Ceil(scale))+1)
	one := int64(1) << a.bits
	full := int64(float64(one<<16) / scale) // a whole sample's share, 16 bits more
	sliver := full * speck >> 16
	_, last := s.bounds()
	w := newWalk(s, n)
	for i := range a.start {
		first := int32(w.at >> 32)
		gap := 1<<16 - w.at>>16&0xffff // what is covered of the first sample
		if gap < speck && first < last {
			first++
			gap += 1 << 16
		}
		first = min(first, last)
		w.next()
		a.start[i] = first
		taps := a.weight[i*a.count:][:a.count]
		most := min(len(taps), int(last-first)+1) - 1
		// Shares are rounded as running sums, so that they add up.
		share, given, j := gap*full>>16, int64(0), 0
		for ; j < most && share+sliver < one<<16; j++ {
			q := (share + 1<<15) >> 16
			taps[j] = int32(q - given)
			given = q
			share += full
		}
		taps[j] = int32(one - given)
	}
}

// interpolate gives INTER_AREA's enlarging weights: a source sample keeps its
// full weight until the output pixel crosses into the next one.
func (a *axis) interpolate(s span, n int) {
	a.alloc(n, 2)
	const one = 1 << weightBits
	inv := float64(n) / s.size
	scale := 1 / inv
	end := max(s.size-1, 0)
	last := int32(s.limit - 1)
	for i := range a.start {
		at := float64(int(float64(i) * scale))
		part := float32(float64(i+1) - float64((at+1)*inv)) // OpenCV rounds before it wraps
		if part > 0 {
			at += float64(part) - float64(int(part))
		}
		at = min(at, end) + s.origin
		low := int32(at)
		q := int32(float64((at-float64(low))*one) + 0.5)
		if low >= last {
			low, q = last, 0
		}
		a.start[i] = low
		a.weight[2*i] = one - q
		a.weight[2*i+1] = q
	}
}

// triangle weighs samples by their distance from the output's centre: less the
// farther, nothing at the support and beyond. What lies outside of the span is
// left out, as if it had been cut first.
func (a *axis) triangle(s span, n int) {
	const unit = 1 << 20
	scale := s.size / float64(n)
	support := max(scale, 1)
	a.alloc(n, int(math.Ceil(2*support)))
	one := float64(int64(1) << a.bits)
	width := int64(support * unit)
	half := int64(scale * unit / 2)
	head, last := s.bounds()
	w := newWalk(s, n)
	for i := range a.start {
		centre := w.at>>12 + half
		w.next()
		first := max(head, min(int32((centre-width+unit/2)>>20), last))
		for first < last && width-abs(int64(first)*unit+unit/2-centre) <= 0 {
			first++
		}
		a.start[i] = first
		taps := a.weight[i*a.count:][:min(a.count, int(last-first)+1)]
		total, used := int64(0), 0
		x := int64(first)*unit + unit/2 - centre
		for ; used < len(taps) && x < width; used++ {
			total += max(width-abs(x), 1)
			x += unit
		}
		used = max(used, 1)
		scale := one / float64(max(total, 1))
		x = int64(first)*unit + unit/2 - centre
		sum, given := int64(0), int32(0)
		for j := range used - 1 {
			sum += max(width-abs(x), 1)
			x += unit
			q := int32(float64(float64(sum)*scale) + 0.5)
			taps[j] = q - given
			given = q
		}
		taps[used-1] = int32(one) - given
	}
}

func abs(x int64) int64 { return max(x, -x) }

func (a *axis) mirror() {
	for i, j := 0, len(a.start)-1; i < j; i, j = i+1, j-1 {
		a.start[i], a.start[j] = a.start[j], a.start[i]
		v, w := a.weight[i*a.count:][:a.count], a.weight[j*a.count:][:a.count]
		for k := range v {
			v[k], w[k] = w[k], v[k]
		}
	}
}

// extent is the range of samples that a reads, of a plane of so many.
func (a *axis) extent(samples int) (first, end int) {
	lo, hi := a.start[0], a.start[len(a.start)-1]
	if lo > hi {
		lo, hi = hi, lo
	}
	return int(lo), min(int(hi)+a.count, samples)
}

// at is output i's weights, without the zeros that end them.
func (a *axis) at(i int) []int32 {
	w := a.weight[i*a.count:][:a.count]
	for len(w) > 1 && w[len(w)-1] == 0 {
		w = w[:len(w)-1]
	}
	return w
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// narrow takes lone weights of one, which signed 16 bits don't hold, down to
// what the horizontal kernels multiply by.
func (a *axis) narrow() {
	if a.long() {
		return
	}
	for i, w := range a.weight {
		a.weight[i] = min(w, 1<<weightBits-1)
	}
}
