package fields

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestShuffle holds taking elements apart, and putting them together by assembly
// and without, to what these mean, at all lengths around those at which the code
// has edges; nothing beside dst is written.
func TestShuffle(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{2, 4, 8} {
		for n := range 100 {
			src := make([]byte, n*width)
			for i := range src {
				src[i] = byte(rng.Uint32())
			}
			want := make([]byte, len(src))
			for i := range n {
				for k := range width {
					want[k*n+i] = src[i*width+k]
				}
			}
			got := bytes.Repeat([]byte{0xa5}, len(src)+32)
			shuffle(got[16:16+len(src)], src, width)
			if !bytes.Equal(got[16:16+len(src)], want) {
				t.Fatalf("%d elements of %d bytes: taken apart to other bytes", n, width)
			}
			for what, do := range map[string]func(dst, src []byte, width int){
				"unshuffle":        unshuffle,
				"without assembly": func(dst, src []byte, width int) { unshuffleFrom(dst, src, width, 0) },
			} {
				got := bytes.Repeat([]byte{0xa5}, len(src)+32)
				do(got[16:16+len(src)], want, width)
				if !bytes.Equal(got[16:16+len(src)], src) {
					t.Fatalf("%d elements of %d bytes, %s: put together to other bytes", n, width, what)
				}
				if edge := bytes.Repeat([]byte{0xa5}, 16); !bytes.Equal(got[:16], edge) || !bytes.Equal(got[16+len(src):], edge) {
					t.Fatalf("%d elements of %d bytes, %s: bytes beside dst are written", n, width, what)
				}
			}
		}
	}
}

func BenchmarkShuffle(b *testing.B) {
	src, dst := make([]byte, 64<<10), make([]byte, 64<<10)
	for _, width := range []int{2, 4, 8} {
		for what, do := range map[string]func(dst, src []byte, width int){
			"shuffle": shuffle, "unshuffle": unshuffle,
			"unshuffle-go": func(dst, src []byte, width int) { unshuffleFrom(dst, src, width, 0) },
		} {
			b.Run(fmt.Sprintf("width=%d/do=%s", width, what), func(b *testing.B) {
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					do(dst, src, width)
				}
			})
		}
	}
}
