package transform_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/transform"
)

// drawnOp is package loader's interface of what tells its draws.
type drawnOp interface {
	op
	Drawn(in array.Spec, rng *rand.Rand) map[string]any
}

// colourful is a picture with gray, black, white and every kind of colour.
func colourful(w, h int) []byte {
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	pix := make([]byte, 3*w*h)
	for i := range pix {
		pix[i] = byte(rng.Uint32())
		switch {
		case i < len(pix)/8:
			pix[i] = byte(i / 3)
		case i < len(pix)/4:
			pix[i] = byte(100 + i%7)
		case i < len(pix)/3:
			pix[i] = byte(255 * (i / 9 % 2))
		}
	}
	return pix
}

func grayOf(p []byte) float64 {
	return math.Floor((2989*float64(p[0]) + 5870*float64(p[1]) + 1140*float64(p[2])) / 10000)
}

// blended is FFCV's formula, one value at a time.
func blended(v byte, base, factor float64) byte {
	x := float64(factor*float64(v)) + float64((1-factor)*base)
	return byte(min(max(x, 0), 255))
}

// changed is what an operation on colours does, as slowly as it is said.
func changed(name string, pix []byte, factor float64) []byte {
	out := bytes.Clone(pix)
	mean := 0.0
	for i := 0; i < len(pix); i += 3 {
		mean += grayOf(pix[i:])
	}
	mean /= float64(len(pix) / 3)
	for i, v := range pix {
		p := pix[i-i%3:]
		switch name {
		case "brightness":
			out[i] = blended(v, 0, factor)
		case "contrast":
			out[i] = blended(v, mean, factor)
		case "saturation":
			out[i] = blended(v, grayOf(p), factor)
		case "hue":
			out[i] = turnedHue(p, factor)[i%3]
		}
	}
	return out
}

// turnedHue turns a colour in float64, by way of the hexagon's edges.
func turnedHue(p []byte, by float64) [3]byte {
	r, g, b := float64(p[0]), float64(p[1]), float64(p[2])
	most, least := max(r, g, b), min(r, g, b)
	h := 0.0
	switch span := most - least; {
	case span == 0:
	case most == r:
		h = (g - b) / span
	case most == g:
		h = 2 + (b-r)/span
	default:
		h = 4 + (r-g)/span
	}
	var out [3]byte
	for c := range 3 { // how far the channel's own corner of the hexagon is
		d := math.Abs(math.Mod(h+6*by-2*float64(c)+15, 6) - 3)
		share := min(max(2-d, 0), 1)
		out[c] = byte(least + share*(most-least) + 1e-9)
	}
	return out
}

// TestColours compares the operations with the model, with the factors that they
// say they draw.
func TestColours(t *testing.T) {
	for _, c := range []struct {
		op   drawnOp
		name string
		off  int // how far values may be: the model of Hue is not in float32
	}{
		{transform.Brightness{Magnitude: 0.4}, "brightness", 0},
		{transform.Brightness{Magnitude: 3}, "brightness", 0},
		{transform.Contrast{Magnitude: 0.4}, "contrast", 0},
		{transform.Contrast{Magnitude: 3}, "contrast", 0},
		{transform.Saturation{Magnitude: 0.4}, "saturation", 0},
		{transform.Saturation{Magnitude: 20}, "saturation", 0},
		{transform.Hue{Magnitude: 0.5}, "hue", 1},
		{transform.Hue{Magnitude: 0.1, P: 1}, "hue", 1},
		{transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4}, "", 0},
		{transform.ColorJitter{Brightness: 0.4, Saturation: 1, P: 0.5}, "", 0},
	} {
		for _, size := range [][2]int{{37, 23}, {1, 1}, {3, 3}, {64, 40}} {
			in := pixels(size[1], size[0])
			_, apply := bound(t, c.op, in)
			src := colourful(size[0], size[1])
			for seed := range uint64(12) {
				drawn := c.op.Drawn(in, rand.New(rand.NewPCG(seed, 9)))
				want := src
				if drawn["applied"].(bool) {
					names := []string{c.name}
					if c.name == "" {
						names = drawn["order"].([]string)
					}
					for _, name := range names {
						factor, ok := drawn[name].(float64)
						if !ok {
							factor = drawn["factor"].(float64)
						}
						want = changed(name, want, factor)
					}
				}
				got := apply(src, rand.New(rand.NewPCG(seed, 9)))
				for i, v := range got {
					if d := int(v) - int(want[i]); d > c.off || -d > c.off {
						t.Fatalf("%#v of %v drew %v: value %d is %d, want %d", c.op, size, drawn, i, v, want[i])
					}
				}
			}
		}
	}
}

// TestColorJitterHue does its part as Hue does.
func TestColorJitterHue(t *testing.T) {
	in := pixels(9, 11)
	src := colourful(11, 9)
	jitter := transform.ColorJitter{Hue: 0.3}
	_, apply := bound(t, jitter, in)
	drawn := jitter.Drawn(in, rand.New(rand.NewPCG(3, 3)))
	if order := drawn["order"].([]string); !slices.Equal(order, []string{"hue"}) {
		t.Errorf("order %v, want only hue", order)
	}
	want := changed("hue", src, drawn["hue"].(float64))
	for i, v := range apply(src, rand.New(rand.NewPCG(3, 3))) {
		if d := int(v) - int(want[i]); d > 1 || d < -1 {
			t.Fatalf("value %d is %d, want %d", i, v, want[i])
		}
	}
}

func TestGrayscaleAndSolarize(t *testing.T) {
	src := colourful(31, 17)
	for _, c := range []struct {
		op   drawnOp
		make func(p []byte, c int) byte
	}{
		{transform.Grayscale{P: 0.5}, func(p []byte, _ int) byte { return byte(grayOf(p)) }},
		{transform.Solarize{}, func(p []byte, c int) byte {
			if p[c] >= 128 {
				return 255 - p[c]
			}
			return p[c]
		}},
		{transform.Solarize{Threshold: 1, P: 1}, func(p []byte, c int) byte {
			if p[c] == 0 {
				return 0
			}
			return 255 - p[c]
		}},
		{transform.Solarize{Threshold: 255}, func(p []byte, c int) byte {
			if p[c] == 255 {
				return 0
			}
			return p[c]
		}},
	} {
		in := pixels(17, 31)
		_, apply := bound(t, c.op, in)
		for seed := range uint64(10) {
			applied := c.op.Drawn(in, rand.New(rand.NewPCG(seed, 2)))["applied"].(bool)
			for i, v := range apply(src, rand.New(rand.NewPCG(seed, 2))) {
				want := src[i]
				if applied {
					want = c.make(src[i-i%3:], i%3)
				}
				if v != want {
					t.Fatalf("%#v, seed %d: value %d of %d is %d, want %d", c.op, seed, i, src[i], v, want)
				}
			}
		}
	}
}

// TestGaussianBlur compares with the sum over the square, in float64.
func TestGaussianBlur(t *testing.T) {
	for _, c := range []struct{ w, h, channels, size int }{
		{1, 1, 3, 1}, {2, 2, 3, 3}, {9, 7, 3, 3}, {23, 19, 3, 9}, {8, 30, 1, 15}, {40, 12, 4, 5}, {12, 12, 2, 23},
	} {
		blur := transform.GaussianBlur{Size: c.size, Sigma: [2]float64{0.3, 4}}
		in := array.Spec{DType: array.Uint8, Shape: []int{c.h, c.w, c.channels}}
		_, apply := bound(t, blur, in)
		src := colourful(c.w, c.h*2)[:c.w*c.h*c.channels]
		other := 0
		for seed := range uint64(6) {
			sigma := blur.Drawn(in, rand.New(rand.NewPCG(seed, 4)))["sigma"].(float64)
			for i, v := range apply(src, rand.New(rand.NewPCG(seed, 4))) {
				x, y, k := i/c.channels%c.w, i/c.channels/c.w, i%c.channels
				sum, weights := 0.0, 0.0
				for dy := -c.size / 2; dy <= c.size/2; dy++ {
					for dx := -c.size / 2; dx <= c.size/2; dx++ {
						w := math.Exp(-float64(dx*dx+dy*dy) / (2 * sigma * sigma))
						weights += w
						sum += w * float64(src[(reflected(y+dy, c.h)*c.w+reflected(x+dx, c.w))*c.channels+k])
					}
				}
				want := math.RoundToEven(sum / weights)
				if math.Abs(float64(v)-want) > 1 {
					t.Fatalf("%+v, sigma %v: value %d is %d, want %v", c, sigma, i, v, want)
				}
				if float64(v) != want {
					other++
				}
			}
		}
		if other > len(src)/500 {
			t.Errorf("%+v: %d of %d values rounded another way", c, other, 6*len(src))
		}
	}
}

func reflected(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*n - 2 - i
	}
	return i
}

// TestColoursDraw counts the numbers that are drawn: always the same.
func TestColoursDraw(t *testing.T) {
	in := pixels(6, 5)
	for _, c := range []struct {
		op    drawnOp
		draws int
	}{
		{transform.Brightness{Magnitude: 0.4}, 2}, {transform.Contrast{Magnitude: 0.4}, 2}, {transform.Saturation{Magnitude: 0.4}, 2},
		{transform.Hue{Magnitude: 0.4}, 2}, {transform.ColorJitter{}, 8}, {transform.ColorJitter{Hue: 0.1, P: 0.3}, 8},
		{transform.Grayscale{}, 1}, {transform.Solarize{}, 1}, {transform.GaussianBlur{Size: 3, P: 0.5}, 2},
	} {
		_, apply := bound(t, c.op, in)
		for seed := range uint64(20) {
			after := rand.NewPCG(seed, 5)
			for range c.draws {
				after.Uint64()
			}
			next := after.Uint64()
			a, b := rand.NewPCG(seed, 5), rand.NewPCG(seed, 5)
			apply(colourful(5, 6), rand.New(a))
			c.op.Drawn(in, rand.New(b))
			if a.Uint64() != next || b.Uint64() != next {
				t.Fatalf("%#v, seed %d: not %d draws", c.op, seed, c.draws)
			}
		}
	}
}

// kolmogorov is the greatest distance of a sample's distribution from one that
// is given, times the root of the sample's size. Above 1.95 it is one in a
// thousand.
func kolmogorov(sample []float64, below func(v float64) float64) float64 {
	slices.Sort(sample)
	most, n := 0.0, float64(len(sample))
	for i, v := range sample {
		p := below(v)
		most = max(most, p-float64(i)/n, float64(i+1)/n-p)
	}
	return most * math.Sqrt(n)
}

// TestColoursSpread looks at how often operations apply and how their factors
// are spread.
func TestColoursSpread(t *testing.T) {
	in := pixels(4, 4)
	for _, c := range []struct {
		op      drawnOp
		key     string
		p       float64
		lo, hi  float64
		uniform bool
	}{
		{transform.Brightness{Magnitude: 0.4}, "factor", 0.5, 0.6, 1.4, true},
		{transform.Brightness{Magnitude: 2, P: 0.9}, "factor", 0.9, 0, 3, true},
		{transform.Contrast{Magnitude: 1, P: 0.1}, "factor", 0.1, 0, 2, true},
		{transform.Saturation{Magnitude: 0.2, P: 1}, "factor", 1, 0.8, 1.2, true},
		{transform.Hue{Magnitude: 0.3}, "factor", 0.5, -0.3, 0.3, true},
		{transform.ColorJitter{Contrast: 0.4}, "contrast", 1, 0.6, 1.4, true},
		{transform.ColorJitter{Hue: 0.5, P: 0.8}, "hue", 0.8, -0.5, 0.5, true},
		{transform.GaussianBlur{Size: 3}, "sigma", 1, 0.1, 2, true},
		{transform.GaussianBlur{Size: 3, Sigma: [2]float64{1, 1}, P: 0.2}, "", 0.2, 0, 0, false},
		{transform.Grayscale{}, "", 0.1, 0, 0, false},
		{transform.Solarize{P: 0.7}, "", 0.7, 0, 0, false},
	} {
		const n = 10000
		rng := rand.New(rand.NewPCG(11, 12))
		var factors []float64
		applied := 0
		for range n {
			drawn := c.op.Drawn(in, rng)
			if !drawn["applied"].(bool) {
				continue
			}
			applied++
			if c.uniform {
				factors = append(factors, drawn[c.key].(float64))
			}
		}
		if off := (float64(applied)/n - c.p) / math.Sqrt(max(c.p*(1-c.p), 1e-9)/n); math.Abs(off) > 3.3 {
			t.Errorf("%#v: applied %d times of %d, want %v", c.op, applied, n, c.p*n)
		}
		if !c.uniform {
			continue
		}
		if d := kolmogorov(factors, func(v float64) float64 { return (v - c.lo) / (c.hi - c.lo) }); d > 1.95 {
			t.Errorf("%#v: %s isn't uniform from %v to %v: %v", c.op, c.key, c.lo, c.hi, d)
		}
	}

	jitter := transform.ColorJitter{Brightness: 1, Contrast: 1, Saturation: 1, Hue: 0.5}
	rng := rand.New(rand.NewPCG(13, 14))
	orders := map[string]int{}
	for range 24000 {
		orders[strings.Join(jitter.Drawn(in, rng)["order"].([]string), " ")]++
	}
	chi := 0.0
	for _, k := range orders {
		chi += float64((k-1000)*(k-1000)) / 1000
	}
	if len(orders) != 24 || chi > 49.7 { // one in a thousand with 23 degrees
		t.Errorf("%d orders of four, chi-square %v", len(orders), chi)
	}
}

func TestColoursRefuse(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	float := array.Spec{DType: array.Float32, Shape: []int{4, 4, 3}}
	gray := array.Spec{DType: array.Uint8, Shape: []int{4, 4, 1}}
	image := pixels(4, 4)
	for _, c := range []struct {
		op   op
		in   array.Spec
		says string
	}{
		{transform.Brightness{Magnitude: -0.1}, image, "Magnitude -0.1"},
		{transform.Brightness{Magnitude: nan}, image, "Magnitude NaN"},
		{transform.Brightness{Magnitude: inf}, image, "Magnitude +Inf"},
		{transform.Brightness{P: 1.01}, image, "P 1.01"},
		{transform.Brightness{P: -1}, image, "P -1"},
		{transform.Brightness{P: nan}, image, "P NaN"},
		{transform.Brightness{}, float, "<f4"},
		{transform.Brightness{}, pixels(0, 4), "4x0"},
		{transform.Contrast{Magnitude: -1}, image, "Magnitude -1"},
		{transform.Contrast{P: 2}, image, "P 2"},
		{transform.Contrast{}, gray, "(height, width, 3)"},
		{transform.Saturation{Magnitude: -1}, image, "Magnitude -1"},
		{transform.Saturation{P: 2}, image, "P 2"},
		{transform.Saturation{}, gray, "(height, width, 3)"},
		{transform.Hue{Magnitude: 0.51}, image, "Magnitude 0.51"},
		{transform.Hue{Magnitude: -0.1}, image, "Magnitude -0.1"},
		{transform.Hue{Magnitude: nan}, image, "Magnitude NaN"},
		{transform.Hue{P: 2}, image, "P 2"},
		{transform.Hue{}, gray, "(height, width, 3)"},
		{transform.ColorJitter{Brightness: -1}, image, "Brightness -1"},
		{transform.ColorJitter{Contrast: nan}, image, "Contrast NaN"},
		{transform.ColorJitter{Saturation: inf}, image, "Saturation +Inf"},
		{transform.ColorJitter{Hue: 0.6}, image, "Hue 0.6"},
		{transform.ColorJitter{Hue: nan}, image, "Hue NaN"},
		{transform.ColorJitter{P: 1.5}, image, "P 1.5"},
		{transform.ColorJitter{}, gray, "(height, width, 3)"},
		{transform.Grayscale{P: -0.1}, image, "P -0.1"},
		{transform.Grayscale{}, float, "<f4"},
		{transform.Grayscale{}, gray, "(height, width, 3)"},
		{transform.Solarize{Threshold: -1}, image, "Threshold -1"},
		{transform.Solarize{Threshold: 256}, image, "Threshold 256"},
		{transform.Solarize{P: nan}, image, "P NaN"},
		{transform.Solarize{}, float, "<f4"},
		{transform.GaussianBlur{}, image, "Size 0"},
		{transform.GaussianBlur{Size: 4}, image, "Size 4"},
		{transform.GaussianBlur{Size: -3}, image, "Size -3"},
		{transform.GaussianBlur{Size: 9}, image, "1 to 7"},
		{transform.GaussianBlur{Size: 3, Sigma: [2]float64{0, 1}}, image, "Sigma [0 1]"},
		{transform.GaussianBlur{Size: 3, Sigma: [2]float64{2, 1}}, image, "Sigma [2 1]"},
		{transform.GaussianBlur{Size: 3, Sigma: [2]float64{1, inf}}, image, "Sigma [1 +Inf]"},
		{transform.GaussianBlur{Size: 3, Sigma: [2]float64{nan, 1}}, image, "Sigma [NaN 1]"},
		{transform.GaussianBlur{Size: 3, P: 7}, image, "P 7"},
		{transform.GaussianBlur{Size: 3}, float, "<f4"},
	} {
		_, apply, _, err := c.op.Bind(c.in)
		if err == nil || apply != nil {
			t.Errorf("%#v of %v: no error", c.op, c.in)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%#v of %v: %q doesn't say %q", c.op, c.in, err, c.says)
		}
	}
}

// TestColoursCall checks every call: in place or apart, without allocations,
// and slices of other lengths refused.
func TestColoursCall(t *testing.T) {
	in := pixels(21, 33)
	src := colourful(33, 21)
	for _, o := range []op{
		transform.Brightness{Magnitude: 0.4, P: 0.5}, transform.Contrast{Magnitude: 0.4}, transform.Saturation{Magnitude: 0.4},
		transform.Hue{Magnitude: 0.4}, transform.ColorJitter{Brightness: 1, Contrast: 1, Saturation: 1, Hue: 0.5},
		transform.Grayscale{P: 0.5}, transform.Solarize{}, transform.GaussianBlur{Size: 7, P: 0.5}, transform.View{DType: array.Int8},
	} {
		_, apply, inPlace, err := o.Bind(in)
		if err != nil || !inPlace {
			t.Fatalf("%#v: in place %v, %v", o, inPlace, err)
		}
		for seed := range uint64(8) {
			a, b, kept := make([]byte, len(src)), bytes.Clone(src), bytes.Clone(src)
			if err := apply(a, src, rand.New(rand.NewPCG(seed, 1))); err != nil {
				t.Fatal(err)
			}
			if err := apply(b, b, rand.New(rand.NewPCG(seed, 1))); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a, b) || !bytes.Equal(src, kept) {
				t.Fatalf("%#v, seed %d: in place and apart differ, or the source changed", o, seed)
			}
		}
		rng := rand.New(rand.NewPCG(1, 1))
		dst := bytes.Clone(src)
		if k := testing.AllocsPerRun(100, func() { _ = apply(dst, dst, rng) }); k != 0 {
			t.Errorf("%#v allocates %v times", o, k)
		}
		if apply(dst[1:], src, rng) == nil || apply(dst, src[1:], rng) == nil {
			t.Errorf("%#v: no error for slices of other lengths", o)
		}
	}
}

func TestView(t *testing.T) {
	v2, _ := array.ParseDType("|V2")
	for _, c := range []struct {
		in    array.Spec
		as    array.DType
		shape []int // nil: an error
	}{
		{array.Spec{DType: array.Uint8, Shape: []int{4, 6}}, array.Int16, []int{4, 3}},
		{array.Spec{DType: array.Uint8, Shape: []int{4, 6}}, array.Int8, []int{4, 6}},
		{array.Spec{DType: array.Float32, Shape: []int{5}}, array.Uint8, []int{20}},
		{array.Spec{DType: array.Float16, Shape: []int{5, 2}}, v2, []int{5, 2}},
		{array.Spec{DType: array.Int64}, array.Float64, []int{}},
		{array.Spec{DType: array.Int64, Shape: []int{0}}, array.Uint8, []int{0}},
		{array.Spec{DType: array.Int64}, array.Int32, nil},
		{array.Spec{DType: array.Uint8, Shape: []int{4, 6}}, array.Float32, nil},
		{array.Spec{DType: array.Uint8, Shape: []int{4, 6}}, array.DType{}, nil},
		{array.Spec{Shape: []int{4, 6}}, array.Uint8, nil},
		{array.Spec{DType: array.Uint8, Shape: []int{1 << 40, 1 << 40}}, array.Int8, nil},
	} {
		out, apply, inPlace, err := transform.View{DType: c.as}.Bind(c.in)
		if c.shape == nil {
			if err == nil {
				t.Errorf("%v as %v: no error", c.in, c.as)
			}
			continue
		}
		if err != nil || !inPlace || !out.Equal(array.Spec{DType: c.as, Shape: c.shape}) {
			t.Errorf("%v as %v: %v, %v, %v", c.in, c.as, out, inPlace, err)
			continue
		}
		n, _ := c.in.Bytes()
		src := bytes.Repeat([]byte{7, 9}, n/2)
		dst := make([]byte, n)
		if err := apply(dst, src, nil); err != nil || !bytes.Equal(dst, src) {
			t.Errorf("%v as %v: %v, %v", c.in, c.as, dst, err)
		}
	}
}

func ExampleColorJitter_Drawn() {
	jitter := transform.ColorJitter{Brightness: 0.4, Hue: 0.1}
	image := array.Spec{DType: array.Uint8, Shape: []int{224, 224, 3}}
	drawn := jitter.Drawn(image, rand.New(rand.NewPCG(1, 2)))
	fmt.Println(drawn["order"])
	fmt.Printf("brightness %.3f, hue %.3f\n", drawn["brightness"], drawn["hue"])
	// Output:
	// [hue brightness]
	// brightness 1.238, hue -0.032
}

func BenchmarkColours(b *testing.B) {
	src := colourful(224, 224)
	for _, o := range []op{
		transform.Brightness{Magnitude: 0.4, P: 1}, transform.Contrast{Magnitude: 0.4, P: 1}, transform.Saturation{Magnitude: 0.4, P: 1},
		transform.Hue{Magnitude: 0.1, P: 1}, transform.ColorJitter{Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1},
		transform.Grayscale{P: 1}, transform.Solarize{P: 1}, transform.GaussianBlur{Size: 5}, transform.GaussianBlur{Size: 23},
	} {
		b.Run(fmt.Sprintf("%T", o), func(b *testing.B) {
			_, apply, _, err := o.Bind(pixels(224, 224))
			if err != nil {
				b.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			dst := make([]byte, len(src))
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if err := apply(dst, src, rng); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
