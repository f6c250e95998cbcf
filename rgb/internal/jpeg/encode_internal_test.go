package jpeg

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// TestDivide compares quotients with libjpeg's rule for all that there are.
func TestDivide(t *testing.T) {
	for d := 1; d <= 255; d++ {
		var q quantiser
		q.set(9, byte(d))
		for x := int32(-32767); x <= 32767; x++ {
			size := max(x, -x)
			want := (size + int32(d)<<3/2) / (int32(d) << 3)
			if x < 0 {
				want = -want
			}
			if got := q.divide(9, x); int32(got) != want {
				t.Fatalf("%d/%d: got %d, want %d", x, 8*d, got, want)
			}
		}
	}
}

// TestLargestCoefficients drives each coefficient as far as samples can, either
// way: the code tables go to 10 bits, and 11 for a difference of DC.
func TestLargestCoefficients(t *testing.T) {
	var q quantiser
	for k := range 64 {
		q.set(k, 1)
	}
	cosine := func(x, u int) float64 { return math.Cos(float64(2*x+1) * float64(u) * math.Pi / 16) }
	most := 0
	for n := range 128 {
		u, v, sign := n%8, n/8%8, 1-2*float64(n/64)
		var src [64]byte
		for i := range src {
			if sign*cosine(i%8, u)*cosine(i/8, v) > 0 {
				src[i] = 255
			}
		}
		var coefs [64]int16
		fdctGo(src[:], 8, &q, &coefs)
		for k, c := range coefs {
			limit := 1023
			if k == 0 {
				limit = 1024
			}
			if most = max(most, int(c)); int(max(c, -c)) > limit {
				t.Errorf("coefficient %d is %d", k, c)
			}
		}
	}
	if most < 1000 {
		t.Errorf("the largest is only %d", most)
	}
}

// randomBlocks is 16x8 samples: noise, extremes, waves or flat ones.
func randomBlocks(rnd *rand.Rand, kind int) (b [8 * 16]byte) {
	base, span := rnd.IntN(256), 1+rnd.IntN(256)
	for i := range b {
		switch kind {
		case 0:
			b[i] = byte(rnd.IntN(256))
		case 1:
			b[i] = byte(-rnd.IntN(2))
		case 2:
			b[i] = byte(base)
		default:
			b[i] = byte(base + rnd.IntN(span)*kind/16)
		}
	}
	return b
}

// TestTransformIsGo checks that the assembly transforms as Go does.
func TestTransformIsGo(t *testing.T) {
	if !haveSIMD {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for i := range 40000 {
		var e Encoder
		e.setQuality(1 + rnd.IntN(100))
		if i%2 == 0 {
			e.setQuality(100)
		}
		src := randomBlocks(rnd, i%16)
		q := &e.quant[i&1]
		var got, want [2][64]int16
		var gotSome, wantSome [2]uint64
		fdctPair(&src[0], 16, q, &got, &gotSome)
		for b := range 2 {
			wantSome[b] = fdctGo(src[8*b:], 16, q, &want[b])
		}
		if got != want || gotSome != wantSome {
			t.Fatalf("%d: got %v %x\nwant %v %x", i, got, gotSome, want, wantSome)
		}
	}
}

// TestConvertIsGo tries every value of every channel beside random others.
func TestConvertIsGo(t *testing.T) {
	if !haveSIMD {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range 20000 {
		n := 1 + i%3
		var in [2][3 * 48]byte
		for j := range in {
			for x := range in[j] {
				in[j][x] = byte(rnd.IntN(256))
				if i%4 == 0 {
					in[j][x] = byte(-(rnd.IntN(2)))
				}
			}
		}
		const stride = 64
		var got, want [3 * stride]byte
		convertRows(&got[0], stride, &got[2*stride], &in[0][0], &in[1][0], n)
		for k := range n {
			convertGo(want[16*k:], stride, want[2*stride+16*k:], in[0][48*k:], in[1][48*k:])
		}
		if got != want {
			t.Fatalf("%d: got %v\nwant %v", i, got, want)
		}
	}
}

// TestEmitIsGo writes MCUs of any values that the codes have, long runs and
// bytes to stuff among them.
func TestEmitIsGo(t *testing.T) {
	if !haveSIMD {
		t.Skip("no assembly here")
	}
	rnd := rand.New(rand.NewPCG(9, 10))
	var a, b coder
	a.start()
	b.start()
	got, want := make([]byte, worstUnit), make([]byte, worstUnit)
	for i := range 50000 {
		var u unit
		few, span := 1+rnd.IntN(64), 1<<rnd.IntN(10)
		for j := range u.coefs {
			u.coefs[j][0] = int16(rnd.IntN(2048) - 1024)
			for k := 1; k < 64; k++ {
				if rnd.IntN(few) == 0 {
					u.coefs[j][k] = int16(rnd.IntN(2*span+1) - span)
				}
				if i%50 == 0 {
					u.coefs[j][k] = 1023
				}
			}
			for k, v := range u.coefs[j] {
				if v != 0 {
					u.some[j] |= 1 << k
				}
			}
		}
		n, m := a.emit(got, &u, false), b.emit(want, &u, true)
		if n != m || !bytes.Equal(got[:n], want[:m]) || a.free != b.free || a.pred != b.pred {
			t.Fatalf("%d: got %d bytes %x\nwant %d %x", i, n, got[:n], m, want[:m])
		}
	}
	if x, y := a.end(nil), b.end(nil); !bytes.Equal(x, y) {
		t.Errorf("the end: got %x, want %x", x, y)
	}
}
