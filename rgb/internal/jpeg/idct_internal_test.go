package jpeg

import (
	"math/rand/v2"
	"testing"
)

// TestPairsAreGo tries coefficients that no encoder makes.
func TestPairsAreGo(t *testing.T) {
	if !haveSIMD {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 100000 {
		var coefs, quant [2][64]int16
		var pair quantPair
		span := 1 << (1 + i%16)
		for b := range 2 {
			for k := range 64 {
				if rnd.IntN(1+i%5) == 0 {
					coefs[b][k] = int16(rnd.IntN(span) - span/2)
				}
				quant[b][k] = int16(rnd.IntN(256))
				pair[k/8][b][k%8] = quant[b][k]
			}
		}
		var got, want [2][64]byte
		idctPair(&coefs, &pair, &got[0][0], 8, &got[1][0], 8)
		for b := range 2 {
			idctGo(&coefs[b], &quant[b], want[b][:], 8)
		}
		if got != want {
			t.Fatalf("%d: got %v\nwant %v", i, got, want)
		}
		idctHalfPair(&coefs, &pair, &got[0][0], 8, &got[1][0], 16)
		for b := range 2 {
			idctHalf(&coefs[b], &quant[b], want[b][:], 8+8*b)
		}
		if got != want {
			t.Fatalf("half, %d: got %v\nwant %v", i, got, want)
		}
		dc := coefs[0]
		clear(dc[1:])
		idctGo(&dc, &quant[0], want[0][:], 8)
		idctDC(dc[0], quant[0][0], got[0][:], 8)
		if got[0] != want[0] {
			t.Fatalf("DC %d*%d: got %v want %v", dc[0], quant[0][0], got[0], want[0])
		}
	}
}
