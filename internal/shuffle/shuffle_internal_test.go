package shuffle

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// plain are both ways without assembly.
var plain = map[string]func(dst, src []byte, size int){
	"Apart": func(dst, src []byte, size int) {
		if n := prepare(dst, src, size); n > 0 {
			apart(dst, src, size, n, 0)
		}
	},
	"Together": func(dst, src []byte, size int) {
		if n := prepare(dst, src, size); n > 0 {
			together(dst, src, size, n, 0)
		}
	},
}

// TestShuffle holds both ways, by assembly and without, to what they mean, at all
// numbers of elements around those at which the code has edges, with all numbers
// of bytes that are no whole element; nothing beside dst is written.
func TestShuffle(t *testing.T) {
	for size := range 18 {
		var lengths []int
		for n := range 100 {
			lengths = append(lengths, n*size, n*size+max(size-1, 0))
		}
		for _, length := range append(lengths, 1, 4097*size+1) {
			src := noise(length)
			want := make([]byte, 0, length)
			n := length / max(size, 1)
			for k := range size {
				for i := range n {
					want = append(want, src[i*size+k])
				}
			}
			want = append(want, src[n*size:]...)
			for _, do := range []struct {
				what      string
				how       func(dst, src []byte, size int)
				src, want []byte
			}{
				{"Apart", Apart, src, want}, {"Apart without assembly", plain["Apart"], src, want},
				{"Together", Together, want, src}, {"Together without assembly", plain["Together"], want, src},
			} {
				const edge = 32
				got := bytes.Repeat([]byte{0xa5}, edge+length+edge)
				do.how(got[edge:edge+length], do.src, size)
				if !bytes.Equal(got[edge:edge+length], do.want) {
					t.Fatalf("%s: %d bytes, elements of %d: other bytes", do.what, length, size)
				}
				if e := bytes.Repeat([]byte{0xa5}, edge); !bytes.Equal(got[:edge], e) || !bytes.Equal(got[edge+length:], e) {
					t.Fatalf("%s: %d bytes, elements of %d: bytes beside dst are written", do.what, length, size)
				}
			}
		}
	}
}

// TestShort: a dst that is too short is the caller's mistake, never a write
// beyond it.
func TestShort(t *testing.T) {
	for what, do := range map[string]func(dst, src []byte, size int){"Apart": Apart, "Together": Together} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			do(make([]byte, 127), make([]byte, 128), 4)
		}()
	}
}

func BenchmarkShuffle(b *testing.B) {
	src, dst := noise(64<<10), make([]byte, 64<<10)
	for _, size := range []int{2, 3, 4, 8} {
		for what, do := range map[string]func(dst, src []byte, size int){
			"apart": Apart, "together": Together, "apart-go": plain["Apart"], "together-go": plain["Together"],
		} {
			b.Run(fmt.Sprintf("size=%d/do=%s", size, what), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					do(dst, src, size)
				}
			})
		}
	}
}
