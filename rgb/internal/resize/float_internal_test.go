package resize

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestFloat16 looks at every finite 16-bit float and at what lies between it
// and the next.
func TestFloat16(t *testing.T) {
	value := func(h uint16) float64 {
		if exp := int(h >> 10); exp > 0 {
			return math.Ldexp(float64(1024+h&0x3ff), exp-25)
		}
		return math.Ldexp(float64(h), -24)
	}
	for h := range uint16(0x7c00) {
		v, next := value(h), value(h+1) // the one after the last would be 65536
		even := h + h&1
		for _, c := range []struct {
			f    float64
			want uint16
		}{{v, h}, {v + 0.4995*(next-v), h}, {(v + next) / 2, even}, {v + 0.5005*(next-v), h + 1}} {
			if got := float16(float32(c.f)); got != c.want {
				t.Fatalf("%g became %#04x, want %#04x", c.f, got, c.want)
			}
			if got := float16(float32(-c.f)); got != c.want|0x8000 && c.f != 0 {
				t.Fatalf("%g became %#04x, want %#04x", -c.f, got, c.want|0x8000)
			}
		}
	}
	if got := float16(float32(math.Inf(-1))); got != 0xfc00 {
		t.Errorf("-Inf became %#04x", got)
	}
}

// TestBFloat16 looks at ties and their neighbours, all exponents.
func TestBFloat16(t *testing.T) {
	for h := uint32(0); h < 0x7f80; h++ {
		for _, c := range []struct{ low, want uint32 }{{0, h}, {0x7fff, h}, {0x8000, h + h&1}, {0x8001, h + 1}, {0xffff, h + 1}} {
			f := math.Float32frombits(h<<16 | c.low)
			if got := bfloat16(f); uint32(got) != c.want {
				t.Fatalf("%g became %#04x, want %#04x", f, got, c.want)
			}
			if got := bfloat16(-f); uint32(got) != c.want|0x8000 {
				t.Fatalf("%g became %#04x, want %#04x", -f, got, c.want|0x8000)
			}
		}
	}
}

// TestFloatKernels holds the kernels to the table, at any mean and deviation:
// subnormals, infinities, alignments and lengths.
func TestFloatKernels(t *testing.T) {
	if !fast {
		t.Skip("no assembly here")
	}
	r := rand.New(rand.NewPCG(2, 3))
	for round := range 2000 {
		target := Target{Width: 1 + r.IntN(70), Height: 1, Layout: Layout(r.IntN(2)), Type: 1 + Type(r.IntN(3))}
		for c := range 3 {
			target.Mean[c] = 255 * r.Float32()
			target.Std[c] = float32(math.Exp(80 * (r.Float64() - 0.5)))
			if round%2 == 0 {
				target.Mean[c], target.Std[c] = float32(r.IntN(255)), 1+r.Float32()*100
			}
		}
		src := make([]byte, 3*target.Width)
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		n, channel := len(src), 3
		if target.Layout == CHW {
			n, channel = target.Width, r.IntN(3)
		}
		size, skew := target.Type.size(), r.IntN(80)
		var s sink
		s.open(make([]byte, target.Size()), &target, true)
		s.stream = r.IntN(2) == 0
		got, want := make([]byte, n*size+skew)[skew:], make([]byte, n*size)
		s.floats(got, src, channel)
		s.each(want, src[:n], channel, 0)
		if string(got) != string(want) {
			t.Fatalf("%+v, channel %d, %d bytes off, streamed %v: differs from the table", target, channel, skew, s.streamed)
		}
	}
}
