package transform

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"
)

// TestLookup takes every value through tables without order, at every length
// around the assembly's groups.
func TestLookup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var table [256]byte
	for i, v := range rng.Perm(256) {
		table[i] = byte(v)
	}
	src := make([]byte, 3*256)
	for i := range src {
		src[i] = byte(i)
	}
	for n := range len(src) + 1 {
		dst := make([]byte, n+1)
		lookup(dst[:n], src[:n], &table)
		for i, v := range dst[:n] {
			if v != table[src[i]] {
				t.Fatalf("%d bytes: %d became %d, want %d", n, src[i], v, table[src[i]])
			}
		}
		if dst[n] != 0 {
			t.Fatalf("%d bytes: one more written", n)
		}
	}
	lookup(src, src, &table)
	for i, v := range src {
		if v != table[byte(i)] {
			t.Fatalf("in place: %d became %d", byte(i), v)
		}
	}
}

// TestGray takes all colours through both loops.
func TestGray(t *testing.T) {
	row := make([]byte, 3*256+1)
	out := make([]byte, 3*256)
	step := 1
	if testing.Short() {
		step = 5
	}
	for r := 0; r < 256; r += step {
		for g := range 256 {
			var sum uint64
			for b := range 256 {
				row[3*b], row[3*b+1], row[3*b+2] = byte(r), byte(g), byte(b)
				sum += uint64(gray(byte(r), byte(g), byte(b)))
			}
			grayTriples(out, row[:3*256])
			for b := range 256 {
				want := gray(byte(r), byte(g), byte(b))
				if out[3*b] != want || out[3*b+1] != want || out[3*b+2] != want {
					t.Fatalf("colour %d %d %d: gray %v, want %d", r, g, b, out[3*b:3*b+3], want)
				}
			}
			if got := graySum(row[:3*256]); got != sum {
				t.Fatalf("red %d, green %d: sum %d, want %d", r, g, got, sum)
			}
		}
	}
	for n := range 64 { // every length, in place, and nothing past it
		a := bytes.Repeat([]byte{9, 90, 200}, n)
		a = append(a, 77)
		grayTriples(a[:3*n], a[:3*n])
		want := append(bytes.Repeat([]byte{gray(9, 90, 200)}, 3*n), 77)
		if !bytes.Equal(a, want) {
			t.Fatalf("%d pixels: %v", n, a)
		}
	}
	white := bytes.Repeat([]byte{255}, 3<<20)
	if got := graySum(white); got != 254<<20 {
		t.Errorf("sum of white %d, want %d", got, 254<<20)
	}
}

// TestMix takes all pairs of bytes through the assembly for factors of many
// kinds, and compares with float64.
func TestMix(t *testing.T) {
	factors := []float64{
		0, 1, 0.5, 0.25, 1.5, 1.75, 2, 1.0 / 3, 2.0 / 3, 1.1, 0.9, 0.1, 0.3, 1.7, 3.3, 15.25, 15.499, 15.5, 100, 1e300,
		1e-3, 1e-9, 1e-11, 1e-12, 1e-15, 1e-300, 1 - 1e-9, 1 - 1e-12, 1 - 1e-16, 1 + 1e-9, 1 + 1e-14,
		math.Nextafter(0.5, 0), math.Nextafter(0.5, 1), math.Nextafter(1, 2), 0.5 + 1e-11, 100.0 / 255, 128.0 / 255, 1.0 / 255, 1.0 / 254,
	}
	rng := rand.New(rand.NewPCG(2, 2))
	for range 150 {
		factors = append(factors, rng.Float64(), 2*rng.Float64(), 15*rng.Float64())
	}
	a, b, got := make([]byte, 1<<16), make([]byte, 1<<16), make([]byte, 1<<16)
	for i := range a {
		a[i], b[i] = byte(i), byte(i>>8)
	}
	fast := 0
	for _, r := range factors {
		var m mix
		m.set(r)
		if m.fast {
			fast++
		}
		m.bytes(got, a, b)
		for i, v := range got {
			if want := level(float64(r*float64(a[i])) + float64((1-r)*float64(b[i]))); v != want {
				t.Fatalf("factor %v: %d and %d came to %d, want %d", r, a[i], b[i], v, want)
			}
		}
	}
	if pixelAVX2 && fast < 450 {
		t.Errorf("the assembly served %d of %d factors", fast, len(factors))
	}
	var m mix
	m.set(0.3)
	for n := range 100 { // every length, over either source
		want := make([]byte, n)
		for i := range want {
			want[i] = m.of(byte(7*i), byte(200-i))
		}
		x, y := make([]byte, n+1), make([]byte, n+1)
		for i := range n {
			x[i], y[i] = byte(7*i), byte(200-i)
		}
		x2 := bytes.Clone(x)
		m.bytes(x[:n], x[:n], y[:n])
		m.bytes(y[:n], x2[:n], y[:n])
		if !bytes.Equal(x[:n], want) || !bytes.Equal(y[:n], want) || x[n] != 0 || y[n] != 0 {
			t.Fatalf("%d bytes: %v and %v, want %v", n, x, y, want)
		}
	}
}

func BenchmarkPixel(b *testing.B) {
	src, dst := make([]byte, 3*224*224), make([]byte, 3*224*224)
	for i := range src {
		src[i] = byte(i * 7)
	}
	var table [256]byte
	b.Run("lookup", func(b *testing.B) {
		for b.Loop() {
			lookup(dst, src, &table)
		}
	})
	b.Run("grayTriples", func(b *testing.B) {
		for b.Loop() {
			grayTriples(dst, src)
		}
	})
	b.Run("graySum", func(b *testing.B) {
		for b.Loop() {
			graySum(src)
		}
	})
	b.Run("mix", func(b *testing.B) {
		for b.Loop() {
			var m mix
			m.set(0.371234)
			m.bytes(dst, src, dst)
		}
	})
	b.Run("set", func(b *testing.B) {
		for b.Loop() {
			var m mix
			m.set(0.371234)
		}
	})
}
