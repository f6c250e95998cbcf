package transform

import (
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// TestLines looks how often a line gives the numbers of a table, and that it
// does for what is used: the assembly is left aside where it doesn't.
func TestLines(t *testing.T) {
	for _, c := range []struct {
		name      string
		mean, std [3]float64
	}{
		{"ImageNet", [3]float64{0.485 * 255, 0.456 * 255, 0.406 * 255}, [3]float64{0.229 * 255, 0.224 * 255, 0.225 * 255}},
		{"CIFAR-10 of ffcv", [3]float64{125.307, 122.961, 113.8575}, [3]float64{51.5865, 50.847, 51.255}},
		{"CIFAR-10", [3]float64{0.4914 * 255, 0.4822 * 255, 0.4465 * 255}, [3]float64{0.2470 * 255, 0.2435 * 255, 0.2616 * 255}},
		{"MNIST", [3]float64{0.1307 * 255, 0.1307 * 255, 0.1307 * 255}, [3]float64{0.3081 * 255, 0.3081 * 255, 0.3081 * 255}},
		{"halves", [3]float64{127.5, 127.5, 127.5}, [3]float64{127.5, 127.5, 127.5}},
		{"0 to 1", [3]float64{}, [3]float64{255, 255, 255}},
		{"whole means", [3]float64{128, 100, 99}, [3]float64{57, 61, 3}},
		{"CLIP", [3]float64{0.48145466 * 255, 0.4578275 * 255, 0.40821073 * 255}, [3]float64{0.26862954 * 255, 0.26130258 * 255, 0.27577711 * 255}},
	} {
		for _, kind := range []rgb.PixelType{rgb.Float32, rgb.Float16, rgb.BFloat16} {
			k, err := Normalize{Mean: c.mean, Std: c.std}.normalizer(kind, 3)
			if err != nil {
				t.Fatal(err)
			}
			if findLine(kind, c.mean[:], c.std[:], k.table[:]) == nil {
				t.Errorf("%s to %v: no line", c.name, kind)
			}
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []rgb.PixelType{rgb.Float32, rgb.Float16, rgb.BFloat16} {
		missed := 0
		const n = 300
		for range n {
			z := Normalize{}
			for c := range 3 {
				z.Mean[c], z.Std[c] = 255*rng.Float64(), 1+100*rng.Float64()
			}
			k, err := z.normalizer(kind, 3)
			if err != nil {
				t.Fatal(err)
			}
			if findLine(kind, z.Mean[:], z.Std[:], k.table[:]) == nil {
				missed++
			}
		}
		t.Logf("%v: no line for %d of %d", kind, missed, n)
		if missed > n/50 {
			t.Errorf("%v: no line for %d of %d", kind, missed, n)
		}
	}
}

// TestNumbersBySIMD compares the assembly with the tables, for every value at
// every place and for lengths that aren't whole turns.
func TestNumbersBySIMD(t *testing.T) {
	if !fast {
		t.Skip("no assembly here")
	}
	src := make([]byte, 24*256+23)
	for i := range src {
		src[i] = byte(i/24 + i%24*31)
	}
	z := Normalize{Mean: [3]float64{123.675, 116.28, 103.53}, Std: [3]float64{58.395, 57.12, 57.375}}
	for _, kind := range []rgb.PixelType{rgb.Float32, rgb.Float16, rgb.BFloat16} {
		for channels := 1; channels <= 3; channels++ {
			k, err := z.normalizer(kind, channels)
			if err != nil {
				t.Fatal(err)
			}
			if k.line == nil {
				t.Fatalf("%v: no line", kind)
			}
			plain := *k
			plain.line = nil
			for _, n := range []int{0, 1, 23, 24, 25, 47, 48, 72, len(src)} {
				n -= n % channels
				const guard = 64
				got, want := make([]byte, n*kind.Size()+guard), make([]byte, n*kind.Size()+guard)
				k.write(got[:n*kind.Size()], src[:n])
				plain.write(want[:n*kind.Size()], src[:n])
				for i := range got {
					if got[i] != want[i] {
						t.Fatalf("%v, %d channels, %d values: byte %d is %d, want %d", kind, channels, n, i, got[i], want[i])
					}
				}
			}
		}
	}
}

func BenchmarkNormalize(b *testing.B) {
	z := Normalize{Mean: [3]float64{123.675, 116.28, 103.53}, Std: [3]float64{58.395, 57.12, 57.375}}
	src := make([]byte, 3*32*32)
	for _, kind := range []rgb.PixelType{rgb.Float32, rgb.Float16, rgb.BFloat16} {
		k, err := z.normalizer(kind, 3)
		if err != nil {
			b.Fatal(err)
		}
		dst := make([]byte, len(src)*kind.Size())
		b.Run("type="+kind.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				k.write(dst, src)
			}
		})
		k.line = nil
		b.Run("by=table/type="+kind.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				k.write(dst, src)
			}
		})
	}
}
