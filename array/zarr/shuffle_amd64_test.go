//go:build amd64 && !purego

package zarr

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestAssemblyShuffle compares the assembly with the loops in Go.
func TestAssemblyShuffle(t *testing.T) {
	if !fast {
		t.Skip("this processor has no AVX2")
	}
	defer func() { fast = true }()
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{2, 31, 32, 33, 64, 100, 4096, 4097} {
		src := make([]byte, 4*n+3)
		for i := range src {
			src[i] = byte(r.Uint32())
		}
		got, want, back := make([]byte, len(src)), make([]byte, len(src)), make([]byte, len(src))
		fast = true
		shuffle(got, src, 4)
		unshuffle(back, got, 4)
		fast = false
		shuffle(want, src, 4)
		if !bytes.Equal(got, want) {
			t.Errorf("%d elements: another order than that of the loops", n)
		}
		if !bytes.Equal(back, src) {
			t.Errorf("%d elements: not the way back", n)
		}
	}
}
