package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"

	"github.com/betongo/betongo/array"
)

// GaussianBlur blurs an image with a Gaussian of a random width (torchvision's
// GaussianBlur): Size x Size weights exp(-(x*x+y*y)/(2*sigma*sigma)) that add up
// to 1, sigma uniform from Sigma[0] to Sigma[1]; beyond its edges the image is
// mirrored without repeating the edge. Rows are blurred, then columns, in
// float32, where torchvision does both at once; the outcome is rounded to the
// nearest, to even between two. It draws two numbers, whether it applies and
// sigma, both always.
type GaussianBlur struct {
	Size  int        // odd, below twice the image's shorter side
	Sigma [2]float64 // pixels; 0, 0: 0.1 to 2
	P     float64    // how probable it is that it applies; 0: always
}

// Bind takes images of 1 to 4 channels; the outcome is one of the same size. It
// works in place.
func (g GaussianBlur) Bind(in array.Spec) (array.Spec, ApplyFunc, bool, error) {
	height, width, channels, err := picture("GaussianBlur", in)
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	j, err := g.jitter()
	if err != nil {
		return array.Spec{}, nil, false, err
	}
	if g.Size < 1 || g.Size%2 == 0 || g.Size/2 >= min(height, width) {
		return array.Spec{}, nil, false, fmt.Errorf("transform: GaussianBlur with Size %d of an image of %dx%d, want an odd number from 1 to %d",
			g.Size, width, height, 2*min(height, width)-1)
	}
	n := channels * height * width
	// Memory for as many runs at a time as there can be; a sync.Pool would lose it
	// to the garbage collector.
	free := make(chan *blur, runtime.GOMAXPROCS(0))
	return in, func(dst, src []byte, rng *rand.Rand) error {
		if err := sized("GaussianBlur", dst, src, n, n); err != nil {
			return err
		}
		applied, sigma := j.draw(rng)
		if !applied {
			carry(dst, src)
			return nil
		}
		var b *blur
		select {
		case b = <-free:
		default:
			b = newBlur(g.Size/2, width, channels)
		}
		b.run(dst, src, height, sigma)
		select {
		case free <- b:
		default:
		}
		return nil
	}, true, nil
}

func (g GaussianBlur) jitter() (jitter, error) {
	if g.Sigma == [2]float64{} {
		g.Sigma = [2]float64{0.1, 2}
	}
	if !(g.Sigma[0] > 0 && g.Sigma[0] <= g.Sigma[1] && g.Sigma[1] <= math.MaxFloat32) {
		return jitter{}, fmt.Errorf("transform: GaussianBlur with Sigma %v, want two numbers above 0, the first not above the second", g.Sigma)
	}
	p, err := chance("GaussianBlur", g.P, 1)
	return jitter{p: p, lo: g.Sigma[0], hi: g.Sigma[1]}, err
}

// Drawn tells what Bind's function would draw: applied, and sigma if so.
func (g GaussianBlur) Drawn(_ array.Spec, rng *rand.Rand) map[string]any {
	j, err := g.jitter()
	if err != nil {
		return map[string]any{}
	}
	applied, sigma := j.draw(rng)
	if !applied {
		return map[string]any{"applied": false}
	}
	return map[string]any{"applied": true, "sigma": sigma}
}

// blur is the memory of one run: as many blurred rows as the columns' weights
// reach, so that a row of the image may be overwritten as soon as its own
// outcome is there.
type blur struct {
	half, width, channels int
	weights               []float32   // the outermost first, the middle last
	wide                  []float32   // a row with half pixels more on both sides
	ring                  [][]float32 // blurred row y is in ring[y%len(ring)]
	rows                  [][]float32 // what is added up, one a weight
}

func newBlur(half, width, channels int) *blur {
	b := &blur{half: half, width: width, channels: channels}
	row := (channels*width + 7) &^ 7 // whole vectors
	b.weights = make([]float32, half+1)
	b.wide = make([]float32, row+2*half*channels)
	b.rows = make([][]float32, 2*half+1)
	b.ring = make([][]float32, 2*half+1)
	for i := range b.ring {
		b.ring[i] = make([]float32, row)
	}
	return b
}

// weigh sets the weights.
func (b *blur) weigh(sigma float64) {
	sum := 1.0
	for i := 1; i <= b.half; i++ {
		sum += 2 * math.Exp(-0.5*(float64(i)/sigma)*(float64(i)/sigma))
	}
	for i := range b.weights {
		x := float64(b.half-i) / sigma
		b.weights[i] = float32(math.Exp(-0.5*x*x) / sum)
	}
}

func (b *blur) run(dst, src []byte, height int, sigma float64) {
	b.weigh(sigma)
	row := b.channels * b.width
	next := 0 // the first row that isn't blurred yet
	for y := range height {
		for ; next <= min(y+b.half, height-1); next++ {
			b.across(b.ring[next%len(b.ring)], src[next*row:(next+1)*row])
		}
		for k := range b.rows {
			b.rows[k] = b.ring[mirrored(y+k-b.half, height)%len(b.ring)]
		}
		b.round(dst[y*row : (y+1)*row])
	}
}

// mirrored is where pixel i of n is, which may lie less than n outside.
func mirrored(i, n int) int {
	switch {
	case i < 0:
		return -i
	case i >= n:
		return 2*n - 2 - i
	}
	return i
}

// across blurs a row.
func (b *blur) across(out []float32, row []byte) {
	c, edge := b.channels, b.half*b.channels
	widen(b.wide[edge:], row)
	for i := 1; i <= b.half; i++ {
		left, right := mirrored(-i, b.width), mirrored(b.width-1+i, b.width)
		for k := range c {
			b.wide[edge-i*c+k] = float32(row[left*c+k])
			b.wide[edge+(b.width-1+i)*c+k] = float32(row[right*c+k])
		}
	}
	for k := range b.rows {
		b.rows[k] = b.wide[k*c:]
	}
	weighted(out, b.rows, b.weights)
}

// round blurs a column of each pixel of a row.
func (b *blur) round(out []byte) {
	sums := b.wide[:(len(out)+7)&^7]
	weighted(sums, b.rows, b.weights)
	narrow(out, sums)
}
