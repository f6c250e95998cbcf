package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// beta is the Beta distribution with both parameters alpha, for a batch.
type beta struct {
	alpha float64
	same  bool
}

func newBeta(op string, alpha float64, same bool) (beta, error) {
	if alpha == 0 {
		alpha = 1
	}
	if !(alpha > 0 && alpha <= math.MaxFloat32) {
		return beta{}, fmt.Errorf("transform: %s with Alpha %v, want a finite number above 0, or 0 for 1", op, alpha)
	}
	return beta{alpha: alpha, same: same}, nil
}

// lambdas gives the numbers for the rows of a batch, one after the other.
type lambdas struct {
	beta
	rng   *rand.Rand
	drawn bool
	last  float64
}

func (b beta) sampler(rng *rand.Rand) lambdas { return lambdas{beta: b, rng: rng} }

func (l *lambdas) next() float64 {
	if !l.same || !l.drawn {
		l.last, l.drawn = l.draw(l.rng), true
	}
	return l.last
}

// draw is a number from 0 to 1, made as NumPy's legacy generator makes it: by
// Johnk's method up to 1, of two Gamma numbers above.
func (b beta) draw(rng *rand.Rand) float64 {
	if b.alpha > 1 {
		x := gamma(rng, b.alpha)
		y := gamma(rng, b.alpha)
		return x / (x + y)
	}
	for {
		u, v := rng.Float64(), rng.Float64()
		if u == 0 || v == 0 {
			continue
		}
		x, y := math.Pow(u, 1/b.alpha), math.Pow(v, 1/b.alpha)
		switch sum := x + y; {
		case sum > 1:
		case sum > 0:
			return x / sum
		default: // both too small for a float64: their logarithms are not
			lx, ly := math.Log(u)/b.alpha, math.Log(v)/b.alpha
			most := max(lx, ly)
			return math.Exp(lx - most - math.Log(math.Exp(lx-most)+math.Exp(ly-most)))
		}
	}
}

// gamma is a number of the Gamma distribution with a shape above 1, by Marsaglia
// and Tsang: a normal number and a uniform one a try.
func gamma(rng *rand.Rand, shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v *= v * v
		u := 1 - rng.Float64() // above 0
		if math.Log(u) < float64(0.5*x*x)+d-float64(d*v)+float64(d*math.Log(v)) {
			return d * v
		}
	}
}
