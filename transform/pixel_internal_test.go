package transform

import (
	"bytes"
	"encoding/binary"
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

// TestHues takes colours of all kinds through the assembly and compares it with
// its twin.
func TestHues(t *testing.T) {
	var colours []byte
	for r := 0; r < 256; r += 5 {
		for g := 0; g < 256; g += 3 {
			for b := 0; b < 256; b += 15 {
				colours = append(colours, byte(r), byte(g), byte(b))
			}
		}
	}
	got := make([]byte, len(colours))
	for _, by := range []float32{0, 0.5, -0.5, 0.1, -0.1, 1.0 / 3, 1.0 / 6, -1.0 / 6, 1e-9, -1e-9, 0.4999, -1.0 / 3} {
		copy(got, colours)
		hues(got, by)
		for i := 0; i < len(got); i += 3 {
			r, g, b := turned(colours[i], colours[i+1], colours[i+2], by)
			if got[i] != r || got[i+1] != g || got[i+2] != b {
				t.Fatalf("colour %v turned by %v is %v, want %v", colours[i:i+3], by, got[i:i+3], []byte{r, g, b})
			}
		}
	}
}

// TestBlurLoops compares the assembly of the loops over floats with its twins.
func TestBlurLoops(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for _, n := range []int{8, 16, 24, 32, 40, 64, 72, 200} {
		for _, half := range []int{0, 1, 2, 5, 11} {
			rows := make([][]float32, 2*half+1)
			for k := range rows {
				rows[k] = make([]float32, n)
				for i := range rows[k] {
					rows[k][i] = 255 * rng.Float32()
				}
			}
			weights := make([]float32, half+1)
			for k := range weights {
				weights[k] = rng.Float32()
			}
			got := make([]float32, n)
			weighted(got, rows, weights)
			for i := range got {
				want := rows[half][i] * weights[half]
				for k := range half {
					want += float32((rows[k][i] + rows[2*half-k][i]) * weights[k])
				}
				if got[i] != want {
					t.Fatalf("%d numbers, %d rows: number %d is %v, want %v", n, len(rows), i, got[i], want)
				}
			}
		}
	}
	src := []float32{0, 0.5, 1.5, 2.5, 254.5, 255, 255.4, 0.49999997, 100.5, 101.5, 3, -0.2}
	for n := range len(src) + 1 {
		got, want := make([]byte, n+1), []byte{0, 0, 2, 2, 254, 255, 255, 0, 100, 102, 3, 0}
		narrow(got[:n], src)
		if !bytes.Equal(got[:n], want[:n]) || got[n] != 0 {
			t.Fatalf("%d numbers became %v, want %v", n, got, want[:n])
		}
	}
	bytes := []byte{0, 1, 2, 127, 128, 200, 254, 255, 9, 10, 11}
	wide := make([]float32, len(bytes))
	widen(wide, bytes)
	for i, v := range bytes {
		if wide[i] != float32(v) {
			t.Fatalf("%d became %v", v, wide[i])
		}
	}
}

// TestMixFloats compares with float64's sum, at every length and for numbers of
// all sizes.
func TestMixFloats(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	for n := range 40 {
		for _, r := range []float64{0, 1, 0.3, rng.Float64(), 1e-20} {
			a, b, got, want := make([]byte, 4*n), make([]byte, 4*n), make([]byte, 4*n+1), make([]byte, 4*n+1)
			for i := range n {
				x := float32(math.Ldexp(rng.Float64()-0.5, rng.IntN(200)-100))
				y := float32(math.Ldexp(rng.Float64()-0.5, rng.IntN(200)-100))
				binary.LittleEndian.PutUint32(a[4*i:], math.Float32bits(x))
				binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(y))
				v := float32(float64(r*float64(x)) + float64((1-r)*float64(y)))
				binary.LittleEndian.PutUint32(want[4*i:], math.Float32bits(v))
			}
			mixFloats(got[:4*n], a, b, r)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d numbers by %v: %x, want %x", n, r, got, want)
			}
		}
	}
}
