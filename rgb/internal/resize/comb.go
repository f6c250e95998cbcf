package resize

// A comb is a horizontal axis laid out for the kernels, one of two ways.
//
// Tight, where four outputs' samples lie within one or two windows of eight:
// outputs in blocks of 16, each as two groups of eight, each group two lanes
// of four. One 16-byte load of source samples serves a lane; a shuffle deals
// each output its pair of neighbours, and one multiply-add weighs the pairs. A
// block's lanes are 0, 2, 1, 3, so that narrowing two groups to 16 bits (which
// works lane by lane) leaves the outputs in order.
//
// Wide, for any other: outputs in blocks of eight, each with windows of its
// own, eight samples and weights at a time.
type comb struct {
	form   form
	offset []int32  // byte offset of each lane's or output's window
	prog   []uint32 // tight: per group, 8 shuffles, then 8 weight pairs per pair; wide: weight pairs
	steps  int      // pairs, or windows
}

type form uint8

const (
	near  form = iota // tight, two pairs out of one window
	tight             // a window for each pair
	wide
)

var laneOrder = [4]int{0, 2, 1, 3}

// lay writes a's taps, for rows that begin at source sample first.
func (c *comb) lay(a *axis, first int) {
	reach := a.reach()
	switch {
	case reach > 6:
		c.form = wide
		c.layWide(a, int32(first))
	default:
		c.form = tight
		if reach <= 4 && a.count == 4 {
			c.form = near
		}
		c.layTight(a, int32(first))
	}
}

// reach is how far apart the first samples of four outputs lie.
func (a *axis) reach() int32 {
	most := int32(0)
	for o := 0; o < len(a.start); o += 4 {
		d := a.start[min(o+3, len(a.start)-1)] - a.start[o]
		most = max(most, d, -d)
	}
	return most
}

func (c *comb) layTight(a *axis, first int32) {
	n := len(a.start)
	blocks := (n + 15) / 16
	c.steps = a.count / 2
	size := 8 + 8*c.steps
	c.offset = grow(c.offset, 4*blocks)
	c.prog = grow(c.prog, 2*blocks*size)
	for lane := range 4 * blocks {
		out := lane/4*16 + laneOrder[lane%4]*4
		prog := c.prog[lane/2*size+lane%2*4:][:size-4]
		if out+4 > n { // the shuffles of outputs past the last are any, their weights zero
			for p := range c.steps + 1 {
				clear(prog[8*p:][:4])
			}
		}
		if out >= n {
			c.offset[lane] = 0
			continue
		}
		end := min(out+4, n)
		base := min(a.start[out], a.start[end-1])
		c.offset[lane] = 2 * (base - first)
		for o := out; o < end; o++ {
			d := a.start[o] - base
			prog[o-out] = 0x03020100 + 0x01010101*uint32(2*d)
			w := a.weight[o*a.count:][:a.count]
			for p := 0; p+1 < len(w); p += 2 {
				prog[8+4*p+o-out] = pair(w[p], w[p+1])
			}
		}
	}
}

var outputOrder = [8]int{0, 4, 1, 5, 2, 6, 3, 7}

func (c *comb) layWide(a *axis, first int32) {
	n := len(a.start)
	blocks := (n + 7) / 8
	c.steps = (a.count + 7) / 8
	c.offset = grow(c.offset, 8*blocks)
	c.prog = grow(c.prog, 8*blocks*c.steps*4)
	clear(c.prog)
	for lane := range 8 * blocks {
		o := lane&^7 + outputOrder[lane&7]
		if o >= n {
			c.offset[lane] = 0
			continue
		}
		c.offset[lane] = 2 * (a.start[o] - first)
		// Two outputs share a vector: the weights of one window of each.
		prog := c.prog[lane/2*c.steps*8+lane%2*4:]
		w := a.weight[o*a.count:][:a.count]
		for p := 0; p+1 < len(w); p += 2 {
			prog[p/8*8+p%8/2] = pair(w[p], w[p+1])
		}
	}
}

// pair is two weights as one multiply-add takes them.
func pair(v, w int32) uint32 { return uint32(v) | uint32(w)<<16 }

// A pixelComb is a horizontal axis for interleaved RGB: one lane per pixel,
// eight pixels to a block.
type pixelComb struct {
	offset []int32  // byte offset of each pixel's first tap
	weight []uint32 // per two pixels and pair: the pair of weights, four times each
	pairs  int
}

func (c *pixelComb) lay(a *axis, first int) {
	n := len(a.start)
	blocks := (n + 7) / 8
	c.pairs = a.count / 2
	c.offset = grow(c.offset, 8*blocks)
	c.weight = grow(c.weight, 4*blocks*c.pairs*8)
	for lane := range 8 * blocks {
		o := lane&^7 + outputOrder[lane&7]
		weight := c.weight[lane/2*c.pairs*8+lane%2*4:]
		if o >= n {
			c.offset[lane] = 0
			for p := range c.pairs {
				clear(weight[8*p:][:4])
			}
			continue
		}
		c.offset[lane] = 6 * (a.start[o] - int32(first))
		w := a.weight[o*a.count:][:a.count]
		for p := 0; p+1 < len(w); p += 2 {
			q, both := weight[4*p:][:4], pair(w[p], w[p+1])
			q[0], q[1], q[2], q[3] = both, both, both, both
		}
	}
}
