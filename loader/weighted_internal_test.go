package loader

import (
	"math"
	"math/rand/v2"
	"testing"
)

// What a table of aliases gives is what the weights say, and nothing of weight 0.
func TestAlias(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		n := 1 + rng.IntN(200)
		weights := make([]float64, n)
		sum := 0.0
		for i := range weights {
			switch rng.IntN(4) {
			case 0:
			case 1:
				weights[i] = math.Exp(40 * rng.NormFloat64())
			case 2:
				weights[i] = 0.1
			default:
				weights[i] = rng.Float64()
			}
			sum += weights[i]
		}
		if sum == 0 {
			continue
		}
		chance := make([]float64, n)
		for i, a := range newAlias(weights, sum) {
			own := float64(a.below) / (1 << 32)
			chance[i] += own / float64(n)
			chance[a.other] += (1 - own) / float64(n)
		}
		for i, w := range weights {
			if w == 0 && chance[i] != 0 || math.Abs(chance[i]-w/sum) > 1e-9 {
				t.Fatalf("round %d: sample %d of weight %g comes with a chance of %g, want %g", round, i, w, chance[i], w/sum)
			}
		}
	}
}

func TestLogarithm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		u := float64(rng.Uint64()>>11|1) / (1 << 53)
		if i%3 == 0 {
			u = math.Ldexp(u, -i%50)
		}
		if got, want := logarithm(u), math.Log(u); math.Abs(got-want) > 1e-15*math.Max(1, math.Abs(want)) {
			t.Fatalf("log %v is %v, want %v", u, got, want)
		}
	}
	// The same bits on every machine.
	for u, want := range map[float64]uint64{
		0.5: 0xbfe62e42fefa39ef, 0.1: 0xc0026bb1bbb55515, 0.75: 0xbfd269621134db92,
		1.0 / (1 << 53): 0xc0425e4f7b2737fa, 1 - 1.0/(1<<53): 0xbca0000000000000,
	} {
		if got := math.Float64bits(logarithm(u)); got != want {
			t.Errorf("log %v is %#x, want %#x", u, got, want)
		}
	}
}
