package loader

import (
	"math/bits"
	"math/rand/v2"

	"github.com/betongo/betongo/internal/hash"
)

// pcg64 is NumPy's default generator: PCG XSL-RR 128/64 seeded through
// SeedSequence (numpy/random/src/pcg64, numpy/random/bit_generator.pyx). 32-bit
// draws take the low half of a 64-bit draw and keep the high half.
type pcg64 struct {
	hi, lo       uint64 // state
	incHi, incLo uint64
	half         uint32
	buffered     bool
}

// pcgMul is PCG's 128-bit multiplier.
const (
	pcgMulHi = 0x2360ed051fc65da4
	pcgMulLo = 0x4385df649fccf645
)

// newPCG64 is numpy.random.default_rng(seed + epoch): the sum is taken without
// wrapping, as Python does.
func newPCG64(seed, epoch uint64) *pcg64 {
	sum, carry := bits.Add64(seed, epoch, 0)
	entropy := []uint32{uint32(sum), uint32(sum >> 32), uint32(carry)}
	for len(entropy) > 1 && entropy[len(entropy)-1] == 0 {
		entropy = entropy[:len(entropy)-1]
	}
	w := seedSequence(entropy)
	q := func(i int) uint64 { return uint64(w[2*i]) | uint64(w[2*i+1])<<32 }
	g := &pcg64{incHi: q(2)<<1 | q(3)>>63, incLo: q(3)<<1 | 1}
	g.step()
	var c uint64
	g.lo, c = bits.Add64(g.lo, q(1), 0)
	g.hi, _ = bits.Add64(g.hi, q(0), c)
	g.step()
	return g
}

// seedSequence is numpy.random.SeedSequence(entropy).generate_state(8) for at
// most four words of entropy.
func seedSequence(entropy []uint32) [8]uint32 {
	const (
		initA, multA = 0x43b0d7e5, 0x931e8875
		initB, multB = 0x8b51f9dd, 0x58f38ded
		mixL, mixR   = 0xca01f9dd, 0x4973f715
	)
	h := uint32(initA)
	hash := func(v uint32) uint32 {
		v ^= h
		h *= multA
		v *= h
		return v ^ v>>16
	}
	var pool [4]uint32
	for i := range pool {
		var v uint32
		if i < len(entropy) {
			v = entropy[i]
		}
		pool[i] = hash(v)
	}
	for s := range pool {
		for d := range pool {
			if s != d {
				r := mixL*pool[d] - mixR*hash(pool[s])
				pool[d] = r ^ r>>16
			}
		}
	}
	var out [8]uint32
	h = initB
	for i := range out {
		v := pool[i%4] ^ h
		h *= multB
		v *= h
		out[i] = v ^ v>>16
	}
	return out
}

func (g *pcg64) step() {
	hi, lo := bits.Mul64(g.lo, pcgMulLo)
	hi += g.hi*pcgMulLo + g.lo*pcgMulHi
	var c uint64
	g.lo, c = bits.Add64(lo, g.incLo, 0)
	g.hi, _ = bits.Add64(hi, g.incHi, c)
}

func (g *pcg64) uint64() uint64 {
	g.step()
	return bits.RotateLeft64(g.hi^g.lo, -int(g.hi>>58))
}

func (g *pcg64) uint32() uint32 {
	if g.buffered {
		g.buffered = false
		return g.half
	}
	v := g.uint64()
	g.half, g.buffered = uint32(v>>32), true
	return uint32(v)
}

// interval draws from [0, limit] as NumPy's random_interval: masked rejection,
// on 32 bits where they suffice.
func (g *pcg64) interval(limit uint64) uint64 {
	mask := uint64(1)<<bits.Len64(limit) - 1
	for {
		var v uint64
		if limit <= 0xffffffff {
			v = uint64(g.uint32()) & mask
		} else {
			v = g.uint64() & mask
		}
		if v <= limit {
			return v
		}
	}
}

// permutation is Generator.permutation(arange(n)). T holds n-1.
func permutation[T uint32 | uint64](g *pcg64, a []T) {
	n := len(a)
	for i := range a {
		a[i] = T(i)
	}
	for i := n - 1; i > 0; i-- {
		j := g.interval(uint64(i))
		a[i], a[j] = a[j], a[i]
	}
}

// mt19937 is the Mersenne Twister, seeded by init_genrand as torch's CPU
// generator and Numba's are.
type mt19937 struct {
	state [624]uint32
	next  int
}

func newMT19937(seed uint32) *mt19937 {
	m := &mt19937{next: 624}
	m.state[0] = seed
	for i := 1; i < 624; i++ {
		p := m.state[i-1]
		m.state[i] = 1812433253*(p^p>>30) + uint32(i)
	}
	return m
}

func (m *mt19937) uint32() uint32 {
	if m.next == 624 {
		s := &m.state
		for i := range s {
			y := s[i]&0x80000000 | s[(i+1)%624]&0x7fffffff
			v := s[(i+397)%624] ^ y>>1
			if y&1 != 0 {
				v ^= 0x9908b0df
			}
			s[i] = v
		}
		m.next = 0
	}
	y := m.state[m.next]
	m.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// torchPermutation is torch.randperm(n) with a generator of that seed
// (ATen randperm_cpu; torch draws 32 bits for n < 2³²).
func torchPermutation[T uint32 | uint64](m *mt19937, a []T) {
	n := len(a)
	for i := range a {
		a[i] = T(i)
	}
	for i := 0; i < n-1; i++ {
		j := i + int(m.uint32())%(n-i)
		a[i], a[j] = a[j], a[i]
	}
}

// philox is Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): a keyed bijection of a 128-bit counter. It is the
// rand.Source behind the generators that decoders and operations get. The key
// holds (seed, output, operation), the counter (sample, epoch, block), so that
// re-keying costs nothing and streams never overlap before 2³³ draws.
type philox struct {
	key     [2]uint32
	epoch   uint32
	block   uint32
	sample  uint64
	pending uint64
	have    bool

	twist uint64 // of keys, where a sample comes several times: see again
}

var _ rand.Source = (*philox)(nil)

// rekey begins the stream of a sample. It is small enough to be inlined: that
// counts where samples are small.
func (p *philox) rekey(key uint64, epoch uint32, sample uint64) {
	if p.twist != 0 {
		key = hash.Mix(key ^ p.twist)
	}
	p.key = [2]uint32{uint32(key), uint32(key >> 32)}
	p.epoch, p.block, p.sample, p.have = epoch, 0, sample, false
}

// again says which time a sample comes whose streams begin next: see Repeater.
func (p *philox) again(repeat uint64) {
	p.twist = 0
	if repeat != 0 {
		p.twist = hash.Mix(repeat) // not 0: Mix is a bijection that leaves 0 where it is
	}
}

// Uint64 returns the next 64 bits of the stream.
func (p *philox) Uint64() uint64 {
	if p.have {
		p.have = false
		return p.pending
	}
	out := philox4x32([4]uint32{p.block, p.epoch, uint32(p.sample), uint32(p.sample >> 32)}, p.key)
	p.block++
	p.pending, p.have = uint64(out[2])|uint64(out[3])<<32, true
	return uint64(out[0]) | uint64(out[1])<<32
}

func philox4x32(c [4]uint32, k [2]uint32) [4]uint32 {
	const (
		mul0, mul1   = 0xd2511f53, 0xcd9e8d57
		weyl0, weyl1 = 0x9e3779b9, 0xbb67ae85
	)
	for range 10 {
		a, b := uint64(mul0)*uint64(c[0]), uint64(mul1)*uint64(c[2])
		c = [4]uint32{uint32(b>>32) ^ c[1] ^ k[0], uint32(b), uint32(a>>32) ^ c[3] ^ k[1], uint32(a)}
		k[0] += weyl0
		k[1] += weyl1
	}
	return c
}

// StreamVersion counts the changes of the random numbers that decoders and
// operations get, and of what those of package transform make of them: between
// two builds of one version an epoch's augmentations are the same, bit for bit.
const StreamVersion = 1

// streamKeys gives the keys of an output's random streams: the decoder's and
// each operation's. A stream belongs to the output's name, the stream's (see
// streamName) and its number among those of that name in the pipeline, so that
// adding an output, or an operation of another kind, changes no other's
// augmentations. That of a BatchOp is the same for all outputs.
func streamKeys(seed uint64, o *Output) []uint64 {
	keys := make([]uint64, 1+len(o.Ops))
	seen := make(map[string]int)
	for i := range keys {
		of := o.Decoder
		if i > 0 {
			of = o.Ops[i-1]
		}
		name, output := streamName(of), o.Name
		if _, ok := of.(BatchOp); ok {
			output = ""
		}
		keys[i] = streamKey(seed, output, name, seen[name])
		seen[name]++
	}
	return keys
}

// streamName is the type's name, or what its method Stream says.
func streamName(v any) string {
	if s, ok := v.(interface{ Stream() string }); ok {
		return s.Stream()
	}
	return typeName(v)
}

func streamKey(seed uint64, output, stream string, nth int) uint64 {
	return hash.Mix(seed ^ hash.Mix(hash.FNV(output)+hash.Mix(hash.FNV(stream)+uint64(nth)*hash.Weyl)))
}
