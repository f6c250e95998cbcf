package transform_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/transform"
)

// op is package loader's interface of an operation.
type op interface {
	Bind(in array.Spec) (out array.Spec, apply func(dst, src []byte, rng *rand.Rand) error, inPlace bool, err error)
}

func pixels(h, w int) array.Spec {
	return array.Spec{DType: array.Uint8, Shape: []int{h, w, 3}}
}

// bound applies an operation as the loader does.
func bound(tb testing.TB, o op, in array.Spec) (array.Spec, func(src []byte, rng *rand.Rand) []byte) {
	tb.Helper()
	out, apply, inPlace, err := o.Bind(in)
	if err != nil {
		tb.Fatalf("%T: %v", o, err)
	}
	n, err := out.Bytes()
	if err != nil {
		tb.Fatal(err)
	}
	return out, func(src []byte, rng *rand.Rand) []byte {
		kept := bytes.Clone(src)
		dst := make([]byte, n)
		if inPlace {
			dst = bytes.Clone(src)
			src = dst
		}
		if err := apply(dst, src, rng); err != nil {
			tb.Fatalf("%T: %v", o, err)
		}
		if !inPlace && !bytes.Equal(src, kept) {
			tb.Fatalf("%T: changed its source", o)
		}
		return dst
	}
}

func TestHorizontalFlip(t *testing.T) {
	for _, w := range []int{1, 2, 3, 8, 9} {
		e := gradient(w, 4)
		_, flip := bound(t, transform.HorizontalFlip{P: 1}, pixels(4, w))
		got := flip(e.Data, rand.New(rand.NewPCG(1, 1)))
		for y := range 4 {
			for x := range w {
				a, b := got[3*(y*w+x):][:3], e.Data[3*(y*w+w-1-x):][:3]
				if !bytes.Equal(a, b) {
					t.Fatalf("width %d: pixel %d,%d is %v, want %v", w, x, y, a, b)
				}
			}
		}
	}
	// Any type: two pixels of two channels of four bytes.
	spec := array.Spec{DType: array.Float32, Shape: []int{1, 2, 2}}
	_, flip := bound(t, transform.HorizontalFlip{P: 1}, spec)
	if got := flip([]byte("aaaabbbbccccdddd"), rand.New(rand.NewPCG(1, 1))); string(got) != "ccccddddaaaabbbb" {
		t.Errorf("float32: %q", got)
	}
}

func TestHorizontalFlipOften(t *testing.T) {
	for _, c := range []struct{ p, want float64 }{{0, 0.5}, {0.2, 0.2}, {0.9, 0.9}} {
		_, flip := bound(t, transform.HorizontalFlip{P: c.p}, pixels(1, 2))
		rng := rand.New(rand.NewPCG(5, 6))
		const n = 10000
		flipped := 0
		for range n {
			if flip([]byte{1, 1, 1, 2, 2, 2}, rng)[0] == 2 {
				flipped++
			}
		}
		if got := float64(flipped) / n; math.Abs(got-c.want) > 0.02 {
			t.Errorf("P %v: flipped %v", c.p, got)
		}
	}
}

// TestTranslate compares with padding and cutting, and counts the places.
func TestTranslate(t *testing.T) {
	const w, h = 5, 4
	e := gradient(w, h)
	for i := range e.Data {
		e.Data[i] += 50 // nothing looks like the fill
	}
	for _, pad := range []int{0, 1, 2, 6} {
		tr := transform.Translate{Padding: pad, Fill: []uint8{7, 8, 9}}
		_, apply := bound(t, tr, pixels(h, w))
		seen := map[string]int{}
		rng := rand.New(rand.NewPCG(uint64(pad), 2))
		side := 2*pad + 1
		n := 400 * side * side
		for range n {
			seen[string(apply(e.Data, rng))]++
		}
		want := map[string]int{}
		for oy := range side {
			for ox := range side {
				want[string(padded(e.Data, w, h, pad, ox, oy, tr.Fill))]++
			}
		}
		if len(seen) != len(want) {
			t.Fatalf("padding %d: %d outcomes, want %d", pad, len(seen), len(want))
		}
		for p, k := range want {
			if got := seen[p]; got < 280*k || got > 520*k {
				t.Errorf("padding %d: an outcome came %d times, want about %d", pad, got, 400*k)
			}
		}
	}
}

// padded cuts w x h pixels at ox, oy out of the padded picture: FFCV's way.
func padded(src []byte, w, h, pad, ox, oy int, fill []uint8) []byte {
	var out []byte
	for y := oy - pad; y < oy-pad+h; y++ {
		for x := ox - pad; x < ox-pad+w; x++ {
			if x < 0 || y < 0 || x >= w || y >= h {
				out = append(out, fill[:]...)
			} else {
				out = append(out, src[3*(y*w+x):][:3]...)
			}
		}
	}
	return out
}

func TestCutout(t *testing.T) {
	const w, h, size = 6, 5, 3
	src := bytes.Repeat([]byte{200}, 3*w*h)
	_, apply := bound(t, transform.Cutout{Size: size, Fill: []uint8{1, 2, 3}}, pixels(h, w))
	rng := rand.New(rand.NewPCG(7, 8))
	places := map[int]int{}
	const n = 400 * (w - size + 1) * (h - size + 1)
	for range n {
		got := apply(src, rng)
		first := bytes.IndexByte(got, 1) / 3
		want := bytes.Clone(src)
		for y := range size {
			for x := range size {
				copy(want[3*(first+y*w+x):], []byte{1, 2, 3})
			}
		}
		if first%w > w-size || !bytes.Equal(got, want) {
			t.Fatalf("not a square of %d: %v", size, got)
		}
		places[first]++
	}
	if len(places) != (w-size+1)*(h-size+1) {
		t.Errorf("%d places, want %d", len(places), (w-size+1)*(h-size+1))
	}
	for at, k := range places {
		if k < 280 || k > 520 {
			t.Errorf("place %d came %d times, want about 400", at, k)
		}
	}
	_, whole := bound(t, transform.Cutout{Size: h}, pixels(h, h))
	if got := whole(src[:3*h*h], rng); !bytes.Equal(got, make([]byte, 3*h*h)) {
		t.Error("a square as large as the image doesn't cover it")
	}
}

func TestNormalize(t *testing.T) {
	z := transform.Normalize{Mean: [3]float64{123.675, 116.28, 103.53}, Std: [3]float64{58.395, 57.12, 57.375}}
	src := make([]byte, 3*256)
	for i := range src {
		src[i] = byte(i / 3)
	}
	out, apply := bound(t, z, pixels(16, 16))
	if !out.Equal(array.Spec{DType: array.Float32, Shape: []int{16, 16, 3}}) {
		t.Errorf("gives %v", out)
	}
	got := apply(src, nil)
	for i, v := range src {
		want := float32((float64(v) - z.Mean[i%3]) / z.Std[i%3])
		if f := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])); f != want {
			t.Fatalf("value %d of channel %d: %v, want %v", v, i%3, f, want)
		}
	}
	// By NumPy: ((np.arange(256)[:, None] - mean) / std).astype('<f4')
	for _, c := range []struct {
		at   int
		bits uint32
	}{{0, 0xC0078BBD}, {3*100 + 1, 0xBE91ED5B}, {3*255 + 2, 0x4028F5C3}} {
		if b := binary.LittleEndian.Uint32(got[4*c.at:]); b != c.bits {
			t.Errorf("element %d: %#x, NumPy has %#x", c.at, b, c.bits)
		}
	}
}

func TestToCHW(t *testing.T) {
	for _, in := range []array.Spec{
		pixels(4, 5),
		{DType: array.Float32, Shape: []int{4, 5, 3}},
		{DType: array.Float64, Shape: []int{2, 3, 3}},
		{DType: array.Uint8, Shape: []int{3, 2, 4}},
		{DType: array.Int16, Shape: []int{3, 2, 1}},
		{DType: array.Int16, Shape: []int{3, 0, 2}},
	} {
		n, _ := in.Bytes()
		src := make([]byte, n)
		for i := range src {
			src[i] = byte(i*37 + i>>4)
		}
		out, apply := bound(t, transform.ToCHW{}, in)
		h, w, c, item := in.Shape[0], in.Shape[1], in.Shape[2], in.DType.ItemSize()
		if !out.Equal(array.Spec{DType: in.DType, Shape: []int{c, h, w}}) {
			t.Errorf("%v gives %v", in, out)
		}
		got := apply(src, nil)
		var want []byte
		for k := range c {
			for p := range h * w {
				want = append(want, src[item*(p*c+k):][:item]...)
			}
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%v: wrong order", in)
		}
	}
}

func TestConvert(t *testing.T) {
	src := make([]byte, 256)
	for i := range src {
		src[i] = byte(i)
	}
	in := array.Spec{DType: array.Uint8, Shape: []int{16, 16}}
	for name, get := range map[string]func(b []byte, i int) float64{
		"<i2": func(b []byte, i int) float64 { return float64(int16(binary.LittleEndian.Uint16(b[2*i:]))) },
		">u2": func(b []byte, i int) float64 { return float64(binary.BigEndian.Uint16(b[2*i:])) },
		"<i4": func(b []byte, i int) float64 { return float64(int32(binary.LittleEndian.Uint32(b[4*i:]))) },
		"<i8": func(b []byte, i int) float64 { return float64(int64(binary.LittleEndian.Uint64(b[8*i:]))) },
		"<f2": func(b []byte, i int) float64 { return half(binary.LittleEndian.Uint16(b[2*i:])) },
		"<f4": func(b []byte, i int) float64 {
			return float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		},
		">f4": func(b []byte, i int) float64 {
			return float64(math.Float32frombits(binary.BigEndian.Uint32(b[4*i:])))
		},
		"<f8": func(b []byte, i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b[8*i:])) },
	} {
		d, err := array.ParseDType(name)
		if err != nil {
			t.Fatal(err)
		}
		out, apply := bound(t, transform.Convert{DType: d}, in)
		if !out.Equal(array.Spec{DType: d, Shape: in.Shape}) {
			t.Errorf("%s gives %v", name, out)
		}
		got := apply(src, nil)
		for i := range src {
			if v := get(got, i); v != float64(i) {
				t.Fatalf("%s: %d became %v", name, i, v)
			}
		}
	}
}

// half is the value of a normal float16, and of 0.
func half(b uint16) float64 {
	if b == 0 {
		return 0
	}
	return math.Ldexp(1+float64(b&0x3FF)/1024, int(b>>10)-15)
}

func TestOpsDeterministic(t *testing.T) {
	e := gradient(32, 32)
	for _, o := range []op{
		transform.HorizontalFlip{}, transform.Translate{Padding: 4}, transform.Cutout{Size: 8},
	} {
		_, apply := bound(t, o, pixels(32, 32))
		for seed := range uint64(30) {
			a := apply(e.Data, rand.New(rand.NewPCG(seed, 1)))
			b := apply(e.Data, rand.New(rand.NewPCG(seed, 1)))
			if !bytes.Equal(a, b) {
				t.Fatalf("%T: seed %d gives two outcomes", o, seed)
			}
		}
	}
}

func TestOpsRefuse(t *testing.T) {
	nan := math.NaN()
	float := array.Spec{DType: array.Float32, Shape: []int{4, 4, 3}}
	flat := array.Spec{DType: array.Uint8, Shape: []int{48}}
	gray := array.Spec{DType: array.Uint8, Shape: []int{4, 4, 1}}
	std := [3]float64{1, 1, 1}
	for name, c := range map[string]struct {
		op op
		in array.Spec
	}{
		"flip of a row":               {transform.HorizontalFlip{}, flat},
		"flip P 1.5":                  {transform.HorizontalFlip{P: 1.5}, pixels(4, 4)},
		"flip P NaN":                  {transform.HorizontalFlip{P: nan}, pixels(4, 4)},
		"flip too large":              {transform.HorizontalFlip{}, array.Spec{DType: array.Uint8, Shape: []int{1 << 40, 1 << 40, 3}}},
		"translate floats":            {transform.Translate{Padding: 1}, float},
		"translate gray, three fills": {transform.Translate{Padding: 1, Fill: []uint8{1, 2, 3}}, gray},
		"translate negative":          {transform.Translate{Padding: -1}, pixels(4, 4)},
		"translate far":               {transform.Translate{Padding: math.MaxInt}, pixels(4, 4)},
		"cutout nothing":              {transform.Cutout{}, pixels(4, 4)},
		"cutout larger than image":    {transform.Cutout{Size: 5}, pixels(5, 4)},
		"cutout floats":               {transform.Cutout{Size: 2}, float},
		"normalize floats":            {transform.Normalize{Std: std}, float},
		"normalize to int":            {transform.Normalize{Std: std, DType: array.Int32}, pixels(4, 4)},
		"normalize with deviation 0":  {transform.Normalize{}, pixels(4, 4)},
		"normalize with mean NaN":     {transform.Normalize{Mean: [3]float64{nan}, Std: std}, pixels(4, 4)},
		"normalize with infinite std": {transform.Normalize{Std: [3]float64{1, 1, math.Inf(1)}}, pixels(4, 4)},
		"CHW of a row":                {transform.ToCHW{}, flat},
		"convert floats":              {transform.Convert{DType: array.Int32}, float},
		"convert to nothing":          {transform.Convert{}, pixels(4, 4)},
		"convert to bytes":            {transform.Convert{DType: array.Int8}, pixels(4, 4)},
		"convert to complex":          {transform.Convert{DType: array.Complex64}, pixels(4, 4)},
		"image of no rows":            {transform.Translate{}, pixels(0, 4)},
		"image of negative width":     {transform.Cutout{Size: 1}, pixels(4, -4)},
	} {
		if _, apply, _, err := c.op.Bind(c.in); err == nil || apply != nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestOpsCall checks what every operation's function does on each call.
func TestOpsCall(t *testing.T) {
	for _, o := range []op{
		transform.HorizontalFlip{}, transform.Translate{Padding: 1}, transform.Cutout{Size: 2},
		transform.Normalize{Std: [3]float64{1, 1, 1}}, transform.ToCHW{}, transform.Convert{DType: array.Int32},
	} {
		out, apply, _, err := o.Bind(pixels(4, 4))
		if err != nil {
			t.Fatal(err)
		}
		n, _ := out.Bytes()
		rng := rand.New(rand.NewPCG(1, 1))
		dst, src := make([]byte, n), make([]byte, 48)
		if k := testing.AllocsPerRun(10, func() { apply(dst, src, rng) }); k != 0 {
			t.Errorf("%T allocates %v times", o, k)
		}
		if apply(make([]byte, n-1), make([]byte, 48), rng) == nil || apply(make([]byte, n), make([]byte, 49), rng) == nil {
			t.Errorf("%T: no error for slices of other lengths", o)
		}
	}
}

func BenchmarkOps(b *testing.B) {
	for _, c := range []struct {
		op   op
		side int
	}{
		{transform.HorizontalFlip{P: 1}, 224},
		{transform.HorizontalFlip{P: 1}, 32},
		{transform.Translate{Padding: 2}, 32},
		{transform.Cutout{Size: 4}, 32},
		{transform.Normalize{Std: [3]float64{1, 1, 1}}, 224},
		{transform.ToCHW{}, 224},
		{transform.Convert{DType: array.Float32}, 224},
	} {
		b.Run(fmt.Sprintf("%T/%d", c.op, c.side), func(b *testing.B) {
			out, apply, inPlace, err := c.op.Bind(pixels(c.side, c.side))
			if err != nil {
				b.Fatal(err)
			}
			n, _ := out.Bytes()
			src, dst := make([]byte, 3*c.side*c.side), make([]byte, n)
			if inPlace {
				src = dst
			}
			rng := rand.New(rand.NewPCG(1, 2))
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
