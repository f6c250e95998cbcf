package resize

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// A sink puts finished rows where they belong in the target.
type sink struct {
	t        Target
	dst      []byte
	fast     bool
	stream   bool // write past the caches
	streamed bool // and it has been done: a fence is due

	norms   [4]norm // a channel each, and all in turn
	numbers [3][256]uint32
	numbered,
	ready bool // numbers and norms are t's

	r, g, b []byte // rows as wide as t, rounded up to whole blocks
	row     []byte // interleaved
}

// A norm is what the float kernels take: 24 numbers in turn, and two more so
// that they may begin at any channel.
type norm struct{ mean, inverse [26]float32 }

// block is how many pixels the row kernels do at a time.
const block = 32

// streamFrom is the size of a target that is better written past the caches:
// what the next picture needs of them is worth more.
const streamFrom = 128 << 10

// open points the sink at a picture.
func (s *sink) open(dst []byte, t *Target, fast bool) {
	if s.t != *t {
		s.ready, s.numbered = false, false
	}
	s.t, s.dst, s.fast = *t, dst, fast
	n := (t.Width + block - 1) / block * block
	s.r, s.g, s.b = grow(s.r, n), grow(s.g, n), grow(s.b, n)
	s.row = grow(s.row, 3*n+4) // hpixel writes four past
	s.stream = fast && t.Type != Uint8 && len(dst) >= streamFrom
	s.streamed = false
	if !s.ready && t.Type != Uint8 {
		s.normalise()
	}
}

// close makes the picture visible to others. A fence once a row would cost as
// much as the resize.
func (s *sink) close() {
	if s.streamed {
		fence()
	}
	s.dst = nil
}

func (s *sink) normalise() {
	s.ready = true
	for c := range s.norms {
		for i := range s.norms[c].mean {
			k := c
			if c == 3 {
				k = i % 3
			}
			s.norms[c].mean[i] = s.t.Mean[k]
			s.norms[c].inverse[i] = inverse(s.t.Std, k)
		}
	}
}

// rows are where to put the channels of row i, each at least as long as the
// target is wide rounded up to whole blocks: in the target itself if possible.
func (s *sink) rows(i int) (r, g, b []byte) {
	w := s.t.Width
	if s.t.Layout == CHW && s.t.Type == Uint8 && w%block == 0 {
		plane := w * s.t.Height
		d := s.dst[i*w:]
		return d[:w], d[plane:][:w], d[2*plane:][:w]
	}
	return s.r, s.g, s.b
}

// planes takes row i from what rows returned.
func (s *sink) planes(i int, r, g, b []byte) {
	w := s.t.Width
	plane := w * s.t.Height
	size := s.t.Type.size()
	switch {
	case s.t.Layout == HWC && s.t.Type == Uint8:
		s.weave(s.dst[3*w*i:][:3*w], r, g, b)
	case s.t.Layout == HWC:
		s.weave(s.row[:3*w], r, g, b)
		s.floats(s.dst[3*w*i*size:][:3*w*size], s.row, 3)
	default:
		for c, src := range [3][]byte{r, g, b} {
			d := s.dst[(c*plane+i*w)*size:][:w*size]
			if s.t.Type != Uint8 {
				s.floats(d, src, c)
			} else if &d[0] != &src[0] {
				copy(d, src)
			}
		}
	}
}

// weave interleaves a row.
func (s *sink) weave(dst, r, g, b []byte) {
	w := s.t.Width
	if !s.fast {
		interleave(dst, r[:w], g, b)
		return
	}
	whole := w / block
	if whole > 0 {
		interleaveAVX2(&dst[0], &r[0], &g[0], &b[0], whole)
	}
	if done := whole * block; done < w {
		var edge [3 * block]byte
		interleaveAVX2(&edge[0], &r[done], &g[done], &b[done], 1)
		copy(dst[3*done:], edge[:])
	}
}

// interleaved is where to put row i of a packed picture: the target, where
// four bytes may be written past the row.
func (s *sink) interleaved(i int) []byte {
	w := s.t.Width
	if s.t.Layout == HWC && s.t.Type == Uint8 && w%8 == 0 && i < s.t.Height-1 {
		return s.dst[3*w*i:]
	}
	return s.row
}

// pixels takes row i from what interleaved returned.
func (s *sink) pixels(i int, row []byte) {
	w := s.t.Width
	row = row[:3*w]
	switch {
	case s.t.Layout == CHW:
		r, g, b := s.rows(i)
		if s.fast {
			blocks := (w + block - 1) / block
			deinterleaveAVX2(&r[0], &g[0], &b[0], &row[0], blocks)
		} else {
			deinterleave(r, g, b, row)
		}
		s.planes(i, r, g, b)
	case s.t.Type == Uint8:
		if d := s.dst[3*w*i:][:3*w]; &d[0] != &row[0] {
			copy(d, row)
		}
	default:
		size := s.t.Type.size()
		s.floats(s.dst[3*w*i*size:][:3*w*size], row, 3)
	}
}

// floats writes numbers for bytes of one channel, or of all three in turn.
func (s *sink) floats(dst, src []byte, channel int) {
	size := s.t.Type.size()
	n := len(dst) / size
	src = src[:n]
	head, body := 0, 0
	stream := s.stream
	if s.fast {
		if off := int(uintptr(unsafe.Pointer(&dst[0])) % uintptr(8*size)); stream && off != 0 {
			if off%size == 0 {
				head = min((8*size-off)/size, n)
			} else {
				stream = false
			}
		}
		body = (n - head) &^ 7
	}
	if body < n {
		s.each(dst[:head*size], src[:head], channel, 0)
		s.each(dst[(head+body)*size:], src[head+body:], channel, head+body)
	}
	if body == 0 {
		return
	}
	norm, phase := &s.norms[channel], 0
	if channel == 3 {
		phase = head % 3
	}
	d, p, mean, inv := &dst[head*size], &src[head], &norm.mean[phase], &norm.inverse[phase]
	s.streamed = s.streamed || stream
	switch s.t.Type {
	case Float32:
		if stream {
			float32StreamAVX2(d, p, body, mean, inv)
		} else {
			float32AVX2(d, p, body, mean, inv)
		}
	case Float16:
		if stream {
			float16StreamAVX2(d, p, body, mean, inv)
		} else {
			float16AVX2(d, p, body, mean, inv)
		}
	case BFloat16:
		if stream {
			bfloat16StreamAVX2(d, p, body, mean, inv)
		} else {
			bfloat16AVX2(d, p, body, mean, inv)
		}
	}
}

// each is floats one by one, from a table; at is how many came before.
func (s *sink) each(dst, src []byte, channel, at int) {
	if len(src) == 0 {
		return
	}
	if !s.numbered {
		s.number()
	}
	first, step := channel, 0
	if channel == 3 {
		first, step = at%3, 1
	}
	var tables [3]*[256]uint32
	for i := range tables {
		tables[i] = &s.numbers[(first+i*step)%3]
	}
	if s.t.Type == Float32 {
		for len(src) >= 3 && len(dst) >= 12 {
			binary.LittleEndian.PutUint32(dst, tables[0][src[0]])
			binary.LittleEndian.PutUint32(dst[4:], tables[1][src[1]])
			binary.LittleEndian.PutUint32(dst[8:], tables[2][src[2]])
			dst, src = dst[12:], src[3:]
		}
		for i, v := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], tables[i][v])
		}
		return
	}
	for len(src) >= 3 && len(dst) >= 6 {
		binary.LittleEndian.PutUint16(dst, uint16(tables[0][src[0]]))
		binary.LittleEndian.PutUint16(dst[2:], uint16(tables[1][src[1]]))
		binary.LittleEndian.PutUint16(dst[4:], uint16(tables[2][src[2]]))
		dst, src = dst[6:], src[3:]
	}
	for i, v := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(tables[i][v]))
	}
}

// number fills the table of a target's numbers.
func (s *sink) number() {
	s.numbered = true
	for c := range s.numbers {
		mean, inv := s.norms[c].mean[0], s.norms[c].inverse[0]
		for v := range s.numbers[c] {
			f := float32(float32(v)-mean) * inv
			switch s.t.Type {
			case Float32:
				s.numbers[c][v] = math.Float32bits(f)
			case Float16:
				s.numbers[c][v] = uint32(float16(f))
			case BFloat16:
				s.numbers[c][v] = uint32(bfloat16(f))
			}
		}
	}
}

// float16 rounds f to 16 bits, ties to even; what is too large is infinite.
func float16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, abs := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case abs >= 0x477ff000: // 65520 and more
		return sign | 0x7c00
	case abs < 113<<23: // subnormal
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(abs))*(1<<24)))
	}
	abs += 0xfff + abs>>13&1
	return sign | uint16(abs>>13-112<<10)
}

// bfloat16 rounds f to its upper 16 bits, ties to even.
func bfloat16(f float32) uint16 {
	b := math.Float32bits(f)
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}
