package transform_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/transform"
)

// batchOp is package loader's interface of an operation on batches.
type batchOp interface {
	BindBatch(in array.Spec) (out array.Spec, apply func(dst, src []byte, samples []int, rng *rand.Rand) error, inPlace bool, err error)
	Stream() string
	Drawn(in array.Spec, rng *rand.Rand) map[string]any
}

// indexedOp is package loader's interface of an operation on samples by number.
type indexedOp interface {
	BindIndexed(in array.Spec) (out array.Spec, apply func(dst, src []byte, sample int, rng *rand.Rand) error, inPlace bool, err error)
}

// mixed applies an operation to a batch.
func mixed(tb testing.TB, o batchOp, in array.Spec, src []byte, seed uint64) []byte {
	tb.Helper()
	out, apply, inPlace, err := o.BindBatch(in)
	if err != nil || inPlace {
		tb.Fatalf("%#v: in place %v, %v", o, inPlace, err)
	}
	from, _ := in.Bytes()
	to, _ := out.Bytes()
	kept := bytes.Clone(src)
	dst := make([]byte, len(src)/from*to)
	if err := apply(dst, src, make([]int, len(src)/from), rand.New(rand.NewPCG(seed, 3))); err != nil {
		tb.Fatalf("%#v: %v", o, err)
	}
	if !bytes.Equal(src, kept) {
		tb.Fatalf("%#v changed its source", o)
	}
	return dst
}

func float(b []byte, i int) float64 {
	return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
}

// ints is a batch of labels.
func ints(labels ...int64) []byte {
	var b []byte
	for _, v := range labels {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

var oneInt = array.Spec{DType: array.Int64, Shape: []int{1}}

// TestMixup mixes images and labels apart, and finds the same lambdas in both.
func TestMixup(t *testing.T) {
	in := pixels(5, 7)
	for _, alpha := range []float64{0, 0.05, 0.2, 1, 1.5, 30} {
		for _, same := range []bool{false, true} {
			for _, n := range []int{1, 2, 5} {
				images, y := []byte(nil), []int64(nil)
				for i := range n {
					images = append(images, colourful(7, 5+i)[:5*7*3]...)
					y = append(y, int64(3+i*i))
				}
				for seed := range uint64(8) {
					op := transform.LabelMixup{Alpha: alpha, SameLambda: same}
					labels := mixed(t, op, oneInt, ints(y...), seed)
					got := mixed(t, transform.ImageMixup{Alpha: alpha, SameLambda: same}, in, images, seed)
					first := op.Drawn(oneInt, rand.New(rand.NewPCG(seed, 3)))["lambda"].(float64)
					for i := range n {
						before, lambda := (i+n-1)%n, float(labels, 3*i+2)
						if float(labels, 3*i) != float64(y[i]) || float(labels, 3*i+1) != float64(y[before]) || !(lambda >= 0 && lambda <= 1) {
							t.Fatalf("label %d of %d is %v, %v, %v", i, n, float(labels, 3*i), float(labels, 3*i+1), lambda)
						}
						if (i == 0 || same) && lambda != float64(float32(first)) {
							t.Fatalf("alpha %v, same %v: row %d has lambda %v, drawn was %v", alpha, same, i, lambda, first)
						}
						if i > 0 && !same && alpha != 0.05 && lambda == float(labels, 3*before+2) {
							t.Fatalf("alpha %v: two rows with lambda %v", alpha, lambda)
						}
						for k := range in.Shape[0] * 21 {
							a, b := float64(images[i*105+k]), float64(images[before*105+k])
							want := lambda*a + (1-lambda)*b // lambda has been rounded
							if v := float64(got[i*105+k]); v < want-1.0001 || v > want+0.0001 {
								t.Fatalf("alpha %v, lambda %v: %v and %v came to %v, want %v", alpha, lambda, a, b, v, want)
							}
						}
					}
				}
			}
		}
	}
}

// TestMixupFloats mixes float32 and float64, and labels of every type.
func TestMixupFloats(t *testing.T) {
	values := []float64{0, 1, -2.5, 1e6, 3, 0.1, -7, 42}
	for _, c := range []struct {
		dtype array.DType
		put   func(b []byte, v float64) []byte
		get   func(b []byte, i int) float64
	}{
		{array.Float32, func(b []byte, v float64) []byte {
			return binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
		}, float},
		{array.Float64, func(b []byte, v float64) []byte {
			return binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}, func(b []byte, i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])) }},
	} {
		in := array.Spec{DType: c.dtype, Shape: []int{2, 2}}
		var src []byte
		for _, v := range values {
			src = c.put(src, v)
		}
		op := transform.ImageMixup{SameLambda: true}
		lambda := op.Drawn(in, rand.New(rand.NewPCG(1, 3)))["lambda"].(float64)
		got := mixed(t, op, in, src, 1)
		for i := range values {
			a, b := c.get(src, i), c.get(src, (i+4)%8)
			want := lambda*a + (1-lambda)*b
			if v := c.get(got, i); math.Abs(v-want) > 1e-6*math.Abs(want) {
				t.Errorf("%v: value %d is %v, want %v", c.dtype, i, v, want)
			}
		}
	}
	for _, name := range []string{"|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8"} {
		dtype, err := array.ParseDType(name)
		if err != nil {
			t.Fatal(err)
		}
		n := dtype.ItemSize()
		src := make([]byte, 2*n)
		src[0], src[n] = 100, 7
		got := mixed(t, transform.LabelMixup{}, array.Spec{DType: dtype}, src, 1)
		if float(got, 0) != 100 || float(got, 1) != 7 || float(got, 3) != 7 || float(got, 4) != 100 {
			t.Errorf("%s: labels %v %v, %v %v", name, float(got, 0), float(got, 1), float(got, 3), float(got, 4))
		}
	}
	if got := mixed(t, transform.LabelMixup{}, oneInt, ints(-3), 1); float(got, 0) != -3 {
		t.Errorf("label -3 is %v", float(got, 0))
	}
}

// TestLambdaSpread holds lambdas to the Beta distributions that have a formula.
func TestLambdaSpread(t *testing.T) {
	for _, c := range []struct {
		alpha float64
		below func(v float64) float64
	}{
		{0, func(v float64) float64 { return v }},
		{0.5, func(v float64) float64 { return 2 / math.Pi * math.Asin(math.Sqrt(v)) }},
		{1, func(v float64) float64 { return v }},
		{2, func(v float64) float64 { return v * v * (3 - 2*v) }},
		{3, func(v float64) float64 { return v * v * v * (10 - 15*v + 6*v*v) }},
	} {
		rng := rand.New(rand.NewPCG(21, 22))
		var sample []float64
		for range 20000 {
			sample = append(sample, transform.ImageMixup{Alpha: c.alpha}.Drawn(array.Spec{}, rng)["lambda"].(float64))
		}
		if d := kolmogorov(sample, c.below); d > 1.95 {
			t.Errorf("alpha %v: %v away from its distribution", c.alpha, d)
		}
	}
	// The variance is 1/(4*(2*alpha+1)), whatever alpha.
	for _, alpha := range []float64{1e-4, 0.01, 0.2, 0.7, 1.3, 10, 1e6} {
		rng := rand.New(rand.NewPCG(23, 24))
		sum, squares := 0.0, 0.0
		const n = 20000
		for range n {
			v := transform.LabelMixup{Alpha: alpha}.Drawn(array.Spec{}, rng)["lambda"].(float64)
			if !(v >= 0 && v <= 1) {
				t.Fatalf("alpha %v: lambda %v", alpha, v)
			}
			sum += v
			squares += (v - 0.5) * (v - 0.5)
		}
		want := 1 / (4 * (2*alpha + 1))
		if math.Abs(sum/n-0.5) > 4*math.Sqrt(want/n) || math.Abs(squares/n/want-1) > 0.05 {
			t.Errorf("alpha %v: mean %v, variance %v, want 0.5 and %v", alpha, sum/n, squares/n, want)
		}
	}
}

func TestMixupToOneHot(t *testing.T) {
	triple := array.Spec{DType: array.Float32, Shape: []int{3}}
	_, apply, _, err := transform.MixupToOneHot{Classes: 4}.Bind(triple)
	if err != nil {
		t.Fatal(err)
	}
	row := func(v ...float32) []byte {
		var b []byte
		for _, v := range v {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b
	}
	dst := bytes.Repeat([]byte{9}, 16)
	for _, c := range []struct{ in, want []byte }{
		{row(0, 3, 0.25), row(0.25, 0, 0, 0.75)},
		{row(3, 1, 1), row(0, 0, 0, 1)},
		{row(2, 2, 0.25), row(0, 0, 1, 0)},
	} {
		if err := apply(dst, c.in, nil); err != nil || !bytes.Equal(dst, c.want) {
			t.Errorf("%x: %x, %v; want %x", c.in, dst, err, c.want)
		}
	}
	nan := float32(math.NaN())
	for _, v := range []float32{-1, 4, 0.5, nan, 1e30, float32(math.Inf(1))} {
		if apply(dst, row(v, 0, 0.5), nil) == nil || apply(dst, row(0, v, 0.5), nil) == nil {
			t.Errorf("label %v: no error", v)
		}
	}
}

// TestCutMix finds each image's box and the label's share of it.
func TestCutMix(t *testing.T) {
	const w, h, n = 13, 9, 4
	in := array.Spec{DType: array.Uint16, Shape: []int{h, w, 2}}
	for _, same := range []bool{false, true} {
		var images []byte
		for i := range n {
			images = append(images, bytes.Repeat([]byte{byte(10 + i)}, w*h*4)...)
		}
		areas := map[int]bool{}
		for seed := range uint64(60) {
			image := transform.ImageCutMix{Alpha: 0.8, SameLambda: same}
			label := transform.LabelCutMix{Alpha: 0.8, SameLambda: same, Width: w, Height: h}
			got := mixed(t, image, in, images, seed)
			labels := mixed(t, label, oneInt, ints(10, 11, 12, 13), seed)
			drawn := image.Drawn(in, rand.New(rand.NewPCG(seed, 3)))
			if d := label.Drawn(oneInt, rand.New(rand.NewPCG(seed, 3))); fmt.Sprint(d) != fmt.Sprint(drawn) {
				t.Fatalf("the image draws %v, the label %v", drawn, d)
			}
			for i := range n {
				own, other := byte(10+i), byte(10+(i+n-1)%n)
				left, top, right, bottom, count := w, h, -1, -1, 0
				for p := range w * h {
					pixel := got[(i*w*h+p)*4:][:4]
					if bytes.Equal(pixel, []byte{other, other, other, other}) {
						left, top, right, bottom = min(left, p%w), min(top, p/w), max(right, p%w), max(bottom, p/w)
						count++
					} else if !bytes.Equal(pixel, []byte{own, own, own, own}) {
						t.Fatalf("seed %d, row %d: pixel %v", seed, i, pixel)
					}
				}
				if count > 0 && count != (right-left+1)*(bottom-top+1) {
					t.Fatalf("seed %d, row %d: no box", seed, i)
				}
				lambda := float64(float32(1 - float64(count)/(w*h)))
				if float(labels, 3*i) != float64(own) || float(labels, 3*i+1) != float64(other) || float(labels, 3*i+2) != lambda {
					t.Fatalf("seed %d, row %d: label %v %v %v, want lambda %v", seed, i, float(labels, 3*i), float(labels, 3*i+1), float(labels, 3*i+2), lambda)
				}
				if (i == 0 || same) && (drawn["width"].(int)*drawn["height"].(int) != count || count > 0 && (drawn["x"] != left || drawn["y"] != top)) {
					t.Fatalf("seed %d: drew %v, box at %d,%d of %d pixels", seed, drawn, left, top, count)
				}
				areas[count] = true
			}
		}
		if len(areas) < 15 {
			t.Errorf("boxes of %d areas only", len(areas))
		}
	}
}

// TestCutMixMiddles spreads the middles of boxes evenly: of a row of pixels, how
// often each is covered is known.
func TestCutMixMiddles(t *testing.T) {
	const w, n = 8, 40000
	in := array.Spec{DType: array.Uint8, Shape: []int{w, w, 1}}
	rng := rand.New(rand.NewPCG(31, 32))
	var covered, want [w]float64
	op := transform.ImageCutMix{}
	for range n {
		d := op.Drawn(in, rng)
		for x := d["x"].(int); x < d["x"].(int)+d["width"].(int); x++ {
			covered[x]++
		}
	}
	const steps = 100000
	for i := range steps { // lambda is uniform
		half := int(0.5 * math.Sqrt((float64(i)+0.5)/steps) * w)
		for middle := range w {
			for x := max(middle-half, 0); x < min(middle+half, w); x++ {
				want[x] += 1.0 / steps / w
			}
		}
	}
	for x := range want {
		if off := (covered[x]/n - want[x]) / math.Sqrt(want[x]*(1-want[x])/n); math.Abs(off) > 4 {
			t.Errorf("column %d: covered %v of the times, want %v", x, covered[x]/n, want[x])
		}
	}
}

func TestPoison(t *testing.T) {
	in := pixels(2, 2)
	p := transform.Poison{
		Mask:    []float64{0, 0, 0, 255, 255, 255, 10, 20, 30, 100, 100, 100},
		Alpha:   []float64{0, 1, 0.5, 0.25},
		Indices: []int{9, 3, 3},
	}
	out, apply, inPlace, err := p.BindIndexed(in)
	if err != nil || !inPlace || !out.Equal(in) {
		t.Fatal(out, inPlace, err)
	}
	src := []byte{1, 2, 3, 1, 2, 3, 1, 2, 4, 200, 201, 203}
	want := []byte{1, 2, 3, 255, 255, 255, 5, 11, 17, 175, 175, 177}
	p.Indices[0], p.Alpha[0] = 5, 1 // not looked at any more
	for _, sample := range []int{0, 3, 5, 9, 10, 1 << 40} {
		dst, expect := make([]byte, 12), src
		if sample == 3 || sample == 9 {
			expect = want
		}
		if err := apply(dst, src, sample, nil); err != nil || !bytes.Equal(dst, expect) {
			t.Errorf("sample %d: %v, %v; want %v", sample, dst, err, expect)
		}
	}
}

func TestReplaceLabel(t *testing.T) {
	for _, c := range []struct {
		dtype array.DType
		label int64
		want  []byte // nil: an error
	}{
		{array.Uint8, 255, []byte{255}},
		{array.Uint8, 256, nil},
		{array.Uint8, -1, nil},
		{array.Int8, -128, []byte{128}},
		{array.Int8, 128, nil},
		{array.Int16, -2, []byte{254, 255}},
		{array.Uint32, 1 << 32, nil},
		{array.Uint32, 1<<32 - 1, []byte{255, 255, 255, 255}},
		{array.Int64, -1, []byte{255, 255, 255, 255, 255, 255, 255, 255}},
		{array.Uint64, math.MaxInt64, []byte{255, 255, 255, 255, 255, 255, 255, 127}},
		{array.Float32, 2, []byte{0, 0, 0, 0x40}},
		{array.Float32, 1<<24 + 1, nil},
		{array.Float64, -2, []byte{0, 0, 0, 0, 0, 0, 0, 0xC0}},
		{array.Float64, 1<<53 + 1, nil},
		{array.Complex64, 1, nil},
		{array.Bool, 1, nil},
	} {
		r := transform.ReplaceLabel{Indices: []int{7}, NewLabel: c.label}
		_, apply, _, err := r.BindIndexed(array.Spec{DType: c.dtype, Shape: []int{2}})
		if (err != nil) != (c.want == nil) {
			t.Errorf("%v, label %d: %v", c.dtype, c.label, err)
		}
		if err != nil {
			continue
		}
		src := bytes.Repeat([]byte{1}, 2*len(c.want))
		dst := bytes.Clone(src)
		if err := apply(dst, dst, 6, nil); err != nil || !bytes.Equal(dst, src) {
			t.Errorf("%v: another sample: %v, %v", c.dtype, dst, err)
		}
		if err := apply(dst, src, 7, nil); err != nil || !bytes.Equal(dst, append(bytes.Clone(c.want), c.want...)) {
			t.Errorf("%v: %v, %v; want %v", c.dtype, dst, err, c.want)
		}
	}
}

func TestMixesRefuse(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	image, half := pixels(2, 2), array.Spec{DType: array.Float16, Shape: []int{2, 2, 3}}
	two := array.Spec{DType: array.Int64, Shape: []int{2}}
	big, _ := array.ParseDType(">i8")
	mask, alpha := make([]float64, 12), make([]float64, 4)
	for _, c := range []struct {
		op   any
		in   array.Spec
		says string
	}{
		{transform.ImageMixup{Alpha: -1}, image, "Alpha -1"},
		{transform.ImageMixup{Alpha: nan}, image, "Alpha NaN"},
		{transform.ImageMixup{Alpha: inf}, image, "Alpha +Inf"},
		{transform.ImageMixup{}, half, "<f2"},
		{transform.ImageMixup{}, array.Spec{DType: array.Uint8, Shape: []int{-1}}, "negative"},
		{transform.LabelMixup{Alpha: -1}, oneInt, "Alpha -1"},
		{transform.LabelMixup{}, two, "one little-endian number"},
		{transform.LabelMixup{}, array.Spec{DType: array.Bool}, "one little-endian number"},
		{transform.LabelMixup{}, array.Spec{DType: big}, "one little-endian number"},
		{transform.MixupToOneHot{Classes: 3}, oneInt, "<f4 (3,)"},
		{transform.MixupToOneHot{}, array.Spec{DType: array.Float32, Shape: []int{3}}, "Classes 0"},
		{transform.MixupToOneHot{Classes: 1<<24 + 1}, array.Spec{DType: array.Float32, Shape: []int{3}}, "Classes 16777217"},
		{transform.ImageCutMix{Alpha: nan}, image, "Alpha NaN"},
		{transform.ImageCutMix{}, oneInt, "(height, width, channels)"},
		{transform.ImageCutMix{}, pixels(0, 2), "2x0"},
		{transform.LabelCutMix{}, oneInt, "0x0"},
		{transform.LabelCutMix{Width: 8, Height: -8}, oneInt, "8x-8"},
		{transform.LabelCutMix{Width: 8, Height: 8, Alpha: -1}, oneInt, "Alpha -1"},
		{transform.LabelCutMix{Width: 8, Height: 8}, two, "one little-endian number"},
		{transform.Poison{}, image, "want 12 and 4"},
		{transform.Poison{Mask: mask, Alpha: alpha[1:]}, image, "want 12 and 4"},
		{transform.Poison{Mask: mask, Alpha: []float64{0, 0, 0, 1.5}}, image, "Alpha[3] 1.5"},
		{transform.Poison{Mask: mask, Alpha: []float64{0, nan, 0, 0}}, image, "Alpha[1] NaN"},
		{transform.Poison{Mask: append(mask[:11:11], inf), Alpha: alpha}, image, "Mask[11] +Inf"},
		{transform.Poison{Mask: mask, Alpha: alpha, Indices: []int{4, -2}}, image, "sample -2"},
		{transform.Poison{Mask: mask, Alpha: alpha, Clamp: [2]uint8{9, 3}}, image, "Clamp [9 3]"},
		{transform.Poison{Mask: mask, Alpha: alpha}, array.Spec{DType: array.Float32, Shape: []int{2, 2, 3}}, "<f4"},
		{transform.ReplaceLabel{Indices: []int{-1}}, oneInt, "sample -1"},
		{transform.ReplaceLabel{}, array.Spec{DType: big}, "little-endian"},
	} {
		var err error
		var got bool
		switch o := c.op.(type) {
		case batchOp:
			_, apply, _, e := o.BindBatch(c.in)
			err, got = e, apply != nil
		case indexedOp:
			_, apply, _, e := o.BindIndexed(c.in)
			err, got = e, apply != nil
		case op:
			_, apply, _, e := o.Bind(c.in)
			err, got = e, apply != nil
		}
		if err == nil || got {
			t.Errorf("%#v of %v: no error", c.op, c.in)
		} else if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%#v of %v: %q doesn't say %q", c.op, c.in, err, c.says)
		}
	}
}

// TestMixesCall checks every call: nothing is allocated, slices of other
// lengths are refused, a batch may be empty.
func TestMixesCall(t *testing.T) {
	for _, c := range []struct {
		op batchOp
		in array.Spec
	}{
		{transform.ImageMixup{}, pixels(8, 8)}, {transform.ImageMixup{SameLambda: true}, array.Spec{DType: array.Float32, Shape: []int{8}}},
		{transform.LabelMixup{}, oneInt}, {transform.ImageCutMix{}, pixels(8, 8)}, {transform.LabelCutMix{Width: 8, Height: 8}, oneInt},
	} {
		out, apply, _, err := c.op.BindBatch(c.in)
		if err != nil {
			t.Fatal(err)
		}
		from, _ := c.in.Bytes()
		to, _ := out.Bytes()
		dst, src, samples := make([]byte, 3*to), make([]byte, 3*from), []int{4, 5, 6}
		rng := rand.New(rand.NewPCG(1, 1))
		if k := testing.AllocsPerRun(100, func() { _ = apply(dst, src, samples, rng) }); k != 0 {
			t.Errorf("%#v allocates %v times", c.op, k)
		}
		if apply(dst[1:], src, samples, rng) == nil || apply(dst, src[1:], samples, rng) == nil || apply(dst, src, samples[1:], rng) == nil {
			t.Errorf("%#v: no error for slices of other lengths", c.op)
		}
		if err := apply(nil, nil, nil, rng); err != nil {
			t.Errorf("%#v: an empty batch: %v", c.op, err)
		}
	}
	image := transform.Poison{Mask: make([]float64, 12), Alpha: []float64{1, 1, 0, 0}, Indices: []int{1}}
	label := transform.ReplaceLabel{Indices: []int{1}, NewLabel: 4}
	for _, c := range []struct {
		op indexedOp
		in array.Spec
	}{{image, pixels(2, 2)}, {label, oneInt}} {
		_, apply, _, err := c.op.BindIndexed(c.in)
		if err != nil {
			t.Fatal(err)
		}
		n, _ := c.in.Bytes()
		dst := make([]byte, n)
		if k := testing.AllocsPerRun(100, func() { _ = apply(dst, dst, 1, nil) }); k != 0 {
			t.Errorf("%#v allocates %v times", c.op, k)
		}
		if apply(dst[1:], dst, 1, nil) == nil || apply(dst, dst[1:], 1, nil) == nil {
			t.Errorf("%#v: no error for slices of other lengths", c.op)
		}
	}
}

func ExampleLabelMixup() {
	// The loader gives both the same generator: for the same batch of the same
	// epoch, and the stream "mixup".
	rng := rand.New(rand.NewPCG(1, 2))
	labels := array.Spec{DType: array.Int64, Shape: []int{1}}
	out, mix, _, err := transform.LabelMixup{Alpha: 0.2, SameLambda: true}.BindBatch(labels)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, hot, _, err := transform.MixupToOneHot{Classes: 3}.Bind(out)
	if err != nil {
		fmt.Println(err)
		return
	}
	mixed, row := make([]byte, 2*12), make([]byte, 12)
	if err := mix(mixed, ints(2, 0), []int{41, 17}, rng); err != nil {
		fmt.Println(err)
		return
	}
	if err := hot(row, mixed[:12], nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.2f %.2f %.2f\n", float(row, 0), float(row, 1), float(row, 2))
	// Output: 0.13 0.00 0.87
}

func BenchmarkMixes(b *testing.B) {
	const n = 32
	for _, c := range []struct {
		op batchOp
		in array.Spec
	}{
		{transform.ImageMixup{Alpha: 0.2}, pixels(224, 224)},
		{transform.ImageMixup{Alpha: 0.2}, array.Spec{DType: array.Float32, Shape: []int{224, 224, 3}}},
		{transform.ImageCutMix{}, pixels(224, 224)},
	} {
		b.Run(fmt.Sprintf("%T %v", c.op, c.in.DType), func(b *testing.B) {
			_, apply, _, err := c.op.BindBatch(c.in)
			if err != nil {
				b.Fatal(err)
			}
			row, _ := c.in.Bytes()
			src, dst, samples := make([]byte, n*row), make([]byte, n*row), make([]int, n)
			for i := range src {
				src[i] = byte(i*7 + i>>9)
			}
			if c.in.DType != array.Uint8 {
				clear(src)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				if err := apply(dst, src, samples, rng); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "us/image")
		})
	}
}
