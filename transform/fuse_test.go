package transform_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/transform"
)

var (
	imageMean = [3]float64{123.675, 116.28, 103.53}
	imageStd  = [3]float64{58.395, 57.12, 57.375}
)

// viewer is a decoder as package loader sees it.
type viewer interface {
	BindImage(width, height int) (array.Spec, transform.DecodeFunc, error)
	BindView(width, height int, ops []any) (int, array.Spec, *rgb.Target, transform.ViewFunc, string, error)
}

// encodedPhotos gives a few photographs, and one as raw pixels.
func encodedPhotos(tb testing.TB, n int) (list []rgb.Encoded) {
	tb.Helper()
	names, err := fs.Glob(photos.FS, path.Join("*", "*.jpg"))
	if err != nil || len(names) < n {
		tb.Fatalf("%d photos, %v", len(names), err)
	}
	for _, name := range names[:n] {
		data, err := photos.FS.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		info, err := rgb.ScanJPEG(data)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: data})
	}
	var img rgb.Image
	if err := rgb.DecodeJPEG(&img, list[0].Data); err != nil {
		tb.Fatal(err)
	}
	return append(list, rgb.Encoded{Width: img.Width, Height: img.Height, Data: img.Pix})
}

// streams gives every operation of a sample a generator of its own.
func streams(sample int) func(op int) *rand.Rand {
	return func(op int) *rand.Rand { return rand.New(rand.NewPCG(uint64(sample), uint64(op))) }
}

// oneByOne runs a decoder and operations without fusing anything.
func oneByOne(tb testing.TB, d viewer, src rgb.Encoded, ops []any, sample int) (array.Spec, []byte) {
	tb.Helper()
	spec, decode, err := d.BindImage(src.Width, src.Height)
	if err != nil {
		tb.Fatal(err)
	}
	n, _ := spec.Bytes()
	value := make([]byte, n)
	draw := streams(sample)
	if err := decode(value, src, draw(0), new(rgb.Scratch)); err != nil {
		tb.Fatal(err)
	}
	for i, o := range ops {
		var apply func([]byte, *rand.Rand) []byte
		spec, apply = bound(tb, o.(op), spec)
		value = apply(value, draw(1+i))
	}
	return spec, value
}

// TestFused holds the fused pass to the operations one by one: same type and
// shape, same numbers.
func TestFused(t *testing.T) {
	flip, chw := transform.HorizontalFlip{}, transform.ToCHW{}
	norm := transform.Normalize{Mean: imageMean, Std: imageStd}
	half, brain := norm, norm
	half.DType, brain.DType = array.Float16, transform.BFloat16
	lists := []struct {
		ops   []any
		fused int
	}{
		{nil, 0},
		{[]any{flip}, 1},
		{[]any{&flip, transform.HorizontalFlip{P: 0.8}}, 2},
		{[]any{flip, norm, chw}, 3},
		{[]any{norm, chw}, 2},
		{[]any{norm, flip, chw}, 3},
		{[]any{flip, chw, transform.Convert{DType: array.Float32}}, 3},
		{[]any{transform.Convert{DType: array.Float16}, chw}, 2},
		{[]any{flip, half, chw}, 3},
		{[]any{brain}, 1},
		{[]any{chw, transform.Convert{DType: transform.BFloat16}}, 2},
		{[]any{chw, flip}, 1}, // it would mirror rows
		{[]any{chw, chw}, 1},
		{[]any{flip, transform.Convert{DType: array.Float64}}, 1},
		{[]any{transform.Cutout{Size: 8}, flip}, 0},
		{[]any{flip, transform.Translate{Padding: 3}, norm}, 1},
	}
	for _, exact := range []bool{true, false} {
		for _, d := range []viewer{
			transform.RandomResizedCrop{Width: 56, Height: 40, Exact: exact},
			transform.CenterCrop{Width: 40, Height: 48, Exact: exact, Filter: rgb.Bilinear},
			transform.Simple{},
		} {
			for sample, src := range encodedPhotos(t, 3) {
				for _, l := range lists {
					what := fmt.Sprintf("%T, exact %v, sample %d, %v", d, exact, sample, l.ops)
					n, spec, target, view, _, err := d.BindView(src.Width, src.Height, l.ops)
					if err != nil || n != l.fused {
						t.Fatalf("%s: fused %d, want %d (%v)", what, n, l.fused, err)
					}
					size, _ := spec.Bytes()
					got := make([]byte, size)
					if err := render(got, src, view, streams(sample), target, new(rgb.Scratch)); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					wantSpec, want := oneByOne(t, d, src, l.ops[:n], sample)
					if spec.String() != wantSpec.String() {
						t.Fatalf("%s: %v, want %v", what, spec, wantSpec)
					}
					if exact && !bytes.Equal(got, want) {
						t.Errorf("%s: not the same bytes", what)
					} else if diff := distance(got, want, spec.DType); diff > 1 && !nearly(got, want, spec.DType) {
						t.Errorf("%s: numbers are %d steps apart", what, diff)
					}
				}
			}
		}
	}
}

// render does what package loader does with a view.
func render(dst []byte, src rgb.Encoded, view transform.ViewFunc, draw func(op int) *rand.Rand, t *rgb.Target, s *rgb.Scratch) error {
	crop, flip, err := view(src.Width, src.Height, draw)
	if err != nil {
		return err
	}
	return s.Render(dst, src, crop, flip, t)
}

// distance is how many representable numbers two arrays are apart at most.
func distance(a, b []byte, t array.DType) (most int64) {
	number := func(b []byte) int64 {
		var v, sign int64
		switch t.ItemSize() {
		case 1:
			return int64(b[0])
		case 2:
			v, sign = int64(binary.LittleEndian.Uint16(b)), 1<<15
		default:
			v, sign = int64(binary.LittleEndian.Uint32(b)), 1<<31
		}
		if v&sign != 0 {
			v = sign - v
		}
		return v
	}
	if len(a) != len(b) {
		return math.MaxInt64
	}
	for i := 0; i < len(a); i += t.ItemSize() {
		d := number(a[i:]) - number(b[i:])
		most = max(most, d, -d)
	}
	return most
}

// nearly tells whether arrays of float32 are the same up to a millionth: around
// a channel's mean that is many representable numbers.
func nearly(a, b []byte, t array.DType) bool {
	if t != array.Float32 || len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i += 4 {
		x := math.Float32frombits(binary.LittleEndian.Uint32(a[i:]))
		y := math.Float32frombits(binary.LittleEndian.Uint32(b[i:]))
		if !(math.Abs(float64(x)-float64(y)) <= 1e-6) {
			return false
		}
	}
	return true
}

// TestFusedFast compares the fast way with the exact one.
func TestFusedFast(t *testing.T) {
	for _, filter := range []rgb.Filter{rgb.Area, rgb.Bilinear} {
		var worst, sum float64 = math.Inf(1), 0
		list := encodedPhotos(t, 20)
		for sample, src := range list {
			c := transform.RandomResizedCrop{Width: 112, Height: 112, Filter: filter}
			ops := []any{transform.HorizontalFlip{}}
			_, fast := oneByOne(t, c, src, ops, sample)
			c.Exact = true
			_, exact := oneByOne(t, c, src, ops, sample)
			p := psnr(fast, exact)
			worst, sum = min(worst, p), sum+min(p, 99)
		}
		if mean := sum / float64(len(list)); worst < 38 || mean < 46 {
			t.Errorf("%v: %.1f dB at worst, %.1f on average", filter, worst, mean)
		}
	}
}

func psnr(a, b []byte) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/sum)
}

func TestBindViewRefuses(t *testing.T) {
	for what, d := range map[string]viewer{
		"no size":         transform.CenterCrop{},
		"ratio":           transform.CenterCrop{Width: 8, Height: 8, Ratio: 2},
		"scale":           transform.RandomResizedCrop{Width: 8, Height: 8, Scale: [2]float64{1, 0.5}},
		"filter":          transform.RandomResizedCrop{Width: 8, Height: 8, Filter: 7},
		"different sizes": transform.Simple{},
	} {
		n, _, _, view, _, err := d.BindView(0, 0, nil)
		if err == nil || view != nil || n != 0 {
			t.Errorf("%s: no error", what)
		}
	}
	// An operation that is wrong ends the fusion; it is the caller's to bind.
	n, _, _, _, _, err := transform.CenterCrop{Width: 8, Height: 8}.BindView(0, 0, []any{transform.HorizontalFlip{P: 2}})
	if n != 0 || err != nil {
		t.Errorf("a wrong flip: fused %d, %v", n, err)
	}
}

// TestFusedAllocatesNothing: not once the scratch has grown.
func TestFusedAllocatesNothing(t *testing.T) {
	src := encodedPhotos(t, 1)[0]
	ops := []any{transform.HorizontalFlip{}, transform.Normalize{Mean: imageMean, Std: imageStd}, transform.ToCHW{}}
	_, spec, target, view, _, err := transform.RandomResizedCrop{Width: 64, Height: 64}.BindView(0, 0, ops)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := spec.Bytes()
	dst, s, rng := make([]byte, n), new(rgb.Scratch), rand.New(rand.NewPCG(1, 2))
	draw := func(int) *rand.Rand { return rng }
	if got := testing.AllocsPerRun(50, func() {
		if err := render(dst, src, view, draw, target, s); err != nil {
			t.Error(err)
		}
	}); got >= 1 {
		t.Errorf("%v allocations a sample", got)
	}
}
