package rgb

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestRowsAreGo compares the assembly with Go: every colour, and rows of many
// lengths with guards behind them.
func TestRowsAreGo(t *testing.T) {
	if !haveAVX2 {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var u upsampler
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return b
	}
	for n := 1; n < 200; n++ {
		near, far := noise(n), noise(n)
		a, b := bytes.Repeat([]byte{7}, 2*n+40), bytes.Repeat([]byte{7}, 2*n+40)
		if n > 2 {
			u.across(a[:2*n], near)
			across(b[:2*n], near)
			if !bytes.Equal(a, b) {
				t.Fatalf("across, %d samples: %v, want %v", n, a, b)
			}
			u.acrossDown(a[:2*n], near, far)
			acrossDown(b[:2*n], near, far)
			if !bytes.Equal(a, b) {
				t.Fatalf("acrossDown, %d samples: %v, want %v", n, a, b)
			}
		}
		a, b = bytes.Repeat([]byte{7}, 3*n+40), bytes.Repeat([]byte{7}, 3*n+40)
		luma := noise(n)
		u.yccRow(a[:3*n], luma, near, far)
		yccRow(b[:3*n], luma, near, far)
		if !bytes.Equal(a, b) {
			t.Fatalf("yccRow, %d samples: %v, want %v", n, a, b)
		}
	}
	var luma, cb, cr [256]byte
	for i := range 256 {
		luma[i] = byte(i)
	}
	a, b := make([]byte, 3*256), make([]byte, 3*256)
	for i := range 1 << 16 {
		for x := range 256 {
			cb[x], cr[x] = byte(i>>8), byte(i)
		}
		u.yccRow(a, luma[:], cb[:], cr[:])
		yccRow(b, luma[:], cb[:], cr[:])
		if !bytes.Equal(a, b) {
			t.Fatalf("Cb %d, Cr %d: %v, want %v", i>>8, i&255, a, b)
		}
	}
}
